/* SPDX-License-Identifier: MIT */
/*
 * Server transactions: RFC 3261 17.2 with RFC 6026.  INVITE: Proceeding, then Accepted after a 2xx,
 * or Completed and Confirmed after an error; others: Proceeding (and Trying), Completed.  Unlike in
 * the RFC the 2xx to an INVITE is repeated here, so that the TU needs no timers of its own.  What is
 * hard: the TU keeps pointers to us.  So a transaction is only ever freed from a timer, never inside
 * a call of the TU, and hooks.gone precedes it.
 */
#include <errno.h>

#include "sip/build.h"
#include "sip/txn_priv.h"

static timer_fn on_trying, on_repeat, on_end, on_unacked, on_shrink;

static bool is_invite(const struct sip_stxn *t)
{
	return t->req->method == SIP_INVITE;
}

static void link_in(struct sip_stxn *t, uint64_t hash)
{
	htab_put(&t->tl->server, &t->link, hash);
	t->in_merged = !t->req->to_tag.n && !t->proxied;
	if (t->in_merged)
		htab_put(&t->tl->merged, &t->merge, sip_match_merged_hash(t->tl, t->req));
	t->tl->stats.server++;
	t->tl->stats.open++;
	t->open = true;
}

/* It has its final answer, or never gets one: the limit is for those that wait. */
static void close_count(struct sip_stxn *t)
{
	t->tl->stats.open -= t->open;
	t->open = false;
}

static void leave_done(struct sip_stxn *t)
{
	t->tl->n_done -= !list_empty(&t->on_done);
	list_del(&t->on_done);
}

struct sip_stxn *sip_stxn_open(struct sip_tl *tl, const struct sip_msg *m, const struct sip_src *src,
			       uint64_t hash, uint64_t now_us)
{
	struct sip_stxn *t = pool_zalloc(tl->hooks.pool, sizeof(*t));
	if (!t)
		return NULL;
	t->req = sip_msg_dup(tl->hooks.pool, m);
	if (!t->req) {
		pool_free(tl->hooks.pool, t);
		return NULL;
	}
	t->tl = tl;
	t->src = *src;
	t->since_us = now_us;
	t->proxied = txn_is_proxied(tl, m, src);
	link_in(t, hash);
	/* The peer's Timer F is running: after it nobody listens, so nothing is said (RFC 4320 4.2). */
	if (is_invite(t))
		txn_after(tl, &t->t_again, TXN_TRYING_MS, now_us, on_trying);
	else
		txn_after(tl, &t->t_end, TXN_LIFE_MS, now_us, on_end);
	return t;
}

void sip_stxn_free(struct sip_stxn *t)
{
	struct sip_tl *tl = t->tl;

	close_count(t);
	leave_done(t);
	htab_del(&tl->server, &t->link);
	if (t->in_merged)
		htab_del(&tl->merged, &t->merge);
	timer_stop(tl->wheel, &t->t_again);
	timer_stop(tl->wheel, &t->t_end);
	tl->stats.server--;
	pool_free(tl->hooks.pool, t->resp);
	pool_free(tl->hooks.pool, t->req);
	pool_free(tl->hooks.pool, t);
}

static void gone(struct sip_stxn *t)
{
	t->state = STXN_GONE;
	t->tl->hooks.gone(t->tl->hooks.u, t);
	sip_stxn_free(t);
}

/* ---- sending ---- */

static bool is_name(struct span host)
{
	for (size_t i = 0; i < host.n; i++)
		if ((host.p[i] < '0' || host.p[i] > '9') && host.p[i] != '.')
			return host.p[0] != '[';
	return false;
}

/* Can RFC 3263 5 help, should it not reach where the request came from (RFC 3261 18.2.2)? */
static bool has_name(const struct sip_stxn *t)
{
	const struct sip_via *v = &t->req->via;
	return !t->by_name && !v->maddr.n && t->src.tp <= SIP_TLS && is_name(v->host);
}

