/* SPDX-License-Identifier: MIT */
/*
 * Client transactions: RFC 3261 17.1 with RFC 6026.  The ACK to an error and the CANCEL are made
 * here, from the bytes of the request: they must repeat what it said, to the branch (17.1.1.3, 9.1).
 * Like the server's, a transaction is freed only from a timer or after its last call of the TU.
 */
#include <errno.h>
#include <stdlib.h>

#include "sip/build.h"
#include "sip/txn_priv.h"

enum { ELSEWHERE_MAX = 7 };

static timer_fn on_resend, on_timeout, on_unsent, on_over, on_accepted_over;

/* ---- the table ---- */

struct response_key {
	struct span branch;
	enum sip_method method;
};

static bool is_response_to(const struct htab_link *l, const void *key)
{
	const struct sip_ctxn *t = container_of(l, struct sip_ctxn, link);
	const struct response_key *k = key;
	return t->method == k->method && span_eq(t->branch, k->branch);
}

static struct sip_ctxn *find(struct sip_tl *tl, struct span branch, enum sip_method method)
{
	struct response_key k = { branch, method };
	struct htab_link *l = htab_get(&tl->client, htab_hash(&tl->client, branch), is_response_to, &k);
	return l ? container_of(l, struct sip_ctxn, link) : NULL;
}

/* The hash is the token too: it is known to us alone, and no second table is needed.  A CANCEL has
 * its INVITE's hash and sends without a token: Timer F sees to it. */
static bool has_token(const struct htab_link *l, const void *key)
{
	return l->hash == *(const uint64_t *)key &&
	       container_of(l, struct sip_ctxn, link)->method != SIP_CANCEL;
}

static uint64_t token_of(const struct sip_ctxn *t)
{
	return t->method == SIP_CANCEL ? 0 : t->link.hash;
}

static struct span take(char **at, struct span s)
{
	struct span copy = { *at, s.n };
	if (s.n)
		memcpy(*at, s.p, s.n);
	*at += s.n;
	return copy;
}

static struct sip_ctxn *ctxn_new(struct sip_tl *tl, enum sip_method method, struct span branch,
				 const struct sip_dest *to, struct span bytes)
{
	struct pool *pool = tl->hooks.pool;
	struct sip_ctxn *t = pool_alloc(pool, sizeof(*t) + branch.n + to->host.n);
	char *copy = pool_alloc(pool, bytes.n), *at;

	if (!t || !copy) {
		pool_free(pool, copy);
		pool_free(pool, t);
		return NULL;
	}
	memcpy(copy, bytes.p, bytes.n);
	memset(t, 0, sizeof(*t));
	at = t->text;
	t->tl = tl;
	t->method = (uint8_t)method;
	t->to = *to;
	t->branch = take(&at, branch);
	t->bytes = copy;
	t->bytes_n = bytes.n;
	t->to.host = take(&at, to->host);
	htab_put(&tl->client, &t->link, htab_hash(&tl->client, t->branch));
	tl->stats.client++;
	tl->stats.open++;
	t->open = true;
	return t;
}

/* It has its final answer, or never gets one: the limit is for those that wait. */
static void close_count(struct sip_ctxn *t)
{
	t->tl->stats.open -= t->open;
	t->open = false;
}

static void ctxn_free(struct sip_ctxn *t)
{
	htab_del(&t->tl->client, &t->link);
	timer_stop(t->tl->wheel, &t->t_again);
	timer_stop(t->tl->wheel, &t->t_end);
	t->tl->stats.client--;
	close_count(t);
	free(t->cancel_extra);
	pool_free(t->tl->hooks.pool, t->bytes);
	pool_free(t->tl->hooks.pool, t);
}

static void free_client(struct htab_link *l, void *u)
{
	ctxn_free(container_of(l, struct sip_ctxn, link));
}

void sip_ctxn_free_all(struct sip_tl *tl)
{
	htab_each(&tl->client, free_client, NULL);
}

