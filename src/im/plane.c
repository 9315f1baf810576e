/* SPDX-License-Identifier: MIT */
/*
 * The user plane of a session: its lines, and the two-phase change (UPA-3).  prepare makes all that a change may
 * need, on both ends, while the current generation goes on undisturbed; commit only moves pointers, so it cannot fail;
 * rollback frees what prepare made.  What is hard is that the answer's texts are first seen at commit, where nothing
 * may be allocated (UPA-22): prepare sets room aside for the longest the SDP parser lets through, commit gives back
 * what was not needed.
 */
#include "im/plane_int.h"

const unsigned plane_codes[PLANE_CODES] = { 400, 403, 408, 413, 415, 481, 501, 506, 0 };

/* ---- entry points ---- */

void plane_enter(struct planes *ps, uint64_t now_us)
{
	ps->depth++;
	ps->now_us = now_us;
}

static void tell_lost(struct planes *ps)
{
	struct list *l;

	while ((l = list_pop(&ps->lost)) != NULL) {
		struct plane_end *e = container_of(l, struct plane_end, on_lost);
		struct plane *p = e->line->p;
		if (e->lost)
			p->hooks->lost(p->session, (enum side)e->side, e->line->index, e->why, ps->now_us);
		else
			p->hooks->back(p->session, (enum side)e->side, e->line->index, ps->now_us);
	}
}

static void on_lost_due(struct timer *t, uint64_t now_us)
{
	struct planes *ps = container_of(t, struct planes, t_lost);

	plane_enter(ps, now_us);
	plane_leave(ps, true);
}

void plane_leave(struct planes *ps, bool from_world)
{
	struct list *l;

	if (ps->depth > 1) {
		ps->depth--;
		return;
	}
	plane_write_flush(ps);
	/* A hook may end its session, so it is called when nothing here looks at one; the session's own calls are not
	 * answered by a hook at all, but a tick later. */
	if (from_world)
		tell_lost(ps);
	else if (!list_empty(&ps->lost) && !timer_is_set(&ps->t_lost))
		timer_set(ps->wheel, &ps->t_lost, ps->now_us, on_lost_due);
	plane_conn_close_unused(ps);
	plane_write_flush(ps);
	while ((l = list_pop(&ps->dead)) != NULL)
		free(container_of(l, struct plane_conn, link));
	ps->depth--;
}

void plane_random(struct planes *ps, void *p, size_t n)
{
	if (ps->random_left < n) { /* asking the world costs a call; one for many */
		ps->port.random(ps->port.w, ps->random, sizeof(ps->random));
		ps->random_left = sizeof(ps->random);
	}
	ps->random_left -= (unsigned)n;
	memcpy(p, ps->random + ps->random_left, n);
	memset(ps->random + ps->random_left, 0, n);
}

void plane_lost(struct plane_end *e, const char *why)
{
	if (e->lost)
		return;
	e->lost = true;
	e->unheard = e->path && !e->path->seen;
	e->why = why;
	list_del(&e->on_lost);
	list_push(&end_planes(e)->lost, &e->on_lost);
	plane_log(end_planes(e), IM_NOTICE, "msrp-lost", "side=%c line=%u why=\"%s\"", e->side ? 'B' : 'A',
		  e->line->index, why);
}

void plane_back(struct plane_end *e)
{
	if (!e->lost)
		return;
	e->lost = false;
	list_del(&e->on_lost);
	list_push(&end_planes(e)->lost, &e->on_lost);
	plane_log(end_planes(e), IM_INFO, "msrp-back", "side=%c line=%u", e->side ? 'B' : 'A',
		  e->line->index);
}

void plane_log(struct planes *ps, enum im_level level, const char *event, const char *fmt, ...)
{
	va_list ap;

	if (!ps->port.log || !ps->port.log_wanted || !ps->port.log_wanted(ps->port.w, level))
		return;
	va_start(ap, fmt);
	ps->port.log(ps->port.w, level, event, fmt, ap);
	va_end(ap);
}

/* ---- lines ---- */

static void end_init(struct plane_end *e, struct plane_line *l, enum side s)
{
	e->line = l;
	e->side = (uint8_t)s;
	list_init(&e->old), list_init(&e->held), list_init(&e->waiters), list_init(&e->msgs);
	list_init(&e->on_lost);
}

