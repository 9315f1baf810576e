/* SPDX-License-Identifier: MIT */
/* Latency histogram: a bucket per 1/32 of a power of two, so that a quantile is right to 3 %. */
#include <stdio.h>

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

static double at_us(const struct hist *h, double quantile)
{
	return (double)hist_at(h, quantile) * 1e-3;
}

void hist_print(const char *what, const struct hist *h)
{
	printf("%s, us: p50 %.1f, p90 %.1f, p99 %.1f, max %.1f\n", what, at_us(h, 0.5), at_us(h, 0.9),
	       at_us(h, 0.99), (double)h->max * 1e-3);
}

void hist_print_terse(const char *prefix, const struct hist *h)
{
	printf(" %sp50_us=%.1f %sp90_us=%.1f %sp99_us=%.1f %smax_us=%.1f", prefix, at_us(h, 0.5), prefix,
	       at_us(h, 0.9), prefix, at_us(h, 0.99), prefix, (double)h->max * 1e-3);
}
