/* SPDX-License-Identifier: MIT */
/*
 * A second device answered: whoever called has a dialog with it too (RFC 3261 13.2.2.4), and wants one only.  It is acknowledged
 * and hung up, and nothing of it is kept: when its 2xx comes again, so do these two.
 */
#include "ua.h"

#define ELSEWHERE "Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n"

static void on_bye_answer(void *u, struct sip_ctxn *t, const struct sip_msg *resp, enum sip_end end,
			  uint64_t now_us)
{
	(void)u, (void)t, (void)resp, (void)end, (void)now_us;
}

static void say(struct ua *ua, struct sip_dialog *d, enum sip_method how, uint32_t cseq, const char *extra)
{
	char msg[4096], branch[40], by[80];
	struct wbuf w = wbuf_on(msg, sizeof(msg)), b = wbuf_on(by, sizeof(by));
	struct sip_dest to;
	struct span br = sip_tl_branch(ua->tl, branch);

	if (sip_dialog_next_hop(d, &to) < 0)
		return;
	ua_sip_sent_by(ua, to.tp, to.ip.family, &b);
	sip_dialog_request(d, &w, how, cseq, 70, to.tp, w_span_of(&b), br);
	w_str(&w, extra);
	w_end(&w, SPAN_EMPTY, SPAN_EMPTY);
	if (!w_ok(&w))
		return;
	if (how == SIP_ACK)
		(void)ua_sip_out(ua, &to, w_span_of(&w), 0);
	else
		(void)!sip_ctxn_start(ua->tl, how, br, &to, w_span_of(&w), on_bye_answer, ua, ua_now_us());
}

bool ua_fork_2xx(struct ua *ua, const struct sip_msg *resp)
{
	struct ua_call *c = &ua->call;
	struct sip_dialog d = { 0 };

	if (!c->has_dialog || !c->invite || sip_dialog_matches(&c->dlg, resp) ||
	    sip_dialog_uac(&d, c->invite, resp) < 0)
		return false;
	say(ua, &d, SIP_ACK, resp->cseq, "");
	say(ua, &d, SIP_BYE, 0, ELSEWHERE);
	sip_dialog_finish(&d);
	return true;
}
