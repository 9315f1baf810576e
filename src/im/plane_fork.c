/* SPDX-License-Identifier: MIT */
/*
 * One URI of ours that several far ends know: who forks our INVITE shows one offer to many, and each that answers is a
 * session of its own, with a plane of its own (PROV-1).  Then a session-id names several paths, and only the From-Path
 * of a request tells for which one it is.
 *
 * What is hard about it: a far end may be heard before we know that it is there, on the connection it made as soon as
 * its answer was written (PROV-13).  Such a connection is remembered as a claim: who it said it was.  A bodiless SEND is
 * answered, content is not read, and the commit of the plane whose answer names that far end takes the connection over.
 * When nobody is left whom it could be for, it is told 481.
 */
#include "im/plane_int.h"

enum { CLAIMS_MAX = 32 };

struct plane_shared { /* what paths with the same URI have in common */
	struct plane_path *path[PLANE_FORKS_MAX];
	unsigned n, n_claims;
	bool forked; /* there was more than one */
	struct list claims;
	struct list waiters; /* connections with content for nobody known yet */
};

struct plane_claim { /* who a connection said it was, before an answer did */
	struct list on_shared, on_conn;
	struct plane_shared *shared;
	struct plane_conn *conn;
	uint16_t uri_n;
	char uri[];
};

/* ---- whose is it? ---- */

static struct span endpoint(struct span path)
{
	struct span first, last;

	return msrp_path_ends(path, &first, &last) ? last : SPAN_EMPTY;
}

static bool is_peer(const struct plane_path *p, struct span uri)
{
	struct span theirs = p->peer ? endpoint(peer_path(p->peer)) : SPAN_EMPTY;

	return theirs.n && uri.n && (span_eq(theirs, uri) || msrp_uri_eq(theirs, uri));
}

static bool is_forking(const struct plane_path *p)
{
	return p->end->line->p->forking == 1 + p->end->side;
}

/* Our offer with this URI is out and unanswered. */
static bool is_offered(const struct plane_path *p)
{
	const struct plane *pl = p->end->line->p;

	return pl->prepared && pl->from != p->end->side && p->end->next == p;
}

static bool is_open(const struct plane_path *p) /* may a far end still be made known? */
{
	const struct plane_shared *sh = p->shared;

	for (unsigned i = 0; sh && i < sh->n; i++)
		if (is_offered(sh->path[i]) || is_forking(sh->path[i]))
			return true;
	return !sh && (is_offered(p) || is_forking(p));
}

bool plane_fork_asks(const struct plane_path *p)
{
	return p->shared || is_forking(p) || (!p->peer && is_offered(p));
}

static struct plane_path *path_from(struct plane_conn *c, struct plane_path *p, struct span uri)
{
	const struct plane_shared *sh = p->shared;

	for (unsigned i = 0; sh && i < sh->n; i++)
		if (is_peer(sh->path[i], uri))
			return sh->path[i];
	if (!sh && is_peer(p, uri))
		return p;
	list_each(l, &c->paths) { /* it spoke of the generation before */
		struct plane_path *q = container_of(l, struct plane_path, on_conn);
		if (q->shadow && span_eq(path_uri(q), path_uri(p)) && is_peer(q, uri))
			return q;
	}
	return NULL;
}

/* ---- claims ---- */

static void claim_free(struct plane_claim *k)
{
	k->shared->n_claims--;
	list_del(&k->on_shared), list_del(&k->on_conn);
	free(k);
}

static struct plane_shared *shared_of(struct plane_path *p)
{
	struct plane_shared *sh = p->shared;

	if (sh || (sh = calloc(1, sizeof(*sh))) == NULL)
		return sh;
	list_init(&sh->claims), list_init(&sh->waiters);
	sh->path[sh->n++] = p;
	p->shared = sh;
	return sh;
}

static int claim_keep(struct plane_conn *c, struct plane_path *p, struct span uri)
{
	struct plane_shared *sh = shared_of(p);
	struct plane_claim *k;

	if (!sh)
		return -ENOMEM;
	list_each(l, &c->claims) {
		k = container_of(l, struct plane_claim, on_conn);
		if (k->shared == sh && span_eq((struct span){ k->uri, k->uri_n }, uri))
			return 0;
	}
	if (sh->n_claims == CLAIMS_MAX || (k = malloc(sizeof(*k) + uri.n)) == NULL)
		return -ENOMEM;
	*k = (struct plane_claim){ .shared = sh, .conn = c, .uri_n = (uint16_t)uri.n };
	memcpy(k->uri, uri.p, uri.n);
	sh->n_claims++;
	list_push(&sh->claims, &k->on_shared), list_push(&c->claims, &k->on_conn);
	return 0;
}

void plane_fork_forget(struct plane_conn *c)
{
	while (!list_empty(&c->claims))
		claim_free(container_of(c->claims.next, struct plane_claim, on_conn));
}

enum bind_result plane_fork_pick(struct plane_conn *c, const struct msrp_head *h, struct plane_path **p)
{
	struct span uri = endpoint(h->from_path);
	struct plane_path *found = path_from(c, *p, uri);

