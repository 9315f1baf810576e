/* SPDX-License-Identifier: MIT */
/*
 * Proxy mode (PX-*): a transaction-stateful, record-routing proxy that keeps nothing of a dialog (RFC 3261 16).  A
 * re-INVITE or an UPDATE is a request like any other: no body is read, none is changed (MODE-2, MODE-6, PX-1).
 *
 * A request that passes the checks becomes a response context with one branch, since we never fork (PX-5): the best
 * response is the one that comes, and what is left of RFC 3261 16.7 is what must not be passed on.  What is hard is
 * who outlives whom: an INVITE's context stays until Timer M, since any number of 2xx may follow the first (RFC 6026);
 * another's dies with its final answer, or when the asker has given up and nobody would listen (RFC 4320).
 */
#include <stdio.h>
#include <stdlib.h>

#include "im/proxy.h"

enum {
	TIMER_C_MS = 190000, /* PX-9 */
	TRYING_MS = 3500,    /* when Timer E of the asker has reached T2 (RFC 4320 4.1) */
};

struct proxy_ctx {
	struct list link; /* proxy->contexts */
	struct proxy *px;
	struct sip_stxn *in;  /* NULL: the layer forgot it */
	struct sip_ctxn *out; /* NULL: not any more */
	struct timer timer;   /* INVITE: Timer C; others: the late 100 */
	bool trusted;         /* P- headers cross (IMS-2) */
	bool by_size;         /* went by TCP for its size alone: UDP is left to try */
	bool cancelled;
};

struct refusal {
	unsigned status;
	const char *reason; /* NULL: the standard phrase */
	char extra[256];
};

static sip_ctxn_fn on_response;
static timer_fn on_timer_c, on_late;

/* Made when it is needed first; NULL: no memory. */
static struct proxy *proxy_of(struct im *im)
{
	struct proxy *px = im->proxy;

	if (px || !(px = calloc(1, sizeof(*px))))
		return px;
	px->im = im;
	list_init(&px->contexts);
	im->port.random(im->port.w, px->keys.mark, sizeof(px->keys.mark));
	im->port.random(im->port.w, px->keys.pass, sizeof(px->keys.pass));
	im->port.random(im->port.w, &px->keys.loop, sizeof(px->keys.loop));
	im_token(im, px->keys.epoch, sizeof(px->keys.epoch) - 1);
	im->proxy = px;
	return px;
}

static struct sip_tl *layer(const struct proxy *px)
{
	return px->im->tl;
}

/* ---- contexts ---- */

static void ctx_free(struct proxy_ctx *c)
{
	list_del(&c->link);
	timer_stop(&c->px->im->wheel, &c->timer);
	if (c->in)
		sip_stxn_set_user(c->in, NULL);
	if (c->out)
		sip_ctxn_set_user(c->out, NULL);
	free(c);
}

static bool is_invite(const struct sip_stxn *t)
{
	return sip_stxn_request(t)->method == SIP_INVITE;
}

static void arm(struct proxy_ctx *c, uint64_t now_us)
{
	bool invite = is_invite(c->in);
	timer_set(&c->px->im->wheel, &c->timer, now_us + (invite ? TIMER_C_MS : TRYING_MS) * US_PER_MS,
		  invite ? on_timer_c : on_late);
}

/* ---- our own answers ---- */

static bool refuse(struct refusal *r, unsigned status, const char *reason)
{
	r->status = status;
	r->reason = reason;
	return true;
}

static void answer(struct proxy *px, struct sip_stxn *t, const struct refusal *r, uint64_t now_us)
{
	char tag[TAG_LEN + 1];

	im_token(px->im, tag, TAG_LEN);
	im_reply(px->im, t, r->status, span_of(r->reason), span_of(tag), r->extra, now_us);
}

static void answer_refused(struct proxy *px, struct sip_stxn *t, const struct refusal *r, uint64_t now_us)
{
	const struct sip_msg *m = sip_stxn_request(t);

	px->im->mx.sip_refused++;
	im_log(px->im, IM_INFO, "sip-refused",
	       "method=%" SPAN_FMT " status=%u call-id=%" SPAN_FMT " reason=\"%s\"", SPAN_ARG(m->method_name),
	       r->status, SPAN_ARG(m->call_id), r->reason ? r->reason : "");
	answer(px, t, r, now_us);
}

