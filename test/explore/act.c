/* SPDX-License-Identifier: MIT */
/*
 * The alphabet: what may happen in a state, and how it is done.  An action is a small number with a name, so that a run
 * is a list of names and can be given again (--replay).
 *
 * Reduction, here and in model.h; doc/proof.md says why each is sound:
 * - where the oldest message to a peer only teaches it something (peer_only_learns), nothing else needs to be tried
 *   before it, but for what faults could do to it;
 * - time passes only when no message is under way but those in limbo: the network is faster than any timer.
 */
#include <stdio.h>
#include <stdlib.h>

#include "explore/model.h"

enum op {
	OP_ARRIVE, /* the oldest message of the server to this peer */
	OP_LOSE,   /* it goes to limbo instead */
	OP_DOUBLE, /* it arrives, and a copy goes to limbo */
	OP_INVITE, /* in the order of enum ask */
	OP_OFFERLESS,
	OP_REFRESH,
	OP_BAD,
	OP_UPDATE,
	OP_BARE,
	OP_CANCEL,
	OP_BYE,
	OP_RING,
	OP_RELIABLE, /* 183 with SDP, to be acknowledged */
	OP_PLAIN,    /* and without */
	OP_OK,
	OP_OK_BAD,
	OP_OK_NONE,
	OP_REFUSE, /* 488 */
	OP_GLARE,  /* 491 */
	OP_GONE,   /* 481 */
	OP_U_OK,
	OP_U_OK_BAD,
	OP_U_OK_NONE,
	OP_U_REFUSE,
	OP_U_GLARE,
	OP_U_GONE,
	OP_U_UNKNOWN, /* 405 */
	OP_AGAIN_REQUEST,
	OP_AGAIN_FINAL,
	OP_AGAIN_ACK,
	OP_CUT,
	OP_LATE,  /* what is in limbo, the first */
	OP_LATE2, /* and the second place */
	OP_TICK,
	OP_GIVE_UP, /* drain only: the peer waits no longer */
	OP_FORGET,  /* drain only: what is in limbo is lost */
	OPS
};
enum { HELD = 0x80, SIDE_BIT = 0x40, OP_MASK = 0x3f };

static const struct {
	const char *name;
	bool sends; /* the peer sends in it: may be held */
} ops[OPS] = {
	[OP_ARRIVE] = { "<", true },
	[OP_LOSE] = { "<lost", false },
	[OP_DOUBLE] = { "<twice", false },
	[OP_INVITE] = { "invite", true },
	[OP_OFFERLESS] = { "offerless", true },
	[OP_REFRESH] = { "refresh", true },
	[OP_BAD] = { "bad-offer", true },
	[OP_UPDATE] = { "update", true },
	[OP_BARE] = { "bare-update", true },
	[OP_CANCEL] = { "cancel", true },
	[OP_BYE] = { "bye", true },
	[OP_RING] = { "180", false },
	[OP_RELIABLE] = { "183", true },
	[OP_PLAIN] = { "183-plain", true },
	[OP_OK] = { "200", true },
	[OP_OK_BAD] = { "200-bad", false },
	[OP_OK_NONE] = { "200-empty", false },
	[OP_REFUSE] = { "488", true },
	[OP_GLARE] = { "491", false },
	[OP_GONE] = { "481", false },
	[OP_U_OK] = { "u200", true },
	[OP_U_OK_BAD] = { "u200-bad", false },
	[OP_U_OK_NONE] = { "u200-empty", false },
	[OP_U_REFUSE] = { "u488", true },
	[OP_U_GLARE] = { "u491", false },
	[OP_U_GONE] = { "u481", false },
	[OP_U_UNKNOWN] = { "u405", false },
	[OP_AGAIN_REQUEST] = { "again", false },
	[OP_AGAIN_FINAL] = { "again-answer", false },
	[OP_AGAIN_ACK] = { "again-ack", false },
	[OP_CUT] = { "cut", false },
	[OP_LATE] = { "late", false },
	[OP_LATE2] = { "late2", false },
	[OP_TICK] = { "tick", false },
	[OP_GIVE_UP] = { "gives-up", false },
	[OP_FORGET] = { "forget", false },
};

