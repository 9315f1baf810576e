/* SPDX-License-Identifier: MIT */
/*
 * Paths: our URIs, what they are bound to, and how an old one goes (UPA-17).
 *
 * A path is looked up by its session-id alone and then compared as a URI.  What is hard is who may bind: one connection
 * at a time, but a peer that changed its own URI in the answer to our offer takes ours over (UP-10), and a peer whose
 * answer is still under way must not be told 506 for what the answer will explain.
 */
#include "im/plane_int.h"

/* ---- the peer's data ---- */

/* Where CEMA finds it (RFC 6714). */
static bool has_place(const struct sdp_msrp *m)
{
	return m->cema && m->conn.given && m->conn.addr.n <= UINT8_MAX - 2;
}

static void peer_set(struct plane_peer *p, const struct sdp_msrp *m, const struct sdp_prints *prints,
		     bool active)
{
	struct wbuf w = wbuf_on(p->text, p->cap);
	struct span first, last, path = span_trim(m->path);

	p->active = active;
	p->has_types = m->has_accept_types;
	p->chatroom = m->chatroom;
	p->dir = (uint8_t)m->dir;
	p->max_size = m->has_max_size ? m->max_size : 0;
	w_span(&w, path), p->path_n = (uint16_t)w.n;
	p->first_n = msrp_path_ends(path, &first, &last) ? (uint16_t)first.n : 0;
	w_span(&w, m->accept_types), p->types_n = (uint16_t)(w.n - p->path_n);
	w_span(&w, m->accept_wrapped_types), p->wrapped_n = (uint16_t)(w.n - p->path_n - p->types_n);
	plane_tls_w_prints(&w, p, prints);
	if (has_place(m)) {
		w_chr(&w, (char)(m->port >> 8)), w_chr(&w, (char)m->port);
		w_span(&w, m->conn.addr);
		p->place_n = (uint8_t)(2 + m->conn.addr.n);
	}
}

static struct plane_peer *peer_alloc(size_t cap)
{
	struct plane_peer *p = malloc(sizeof(*p) + cap);

	if (!p)
		return NULL;
	*p = (struct plane_peer){ .refs = 1, .cap = (uint16_t)cap };
	return p;
}

static void prints_of(const struct planes *ps, const struct sdp *s, unsigned i, const struct sdp_msrp *m,
		      struct sdp_prints *out)
{
	out->hash = SDP_HASH_NONE;
	out->n = 0;
	if (m->tls)
		sdp_prints_of(s, i, plane_weakest(&ps->conf), out);
}

struct plane_peer *plane_peer_make(const struct planes *ps, const struct sdp *s, unsigned i,
				   const struct sdp_msrp *m, bool active)
{
	struct sdp_prints prints;
	struct plane_peer *p;

	prints_of(ps, s, i, m, &prints);
	p = peer_alloc(m->path.n + m->accept_types.n + m->accept_wrapped_types.n +
		       prints.n * sdp_digest_len(prints.hash) + (has_place(m) ? 2 + m->conn.addr.n : 0));
	if (p)
		peer_set(p, m, &prints, active);
	return p;
}

struct plane_peer *plane_peer_blank(void)
{
	return peer_alloc(4 * SDP_LINE_MAX + SDP_PRINTS_MAX * SDP_DIGEST_MAX);
}

void plane_peer_fill(struct plane_peer **p, const struct planes *ps, const struct sdp *s, unsigned i,
		     const struct sdp_msrp *m, bool active)
{
	struct plane_peer *q = *p, *smaller;
	struct sdp_prints prints;
	size_t used;

	prints_of(ps, s, i, m, &prints);
	peer_set(q, m, &prints, active);
	used = (size_t)q->path_n + q->types_n + q->wrapped_n + plane_tls_prints(q).n + q->place_n;
	q->cap = (uint16_t)used;
	smaller = realloc(q, sizeof(*q) + used); /* gives memory back; when it cannot, the block stays */
	if (smaller)
		*p = smaller;
}

void plane_peer_unref(struct plane_peer *p)
{
	if (p && --p->refs == 0)
		free(p);
}