/* ---- may it pass?  RFC 3261 16.3, in its order ---- */

static bool bad_breadth(const struct sip_msg *m, struct refusal *r)
{
	uint64_t n;

	switch (sip_number(m, SIP_H_MAX_BREADTH, UINT32_MAX, &n)) {
	case -ENOENT:
		return false;
	case 0:
		return n == 0 && refuse(r, 440, "Max-Breadth Exceeded"); /* one branch needs one (PX-16) */
	default:
		return refuse(r, 400, "Bad Max-Breadth");
	}
}

/* No extension of proxies is known here; the tags are named as they came. */
static bool bad_proxy_require(const struct sip_msg *m, struct refusal *r)
{
	struct wbuf w = wbuf_on(r->extra, sizeof(r->extra) - 3);
	struct sip_iter it = { 0 };

	if (!sip_has(m, SIP_H_PROXY_REQUIRE))
		return false;
	w_str(&w, "Unsupported: ");
	for (struct span tag; sip_each(m, SIP_H_PROXY_REQUIRE, &it, &tag);) {
		if (w.p[w.n - 1] != ' ')
			w_str(&w, ", ");
		w_span(&w, tag);
	}
	memcpy(r->extra + w.n, "\r\n", 3);
	return refuse(r, 420, NULL);
}

static bool is_forged(const struct proxy *px, const struct sip_msg *m, const struct proxy_route *route)
{
	return m->to_tag.n && (proxy_mark_forged(&px->keys, m->call_id, route->mark) ||
			       proxy_mark_forged(&px->keys, m->call_id, route->second_mark));
}

/* Our Record-Route is all that tells a request of a dialog from one that only has a To tag. */
static bool admits(const struct proxy *px, const struct sip_msg *m, const struct sip_src *src,
		   const struct proxy_route *route, uint64_t now_us)
{
	return source_exempt(px->im, src) ||
	       (m->to_tag.n && proxy_mark_is_ours(&px->keys, m->call_id, route->mark)) ||
	       source_admits(px->im, src, now_us);
}

/* hash: of the request, for our branch. */
static bool bad_request(const struct proxy *px, const struct sip_msg *m, struct proxy_route *route,
			char hash[PROXY_HASH_LEN + 1], struct refusal *r)
{
	const char *fault;
	unsigned status = proxy_route(&px->im->conf, m, route, &fault);

	if (status)
		return refuse(r, status, fault);
	if (m->max_forwards == 0 && sip_has(m, SIP_H_MAX_FORWARDS) && m->method != SIP_OPTIONS)
		return refuse(r, 483, NULL);
	proxy_loop_hash(&px->keys, m, hash);
	if (proxy_is_loop(m, hash))
		return refuse(r, 482, NULL);
	/* An ACK and a CANCEL ask for nothing that their INVITE did not (RFC 3261 8.2.2.3, 9.1). */
	if (m->method != SIP_ACK && m->method != SIP_CANCEL && (bad_proxy_require(m, r) || bad_breadth(m, r)))
		return true;
	return is_forged(px, m, route) && refuse(r, 403, "Route Not Ours"); /* PX-22 */
}

/* Outside dialogs: whom do we serve, and are there new ones at all? */
static bool bad_beginning(const struct proxy *px, const struct sip_msg *m, const struct sip_src *src,
			  struct refusal *r)
{
	struct im *im = px->im;
	bool trusted = role_trusted(&im->conf, &src->ip);
	struct im_role role;
	const char *fault;

	if (m->method == SIP_CANCEL && trusted)
		return false;                           /* it need not say again who asks */
	if (m->to_tag.n || proxy_is_emergency(m->ruri)) /* IMS-28 */
		return false;
	if (im->draining && m->method == SIP_INVITE) {
		snprintf(r->extra, sizeof(r->extra), "Retry-After: %u\r\n", 1 + im_random_below(im, 10));
		return refuse(r, 503, NULL);
	}
	return role_decide(&im->conf, m, trusted, &role, &fault) != 0 && refuse(r, 403, fault);
}