/* A send that fails is a lost datagram: the peer repeats its request, or Timer H or L ends it. */
static void put(struct sip_stxn *t, struct span bytes)
{
	const struct sip_via *v = &t->req->via;
	struct sip_dest to = sip_tl_reply_dest(t->req, &t->src);

	if (t->by_name)
		to = (struct sip_dest){ .tp = t->src.tp,
					.ip = { .port = v->port ? v->port : sip_default_port(t->src.tp) },
					.host = v->host,
					.any_port = !v->port };
	if (t->tl->hooks.send(t->tl->hooks.u, &to, bytes, has_name(t) ? t->link.hash : 0) < 0 &&
	    has_name(t)) {
		t->by_name = true;
		put(t, bytes);
	}
}

static void put_again(struct sip_stxn *t)
{
	if (!t->resp)
		return;
	t->tl->stats.retrans_out++;
	put(t, (struct span){ t->resp, t->resp_len });
}

static int keep(struct sip_stxn *t, struct span bytes)
{
	struct pool *pool = t->tl->hooks.pool;

	pool_free(pool, t->resp);
	t->resp = pool_alloc(pool, bytes.n);
	t->resp_len = (uint32_t)bytes.n;
	if (!t->resp)
		return -ENOMEM;
	memcpy(t->resp, bytes.p, bytes.n);
	return 0;
}

static void repeat(struct sip_stxn *t, uint64_t now_us)
{
	txn_after(t->tl, &t->t_again, t->interval_ms, now_us, on_repeat);
	t->interval_ms = t->interval_ms * 2 < SIP_T2_MS ? t->interval_ms * 2 : SIP_T2_MS;
}

static bool has_token(const struct htab_link *l, const void *key)
{
	return l->hash == *(const uint64_t *)key && has_name(container_of(l, struct sip_stxn, link));
}

/* Once: what the name leads to is as good as it gets. */
void sip_stxn_unreachable(struct sip_tl *tl, uint64_t token)
{
	struct htab_link *l = htab_get(&tl->server, token, has_token, &token);
	struct sip_stxn *t = l ? container_of(l, struct sip_stxn, link) : NULL;

	if (!t)
		return;
	t->by_name = true;
	if (t->state != STXN_CONFIRMED && t->state != STXN_GONE)
		put_again(t);
}

/* ---- timers ---- */

/* The first answer of the TU stops it. */
static void on_trying(struct timer *timer, uint64_t now_us)
{
	struct sip_stxn *t = container_of(timer, struct sip_stxn, t_again);
	sip_stxn_reply_simple(t, 100, SPAN_EMPTY, SPAN_EMPTY, SPAN_EMPTY, now_us);
}

/* Timer G, and the 2xx of RFC 3261 13.3.1.4. */
static void on_repeat(struct timer *timer, uint64_t now_us)
{
	struct sip_stxn *t = container_of(timer, struct sip_stxn, t_again);
	put_again(t);
	repeat(t, now_us);
}

static struct span take(char **at, struct span s)
{
	struct span copy = { *at, s.n };
	if (s.n)
		memcpy(*at, s.p, s.n);
	*at += s.n;
	return copy;
}

/*
 * Answered, a request other than INVITE is kept 32 s only to be recognized: by its method and top Via.  The rest of it
 * would be most of what a busy server holds.  From a timer, since who answers may still be reading it.
 */