bool plane_peer_same_uri(const struct plane_peer *a, const struct plane_peer *b)
{
	struct span first, last_a, last_b;

	if (span_eq(peer_path(a), peer_path(b)))
		return true;
	return msrp_path_ends(peer_path(a), &first, &last_a) &&
	       msrp_path_ends(peer_path(b), &first, &last_b) && msrp_uri_eq(last_a, last_b);
}

/* ---- life ---- */

static bool sid_eq(const struct htab_link *l, const void *key)
{
	const struct plane_path *p = container_of(l, const struct plane_path, link);
	const struct span *sid = key;

	return sid->n == SID_LEN && memcmp(p->uri + p->sid_at, sid->p, SID_LEN) == 0;
}

static struct plane_path *path_find(struct planes *ps, struct span sid)
{
	struct htab_link *l = htab_get(&ps->paths, htab_hash(&ps->paths, sid), sid_eq, &sid);

	return l ? container_of(l, struct plane_path, link) : NULL;
}

static void sid_make(struct planes *ps, char out[SID_LEN])
{
	static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint8_t r[SID_LEN];

	plane_random(ps, r, sizeof(r));
	for (unsigned i = 0; i < SID_LEN; i++)
		out[i] = set[r[i] & 63];
}

static struct plane_path *path_make(struct plane_end *e, enum plane_tp tp, struct span uri, size_t sid_at)
{
	struct planes *ps = end_planes(e);
	struct plane_path *p = malloc(sizeof(*p) + uri.n);

	if (!p)
		return NULL;
	*p = (struct plane_path){ .end = e,
				  .id = ++ps->path_ids,
				  .tp = (uint8_t)tp,
				  .sid_at = (uint8_t)sid_at,
				  .uri_n = (uint16_t)uri.n };
	memcpy(p->uri, uri.p, uri.n);
	list_init(&p->on_conn), list_init(&p->on_end), list_init(&p->own), list_init(&p->ins);
	htab_put(&ps->paths, &p->link, htab_hash(&ps->paths, span_cut(uri, sid_at, sid_at + SID_LEN)));
	ps->stats.sessions++;
	return p;
}

/* Which of our addresses a peer is told (UP-54): that of its own family, by what its path says, or else by how SIP goes to it.  A
 * name tells nothing. */
static bool speaks_ip6(const struct plane_end *e, const struct plane_peer *peer)
{
	const struct plane *p = e->line->p;
	struct msrp_uri u;
	struct addr a;

	if (peer && peer->first_n && msrp_uri_parse(&u, peer_first(peer)) == 0 &&
	    addr_parse(&a, u.host.n && u.host.p[0] == '[' ? span_cut(u.host, 1, u.host.n - 1) : u.host, 1))
		return a.family == 6;
	return p->hooks && p->hooks->ip6 && p->hooks->ip6(p->session, (enum side)e->side);
}

static const struct plane_at *home_for(const struct plane_conf *c, enum plane_tp tp, bool ip6)
{
	return c->also[tp].port && c->also[tp].ip6 == ip6 ? &c->also[tp] : &c->at[tp];
}

const struct plane_at *plane_path_home(const struct plane_path *p)
{
	const struct plane_conf *c = &end_planes(p->end)->conf;
	const struct plane_at *also = &c->also[p->tp];
	struct span host = span_skip(path_uri(p), plane_tp_secure((enum plane_tp)p->tp) ? 8 : 7);
	size_t n = strlen(also->host);

	return also->port && host.n > n && host.p[n] == ':' && span_starts(host, span_of(also->host))
		       ? also
		       : &c->at[p->tp];
}

struct plane_path *plane_path_create(struct plane_end *e, enum plane_tp tp, const struct plane_peer *peer)
{
	struct planes *ps = end_planes(e);
	const struct plane_at *at_home =
		home_for(&ps->conf, tp, ps->conf.also[tp].port && speaks_ip6(e, peer));
	char text[160], sid[SID_LEN];
	struct wbuf w = wbuf_on(text, sizeof(text));
	size_t at;

	sid_make(ps, sid);
	w_str(&w, plane_tp_secure(tp) ? "msrps://" : "msrp://"), w_str(&w, at_home->host);
	w_chr(&w, ':'), w_u64(&w, at_home->port), w_chr(&w, '/');
	at = w.n;
	w_bytes(&w, sid, SID_LEN), w_str(&w, plane_tp_ws(tp) ? ";ws" : ";tcp");
	return w_ok(&w) ? path_make(e, tp, w_span_of(&w), at) : NULL;
}

