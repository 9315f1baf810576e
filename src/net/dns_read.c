/* SPDX-License-Identifier: MIT */
/*
 * What an answer of a name server says of services: SRV and NAPTR records, out of the message as it arrived.  c-ares reads the
 * records, but tells these two without their time to live, which is then read here; whoever wrote the message may mean harm, so
 * every step of ours is within it, counted and not pointed.
 */
#include <ares.h>
#include <stdlib.h>

#include "net/dns.h"

enum { HEADER = 12, QUESTION_TAIL = 4, RECORD_TAIL = 10 }; /* RFC 1035 4.1 */

static unsigned two(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* Where what follows the name at `at` stands; 0: there is no name. */
static size_t behind_name(const unsigned char *m, size_t n, size_t at)
{
	char *name;
	long used;

	if (at >= n || ares_expand_name(m + at, m, (int)n, &name, &used) != ARES_SUCCESS)
		return 0;
	ares_free_string(name);
	return used > 0 && (size_t)used <= n - at ? at + (size_t)used : 0;
}

/* The lowest time to live of the answer section; 0 where it cannot be read to its end. */
static uint32_t lowest_ttl(const unsigned char *m, size_t n)
{
	unsigned questions = n >= HEADER ? two(m + 4) : 0, answers = n >= HEADER ? two(m + 6) : 0;
	uint32_t ttl = answers ? UINT32_MAX : 0;
	size_t at = HEADER;

	for (unsigned i = 0; i < questions + answers; i++) {
		size_t tail = i < questions ? QUESTION_TAIL : RECORD_TAIL;
		uint32_t own;
		at = behind_name(m, n, at);
		if (at == 0 || n - at < tail)
			return 0;
		at += tail;
		if (i < questions)
			continue;
		own = (uint32_t)two(m + at - 6) << 16 | two(m + at - 4);
		ttl = own < ttl ? own : ttl;
		if (n - at < two(m + at - 2))
			return 0;
		at += two(m + at - 2);
	}
	return ttl;
}

static bool keep_name(char to[TARGET_NAME_MAX], const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n >= TARGET_NAME_MAX || strcmp(name, ".") == 0)
		return false; /* RFC 2782: the service is not there */
	memcpy(to, name, n + 1);
	return true;
}

static void read_srv(struct dns_answer *a, const unsigned char *m, int n)
{
	struct ares_srv_reply *list = NULL;

	if (ares_parse_srv_reply(m, n, &list) == ARES_SUCCESS)
		for (struct ares_srv_reply *i = list; i && a->n < TARGETS_MAX; i = i->next) {
			struct target_srv *t = &a->srv[a->n];
			*t = (struct target_srv){ .priority = i->priority,
						  .weight = i->weight,
						  .port = i->port };
			a->n += i->port && keep_name(t->host, i->host);
		}
	ares_free_data(list);
}

static void read_naptr(struct dns_answer *a, const unsigned char *m, int n)
{
	struct ares_naptr_reply *list = NULL;

	if (ares_parse_naptr_reply(m, n, &list) == ARES_SUCCESS)
		for (struct ares_naptr_reply *i = list; i && a->n < TARGET_NAPTR_MAX; i = i->next) {
			struct target_naptr *t = &a->naptr[a->n];
			*t = (struct target_naptr){ .order = i->order, .preference = i->preference };
			/* RFC 3263 4.1: "s", and a replacement that needs no expression. */
			a->n += target_service(span_of((const char *)i->service), &t->tp) &&
				span_ieq(span_of((const char *)i->flags), SPAN("s")) &&
				keep_name(t->srv, i->replacement);
		}
	ares_free_data(list);
}

void dns_read(struct dns_answer *a, enum dns_kind kind, const unsigned char *m, size_t n)
{
	*a = (struct dns_answer){ 0 };
	if (n > DNS_MESSAGE_MAX)
		return;
	a->ttl_s = lowest_ttl(m, n);
	if (kind == DNS_SRV)
		read_srv(a, m, (int)n);
	else
		read_naptr(a, m, (int)n);
}
