/* SPDX-License-Identifier: MIT */
/*
 * From a SIP URI's host to a server (RFC 3263 4): NAPTR where neither transport nor port was said, SRV where no port was,
 * then addresses; servers that failed a short while ago come last, and none of them is ourselves, for what DNS sends back to us
 * would go round until its hops are used up.  Nothing is kept between two questions: when an answer is missing the whole is
 * looked at again, once it is there.
 *
 * What is hard is that all of one transaction, its repeats, its CANCEL and its ACK, must go to one server (RFC 3263 4), though
 * chance chooses it: the branch is remembered with what was chosen for it, and is the seed where that was forgotten.
 */
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/target.h"
#include "net/locate.h"

enum { PINS = 2048, AVOIDED_MAX = 64 };

struct pin { /* who a branch was sent to */
	uint64_t branch;
	struct addr addr;
	enum sip_transport tp;
};

struct avoided {
	uint64_t until_us;
	struct addr addr;
	enum sip_transport tp;
};

struct locator {
	struct pin pin[PINS]; /* by the branch's hash */
	struct avoided avoided[AVOIDED_MAX];
};

static struct locator *locator_of(struct net *n)
{
	if (!n->locator)
		n->locator = calloc(1, sizeof(*n->locator));
	return n->locator;
}

/* ---- who failed ---- */

static struct avoided *avoided_find(struct net *n, enum sip_transport tp, const struct addr *a)
{
	for (unsigned i = 0; n->locator && i < AVOIDED_MAX; i++) {
		struct avoided *v = &n->locator->avoided[i];
		if (v->until_us > n->now_us && v->tp == tp && addr_eq(&v->addr, a))
			return v;
	}
	return NULL;
}

void locate_failed(struct net *n, enum sip_transport tp, const struct addr *a)
{
	struct avoided *v = avoided_find(n, tp, a);

	if (!n->locator) /* no name was ever asked for */
		return;
	if (!v) {
		v = &n->locator->avoided[0];
		for (unsigned i = 1; i < AVOIDED_MAX; i++)
			if (n->locator->avoided[i].until_us < v->until_us)
				v = &n->locator->avoided[i];
		net_event(n, "sip-target-avoided", a, 0);
	}
	*v = (struct avoided){ n->now_us + n->conf.dns_avoid_ms * US_PER_MS, *a, tp };
}

/* ---- who is ourselves ---- */

static bool is_any(const struct addr *a)
{
	static const uint8_t zero[16];
	return memcmp(a->ip, zero, a->family == 4 ? 4 : 16) == 0;
}

/* What reaches this host whatever its addresses: "any" is taken for the loopback by connect(2) and sendto(2). */
static bool is_loopback(const struct addr *a)
{
	static const uint8_t one[16] = { [15] = 1 };
	return is_any(a) || (a->family == 4 ? a->ip[0] == 127 : memcmp(a->ip, one, 16) == 0);
}

static bool on_this_host(const struct addr *a)
{
	struct ifaddrs *all = NULL;
	bool found = false;

	if (getifaddrs(&all) < 0)
		return false;
	for (struct ifaddrs *i = all; i && !found; i = i->ifa_next) {
		struct sockaddr_storage ss = { 0 };
		struct addr mine;
		if (!i->ifa_addr || (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
			continue;
		memcpy(&ss, i->ifa_addr,
		       i->ifa_addr->sa_family == AF_INET ? sizeof(struct sockaddr_in)
							 : sizeof(struct sockaddr_in6));
		found = sock_to_addr(&mine, &ss) && mine.family == a->family &&
			memcmp(mine.ip, a->ip, a->family == 4 ? 4 : 16) == 0;
	}
	freeifaddrs(all);
	return found;
}

/* ::ffff:192.0.2.1 leads to 192.0.2.1. */
static struct addr unmapped(const struct addr *a)
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };
	struct addr v4 = { .family = 4, .port = a->port };

	if (a->family != 6 || memcmp(a->ip, prefix, sizeof(prefix)) != 0)
		return *a;
	memcpy(v4.ip, a->ip + sizeof(prefix), 4);
	return v4;
}