struct plane_path *plane_path_twin(struct plane_end *e, struct span uri)
{
	struct msrp_uri u;

	if (msrp_uri_parse(&u, uri) < 0 || u.session.n != SID_LEN || uri.n > 160)
		return NULL;
	return path_make(e,
			 plane_tp_of(
				 &(struct sdp_msrp){ .tls = u.tls, .ws = span_ieq(u.transport, SPAN("ws")) }),
			 uri, (size_t)(u.session.p - uri.p));
}

struct plane_path *plane_path_spare(const struct plane_path *p)
{
	return malloc(sizeof(*p) + p->uri_n);
}

/* Answers and forgets what of m is open on p. */
static void path_clear_msg(struct plane_path *p, struct plane_msg *m, unsigned code)
{
	m->users++; /* keep it while we look */
	plane_ack_silent(m, p);
	list_each(k, &m->nears) {
		struct plane_near *n = container_of(k, struct plane_near, on_msg);
		if (n->path == p)
			plane_near_answer(n, code);
	}
	for (struct list *k = m->outs.next; k != &m->outs;) {
		struct plane_out *o = container_of(k, struct plane_out, on_msg);
		k = k->next;
		if (o->path == p) {
			plane_out_lost(o); /* may free the others too */
			k = m->outs.next;
		}
	}
	m->users--;
	plane_msg_settle(m);
}

/* Nothing may point at p any more. */
static void path_clear(struct plane_path *p, unsigned code)
{
	struct plane_end *e = p->end;

	for (unsigned i = 0; i < 2 && p->n_open; i++)
		list_each(l, &e->line->end[i].msgs)
			path_clear_msg(p, container_of(l, struct plane_msg, on_end), code);
	while (!list_empty(&p->own))
		plane_out_free(container_of(p->own.next, struct plane_out, on_msg));
	list_each(i, &p->ins) {
		struct plane_conn *c = container_of(i, struct plane_conn, in_path);
		plane_recv_clear(c);
		c->in.mode = IN_DROP;
	}
}

void plane_path_destroy(struct plane_path *p, unsigned code)
{
	struct planes *ps;
	struct plane_end *e;

	if (!p)
		return;
	e = p->end;
	ps = end_planes(e);
	path_clear(p, code);
	plane_fork_leave(p);
	plane_path_detach(p);
	timer_stop(ps->wheel, &p->t);
	if (p->state == PATH_OLD)
		e->n_old--;
	list_del(&p->on_end);
	if (e->path == p)
		e->path = NULL;
	if (!p->shadow) {
		htab_del(&ps->paths, &p->link);
		ps->stats.sessions--;
	}
	plane_peer_unref(p->peer);
	free(p);
}

/* ---- connections ---- */

void plane_path_attach(struct plane_path *p, struct plane_conn *c)
{
	plane_path_detach(p);
	p->conn = c;
	list_push(&c->paths, &p->on_conn);
}

void plane_path_detach(struct plane_path *p)
{
	struct plane_conn *c = p->conn;

	p->conn = NULL;
	list_del(&p->on_conn);
	if (c)
		plane_conn_check_unused(c);
}

static bool dest_eq(const struct htab_link *l, const void *key)
{
	const struct plane_conn *c = container_of(l, const struct plane_conn, dest);

	return span_ieq(span_of(c->dest_name), *(const struct span *)key);
}

/* What names the association of a connection: where it goes, and with TLS also whom it is to reach, so that a changed
 * fingerprint never finds the old one (UP-49). */
static void w_dest(struct wbuf *w, const struct plane_path *p, struct span host, uint16_t port)
{
	uint64_t whom = span_hash(plane_tls_prints(p->peer), p->peer->hash);

	for (size_t i = 0; i < host.n; i++)
		w_chr(w, (char)(host.p[i] >= 'A' && host.p[i] <= 'Z' ? host.p[i] | 32 : host.p[i]));
	w_chr(w, ':'), w_u64(w, port);
	if (p->tp == PLANE_TLS)
		w_str(w, " tls "), w_hex(w, &whom, sizeof(whom));
}

