/* SPDX-License-Identifier: MIT */
/*
 * The transaction layer: takes every message, hands it to the transaction it belongs to, opens one
 * for a new request, and answers alone what deserves none: merged requests (PARSE-7), CANCELs that
 * fit nothing (PARSE-12), requests above the limit (PARSE-18).  Those answers are given without any
 * state, so a retransmission must be answered with the same To tag (RFC 3261 8.2.7): the tag is a
 * keyed digest of what the retransmission repeats.
 */
#include <stdlib.h>

#include "sip/build.h"
#include "sip/txn_priv.h"

static int tables_init(struct sip_tl *tl)
{
	uint64_t key[4][2];
	int r;

	tl->hooks.random(tl->hooks.u, key, sizeof(key));
	memcpy(tl->tag_key, key[3], sizeof(key[3]));
	if ((r = htab_init(&tl->server, key[0])) < 0)
		return r;
	if ((r = htab_init(&tl->merged, key[1])) < 0)
		goto err_server;
	if ((r = htab_init(&tl->client, key[2])) < 0)
		goto err_merged;
	return 0;
err_merged:
	htab_finish(&tl->merged);
err_server:
	htab_finish(&tl->server);
	return r;
}

struct sip_tl *sip_tl_create(struct timers *wheel, const struct sip_tl_hooks *hooks,
			     const struct sip_tl_limits *limits)
{
	struct sip_tl *tl = calloc(1, sizeof(*tl));
	if (!tl)
		return NULL;
	tl->wheel = wheel;
	tl->hooks = *hooks;
	tl->limits = *limits;
	list_init(&tl->done);
	if (tables_init(tl) < 0) {
		free(tl);
		return NULL;
	}
	return tl;
}

static void free_server(struct htab_link *l, void *u)
{
	sip_stxn_free(container_of(l, struct sip_stxn, link));
}

void sip_tl_destroy(struct sip_tl *tl)
{
	if (!tl)
		return;
	htab_each(&tl->server, free_server, NULL);
	sip_ctxn_free_all(tl);
	htab_finish(&tl->client);
	htab_finish(&tl->merged);
	htab_finish(&tl->server);
	free(tl);
}

void sip_tl_fit(struct sip_tl *tl)
{
	htab_fit(&tl->server);
	htab_fit(&tl->merged);
	htab_fit(&tl->client);
}

const struct sip_tl_stats *sip_tl_stats(const struct sip_tl *tl)
{
	return &tl->stats;
}

struct span sip_tl_branch(struct sip_tl *tl, char buf[40])
{
	struct wbuf w = wbuf_on(buf, 40);

	/* One call for many words: the generator may be a system call. */
	if (!tl->pool_left) {
		tl->hooks.random(tl->hooks.u, tl->pool, sizeof(tl->pool));
		tl->pool_left = TXN_POOL;
	}
	w_str(&w, "z9hG4bK");
	w_hex(&w, &tl->pool[--tl->pool_left], sizeof(tl->pool[0]));
	buf[w.n] = '\0';
	return w_span_of(&w);
}

struct sip_dest sip_tl_reply_dest(const struct sip_msg *req, const struct sip_src *src)
{
	const struct sip_via *v = &req->via;
	struct sip_dest to = { .tp = src->tp, .ip = src->ip, .conn = src->conn };
	uint16_t port = v->port ? v->port : sip_default_port(src->tp);

	if (txn_reliable(src->tp) || (!v->maddr.n && !v->has_rport)) {
		to.ip.port = port;
	} else if (v->maddr.n && !addr_parse(&to.ip, v->maddr, port)) {
		to.ip = (struct addr){ .port = port };
		to.host = v->maddr;
	}
	return to;
}

/* ---- answers without a transaction ---- */

/* The same for a retransmission.  Under a key of its own: it must not show in which bucket a branch falls. */
static uint64_t digest(const struct sip_tl *tl, const struct sip_msg *m)
{
	uint64_t h = sip_match_hash(tl, m);
	return hash_siphash(tl->tag_key, (struct span){ (const char *)&h, sizeof(h) });
}

static struct span stateless_tag(const struct sip_tl *tl, const struct sip_msg *m, char buf[TXN_TAG_LEN])
{
	uint64_t h = digest(tl, m);
	struct wbuf w = wbuf_on(buf, TXN_TAG_LEN);

	w_hex(&w, &h, sizeof(h));
	return w_span_of(&w);
}

static void answer(struct sip_tl *tl, const struct sip_msg *m, const struct sip_src *src, unsigned status,
		   struct span reason, struct span tag, struct span extra)
{
	struct wbuf w = wbuf_on(tl->scratch, sizeof(tl->scratch));
	struct sip_dest to = sip_tl_reply_dest(m, src);

	w_reply(&w, m, &src->ip, status, reason, tag);
	w_span(&w, extra);
	w_end(&w, SPAN_EMPTY, SPAN_EMPTY);
	if (w_ok(&w))
		tl->hooks.send(tl->hooks.u, &to, w_span_of(&w), 0);
}

static void refuse(struct sip_tl *tl, const struct sip_msg *m, const struct sip_src *src, unsigned status,
		   struct span reason, struct span extra)
{
	char tag[TXN_TAG_LEN];

	tl->stats.refused++;
	answer(tl, m, src, status, reason, stateless_tag(tl, m, tag), extra);
}