static struct plane_line *line_find(const struct plane *p, unsigned index)
{
	for (unsigned i = 0; i < p->n_lines; i++)
		if (p->line[i]->index == index)
			return p->line[i];
	return NULL;
}

/* Most sessions have one line for life. */
static int lines_room(struct plane *p)
{
	struct plane_line **all;

	if (p->n_lines == 0 || p->line != &p->only)
		return 0;
	if ((all = calloc(PLANE_LINES_MAX, sizeof(struct plane_line *))) == NULL)
		return -ENOMEM;
	all[0] = p->only;
	p->line = all;
	return 0;
}

static struct plane_line *line_create(struct plane *p, unsigned index)
{
	struct plane_line *l = calloc(1, sizeof(*l));

	if (!l || lines_room(p) < 0) {
		free(l);
		return NULL;
	}
	l->p = p;
	l->index = (uint8_t)index;
	end_init(&l->end[SIDE_A], l, SIDE_A);
	end_init(&l->end[SIDE_B], l, SIDE_B);
	p->line[p->n_lines++] = l;
	return l;
}

static void end_drop_next(struct plane_end *e)
{
	if (e->next && e->next != e->path)
		plane_path_destroy(e->next, 481);
	e->next = NULL;
	plane_peer_unref(e->next_peer);
	e->next_peer = NULL;
	free(e->spare);
	e->spare = NULL;
	plane_conn_wake(&e->waiters);
}

/* ---- counting ---- */

struct plane_stats *plane_count(struct plane_line *l)
{
	if (!l->stats)
		l->stats = calloc(1, sizeof(*l->stats));
	return l->stats ? l->stats : &l->p->ps->uncounted;
}

void plane_count_code(struct plane_line *l, unsigned code)
{
	unsigned i = 0;

	while (i < PLANE_CODES - 1 && plane_codes[i] != code)
		i++;
	plane_count(l)->errors[i]++;
}

/* All counters are alike. */
static void stats_add(struct plane_stats *to, const struct plane_stats *s)
{
	const uint64_t *from = (const uint64_t *)s;
	uint64_t *at = (uint64_t *)to;

	for (size_t i = 0; s && i < sizeof(*s) / sizeof(uint64_t); i++)
		at[i] += from[i];
}

/* What happened on a line that goes stays its session's. */
static void stats_inherit(struct plane_line *l)
{
	struct plane *p = l->p;

	if (!p->stats) {
		p->stats = l->stats;
		return;
	}
	stats_add(p->stats, l->stats);
	free(l->stats);
}

/* ---- the end of a line ---- */

/* Ends what is under way on both ends with code, then lets go of the paths. */
static void line_destroy(struct plane_line *l, unsigned code)
{
	struct plane *p = l->p;
	struct plane_end *e;
	unsigned i;

	for (e = l->end; e < l->end + 2; e++)
		list_each(k, &e->msgs) {
			struct plane_msg *m = container_of(k, struct plane_msg, on_end);
			plane_ack_silent(m, NULL);
			plane_msg_fail(m, code);
		}
	for (e = l->end; e < l->end + 2; e++) {
		plane_held_clear(e);
		plane_report_clear(e);
		plane_past_clear(e);
		end_drop_next(e);
		while (!list_empty(&e->old))
			plane_path_destroy(container_of(e->old.next, struct plane_path, on_end), code);
		plane_path_destroy(e->path, code);
		plane_conn_wake(&e->waiters);
		list_del(&e->on_lost);
	}
	for (e = l->end; e < l->end + 2; e++)
		while (!list_empty(&e->msgs))
			plane_msg_destroy(container_of(e->msgs.next, struct plane_msg, on_end));
	free(l->file);
	for (i = 0; p->line[i] != l; i++)
		;
	p->line[i] = p->line[--p->n_lines];
	stats_inherit(l);
	free(l);
}

/* ---- the session ---- */

struct plane *plane_create(struct planes *ps, void *session, const struct plane_hooks *hooks)
{
	struct plane *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->ps = ps;
	p->line = &p->only;
	p->session = session;
	p->hooks = hooks;
	list_push(&ps->all, &p->link);
	return p;
}

void plane_by_websocket(struct plane *p, enum side s, bool secure)
{
	p->by_ws[s] = secure ? PLANE_WSS : PLANE_WS;
}

