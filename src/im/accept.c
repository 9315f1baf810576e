/* SPDX-License-Identifier: MIT */
/*
 * Are these Media Parameters acceptable to the server?  Step 1 of the change request: judged before anything is made
 * anew on the other leg, refused with 488 and a Warning that names the line.
 *
 * Here is the body as a whole and which of its lines are judged at all; the rules for one line are in accept_line.c.
 * What is hard is what is *not* judged: a line unchanged since the last commit was accepted once and stays so (ACC-1),
 * whatever policy says today, and a disabled line has nothing to judge.
 */
#include "im/accept_int.h"

static bool refuse(struct accept_judge *j, unsigned warning, const char *what)
{
	*j->out = (struct verdict){ .status = 488, .warning = warning };
	struct wbuf w = wbuf_on(j->out->text, sizeof(j->out->text) - 1);
	w_str(&w, what);
	j->out->text[w.n] = '\0';
	return false;
}

bool accept_refuse_line(struct accept_judge *j, unsigned i, unsigned warning, const char *what)
{
	*j->out = (struct verdict){ .status = 488, .warning = warning };
	struct wbuf w = wbuf_on(j->out->text, sizeof(j->out->text) - 1);
	w_str(&w, "m="), w_u64(&w, i + 1), w_str(&w, ": "), w_str(&w, what);
	j->out->text[w.n] = '\0';
	return false;
}

/* ---- what was there before ---- */

bool accept_was_active(const struct accept_judge *j, unsigned i)
{
	const struct sdp *b = j->before, *m = j->mine;

	return b && i < b->n_media && b->media[i].port && (!m || i >= m->n_media || m->media[i].port);
}

static bool same_conn(const struct sdp_conn *a, const struct sdp_conn *b)
{
	return a->given == b->given && span_ieq(a->nettype, b->nettype) &&
	       span_ieq(a->addrtype, b->addrtype) && span_ieq(a->addr, b->addr);
}

static bool same_attr(const struct sdp *a, const struct sdp *b, unsigned i, struct span name)
{
	const struct sdp_line *x = sdp_attr_any(a, (int)i, name), *y = sdp_attr_any(b, (int)i, name);

	return x && y ? span_eq(x->arg, y->arg) : x == y;
}

/* The fingerprints of a line that has none itself are the session's, and may be several (RFC 8122 5). */
static bool same_prints(const struct accept_judge *j, unsigned i)
{
	enum sdp_hash weakest = plane_weakest(&j->conf->plane);
	struct sdp_prints a, b;

	if (!sdp_attr(j->sdp, -1, SPAN("fingerprint")) && !sdp_attr(j->before, -1, SPAN("fingerprint")))
		return true;
	sdp_prints_of(j->before, i, weakest, &a);
	sdp_prints_of(j->sdp, i, weakest, &b);
	return sdp_same_prints(&a, &b);
}

/* The same section, and the same session-level values where those stand in (SDP-13). */
static bool unchanged(const struct accept_judge *j, unsigned i)
{
	const struct sdp *a = j->before, *b = j->sdp;

	return accept_was_active(j, i) && span_eq(span_trim(a->media[i].text), span_trim(b->media[i].text)) &&
	       same_conn(&a->media[i].conn, &b->media[i].conn) &&
	       sdp_direction(a, (int)i) == sdp_direction(b, (int)i) && same_attr(a, b, i, SPAN("setup")) &&
	       same_prints(j, i);
}

/* ACC-3 */
static bool judge_other_line(struct accept_judge *j, unsigned i)
{
	if (j->class == IM_CLASS_LARGE_MESSAGE && j->before)
		return accept_refuse_line(j, i, 399, "no other media in a large-message session");
	if (!j->conf->audio_video_pass)
		return accept_refuse_line(j, i, 304, "media type is not accepted");
	return true;
}

/* ---- the body as a whole ---- */

/* SDP-5: lenient by default, some clients restart their numbers. */
static bool judge_origin(struct accept_judge *j)
{
	if (!j->before || !j->conf->strict_origin)
		return true;
	if (!sdp_same_origin(j->before, j->sdp))
		return refuse(j, 399, "o= is not that of this session");
	if (j->sdp->origin.version < j->before->origin.version)
		return refuse(j, 399, "version of o= went back");
	return true;
}

