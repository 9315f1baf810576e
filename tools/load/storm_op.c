/* SPDX-License-Identifier: MIT */
/*
 * Which change comes next, and what its end means.
 *
 * A direction is closed, and a line removed, by a side that has first made sure that all it began is known on the other
 * side: the SEND and the offer go by different ways, and what the server would refuse then (403, 481) would be the
 * generator's fault.  For the same reason a side keeps few old paths: the server keeps four (UPA-2).
 */
#include <inttypes.h>
#include <stdio.h>

#include "storm.h"

enum { OLD_PATHS = 4, MEND_WAIT_NS = 300000000 };

static const char *const names[] = { "path",         "answer-path", "both-paths", "hold",   "resume",
				     "types",        "same",        "add",        "remove", "refused-far",
				     "refused-here", "tls",         "mend",       "none" };

/* How often each is chosen, of 100. */
static uint8_t weight[] = { 16, 9, 7, 8, 12, 12, 5, 7, 5, 7, 4, 8, 0 };

static unsigned weight_sum = 100;

const char *storm_op_name(unsigned op)
{
	return op < ARRAY_LEN(names) ? names[op] : "?";
}

void storm_only(void *u, const char *list)
{
	uint8_t had[ARRAY_LEN(weight)];
	unsigned sum = 0;
	(void)u;
	memcpy(had, weight, sizeof(had));
	for (unsigned op = 0; op < OP_MEND; op++) {
		bool here = false;
		for (struct span rest = span_of(list); rest.n;)
			here = span_eq(span_split(&rest, ','), span_of(names[op])) || here;
		weight[op] = here ? had[op] : 0;
		sum += weight[op];
	}
	if (!sum)
		load_die("--only: no such change: %s", list);
	weight_sum = sum;
}

/* ---- lines ---- */

void storm_line_init(struct storm_session *x, unsigned i, bool file)
{
	struct storm *s = x->s;
	struct storm_line *l = &x->line[i];
	unsigned serial[2] = { l->serial[0], l->serial[1] };
	uint32_t flow = 2 * ++s->serial;
	char selector[96], transfer[40];
	memcpy(selector, l->selector, sizeof(selector));
	memcpy(transfer, l->transfer, sizeof(transfer));
	*l = (struct storm_line){ .used = true, .file = file };
	memcpy(l->selector, selector, sizeof(selector));
	memcpy(l->transfer, transfer, sizeof(transfer));
	for (unsigned side = 0; side < 2; side++) {
		struct end *e = &l->end[side];
		l->serial[side] = serial[side];
		e->flow = flow + side;
		e->conf = &s->conf.flow;
		e->totals = &s->totals;
		e->sends = !file || side == x->change.by;
		e->held = true;
		snprintf(e->name, sizeof(e->name), "session %u, line %u, %s", x->i, i,
			 side ? "far" : "client");
	}
	end_pair(&l->end[0], &l->end[1]);
	if (file)
		l->end[x->change.by].n_messages = 1;
}

static void line_end(struct storm_session *x, unsigned i)
{
	struct storm_line *l = &x->line[i];
	for (unsigned side = 0; side < 2; side++) {
		for (struct gen *g = l->end[side].gen; g; g = g->next) {
			if (g->conn)
				g->conn->closed = true; /* swept */
		}
		end_finish(&l->end[side]);
		l->end[side] = (struct end){ 0 };
	}
	l->on = l->used = false;
}

/* All that e began is known to the other end. */
static bool seen(const struct end *e)
{
	for (uint64_t k = e->other->in_base; k < e->k; k++) {
		const struct in_msg *in = end_in(e->other, k);
		if (!(in->known && in->k == k) && !end_out(e, k)->given_up)
			return false;
	}
	return true;
}

static bool through(const struct end *e)
{
	return end_send_done(e) && end_receive_done(e);
}

/* Does anything hang on this path of e still?  Messages begun on it that are not there, or come on it and are not whole,
 * and the 200s and REPORTs of either. */