const char *act_name(act a, char buf[32])
{
	unsigned op = a & OP_MASK;
	bool sided = op < OP_LATE || op == OP_GIVE_UP;
	snprintf(buf, 32, "%s%s%s",
		 !sided         ? ""
		 : a & SIDE_BIT ? "B."
				: "A.",
		 ops[op].name, a & HELD ? "~" : "");
	return buf;
}

bool act_parse(const char *name, act *out)
{
	char buf[32];
	for (unsigned a = 0; a < 0x100; a++)
		if ((a & OP_MASK) < OPS && strcmp(act_name((act)a, buf), name) == 0) {
			*out = (act)a;
			return true;
		}
	return false;
}

/* ---- what may happen ---- */

struct list_of {
	act *at;
	unsigned n;
};

static void add(struct list_of *l, unsigned side, enum op op)
{
	if (l->n == ACTIONS_MAX)
		abort();
	l->at[l->n++] = (act)(op | (side ? SIDE_BIT : 0));
}

static unsigned limbo_free(void)
{
	unsigned n = 0;
	for (unsigned i = 0; i < LIMBO_MAX; i++)
		n += !model()->limbo[i].used;
	return n;
}

/* And the same with what is sent going to limbo, where there is a fault left. */
static void add_held(struct list_of *l, unsigned side, enum op op)
{
	add(l, side, op);
	if (!model()->faults || !limbo_free() || !ops[op].sends)
		return;
	add(l, side, op);
	l->at[l->n - 1] |= HELD;
}

static bool arrival_sends(const struct peer *p, const struct msg *m)
{
	return m->method == SIP_INVITE && p->inv.state && (m->status >= 200 || m->rseq);
}

static void list_channel(struct list_of *l, const struct peer *p)
{
	const struct model *m = model();
	const struct msg *head = &m->channel[p->side][0];

	if (!m->n_channel[p->side])
		return;
	if (arrival_sends(p, head))
		add_held(l, p->side, OP_ARRIVE);
	else
		add(l, p->side, OP_ARRIVE);
	if (m->faults && limbo_free()) {
		add(l, p->side, OP_LOSE);
		if (head->status < 200 || head->method != SIP_UPDATE)
			add(l, p->side, OP_DOUBLE);
	}
}

static void list_asks(struct list_of *l, const struct peer *p)
{
	const struct model *m = model();

	if (p->asks) {
		for (enum ask a = ASK_INVITE; a <= ASK_BARE; a++)
			if (peer_may_ask(p, a) && (a != ASK_BAD || m->odd))
				add_held(l, p->side, (enum op)(OP_INVITE + (int)a));
	}
	if (m->cancels && p->inv.state == MINE_HEARD && !p->inv.canceled)
		add_held(l, p->side, OP_CANCEL);
	if (m->byes && (p->state == PEER_UP || (p->state == PEER_CALLING && p->far_tag[0])))
		add_held(l, p->side, OP_BYE);
}

static void list_answers(struct list_of *l, const struct peer *p)
{
	const struct model *m = model();
	bool again = p->state != PEER_CALLED; /* a re-INVITE */

	if (p->tinv.state == THEIR_OPEN) {
		if (!p->tinv.rang)
			add(l, p->side, OP_RING);
		if (run.set->rel[p->side] && p->tinv.rel && !p->rel.open && p->tinv.reliable < 2) {
			if (!p->tinv.exchanged)
				add_held(l, p->side, OP_RELIABLE);
			add_held(l, p->side, OP_PLAIN);
		}
		if (!p->rel.open || !(p->rel.owed || p->tinv.exchanged))
			add_held(l, p->side, OP_OK);
		add_held(l, p->side, OP_REFUSE);
		if (again)
			add(l, p->side, OP_GLARE);
		if (m->odd) {
			if (p->tinv.offer && !p->tinv.exchanged)
				add(l, p->side, OP_OK_BAD);
			if (!p->tinv.exchanged && !p->rel.open)
				add(l, p->side, OP_OK_NONE);
			if (again)
				add(l, p->side, OP_GONE);
		}
	}
	if (p->tupd.state == THEIR_OPEN) {
		add_held(l, p->side, OP_U_OK);
		add_held(l, p->side, OP_U_REFUSE);
		add(l, p->side, OP_U_GLARE);
		add(l, p->side, OP_U_UNKNOWN);
		if (m->odd) {
			if (p->tupd.offer)
				add(l, p->side, OP_U_OK_BAD), add(l, p->side, OP_U_OK_NONE);
			add(l, p->side, OP_U_GONE);
		}
	}
}

