/* SPDX-License-Identifier: MIT */
/*
 * What becomes of an end whose connection is lost (UP-12), and how that is noticed at all where nothing is said (UP-14).
 *
 * The session is told and waits a while.  The peer may come back by itself, to the same URI of ours or with a new path;
 * where we had been the ones who connected, we connect again.  What is hard about that: the peer may know the session as
 * failed, while our messages must not be spent on finding out.  So nothing but a bodiless SEND goes out before the peer
 * has answered that (path_up() is false until then), and a refusal ends our tries, not the messages that wait.
 */
#include "im/plane_int.h"

enum { FIRST_TRY_MS = 1000, LAST_TRY_MS = 8000, NO_MORE = UINT8_MAX };

static void connect_later(struct plane_path *p)
{
	struct planes *ps = end_planes(p->end);
	uint64_t wait_ms = p->tries < 4 ? (uint64_t)FIRST_TRY_MS << p->tries : LAST_TRY_MS;

	if (p->tries == NO_MORE)
		return;
	p->again = true;
	p->tries += p->tries < NO_MORE - 1;
	timer_set(ps->wheel, &p->t, ps->now_us + wait_ms * US_PER_MS, plane_path_on_timer);
}

void plane_repair_lost(struct plane_path *p, const char *why)
{
	plane_lost(p->end, why);
	p->seen = false;
	if (p->peer->active && end_planes(p->end)->conf.repair == PLANE_RECONNECT)
		connect_later(p);
}

void plane_repair_refused(struct plane_path *p, unsigned code)
{
	plane_path_detach(p);
	if (p->state != PATH_CURRENT)
		return;
	plane_lost(p->end, code == 0     ? plane_stranger
			   : code == 506 ? "506 from the peer"
					 : "481 from the peer");
	p->seen = false;
	p->again = false;
	p->tries = NO_MORE;
}

static bool keeps_alive(const struct plane_path *p)
{
	return p->end->side == SIDE_A && end_planes(p->end)->conf.keepalive_ms;
}

static void keepalive_later(struct plane_path *p)
{
	struct planes *ps = end_planes(p->end);

	timer_set(ps->wheel, &p->t, ps->now_us + ps->conf.keepalive_ms * US_PER_MS, plane_path_on_timer);
}

void plane_repair_seen(struct plane_path *p)
{
	p->again = false;
	p->tries = 0;
	p->bound_us = 0;
	timer_stop(end_planes(p->end)->wheel, &p->t);
	plane_back(p->end);
	if (keeps_alive(p))
		keepalive_later(p);
}

/* One of them at a time: an unanswered one closes the connection when its 30 s are over. */
static void keepalive(struct plane_path *p)
{
	bool open = false;

	list_each(l, &p->own)
		open |= container_of(l, struct plane_out, on_msg)->probe;
	if (!open)
		plane_ack_bind(p, true);
	keepalive_later(p);
}

bool plane_repair_on_timer(struct plane_path *p)
{
	struct planes *ps = end_planes(p->end);

	if (p->state != PATH_CURRENT)
		return false;
	if (p->seen) {
		if (keeps_alive(p) && path_up(p))
			keepalive(p);
		return true;
	}
	if (p->bound_us &&
	    ps->now_us >= p->bound_us) { /* the wait for a binding is over, and so are the tries */
		p->bound_us = 0;
		p->again = false;
		p->tries = NO_MORE;
		return false;
	}
	if (p->again && !p->conn) {
		plane_path_connect(p);
		if (!p->conn)
			connect_later(p);
	}
	if (p->bound_us && !timer_is_set(&p->t))
		timer_set(ps->wheel, &p->t, p->bound_us, plane_path_on_timer);
	return true;
}

enum plane_loss plane_loss(const struct plane *p, enum side s)
{
	enum plane_loss loss = PLANE_WHOLE;

	for (unsigned i = 0; i < p->n_lines; i++) {
		const struct plane_end *e = &p->line[i]->end[s];
		if (!e->lost)
			continue;
		if (e->path && e->path->peer && e->path->peer->active)
			return PLANE_LOST_OURS;
		loss = PLANE_LOST;
	}
	return loss;
}

bool plane_unheard(const struct plane *p, enum side s)
{
	for (unsigned i = 0; i < p->n_lines; i++)
		if (p->line[i]->end[s].lost && p->line[i]->end[s].unheard)
			return true;
	return false;
}

void plane_give_up(struct plane *p, uint64_t now_us)
{
	plane_enter(p->ps, now_us);
	for (unsigned i = 0; i < p->n_lines; i++)
		for (unsigned s = 0; s < 2; s++)
			plane_held_give_up(&p->line[i]->end[s]);
	plane_leave(p->ps, false);
}
