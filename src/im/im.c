/* SPDX-License-Identifier: MIT */
/*
 * The context: what comes in from the world is handed to the transaction layer or the user plane, and what
 * they report is handed to the room it belongs to.  Sessions that ended while something was handled are freed
 * here, last, so that no handler has its session pulled from under it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "im/proxy.h"

void im_conf_defaults(struct im_conf *c)
{
	*c = (struct im_conf){
		.sip_transactions_max = 100000,
		.mode = IM_ANCHORED,
		.orig_marker = "orig",
		.term_marker = "term",
		.sessions_max = 20000,
		.registrations_max = 20000,
		.untrusted_rate = 100,
		.overload_delay_ms = 250,
		.server_token = "IM-serv/OMA1.0 parley/0.1",
		.accept_types = "*",
		.max_size = 10485760,
		.chat_max_size = 4194304,
		.min_max_size = 1,
		.max_streams = 4,
		.max_chats = 1,
		.file_transfer = true,
		.update_guard_ms = 20000,
		.session_expires_s = 1800,
		.large_wait_ms = 60000,
		.pager_max_size = 1300,
		.min_se_s = 90,
		.plane = {
			.ack_end = true,
			.tls_names = true,
			.accept_types = "*",
			.max_size = 10485760,
			.chat_max_size = 4194304,
			.queue_max = 256 * 1024,
			.connections_max = 100000,
			.unbound_per_source_max = 100,
			.bind_wait_ms = 30000,
			.drain_ms = 60000,
			.end_bound_ms = 20000,
			.resend_max = 64 * 1024,
			.repair_wait_ms = 30000,
			.repair = PLANE_RECONNECT,
			.chatroom = true,
		},
	};
}

void im_log(struct im *im, enum im_level level, const char *event, const char *fmt, ...)
{
	va_list ap;
	if (!im->port.log_wanted(im->port.w, level))
		return;
	va_start(ap, fmt);
	im->port.log(im->port.w, level, event, fmt, ap);
	va_end(ap);
}

const char *im_shown(char buf[128], struct span said)
{
	said = span_cut(said, 0, 127);
	for (size_t i = 0; i < said.n; i++)
		buf[i] = said.p[i] == '"' ? '\'' : (unsigned char)said.p[i] <= ' ' ? '_' : said.p[i];
	buf[said.n] = '\0';
	return buf;
}

void im_token(struct im *im, char *buf, size_t n)
{
	uint8_t raw[32];
	struct wbuf w = wbuf_on(buf, n);
	if (n > 2 * sizeof(raw))
		n = 2 * sizeof(raw);
	im->port.random(im->port.w, raw, n / 2);
	w_hex(&w, raw, n / 2);
	buf[w.n] = '\0';
}

unsigned im_random_below(struct im *im, unsigned n)
{
	uint32_t v;
	im->port.random(im->port.w, &v, sizeof(v));
	return (unsigned)((uint64_t)v * n >> 32);
}

const char *im_retry_after(struct im *im, char line[32])
{
	snprintf(line, 32, "Retry-After: %u\r\n", im_random_below(im, 11));
	return line;
}

int im_keep(char **out, size_t *n, struct span s)
{
	char *copy = span_dup(s);
	free(*out);
	*out = copy;
	*n = copy ? s.n : 0;
	return copy ? 0 : -ENOMEM;
}

const struct im_listen *im_listen_for(const struct im *im, enum sip_transport tp, const struct addr *ip)
{
	const struct im_listen *any = NULL;
	for (unsigned i = 0; i < im->conf.n_listen; i++) {
		const struct im_listen *at = &im->conf.listen[i];
		if (at->tp != tp)
			continue;
		if (!ip->family || at->addr.family == ip->family)
			return at;
		any = any ? any : at;
	}
	return any;
}

static bool port_elsewhere(void *u, const struct sip_dest *to, struct span request)
{
	struct im *im = u;
	return im->port.sip_elsewhere && im->port.sip_elsewhere(im->port.w, to, request);
}

static int port_send(void *u, const struct sip_dest *to, struct span bytes, uint64_t token)
{
	struct im *im = u;
	im->mx.sip_sent++;
	return im->port.sip_send(im->port.w, to, bytes, token);
}

static void port_random(void *u, void *p, size_t n)
{
	struct im *im = u;
	im->port.random(im->port.w, p, n);
}

int im_send(struct im *im, const struct sip_dest *to, struct span bytes)
{
	return port_send(im, to, bytes, 0);
}

void im_reply(struct im *im, struct sip_stxn *t, unsigned status, struct span reason, struct span to_tag,
	      const char *extra, uint64_t now_us)
{
	char lines[1536];
	struct wbuf w = wbuf_on(lines, sizeof(lines));

	w_str(&w, extra);
	if (status >= 200)
		w_product(&w, im, SIP_H_SERVER);
	sip_stxn_reply_simple(t, status, reason, to_tag, w_ok(&w) ? w_span_of(&w) : span_of(extra), now_us);
}

/* All requests in mode proxy; in the others those that are never ours to decide on (IMS-28). */
static bool is_proxied(void *u, const struct sip_msg *m, const struct sip_src *src)
{
	const struct im *im = u;
	return im->conf.mode == IM_PROXY || proxy_takes(im, m, src);
}