/* ---- sending and telling ---- */

static struct span request_of(const struct sip_ctxn *t)
{
	return (struct span){ t->bytes, t->bytes_n };
}

static int put(struct sip_ctxn *t, struct span bytes, uint64_t token)
{
	return t->tl->hooks.send(t->tl->hooks.u, &t->to, bytes, token);
}

static void tell(struct sip_ctxn *t, const struct sip_msg *resp, enum sip_end end, uint64_t now_us)
{
	if (t->user)
		t->fn(t->user, t, resp, end, now_us);
}

static void end_with(struct sip_ctxn *t, enum sip_end end, uint64_t now_us)
{
	t->state = CTXN_OVER;
	if (end == SIP_END_TIMEOUT)
		t->tl->stats.timeouts++;
	tell(t, NULL, end, now_us);
	ctxn_free(t);
}

/* The final answer: the last the TU hears. */
static void tell_final(struct sip_ctxn *t, const struct sip_msg *resp, uint64_t now_us)
{
	tell(t, resp, 0, now_us);
	t->user = NULL;
}

static void start(struct sip_ctxn *t, uint64_t now_us)
{
	if (put(t, request_of(t), token_of(t)) < 0) {
		txn_after(t->tl, &t->t_end, 0, now_us, on_unsent); /* the TU is not ready to hear it */
		return;
	}
	t->interval_ms = SIP_T1_MS;
	if (!txn_reliable(t->to.tp))
		txn_after(t->tl, &t->t_again, t->interval_ms, now_us, on_resend);
	txn_after(t->tl, &t->t_end, TXN_LIFE_MS, now_us, on_timeout);
}

enum { COOKIE = 7, RANDOM = 16 }; /* of a branch of ours; more may follow */

/* Where the branch stands in the request, if another may take its place. */
static size_t branch_at(const struct sip_ctxn *t)
{
	if (t->method == SIP_CANCEL || t->cancel_wanted || !t->bytes || t->branch.n < COOKIE + RANDOM)
		return SPAN_NONE;
	return span_find(request_of(t), t->branch);
}

/*
 * The same request, in what is a new transaction but for the TU, which knows of one.  Of the branch only the random part
 * changes: behind it may stand what tells loops (RFC 5393 4.2).
 */
static void restart(struct sip_ctxn *t, size_t at, uint64_t now_us)
{
	struct sip_tl *tl = t->tl;
	char fresh[40];

	sip_tl_branch(tl, fresh);
	memcpy(t->bytes + at + COOKIE, fresh + COOKIE, RANDOM);
	memcpy(t->text + COOKIE, fresh + COOKIE, RANDOM); /* branch lies first in it */
	htab_del(&tl->client, &t->link);
	htab_put(&tl->client, &t->link, htab_hash(&tl->client, t->branch));
	timer_stop(tl->wheel, &t->t_again);
	t->state = CTXN_CALLING;
	t->provisional = t->repeated = false;
	start(t, now_us);
}

/* TCP was chosen for the size alone, and there is nobody at it (RFC 3261 18.1.1). */
static bool by_udp(struct sip_ctxn *t, uint64_t now_us)
{
	struct span via = SPAN("\r\nVia: SIP/2.0/TCP ");
	size_t at = branch_at(t), tp = t->bytes ? span_find(request_of(t), via) : SPAN_NONE;

	if (!t->to.by_size || at == SPAN_NONE || tp == SPAN_NONE)
		return false;
	t->to.by_size = false;
	t->to.tp = SIP_UDP;
	memcpy(t->bytes + tp + via.n - strlen("TCP "), "UDP", 3);
	restart(t, at, now_us);
	return true;
}

