/* SPDX-License-Identifier: MIT */
/*
 * Addresses as values.  Printing follows RFC 5952: lower case, no leading zeros, the longest run of
 * two or more zero groups as "::" (the first of equals), IPv4-mapped addresses with a dotted tail.
 */
#include "base/addr.h"

#include <arpa/inet.h>

static const uint8_t mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };

static bool is_mapped(const struct addr *a)
{
	return a->family == 6 && memcmp(a->ip, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

bool addr_parse(struct addr *a, struct span host, uint16_t port)
{
	bool bracketed = host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
	bool v6 = bracketed || span_chr(host, ':') != SPAN_NONE;
	struct addr out = { .family = v6 ? 6 : 4, .port = port };
	char z[INET6_ADDRSTRLEN];

	if (bracketed)
		host = span_cut(host, 1, host.n - 1);
	if (host.n >= sizeof(z) || host.n == 0)
		return false;
	memcpy(z, host.p, host.n);
	z[host.n] = '\0';
	if (strlen(z) != host.n || inet_pton(v6 ? AF_INET6 : AF_INET, z, out.ip) != 1)
		return false;
	*a = out;
	return true;
}

bool addr_parse_port(struct addr *a, struct span hostport)
{
	size_t colon = hostport.n;
	uint64_t port;

	while (colon && hostport.p[colon - 1] != ':')
		colon--;
	if (colon == 0 || span_u64(span_skip(hostport, colon), UINT16_MAX, &port) < 0)
		return false;
	struct span host = span_cut(hostport, 0, colon - 1);
	if (span_chr(host, ':') != SPAN_NONE && host.p[0] != '[')
		return false; /* "::1:5060" could be either */
	return addr_parse(a, host, (uint16_t)port);
}

bool addr_same_ip(const struct addr *a, const struct addr *b)
{
	if (a->family == b->family)
		return a->family == 0 || memcmp(a->ip, b->ip, a->family == 4 ? 4 : 16) == 0;
	if (is_mapped(a) && b->family == 4)
		return memcmp(a->ip + 12, b->ip, 4) == 0;
	return is_mapped(b) && a->family == 4 && memcmp(b->ip + 12, a->ip, 4) == 0;
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
	return a->port == b->port && addr_same_ip(a, b);
}

bool addr_is_any(const struct addr *a)
{
	static const uint8_t zeros[16];
	return a->family && memcmp(a->ip, zeros, a->family == 4 ? 4 : 16) == 0;
}

static void w_v4(struct wbuf *w, const uint8_t ip[4])
{
	for (int i = 0; i < 4; i++) {
		if (i)
			w_chr(w, '.');
		w_u64(w, ip[i]);
	}
}

static void w_group(struct wbuf *w, unsigned v)
{
	static const char digits[] = "0123456789abcdef";
	int shift = 12;

	while (shift && !(v >> shift))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		w_chr(w, digits[v >> shift & 15]);
}

static void w_v6(struct wbuf *w, const uint8_t ip[16])
{
	unsigned group[8];
	int best = -1, best_n = 1; /* a single zero group is not shortened (4.2.2) */

	for (int i = 0; i < 8; i++)
		group[i] = (unsigned)ip[2 * i] << 8 | ip[2 * i + 1];
	for (int i = 0, n; i < 8; i += n + 1) {
		for (n = 0; i + n < 8 && group[i + n] == 0; n++)
			;
		if (n > best_n)
			best = i, best_n = n;
	}
	for (int i = 0; i < 8; i++) {
		if (i == best) {
			w_str(w, "::");
			i += best_n - 1;
			continue;
		}
		if (i && i != best + best_n)
			w_chr(w, ':');
		w_group(w, group[i]);
	}
}

void w_addr_ip(struct wbuf *w, const struct addr *a)
{
	if (a->family == 4) {
		w_v4(w, a->ip);
	} else if (is_mapped(a)) {
		w_str(w, "::ffff:");
		w_v4(w, a->ip + 12);
	} else if (a->family == 6) {
		w_v6(w, a->ip);
	}
}

void w_addr_uri(struct wbuf *w, const struct addr *a)
{
	if (a->family != 6) {
		w_addr_ip(w, a);
		return;
	}
	w_chr(w, '[');
	w_addr_ip(w, a);
	w_chr(w, ']');
}

void w_addr(struct wbuf *w, const struct addr *a)
{
	w_addr_uri(w, a);
	w_chr(w, ':');
	w_u64(w, a->port);
}

bool cidr_parse(struct cidr *c, struct span s)
{
	size_t slash = span_chr(s, '/');
	struct cidr out;
	uint64_t bits;

	if (!addr_parse(&out.net, slash == SPAN_NONE ? s : span_cut(s, 0, slash), 0))
		return false;
	uint64_t most = out.net.family == 4 ? 32 : 128;
	if (slash == SPAN_NONE)
		bits = most;
	else if (span_u64(span_skip(s, slash + 1), most, &bits) < 0)
		return false;
	out.bits = (uint8_t)bits;
	*c = out;
	return true;
}

bool cidr_has(const struct cidr *c, const struct addr *a)
{
	const uint8_t *ip = a->ip;
	size_t whole = c->bits / 8, rest = c->bits % 8;

	if (c->net.family == 4 && is_mapped(a))
		ip += 12;
	else if (c->net.family != a->family)
		return false;
	if (memcmp(c->net.ip, ip, whole) != 0)
		return false;
	return rest == 0 || ((c->net.ip[whole] ^ ip[whole]) >> (8 - rest)) == 0;
}