static void on_shrink(struct timer *timer, uint64_t now_us)
{
	struct sip_stxn *t = container_of(timer, struct sip_stxn, t_again);
	const struct sip_msg *req = t->req;
	const struct sip_via *v = &req->via;
	size_t n = v->host.n + v->branch.n + v->received.n + v->maddr.n + req->method_name.n;
	struct pool *pool = t->tl->hooks.pool;
	struct sip_msg *small = pool_alloc(pool, offsetof(struct sip_msg, hdr) + n);
	char *at = (char *)small + offsetof(struct sip_msg, hdr);

	(void)now_us;
	if (!small)
		return;
	memset(small, 0, offsetof(struct sip_msg, hdr));
	memset(small->first, 0xff, sizeof(small->first));
	small->request = true;
	small->method = req->method;
	small->cseq = req->cseq;
	small->via = *v;
	small->via.tp_name = SPAN_EMPTY;
	small->via.host = take(&at, v->host);
	small->via.branch = take(&at, v->branch);
	small->via.received = take(&at, v->received);
	small->via.maddr = take(&at, v->maddr);
	small->method_name = take(&at, req->method_name);
	pool_free(pool, t->req);
	t->req = small;
}

/* Timers H, I, J, and L after the ACK. */
static void on_end(struct timer *timer, uint64_t now_us)
{
	gone(container_of(timer, struct sip_stxn, t_end));
}

/* Timer L without an ACK. */
static void on_unacked(struct timer *timer, uint64_t now_us)
{
	struct sip_stxn *t = container_of(timer, struct sip_stxn, t_end);
	t->tl->hooks.no_ack(t->tl->hooks.u, t, now_us);
	gone(t);
}

/* ---- answers ---- */

/* Whether status may be sent in this state to this request. */
static bool reply_check(const struct sip_stxn *t, unsigned status)
{
	if (t->state == STXN_ACCEPTED && t->proxied)
		return status >= 200 && status < 300;
	if (t->state != STXN_PROCEEDING)
		return false;
	if (is_invite(t))
		return true;
	/* RFC 4320 4.1, 4.2: no 1xx but 100, and never a 408, which would come too late by definition. */
	return status == 100 || (status >= 200 && status != 408);
}

static void answered_invite(struct sip_stxn *t, unsigned status, uint64_t now_us)
{
	bool accepted = status < 300, passed_on = accepted && t->proxied;

	if (t->state == STXN_ACCEPTED)
		return; /* one more 2xx through a proxy: Timer L goes on */
	close_count(t);
	t->state = accepted ? STXN_ACCEPTED : STXN_COMPLETED;
	t->interval_ms = SIP_T1_MS;
	timer_stop(t->tl->wheel, &t->t_again);
	/* A 2xx goes end to end, maybe over a datagram hop: it is repeated on any transport. */
	if (accepted ? !passed_on : !txn_reliable(t->src.tp))
		repeat(t, now_us);
	txn_after(t->tl, &t->t_end, TXN_LIFE_MS, now_us, accepted && !passed_on ? on_unacked : on_end);
}

/* At a high rate those answered long ago are many; the oldest goes first, from a timer as always. */
static void bound_done(struct sip_tl *tl, uint64_t now_us)
{
	uint64_t max =
		tl->limits.answered_max ? tl->limits.answered_max : 4 * (uint64_t)tl->limits.transactions_max;
	struct sip_stxn *oldest;

	if (tl->n_done <= max)
		return;
	oldest = container_of(tl->done.next, struct sip_stxn, on_done);
	leave_done(oldest);
	txn_after(tl, &oldest->t_end, 0, now_us, on_end);
}

static void answered(struct sip_stxn *t, uint64_t now_us)
{
	t->state = STXN_COMPLETED;
	close_count(t);
	list_push(&t->tl->done, &t->on_done);
	t->tl->n_done++;
	/* Not where more of it is needed to recognize it: without a branch (RFC 2543), or merged. */
	if (sip_match_by_branch(t->req) && !t->in_merged)
		txn_after(t->tl, &t->t_again, 0, now_us, on_shrink);
	bound_done(t->tl, now_us);
	txn_after(t->tl, &t->t_end, txn_reliable(t->src.tp) ? 0 : TXN_LIFE_MS, now_us, on_end); /* Timer J */
}