/* SDP-6, SDP-9: the count never falls; what is in use keeps its kind; a disabled slot may become anything. */
static bool judge_slots(struct accept_judge *j)
{
	unsigned n = j->before ? j->before->n_media : 0;

	if (j->mine && j->mine->n_media > n)
		n = j->mine->n_media;
	if (j->sdp->n_media < n)
		return refuse(j, 399, "fewer m= lines than before");
	for (unsigned i = 0; i < n; i++)
		if (accept_was_active(j, i) && j->sdp->media[i].port &&
		    !span_ieq(j->before->media[i].media, j->sdp->media[i].media))
			return accept_refuse_line(j, i, 399, "media type of an active line changed");
	return true;
}

/* Lines that go on count first, so that a new one cannot push them out. */
static void count_going_on(struct accept_judge *j)
{
	for (unsigned i = 0; i < j->sdp->n_media; i++) {
		if (!j->sdp->media[i].port || !accept_was_active(j, i) ||
		    !span_ieq(j->sdp->media[i].media, SPAN("message")))
			continue;
		j->n_streams++;
		if (!sdp_attr(j->sdp, (int)i, SPAN("file-selector")) &&
		    !sdp_attr(j->sdp, (int)i, SPAN("file-transfer-id")))
			j->n_chats++;
	}
}

static bool judge_line(struct accept_judge *j, unsigned i)
{
	struct accept_line l = { .i = i };

	if (!j->sdp->media[i].port || unchanged(j, i))
		return true;
	sdp_msrp_of(j->sdp, i, &l.now);
	return l.now.is_message ? accept_message_line(j, &l) : judge_other_line(j, i);
}

/* Not an instant-messaging session at all: passed as it is, or refused whole, by policy (CLASS-10). */
static void judge_not_im(struct accept_judge *j)
{
	if (!j->before && j->conf->not_im_reject)
		refuse(j, 304, "not an instant messaging session");
}

void accept_offer(const struct im_conf *conf, enum im_class class, bool safe, const struct sdp *before,
		  const struct sdp *mine, const struct sdp *offer, struct verdict *out)
{
	struct accept_judge j = { .conf = conf,
				  .class = class,
				  .safe = safe,
				  .before = before,
				  .mine = mine,
				  .sdp = offer,
				  .out = out };
	struct verdict first = { 0 };
	uint32_t off = 0;
	bool left = false; /* some line goes on */

	*out = (struct verdict){ 0 };
	if (!judge_origin(&j) || !judge_slots(&j))
		return;
	if (class == IM_CLASS_NOT_IM) {
		judge_not_im(&j);
		return;
	}
	count_going_on(&j);
	for (unsigned i = 0; i < offer->n_media; i++) {
		if (judge_line(&j, i)) {
			left |= offer->media[i].port != 0;
			continue;
		}
		if (!conf->partial)
			return;
		if (!off)
			first = *out;
		off |= 1u << i;
	}
	*out = off && !left ? first : (struct verdict){ .off = off };
}

/* ---- answers ---- */

/* SDP-6, SDP-8: every line answered in its place, none woken that we offered as disabled. */
static bool judge_answer_shape(struct accept_judge *j)
{
	const struct sdp *offer = j->mine, *answer = j->sdp;

	if (answer->n_media != offer->n_media)
		return refuse(j, 399, "answer has not the m= lines of the offer");
	for (unsigned i = 0; i < answer->n_media; i++) {
		const struct sdp_media *o = &offer->media[i], *a = &answer->media[i];
		if (!span_ieq(o->media, a->media))
			return accept_refuse_line(j, i, 399, "answer has another media type");
		if (!o->port && a->port)
			return accept_refuse_line(j, i, 399, "answer takes a line that was not offered");
		if (a->port && !span_ieq(o->proto, a->proto))
			return accept_refuse_line(j, i, 302, "answer has another transport");
	}
	return true;
}

void accept_answer(const struct im_conf *conf, enum im_class class, bool safe, const struct sdp *before,
		   const struct sdp *offer_sent, const struct sdp *answer, struct verdict *out)
{
	struct accept_judge j = { .conf = conf,
				  .class = class,
				  .safe = safe,
				  .before = before,
				  .mine = offer_sent,
				  .sdp = answer,
				  .answer = true,
				  .out = out };

	*out = (struct verdict){ 0 };
	if (!judge_origin(&j) || !judge_answer_shape(&j) || class == IM_CLASS_NOT_IM)
		return;
	for (unsigned i = 0; i < answer->n_media; i++) {
		struct accept_line l = { .i = i };
		sdp_msrp_of(answer, i, &l.now);
		if (!l.now.active || !l.now.is_message || unchanged(&j, i))
			continue; /* other media were judged when we passed their offer on */
		if (!accept_message_line(&j, &l))
			return;
	}
}