/* Inside a dialog it is our own mark that says so; without the key of a run before this one the core's word is enough. */
static bool follows(const struct im *im, const struct sip_msg *m, const struct sip_src *src)
{
	struct proxy_route route;
	const char *fault;

	if (!sip_has(m, SIP_H_ROUTE) || proxy_route(&im->conf, m, &route, &fault) || !route.mark.n)
		return false;
	return role_trusted(&im->conf, &src->ip) ||
	       (im->proxy && proxy_mark_is_ours(&im->proxy->keys, m->call_id, route.mark));
}

bool proxy_takes(const struct im *im, const struct sip_msg *m, const struct sip_src *src)
{
	return m->to_tag.n ? follows(im, m, src) : proxy_is_emergency(m->ruri);
}

/* ---- passing a request on ---- */

/* A branch nobody can guess, with the loop hash behind it (RFC 5393 4.2). */
static struct span new_branch(struct proxy *px, char buf[PROXY_BRANCH_LEN + 1],
			      const char hash[PROXY_HASH_LEN + 1])
{
	size_t n = sip_tl_branch(layer(px), buf).n;

	buf[n] = '.';
	memcpy(buf + n + 1, hash, PROXY_HASH_LEN);
	return (struct span){ buf, n + 1 + PROXY_HASH_LEN };
}

/* 0, or the status that says why not. */
static unsigned pass_request(struct proxy_ctx *c, const struct proxy_route *route,
			     const char hash[PROXY_HASH_LEN + 1], bool no_tcp, uint64_t now_us)
{
	struct proxy *px = c->px;
	const struct sip_msg *m = sip_stxn_request(c->in);
	char buf[PROXY_BRANCH_LEN + 1];
	struct span branch = new_branch(px, buf, hash);
	struct proxy_hop h;
	struct wbuf w;

	if (proxy_hop(px->im, sip_stxn_src(c->in), route, &h) < 0)
		return 500; /* as a transport that failed (PX-15) */
	w_proxy_request(&w, px, m, sip_stxn_src(c->in), route, &h, no_tcp, branch);
	if (!w_ok(&w))
		return 513;
	c->trusted = h.trusted;
	c->by_size = h.by_size;
	c->out = sip_ctxn_start(layer(px), m->method, branch, &h.to, w_span_of(&w), on_response, c, now_us);
	if (!c->out)
		return 500;
	px->im->mx.proxied++;
	return 0;
}

static struct proxy_ctx *ctx_new(struct proxy *px, struct sip_stxn *t)
{
	struct proxy_ctx *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->px = px;
	c->in = t;
	list_push(&px->contexts, &c->link);
	sip_stxn_set_user(t, c);
	return c;
}

/* PX-23. */
static void for_us(struct proxy *px, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us)
{
	struct refusal r = { .status = m->to_tag.n ? 481 : 404 };
	char tag[TAG_LEN + 1];

	if (m->method != SIP_OPTIONS) {
		answer_refused(px, t, &r, now_us);
		return;
	}
	im_token(px->im, tag, TAG_LEN);
	request_options(px->im, t, span_of(tag), now_us);
}

void proxy_request(void *u, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us)
{
	struct proxy *px = proxy_of(u);
	char hash[PROXY_HASH_LEN + 1];
	struct refusal r = { 0 };
	struct proxy_route route;
	struct proxy_ctx *c;
	bool bad;

	if (!px) {
		limits_refuse(u, t, now_us);
		return;
	}
	bad = bad_request(px, m, &route, hash, &r);
	if (!admits(px, m, sip_stxn_src(t), &route, now_us)) {
		limits_refuse(u, t, now_us);
		return;
	}
	if (bad) {
		answer_refused(px, t, &r, now_us);
		return;
	}
	if (!route.hop.n || (m->max_forwards == 0 && sip_has(m, SIP_H_MAX_FORWARDS))) {
		for_us(px, t, m, now_us);
		return;
	}
	if (bad_beginning(px, m, sip_stxn_src(t), &r)) {
		answer_refused(px, t, &r, now_us);
		return;
	}
	c = ctx_new(px, t);
	r.status = c ? pass_request(c, &route, hash, false, now_us) : 500;
	if (r.status == 0) {
		arm(c, now_us);
		return;
	}
	answer_refused(px, t, &r, now_us);
	if (c)
		ctx_free(c);
}

