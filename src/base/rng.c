/* SPDX-License-Identifier: MIT */
/* xoshiro256** by Blackman and Vigna, seeded through splitmix64 so that any seed will do. */
#include "base/rng.h"

static uint64_t rotl(uint64_t x, int k)
{
	return x << k | x >> (64 - k);
}

void rng_seed(struct rng *r, uint64_t seed)
{
	for (size_t i = 0; i < ARRAY_LEN(r->s); i++) {
		uint64_t z = seed += 0x9e3779b97f4a7c15;
		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
		z = (z ^ z >> 27) * 0x94d049bb133111eb;
		r->s[i] = z ^ z >> 31;
	}
}

uint64_t rng_u64(struct rng *r)
{
	uint64_t *s = r->s;
	uint64_t out = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return out;
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
	/* Values under (2^64 mod n) would make the low results likelier: draw again. */
	uint64_t v, skip = -n % n;

	do
		v = rng_u64(r);
	while (v < skip);
	return v % n;
}

void rng_fill(struct rng *r, void *p, size_t n)
{
	unsigned char *b = p;

	while (n) {
		uint64_t v = rng_u64(r);
		size_t take = n < sizeof(v) ? n : sizeof(v);
		memcpy(b, &v, take);
		b += take;
		n -= take;
	}
}
