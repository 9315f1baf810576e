/* SPDX-License-Identifier: MIT */
/*
 * What is known of names: addresses, SRV and NAPTR records, each kept as long as its records say, within bounds (five
 * seconds at least, so that no name is asked for with each message), and a bad answer for seconds.  Literal addresses are known at once.  Everyone who asks for a name under way waits on the same question;
 * when all entries are under way further names are refused.
 */
#include <errno.h>
#include <stdlib.h>

#include "net/dns.h"

enum { NAMES_MAX = 256, NAME_LEN_MAX = 253, KEEP_LEAST_S = 5, KEEP_MOST_S = 3600, KEEP_BAD_S = 5 };

struct name {
	struct htab_link by_name;
	struct list lru; /* on resolver->names, most recently asked last */
	struct resolver *resolver;
	struct list waits; /* struct resolve_wait */
	uint64_t until_us;
	enum dns_kind kind;
	bool busy;
	struct dns_answer *found;    /* owned; NULL: nothing */
	char host[NAME_LEN_MAX + 1]; /* lower case */
};

struct resolver {
	struct net *net;
	struct dns *dns; /* owned; NULL: nothing was asked yet, or it is over */
	struct htab by_name;
	struct list names;
	unsigned n_names;
	bool over;
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
	free(m->found);
	free(m);
}

void resolver_cancel(struct resolver *r)
{
	r->over = true;
	list_each(l, &r->names)
		list_init(&container_of(l, struct name, lru)->waits);
	dns_destroy(r->dns);
	r->dns = NULL;
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

struct name_key {
	enum dns_kind kind;
	const char *host;
};

static bool name_eq(const struct htab_link *l, const void *key)
{
	const struct name *m = container_of(l, struct name, by_name);
	const struct name_key *k = key;
	return m->kind == k->kind && strcmp(m->host, k->host) == 0;
}

static void keep(struct name *m, const struct dns_answer *a)
{
	uint32_t s = a->ttl_s < KEEP_LEAST_S ? KEEP_LEAST_S : a->ttl_s > KEEP_MOST_S ? KEEP_MOST_S : a->ttl_s;

	free(m->found);
	m->found = a->n ? malloc(sizeof(*a)) : NULL;
	if (m->found)
		*m->found = *a;
	m->until_us = m->resolver->net->now_us + (m->found ? s : KEEP_BAD_S) * US_PER_S;
}

static void on_answer(void *u, const struct dns_answer *a)
{
	struct name *m = u;
	struct net *n = m->resolver->net;
	struct dns_answer copy = *a;
	struct list waits;

	net_touch(n);
	m->busy = false;
	keep(m, a);
	if (a->n == 0)
		n->stats.lookups_failed++;
	/* A callback may ask for other names and so push this one out: from here m is not touched. */
	list_move(&waits, &m->waits);
	for (struct list *l; (l = list_pop(&waits)) != NULL;) {
		struct resolve_wait *w = container_of(l, struct resolve_wait, link);
		w->done(w, copy.addrs, copy.n);
	}
}

/* The answer may be there when it returns. */
static int lookup(struct name *m)
{
	struct resolver *r = m->resolver;

	if (!r->dns && (r->over || !(r->dns = dns_create(r->net))))
		return -ENOMEM;
	net_touch(r->net);
	r->net->stats.lookups++;
	m->busy = true;
	dns_ask(r->dns, m->kind, m->host, on_answer, m);
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

static struct name *name_get(struct resolver *r, enum dns_kind kind, const char *host)
{
	struct name_key key = { kind, host };
	uint64_t hash = htab_hash(&r->by_name, span_of(host));
	struct htab_link *l = htab_get(&r->by_name, hash, name_eq, &key);
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
	m->kind = kind;
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

/* *found: what is known, valid until the next question.  1; 0: w waits; -ENOENT: there is nothing; -EINVAL, -ENOBUFS. */
static int ask(struct net *n, enum dns_kind kind, struct span host, const struct dns_answer **found,
	       struct resolve_wait *w)
{
	char name[NAME_LEN_MAX + 1];
	struct name *m;
	int err;

	if (!host_copy(name, host))
		return -EINVAL;
	m = name_get(n->resolver, kind, name);
	if (!m)
		return -ENOBUFS;
	if (!m->busy && n->now_us >= m->until_us) {
		err = lookup(m);
		if (err < 0)
			return err;
	}
	if (m->busy) {
		list_push(&m->waits, &w->link);
		return 0;
	}
	*found = m->found;
	return m->found ? 1 : -ENOENT;
}

int resolve(struct net *n, struct span host, struct addr addrs[NET_ADDRS_MAX], struct resolve_wait *w)
{
	const struct dns_answer *a;
	int r;

	if (addr_parse(&addrs[0], host, 0))
		return 1;
	r = ask(n, DNS_ADDR, host, &a, w);
	if (r <= 0)
		return r;
	memcpy(addrs, a->addrs, a->n * sizeof(addrs[0]));
	return (int)a->n;
}

int resolve_srv(struct net *n, struct span name, struct target_srv *t, struct resolve_wait *w)
{
	const struct dns_answer *a;
	int r = ask(n, DNS_SRV, name, &a, w);

	if (r <= 0)
		return r;
	memcpy(t, a->srv, a->n * sizeof(t[0]));
	return (int)a->n;
}

int resolve_naptr(struct net *n, struct span name, struct target_naptr *t, struct resolve_wait *w)
{
	const struct dns_answer *a;
	int r = ask(n, DNS_NAPTR, name, &a, w);

	if (r <= 0)
		return r;
	memcpy(t, a->naptr, a->n * sizeof(t[0]));
	return (int)a->n;
}
