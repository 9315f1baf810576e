/* SPDX-License-Identifier: MIT */
/* Random is not at all: the same in each run, and never the same twice within one. */
#include "bare.h"

#include "lib/check.h"

static void on_random(void *w, void *p, size_t n)
{
	struct bare *b = w;
	for (uint8_t *at = p; n--; at++)
		*at = (uint8_t)((b->seed = b->seed * 6364136223846793005u + 1442695040888963407u) >> 56);
}

static bool no_log(void *w, enum im_level level)
{
	(void)w, (void)level;
	return false;
}

void bare_conf(struct im_conf *conf)
{
	im_conf_defaults(conf);
	conf->n_listen = 1;
	conf->listen[0] = (struct im_listen){ .tp = SIP_UDP, .host = BARE_AT, .port = 5060 };
	assert_true(addr_parse(&conf->listen[0].addr, SPAN(BARE_AT), 5060));
	assert_true(cidr_parse(&conf->trusted[conf->n_trusted++], SPAN("192.0.2.0/24")));
	strcpy(conf->domains[conf->n_domains++], "example.com");
	conf->plane.at[PLANE_TCP] = (struct plane_at){ BARE_AT, 2855 };
}

void bare_start(struct bare *b, const struct im_conf *conf,
		int (*sip_send)(void *w, const struct sip_dest *to, struct span bytes, uint64_t token))
{
	struct im_port port = { .w = b, .random = on_random, .sip_send = sip_send, .log_wanted = no_log };

	b->now_us = US_PER_S;
	b->im = im_create(conf, &port, b->now_us);
}

void bare_input(struct bare *b, const char *from, struct span bytes)
{
	struct sip_src src = { .tp = SIP_UDP };

	assert_true(addr_parse(&src.ip, span_of(from), 5060));
	im_sip_input(b->im, bytes, &src, b->now_us += US_PER_MS);
}

void bare_run_out(struct bare *b)
{
	for (uint64_t at; (at = im_deadline(b->im)) != UINT64_MAX;) {
		b->now_us = at > b->now_us ? at : b->now_us;
		assert_true(b->now_us < 10000 * US_PER_S);
		im_tick(b->im, b->now_us);
	}
	assert_true(im_idle(b->im));
}