	if (found) {
		*p = found;
		return BIND_OK;
	}
	if (!is_open(*p))
		return (*p)->shared && (*p)->shared->forked ? BIND_NONE : BIND_OK;
	return uri.n == 0 || claim_keep(c, *p, uri) < 0 ? BIND_WAIT : BIND_CLAIM;
}

bool plane_fork_wait(struct plane_conn *c, struct plane_path *p)
{
	plane_conn_wait(c, &p->shared->waiters, false);
	return false;
}

/* ---- commit, and the end of it ---- */

static void claim_take(struct plane_path *p, struct plane_claim *k)
{
	struct plane_conn *c = k->conn;

	claim_free(k);
	if (path_up(p) || !plane_tls_ok(p, c)) {
		plane_conn_check_unused(c);
		return;
	}
	plane_path_attach(p, c);
	p->seen = true;
}

static void claims_drop(struct plane_shared *sh)
{
	while (!list_empty(&sh->claims)) {
		struct plane_claim *k = container_of(sh->claims.next, struct plane_claim, on_shared);
		if (list_empty(&k->conn->wait)) /* else it goes on, and hears 481 */
			plane_conn_check_unused(k->conn);
		claim_free(k);
	}
	plane_conn_wake(&sh->waiters);
}

/* Nobody more is to come: who has claimed in vain is let go.  Alone and never forked, a path is as any other. */
static void shared_trim(struct plane_path *p)
{
	struct plane_shared *sh = p->shared;

	if (is_open(p))
		return;
	if (!sh->forked && p->peer && !path_up(p) && !list_empty(&sh->claims))
		claim_take(p,
			   container_of(sh->claims.next, struct plane_claim, on_shared)); /* UP-10: as ever */
	claims_drop(sh);
	if (sh->forked)
		return;
	p->shared = NULL;
	free(sh);
}

void plane_fork_commit(struct plane_path *p)
{
	struct plane_shared *sh = p->shared;

	if (!sh)
		return;
	for (struct list *l = sh->claims.next; l != &sh->claims;) {
		struct plane_claim *k = container_of(l, struct plane_claim, on_shared);
		l = l->next;
		if (is_peer(p, (struct span){ k->uri, k->uri_n }))
			claim_take(p, k);
	}
	plane_conn_wake(&sh->waiters);
	shared_trim(p);
}

void plane_fork_leave(struct plane_path *p)
{
	struct plane_shared *sh = p->shared;
	unsigned i;

	if (!sh)
		return;
	p->shared = NULL;
	for (i = 0; sh->path[i] != p; i++)
		;
	sh->path[i] = sh->path[--sh->n];
	if (sh->n) {
		shared_trim(sh->path[0]);
		return;
	}
	claims_drop(sh);
	free(sh);
}

static void path_decided(struct plane_path *p)
{
	if (!p || !p->shared || is_open(p))
		return;
	p->shared->forked = true; /* whoever claimed in vain is a fork we shall not hear of */
	shared_trim(p);
}

static void end_decided(struct plane_end *e)
{
	path_decided(e->path);
	list_each(l, &e->old)
		path_decided(container_of(l, struct plane_path, on_end));
}

void plane_forking(struct plane *p, enum side far, bool on, uint64_t now_us)
{
	plane_enter(p->ps, now_us);
	p->forking = on ? (uint8_t)(1 + far) : 0;
	for (unsigned i = 0; i < p->n_lines; i++)
		end_decided(&p->line[i]->end[far]);
	plane_leave(p->ps, false);
}

/* ---- the sibling ---- */

/* The far end of l is to be reached by the URI that was offered. */
static int end_share(struct plane_end *far, struct span uri)
{
	struct plane_path *one = plane_path_find(end_planes(far), uri);
	struct plane_path *p = plane_path_twin(far, uri);
	struct plane_shared *sh;

	if (!p)
		return -ENOMEM;
	plane_path_destroy(far->next, 481);
	far->next = p;
	if (!one)
		return 0;
	if ((sh = shared_of(one)) == NULL)
		return -ENOMEM;
	if (sh->n == PLANE_FORKS_MAX)
		return -EMFILE;
	sh->path[sh->n++] = p;
	sh->forked = true;
	p->shared = sh;
	return 0;
}

static int share(struct plane *p, enum side far, const struct sdp *sent)
{
	int r = 0;

	for (unsigned i = 0; i < p->n_lines && r == 0; i++) {
		struct plane_line *l = p->line[i];
		struct sdp_msrp m = { 0 };
		if (l->index < sent->n_media)
			sdp_msrp_of(sent, l->index, &m);
		r = end_share(&l->end[far], endpoint(m.path));
	}
	return r;
}

struct plane *plane_fork(struct plane *from, void *session, enum side side, const struct sdp *offer,
			 const struct sdp *sent, uint32_t off, uint64_t now_us)
{
	struct plane *p = plane_create(from->ps, session, from->hooks);

	if (!p)
		return NULL;
	plane_enter(p->ps, now_us);
	p->forking = from->forking;
	memcpy(p->by_ws, from->by_ws, sizeof(p->by_ws));
	if (plane_prepare(p, side, offer, off, now_us) < 0 || share(p, side_other(side), sent) < 0) {
		plane_destroy(p, now_us);
		p = NULL;
	}
	plane_leave(from->ps, false);
	return p;
}
