/* SPDX-License-Identifier: MIT */
/* Latency histogram: a bucket per 1/32 of a power of two, so that a quantile is right to 3 %. */
#include "load.h"

static unsigned bucket_of(uint64_t v)
{
	if (v < HIST_SUB)
		return (unsigned)v;
	unsigned msb = 63 - (unsigned)__builtin_clzll(v);
	return (msb - 4) * HIST_SUB + (unsigned)(v >> (msb - 5)) - HIST_SUB;
}

static uint64_t bucket_low(unsigned b)
{
	unsigned row = b / HIST_SUB;
	uint64_t sub = b % HIST_SUB;
	return row == 0 ? sub : (sub + HIST_SUB) << (row - 1);
}

void hist_add(struct hist *h, uint64_t ns)
{
	h->n++;
	h->bucket[bucket_of(ns)]++;
	if (ns > h->max)
		h->max = ns;
}

uint64_t hist_at(const struct hist *h, double quantile)
{
	uint64_t want = (uint64_t)(quantile * (double)h->n), seen = 0;
	for (unsigned b = 0; b < HIST_N; b++) {
		seen += h->bucket[b];
		if (seen > want)
			return bucket_low(b);
	}
	return h->max;
}