static void list_again(struct list_of *l, const struct peer *p)
{
	if (!model()->faults)
		return;
	if (p->request.n)
		add(l, p->side, OP_AGAIN_REQUEST);
	if (p->final.n)
		add(l, p->side, OP_AGAIN_FINAL);
	if (p->ack.n && !p->ack_lost)
		add(l, p->side, OP_AGAIN_ACK);
}

unsigned act_list(act *out)
{
	struct model *m = model();
	struct list_of l = { out, 0 };

	for (unsigned i = 0; i < 2; i++) {
		if (m->n_channel[i] && peer_only_learns(&m->peer[i], &m->channel[i][0])) {
			list_channel(&l, &m->peer[i]);
			return l.n;
		}
	}
	for (unsigned i = 0; i < 2; i++) {
		const struct peer *p = &m->peer[i];
		list_channel(&l, p);
		list_asks(&l, p);
		list_answers(&l, p);
		list_again(&l, p);
		if (m->cuts && world_can_cut(p))
			add(&l, i, OP_CUT);
	}
	for (unsigned i = 0; i < LIMBO_MAX; i++)
		if (m->limbo[i].used)
			add(&l, 0, i ? OP_LATE2 : OP_LATE);
	if (!m->n_channel[0] && !m->n_channel[1] && world_next() != UINT64_MAX)
		add(&l, 0, OP_TICK);
	return l.n;
}

/* ---- doing it ---- */

static struct msg take_head(struct peer *p)
{
	struct model *m = model();
	struct msg head = m->channel[p->side][0];
	unsigned n = --m->n_channel[p->side];

	memmove(&m->channel[p->side][0], &m->channel[p->side][1], n * sizeof(head));
	memset(&m->channel[p->side][n], 0, sizeof(head));
	return head;
}

static void to_limbo(struct peer *p, const struct msg *m)
{
	struct model *w = model();

	w->faults--;
	for (unsigned i = 0; i < LIMBO_MAX; i++) {
		if (w->limbo[i].used)
			continue;
		w->limbo[i] = (struct held){ .used = true, .side = p->side };
		w->limbo[i].t.m = *m;
		w->limbo[i].t.sent_us = w->now_us;
		return;
	}
}

static void do_channel(struct peer *p, enum op op)
{
	struct msg m = take_head(p);

	if (op != OP_ARRIVE)
		to_limbo(p, &m);
	if (op != OP_LOSE)
		peer_arrives(p, &m);
}

/* Repeated by the network or the peer. */
static void do_again(struct peer *p, const struct text *t)
{
	static struct text copy;
	model()->faults--;
	copy = *t;
	world_hear(p, &copy);
}

static void do_answer(struct peer *p, enum op op)
{
	static const unsigned status[] = { 180, 0,   0,   200, 200, 200, 488, 491,
					   481, 200, 200, 200, 488, 491, 481, 405 };
	static const uint8_t body[] = { BODY_NONE, BODY_NONE, BODY_NONE, BODY_GOOD, BODY_BAD, BODY_NONE,
					BODY_NONE, BODY_NONE, BODY_NONE, BODY_GOOD, BODY_BAD, BODY_NONE,
					BODY_NONE, BODY_NONE, BODY_NONE, BODY_NONE };
	unsigned i = op - OP_RING;
	enum sip_method method = op >= OP_U_OK ? SIP_UPDATE : SIP_INVITE;
	struct model *m = model();

	if (status[i] == 481 || (status[i] == 200 && body[i] != BODY_GOOD))
		m->odd -= m->odd > 0;
	peer_answer(p, method, status[i], (enum body)body[i]);
}