/* RFC 3263 4.3: it failed at one server, and there is another. */
static bool elsewhere(struct sip_ctxn *t, uint64_t now_us)
{
	struct sip_tl *tl = t->tl;
	size_t at = branch_at(t);

	if (!tl->hooks.elsewhere || t->to.ip.family || t->elsewhere >= ELSEWHERE_MAX || at == SPAN_NONE ||
	    !tl->hooks.elsewhere(tl->hooks.u, &t->to, request_of(t)))
		return false;
	t->elsewhere++;
	restart(t, at, now_us);
	return true;
}

struct sip_ctxn *sip_ctxn_start(struct sip_tl *tl, enum sip_method method, struct span branch,
				const struct sip_dest *to, struct span bytes, sip_ctxn_fn *fn, void *user,
				uint64_t now_us)
{
	struct sip_ctxn *t;

	/* Twice: the limit is for what comes in, and what was let in must be able to go on. */
	if (tl->stats.open >= 2 * (uint64_t)tl->limits.transactions_max)
		return NULL;
	t = ctxn_new(tl, method, branch, to, bytes);
	if (!t)
		return NULL;
	t->fn = fn;
	t->user = user;
	start(t, now_us);
	return t;
}

void sip_ctxn_hand_over(struct sip_ctxn *t, sip_ctxn_fn *fn, void *user)
{
	t->fn = fn;
	t->user = user;
}

void sip_ctxn_set_user(struct sip_ctxn *t, void *user)
{
	t->user = user;
}

bool sip_ctxn_provisional(const struct sip_ctxn *t)
{
	return t->provisional;
}

void sip_tl_unreachable(struct sip_tl *tl, uint64_t token, uint64_t now_us)
{
	struct htab_link *l = htab_get(&tl->client, token, has_token, &token);
	struct sip_ctxn *t = l ? container_of(l, struct sip_ctxn, link) : NULL;

	if (t && (t->state == CTXN_CALLING || (t->state == CTXN_PROCEEDING && t->method != SIP_INVITE)) &&
	    (by_udp(t, now_us) || elsewhere(t, now_us)))
		return;
	if (!t)
		sip_stxn_unreachable(tl, token);
	/* Only of a request sent once is it known that nobody has it.  What was repeated may have arrived, and its
	 * answer be on its way: if not, Timer B or F says so. */
	if (!t || t->repeated)
		return;
	/* An INVITE that was heard of does not depend on this datagram (RFC 3261 figure 5). */
	if (t->state == CTXN_CALLING || (t->state == CTXN_PROCEEDING && t->method != SIP_INVITE))
		end_with(t, SIP_END_TRANSPORT, now_us);
}

/* ---- timers ---- */

/* Timer A doubles without end; Timer E up to T2, and at T2 once a 1xx is in. */
static uint32_t next_interval(const struct sip_ctxn *t)
{
	if (t->method == SIP_INVITE)
		return t->interval_ms * 2;
	if (t->state == CTXN_PROCEEDING || t->interval_ms * 2 > SIP_T2_MS)
		return SIP_T2_MS;
	return t->interval_ms * 2;
}

static void on_resend(struct timer *timer, uint64_t now_us)
{
	struct sip_ctxn *t = container_of(timer, struct sip_ctxn, t_again);
	int r = put(t, request_of(t), token_of(t));

	t->tl->stats.retrans_out++;
	if (r == 0)
		t->repeated = true;
	if (r < 0) {
		if (!elsewhere(t, now_us))
			end_with(t, SIP_END_TRANSPORT, now_us);
		return;
	}
	t->interval_ms = next_interval(t);
	txn_after(t->tl, &t->t_again, t->interval_ms, now_us, on_resend);
}

static void on_timeout(struct timer *timer, uint64_t now_us)
{
	struct sip_ctxn *t = container_of(timer, struct sip_ctxn, t_end);

	/* Who was heard of is not dead. */
	if (t->state != CTXN_CALLING || !elsewhere(t, now_us))
		end_with(t, SIP_END_TIMEOUT, now_us);
}