/* ---- without a transaction: the ACK of a 2xx (PX-14), and a CANCEL that fits nothing (PX-13) ---- */

/* The same for each repetition, and known again in an answer by the Via below it. */
static struct span stateless_branch(const struct proxy *px, const struct sip_via *below,
				    char buf[PROXY_BRANCH_LEN])
{
	uint64_t part[3] = { hash_siphash(px->keys.pass, below->branch),
			     hash_siphash(px->keys.pass, below->host), below->port };
	struct wbuf w = wbuf_on(buf, PROXY_BRANCH_LEN);

	part[0] = hash_siphash(px->keys.pass, (struct span){ (const char *)part, sizeof(part) });
	w_str(&w, "z9hG4bK");
	w_hex(&w, part, sizeof(part[0]));
	return w_span_of(&w);
}

void proxy_ack(void *u, const struct sip_msg *m, const struct sip_src *src, uint64_t now_us)
{
	struct im *im = u;
	struct proxy *px = proxy_of(im);
	char hash[PROXY_HASH_LEN + 1], buf[PROXY_BRANCH_LEN];
	struct refusal r = { 0 };
	struct proxy_route route;
	struct proxy_hop h;
	struct wbuf w;

	if (!px || bad_request(px, m, &route, hash, &r) || !route.hop.n ||
	    !admits(px, m, src, &route, now_us) || bad_beginning(px, m, src, &r) ||
	    proxy_hop(im, src, &route, &h) < 0) {
		im_log(im, IM_DEBUG, "sip-dropped", "method=%" SPAN_FMT " status=%u",
		       SPAN_ARG(m->method_name), r.status);
		return;
	}
	w_proxy_request(&w, px, m, src, &route, &h, false, stateless_branch(px, &m->via, buf));
	if (w_ok(&w))
		im_send(im, &h.to, w_span_of(&w));
	px->im->mx.proxied++;
}

/* Where a Via wants its answer (RFC 3261 18.2.2). */
static void via_dest(const struct sip_via *v, struct sip_dest *to)
{
	uint16_t port = v->port ? v->port : sip_default_port(v->tp);
	struct span host = v->received.n ? v->received : v->host;

	*to = (struct sip_dest){ .tp = v->tp };
	if (v->tp == SIP_UDP && v->maddr.n)
		host = v->maddr;
	else if (v->tp == SIP_UDP && v->rport)
		port = v->rport;
	if (!addr_parse(&to->ip, host, port)) {
		to->ip.port = port;
		to->host = host;
		to->any_port = !v->port; /* RFC 3263 5 */
	}
}

/*
 * RFC 6026 ended the passing on of strays.  What remains is the answer to a CANCEL that we passed on without a
 * transaction, and it is known by a branch only we can have made: nobody can use us to send things elsewhere.
 */
void proxy_stray(void *u, const struct sip_msg *m, uint64_t now_us)
{
	struct im *im = u;
	struct sip_iter it = { 0 };
	struct sip_via below;
	struct sip_dest to;
	struct span ours, v;
	struct wbuf w;
	char buf[PROXY_BRANCH_LEN];

	(void)now_us;
	if (!im->proxy || m->method != SIP_CANCEL || !sip_each(m, SIP_H_VIA, &it, &ours) ||
	    !sip_each(m, SIP_H_VIA, &it, &v) || sip_via_parse(&below, v) < 0 ||
	    below.tp == SIP_OTHER_TRANSPORT ||
	    !span_eq(m->via.branch, stateless_branch(im->proxy, &below, buf))) {
		im_log(im, IM_DEBUG, "sip-stray", "status=%u", m->status);
		return;
	}
	via_dest(&below, &to);
	w = wbuf_on(im->out, SIP_MSG_MAX);
	if (w_proxy_response(&w, m, m->status, false, NULL) && w_ok(&w))
		im_send(im, &to, w_span_of(&w));
}

/* ---- CANCEL and Timer C ---- */

/* Its own 200 was sent by the layer; the 487 comes from where the INVITE went. */
void proxy_cancel(void *u, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us)
{
	struct proxy_ctx *c = sip_stxn_user(t);
	char lines[512];
	struct wbuf w = wbuf_on(lines, sizeof(lines));

	(void)u;
	if (!c || !c->out)
		return;
	w_hdr_copy(&w, m, SIP_H_REASON);
	c->cancelled = true;
	sip_ctxn_cancel(c->out, w_ok(&w) ? w_span_of(&w) : SPAN_EMPTY, now_us);
}

