/* SPDX-License-Identifier: MIT */
/*
 * Descriptions in a session out of the media path (SDP-2, MODE-1): what one peer says reaches the other byte for byte,
 * paths, c= and attributes nobody here knows included (SDP-3, UP-31), and no MSRP object exists (UPA-24).
 *
 * What is hard is the version in o=.  It is the peer's, and its next one follows upon what *it* sent; so once something
 * of it was kept back here (a refusal, MOD-2), or something was said on a leg that its other peer never said (MOD-30,
 * MOD-44), the number it gives next would jump, or name two different texts.  From then on the number alone is ours on
 * that leg, one more than last sent whenever the content differs; everything else still passes.  With im.own_origin the
 * whole o= line is ours from the start, as it must be where several forks speak in one dialog (PROV-2).
 */
#include "im/core.h"

/* Is the o= line ours, whoever describes his media below it? */
static bool own_origin(const struct session *s)
{
	return s->im->conf.own_origin || s->im->conf.single_early_dialog;
}

/* The first two lines, and what follows: a text was parsed, so v= and o= are where they belong. */
struct parts {
	struct span version_line, origin,
		end; /* v= with its line end; the value of o=; the end of its line */
	struct span rest;
};

static void split(struct span text, struct parts *p)
{
	struct span rest = text, line;

	span_split(&rest, '\n');
	p->version_line = span_range(text.p, rest.p);
	line = span_split(&rest, '\n');
	p->origin = span_trim(span_skip(line, 2));
	p->end = span_range(p->origin.p + p->origin.n, rest.p);
	p->rest = rest;
}

/* An o= value with another version. */
static void w_renumbered(struct wbuf *w, struct span origin, uint64_t version)
{
	w_span(w, span_split(&origin, ' ')), w_chr(w, ' ');
	w_span(w, span_split(&origin, ' ')), w_chr(w, ' ');
	span_split(&origin, ' ');
	w_u64(w, version), w_chr(w, ' '), w_span(w, origin);
}

static void w_own_origin(struct wbuf *w, const struct leg *l, uint64_t version)
{
	struct span host = span_of(l->s->im->conf.listen[0].host); /* the same throughout a dialog (SDP-5) */
	bool ip6 = host.n > 2 && host.p[0] == '[';

	if (ip6)
		host = span_cut(host, 1, host.n - 1);
	w_str(w, "- "), w_u64(w, l->oa.origin_id), w_chr(w, ' '), w_u64(w, version);
	w_str(w, ip6 ? " IN IP6 " : " IN IP4 "), w_span(w, host);
}

/* Room for the first two lines, which are written last. */
enum { HEAD = SDP_OUT_MAX - SDP_SIZE_MAX };

static struct wbuf begin(struct leg *l)
{
	return wbuf_on(l->s->im->sdp_out + HEAD, SDP_OUT_MAX - HEAD);
}

/* Our origin where it is to be ours, or where there is none to go by. */
static struct span finish(struct leg *l, struct span by, uint64_t version, const struct wbuf *rest)
{
	struct im *im = l->s->im;
	struct wbuf head = wbuf_on(im->sdp_out, HEAD);
	struct parts p;

	if (by.n)
		split(by, &p);
	if (by.n && !own_origin(l->s)) {
		w_span(&head, p.version_line), w_str(&head, "o=");
		w_renumbered(&head, p.origin, version);
		w_span(&head, p.end);
	} else {
		w_str(&head, "v=0\r\no="), w_own_origin(&head, l, version), w_str(&head, "\r\n");
	}
	if (!w_ok(&head) || !w_ok(rest))
		return SPAN_EMPTY;
	memmove(im->sdp_out + head.n, rest->p, rest->n);
	return (struct span){ im->sdp_out, head.n + rest->n };
}

/* What was said on this leg last is what a text of our own goes by; its version, if it differs, is a new one. */
static struct span finish_ours(struct leg *l, const struct wbuf *rest)
{
	uint64_t version = sdp_oa_version_ours(&l->oa, span_hash(w_span_of(rest), 0));
	return finish(l, sdp_oa_local(&l->oa), version, rest);
}

/* "m=message 2855 TCP/MSRP *" with port 0; the attributes of a line that is off do not matter (RFC 3264 8.2). */
static void w_off(struct wbuf *w, const struct sdp_media *m)
{
	w_str(w, "m="), w_span(w, m->media), w_str(w, " 0 "), w_span(w, m->proto);
	w_chr(w, ' '), w_span(w, m->fmts), w_str(w, "\r\n");
}

