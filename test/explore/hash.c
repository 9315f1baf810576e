/* SPDX-License-Identifier: MIT */
/*
 * The canonical hash: all of a state that decides what can happen from it on, and nothing else.  Numbers that only
 * count (CSeq, o= versions, times) are taken relative to the newest of their kind; tokens (tags, branches, session-ids)
 * are not taken at all, but what refers to what by them is.  Two hashes of 64 bits by different means: the chance that
 * among 10^8 states two that differ meet is below 10^-22.
 *
 * That it leaves out too much would be seen by --check-hash, which expands both of two states that met and compares
 * what follows; that it takes in too much only costs states.
 */
#include <stdio.h>

#include "explore/model.h"
#include "im/plane_int.h"
#include "im/reliable.h"
#include "im/stimer.h"
#include "sip/txn_priv.h"

struct hasher {
	uint64_t a, b;
	bool quiet; /* without times */
	bool print;
};

static void put(struct hasher *h, const char *name, uint64_t v)
{
	if (h->print)
		printf("%s=%lld ", name, (long long)v);
	h->a = (h->a ^ v) * 0x9e3779b97f4a7c15ull;
	h->a ^= h->a >> 29;
	h->b = (h->b + v) * 0xff51afd7ed558ccdull;
	h->b ^= h->b >> 33;
}

static void section(struct hasher *h, const char *name)
{
	if (h->print)
		printf("\n%s: ", name);
}

/* x as seen from the newest of its kind; 0 means none and stays so. */
static void put_rel(struct hasher *h, const char *name, uint64_t x, uint64_t newest)
{
	put(h, name, x ? newest - x : UINT64_MAX);
}

static void put_timer(struct hasher *h, const char *name, const struct timer *t)
{
	if (h->quiet)
		put(h, name, timer_is_set(t));
	else
		put(h, name, timer_is_set(t) ? t->at_us - model()->now_us + 1 : 0);
	if (timer_is_set(t))
		put(h, "fn", (uintptr_t)t->fn);
}

static void put_age(struct hasher *h, const char *name, uint64_t since)
{
	if (!h->quiet)
		put(h, name, since ? model()->now_us - since + 1 : 0);
}

/* ---- the peers and the network ---- */

static void put_desc(struct hasher *h, const struct peer *p, const struct desc *d)
{
	put_rel(h, "v", d->version, p->version);
	put(h, "good", d->good | d->tls << 1);
	put_rel(h, "path", d->version ? d->path + 1u : 0, p->path + 1u);
}

static void put_mine(struct hasher *h, const struct peer *p, const struct mine *o)
{
	put(h, "own", o->state);
	if (!o->state)
		return;
	put(h, "flags",
	    o->offer | o->offerless << 1 | o->canceled << 2 | o->reached << 3 | o->answered << 4 |
		    o->said << 5 | o->exchanged << 6);
	put_rel(h, "cseq", o->cseq, p->cseq);
	put_desc(h, p, &o->sdp);
}

static void put_their(struct hasher *h, const struct peer *p, const struct their *q)
{
	put(h, "their", q->state);
	if (!q->state)
		return;
	put(h, "flags",
	    q->offer | q->rang << 1 | q->owed << 2 | q->exchanged << 3 | q->rel << 7 | q->tls << 8 |
		    (uint64_t)q->reliable << 4);
	put_rel(h, "cseq", q->cseq, p->watch.cseq);
	put_rel(h, "far", q->far_version, p->watch.version);
	put_desc(h, p, &q->sdp);
}

/* Whose numbers it bears: requests of a peer count on its side, answers on the other. */
static void put_msg(struct hasher *h, const struct peer *p, const struct msg *m, bool up)
{
	put(h, "msg", m->method | (uint64_t)m->status << 8 | (uint64_t)m->fork << 32);
	put_rel(h, "cseq", m->cseq, (m->status != 0) == up ? p->watch.cseq : p->cseq);
	put(h, "tls", m->tls);
	put_rel(h, "v", m->version, up ? p->version : p->watch.version);
	put_rel(h, "rseq", m->rseq, (m->status != 0) == up ? p->rel.rseq : p->far_rseq);
}

