/* SPDX-License-Identifier: MIT */
/*
 * The offer or answer of one leg made into that of the other (SDP-1..16).  Anchored, a message line becomes ours:
 * our address, our path, our setup; of the peer's attributes only those that keep their meaning across us pass
 * (SDP-3).  Lines that are not ours pass as they stand or are refused.  The o= line is written last, since its
 * version says whether anything else differs from what this leg was sent before (SDP-4, SDP-7).  Out of the media path
 * it all passes as it is: offer_pass.c.
 */
#include <stdlib.h>

#include "im/core.h"

/* Attributes of a message line that promise nothing about our own behaviour (SDP-3). */
static const struct span passed[] = {
	{ "file-selector", 13 }, { "file-transfer-id", 16 }, { "file-disposition", 16 },
	{ "file-date", 9 },      { "file-icon", 9 },         { "file-range", 10 },
	{ "label", 5 },          { "content", 7 },           { "lang", 4 }
};

static bool passes(const struct im_conf *conf, struct span name)
{
	if (span_ieq(name, SPAN("chatroom"))) /* UP-40 */
		return conf->plane.chatroom;
	for (size_t i = 0; i < ARRAY_LEN(passed); i++) {
		if (span_ieq(name, passed[i]))
			return true;
	}
	return false;
}

static void w_attr(struct wbuf *w, struct span name, struct span arg)
{
	w_str(w, "a="), w_span(w, name);
	if (arg.n)
		w_chr(w, ':'), w_span(w, arg);
	w_str(w, "\r\n");
}

/* The host of a listener as c= and o= have it: IPv6 without brackets. */
static struct span bare_host(const struct plane_at *at)
{
	struct span h = span_of(at->host);

	return h.n > 2 && h.p[0] == '[' ? span_cut(h, 1, h.n - 1) : h;
}

static void w_conn(struct wbuf *w, struct span host, bool ip6)
{
	w_str(w, ip6 ? "c=IN IP6 " : "c=IN IP4 "), w_span(w, host), w_str(w, "\r\n");
}

/* A refused or disabled line keeps its place (SDP-8, SDP-9). */
static void w_line_off(struct wbuf *w, const struct sdp_media *m)
{
	w_str(w, "m="), w_span(w, m->media), w_str(w, " 0 "), w_span(w, m->proto);
	w_chr(w, ' '), w_span(w, m->fmts), w_str(w, "\r\n");
}

static void w_lines_of_type(struct wbuf *w, const struct sdp *from, const struct sdp_media *m, char type)
{
	for (unsigned k = 0; k < m->n_lines; k++) {
		const struct sdp_line *line = &from->line[m->first + k];
		if (line->type == type)
			w_chr(w, type), w_chr(w, '='), w_span(w, line->value), w_str(w, "\r\n");
	}
}

/* A line that is not ours passes unchanged, with its own c= so that our session-level one does not catch it. */
static void w_line_foreign(struct wbuf *w, const struct sdp *from, unsigned i)
{
	const struct sdp_media *m = &from->media[i];
	struct span rest = m->text;
	bool own_c = false;

	for (unsigned k = 0; k < m->n_lines; k++)
		own_c |= from->line[m->first + k].type == 'c';
	w_span(w, (struct span){ m->text.p,
				 span_chr(rest, '\n') == SPAN_NONE ? rest.n : span_chr(rest, '\n') + 1 });
	span_split(&rest, '\n');
	if (!own_c && m->conn.given) {
		w_str(w, "c="), w_span(w, m->conn.nettype), w_chr(w, ' ');
		w_span(w, m->conn.addrtype), w_chr(w, ' '), w_span(w, m->conn.addr), w_str(w, "\r\n");
	}
	w_span(w, rest);
}

static struct span setup_for(enum sdp_kind kind, enum sdp_setup answered)
{
	if (kind == SDP_OFFER)
		return SPAN("actpass");
	return plane_setup_answer(answered) == SDP_SETUP_ACTIVE ? SPAN("active") : SPAN("passive");
}