static void on_unsent(struct timer *timer, uint64_t now_us)
{
	struct sip_ctxn *t = container_of(timer, struct sip_ctxn, t_end);

	if (!by_udp(t, now_us))
		end_with(t, SIP_END_TRANSPORT, now_us);
}

/* Timers D, K: retransmissions are no longer awaited. */
static void on_over(struct timer *timer, uint64_t now_us)
{
	ctxn_free(container_of(timer, struct sip_ctxn, t_end));
}

/* Timer M */
static void on_accepted_over(struct timer *timer, uint64_t now_us)
{
	end_with(container_of(timer, struct sip_ctxn, t_end), SIP_END_ACCEPTED, now_us);
}

/* ---- ACK and CANCEL ---- */

/* The lines that ACK and CANCEL take over from the request, up to the To. */
static void w_from_request(struct wbuf *w, const struct sip_msg *req, enum sip_method method)
{
	struct sip_iter it = { 0 };
	struct span via;

	w_span(w, sip_method_name(method));
	w_chr(w, ' ');
	w_span(w, req->ruri);
	w_str(w, " SIP/2.0\r\n");
	if (sip_each(req, SIP_H_VIA, &it, &via)) /* the top one alone */
		w_hdr(w, SIP_H_VIA, via);
	w_hdr_u64(w, SIP_H_MAX_FORWARDS, 70);
	w_hdr_copy(w, req, SIP_H_ROUTE);
	w_hdr(w, SIP_H_FROM, req->from);
}

static void w_rest(struct wbuf *w, const struct sip_msg *req, enum sip_method method, struct span to,
		   struct span extra)
{
	w_hdr(w, SIP_H_TO, to);
	w_hdr(w, SIP_H_CALL_ID, req->call_id);
	w_str(w, "CSeq: ");
	w_u64(w, req->cseq);
	w_chr(w, ' ');
	w_span(w, sip_method_name(method));
	w_str(w, "\r\n");
	/* what they say of the request holds for what is derived from it (RFC 7989 6, RFC 4412 4.1) */
	w_hdr_copy(w, req, SIP_H_SESSION_ID), w_hdr_copy(w, req, SIP_H_RESOURCE_PRIORITY);
	w_span(w, extra);
	w_end(w, SPAN_EMPTY, SPAN_EMPTY);
}

/* Into the layer's scratch; to is empty for that of the request.  Empty: not possible. */
static struct span derive(struct sip_ctxn *t, enum sip_method method, struct span to, struct span extra)
{
	struct wbuf w = wbuf_on(t->tl->scratch, sizeof(t->tl->scratch));
	struct sip_msg req;

	/* A fault that one refuses in others' requests does no harm here. */
	if (sip_msg_parse(&req, request_of(t), txn_reliable(t->to.tp)) < 0 || !req.answerable)
		return SPAN_EMPTY;
	w_from_request(&w, &req, method);
	w_rest(&w, &req, method, to.n ? to : req.to, extra);
	return w_ok(&w) ? w_span_of(&w) : SPAN_EMPTY;
}

static void send_ack(struct sip_ctxn *t, const struct sip_msg *resp)
{
	struct span ack = derive(t, SIP_ACK, resp->to, SPAN_EMPTY);
	if (ack.n)
		put(t, ack, 0);
}

static void send_cancel(struct sip_ctxn *t, struct span extra, uint64_t now_us)
{
	struct span bytes = derive(t, SIP_CANCEL, SPAN_EMPTY, extra);
	struct sip_ctxn *c = bytes.n ? ctxn_new(t->tl, SIP_CANCEL, t->branch, &t->to, bytes) : NULL;

	t->cancel_sent = true;
	if (c)
		start(c, now_us);
	else if (bytes.n)
		put(t, bytes, 0); /* no memory: said once is better than not at all */
	/* RFC 3261 9.1: an INVITE that has no answer by then never gets one. */
	txn_after(t->tl, &t->t_end, TXN_LIFE_MS, now_us, on_timeout);
}

