/* SPDX-License-Identifier: MIT */
/*
 * SipHash-1-3 (Aumasson and Bernstein), keyed: whoever chooses Call-IDs cannot choose our hash chains.
 * One round per word and three at the end, the variant meant for hash tables.
 */
#include "base/htab.h"

struct state {
	uint64_t v0, v1, v2, v3;
};

static uint64_t rotl(uint64_t x, int k)
{
	return x << k | x >> (64 - k);
}

static void sip_round(struct state *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = rotl(s->v1, 13) ^ s->v0;
	s->v3 = rotl(s->v3, 16) ^ s->v2;
	s->v0 = rotl(s->v0, 32) + s->v3;
	s->v2 += s->v1;
	s->v1 = rotl(s->v1, 17) ^ s->v2;
	s->v3 = rotl(s->v3, 21) ^ s->v0;
	s->v2 = rotl(s->v2, 32);
}

static uint64_t load_le(const char *p, size_t n)
{
	uint64_t v = 0;
	if (n == sizeof(v)) {
		memcpy(&v, p, sizeof(v));
		return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap64(v) : v;
	}
	while (n--)
		v = v << 8 | (unsigned char)p[n];
	return v;
}

static void mix(struct state *s, uint64_t word)
{
	s->v3 ^= word;
	sip_round(s);
	s->v0 ^= word;
}

uint64_t hash_siphash(const uint64_t key[2], struct span in)
{
	struct state s = {
		key[0] ^ 0x736f6d6570736575,
		key[1] ^ 0x646f72616e646f6d,
		key[0] ^ 0x6c7967656e657261,
		key[1] ^ 0x7465646279746573,
	};
	uint64_t length_byte = (uint64_t)in.n << 56;

	for (; in.n >= 8; in.p += 8, in.n -= 8)
		mix(&s, load_le(in.p, 8));
	mix(&s, length_byte | load_le(in.p, in.n));
	s.v2 ^= 0xff;
	sip_round(&s);
	sip_round(&s);
	sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
