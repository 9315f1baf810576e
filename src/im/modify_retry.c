/* SPDX-License-Identifier: MIT */
/*
 * By which method a modification goes to the responder, and the few times it goes a second time: where the fault was ours
 * (MOD-15, MOD-16, MOD-28a, TIMER-5), or where we were asked to sit out a glare for the initiator (MOD-27).  The second
 * time it is the same offer, byte for byte, and so the same o= version (SDP-7); there is no third.
 */
#include "im/core.h"

/* ---- which method (MOD-13, MOD-14) ---- */

/* Where media goes and which way, or what changes with every offer. */
static bool is_address(struct span line)
{
	return span_starts(line, SPAN("o=")) || span_starts(line, SPAN("c=")) ||
	       span_starts(line, SPAN("a=path:")) || span_starts(line, SPAN("a=setup:")) ||
	       span_eq(line, SPAN("a=sendrecv")) || span_eq(line, SPAN("a=sendonly")) ||
	       span_eq(line, SPAN("a=recvonly")) || span_eq(line, SPAN("a=inactive"));
}

static struct span next_other(struct span *rest)
{
	struct span line = SPAN_EMPTY;

	while (rest->n && (line.n == 0 || is_address(line)))
		line = span_trim(span_split(rest, '\n'));
	return is_address(line) ? SPAN_EMPTY : line;
}

/* m= lines that differ in their port alone, and neither is switched off or on. */
static bool same_but_port(struct span a, struct span b)
{
	struct span port_a, port_b;

	if (!span_eq(span_split(&a, ' '), span_split(&b, ' ')))
		return false;
	port_a = span_split(&a, ' '), port_b = span_split(&b, ' ');
	return span_eq(a, b) && span_eq(port_a, SPAN("0")) == span_eq(port_b, SPAN("0"));
}

/* Nothing a person would be asked about: ports, paths and directions only. */
static bool needs_no_approval(struct span before, struct span now)
{
	while (before.n || now.n) {
		struct span a = next_other(&before), b = next_other(&now);
		if (!span_eq(a, b) && !(span_starts(a, SPAN("m=")) && same_but_port(a, b)))
			return false;
	}
	return true;
}

enum sip_method modify_method(struct session *s, const struct sdp *offer)
{
	struct leg *l = mod_initiator(s), *r = mod_responder(s);

	/* Only where this peer, on this dialog, showed that it takes it. */
	if (!sip_dialog_allows(&r->dlg, SIP_UPDATE))
		return SIP_INVITE;
	if (s->mod.in != SIP_INVITE)
		return SIP_UPDATE;
	return s->im->conf.prefer_update && offer && needs_no_approval(sdp_oa_remote(&l->oa), offer->raw)
		       ? SIP_UPDATE
		       : SIP_INVITE;
}

/* ---- once more ---- */

static void on_glare_over(struct timer *t, uint64_t now_us)
{
	struct modify *mod = container_of(t, struct modify, t_say);
	struct session *s = container_of(mod, struct session, mod);

	mod->waits = false;
	if (mod->txn && modify_send(s, mod->out, sip_stxn_request(mod->txn)->max_forwards - 1u, now_us) == 0)
		modify_arm(s, now_us);
	else
		modify_refused(s, NULL, 503, now_us);
}

/* MOD-27: the time is that of our ownership of this leg's Call-ID (RFC 3261 14.1); the lock stays ours. */
static bool absorb(struct session *s, unsigned status, uint64_t now_us)
{
	struct modify *mod = &s->mod;

	if (status != 491 || !s->im->conf.absorb_491 || mod->in != SIP_INVITE || modify_answered_early(s) ||
	    mod->retried || mod->canceled || !mod->txn || mod->stage != MOD_OUT)
		return false;
	mod->retried = mod->waits = true;
	timer_set(&s->im->wheel, &mod->t_say, now_us + leg_back_off_ms(mod_responder(s)) * US_PER_MS,
		  on_glare_over);
	return true;
}

bool modify_retry(struct session *s, const struct sip_msg *resp, unsigned status, uint64_t now_us)
{
	enum { LEAST_LEFT_MS = 5000 };
	struct modify *mod = &s->mod;
	bool no_update = mod->out == SIP_UPDATE && (status == 405 || status == 501);
	bool asks = mod->out == SIP_UPDATE && mod->in == SIP_INVITE && status == 504; /* MOD-16 */
	bool interval = resp && stimer_raise(mod_responder(s), resp);
	bool hops = status == 483 && mod->txn && sip_stxn_request(mod->txn)->max_forwards <= 70;

	if (absorb(s, status, now_us))
		return true;
	if (no_update)
		mod_responder(s)->dlg.no_update = true;
	if ((no_update || asks) && (early_alive(s) || mod_responder(s)->invite_in))
		return false; /* no re-INVITE before the 2xx (PROV-10), nor before its ACK (RFC 3261 14.1) */
	if ((!no_update && !asks && !hops && !interval) || mod->retried || mod->canceled || !mod->txn ||
	    mod->stage != MOD_OUT)
		return false;
	if (mod->in != SIP_INVITE && mod->t_guard.at_us < now_us + LEAST_LEFT_MS * US_PER_MS)
		return false;
	mod->retried = true;
	if (no_update && mod->bare && !mod->sent && modify_offer(s, NULL, now_us) < 0)
		return false;
	return modify_send(s, no_update || asks ? SIP_INVITE : mod->out,
			   hops ? 70 : sip_stxn_request(mod->txn)->max_forwards - 1u, now_us) == 0;
}
