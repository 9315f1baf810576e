/* SPDX-License-Identifier: MIT */
/*
 * Pager mode: a MESSAGE outside dialogs (RFC 3428, ROAD-1, CLASS-22).  Relayed as a user agent would: made anew on the other
 * side with a Call-ID, tag and number of its own, by the same rules of route, role, trust and charging as an INVITE.  The
 * far side's final answer is passed on; nothing is stored, so no answer of ours says that it was accepted (ROAD-3).
 *
 * It makes no dialog, so what it needs of a session and its legs lives as long as its transaction does, and is on no list
 * of sessions: a request that quotes its Call-ID and tags finds nothing (481).
 */
#include <stdio.h>
#include <stdlib.h>

#include "im/core.h"

enum { GUARD_MS = 28000 /* the sender gives up at 32 s (RFC 4320 4.2) */ };

struct pager {
	struct list link;    /* im->pagers */
	struct session s;    /* of its legs only who they are: SIDE_A sent it */
	struct sip_stxn *in; /* NULL: answered */
	struct sip_ctxn *out;
	struct timer t_guard;
};

static struct leg *near_leg(struct pager *p)
{
	return &p->s.leg[SIDE_A];
}

static void pager_free(struct pager *p)
{
	list_del(&p->link);
	timer_stop(&p->s.im->wheel, &p->t_guard);
	if (p->out)
		sip_ctxn_set_user(p->out, NULL);
	free(p->s.served_user);
	ims_free(&p->s);
	leg_finish(&p->s.leg[SIDE_A]);
	leg_finish(&p->s.leg[SIDE_B]);
	free(p);
}

void pagers_finish(struct im *im)
{
	list_each(e, &im->pagers)
		pager_free(container_of(e, struct pager, link));
}

/* One log line for each message (ROAD-12). */
static void note(struct pager *p, unsigned status, uint64_t now_us)
{
	struct im *im = p->s.im;

	if (status / 100 == 2)
		im->mx.pager_messages++;
	else
		im->mx.pager_failed++;
	im_log(im, IM_NOTICE, "pager-message", "sess=%lu class=%s case=%s role-by=\"%s\" status=%u ms=%lu",
	       (unsigned long)p->s.id, im_class_name(p->s.class),
	       p->s.scase == IM_ORIGINATING ? "originating" : "terminating", p->s.role_evidence, status,
	       (unsigned long)((now_us - p->s.since_us) / US_PER_MS));
}

static void refuse(struct pager *p, unsigned status, struct span reason, const char *extra, uint64_t now_us)
{
	struct sip_stxn *in = p->in;

	p->in = NULL;
	note(p, status, now_us);
	leg_reply(near_leg(p), in, status, reason, extra, now_us);
}

/* SETUP-14, SETUP-17, RFC 4320: the code the sender sees for the far side's. */
static unsigned mapped(unsigned status)
{
	if (status / 100 == 3)
		return 480;
	return status == 503 ? 500 : status == 408 ? 504 : status;
}

static void on_answer(void *user, struct sip_ctxn *t, const struct sip_msg *resp, enum sip_end end,
		      uint64_t now_us)
{
	struct pager *p = user;
	struct sip_stxn *in = p->in;
	(void)t;

	if (resp && resp->status < 200)
		return;
	p->out = NULL;
	p->in = NULL;
	if (in && resp) {
		ims_learn(&p->s.leg[SIDE_B], resp);
		note(p, mapped(resp->status), now_us);
		leg_forward(near_leg(p), in, resp, mapped(resp->status), SPAN_EMPTY, now_us);
	} else if (in) {
		p->in = in;
		refuse(p, end == SIP_END_TRANSPORT ? 500 : 504, SPAN_EMPTY, "", now_us);
	}
	pager_free(p);
}

static void on_guard(struct timer *t, uint64_t now_us)
{
	struct pager *p = container_of(t, struct pager, t_guard);

	if (p->in)
		refuse(p, 504, SPAN_EMPTY, "", now_us); /* what comes later is dropped */
}

static struct pager *pager_create(struct im *im, struct sip_stxn *t, uint64_t now_us)
{
	const struct sip_src *src = sip_stxn_src(t);
	struct pager *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->in = t;
	p->s.im = im;
	p->s.id = ++im->next_id;
	p->s.since_us = now_us;
	p->s.mode = IM_UNANCHORED; /* its body passes, whatever it is */
	p->s.class = IM_CLASS_PAGER;
	p->s.role_evidence = "none";
	list_init(&p->s.relays);
	leg_init(&p->s.leg[SIDE_A], &p->s, SIDE_A);
	leg_init(&p->s.leg[SIDE_B], &p->s, SIDE_B);
	near_leg(p)->at = im_listen_for(im, src->tp, &src->ip);
	near_leg(p)->trusted = role_trusted(&im->conf, &src->ip);
	list_push(&im->pagers, &p->link);
	return p;
}