/* RFC 4975 5.4, UPA-11: one connection to an address serves all sessions there. */
static struct plane_conn *conn_to(const struct plane_path *p, struct span host, uint16_t port)
{
	struct planes *ps = end_planes(p->end);
	char name[300];
	struct wbuf w = wbuf_on(name, sizeof(name) - 1);
	struct im_msrp_to to = { .port = port, .tp = (enum plane_tp)p->tp };
	struct span key;
	struct htab_link *l;
	struct plane_conn *c;
	uint64_t hash;

	w_dest(&w, p, host, port);
	if (!w_ok(&w))
		return NULL;
	key = w_span_of(&w);
	hash = htab_hash(&ps->dests, key);
	l = htab_get(&ps->dests, hash, dest_eq, &key);
	if (l)
		return container_of(l, struct plane_conn, dest);
	if ((c = plane_conn_create(ps)) == NULL)
		return NULL;
	c->dest_name = span_dup(key);
	c->tp = p->tp;
	to.host = host.n > 1 && host.p[0] == '[' ? span_cut(host, 1, host.n - 1) : host;
	to.association = hash;
	if (c->dest_name) {
		htab_put(&ps->dests, &c->dest, hash);
		c->bound_once = true;
		c->wc = ps->port.msrp_connect(ps->port.w, c, &to);
	}
	if (c->wc)
		return c;
	plane_conn_close(c, "cannot connect");
	return NULL;
}

/* RFC 6714 4.2, 4.3: both said msrp-cema (what we say is a matter of the side alone), so its path may be a name and its
 * place is where c= and m= point. */
static bool by_cema(const struct plane_path *p)
{
	return p->peer->place_n && end_planes(p->end)->conf.cema >> p->end->side & 1;
}

static struct plane_conn *conn_to_place(const struct plane_path *p)
{
	const struct plane_peer *to = p->peer;
	const char *at = to->text + to->path_n + to->types_n + to->wrapped_n + plane_tls_prints(to).n;

	return conn_to(p, (struct span){ at + 2, to->place_n - 2u },
		       (uint16_t)((uint8_t)at[0] << 8 | (uint8_t)at[1]));
}

void plane_path_connect(struct plane_path *p)
{
	struct span first, last;
	struct msrp_uri u;
	struct plane_conn *c = NULL;

	if (!plane_tp_ws((enum plane_tp)p->tp) && msrp_path_ends(peer_path(p->peer), &first, &last) &&
	    msrp_uri_parse(&u, first) == 0 && u.port && u.tls == (p->tp == PLANE_TLS))
		c = by_cema(p) ? conn_to_place(p) : conn_to(p, u.host, u.port);
	if (!c) {
		plane_lost(p->end, "cannot connect");
		return;
	}
	if (c->up && !plane_tls_ok(p, c)) {
		plane_repair_refused(p, 0);
		return;
	}
	plane_path_attach(p, c);
	if (c->up)
		plane_ack_bind(p, false);
}

/* ---- generations ---- */

void plane_path_on_timer(struct timer *t, uint64_t now_us)
{
	struct plane_path *p = container_of(t, struct plane_path, t);
	struct plane_end *e = p->end;
	struct planes *ps = end_planes(e);

	plane_enter(ps, now_us);
	if (plane_repair_on_timer(p)) {
		plane_leave(ps, true);
		return;
	}
	if (p->state == PATH_OLD && now_us >= p->bound_us) {
		plane_path_destroy(p, 408);
	} else if (p->state == PATH_OLD) {
		timer_set(ps->wheel, t, p->bound_us, plane_path_on_timer);
		plane_path_check_drain(e);
	} else if (!p->seen) { /* UP-16; an old one need not wait for it any longer */
		if (!path_up(p)) {
			plane_lost(e, "no connection");
			plane_held_give_up(e); /* UPA-14 */
		}
		p->seen = true;
		plane_path_check_drain(e);
	}
	plane_leave(ps, true);
}

