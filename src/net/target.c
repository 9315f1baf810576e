/* SPDX-License-Identifier: MIT */
#include "net/target.h"

#include "base/rng.h"

static void swap(struct target_srv *a, struct target_srv *b)
{
	struct target_srv t = *a;
	*a = *b;
	*b = t;
}

/* RFC 2782: those of weight 0 come first in the sum, so that they keep a small chance. */
static bool before(const struct target_srv *a, const struct target_srv *b)
{
	return a->priority != b->priority ? a->priority < b->priority : a->weight == 0 && b->weight != 0;
}

static void sort(struct target_srv *t, unsigned n)
{
	for (unsigned i = 1; i < n; i++)
		for (unsigned k = i; k > 0 && before(&t[k], &t[k - 1]); k--)
			swap(&t[k], &t[k - 1]);
}

/* Who of t[0..n) is next. */
static unsigned draw(const struct target_srv *t, unsigned n, struct rng *rng)
{
	uint64_t sum = 0, at;

	for (unsigned i = 0; i < n; i++)
		sum += t[i].weight;
	at = rng_below(rng, sum + 1);
	sum = 0;
	for (unsigned i = 0; i < n; i++) {
		sum += t[i].weight;
		if (sum >= at)
			return i;
	}
	return 0;
}

void target_order(struct target_srv *t, unsigned n, uint64_t seed)
{
	struct rng rng;

	rng_seed(&rng, seed);
	sort(t, n);
	for (unsigned i = 0; i < n; i++) {
		unsigned same = 1, chosen;
		while (i + same < n && t[i + same].priority == t[i].priority)
			same++;
		chosen = draw(t + i, same, &rng);
		for (unsigned k = i + chosen; k > i; k--) /* the rest keeps its order: weight 0 in front */
			swap(&t[k], &t[k - 1]);
	}
}

void target_naptr_order(struct target_naptr *t, unsigned n)
{
	for (unsigned i = 1; i < n; i++)
		for (unsigned k = i; k > 0; k--) {
			struct target_naptr *a = &t[k - 1], *b = &t[k], x = *a;
			if (a->order < b->order || (a->order == b->order && a->preference <= b->preference))
				break;
			*a = *b, *b = x;
		}
}

bool target_service(struct span service, enum sip_transport *tp)
{
	if (span_ieq(service, SPAN("SIP+D2U")))
		*tp = SIP_UDP;
	else if (span_ieq(service, SPAN("SIP+D2T")))
		*tp = SIP_TCP;
	else if (span_ieq(service, SPAN("SIPS+D2T")))
		*tp = SIP_TLS;
	else
		return false;
	return true;
}