/* min(offered, policy); what the peer left open is policy's (ACC-8). */
static void w_max_size(struct wbuf *w, const struct im_conf *conf, const struct sdp_msrp *p)
{
	uint64_t size = p->has_max_size ? p->max_size : 0;
	if (conf->max_size && (!size || size > conf->max_size))
		size = conf->max_size;
	if (!p->is_file && conf->chat_max_size && (!size || size > conf->chat_max_size))
		size = conf->chat_max_size;
	if (size)
		w_str(w, "a=max-size:"), w_u64(w, size), w_str(w, "\r\n");
}

static void w_line_message(struct wbuf *w, struct leg *l, enum sdp_kind kind, const struct sdp *from,
			   unsigned i, const struct plane_local *mine, const struct sdp_msrp *answered)
{
	const struct im_conf *conf = &l->s->im->conf;
	const struct sdp_media *m = &from->media[i];
	struct sdp_msrp p;

	sdp_msrp_of(from, i, &p);
	w_str(w, "m=message "), w_u64(w, mine->port);
	w_str(w, plane_tp_secure(mine->tp) ? " TCP/TLS/MSRP *\r\n" : " TCP/MSRP *\r\n");
	w_lines_of_type(w, from, m, 'i');
	if (!span_eq(span_of(mine->host), bare_host(plane_home(&conf->plane))))
		w_conn(w, span_of(mine->host), mine->ip6);
	w_lines_of_type(w, from, m, 'b');
	w_type_lines(w, conf, &p);
	w_max_size(w, conf, &p);
	w_attr(w, SPAN("path"), span_of(mine->path));
	w_attr(w, SPAN("setup"), setup_for(kind, answered->setup));
	if (cema_said(l, kind == SDP_ANSWER ? answered : NULL))
		w_attr(w, SPAN("msrp-cema"), SPAN_EMPTY);
	if (mine->tp == PLANE_TLS)
		w_attr(w, SPAN("fingerprint"), span_of(conf->plane.fingerprint)); /* UP-46 */
	for (unsigned k = 0; k < m->n_lines; k++) {
		const struct sdp_line *line = &from->line[m->first + k];
		if (line->type == 'a' && passes(conf, line->name))
			w_attr(w, line->name, line->arg);
	}
	if (p.dir != SDP_SENDRECV)
		w_attr(w, sdp_dir_name(p.dir), SPAN_EMPTY);
}

/* Puts v= and o= in front of everything else, which is already in the buffer behind room for them. */
static struct span finish(struct leg *l, struct wbuf *rest, const struct plane_conf *p, bool ip6)
{
	enum { HEAD = 256 };
	struct im *im = l->s->im;
	struct wbuf head = wbuf_on(im->sdp_out, HEAD);

	if (!w_ok(rest))
		return SPAN_EMPTY;
	w_str(&head, "v=0\r\no=- "), w_u64(&head, l->oa.origin_id), w_chr(&head, ' ');
	w_u64(&head, sdp_oa_version(&l->oa, span_hash(w_span_of(rest), 0)));
	w_str(&head, ip6 ? " IN IP6 " : " IN IP4 "), w_span(&head, bare_host(plane_home(p)));
	w_str(&head, "\r\n");
	if (!w_ok(&head))
		return SPAN_EMPTY;
	memmove(im->sdp_out + head.n, rest->p, rest->n);
	return (struct span){ im->sdp_out, head.n + rest->n };
}

static struct wbuf begin(struct leg *l)
{
	enum { HEAD = 256 };
	return wbuf_on(l->s->im->sdp_out + HEAD, SDP_SIZE_MAX - HEAD);
}

static bool host_is_ip6(const struct plane_conf *p)
{
	return plane_home(p)->host[0] == '[';
}

static void w_session_part(struct wbuf *w, const struct plane_conf *p, struct span times)
{
	w_str(w, "s=-\r\n");
	w_conn(w, bare_host(plane_home(p)), host_is_ip6(p));
	if (times.n) {
		w_span(w, times);
		if (times.p[times.n - 1] != '\n')
			w_str(w, "\r\n");
	} else {
		w_str(w, "t=0 0\r\n");
	}
}