bool locate_is(const struct addr *listening, const struct addr *to)
{
	struct addr a = unmapped(to);

	if (listening->family != a.family || listening->port != a.port)
		return false;
	if (is_any(listening))
		return is_loopback(&a) || on_this_host(&a);
	return addr_eq(listening, &a) || (is_any(&a) && is_loopback(listening));
}

static bool is_us(struct net *n, enum sip_transport tp, const struct addr *a)
{
	return tp == SIP_UDP ? udp_is(n, a) : listener_is(n, LISTEN_SIP + (tp - SIP_TCP), a);
}

static bool speaks(struct net *n, enum sip_transport tp)
{
	return tp == SIP_UDP   ? !list_empty(&n->udp)
	       : tp == SIP_TLS ? n->tls != NULL
			       : listener_has(n, LISTEN_SIP);
}

/* ---- candidates ---- */

struct candidate {
	enum sip_transport tp;
	struct target_srv at;
};

struct candidates {
	unsigned n;
	struct candidate list[2 * TARGETS_MAX];
};

/* The servers of one SRV name: how many; 0: w waits; -ENOENT. */
static int add_srv(struct net *n, struct candidates *c, enum sip_transport tp, struct span name,
		   uint64_t seed, struct resolve_wait *w)
{
	struct target_srv t[TARGETS_MAX];
	int found = resolve_srv(n, name, t, w);

	if (found <= 0)
		return found;
	target_order(t, (unsigned)found, seed);
	for (int i = 0; i < found && c->n < ARRAY_LEN(c->list); i++)
		c->list[c->n++] = (struct candidate){ tp, t[i] };
	return found;
}

static int add_service(struct net *n, struct candidates *c, enum sip_transport tp, struct span host,
		       uint64_t seed, struct resolve_wait *w)
{
	static const char *const prefix[] = { "_sip._udp.", "_sip._tcp.", "_sips._tcp." };
	char name[16 + SIP_HOST_MAX];

	snprintf(name, sizeof(name), "%s%" SPAN_FMT, prefix[tp], SPAN_ARG(host));
	return add_srv(n, c, tp, span_of(name), seed, w);
}

/* RFC 3263 4.1: by NAPTR, else the SRV names of what we speak.  0: w waits; else 1. */
static int add_any(struct net *n, struct candidates *c, struct span host, uint64_t seed,
		   struct resolve_wait *w)
{
	struct target_naptr t[TARGET_NAPTR_MAX];
	int found = resolve_naptr(n, host, t, w), r;

	if (found == 0)
		return 0;
	if (found > 0)
		target_naptr_order(t, (unsigned)found);
	for (int i = 0; i < found; i++)
		if (speaks(n, t[i].tp) && add_srv(n, c, t[i].tp, span_of(t[i].srv), seed, w) == 0)
			return 0;
	for (enum sip_transport tp = SIP_UDP; c->n == 0 && tp <= SIP_TCP; tp++) {
		r = speaks(n, tp) ? add_service(n, c, tp, host, seed, w) : -ENOENT;
		if (r == 0)
			return 0;
	}
	return 1;
}

static int collect(struct net *n, struct candidates *c, const struct sip_dest *to, uint64_t seed,
		   struct resolve_wait *w)
{
	struct candidate *plain;
	int r = 1;

	c->n = 0;
	if (to->any_port && to->any_tp)
		r = add_any(n, c, to->host, seed, w);
	else if (to->any_port && to->tp <= SIP_TLS)
		r = add_service(n, c, to->tp, to->host, seed, w);
	if (r == 0 || c->n > 0)
		return r;
	plain = &c->list[c->n++];
	*plain = (struct candidate){ to->tp, { .port = to->ip.port } };
	snprintf(plain->at.host, sizeof(plain->at.host), "%" SPAN_FMT, SPAN_ARG(to->host));
	return 1;
}