/* A To tag may be anybody's invention: only the dialogs there are do not count. */
static void on_request(void *u, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us)
{
	const struct sip_src *src = sip_stxn_src(t);

	if (sip_stxn_proxied(t))
		proxy_request(u, t, m, now_us);
	else if (source_exempt(u, src) || (m->to_tag.n && leg_find(u, m)) || source_admits(u, src, now_us))
		request_input(u, t, m, now_us);
	else
		limits_refuse(u, t, now_us);
}

/* An ACK goes to the dialog it belongs to; one that fits nothing is dropped (PARSE-8). */
static void on_ack(void *u, const struct sip_msg *m, const struct sip_src *src, uint64_t now_us)
{
	struct leg *l;

	if (is_proxied(u, m, src))
		proxy_ack(u, m, src, now_us);
	else if ((l = leg_find(u, m)))
		session_on_ack(l, m, now_us);
}

static void on_cancel(void *u, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us)
{
	struct leg *l = sip_stxn_proxied(t) ? NULL : sip_stxn_user(t);

	if (sip_stxn_proxied(t))
		proxy_cancel(u, t, m, now_us);
	if (!l)
		return;
	if (early_setup(l->s) && early_setup(l->s)->in == t)
		setup_cancel(early_setup(l->s), m, now_us);
	else
		modify_cancel(l->s, m, now_us);
}

static bool on_bye(void *u, const struct sip_msg *m, uint64_t now_us)
{
	return request_bye_alone(u, m, now_us);
}

static void on_no_ack(void *u, struct sip_stxn *t, uint64_t now_us)
{
	struct leg *l = sip_stxn_user(t);
	(void)u;
	if (l)
		session_on_no_ack(l, now_us);
}

static void on_gone(void *u, struct sip_stxn *t)
{
	struct leg *l;

	if (sip_stxn_proxied(t)) {
		proxy_gone(u, t);
		return;
	}
	l = sip_stxn_user(t);
	if (l && l->invite_in == t)
		l->invite_in = NULL;
	if (l && l->update_in == t)
		l->update_in = NULL;
	if (l && l->s->early && l->s->early->prack_in == t)
		l->s->early->prack_in = NULL;
	if (l)
		relay_gone(l->s, t);
	else if (sip_stxn_request(t)->method == SIP_MESSAGE && sip_stxn_status(t) < 200)
		pager_gone(u, t);
}

struct im *im_create(const struct im_conf *conf, const struct im_port *port, uint64_t now_us)
{
	struct sip_tl_hooks hooks = { NULL,      port_send, port_random, on_request, on_ack,
				      on_cancel, on_no_ack, on_gone,     proxy_stray };
	struct sip_tl_limits limits = { conf->sip_transactions_max };
	uint64_t key[2];
	struct im *im = calloc(1, sizeof(*im));
	if (!im)
		return NULL;
	im->conf = *conf;
	im->port = *port;
	hooks.u = im;
	hooks.elsewhere = port_elsewhere;
	hooks.bye = conf->mode == IM_PROXY ? NULL : on_bye;
	hooks.proxied = is_proxied;
	hooks.pool = &im->pool;
	pool_init(&im->pool, &port->pages);
	if (conf->mode == IM_ANCHORED && (im->passing = malloc(sizeof(*im->passing)))) {
		*im->passing = *conf;
		im->passing->mode = IM_UNANCHORED;
	}
	list_init(&im->pagers);
	timers_init(&im->wheel, now_us);
	list_init(&im->lates);
	for (unsigned i = 0; i < SESS_N_STATES; i++)
		list_init(&im->in_state[i]);
	port->random(port->w, key, sizeof(key));
	im->out = malloc(SIP_MSG_MAX);
	im->sdp_out = malloc(SDP_OUT_MAX);
	for (unsigned i = 0; i < ARRAY_LEN(im->sdp); i++)
		im->sdp[i] = malloc(sizeof(struct sdp));
	im->tl = sip_tl_create(&im->wheel, &hooks, &limits);
	im->planes = planes_create(&im->conf.plane, &im->port, &im->wheel);
	if (!im->out || !im->sdp_out || !im->sdp[0] || !im->sdp[1] || !im->sdp[2] || !im->sdp[3] || !im->tl ||
	    !im->planes || (conf->mode == IM_ANCHORED && !im->passing) || htab_init(&im->dialogs, key) < 0 ||
	    htab_init(&im->users, key) < 0 || htab_init(&im->registered, key) < 0) {
		im_destroy(im);
		return NULL;
	}
	return im;
}

static int send_nothing(void *w, const struct sip_dest *to, struct span bytes, uint64_t token)
{
	(void)w, (void)to, (void)bytes, (void)token;
	return 0;
}