static bool busy(const struct end *e, const struct gen *g)
{
	if (g->unfinished)
		return true;
	for (uint64_t k = e->other->in_base; e->sends && k < e->k; k++) {
		const struct out_msg *m = end_out(e, k);
		if (m->gen_id == g->id && !m->given_up)
			return true;
	}
	for (uint64_t k = e->in_base < e->other->k_base ? e->in_base : e->other->k_base; k < e->other->k;
	     k++) {
		const struct in_msg *in = end_in(e, k);
		const struct out_msg *m = end_out(e->other, k);
		if (in->known && in->k == k && in->conn == g->conn &&
		    (!in->complete || (!m->over && m->k == k)))
			return true;
	}
	return false;
}

/* May e have one more path?  The server keeps four old ones, and the next ends the oldest: also those without a connection
 * count there, for as long as it waits for something begun on them. */
static bool room_for_path(const struct end *e)
{
	for (const struct gen *g = e->gen; g; g = g->next) {
		if (g->conn && e->gen->id - g->id >= OLD_PATHS && busy(e, g))
			return false;
	}
	return true;
}

static bool steady(const struct end *e)
{
	return e->gen && e->gen->conn && e->gen->heard && !e->outage;
}

/* A side that waits for the server to connect offers nothing before that: its offer would turn the roles round. */
static bool may_offer(const struct storm_session *x, unsigned side)
{
	for (unsigned i = 0; i < x->n_lines; i++) {
		const struct end *e = &x->line[i].end[side];
		if (x->line[i].on && e->gen && !e->gen->active && !steady(e))
			return false;
	}
	return true;
}

/* ---- choosing ---- */

static unsigned draw(struct storm *s, unsigned n)
{
	return (unsigned)rng_below(&s->rng, n);
}

/* May side have a new path on this line? */
static bool may_move(const struct storm_session *x, unsigned line, unsigned side)
{
	const struct end *e = &x->line[line].end[side];
	return steady(e) && room_for_path(e);
}

static bool choose_hold(struct storm_session *x, struct storm_line *l, struct storm_change *c)
{
	unsigned which = 1 + draw(x->s, 3); /* bit: that side falls silent */
	if (l->file || l->remove_soon || l->hold_soon)
		return false;
	if (!l->may[0] || !l->may[1])
		return false;
	/* Not this time: when it is quiet. */
	l->hold_soon = (uint8_t)which;
	for (unsigned side = 0; side < 2; side++) {
		if (which >> side & 1)
			l->end[side].held = true;
	}
	return c->op != OP_HOLD;
}

static bool may_change_tls(const struct storm *s, unsigned by)
{
	return s->conf.tls == STORM_TLS_BOTH || (s->conf.tls == STORM_TLS_CLIENT && by == 0);
}

/* The other transport, which wants a new path. */
static void change_tls(const struct storm *s, struct storm_change *c)
{
	for (unsigned side = 0; side < 2; side++) {
		if (s->conf.tls != STORM_TLS_BOTH && side == 1)
			continue;
		c->tls[side] = !c->tls[side];
		c->new_path[side] = true;
	}
}

static bool choose_add(struct storm_session *x, struct storm_change *c)
{
	struct storm *s = x->s;
	unsigned i = 1;
	while (i < x->n_lines && x->line[i].used)
		i++;
	if (i >= STORM_LINES)
		return false;
	struct storm_line *l = &x->line[i];
	c->line = i;
	c->on = true;
	l->file = draw(s, 2);
	c->may[c->by] = true;
	c->may[!c->by] = !l->file;
	bool tls = may_change_tls(s, c->by) && storm_draw_tls(s);
	for (unsigned side = 0; side < 2; side++) {
		c->new_path[side] = true;
		c->tls[side] = tls && (side == 0 || s->conf.tls == STORM_TLS_BOTH);
		storm_new_path(x, side, i, c->tls[side], c->self[side]);
	}
	if (l->file) {
		/* The flow that storm_line_init() will take. */
		uint32_t flow = 2 * (s->serial + 1) + c->by;
		snprintf(l->selector, sizeof(l->selector),
			 "name:\"storm.bin\" type:application/octet-stream size:%" PRIu64,
			 flow_message(&s->conf.flow, flow, 0).size);
		snprintf(l->transfer, sizeof(l->transfer), "t%u-%u-%" PRIx32, x->i, s->serial, s->run);
	}
	return true;
}