/* What a peer does when nothing comes any more: its timers have run (RFC 3261 17.1, 13.3.1.4). */
static void give_up(struct peer *p)
{
	bool up = p->state == PEER_UP || p->state == PEER_CALLING;

	p->inv = p->upd = p->bye = p->prack = (struct mine){ 0 };
	if (p->tinv.state == THEIR_OK)
		p->tinv = (struct their){ 0 };
	if (p->state == PEER_UP)
		peer_bye(p);
	else if (!up || p->state == PEER_CALLING)
		p->state = PEER_OVER;
}

static void act_now(act a)
{
	struct model *m = model();
	enum op op = a & OP_MASK;
	struct peer *p = &m->peer[a & SIDE_BIT ? 1 : 0];

	switch (op) {
	case OP_ARRIVE:
	case OP_LOSE:
	case OP_DOUBLE:
		do_channel(p, op);
		break;
	case OP_CANCEL:
		m->cancels -= m->cancels > 0;
		peer_cancel(p);
		break;
	case OP_BYE:
		m->byes -= m->byes > 0;
		peer_bye(p);
		break;
	case OP_RELIABLE:
	case OP_PLAIN:
		peer_reliable(p, op == OP_RELIABLE);
		break;
	case OP_AGAIN_REQUEST:
		do_again(p, &p->request);
		break;
	case OP_AGAIN_FINAL:
		do_again(p, &p->final);
		break;
	case OP_AGAIN_ACK:
		do_again(p, &p->ack);
		break;
	case OP_CUT:
		m->cuts--;
		world_cut(p);
		break;
	case OP_LATE:
	case OP_LATE2:
		world_late(&m->limbo[op == OP_LATE2]);
		break;
	case OP_TICK:
		world_tick();
		break;
	case OP_GIVE_UP:
		m->draining = true;
		check_told(p);
		give_up(p);
		break;
	case OP_FORGET:
		m->draining = true;
		memset(m->limbo, 0, sizeof(m->limbo));
		break;
	default:
		if (op >= OP_RING) {
			do_answer(p, op);
			break;
		}
		p->asks -= p->asks > 0;
		m->odd -= op == OP_BAD && m->odd;
		peer_ask(p, (enum ask)(op - OP_INVITE));
		break;
	}
}

bool act_do(act a)
{
	struct model *m = model();

	if (run.ladder) {
		char buf[32];
		printf("-- %s\n", act_name(a, buf));
	}
	if (a & HELD) {
		m->hold = true;
		m->faults--;
	}
	act_now(a);
	m->hold = false;
	if (!m->failed)
		check_state();
	return !m->failed;
}

/* ---- towards the end ---- */

static bool drain_peer(const struct peer *p, act *out)
{
	struct list_of l = { out, 0 };

	if (p->tupd.state == THEIR_OPEN)
		add(&l, p->side, OP_U_OK);
	else if (p->tinv.state == THEIR_OPEN)
		add(&l, p->side, p->rel.open ? OP_REFUSE : OP_OK);
	return l.n > 0;
}

/* Everything arrives, the peers agree to what they are asked, limbo is lost; then time; then they give up and hang up. */
bool act_drain(act *out)
{
	struct model *m = model();
	struct list_of l = { out, 0 };

	for (unsigned i = 0; i < LIMBO_MAX; i++)
		if (m->limbo[i].used) {
			add(&l, 0, OP_FORGET);
			return true;
		}
	for (unsigned i = 0; i < 2; i++)
		if (m->n_channel[i]) {
			add(&l, i, OP_ARRIVE);
			return true;
		}
	for (unsigned i = 0; i < 2; i++)
		if (drain_peer(&m->peer[i], out))
			return true;
	/* Longer than Timer C nothing waits but session timers, which do not end while somebody refreshes. */
	if (world_next() < m->now_us + 200 * US_PER_S) {
		add(&l, 0, OP_TICK);
		return true;
	}
	for (unsigned i = 0; i < 2; i++)
		if (m->peer[i].state != PEER_OVER && m->peer[i].state != PEER_IDLE) {
			add(&l, i, OP_GIVE_UP);
			return true;
		}
	return false;
}