static bool begun_on(const struct plane_end *e, const struct plane_path *p)
{
	for (unsigned i = 0; i < 2; i++)
		list_each(l, &e->line->end[i].msgs) {
			const struct plane_msg *m = container_of(l, const struct plane_msg, on_end);
			if (!m->complete && !m->code && (m->path_id == p->id || m->near_path_id == p->id))
				return true;
		}
	return false;
}

/* Is a SEND open on p whose sender waits to hear of it? */
static bool asked_on(const struct plane_end *e, const struct plane_path *p)
{
	for (unsigned i = 0; p->n_open && i < 2; i++)
		list_each(l, &e->line->end[i].msgs) {
			const struct plane_msg *m = container_of(l, const struct plane_msg, on_end);
			list_each(k, &m->nears) {
				const struct plane_near *n = container_of(k, const struct plane_near, on_msg);
				if (n->path == p && !n->loose)
					return true;
			}
			list_each(k, &m->outs) {
				const struct plane_out *o = container_of(k, const struct plane_out, on_msg);
				if (o->path == p && o->tracked && !o->loose)
					return true;
			}
		}
	return false;
}

static bool is_stopped(const struct plane_path *p)
{
	return p->conn && !list_empty(&p->conn->wait); /* it was stopped: who knows what stands behind */
}

/* The old path that goes early when there are too many (UPA-2): the oldest on which nothing is under way, else the oldest. */
static struct plane_path *one_too_many(struct plane_end *e)
{
	list_each(l, &e->old) {
		struct plane_path *p = container_of(l, struct plane_path, on_end);
		if (list_empty(&p->ins) && !is_stopped(p) && !begun_on(e, p) && !asked_on(e, p))
			return p;
	}
	return container_of(e->old.next, struct plane_path, on_end);
}

static void path_retire(struct plane_path *p)
{
	struct plane_end *e = p->end;
	struct planes *ps = end_planes(e);

	if (e->n_old == OLD_MAX)
		plane_path_destroy(one_too_many(e), 408);
	p->state = PATH_OLD;
	list_push(&e->old, &p->on_end);
	e->n_old++;
	p->bound_us = ps->now_us + ps->conf.drain_ms * US_PER_MS;
	timer_set(ps->wheel, &p->t, p->bound_us, plane_path_on_timer);
}

/* What is open on p is open on s from now on. */
static void path_hand_over(struct plane_path *p, struct plane_path *s)
{
	for (unsigned i = 0; i < 2; i++)
		list_each(l, &p->end->line->end[i].msgs) {
			struct plane_msg *m = container_of(l, struct plane_msg, on_end);
			list_each(k, &m->nears) {
				struct plane_near *n = container_of(k, struct plane_near, on_msg);
				n->path = n->path == p ? s : n->path;
			}
			list_each(k, &m->outs) {
				struct plane_out *o = container_of(k, struct plane_out, on_msg);
				o->path = o->path == p ? s : o->path;
			}
		}
	list_move(&s->own, &p->own), list_move(&s->ins, &p->ins);
	list_each(l, &s->own)
		container_of(l, struct plane_out, on_msg)->path = s;
	list_each(l, &s->ins)
		container_of(l, struct plane_conn, in_path)->in.path = s;
	s->n_open = p->n_open;
	p->n_open = 0;
}

/*
 * The peer has moved in the answer to our offer, so our URI could not change with it (RFC 4975 8.4).  The generation
 * that ends gets a path object of its own with the same URI, bound to the old connection: what was begun ends there
 * under the old peer path (UPA-12), and what comes on that connection is still for it.  Takes the share of p->peer.
 */
static void path_shadow(struct plane_path *p)
{
	struct plane_end *e = p->end;
	struct plane_path *s = e->spare;

	e->spare = NULL;
	*s = *p;
	memcpy(s->uri, p->uri, p->uri_n);
	s->shadow = true;
	s->shared = NULL;
	s->takeover = false;
	s->t = (struct timer){ 0 };
	list_init(&s->on_end);
	path_hand_over(p, s);
	list_push(&p->conn->paths, &s->on_conn);
	p->conn = NULL;
	list_del(&p->on_conn);
	p->id = ++end_planes(e)->path_ids;
	p->takeover = true;
	p->seen = false;
	path_retire(s);
}