void plane_destroy(struct plane *p, uint64_t now_us)
{
	struct planes *ps;

	if (!p)
		return;
	ps = p->ps;
	plane_enter(ps, now_us);
	while (p->n_lines)
		line_destroy(p->line[0], 481);
	list_del(&p->link);
	if (p->line != &p->only)
		free(p->line);
	free(p->stats);
	free(p);
	plane_leave(ps, false);
}

enum sdp_setup plane_setup_answer(enum sdp_setup offered)
{
	/* UP-6: only an offerer that insists on being passive makes us connect. */
	return offered == SDP_SETUP_PASSIVE ? SDP_SETUP_ACTIVE : SDP_SETUP_PASSIVE;
}

/* UP-7: our offer said actpass; who does not know setup lets the offerer connect (RFC 4975 8.5). */
static bool active_by_answer(enum sdp_setup answered)
{
	return answered == SDP_SETUP_PASSIVE || answered == SDP_SETUP_NONE || answered == SDP_SETUP_UNKNOWN;
}

static bool usable(const struct sdp_msrp *m)
{
	return m->is_message && m->active && (m->tcp || m->tls) && m->path.n;
}

static int end_prepare(struct plane_end *e, struct plane_peer *peer, enum plane_tp tp, bool new_path)
{
	e->next_peer = peer;
	if (!peer)
		return -ENOMEM;
	if (!new_path && e->path && e->path->tp == tp)
		e->next = e->path;
	else
		e->next = plane_path_create(e, tp, peer->path_n || !e->path ? peer : e->path->peer);
	return e->next ? 0 : -ENOMEM;
}

/* The kind of WebSocket its SIP has, else the other one. */
static enum plane_tp ws_tp(const struct plane_conf *c, enum plane_tp tp)
{
	return c->at[tp].port ? tp : tp == PLANE_WS ? PLANE_WSS : PLANE_WS;
}

/* What carries it on the far end: a line that goes on changes there when it changes here; a new one is as the
 * operator says, or as the offer has it (SDP-36). */
static enum plane_tp far_tp(const struct plane_end *near, const struct plane_end *far, enum plane_tp near_tp)
{
	const struct plane_conf *c = &end_planes(far)->conf;
	enum plane_tp tp = plane_tp_secure(near_tp) ? PLANE_TLS : PLANE_TCP;

	if (far->path && plane_tp_ws((enum plane_tp)far->path->tp))
		return (enum plane_tp)far->path->tp; /* a browser has nothing else */
	if (far->line->p->by_ws[far->side])
		return ws_tp(c, (enum plane_tp)far->line->p->by_ws[far->side]);
	if (c->transport[far->side])
		tp = (enum plane_tp)(c->transport[far->side] - 1);
	if (far->path && (c->transport[far->side] || (near->path && near->path->tp == near_tp)))
		tp = (enum plane_tp)far->path->tp;
	if (!c->at[tp].port)
		tp = tp == PLANE_TCP ? PLANE_TLS : PLANE_TCP;
	return tp;
}

static int line_prepare(struct plane *p, enum side from, unsigned index, const struct sdp *offer,
			const struct sdp_msrp *m, bool repair)
{
	enum plane_tp tp = plane_tp_of(m);
	struct plane_line *l = line_find(p, index);
	struct plane_end *near, *far;
	struct plane_peer *peer;
	bool moved;

	if (!l && p->n_lines == PLANE_LINES_MAX)
		return -EMFILE;
	if (!l && (l = line_create(p, index)) == NULL)
		return -ENOMEM;
	near = &l->end[from], far = end_other(near);
	l->next_live = true;
	peer = plane_peer_make(p->ps, offer, index, m,
			       !m->ws && plane_setup_answer(m->setup) == SDP_SETUP_ACTIVE);
	/* UPA-10: a new peer URI in the SDP we answer is a new MSRP session, and wants a new URI of ours; so does another
	 * certificate, which is another association (UP-49). */
	moved = near->path && peer &&
		(!plane_peer_same_uri(near->path->peer, peer) || !plane_tls_same(near->path->peer, peer));
	if (end_prepare(near, peer, tp, moved) < 0 ||
	    end_prepare(far, plane_peer_blank(), far_tp(near, far, tp), repair && far->lost) < 0)
		return -ENOMEM;
	if (far->path && (far->spare = plane_path_spare(far->path)) == NULL)
		return -ENOMEM;
	/* Another relay before the same peer: our URI stays (UPA-10), and who comes with it is who takes it over. */
	if (near->path && near->next == near->path && plane_peer_moved(near->path->peer, peer) &&
	    (near->spare = plane_path_spare(near->path)) == NULL)
		return -ENOMEM;
	return 0;
}

