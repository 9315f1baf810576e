/* SPDX-License-Identifier: MIT */
/*
 * NICKNAME (RFC 7701) between the two ends, where a=chatroom was agreed on with the one it is for (UP-40).  Only that one
 * can say whether a name is free, so unlike a SEND it is not answered here: what arrives waits until the far side's answer
 * is there, and gets 408 when none comes in 30 s.  The answer goes back on the connection that asked, or nowhere.
 */
#include "im/plane_int.h"

enum { NICKS_MAX = 1024, NICKS_OF_ONE = 8 };

struct plane_nick {
	struct list link;        /* ps->nicks */
	struct plane_conn *conn; /* that asked; NULL: it is gone */
	uint16_t to_n, from_n;
	uint8_t tid_n;
	char text[]; /* to: the asking path; from: ours; its transaction id */
};

bool plane_nick_may(const struct plane_path *path, const struct msrp_head *h)
{
	const struct plane_end *far = &path->end->line->end[side_other((enum side)path->end->side)];

	return span_eq(h->method_name, SPAN("NICKNAME")) && !h->has_body && !h->bad &&
	       end_planes(far)->conf.chatroom && far->path && far->path->peer && far->path->peer->chatroom;
}

static struct plane_nick *nick_make(struct plane_conn *c, const struct msrp_head *h)
{
	struct plane_nick *k = malloc(sizeof(*k) + h->from_path.n + h->to_path.n + h->tid.n);

	if (!k)
		return NULL;
	*k = (struct plane_nick){ .conn = c,
				  .to_n = (uint16_t)h->from_path.n,
				  .from_n = (uint16_t)h->to_path.n,
				  .tid_n = (uint8_t)h->tid.n };
	memcpy(k->text, h->from_path.p, k->to_n);
	memcpy(k->text + k->to_n, h->to_path.p, k->from_n);
	memcpy(k->text + k->to_n + k->from_n, h->tid.p, k->tid_n);
	list_push(&c->ps->nicks, &k->link);
	c->ps->n_nicks++;
	return k;
}

/* So that who asks for many names of somebody who answers none does not use up what is there for all. */
static bool has_room(const struct plane_path *far)
{
	unsigned n = 0;

	list_each(l, &far->own)
		n += container_of(l, const struct plane_out, on_msg)->nick != NULL;
	return n < NICKS_OF_ONE && end_planes(far->end)->n_nicks < NICKS_MAX;
}

void plane_nick_forward(struct plane_conn *c, const struct msrp_head *h)
{
	struct planes *ps = c->ps;
	struct plane_end *far = end_other(c->in.path->end);
	struct wbuf w = wbuf_on(ps->scratch, SCRATCH_MAX);
	char tid[TID_LEN];
	struct plane_out *o = NULL;

	if (path_up(far->path) && has_room(far->path))
		o = plane_out_open(far->path, NULL, NULL);
	if (!o || (o->nick = nick_make(c, h)) == NULL) {
		if (o)
			plane_out_free(o);
		plane_write_response(c, h->tid, 408, h->from_path, h->to_path);
		return;
	}
	plane_tid_text(o->link.hash, tid);
	w_msrp_request(&w, (struct span){ tid, TID_LEN }, h->method_name, peer_path(far->path->peer),
		       path_uri(far->path));
	w_span(&w, h->rest);
	w_msrp_end(&w, (struct span){ tid, TID_LEN }, '$');
	if (w_ok(&w))
		plane_write_small(o->conn, w_span_of(&w));
	plane_out_written(o);
}

void plane_nick_answer(struct plane_out *o, unsigned code)
{
	struct plane_nick *k = o->nick;
	struct span to = { k->text, k->to_n }, from = { k->text + k->to_n, k->from_n };

	o->nick = NULL;
	if (k->conn)
		plane_write_response(k->conn, (struct span){ from.p + from.n, k->tid_n }, code, to, from);
	o->conn->ps->n_nicks--;
	list_del(&k->link);
	free(k);
}

void plane_nick_forget(struct plane_conn *c)
{
	list_each(l, &c->ps->nicks) {
		struct plane_nick *k = container_of(l, struct plane_nick, link);
		if (k->conn == c)
			k->conn = NULL;
	}
}