static bool faults_possible(void)
{
	const struct model *m = model();
	return m->faults || m->limbo[0].used || m->limbo[1].used;
}

/* What might be said again. */
static void put_said(struct hasher *h, const struct peer *p, const struct text *t)
{
	put(h, "said", t->n != 0);
	if (t->n)
		put_msg(h, p, &t->m, true), put_age(h, "age", t->sent_us);
}

static void put_peer(struct hasher *h, const struct peer *p)
{
	const struct model *m = model();

	section(h, p->side ? "peer B" : "peer A");
	put(h, "state", p->state);
	if (p->state < PEER_ENDING)
		put(h, "asks", p->asks);
	put(h, "tls", p->tls);
	put(h, "flags", p->lost | p->ack_lost << 1 | (p->far_tag[0] != 0) << 2 | (p->target[0] != 0) << 3);
	put_mine(h, p, &p->inv), put_mine(h, p, &p->upd), put_mine(h, p, &p->bye);
	put_mine(h, p, &p->prack);
	put(h, "rel", p->early | p->rel.open << 1 | p->rel.owed << 2 | (p->far_rseq != 0) << 3);
	if (p->rel.open)
		put_desc(h, p, &p->rel.sdp);
	put_rel(h, "rseq", p->watch.rseq, p->far_rseq);
	put(h, "ok", p->watch.ok_cseq != 0);
	put_their(h, p, &p->tinv), put_their(h, p, &p->tupd);
	put_rel(h, "far_cseq", p->far_cseq, p->watch.cseq);
	put_desc(h, p, &p->local);
	put_rel(h, "remote", p->remote_v, p->watch.version);
	put_rel(h, "acked", p->ack_lost ? p->acked : 0, p->cseq);
	if (m->faults)
		put_said(h, p, &p->request), put_said(h, p, &p->final), put_said(h, p, &p->ack);
	put(h, "offer", p->watch.offer);
	if (p->watch.offer)
		put_rel(h, "cseq", p->watch.offer_cseq, p->watch.cseq), put_age(h, "age", p->watch.offer_us);
	put(h, "over", p->watch.over_us != 0);
	if (p->watch.over_us && !m->peer[!p->side].watch.over_us)
		put_age(h, "age", p->watch.over_us);
	for (unsigned i = 0; i < m->n_channel[p->side]; i++)
		put_msg(h, p, &m->channel[p->side][i], false);
	put(h, "waiting", m->n_channel[p->side]);
}

static void put_network(struct hasher *h)
{
	const struct model *m = model();

	section(h, "network");
	put(h, "faults", m->faults), put(h, "cuts", m->cuts), put(h, "byes", m->byes);
	put(h, "cancels", m->cancels), put(h, "odd", m->odd);
	for (unsigned i = 0; i < LIMBO_MAX; i++) {
		const struct held *k = &m->limbo[i];
		put(h, "limbo", k->used);
		if (!k->used)
			continue;
		put(h, "to", k->up | k->side << 1);
		put_msg(h, &m->peer[k->side], &k->t.m, k->up);
		put_age(h, "age", k->t.sent_us);
	}
	for (unsigned i = 0; i < CONNS_MAX; i++)
		if (m->conn[i].c)
			put(h, "conn", m->conn[i].side | m->conn[i].up << 1);
}

/* ---- transactions ---- */

/* It only waits for repetitions, and none can come: whether it is still there changes nothing. */
static bool server_inert(const struct sip_stxn *t)
{
	if (faults_possible())
		return false;
	return t->state == STXN_CONFIRMED || (t->state == STXN_COMPLETED && t->req->method != SIP_INVITE) ||
	       (t->state == STXN_ACCEPTED && !timer_is_set(&t->t_again));
}

static const struct peer *peer_at(const struct addr *ip)
{
	return &model()->peer[ip->ip[3] == 20];
}

