/* SPDX-License-Identifier: MIT */
/*
 * Several devices of the callee behind a forking proxy (RFC 3261 16.7): it passes every 1xx and every 2xx back, cancels
 * the others when one has answered, and passes a refusal back only when nobody is left who might accept.  What is hard
 * for the server: a second device may have answered before its CANCEL came.
 */
#include <stdlib.h>

#include "sim.h"

void fork_plan(struct sess *s)
{
	struct sim *sim = s->sim;
	if (!chance(sim, sim->f.fork))
		return;
	unsigned n = (unsigned)between(sim, 1, FORKS);
	for (unsigned i = 0; i < n; i++) {
		s->fork[i] = calloc(1, sizeof(*s->fork[i]));
		if (s->fork[i] == NULL)
			abort();
		ua_init(s->fork[i], s, side_other(s->caller), i + 1);
		s->n_forks++;
	}
}

static bool is_device(const struct ua *ua)
{
	return ua->s->n_forks && ua->side != ua->s->caller;
}

static bool waits(struct ua *ua)
{
	return ua->d.call_id[0] && !ua->up && !ua->over && !ua->crashed;
}

bool fork_in(struct ua *ua, const struct wire *m)
{
	bool first = span_eq(m->method, SPAN("INVITE")) && !wire_param(wire_hdr(m, "To", 0), "tag").p;
	/* who has not heard of it when all is decided does not hear of it any more */
	return !is_device(ua) || !m->request || !first || !ua->s->fork_over;
}

static void on_cancel(struct world *w, void *arg, uint64_t n)
{
	struct ua *ua = arg;
	struct pup_kept *k = pup_pending(&ua->d, "INVITE", 0);
	if (k == NULL || k->answered || !waits(ua) || chance(ua->sim, ua->sim->f.fork_race))
		return;
	sim_trace(ua->sim, "the proxy cancels %s%u", ua->p.name, ua->s->id);
	answer_send(ua, "INVITE", k->m.cseq, 487, NULL);
}

bool fork_out(struct ua *ua, unsigned status)
{
	struct sess *s = ua->s;
	if (!is_device(ua) || ua->up || status < 200)
		return true;
	bool others = s->fork_over;
	for (unsigned i = 0; sess_ua(s, i); i++) {
		struct ua *far = sess_ua(s, i);
		if (far == ua || far->side != ua->side || !waits(far))
			continue;
		others = true;
		if (status < 300)
			world_at(&s->sim->w, s->sim->w.now_us + between(s->sim, 1, 400) * US_PER_MS,
				 on_cancel, far, 0);
	}
	if (status >= 300 && others)
		return false;
	s->fork_over = true;
	return true;
}
