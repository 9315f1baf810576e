/* SPDX-License-Identifier: MIT */
/* Deterministic generator (xoshiro256**) for the simulator and for what need not be secret. */
#ifndef PARLEY_BASE_RNG_H
#define PARLEY_BASE_RNG_H

#include "base/span.h"

struct rng {
	uint64_t s[4];
};

void rng_seed(struct rng *r, uint64_t seed);
uint64_t rng_u64(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n); /* uniform in [0, n), n > 0 */
void rng_fill(struct rng *r, void *p, size_t n);

#endif