struct sum { /* of a set whose order means nothing */
	struct hasher base;
	uint64_t a, b;
};

static void add_server(struct htab_link *l, void *u)
{
	const struct sip_stxn *t = container_of(l, struct sip_stxn, link);
	const struct peer *p = peer_at(&t->src.ip);
	struct sum *sum = u;
	struct hasher h = sum->base;

	if (server_inert(t))
		return;
	section(&h, "server transaction");
	put(&h, "side", p->side), put(&h, "method", t->req->method), put(&h, "state", t->state);
	put(&h, "status", t->status), put(&h, "interval", h.quiet ? 0 : t->interval_ms);
	put_rel(&h, "cseq", t->req->cseq, p->cseq);
	put_timer(&h, "again", &t->t_again), put_timer(&h, "end", &t->t_end);
	put(&h, "flags", (t->user != NULL) | t->cancelled << 1 | t->open << 2);
	sum->a += h.a, sum->b += h.b;
}

static bool client_inert(const struct sip_ctxn *t)
{
	return !faults_possible() && (t->state == CTXN_COMPLETED || t->state == CTXN_ACCEPTED);
}

static void add_client(struct htab_link *l, void *u)
{
	const struct sip_ctxn *t = container_of(l, struct sip_ctxn, link);
	const struct peer *p = peer_at(&t->to.ip);
	struct sum *sum = u;
	struct hasher h = sum->base;

	if (client_inert(t))
		return;
	section(&h, "client transaction");
	put(&h, "side", p->side), put(&h, "method", t->method), put(&h, "state", t->state);
	put_timer(&h, "again", &t->t_again), put_timer(&h, "end", &t->t_end);
	put(&h, "interval", h.quiet ? 0 : t->interval_ms);
	put(&h, "flags",
	    (t->user != NULL) | t->provisional << 1 | t->cancel_wanted << 2 | t->cancel_sent << 3 |
		    t->repeated << 4 | t->open << 5);
	sum->a += h.a, sum->b += h.b;
}

static void put_transactions(struct hasher *h)
{
	struct sip_tl *tl = model()->im->tl;
	struct sum sum = { .base = { .quiet = h->quiet, .print = h->print } };

	htab_each(&tl->server, add_server, &sum);
	htab_each(&tl->client, add_client, &sum);
	h->a += sum.a, h->b ^= sum.b;
	put(h, "n", 0);
}

/* ---- the session ---- */

static uint32_t version_of(struct span sdp)
{
	uint32_t v = 0;
	span_split(&sdp, '\n');
	span_split(&sdp, ' '), span_split(&sdp, ' ');
	for (size_t i = 0; i < sdp.n && sdp.p[i] >= '0' && sdp.p[i] <= '9'; i++)
		v = v * 10 + (uint32_t)(sdp.p[i] - '0');
	return v;
}

static void put_text(struct hasher *h, const char *name, const char *p, size_t n, uint64_t newest)
{
	put_rel(h, name, p ? version_of((struct span){ p, n }) : 0, newest);
	put(h, "tls", p && span_find((struct span){ p, n }, SPAN("/TLS/")) != SPAN_NONE);
}

/* Behind its o= line, as offer.c takes it. */
static uint64_t content(const char *p, size_t n)
{
	struct span s = { p, n };
	if (!p)
		return 0;
	span_split(&s, '\n'), span_split(&s, '\n');
	return span_hash(s, 0);
}

/* Said again, an offer becomes an answer or the other way round, and that is new content. */
static bool was_offer(const char *p, size_t n)
{
	return p && span_find((struct span){ p, n }, SPAN("a=setup:actpass")) != SPAN_NONE;
}

