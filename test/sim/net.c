/* SPDX-License-Identifier: MIT */
/* SIP between the server and the peers: late, lost, twice, out of order.  What goes by TCP is only late. */
#include <stdlib.h>

#include "sim.h"

struct packet {
	struct ua *ua;
	struct call *call; /* the request this is, when a peer sent it */
	unsigned serial;
	bool ok; /* a 2xx of the peer that wants an ACK */
	struct sip_src src;
	size_t n;
	char bytes[];
};

static uint64_t delay_us(struct sim *sim)
{
	if (sim->healed)
		return 1000;
	return 1000 * between(sim, sim->f.delay_ms, sim->f.delay_ms + sim->f.jitter_ms);
}

static unsigned copies(struct sim *sim, bool reliable)
{
	if (sim->healed || reliable)
		return 1;
	if (chance(sim, sim->f.loss))
		return 0;
	return chance(sim, sim->f.dup) ? 2 : 1;
}

static struct packet *packet(struct ua *ua, struct span bytes)
{
	struct packet *p = malloc(sizeof(*p) + bytes.n);
	if (p == NULL)
		abort();
	*p = (struct packet){ .ua = ua, .n = bytes.n };
	ua->s->in_flight++;
	memcpy(p->bytes, bytes.p, bytes.n);
	return p;
}

static void arrive_up(struct world *w, void *arg, uint64_t n)
{
	struct packet *p = arg;
	struct wire m;
	struct span bytes = { p->bytes, p->n };
	p->ua->s->in_flight--;
	if (p->call && p->call->serial == p->serial)
		p->call->delivered = true;
	/* a 2xx after Timer B has nobody left to take it (RFC 6026) */
	if (p->ok && p->serial == p->ua->ok_serial && p->ua->far_invite_us &&
	    p->ua->far_invite_cseq == p->ua->accepted_cseq &&
	    w->now_us < p->ua->far_invite_us + 31 * US_PER_S)
		p->ua->ok_delivered = true;
	if (wire_read(&m, bytes))
		check_in(p->ua, &m);
	world_sip_in(w, &p->src, bytes);
	free(p);
}

void net_up(struct ua *ua, struct span bytes, struct call *c, bool ok)
{
	struct sim *sim = ua->sim;
	struct wire m;
	wire_read(&m, bytes);
	struct span via = wire_hdr(&m, "Via", 0);
	bool tcp = !m.request && span_starts(via, SPAN("SIP/2.0/TCP"));
	for (unsigned i = copies(sim, tcp); i; i--) {
		struct packet *p = packet(ua, bytes);
		p->call = c;
		p->serial = c ? c->serial : ua->ok_serial;
		p->ok = ok;
		p->src = (struct sip_src){ .tp = tcp ? SIP_TCP : SIP_UDP,
					   .ip = ua->p.addr,
					   .conn = tcp ? 200 + ua->s->id * 2 + ua->side : 0 };
		world_at(&sim->w, sim->w.now_us + delay_us(sim), arrive_up, p, 0);
	}
}

static void arrive_down(struct world *w, void *arg, uint64_t n)
{
	struct packet *p = arg;
	struct wire m;
	p->ua->s->in_flight--;
	if (!p->ua->crashed && wire_read(&m, (struct span){ p->bytes, p->n }))
		ua_input(p->ua, &m, &p->src);
	free(p);
}

/* The transaction ends: its offer is not open any more, and a 2xx to it comes too late. */
static void unreachable(struct world *w, void *arg, uint64_t token)
{
	struct ua *ua = arg;
	ua->s->in_flight--;
	ua->far_offer = false;
	ua->far_invite_us = 0;
	world_sip_unreachable(w, token);
}

/* Which of the callee's devices: by its own tag. */
static struct ua *device(struct sess *s, unsigned side, const struct wire *m)
{
	struct span tag = wire_param(wire_hdr(m, m->request ? "To" : "From", 0), "tag");
	for (unsigned i = 2; sess_ua(s, i); i++) {
		struct ua *ua = sess_ua(s, i);
		if (ua->side == (enum side)side && span_eq(tag, span_of(ua->d.local_tag)))
			return ua;
	}
	return &s->ua[side];
}

/* Whose is it: by Call-ID; an initial INVITE by the session number that the caller put into a header of its own. */
static struct ua *owner(struct sim *sim, const struct wire *m)
{
	for (unsigned i = 0; i < sim->n_sess; i++)
		for (unsigned k = 0; k < 2 && sim->sess[i].used; k++)
			if (pup_is_mine(&sim->sess[i].ua[k].d, m))
				return device(&sim->sess[i], k, m);
	struct span id = wire_hdr(m, "X-Session", 0);
	if (id.p == NULL || !m->request || wire_u64(id) >= sim->n_sess)
		return NULL;
	struct sess *s = &sim->sess[wire_u64(id)];
	struct ua *ua = &s->ua[side_other(s->caller)];
	return ua->d.call_id[0] ? NULL : ua;
}

static void down(struct ua *ua, const struct sip_dest *to, const struct wire *m, uint64_t token)
{
	struct sim *sim = ua->sim;
	bool tcp = to->tp == SIP_TCP;
	/* a leg is known by its Call-ID from here on, even if this copy is lost */
	if (ua->d.call_id[0] == 0) {
		struct span id = wire_hdr(m, "Call-ID", 0);
		memcpy(ua->d.call_id, id.p, id.n < sizeof(ua->d.call_id) ? id.n : sizeof(ua->d.call_id) - 1);
	}
	check_out(ua, m);
	if (!fork_in(ua, m))
		return;
	if (!sim->healed && token && ua->s->n_forks == 0 && chance(sim, sim->f.icmp)) {
		sim_trace(sim, "as is told that %s%u cannot be reached", ua->p.name, ua->s->id);
		ua->s->in_flight++;
		world_at(&sim->w, sim->w.now_us + delay_us(sim), unreachable, ua, token);
		return;
	}
	bool hop = ua->s->n_forks && m->request && !wire_param(wire_hdr(m, "To", 0), "tag").p;
	/* what the proxy passes on to a device it repeats until it is there */
	for (unsigned i = copies(sim, tcp || hop); i; i--) {
		struct packet *p = packet(ua, m->raw);
		p->src = (struct sip_src){ .tp = to->tp, .ip = ua->p.addr };
		world_at(&sim->w, sim->w.now_us + delay_us(sim), arrive_down, p, 0);
	}
}

void net_on_sip_out(void *u, const struct sip_dest *to, struct span bytes, uint64_t token)
{
	struct sim *sim = u;
	struct wire m;
	sim->n_sip++;
	if (!wire_read(&m, bytes))
		sim_fail(sim, "the server sent what is not SIP:\n%.*s", (int)bytes.n, bytes.p);
	struct ua *ua = owner(sim, &m);
	if (ua == NULL)
		sim_fail(sim, "the server sent to nobody:\n%.*s", (int)bytes.n, bytes.p);
	down(ua, to, &m, token);
	/* What creates a dialog, and its CANCEL, go to all devices of the callee. */
	if (!m.request || wire_param(wire_hdr(&m, "To", 0), "tag").p)
		return;
	for (unsigned i = 2; sess_ua(ua->s, i); i++)
		down(sess_ua(ua->s, i), to, &m, 0);
}