struct span offer_make(struct leg *l, enum sdp_kind kind, const struct sdp *from, const struct sdp *answered,
		       uint32_t off)
{
	struct session *s = l->s;
	const struct plane_conf *pc = &s->im->conf.plane;
	struct wbuf w = begin(l);

	if (!session_anchored(s))
		return pass_make(l, from, off);
	w_session_part(&w, pc, kind == SDP_ANSWER && answered ? answered->times : SPAN_EMPTY);
	for (unsigned i = 0; i < from->n_media; i++) {
		const struct sdp_media *m = &from->media[i], *asked = m;
		struct sdp_msrp theirs = { 0 };
		struct plane_local mine = { 0 };
		struct sdp_msrp p;

		sdp_msrp_of(from, i, &p);
		if (p.is_message && s->plane)
			plane_local(s->plane, l->side, i, &mine);
		if (answered && i < answered->n_media) {
			sdp_msrp_of(answered, i, &theirs);
			asked = &answered->media[i]; /* its transport need not be that of the other leg */
		}
		if (m->port == 0 || (i < 32 && off >> i & 1))
			w_line_off(&w, asked);
		else if (p.is_message && mine.known)
			w_line_message(&w, l, kind, from, i, &mine, &theirs);
		else if (!p.is_message && s->im->conf.audio_video_pass)
			w_line_foreign(&w, from, i);
		else
			w_line_off(&w, asked);
	}
	return finish(l, &w, pc, host_is_ip6(pc));
}

/* Everything of `s` after its o= line, as it was sent. */
static struct span after_origin(struct span s)
{
	span_split(&s, '\n');
	span_split(&s, '\n');
	return s;
}

static bool is_cema(struct span line)
{
	return span_eq(span_trim(line), SPAN("a=msrp-cema"));
}

/* Lines of an SDP we sent earlier, as they were, but for a=setup: what was right in an answer is not in an offer. */
static void w_again(struct wbuf *w, struct span old, const struct sdp *answered)
{
	int i = -1;
	while (old.n) {
		struct span line = span_split(&old, '\n');
		struct sdp_msrp p = { 0 };
		i += span_starts(line, SPAN("m="));
		if (answered && i >= 0 && i < answered->n_media)
			sdp_msrp_of(answered, (unsigned)i, &p);
		if (is_cema(line) && answered && !p.cema)
			continue;
		if (!span_starts(line, SPAN("a=setup:"))) {
			w_span(w, line), w_chr(w, '\n');
			continue;
		}
		w_attr(w, SPAN("setup"), setup_for(answered ? SDP_ANSWER : SDP_OFFER, p.setup));
	}
}

static void w_section(struct wbuf *w, struct span text, struct span setup, bool cema)
{
	while (text.n) {
		struct span line = span_split(&text, '\n');
		if (span_starts(line, SPAN("a=setup:")))
			w_attr(w, SPAN("setup"), setup);
		else if (cema || !is_cema(line))
			w_span(w, line), w_chr(w, '\n');
	}
}

struct span offer_restore(struct leg *l, struct span old, const struct sdp *now)
{
	const struct plane_conf *pc = &l->s->im->conf.plane;
	struct wbuf w = begin(l);
	struct sdp *was = l->s->im->sdp[2];
	unsigned n = 0;

	if (!session_anchored(l->s))
		return pass_restore(l, old, now);
	if (sdp_parse(was, old, NULL) == 0)
		n = was->n_media;
	w_again(&w, after_origin(old), NULL);
	for (unsigned i = n; i < now->n_media; i++)
		w_line_off(&w, &now->media[i]); /* the count never falls (SDP-6) */
	return finish(l, &w, pc, host_is_ip6(pc));
}

struct span offer_again(struct leg *l, const struct sdp *offer)
{
	struct wbuf w = begin(l);

	if (!session_anchored(l->s))
		return pass_kept(l, offer);
	w_again(&w, after_origin(sdp_oa_local(&l->oa)), offer);
	return finish(l, &w, &l->s->im->conf.plane, host_is_ip6(&l->s->im->conf.plane));
}

struct span offer_same(struct leg *l)
{
	struct wbuf w = begin(l);