static void put_oa(struct hasher *h, const struct leg *l, const struct peer *p)
{
	const struct sdp_oa *oa = &l->oa;
	bool ours = oa->state == SDP_OFFER_SENT;

	put(h, "oa", oa->state);
	put_rel(h, "version", oa->version, p->watch.version);
	put(h, "numbered", oa->numbered);
	put_text(h, "local", oa->local, oa->local_n, oa->version);
	put_text(h, "remote", oa->remote, oa->remote_n, p->version);
	put_text(h, "pending", oa->pending, oa->pending_n, ours ? oa->version : p->version);
	put(h, "was offer", was_offer(oa->local, oa->local_n));
	put(h, "last",
	    (oa->last_sent_hash == content(oa->local, oa->local_n)) |
		    (oa->last_sent_hash == content(oa->pending, oa->pending_n)) << 1 | oa->sent_any << 2);
}

static void put_stimer(struct hasher *h, const struct stimer *st)
{
	put(h, "interval", st->interval_s), put(h, "min", st->min_se_s), put(h, "tries", st->tries);
	put(h, "flags", st->ours | st->raised << 1 | st->open << 2 | (st->open && st->by_update) << 3);
	put_timer(h, "t", &st->t);
	if (timer_is_set(&st->t))
		put_age(h, "since", st->since_ms * US_PER_MS);
}

/* Longer than this and whoever finds the lock taken is told otherwise (MOD-6a). */
static bool patience_over(uint64_t since_us)
{
	return model()->now_us - since_us > 4000 * US_PER_MS;
}

static void put_leg(struct hasher *h, const struct leg *l)
{
	const struct peer *p = &model()->peer[l->side];

	section(h, l->side ? "leg B" : "leg A");
	put(h, "state", l->state), put(h, "linked", l->linked), put(h, "trusted", l->trusted);
	put_oa(h, l, p);
	put_rel(h, "local_cseq", l->dlg.local_cseq, p->watch.cseq);
	put_rel(h, "remote_cseq", l->dlg.remote_cseq, p->cseq);
	put(h, "dlg",
	    l->dlg.allow | (uint64_t)l->dlg.allow_known << 32 | (uint64_t)l->dlg.no_update << 33 |
		    (uint64_t)(l->dlg.text != NULL) << 34);
	put_rel(h, "invite_in", l->invite_in ? sip_stxn_request(l->invite_in)->cseq : 0, p->cseq);
	put(h, "invite_in status", l->invite_in ? sip_stxn_status(l->invite_in) : 0);
	if (l->invite_in && !h->quiet)
		put(h, "patience", patience_over(sip_stxn_since(l->invite_in)));
	put_rel(h, "update_in", l->update_in ? sip_stxn_request(l->update_in)->cseq : 0, p->cseq);
	put(h, "out", (l->invite_out != NULL) | (l->update_out != NULL) << 1 | (l->bye_out != NULL) << 2);
	put(h, "flags", l->owes_answer | l->bye_wanted << 1 | (l->bye_extra != NULL) << 2);
	put(h, "features", l->features ? span_hash(span_of(l->features), 0) : 0);
	if (faults_possible())
		for (const struct acked *a = l->acked; a; a = a->next)
			put_rel(h, "acked", a->cseq, p->watch.cseq),
				put(h, "ack", (a->ack != NULL) | a->creates << 1);
	put(h, "target", l->target_try != NULL);
	if (l->target_try) {
		put(h, "status", l->target_try->status), put(h, "txn", l->target_try->txn != NULL);
		put(h, "out", l->target_try->out != NULL), put_timer(h, "wait", &l->target_try->t_wait);
	}
	put_stimer(h, &l->stimer);
}