void sip_tl_refuse(struct sip_tl *tl, const struct sip_msg *m, const struct sip_src *src, unsigned status,
		   struct span reason)
{
	if (m->request && m->method != SIP_ACK)
		refuse(tl, m, src, status, reason, SPAN_EMPTY);
}

/*
 * PARSE-18: only a new dialog is told 503, on which a neighbour may stop using us for a while.  The
 * wait is spread, so that those refused together do not return together.
 */
static void refuse_busy(struct sip_tl *tl, const struct sip_msg *m, const struct sip_src *src)
{
	char line[32];
	struct wbuf w = wbuf_on(line, sizeof(line));

	w_str(&w, "Retry-After: ");
	w_u64(&w, 1 + digest(tl, m) % 10);
	w_str(&w, "\r\n");
	refuse(tl, m, src, m->to_tag.n ? 500 : 503, SPAN_EMPTY, w_span_of(&w));
}

/* ---- dispatch ---- */

/* What ends a session or completes an answer frees more than it costs. */
static bool admit(const struct sip_tl *tl, enum sip_method method)
{
	uint64_t max = tl->limits.transactions_max;
	if (method == SIP_BYE || method == SIP_PRACK)
		max *= 2;
	return tl->stats.open < max;
}

void sip_tl_shed(struct sip_tl *tl, enum sip_shed what)
{
	tl->shed = what;
}

static bool is_shed(struct sip_tl *tl, const struct sip_msg *m)
{
	if (m->method == SIP_BYE || m->method == SIP_PRACK ||
	    tl->shed < (m->to_tag.n ? SIP_SHED_ALL : SIP_SHED_NEW))
		return false;
	tl->stats.shed++;
	return true;
}

bool txn_is_proxied(const struct sip_tl *tl, const struct sip_msg *m, const struct sip_src *src)
{
	return tl->hooks.proxied && tl->hooks.proxied(tl->hooks.u, m, src);
}

static void on_ack(struct sip_tl *tl, const struct sip_msg *m, const struct sip_src *src, uint64_t now_us)
{
	struct sip_stxn *t = sip_match_request(tl, m, SIP_INVITE, sip_match_hash(tl, m));
	if (!t || !sip_stxn_ack(t, now_us))
		tl->hooks.ack(tl->hooks.u, m, src, now_us);
}

/*
 * CANCEL is answered without a transaction of its own: a repeated one finds the same INVITE and gets
 * the same 200.  Its To tag should be that of the INVITE's answer (RFC 3261 9.2).
 */
static void on_cancel(struct sip_tl *tl, const struct sip_msg *m, const struct sip_src *src, uint64_t now_us)
{
	struct sip_stxn *t = sip_match_request(tl, m, SIP_INVITE, sip_match_hash(tl, m));
	struct sip_msg answered;
	char buf[TXN_TAG_LEN];
	struct span tag;

	if (!t && txn_is_proxied(tl, m, src)) {
		tl->hooks.ack(tl->hooks.u, m, src, now_us);
		return;
	}
	if (!t) {
		refuse(tl, m, src, 481, SPAN_EMPTY, SPAN_EMPTY);
		return;
	}
	tag = t->tag_n ? (struct span){ t->tag, t->tag_n } : sip_stxn_tag(t, &answered);
	answer(tl, m, src, 200, SPAN_EMPTY, tag.n ? tag : stateless_tag(tl, m, buf), SPAN_EMPTY);
	if (t->state != STXN_PROCEEDING || t->cancelled)
		return;
	t->cancelled = true;
	tl->hooks.cancel(tl->hooks.u, t, m, now_us);
}

static void on_request(struct sip_tl *tl, const struct sip_msg *m, const struct sip_src *src, uint64_t now_us)
{
	uint64_t hash = sip_match_hash(tl, m);
	struct sip_stxn *t = sip_match_request(tl, m, m->method, hash);

	if (t) {
		sip_stxn_again(t, src);
		return;
	}
	if (tl->shed && is_shed(tl, m)) {
		refuse_busy(tl, m, src);
		return;
	}
	if (!m->to_tag.n && sip_match_merged(tl, m, sip_match_merged_hash(tl, m))) {
		refuse(tl, m, src, 482, SPAN_EMPTY, SPAN_EMPTY);
		return;
	}
	t = admit(tl, m->method) ? sip_stxn_open(tl, m, src, hash, now_us) : NULL;
	if (!t && m->method == SIP_BYE && tl->hooks.bye && tl->hooks.bye(tl->hooks.u, m, now_us)) {
		answer(tl, m, src, 200, SPAN_EMPTY, SPAN_EMPTY, SPAN_EMPTY);
		return;
	}
	if (!t) {
		refuse_busy(tl, m, src);
		return;
	}
	tl->hooks.request(tl->hooks.u, t, t->req, now_us);
}

void sip_tl_input(struct sip_tl *tl, const struct sip_msg *m, const struct sip_src *src, uint64_t now_us)
{
	if (!m->request)
		sip_ctxn_input(tl, m, now_us);
	else if (m->method == SIP_ACK)
		on_ack(tl, m, src, now_us);
	else if (m->method == SIP_CANCEL)
		on_cancel(tl, m, src, now_us);
	else
		on_request(tl, m, src, now_us);
}