/* The parts of a change by its kind; false: it cannot be now. */
static bool choose(struct storm_session *x, struct storm_change *c)
{
	struct storm *s = x->s;
	struct storm_line *l = &x->line[c->line];
	if (c->op != OP_ADD && !l->on)
		return false;
	switch (c->op) {
	case OP_PATH:
		c->new_path[c->by] = true;
		break;
	case OP_REFUSED_FAR:
		c->new_path[c->by] = true;
		if (may_change_tls(s, c->by) && draw(s, 2)) {
			change_tls(s, c);
			c->new_path[!c->by] = false; /* never answered */
		}
		break;
	case OP_TLS:
		if (!may_change_tls(s, c->by) || (!c->tls[0] && draw(s, 3)))
			return false;
		change_tls(s, c);
		break;
	case OP_ANSWER_PATH:
		c->new_path[!c->by] = true;
		break;
	case OP_BOTH_PATHS:
		c->new_path[0] = c->new_path[1] = true;
		break;
	case OP_HOLD:
		return choose_hold(x, l, c);
	case OP_RESUME:
		if (l->file || (l->may[0] && l->may[1]))
			return false;
		c->may[0] = c->may[1] = true;
		return true;
	case OP_TYPES:
		c->wide = !c->wide;
		return true;
	case OP_ADD:
		return choose_add(x, c);
	case OP_REMOVE:
		if (c->line == 0 || l->hold_soon)
			return false;
		l->remove_soon = true;
		if (!l->file)
			l->end[0].stop = l->end[1].stop = true;
		return false; /* not this time: when all is through */
	default:
		return true;
	}
	for (unsigned side = 0; side < 2; side++) {
		if (!c->new_path[side])
			continue;
		if (!may_move(x, c->line, side))
			return false;
		storm_new_path(x, side, c->line, c->tls[side], c->self[side]);
	}
	return true;
}

static struct storm_change change_of(const struct storm_session *x, enum storm_op op, unsigned by,
				     unsigned line)
{
	const struct storm_line *l = &x->line[line];
	return (struct storm_change){ .op = op,
				      .by = by,
				      .line = line,
				      .on = l->on,
				      .wide = l->wide,
				      .may = { l->may[0], l->may[1] },
				      .tls = { l->tls[0], l->tls[1] },
				      .began_ns = x->s->now };
}

static void begin(struct storm_session *x, const struct storm_change *c)
{
	x->change = *c;
	x->s->ops[c->op]++;
	storm_offer(x, c->by, draw(x->s, 2));
}

/* What was made ready earlier: a direction that is quiet by now, a line that has nothing left. */
static bool begin_ready(struct storm_session *x)
{
	for (unsigned i = 0; i < x->n_lines; i++) {
		struct storm_line *l = &x->line[i];
		struct storm_change c = change_of(x, OP_HOLD, draw(x->s, 2), i);
		if (l->on && l->hold_soon && (!(l->hold_soon & 1) || seen(&l->end[0])) &&
		    (!(l->hold_soon & 2) || seen(&l->end[1]))) {
			for (unsigned side = 0; side < 2; side++)
				c.may[side] = !(l->hold_soon >> side & 1);
			l->hold_soon = 0;
			begin(x, &c);
			return true;
		}
		/* Nor may the SEND that binds a connection still be on its way. */
		if (l->on && l->remove_soon && through(&l->end[0]) && through(&l->end[1]) &&
		    steady(&l->end[0]) && steady(&l->end[1])) {
			c.op = OP_REMOVE;
			c.on = false;
			begin(x, &c);
			return true;
		}
	}
	return false;
}