/* Its addresses, but for those we cannot or must not use: how many; 0: w waits; -ENOENT. */
static int addresses(struct net *n, const struct candidate *c, struct target *out, struct resolve_wait *w)
{
	struct addr found[NET_ADDRS_MAX];
	int count = resolve(n, span_of(c->at.host), found, w);

	if (count <= 0)
		return count;
	out->tp = c->tp;
	out->n = 0;
	for (int i = 0; i < count; i++) {
		found[i].port = c->at.port;
		if (is_us(n, c->tp, &found[i]))
			net_event(n, "sip-target-is-us", &found[i], 0);
		else if (c->tp != SIP_UDP || udp_speaks(n, found[i].family))
			out->addrs[out->n++] = found[i];
	}
	return out->n ? (int)out->n : -ENOENT;
}

/* Those that failed go; true: some are left. */
static bool sift(struct net *n, struct target *t)
{
	unsigned left = 0;

	for (unsigned i = 0; i < t->n; i++)
		if (!avoided_find(n, t->tp, &t->addrs[i]))
			t->addrs[left++] = t->addrs[i];
	t->n = left;
	return left > 0;
}

/* The first server that did not fail, else the first at all (*avoided).  1; 0: w waits; -errno. */
static int walk(struct net *n, const struct sip_dest *to, uint64_t seed, struct target *out, bool *avoided,
		struct resolve_wait *w)
{
	struct candidates *c = malloc(sizeof(*c));
	struct target last = { .n = 0 };
	int r, err = -ENOENT;

	if (!c)
		return -ENOMEM;
	*avoided = false;
	r = collect(n, c, to, seed, w);
	for (unsigned i = 0; r != 0 && i < c->n; i++) {
		r = addresses(n, &c->list[i], out, w);
		if (r < 0 && r != -ENOENT)
			err = r;
		if (r > 0 && last.n == 0)
			last = *out;
		if (r > 0 && sift(n, out))
			break;
		r = r == 0 ? 0 : -ENOENT;
	}
	free(c);
	if (r >= 0)
		return r > 0;
	*out = last;
	*avoided = true;
	return last.n ? 1 : err;
}

/* ---- for the sender ---- */

/* The branch of the topmost Via, of a request as we write them: one Via first of all. */
static uint64_t branch_of(struct span request)
{
	size_t at = span_find(request, SPAN(";branch="));
	struct span rest = at == SPAN_NONE ? SPAN_EMPTY : span_skip(request, at + 8);

	return rest.n ? span_hash(span_trim(span_split(&rest, '\n')), 0) | 1 : 0;
}

static struct pin *pin_of(struct net *n, uint64_t branch)
{
	struct pin *p = branch && locator_of(n) ? &n->locator->pin[branch % PINS] : NULL;
	return p;
}

int locate(struct net *n, const struct sip_dest *to, struct span request, struct target *out,
	   struct resolve_wait *w)
{
	uint64_t branch = branch_of(request);
	struct pin *p = pin_of(n, branch);
	bool avoided;
	int r;

	if (p && p->branch == branch && !avoided_find(n, p->tp, &p->addr)) {
		*out = (struct target){ p->tp, 1, { p->addr } };
		return 1;
	}
	r = walk(n, to, branch, out, &avoided, w);
	if (r > 0 && p)
		*p = (struct pin){ branch, out->addrs[0], out->tp };
	return r;
}

static void ignore(struct resolve_wait *w, const struct addr *addrs, unsigned n)
{
	(void)w, (void)addrs, (void)n;
}

bool net_sip_elsewhere(struct net *n, const struct sip_dest *to, struct span request)
{
	uint64_t branch = branch_of(request);
	struct pin *p = to->ip.family ? NULL : pin_of(n, branch);
	struct resolve_wait w = { .done = ignore };
	struct target t;
	bool avoided;
	int r;

	if (!p || p->branch != branch)
		return false;
	locate_failed(n, p->tp, &p->addr);
	r = walk(n, to, branch, &t, &avoided, &w);
	list_del(&w.link);
	return r == 0 || (r > 0 && !avoided);
}

void locate_finish(struct net *n)
{
	free(n->locator);
	n->locator = NULL;
}