static void put_modify(struct hasher *h, const struct session *s)
{
	const struct modify *mod = &s->mod;
	const struct leg *r = &s->leg[side_other(mod->from)];
	const struct peer *pl = &model()->peer[mod->from], *pr = &model()->peer[r->side];

	section(h, "modify");
	put(h, "stage", mod->stage);
	if (mod->stage == MOD_NONE)
		return;
	put(h, "from", mod->from), put(h, "in", mod->in), put(h, "out", mod->out);
	put_rel(h, "txn", mod->txn ? sip_stxn_request(mod->txn)->cseq : 0, pl->cseq);
	put(h, "flags", mod->offerless | mod->bare << 1 | mod->retried << 2 | mod->canceled << 3);
	put(h, "off", mod->off), put(h, "1xx", mod->last_1xx), put(h, "tries", mod->undo_tries);
	put_text(h, "offer", mod->offer, mod->offer_n, mod->offerless ? pr->version : pl->version);
	put_text(h, "sent", mod->sent, mod->sent_n, mod->offerless ? pl->watch.version : pr->watch.version);
	put_text(h, "restore", mod->restore, mod->restore_n, r->oa.version);
	put_rel(h, "cseq", mod->cseq, pr->watch.cseq);
	if (!h->quiet)
		put(h, "patience", patience_over(mod->since_us));
	put_timer(h, "guard", &mod->t_guard), put_timer(h, "say", &mod->t_say);
}

static void put_early(struct hasher *h, const struct session *s)
{
	const struct early *e = s->early;
	const struct setup *st = e ? e->st : NULL;
	const struct peer *p = &model()->peer[s->initiator];

	section(h, "early");
	put(h, "early", e != NULL);
	if (!e)
		return;
	put(h, "uncounted", e->uncounted), put_timer(h, "linger", &e->t_linger);
	put(h, "near", e->near), put(h, "offered", e->offered), put(h, "in", e->answered_in);
	put(h, "out", e->answered_out);
	put(h, "prack", (e->prack_out != NULL) | (e->prack_in != NULL) << 1 | (e->cseq_in != 0) << 2);
	put_rel(h, "rseq", e->rseq_in, model()->peer[!e->near].rel.rseq);
	if (e->rel) {
		put(h, "n", e->rel->n), put(h, "stopped", e->rel->stopped);
		put_rel(h, "rseq", e->rel->rseq, model()->peer[e->near].far_rseq);
		put(h, "owes", reliable_owes_sdp(e->rel)), put_timer(h, "t", &e->rel->t);
		put(h, "interval", h->quiet ? 0 : e->rel->interval_ms),
			put_age(h, "since", timer_is_set(&e->rel->t) ? e->rel->since_us : 0);
	}
	put_text(h, "preview", e->preview, e->preview_n, p->watch.version);
	put(h, "setup", st != NULL);
	if (!st)
		return;
	put(h, "n", st->n_pairs), put(h, "last", st->last == NULL ? 0 : 1 + (st->last == s));
	put(h, "in", st->in != NULL), put(h, "out", st->out != NULL), put(h, "off", st->off);
	put(h, "1xx", st->last_1xx), put(h, "offer", st->offer != NULL);
	put_rel(h, "cseq", st->cseq, model()->peer[!s->initiator].watch.cseq);
	put_timer(h, "ring", &st->t_ring), put_timer(h, "c", &st->t_c);
}

/* ---- the user plane ---- */

static uint64_t path_number(struct span peer_path)
{
	size_t at = span_find(peer_path, SPAN("/p"));
	uint64_t v = 0;
	for (size_t i = at == SPAN_NONE ? peer_path.n : at + 2; i < peer_path.n && peer_path.p[i] != ';'; i++)
		v = v * 10 + (uint64_t)(peer_path.p[i] - '0');
	return v;
}

/* Which texts name it is what our URI means. */
static bool named_in(const struct plane_path *p, const char *text, size_t n)
{
	return text && span_find((struct span){ text, n }, path_uri(p)) != SPAN_NONE;
}

