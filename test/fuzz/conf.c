/* SPDX-License-Identifier: MIT */
/* Configuration: whatever the text, faults are single lines; what is accepted keeps every limit and, printed by
 * --show-config, means the same again. */
#include "fuzz.h"

#include <string.h>

#include "main/conf.h"

static void check_faults(const struct conf *c)
{
	FUZZ_CHECK(c->n_faults > 0);
	for (unsigned i = 0; i < c->n_faults && i < CONF_FAULTS_MAX; i++) {
		const char *s = c->faults[i];
		FUZZ_CHECK(s && strncmp(s, "f:", 2) == 0);
		for (; *s; s++)
			FUZZ_CHECK((unsigned char)*s >= ' ' && *s != 0x7f);
	}
}

static void check_limits(const struct conf *c)
{
	FUZZ_CHECK(c->im.n_listen >= 1 && c->im.n_listen <= IM_LISTEN_MAX);
	FUZZ_CHECK(c->n_msrp >= 1 && c->n_msrp <= CONF_MSRP_LISTEN_MAX);
	FUZZ_CHECK(c->im.n_trusted <= IM_TRUSTED_MAX && c->im.n_domains <= IM_DOMAINS_MAX);
	FUZZ_CHECK(c->im.mode == IM_ANCHORED);
	FUZZ_CHECK(c->im.max_chats >= 1 && c->im.max_chats <= c->im.max_streams);
	FUZZ_CHECK(c->im.max_streams <= PLANE_LINES_MAX);
	FUZZ_CHECK(c->im.plane.end_bound_ms >= 1000 && c->im.plane.end_bound_ms < 30000);
	for (unsigned i = 0; i < c->im.n_listen; i++)
		FUZZ_CHECK(c->im.listen[i].host[0] && strlen(c->im.listen[i].host) < 64);
	FUZZ_CHECK(plane_home(&c->im.plane)->host[0] && c->im.accept_types[0]);
}

static char *shown(const struct conf *c)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	FUZZ_CHECK(f);
	conf_show(c, f);
	fclose(f);
	return text;
}

static void check_same(const struct conf *a, const struct conf *b)
{
	FUZZ_CHECK(a->im.n_listen == b->im.n_listen && a->im.n_trusted == b->im.n_trusted);
	for (unsigned i = 0; i < a->im.n_listen; i++)
		FUZZ_CHECK(addr_eq(&a->im.listen[i].addr, &b->im.listen[i].addr) &&
			   strcmp(a->im.listen[i].host, b->im.listen[i].host) == 0);
	FUZZ_CHECK(strcmp(a->im.server_token, b->im.server_token) == 0);
	FUZZ_CHECK(strcmp(a->im.next_hop, b->im.next_hop) == 0);
	FUZZ_CHECK(strcmp(a->im.accept_types, b->im.accept_types) == 0);
	FUZZ_CHECK(a->im.max_size == b->im.max_size && a->drain_s == b->drain_s);
	FUZZ_CHECK(a->im.plane.drain_ms == b->im.plane.drain_ms && a->net.sip_idle_ms == b->net.sip_idle_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf c, again;
	char *first, *second;
	int r = conf_parse(&c, "f", (struct span){ (const char *)data, size });

	if (r != 0) {
		FUZZ_CHECK(r == 1);
		check_faults(&c);
		conf_finish(&c);
		return 0;
	}
	check_limits(&c);
	first = shown(&c);
	FUZZ_CHECK(conf_parse(&again, "f", span_of(first)) == 0);
	second = shown(&again);
	FUZZ_CHECK(strcmp(first, second) == 0);
	check_same(&c, &again);
	free(first);
	free(second);
	conf_finish(&c);
	conf_finish(&again);
	return 0;
}