int sip_stxn_reply(struct sip_stxn *t, unsigned status, struct span bytes, uint64_t now_us)
{
	if (!reply_check(t, status))
		return 0;
	t->status = (uint16_t)status;
	put(t, bytes);
	if (status < 200)
		timer_stop(t->tl->wheel, &t->t_again);
	else if (is_invite(t))
		answered_invite(t, status, now_us);
	else
		answered(t, now_us);
	return keep(t, bytes);
}

int sip_stxn_reply_simple(struct sip_stxn *t, unsigned status, struct span reason, struct span to_tag,
			  struct span extra, uint64_t now_us)
{
	struct wbuf w = wbuf_on(t->tl->scratch, sizeof(t->tl->scratch));

	w_reply(&w, t->req, &t->src.ip, status, reason, to_tag);
	w_span(&w, extra);
	w_end(&w, SPAN_EMPTY, SPAN_EMPTY);
	return w_ok(&w) ? sip_stxn_reply(t, status, w_span_of(&w), now_us) : -ENOMEM;
}

void sip_stxn_acked(struct sip_stxn *t, uint64_t now_us)
{
	if (t->state != STXN_ACCEPTED)
		return;
	/* Timer L runs on, to absorb the INVITE should it come once more. */
	timer_stop(t->tl->wheel, &t->t_again);
	if (t->t_end.fn == on_unacked)
		timer_set(t->tl->wheel, &t->t_end, t->t_end.at_us, on_end);
}

/* ---- what the peer sends on ---- */

void sip_stxn_again(struct sip_stxn *t, const struct sip_src *src)
{
	t->tl->stats.retrans_in++;
	/* Its connection broke and it opened another: that is where it waits for the answer. */
	if (src->tp == t->src.tp && txn_reliable(src->tp))
		t->src = *src;
	if (t->state == STXN_PROCEEDING || t->state == STXN_COMPLETED)
		put_again(t);
}

bool sip_stxn_ack(struct sip_stxn *t, uint64_t now_us)
{
	switch ((enum stxn_state)t->state) {
	case STXN_COMPLETED:
		t->state = STXN_CONFIRMED;
		timer_stop(t->tl->wheel, &t->t_again);
		txn_after(t->tl, &t->t_end, txn_reliable(t->src.tp) ? 0 : SIP_T4_MS, now_us, on_end);
		return true;
	case STXN_ACCEPTED:
		/* An RFC 2543 element, or one that uses the branch again: this one is the dialog's. */
		return false;
	case STXN_PROCEEDING: /* acknowledges nothing */
	case STXN_CONFIRMED:
	case STXN_GONE:
		break;
	}
	return true;
}

/* ---- what the TU may ask ---- */

struct span sip_stxn_tag(const struct sip_stxn *t, struct sip_msg *m)
{
	if (!t->resp || sip_msg_parse(m, (struct span){ t->resp, t->resp_len }, false) != 0)
		return SPAN_EMPTY;
	return m->to_tag;
}

const struct sip_msg *sip_stxn_request(const struct sip_stxn *t)
{
	return t->req;
}

const struct sip_src *sip_stxn_src(const struct sip_stxn *t)
{
	return &t->src;
}

void sip_stxn_set_user(struct sip_stxn *t, void *user)
{
	t->user = user;
}

void sip_stxn_set_tag(struct sip_stxn *t, struct span tag)
{
	struct wbuf w = wbuf_on(t->tag, sizeof(t->tag));
	w_span(&w, tag);
	t->tag_n = (uint8_t)w.n;
}

void *sip_stxn_user(const struct sip_stxn *t)
{
	return t->user;
}

bool sip_stxn_proxied(const struct sip_stxn *t)
{
	return t->proxied;
}

unsigned sip_stxn_status(const struct sip_stxn *t)
{
	return t->status;
}

uint64_t sip_stxn_since(const struct sip_stxn *t)
{
	return t->since_us;
}