bool plane_peer_moved(const struct plane_peer *a, const struct plane_peer *b)
{
	return !plane_peer_same_uri(a, b) || !plane_tls_same(a, b) ||
	       (!span_eq(peer_first(a), peer_first(b)) && !msrp_uri_eq(peer_first(a), peer_first(b)));
}

void plane_path_commit(struct plane_end *e)
{
	struct planes *ps = end_planes(e);
	struct plane_path *p = e->next, *old = e->path;
	bool moved = p == old && plane_peer_moved(p->peer, e->next_peer);

	if (moved && p->conn && e->spare) {
		path_shadow(p);
	} else if (p == old) {
		plane_peer_unref(p->peer);
		if (moved && !p->conn) /* and who it was may still be under way to us */
			p->takeover = true;
	} else if (old)
		path_retire(old);
	p->peer = e->next_peer;
	e->path = p;
	p->state = PATH_CURRENT;
	e->next = NULL, e->next_peer = NULL;
	plane_fork_commit(p);
	e->lost = false; /* the session knows; it counts anew */
	list_del(&e->on_lost);
	p->again = false;
	p->tries = 0;
	if (!p->conn) {
		if (p->peer->active)
			plane_path_connect(p);
		if (!p->seen) {
			p->bound_us = ps->now_us + ps->conf.bind_wait_ms * US_PER_MS;
			timer_set(ps->wheel, &p->t, p->bound_us, plane_path_on_timer);
		}
	}
	plane_path_check_drain(e);
	plane_held_flush(e);
	plane_conn_wake(&e->waiters);
}

/* UPA-17: may old paths of e go?  Beyond its conditions a message begun there may end there (UPA-12), and what the peer
 * said there before it came to the new path may still be under way. */
void plane_path_check_drain(struct plane_end *e)
{
	struct planes *ps = end_planes(e);
	const struct plane *pl = e->line->p;
	bool unsettled;

	if (!e->n_old || !e->path || !e->path->seen || end_other(e)->n_reports)
		return;
	unsettled = pl->hooks->unsettled && pl->hooks->unsettled(pl->session);
	list_each(l, &e->old) {
		struct plane_path *p = container_of(l, struct plane_path, on_end);
		if (unsettled && p->quiet_us < ps->now_us + OLD_QUIET_US)
			p->quiet_us = ps->now_us + OLD_QUIET_US; /* then we look again */
		if (p->n_open || !list_empty(&p->ins) || is_stopped(p) || begun_on(e, p))
			continue;
		if (ps->now_us < p->quiet_us)
			timer_set(ps->wheel, &p->t, p->quiet_us < p->bound_us ? p->quiet_us : p->bound_us,
				  plane_path_on_timer);
		else
			plane_path_destroy(p, 481);
	}
}

/* c is read on: what stood behind that which stopped it comes now. */
void plane_path_unquiet(struct plane_conn *c)
{
	list_each(l, &c->paths)
		container_of(l, struct plane_path, on_conn)->quiet_us = c->ps->now_us + OLD_QUIET_US;
}

void plane_path_poke(struct plane_path *p)
{
	struct planes *ps = end_planes(p->end);

	if (p->state == PATH_OLD && p->n_open == 0) /* not at once: the caller may be looking at it */
		timer_set(ps->wheel, &p->t, ps->now_us, plane_path_on_timer);
}

void plane_path_seen(struct plane_path *p)
{
	struct plane_end *e = p->end;

	p->seen = true;
	if (p->state != PATH_CURRENT)
		return;
	plane_repair_seen(p);
	list_each(l, &e->old)
		container_of(l, struct plane_path, on_end)->quiet_us = end_planes(e)->now_us + OLD_QUIET_US;
	plane_path_check_drain(e);
	plane_held_flush(e);
	plane_report_flush(e);
	plane_conn_wake(&e->waiters);
}

/* ---- binding ---- */

static struct plane_path *bound_to(struct plane_conn *c, struct span uri)
{
	list_each(l, &c->paths) {
		struct plane_path *p = container_of(l, struct plane_path, on_conn);
		if (span_eq(path_uri(p), uri))
			return p;
	}
	return NULL;
}

struct plane_path *plane_path_find(struct planes *ps, struct span uri)
{
	struct msrp_uri u;
	struct plane_path *p = msrp_uri_parse(&u, uri) < 0 ? NULL : path_find(ps, u.session);

