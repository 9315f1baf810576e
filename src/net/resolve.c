/* SPDX-License-Identifier: MIT */
/*
 * Host names to addresses: literals at once, names by getaddrinfo on libuv's threads, answers kept for a
 * while.  getaddrinfo says no TTL, so a good answer is kept for a minute and a bad one for seconds.  Everyone
 * who asks for a name under way waits on the same lookup; when all entries are under way further names are
 * refused.
 */
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>

#include "net/priv.h"

enum { NAMES_MAX = 256, NAME_LEN_MAX = 253, KEEP_GOOD_S = 60, KEEP_BAD_S = 5 };

struct name {
	struct htab_link by_name;
	struct list lru; /* on resolver->names, most recently asked last */
	struct resolver *resolver;
	struct list waits; /* struct resolve_wait */
	uint64_t until_us;
	bool busy;
	unsigned n;
	struct addr addrs[NET_ADDRS_MAX];
	uv_getaddrinfo_t req;
	char host[NAME_LEN_MAX + 1]; /* lower case */
};

struct resolver {
	struct net *net;
	struct htab by_name;
	struct list names;
	unsigned n_names;
};

struct resolver *resolver_create(struct net *n)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->net = n;
	list_init(&r->names);
	if (htab_init(&r->by_name, n->sip_by_id.key) < 0) {
		free(r);
		return NULL;
	}
	return r;
}

static void name_drop(struct name *m)
{
	htab_del(&m->resolver->by_name, &m->by_name);
	list_del(&m->lru);
	m->resolver->n_names--;
	free(m);
}

void resolver_cancel(struct resolver *r)
{
	list_each(l, &r->names) {
		struct name *m = container_of(l, struct name, lru);
		list_init(&m->waits);
		if (m->busy) /* one already on a thread is waited for */
			uv_cancel((uv_req_t *)&m->req);
	}
}

void resolver_destroy(struct resolver *r)
{
	if (!r)
		return;
	list_each(l, &r->names)
		name_drop(container_of(l, struct name, lru));
	htab_finish(&r->by_name);
	free(r);
}

static bool name_eq(const struct htab_link *l, const void *key)
{
	const struct name *m = container_of(l, struct name, by_name);
	return strcmp(m->host, key) == 0;
}

static void take_answer(struct name *m, const struct addrinfo *ai)
{
	m->n = 0;
	for (; ai && m->n < NET_ADDRS_MAX; ai = ai->ai_next) {
		struct sockaddr_storage ss = { 0 };
		if (ai->ai_addrlen > sizeof(ss))
			continue;
		memcpy(&ss, ai->ai_addr, ai->ai_addrlen);
		if (sock_to_addr(&m->addrs[m->n], &ss))
			m->addrs[m->n++].port = 0;
	}
}

static void on_answer(uv_getaddrinfo_t *req, int status, struct addrinfo *ai)
{
	struct name *m = req->data;
	struct net *n = m->resolver->net;
	struct addr addrs[NET_ADDRS_MAX];
	struct list waits;
	unsigned count;

	net_touch(n);
	m->busy = false;
	take_answer(m, status == 0 ? ai : NULL);
	uv_freeaddrinfo(ai);
	m->until_us = n->now_us + (m->n ? KEEP_GOOD_S : KEEP_BAD_S) * US_PER_S;
	if (m->n == 0)
		n->stats.lookups_failed++;
	/* A callback may ask for other names and so push this one out: from here m is not touched. */
	count = m->n;
	memcpy(addrs, m->addrs, sizeof(addrs));
	list_move(&waits, &m->waits);
	for (struct list *l; (l = list_pop(&waits)) != NULL;) {
		struct resolve_wait *w = container_of(l, struct resolve_wait, link);
		w->done(w, addrs, count);
	}
}

static int lookup(struct name *m)
{
	struct net *n = m->resolver->net;
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
				  .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_ADDRCONFIG };
	int err;

	m->req.data = m;
	err = uv_getaddrinfo(&n->loop, &m->req, on_answer, m->host, NULL, &hints);
	if (err < 0)
		return err;
	n->stats.lookups++;
	m->busy = true;
	return 0;
}

/* Room for one more: the name asked for longest ago that nobody waits for goes. */
static bool make_room(struct resolver *r)
{
	if (r->n_names < NAMES_MAX)
		return true;
	list_each(l, &r->names) {
		struct name *m = container_of(l, struct name, lru);
		if (!m->busy && list_empty(&m->waits)) {
			name_drop(m);
			return true;
		}
	}
	return false;
}

static struct name *name_get(struct resolver *r, const char *host)
{
	uint64_t hash = htab_hash(&r->by_name, span_of(host));
	struct htab_link *l = htab_get(&r->by_name, hash, name_eq, host);
	struct name *m;

	if (l) {
		m = container_of(l, struct name, by_name);
		list_del(&m->lru);
		list_push(&r->names, &m->lru);
		return m;
	}
	if (!make_room(r) || (m = calloc(1, sizeof(*m))) == NULL)
		return NULL;
	m->resolver = r;
	memcpy(m->host, host, strlen(host) + 1);
	list_init(&m->waits);
	htab_put(&r->by_name, &m->by_name, hash);
	list_push(&r->names, &m->lru);
	r->n_names++;
	return m;
}

/* Letters, digits, hyphens, dots, underscores: anything else is not a name and not asked for. */
static bool host_copy(char out[NAME_LEN_MAX + 1], struct span host)
{
	if (host.n == 0 || host.n > NAME_LEN_MAX)
		return false;
	for (size_t i = 0; i < host.n; i++) {
		char c = host.p[i];
		if (c >= 'A' && c <= 'Z')
			c += 'a' - 'A';
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_'))
			return false;
		out[i] = c;
	}
	out[host.n] = 0;
	return true;
}

int resolve(struct net *n, struct span host, struct addr addrs[NET_ADDRS_MAX], struct resolve_wait *w)
{
	char name[NAME_LEN_MAX + 1];
	struct name *m;
	int err;

	if (addr_parse(&addrs[0], host, 0))
		return 1;
	if (!host_copy(name, host))
		return -EINVAL;
	m = name_get(n->resolver, name);
	if (!m)
		return -ENOBUFS;
	if (!m->busy && n->now_us >= m->until_us) {
		err = lookup(m);
		if (err < 0)
			return err;
	}
	if (!m->busy) {
		memcpy(addrs, m->addrs, m->n * sizeof(addrs[0]));
		return m->n ? (int)m->n : -ENOENT;
	}
	list_push(&m->waits, &w->link);
	return 0;
}