void im_destroy(struct im *im)
{
	if (!im)
		return;
	im->port.sip_send = send_nothing; /* the world may be gone already */
	for (unsigned i = 0; i < SESS_N_STATES; i++) {
		list_each(e, &im->in_state[i])
			session_free(container_of(e, struct session, link), im->wheel.tick * US_PER_MS);
	}
	late_drop_all(im);
	pagers_finish(im);
	proxy_destroy(im->proxy);
	if (im->tl)
		sip_tl_destroy(im->tl);
	if (im->planes)
		planes_destroy(im->planes);
	pool_finish(&im->pool);
	htab_finish(&im->dialogs);
	htab_finish(&im->users);
	registered_finish(im);
	sources_free(im->sources);
	for (unsigned i = 0; i < ARRAY_LEN(im->sdp); i++)
		free(im->sdp[i]);
	free(im->sdp_out);
	free(im->passing);
	free(im->out);
	free(im);
}

static void im_reap(struct im *im, uint64_t now_us)
{
	list_each(e, &im->in_state[SESS_OVER])
		session_free(container_of(e, struct session, link), now_us);
}

void im_sip_input(struct im *im, struct span bytes, const struct sip_src *src, uint64_t now_us)
{
	struct sip_msg *m = &im->msg;
	int r;

	im->mx.sip_received++;
	if (im->mx.overload)
		overload_expire(im, now_us);
	/* WebSocket keeps messages apart by itself (RFC 7118 5). */
	r = sip_msg_parse(m, bytes, src->tp == SIP_TCP || src->tp == SIP_TLS);
	if (r == 0) {
		sip_tl_input(im->tl, m, src, now_us);
		im_reap(im, now_us);
		return;
	}
	im->mx.sip_broken++;
	im_log(im, IM_INFO, "sip-broken", "status=%d fault=\"%s\" bytes=%zu", r < 0 ? 0 : r,
	       m->fault ? m->fault : "noise", bytes.n);
	if (r > 0 && m->answerable)
		sip_tl_refuse(im->tl, m, src, (unsigned)r, span_of(m->fault));
}

void im_sip_broken(struct im *im, struct span head, int err, const struct sip_src *src, uint64_t now_us)
{
	struct sip_msg *m = &im->msg;
	unsigned status = err == -EMSGSIZE ? 513 : 400;
	int r = head.n ? sip_msg_parse(m, head, true) : -EBADMSG;
	(void)now_us;

	im->mx.sip_received++;
	im->mx.sip_broken++;
	im_log(im, IM_INFO, "sip-unframed", "status=%u bytes=%zu", status, head.n);
	/* The head alone parses as a message without its body; only who asked matters here (PARSE-1). */
	if (r >= 0 && m->answerable && m->request && m->method != SIP_ACK)
		sip_tl_refuse(im->tl, m, src, status,
			      status == 513 ? SPAN_EMPTY : SPAN("Missing or bad Content-Length"));
}

void im_sip_unreachable(struct im *im, uint64_t token, uint64_t now_us)
{
	sip_tl_unreachable(im->tl, token, now_us);
	im_reap(im, now_us);
}

struct plane_conn *im_msrp_accept(struct im *im, void *wc, enum plane_tp tp, const struct addr *from,
				  uint64_t now_us)
{
	return planes_accept(im->planes, wc, tp, from, now_us);
}

uint64_t im_deadline(const struct im *im)
{
	return timers_deadline(&im->wheel);
}

void im_tick(struct im *im, uint64_t now_us)
{
	timers_run(&im->wheel, now_us);
	im_reap(im, now_us);
}

void im_drain(struct im *im)
{
	im->draining = true;
}

void im_end_all(struct im *im, unsigned cause, const char *text, uint64_t now_us)
{
	char extra[128];
	snprintf(extra, sizeof(extra), "Reason: SIP;cause=%u;text=\"%.64s\"\r\n", cause, text);
	while (!list_empty(&im->in_state[SESS_SETUP])) /* with its siblings, each time */
		setup_shut(container_of(im->in_state[SESS_SETUP].next, struct session, link), now_us);
	list_each(e, &im->in_state[SESS_UP])
		session_end(container_of(e, struct session, link), extra, now_us);
	im_reap(im, now_us);
}

void im_fit(struct im *im)
{
	htab_fit(&im->dialogs);
	htab_fit(&im->users);
	htab_fit(&im->registered);
	sip_tl_fit(im->tl);
	planes_fit(im->planes);
	pool_fit(&im->pool);
}

bool im_idle(const struct im *im)
{
	const struct sip_tl_stats *tl = sip_tl_stats(im->tl);
	const struct planes_stats *ps = planes_stats(im->planes);
	for (unsigned i = 0; i < SESS_N_STATES; i++) {
		if (im->n_in_state[i])
			return false;
	}
	return !tl->server && !tl->client && !ps->connections && !ps->sessions &&
	       im->wheel.n == im->registered.n; /* who is registered is no work */
}