void sip_ctxn_cancel(struct sip_ctxn *t, struct span extra, uint64_t now_us)
{
	if (t->method != SIP_INVITE || t->cancel_wanted || t->state > CTXN_PROCEEDING)
		return;
	t->cancel_wanted = true;
	if (t->state == CTXN_PROCEEDING)
		send_cancel(t, extra, now_us);
	else if (extra.n)
		t->cancel_extra = span_dup(extra); /* no memory: without them */
}

/* ---- responses ---- */

static void invite_provisional(struct sip_ctxn *t, const struct sip_msg *m, uint64_t now_us)
{
	t->state = CTXN_PROCEEDING;
	t->provisional = true;
	timer_stop(t->tl->wheel, &t->t_again);
	if (!t->cancel_sent)
		timer_stop(t->tl->wheel, &t->t_end); /* Timer B; how long it rings is the TU's to say */
	if (t->cancel_wanted && !t->cancel_sent)
		send_cancel(t, span_of(t->cancel_extra), now_us);
	tell(t, m, 0, now_us);
}

static void invite_final(struct sip_ctxn *t, const struct sip_msg *m, uint64_t now_us)
{
	timer_stop(t->tl->wheel, &t->t_again);
	if (m->status < 300) {
		close_count(t);
		t->state = CTXN_ACCEPTED;
		txn_after(t->tl, &t->t_end, TXN_LIFE_MS, now_us, on_accepted_over);
		tell(t, m, 0, now_us);
		return;
	}
	t->state = CTXN_COMPLETED;
	send_ack(t, m);
	if (m->status == 503 && elsewhere(t, now_us))
		return;
	close_count(t);
	txn_after(t->tl, &t->t_end, txn_reliable(t->to.tp) ? 0 : TXN_LIFE_MS, now_us, on_over); /* Timer D */
	tell_final(t, m, now_us);
}

static void invite_response(struct sip_ctxn *t, const struct sip_msg *m, uint64_t now_us)
{
	switch ((enum ctxn_state)t->state) {
	case CTXN_CALLING:
	case CTXN_PROCEEDING:
		if (m->status < 200)
			invite_provisional(t, m, now_us);
		else
			invite_final(t, m, now_us);
		return;
	case CTXN_COMPLETED:
		t->tl->stats.retrans_in++;
		if (m->status >= 300)
			send_ack(t, m);
		return;
	case CTXN_ACCEPTED:
		if (m->status >= 200 && m->status < 300)
			tell(t, m, 0, now_us);
		return;
	case CTXN_OVER: /* ignore */
		return;
	}
}

static void other_response(struct sip_ctxn *t, const struct sip_msg *m, uint64_t now_us)
{
	if (t->state > CTXN_PROCEEDING) {
		t->tl->stats.retrans_in++;
		return;
	}
	if (m->status < 200) {
		t->state = CTXN_PROCEEDING;
		t->provisional = true;
		tell(t, m, 0, now_us);
		return;
	}
	if (m->status == 503 && elsewhere(t, now_us))
		return;
	t->state = CTXN_COMPLETED;
	close_count(t);
	timer_stop(t->tl->wheel, &t->t_again);
	txn_after(t->tl, &t->t_end, txn_reliable(t->to.tp) ? 0 : SIP_T4_MS, now_us, on_over); /* Timer K */
	tell_final(t, m, now_us);
	pool_free(t->tl->hooks.pool, t->bytes), t->bytes = NULL; /* Timer K only absorbs */
}

void sip_ctxn_input(struct sip_tl *tl, const struct sip_msg *m, uint64_t now_us)
{
	struct sip_ctxn *t = find(tl, m->via.branch, m->method);

	if (!t) {
		tl->stats.stray++;
		tl->hooks.stray(tl->hooks.u, m, now_us);
	} else if (t->method == SIP_INVITE) {
		invite_response(t, m, now_us);
	} else {
		other_response(t, m, now_us);
	}
}