	return p && msrp_uri_eq(path_uri(p), uri) ? p : NULL;
}

static struct plane_path *path_of_uri(struct plane_conn *c, struct span to)
{
	struct plane_path *p, *shadow;

	/* The usual case: the first session of this connection, as we wrote it. */
	if (!list_empty(&c->paths)) {
		p = container_of(c->paths.next, struct plane_path, on_conn);
		if (span_eq(path_uri(p), to) && !p->shadow)
			return p;
	}
	if ((p = plane_path_find(c->ps, to)) == NULL)
		return bound_to(c, to); /* a shadow that has outlived the path it was of */
	if (p->tp != c->tp)
		return NULL; /* what was agreed on for TLS is not to be had without it */
	shadow = p->conn != c && p->end->n_old && !plane_fork_asks(p) ? bound_to(c, path_uri(p)) : NULL;
	return shadow ? shadow : p;
}

/* Does the peer of this path speak, by whatever relays (UP-4)? */
static bool is_of_peer(const struct plane_path *p, const struct msrp_head *h)
{
	struct span first, last, theirs;

	return msrp_path_ends(h->from_path, &first, &last) &&
	       msrp_path_ends(peer_path(p->peer), &first, &theirs) && msrp_uri_eq(last, theirs);
}

static bool is_named(const struct plane_peer *peer, const struct msrp_head *h)
{
	struct span first, last, their_first, their_last;

	return msrp_path_ends(h->from_path, &first, &last) &&
	       msrp_path_ends(peer_path(peer), &their_first, &their_last) &&
	       msrp_uri_eq(first, their_first) && msrp_uri_eq(last, their_last);
}

/* A peer that has moved may go on over the connection it has (RFC 4975 5.4): only its From-Path tells. */
static struct plane_path *path_now(struct plane_path *p, const struct msrp_head *h)
{
	struct plane_path *now = p->end->path;

	if (p->shadow && now && now->takeover && !now->conn && span_eq(path_uri(now), path_uri(p)) &&
	    is_named(now->peer, h) && !is_named(p->peer, h))
		return now;
	return p;
}

/* The binding as it is excludes another connection. */
static bool bound_elsewhere(const struct plane_path *p, const struct msrp_head *h)
{
	if (p->takeover) /* the shadow has it, or nobody, until who was announced comes */
		return !is_of_peer(p, h);
	return p->conn && p->conn->up && (p->seen || !p->again);
}

/* Our offer is out on this end, and its answer may say that the peer has moved: to who comes now, it may be. */
static bool may_have_moved(const struct plane_path *p, const struct msrp_head *h)
{
	const struct plane_end *e = p->end;
	const struct plane *pl = e->line->p;

	return pl->prepared && pl->from != e->side && e->next == p && p->peer &&
	       (bound_elsewhere(p, h) || !is_of_peer(p, h));
}

enum bind_result plane_path_bind(struct plane_conn *c, const struct msrp_head *h, struct plane_path **out)
{
	struct plane_path *p = path_of_uri(c, h->to_path);
	struct plane_end *e;

	*out = p;
	if (!p)
		return BIND_NONE;
	*out = p = path_now(p, h);
	if (plane_fork_asks(p)) {
		enum bind_result r = plane_fork_pick(c, h, &p);
		*out = p;
		if (r == BIND_CLAIM)
			plane_conn_bound(c);
		if (r != BIND_OK)
			return r;
	}
	e = p->end;
	if (p->conn != c) {
		if (may_have_moved(p, h))
			return BIND_WAIT;
		if (bound_elsewhere(p, h))
			return BIND_ELSEWHERE;
		if (p->tp == PLANE_TLS && !p->peer) /* who it may be is not known yet */
			return BIND_WAIT;
		if (!plane_tls_ok(p, c))
			return BIND_STRANGER;
		if (p->conn || p->seen)
			plane_count(e->line)->rebinds++;
		plane_path_attach(p, c);
		p->takeover = false;
	}
	plane_conn_bound(c);
	p->quiet_us = c->ps->now_us + OLD_QUIET_US;
	if (!p->seen || (e->lost && p == e->path))
		plane_path_seen(p);
	return BIND_OK;
}