/* After a cut: who connected connects again or says a new path; who was connected to says a new path, or, when it has no
 * room for one, waits for the server to connect again. */
static bool begin_mend(struct storm_session *x)
{
	struct storm *s = x->s;
	unsigned bit = (unsigned)__builtin_ctz(x->mend), side = bit % 2, line = bit / 2;
	struct gen *g = x->line[line].end[side].gen;
	if (s->now - x->cut_ns < MEND_WAIT_NS || !x->line[line].on || !g || g->conn)
		return false;
	bool room = room_for_path(g->end);
	if (g->active && (draw(s, 2) || !room)) {
		struct gen *again = gen_create(g->end, g->self);
		snprintf(again->peer, sizeof(again->peer), "%s", g->peer);
		again->active = true;
		gen_set_tls(again, span_of(g->fingerprint));
		storm_connect(x, again, side);
		return true;
	}
	if (!room)
		return false;
	struct storm_change c = change_of(x, OP_MEND, side, line);
	c.new_path[side] = true;
	storm_new_path(x, side, line, c.tls[side], c.self[side]);
	begin(x, &c);
	return true;
}

void storm_next(struct storm_session *x)
{
	struct storm *s = x->s;
	if (!x->up || x->over || x->change.op != OP_IDLE || !storm_sip_idle(x))
		return;
	if (x->mend && begin_mend(x))
		return;
	if (s->ending || s->now < x->next_ns || begin_ready(x))
		return;
	for (unsigned tries = 0; tries < 8; tries++) {
		unsigned at = draw(s, weight_sum), op = 0;
		while (op < OP_MEND && at >= weight[op])
			at -= weight[op++];
		if (op >= OP_MEND)
			continue;
		struct storm_change c = change_of(x, (enum storm_op)op, draw(s, 2), draw(s, x->n_lines));
		if (may_offer(x, c.by) && choose(x, &c)) {
			begin(x, &c);
			return;
		}
	}
}

/* ---- the end of a change ---- */

static void agreed(struct storm_session *x)
{
	const struct storm_change *c = &x->change;
	struct storm_line *l = &x->line[c->line];
	if (c->op == OP_ADD && c->line == x->n_lines)
		x->n_lines++;
	if (!c->on) {
		line_end(x, c->line);
		return;
	}
	l->on = true;
	l->wide = c->wide;
	for (unsigned side = 0; side < 2; side++) {
		l->may[side] = c->may[side];
		l->tls[side] = c->tls[side];
		l->end[side].held = !c->may[side] || (l->hold_soon >> side & 1);
	}
}

void storm_changed(struct storm_session *x, unsigned status)
{
	struct storm *s = x->s;
	struct storm_change *c = &x->change;
	bool refused = c->op == OP_REFUSED_FAR || c->op == OP_REFUSED_HERE;
	/* An ACK of ours was lost: until the server has it, it takes no other offer.  Its 2xx will come again and show it. */
	bool busy = !c->answered && (status == 491 || status == 500);
	s->busy += busy;
	if (busy)
		x->busy_ns = x->busy_ns ? x->busy_ns : s->now;
	else if (refused ? status != 488 : status != 200)
		storm_wrong(x, "offer of side %u was answered %u%s", c->by, status,
			    c->answered ? ", and the other side had said 200" : "");
	if (status == 200)
		agreed(x);
	if (!x->up) {
		x->up = status == 200;
		x->over = !x->up;
		s->n_up += x->up;
		s->n_over += x->over;
	} else {
		hist_add(&s->modify, s->now - c->began_ns);
	}
	c->op = OP_IDLE;
	uint64_t every = 1000000000ull / (s->conf.rate ? s->conf.rate : 1);
	x->next_ns = x->next_ns + every > s->now - 1000000000u ? x->next_ns + every : s->now;
	if (!s->conf.rate)
		x->next_ns = UINT64_MAX;
}