/* 0, or the status to refuse it with. */
static unsigned judge(struct pager *p, const struct sip_msg *m, const char **fault)
{
	const struct im_conf *conf = &p->s.im->conf;
	struct im_role role;
	int r = role_decide(conf, m, near_leg(p)->trusted, &role, fault);

	if (r != 0)
		return (unsigned)(r > 0 ? r : 403);
	p->s.scase = role.scase;
	p->s.role_evidence = role.evidence;
	ims_learn(near_leg(p), m);
	ims_begin(&p->s, m);
	if (m->body.n && !sip_has(m, SIP_H_CONTENT_TYPE)) {
		*fault = "Missing Content-Type"; /* PARSE-11 */
		return 400;
	}
	if (conf->pager_max_size && m->body.n > conf->pager_max_size)
		return 413; /* CLASS-11: it is for a session to carry */
	if (ims_denies_privacy(m)) {
		*fault = "Privacy Not Available"; /* RFC 3323 5 */
		return 500;
	}
	return m->max_forwards == 0 ? 483 : 0;
}

static void w_message(struct wbuf *w, struct pager *p, const struct sip_msg *m, const struct sip_dest *to,
		      struct span routes, struct span branch, const char *call_id)
{
	struct leg *far = &p->s.leg[SIDE_B];

	outside_head(far, w, m, to, routes, branch, call_id, 1);
	w_pass(w, far, m, far->trusted && near_leg(p)->trusted);
	w_body_of(w, m);
}

/* 0; -ENOENT: it is for us and nobody else; -EINVAL; -ENOMEM. */
static int pass_on(struct pager *p, const struct sip_msg *m, uint64_t now_us)
{
	struct im *im = p->s.im;
	struct leg *far = &p->s.leg[SIDE_B];
	char branch_buf[40], lines[4096], call_id[CALL_ID_LEN + 1];
	struct wbuf routes = wbuf_on(lines, sizeof(lines)), w;
	struct span branch = sip_tl_branch(im->tl, branch_buf);
	struct sip_dest to = { 0 };
	int r = outside_routes(&routes, &im->conf, m, &to);

	if (r < 0 || !w_ok(&routes) || !im_listen_for(im, to.tp, &to.ip))
		return r < 0 ? r : -EINVAL;
	far->trusted = role_trusts(&im->conf, &to);
	ims_hide(far, m);
	im_token(im, call_id, CALL_ID_LEN);
	w_message(&w, p, m, &to, w_span_of(&routes), branch, call_id);
	if (w_ok(&w) && outside_grows(im, &to, w.n))
		w_message(&w, p, m, &to, w_span_of(&routes), branch, call_id);
	if (!w_ok(&w))
		return -EINVAL;
	p->out = sip_ctxn_start(im->tl, SIP_MESSAGE, branch, &to, w_span_of(&w), on_answer, p, now_us);
	return p->out ? 0 : -ENOMEM;
}

void pager_request(struct im *im, struct sip_stxn *t, const struct sip_msg *m, uint64_t now_us)
{
	struct pager *p = im->draining ? NULL : pager_create(im, t, now_us);
	const char *why = NULL;
	char tag[TAG_LEN + 1];
	unsigned status;
	int r;

	if (!p) {
		im->mx.over_limit++;
		im_token(im, tag, TAG_LEN);
		im_reply(im, t, 503, SPAN_EMPTY, span_of(tag), "Retry-After: 10\r\n", now_us);
		return;
	}
	status = judge(p, m, &why);
	if (status) {
		refuse(p, status, span_of(why), "", now_us);
		pager_free(p);
		return;
	}
	r = pass_on(p, m, now_us);
	if (r < 0) {
		refuse(p,
		       r == -ENOENT   ? 404
		       : r == -ENOMEM ? 503
				      : 500,
		       SPAN_EMPTY, r == -ENOMEM ? "Retry-After: 10\r\n" : "", now_us);
		pager_free(p);
		return;
	}
	timer_set(&im->wheel, &p->t_guard, now_us + GUARD_MS * US_PER_MS, on_guard);
}

void pager_gone(struct im *im, const struct sip_stxn *t)
{
	list_each(e, &im->pagers) {
		struct pager *p = container_of(e, struct pager, link);
		if (p->in == t)
			p->in = NULL;
	}
}
