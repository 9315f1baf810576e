/* SPDX-License-Identifier: MIT */
/*
 * Third-party registration (IMS-10, TS 24.229 5.7.1.1): the core tells us of a registration of one of our users.  What it
 * says is kept until it runs out, for who runs the server to see.
 *
 * Nothing is decided by it: what the core hands us it has found registered itself, and "Expires: 0" need not mean that the
 * user is gone from all his devices.  So to have no room for one more is no reason to refuse it either.
 */
#include <stdlib.h>
#include <string.h>

#include "im/core.h"

enum { EXPIRES_DEFAULT_S = 3600, /* RFC 3261 10.3 */ INFO_MAX = 4096 };

struct registered {
	struct htab_link link; /* im->registered */
	struct timer t;
	struct im *im;
	struct im_registration_view view; /* points into text */
	char text[];
};

static bool is_of(const struct htab_link *l, const void *user)
{
	return span_eq(span_of(container_of(l, struct registered, link)->view.user),
		       *(const struct span *)user);
}

static void forget(struct registered *r)
{
	struct im *im = r->im;

	timer_stop(&im->wheel, &r->t);
	htab_del(&im->registered, &r->link);
	free(r);
}

static void run_out(struct timer *t, uint64_t now_us)
{
	(void)now_us;
	forget(container_of(t, struct registered, t));
}

static void forget_link(struct htab_link *l, void *u)
{
	(void)u;
	forget(container_of(l, struct registered, link));
}

void registered_finish(struct im *im)
{
	if (im->registered.now)
		htab_each(&im->registered, forget_link, NULL);
	htab_finish(&im->registered);
}

/* s as a string at *at, which goes on behind it. */
static const char *put(char **at, struct span s)
{
	char *z = *at;

	if (s.n)
		memcpy(z, s.p, s.n);
	z[s.n] = '\0';
	*at += s.n + 1;
	return z;
}

static struct registered *make(struct im *im, struct span user, const struct sip_msg *m)
{
	struct span access = sip_value(m, SIP_H_P_ACCESS_NETWORK_INFO), icid = SPAN_EMPTY;
	struct span info = m->body.n <= INFO_MAX ? m->body : SPAN_EMPTY;
	struct registered *r;
	char *at;

	if (!sip_param(sip_value(m, SIP_H_P_CHARGING_VECTOR), SPAN("icid-value"), &icid))
		icid = SPAN_EMPTY;
	r = calloc(1, sizeof(*r) + user.n + access.n + icid.n + info.n + 4);
	if (!r)
		return NULL;
	at = r->text;
	r->im = im;
	r->view = (struct im_registration_view){ put(&at, user), put(&at, access), put(&at, icid),
						 put(&at, info) };
	return r;
}

/* What is known of user is what m says, for so many seconds; 0: nothing any more. */
static void keep(struct im *im, struct span user, const struct sip_msg *m, uint64_t seconds, uint64_t now_us)
{
	const uint64_t hash = htab_hash(&im->registered, user);
	struct htab_link *old = htab_get(&im->registered, hash, is_of, &user);
	struct registered *r = NULL;

	if (seconds && !old && im->registered.n >= im->conf.registrations_max)
		im->mx.over_limit++;
	else if (seconds && (r = make(im, user, m)) == NULL)
		return; /* no memory: what was known still is */
	if (old)
		forget(container_of(old, struct registered, link));
	if (!r)
		return;
	r->view.until_us = now_us + seconds * US_PER_S;
	htab_put(&im->registered, &r->link, hash);
	timer_set(&im->wheel, &r->t, r->view.until_us, run_out);
}

static uint64_t expires(const struct sip_msg *m)
{
	uint64_t s;

	return span_u64(sip_value(m, SIP_H_EXPIRES), UINT32_MAX, &s) == 0 ? s : EXPIRES_DEFAULT_S;
}

bool registered_request(struct im *im, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us)
{
	char tag[TAG_LEN + 1], extra[512], shown[128];
	struct wbuf w = wbuf_on(extra, sizeof(extra) - 1);
	bool trusted = role_trusted(&im->conf, &sip_stxn_src(t)->ip);
	struct sip_name_addr na;
	const uint64_t seconds = expires(m);
	unsigned status = 200;

	if (!ims_profile_registers(&im->conf))
		return false;
	if (!trusted)
		status = 403;
	else if (sip_name_addr_parse(&na, m->to) < 0 || !role_serves(&im->conf, na.uri))
		status = 404;
	if (status == 200) {
		keep(im, na.uri, m, seconds, now_us);
		w_hdr_copy(&w, m, SIP_H_CONTACT);
		w_str(&w, "Expires: "), w_u64(&w, seconds), w_str(&w, "\r\n");
	}
	extra[w_ok(&w) ? w.n : 0] = '\0';
	im_log(im, IM_INFO, "registration", "user=%s status=%u", im_shown(shown, m->to), status);
	im_token(im, tag, TAG_LEN);
	im_reply(im, t, status, SPAN_EMPTY, span_of(tag), extra, now_us);
	return true;
}

/* ---- who looks ---- */

struct look {
	void (*fn)(const struct im_registration_view *v, void *u);
	void *u;
};

static void show(struct htab_link *l, void *u)
{
	const struct look *look = u;

	look->fn(&container_of(l, struct registered, link)->view, look->u);
}

void im_view_registrations(struct im *im, void (*fn)(const struct im_registration_view *v, void *u), void *u)
{
	struct look look = { fn, u };

	htab_each(&im->registered, show, &look);
}