	if (!session_anchored(l->s))
		return pass_same(l);
	w_span(&w, after_origin(sdp_oa_local(&l->oa)));
	return finish(l, &w, &l->s->im->conf.plane, host_is_ip6(&l->s->im->conf.plane));
}

uint32_t offer_lines_off(const struct leg *l)
{
	struct span text = sdp_oa_local(&l->oa);
	uint32_t off = 0;

	for (int i = -1; text.n;) {
		struct span line = span_split(&text, '\n');
		if (!span_starts(line, SPAN("m=")) || ++i >= 32)
			continue;
		span_split(&line, ' ');
		if (span_eq(span_split(&line, ' '), SPAN("0")))
			off |= 1u << i;
	}
	return off;
}

/* Not a=msrp-cema, either: an answer has it or not as the offer had. */
static struct span media_line(struct span *rest)
{
	struct span line = span_split(rest, '\n');

	while (is_cema(line))
		line = span_split(rest, '\n');
	return line;
}

/* The m= sections alone, and of them not a=setup, which differs between offers and answers that say the same. */
bool offer_same_media(struct span a, struct span b)
{
	size_t at_a = span_find(a, SPAN("\r\nm=")), at_b = span_find(b, SPAN("\r\nm="));

	a = at_a == SPAN_NONE ? SPAN_EMPTY : span_skip(a, at_a + 2);
	b = at_b == SPAN_NONE ? SPAN_EMPTY : span_skip(b, at_b + 2);
	while (a.n || b.n) {
		struct span x = media_line(&a), y = media_line(&b);
		if (span_starts(x, SPAN("a=setup:")) && span_starts(y, SPAN("a=setup:")))
			continue;
		if (!span_eq(x, y))
			return false;
	}
	return true;
}

/* Would the other leg be told something else now than it was told last? */
bool offer_concerns(struct leg *other, const struct sdp *from)
{
	struct sdp_oa kept = other->oa; /* a text that is not sent must not use up a version (SDP-4) */
	struct span text = offer_make(other, SDP_OFFER, from, NULL, offer_lines_off(other));

	other->oa = kept;
	return text.n && !offer_same_media(text, sdp_oa_local(&other->oa));
}

struct span offer_kept(struct leg *l, const struct sdp *offer)
{
	const struct plane_conf *pc = &l->s->im->conf.plane;
	struct wbuf w = begin(l);
	struct sdp *was = l->s->im->sdp[2];

	if (!session_anchored(l->s))
		return pass_kept(l, offer);
	if (sdp_parse(was, sdp_oa_local(&l->oa), NULL) < 0)
		was->n_media = 0;
	w_session_part(&w, pc, offer->times);
	for (unsigned i = 0; i < offer->n_media; i++) {
		bool same = i < was->n_media && offer->media[i].port &&
			    span_ieq(was->media[i].media, offer->media[i].media);
		struct sdp_msrp p;
		if (same) {
			sdp_msrp_of(offer, i, &p);
			w_section(&w, was->media[i].text, setup_for(SDP_ANSWER, p.setup), p.cema);
		} else {
			w_line_off(&w, &offer->media[i]);
		}
	}
	return finish(l, &w, pc, host_is_ip6(pc));
}

int offer_was_sent(struct leg *l, uint64_t origin_id, struct span text)
{
	sdp_oa_init(&l->oa, origin_id, 1);
	if (session_anchored(l->s))
		sdp_oa_version(&l->oa, span_hash(after_origin(text), 0));
	else
		pass_was_sent(l, text);
	return sdp_oa_offer_out(&l->oa, text);
}

struct span offer_refuse_all(struct leg *l, const struct sdp *offer)
{
	const struct plane_conf *pc = &l->s->im->conf.plane;
	struct wbuf w = begin(l);

	if (!session_anchored(l->s))
		return pass_refuse_all(l, offer);
	w_session_part(&w, pc, offer->times);
	for (unsigned i = 0; i < offer->n_media; i++)
		w_line_off(&w, &offer->media[i]);
	return finish(l, &w, pc, host_is_ip6(pc));
}