static void put_path(struct hasher *h, const struct plane_path *p, const struct session *s)
{
	const struct sdp_oa *oa;

	put(h, "path", p != NULL);
	if (!p)
		return;
	oa = &s->leg[p->end->side].oa;
	put(h, "tp", p->tp);
	put(h, "state", p->state | p->seen << 2 | p->takeover << 3 | p->shadow << 4 | p->again << 5);
	put(h, "tries", p->tries);
	put(h, "conn", p->conn ? 1u + p->conn->up : 0);
	put(h, "open", p->n_open);
	put(h, "named", named_in(p, oa->local, oa->local_n) | named_in(p, oa->pending, oa->pending_n) << 1);
	put_timer(h, "t", &p->t);
	if (p->peer)
		put_rel(h, "peer", path_number(peer_path(p->peer)) + 1,
			model()->peer[p->end->side].path + 1u);
	if (p->state == PATH_CURRENT && !h->quiet)
		put(h, "bound", p->bound_us > model()->now_us ? p->bound_us - model()->now_us : 0);
	if (p->state == PATH_OLD && !h->quiet)
		put(h, "bound", p->bound_us - model()->now_us),
			put(h, "quiet", p->quiet_us > model()->now_us ? p->quiet_us - model()->now_us : 0);
}

static void put_plane(struct hasher *h, const struct session *s)
{
	const struct plane *pl = s->plane;

	section(h, "plane");
	put(h, "plane", pl != NULL);
	if (!pl)
		return;
	put(h, "prepared", pl->prepared), put(h, "from", pl->prepared ? pl->from : 0),
		put(h, "lines", pl->n_lines);
	for (unsigned i = 0; i < pl->n_lines; i++) {
		const struct plane_line *line = pl->line[i];
		put(h, "live", line->live | line->next_live << 1);
		for (unsigned k = 0; k < 2; k++) {
			const struct plane_end *e = &line->end[k];
			put_path(h, e->path, s);
			put(h, "next", !e->next ? 0 : e->next == e->path ? 1 : 2);
			if (e->next && e->next != e->path)
				put_path(h, e->next, s);
			put(h, "old", e->n_old), put(h, "lost", e->lost);
			list_each(l, &e->old)
				put_path(h, container_of(l, struct plane_path, on_end), s);
		}
	}
}

static void put_planes(struct hasher *h)
{
	const struct planes *ps = model()->im->planes;

	section(h, "planes");
	/* Set for a list that has become empty since, they fire for nothing. */
	if (!list_empty(&ps->nears))
		put_timer(h, "nears", &ps->t_nears);
	if (!list_empty(&ps->outs_due))
		put_timer(h, "outs", &ps->t_outs);
	if (!list_empty(&ps->idle))
		put_timer(h, "idle", &ps->t_idle);
	put_timer(h, "lost", &ps->t_lost);
}

static void put_session(struct hasher *h, const struct session *s)
{
	section(h, "session");
	put(h, "state", s->state), put(h, "initiator", s->initiator);
	put(h, "class", s->class);
	put_timer(h, "media", &s->t_media);
	put_leg(h, &s->leg[0]), put_leg(h, &s->leg[1]);
	put_modify(h, s);
	put(h, "own", s->own != NULL);
	if (s->own)
		put(h, "want", s->own->want), put(h, "repair", s->own->repair),
			put(h, "tries", s->own->tries), put(h, "follows", s->own->follows),
			put_timer(h, "t", &s->own->t);
	put_early(h, s);
	put_plane(h, s);
}

static struct hasher hash_all(bool quiet, bool print)
{
	const struct model *m = model();
	struct hasher h = { .a = 1, .b = 2, .quiet = quiet, .print = print };

	put_peer(&h, &m->peer[0]), put_peer(&h, &m->peer[1]);
	put_network(&h);
	for (unsigned i = 0; i < SESS_N_STATES; i++)
		for (const struct list *l = m->im->in_state[i].next; l != &m->im->in_state[i]; l = l->next)
			put_session(&h, container_of(l, const struct session, link));
	put_transactions(&h);
	put_planes(&h);
	return h;
}

struct hash128 hash_state(void)
{
	struct hasher h = hash_all(false, false);
	return (struct hash128){ h.a ^ h.a >> 32, h.b ^ h.b >> 31 };
}

uint64_t hash_quiet(void)
{
	return hash_all(true, false).a;
}

void hash_print(void)
{
	hash_all(false, true);
	printf("\n");
}