static int prepare(struct plane *p, enum side from, const struct sdp *offer, uint32_t off, bool repair,
		   uint64_t now_us)
{
	int r = 0;

	plane_enter(p->ps, now_us);
	plane_rollback(p, now_us);
	p->prepared = true;
	p->from = (uint8_t)from;
	for (unsigned i = 0; i < offer->n_media && r == 0; i++) {
		struct sdp_msrp m;
		sdp_msrp_of(offer, i, &m);
		if (usable(&m) && !(off >> i & 1))
			r = line_prepare(p, from, i, offer, &m, repair);
		if (r == 0 && m.is_file && line_find(p, i))
			r = plane_file_note(line_find(p, i), offer, &m);
	}
	if (r < 0)
		plane_rollback(p, now_us);
	plane_leave(p->ps, false);
	return r;
}

int plane_prepare(struct plane *p, enum side from, const struct sdp *offer, uint32_t off, uint64_t now_us)
{
	return prepare(p, from, offer, off, false, now_us);
}

int plane_prepare_repair(struct plane *p, enum side from, const struct sdp *offer, uint32_t off,
			 uint64_t now_us)
{
	return prepare(p, from, offer, off, true, now_us);
}

void plane_rollback(struct plane *p, uint64_t now_us)
{
	plane_enter(p->ps, now_us);
	p->prepared = false;
	for (unsigned i = p->n_lines; i-- > 0;) {
		struct plane_line *l = p->line[i];
		l->next_live = false;
		if (l->live) {
			end_drop_next(&l->end[SIDE_A]);
			end_drop_next(&l->end[SIDE_B]);
		} else {
			line_destroy(l, 481);
		}
	}
	plane_leave(p->ps, false);
}

static void line_commit(struct plane_line *l, enum side from, const struct sdp *answer,
			const struct sdp_msrp *answered)
{
	struct plane_end *near = &l->end[from], *far = end_other(near);

	plane_peer_fill(&far->next_peer, l->p->ps, answer, l->index, answered,
			active_by_answer(answered->setup));
	l->live = true;
	l->next_live = false;
	plane_path_commit(far);
	plane_path_commit(near);
	free(far->spare), free(near->spare);
	far->spare = near->spare = NULL;
}

void plane_commit(struct plane *p, enum side from, const struct sdp *offer, const struct sdp *answer,
		  uint64_t now_us)
{
	if (!p->prepared)
		return;
	plane_enter(p->ps, now_us);
	p->prepared = false;
	p->generation++;
	for (unsigned i = p->n_lines; i-- > 0;) {
		struct plane_line *l = p->line[i];
		struct sdp_msrp m = { 0 };
		if (l->index < answer->n_media)
			sdp_msrp_of(answer, l->index, &m);
		if (l->next_live && usable(&m))
			line_commit(l, from, answer, &m);
		else
			line_destroy(l, 481); /* SDP-10, UPA-20 */
	}
	plane_leave(p->ps, false);
}

/* ---- looking ---- */

const struct plane_at *plane_home(const struct plane_conf *c)
{
	for (unsigned i = 0; i < PLANE_N_TP; i++)
		if (c->at[i].port)
			return &c->at[i];
	return &c->at[PLANE_TCP];
}

static void local_host(const struct plane_at *at, struct plane_local *out)
{
	struct span h = span_of(at->host);

	if (h.n > 1 && h.p[0] == '[')
		h = span_cut(h, 1, h.n - 1);
	out->ip6 = span_chr(h, ':') != SPAN_NONE;
	memcpy(out->host, h.p, h.n);
	out->host[h.n] = 0;
}

void plane_local(const struct plane *p, enum side s, unsigned i, struct plane_local *out)
{
	const struct plane_line *l = line_find(p, i);
	const struct plane_path *path = NULL;

	*out = (struct plane_local){ 0 };
	if (l)
		path = p->prepared ? l->end[s].next : l->end[s].path;
	if (!path)
		return;
	out->known = true;
	memcpy(out->path, path->uri, path->uri_n);
	out->tp = (enum plane_tp)path->tp;
	out->port = plane_path_home(path)->port;
	local_host(plane_path_home(path), out);
}