/* It rang too long.  A branch that never said anything has ended by Timer B before. */
static void on_timer_c(struct timer *t, uint64_t now_us)
{
	struct proxy_ctx *c = container_of(t, struct proxy_ctx, timer);

	if (c->out)
		sip_ctxn_cancel(c->out, SPAN_EMPTY, now_us);
}

/* PX-17: the asker hears at last that the request is under way. */
static void on_late(struct timer *t, uint64_t now_us)
{
	struct proxy_ctx *c = container_of(t, struct proxy_ctx, timer);

	if (c->in)
		sip_stxn_reply_simple(c->in, 100, SPAN_EMPTY, SPAN_EMPTY, SPAN_EMPTY, now_us);
}

/* ---- responses (RFC 3261 16.7) ---- */

/* There is none: we say so ourselves; to what is no INVITE the layer says no 408 (RFC 4320 4.2). */
static void no_response(struct proxy_ctx *c, enum sip_end end, uint64_t now_us)
{
	struct refusal r = { .status = end == SIP_END_TRANSPORT ? 500 : c->cancelled ? 487 : 408 };

	if (end == SIP_END_ACCEPTED || !c->in)
		return;
	answer(c->px, c->in, &r, now_us);
}

/* TCP was chosen for the size alone, and there is nobody at it: once more by UDP (RFC 3261 18.1.1). */
static bool retry_by_udp(struct proxy_ctx *c, enum sip_end end, uint64_t now_us)
{
	char hash[PROXY_HASH_LEN + 1];
	struct refusal r = { 0 };
	struct proxy_route route;

	if (end != SIP_END_TRANSPORT || !c->by_size || !c->in || c->cancelled)
		return false;
	if (bad_request(c->px, sip_stxn_request(c->in), &route, hash, &r))
		return false;
	return pass_request(c, &route, hash, true, now_us) == 0;
}

static void pass_response(struct proxy_ctx *c, const struct sip_msg *m, uint64_t now_us)
{
	struct im *im = c->px->im;
	unsigned status = m->status == 503 ? 500 : m->status; /* PX-10 */
	struct refusal r = { .status = 500 };
	struct wbuf w = wbuf_on(im->out, SIP_MSG_MAX);

	if (w_proxy_response(&w, m, status, c->trusted, c->in) && w_ok(&w))
		sip_stxn_reply(c->in, status, w_span_of(&w), now_us);
	else if (status >= 200 && sip_stxn_status(c->in) < 200)
		answer(c->px, c->in, &r, now_us); /* it does not fit */
}

static void on_response(void *user, struct sip_ctxn *t, const struct sip_msg *m, enum sip_end end,
			uint64_t now_us)
{
	struct proxy_ctx *c = user;

	(void)t;
	if (!m) {
		c->out = NULL;
		if (retry_by_udp(c, end, now_us))
			return;
		no_response(c, end, now_us);
		ctx_free(c);
		return;
	}
	if (m->status == 100)
		return;
	if (c->in && (m->status >= 200 || is_invite(c->in)))
		pass_response(c, m, now_us);
	if (m->status < 200) {
		if (c->in && is_invite(c->in) && timer_is_set(&c->timer))
			arm(c, now_us);
		return;
	}
	timer_stop(&c->px->im->wheel, &c->timer);
	if (m->method == SIP_INVITE && m->status < 300)
		return; /* PX-11: others may follow, until Timer M */
	c->out = NULL;
	ctx_free(c);
}

/* ---- what the layer says ---- */

void proxy_gone(void *u, struct sip_stxn *t)
{
	struct proxy_ctx *c = sip_stxn_user(t);

	(void)u;
	if (!c)
		return;
	c->in = NULL;
	timer_stop(&c->px->im->wheel, &c->timer);
}

void proxy_destroy(struct proxy *px)
{
	if (!px)
		return;
	list_each(e, &px->contexts)
		ctx_free(container_of(e, struct proxy_ctx, link));
	free(px);
}