struct span pass_make(struct leg *l, const struct sdp *from, uint32_t off)
{
	struct wbuf w = begin(l);
	struct parts p;
	uint64_t hash;

	split(from->raw, &p);
	if (!off || !from->n_media) {
		w_span(&w, p.rest);
	} else {
		w_span(&w, span_range(p.rest.p, from->media[0].text.p));
		for (unsigned i = 0; i < from->n_media; i++) {
			if (off >> i & 1 && from->media[i].port)
				w_off(&w, &from->media[i]);
			else
				w_span(&w, from->media[i].text);
		}
	}
	hash = span_hash(w_span_of(&w), 0);
	return finish(l, from->raw,
		      own_origin(l->s) ? sdp_oa_version(&l->oa, hash)
				       : sdp_oa_version_passed(&l->oa, from->origin.version, hash),
		      &w);
}

static struct span after_origin(struct span text)
{
	struct parts p;

	if (!text.n)
		return SPAN_EMPTY;
	split(text, &p);
	return p.rest;
}

struct span pass_restore(struct leg *l, struct span old, const struct sdp *now)
{
	struct wbuf w = begin(l);
	struct sdp *was = l->s->im->sdp[2];
	unsigned n = sdp_parse(was, old, NULL) == 0 ? was->n_media : 0;

	w_span(&w, after_origin(old));
	for (unsigned i = n; i < now->n_media; i++)
		w_off(&w, &now->media[i]); /* the count never falls (SDP-6) */
	return finish_ours(l, &w);
}

struct span pass_same(struct leg *l)
{
	struct wbuf w = begin(l);

	w_span(&w, after_origin(sdp_oa_local(&l->oa)));
	return finish_ours(l, &w);
}

/* What the far peer said, as it stands; but where it said it in an offer, its actpass is no answer (RFC 4145 4.1). */
static void w_answering(struct wbuf *w, struct span text, enum sdp_setup offered)
{
	while (text.n) {
		struct span line = span_split(&text, '\n');
		if (!span_starts(line, SPAN("a=setup:actpass"))) {
			w_span(w, line), w_chr(w, '\n');
			continue;
		}
		w_str(w, plane_setup_answer(offered) == SDP_SETUP_ACTIVE ? "a=setup:active\r\n"
									 : "a=setup:passive\r\n");
	}
}

static enum sdp_setup setup_of(const struct sdp *sdp, unsigned i)
{
	struct sdp_msrp p;

	if (i >= sdp->n_media)
		return SDP_SETUP_NONE;
	sdp_msrp_of(sdp, i, &p);
	return p.setup;
}

struct span pass_kept(struct leg *l, const struct sdp *offer)
{
	struct wbuf w = begin(l);
	struct sdp *was = l->s->im->sdp[2];

	if (sdp_parse(was, sdp_oa_local(&l->oa), NULL) < 0)
		return pass_refuse_all(l, offer);
	w_answering(&w,
		    span_range(after_origin(was->raw).p,
			       was->n_media ? was->media[0].text.p : was->raw.p + was->raw.n),
		    setup_of(offer, 0));
	for (unsigned i = 0; i < offer->n_media; i++) {
		if (i < was->n_media && (offer->media[i].port || !was->media[i].port) &&
		    span_ieq(was->media[i].media, offer->media[i].media))
			w_answering(&w, was->media[i].text, setup_of(offer, i));
		else
			w_off(&w, &offer->media[i]);
	}
	return finish_ours(l, &w);
}

struct span pass_refuse_all(struct leg *l, const struct sdp *offer)
{
	struct wbuf w = begin(l);

	w_str(&w, "s=-\r\n"), w_span(&w, offer->times);
	if (offer->times.n && offer->times.p[offer->times.n - 1] != '\n')
		w_str(&w, "\r\n");
	for (unsigned i = 0; i < offer->n_media; i++)
		w_off(&w, &offer->media[i]);
	return finish_ours(l, &w);
}

void pass_was_sent(struct leg *l, struct span text)
{
	struct sdp *sdp = l->s->im->sdp[3];

	if (!own_origin(l->s) && sdp_parse(sdp, text, NULL) == 0)
		sdp_oa_version_passed(&l->oa, sdp->origin.version, span_hash(after_origin(text), 0));
	else
		sdp_oa_version(&l->oa, span_hash(after_origin(text), 0));
}

void pass_not(struct leg *l, const struct sdp *said)
{
	struct sdp_oa *oa = &leg_other(l)->oa;

	if (!session_anchored(l->s) && oa->sent_any && (!said || said->origin.version != oa->version))
		oa->numbered = true;
}