void plane_stats(const struct plane *p, struct plane_stats *out)
{
	*out = (struct plane_stats){ 0 };
	stats_add(out, p->stats);
	for (unsigned i = 0; i < p->n_lines; i++)
		stats_add(out, p->line[i]->stats);
}

int plane_line_stats(const struct plane *p, unsigned i, struct plane_stats *out)
{
	*out = (struct plane_stats){ 0 };
	if (i >= p->n_lines)
		return -1;
	stats_add(out, p->line[i]->stats);
	return p->line[i]->index;
}

uint64_t plane_generation(const struct plane *p)
{
	return p->generation;
}

bool plane_idle(const struct plane *p)
{
	for (unsigned i = 0; i < p->n_lines; i++)
		for (unsigned s = 0; s < 2; s++) {
			const struct plane_end *e = &p->line[i]->end[s];
			if (e->n_old || e->n_near || e->n_out || e->held_bytes || !list_empty(&e->msgs))
				return false;
		}
	return true;
}

/* ---- the worker's context ---- */

static int tables_init(struct planes *ps)
{
	struct htab *t[] = { &ps->paths, &ps->msgs, &ps->outs, &ps->dests, &ps->sources };
	uint64_t key[2];

	for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
		plane_random(ps, key, sizeof(key));
		if (htab_init(t[i], key) < 0)
			return -ENOMEM;
	}
	return 0;
}

static void tables_finish(struct planes *ps)
{
	struct htab *t[] = { &ps->paths, &ps->msgs, &ps->outs, &ps->dests, &ps->sources };

	for (unsigned i = 0; i < ARRAY_LEN(t); i++)
		htab_finish(t[i]);
}

void planes_fit(struct planes *ps)
{
	struct htab *t[] = { &ps->paths, &ps->msgs, &ps->outs, &ps->dests, &ps->sources };

	for (unsigned i = 0; i < ARRAY_LEN(t); i++)
		htab_fit(t[i]);
}

struct planes *planes_create(const struct plane_conf *conf, const struct im_port *port, struct timers *wheel)
{
	struct planes *ps = calloc(1, sizeof(*ps));

	if (!ps)
		return NULL;
	ps->conf = *conf;
	ps->port = *port;
	ps->wheel = wheel;
	list_init(&ps->all), list_init(&ps->conns), list_init(&ps->dead), list_init(&ps->lost);
	list_init(&ps->check), list_init(&ps->nicks), list_init(&ps->pool_held);
	list_init(&ps->nears), list_init(&ps->outs_due), list_init(&ps->idle), list_init(&ps->pasts);
	list_init(&ps->pool_near), list_init(&ps->pool_out), list_init(&ps->pool_msg);
	if (tables_init(ps) < 0) {
		tables_finish(ps);
		free(ps);
		return NULL;
	}
	return ps;
}

static void drop_all(struct list *pool, size_t link_at)
{
	struct list *l;

	while ((l = list_pop(pool)) != NULL)
		free((char *)l - link_at);
}

void planes_destroy(struct planes *ps)
{
	if (!ps)
		return;
	plane_enter(ps, ps->now_us);
	list_each(l, &ps->all)
		plane_destroy(container_of(l, struct plane, link), ps->now_us);
	list_each(c, &ps->conns)
		plane_conn_close(container_of(c, struct plane_conn, link), "shutdown");
	plane_leave(ps, false);
	timer_stop(ps->wheel, &ps->t_nears);
	timer_stop(ps->wheel, &ps->t_outs);
	timer_stop(ps->wheel, &ps->t_idle);
	timer_stop(ps->wheel, &ps->t_lost);
	drop_all(&ps->pool_near, offsetof(struct plane_near, on_msg));
	drop_all(&ps->pool_out, offsetof(struct plane_out, on_msg));
	drop_all(&ps->pool_msg, offsetof(struct plane_msg, on_end));
	drop_all(&ps->pool_held, offsetof(struct plane_held, on_end));
	tables_finish(ps);
	free(ps);
}

const struct planes_stats *planes_stats(const struct planes *ps)
{
	return &ps->stats;
}
