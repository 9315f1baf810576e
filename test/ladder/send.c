/* SPDX-License-Identifier: MIT */
/* "T peer > as WHAT ...": the puppet says it. */
#include <stdio.h>
#include <stdlib.h>

#include "run.h"

enum { EDITS = SUBS_MAX };

static bool upper(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 'A' || s.p[i] > 'Z')
			return false;
	return s.n > 0;
}

/* "| Name: value" sets, "| +Name: value" adds, "| -Name" removes. */
static unsigned edits(struct run *r, const struct line *l, struct pup_edit *e, char (*room)[1024])
{
	unsigned n = 0;
	for (unsigned i = 0; i < l->n_sub && n < EDITS; i++) {
		struct span s = pattern_fill(&r->v, l->sub[i], room[i], sizeof(room[i]));
		e[n].op = s.n && (s.p[0] == '+' || s.p[0] == '-') ? s.p[0] : '=';
		if (e[n].op != '=')
			s = span_skip(s, 1);
		e[n].name = span_trim(span_split(&s, ':'));
		e[n++].value = span_trim(s);
	}
	return n;
}

/* The body by sdp= or body=; false: a word is wrong. */
static bool body(struct run *r, const struct line *l, struct pup_dialog *d, struct wbuf *w)
{
	struct span sdp = line_attr(l, "sdp"), text = line_attr(l, "body");
	if (sdp.n && sdp.p[0] == '@') {
		for (unsigned i = 0; i < r->s.n; i++) {
			const struct line *b = &r->s.line[i];
			if (b->kind != K_SDP || !span_eq(b->what, span_skip(sdp, 1)))
				continue;
			char room[1024];
			for (unsigned k = 0; k < b->n_sub; k++)
				w_span(w, pattern_fill(&r->v, b->sub[k], room, sizeof(room))),
					w_str(w, "\r\n");
			return true;
		}
		return run_fail(r, "no such sdp block");
	}
	if (sdp.p) {
		char words[600], bad[64];
		bool answer = span_starts(sdp, SPAN("answer"));
		pattern_fill(&r->v, sdp, words, sizeof(words));
		snprintf(words, sizeof(words), "%" SPAN_FMT, SPAN_ARG(sdp));
		if (answer)
			psdp_answer_to(&d->sdp, span_of(d->far_sdp));
		if (!psdp_apply(&d->sdp, words, bad))
			return run_fail(r, "sdp= word unknown: %s", bad);
		psdp_write(&d->sdp, w, !answer);
	}
	for (size_t i = 0; i < text.n; i++) { /* \n is a line end, CRLF on the wire */
		if (text.p[i] == '\\' && i + 1 < text.n && text.p[i + 1] == 'n')
			w_str(w, "\r\n"), i++;
		else if (text.p[i] == '\\' && i + 1 < text.n && text.p[i + 1] == '"')
			w_chr(w, '"'), i++;
		else
			w_chr(w, text.p[i]);
	}
	return true;
}

static void deliver(struct run *r, struct peer *p, const struct sip_src *src, struct span bytes)
{
	struct wire m;
	char got[300];
	bool again = line_attr(&r->s.line[r->at], "again").p != NULL;
	if (wire_read(&m, bytes)) {
		if (r->verbose)
			fprintf(stderr, "---- %s > as\n%.*s\n", p->p.name, (int)bytes.n, bytes.p);
		arrows_sip(r, p, true, &m, again);
	}
	snprintf(got, sizeof(got), "%" SPAN_FMT, SPAN_ARG(r->s.line[r->at].text));
	row_add(r, got, got, false);
	free(r->said);
	r->said = span_dup(bytes);
	r->said_n = bytes.n;
	if (r->modes)
		modes_said(r->modes, p, bytes, r->w.now_us);
	world_sip_in(&r->w, src, bytes);
}

static struct sip_src source(struct run *r, const struct line *l, struct peer *p)
{
	struct span from = line_attr(l, "from"), tp = line_attr(l, "tp");
	struct sip_src src = { .tp = SIP_UDP, .ip = p->p.addr };
	if (from.p && !addr_parse_port(&src.ip, from))
		run_fail(r, "bad from=");
	if (tp.p ? !span_eq(tp, SPAN("udp")) : p->tp != SIP_UDP) {
		src.tp = tp.p ? conf_transport(tp) : p->tp;
		src.conn = CONN_OF_PEER + (uint64_t)(p - r->peer);
	}
	return src;
}

static bool send_raw(struct run *r, const struct line *l, struct peer *p)
{
	char text[PUP_MSG_MAX], room[2048];
	struct wbuf w = wbuf_on(text, sizeof(text));
	for (unsigned i = 0; i < l->n_sub; i++)
		w_span(&w, pattern_fill(&r->v, l->sub[i], room, sizeof(room))), w_str(&w, "\r\n");
	struct sip_src src = source(r, l, p);
	deliver(r, p, &src, w_span_of(&w));
	return true;
}

static bool again(struct run *r, const struct line *l, struct peer *p, struct pup_dialog *d,
		  const char *method)
{
	char what[64];
	if (l->status && *method)
		snprintf(what, sizeof(what), "%u %s", l->status, method);
	else
		snprintf(what, sizeof(what), "%" SPAN_FMT, SPAN_ARG(l->what));
	struct pup_kept *k = pup_last_sent(d, what);
	if (k == NULL)
		return run_fail(r, "%s was not sent yet", what);
	struct sip_src src = source(r, l, p);
	deliver(r, p, &src, (struct span){ k->raw, k->n });
	return true;
}

static bool creates(const char *method)
{
	return strcmp(method, "INVITE") == 0 || strcmp(method, "MESSAGE") == 0 ||
	       strcmp(method, "SUBSCRIBE") == 0 || strcmp(method, "OPTIONS") == 0 ||
	       strcmp(method, "REGISTER") == 0 || strcmp(method, "PUBLISH") == 0;
}

/* Words without '=': a URI is the Request-URI, a METHOD says which request a status answers. */
static void bare_words(const struct line *l, struct span *ruri, char method[32])
{
	for (unsigned i = 0; i < l->n_attr; i++) {
		struct span k = l->attr[i].key;
		if (l->attr[i].value.p)
			continue;
		if (upper(k) && l->status)
			snprintf(method, 32, "%" SPAN_FMT, SPAN_ARG(k));
		else if (span_chr(k, ':') != SPAN_NONE)
			*ruri = k;
	}
}

static bool send_built(struct run *r, const struct line *l, struct peer *p, struct pup_dialog *d,
		       struct pup_opts *o, char *method, char *out)
{
	const char *why = "cannot be built";
	struct span bytes, tag = line_attr(l, "tag"), mine = line_attr(l, "mytag");
	struct sip_src src = source(r, l, p);
	char to_tag[64], from_tag[64];
	if (tag.p) {
		struct span s = pattern_fill(&r->v, tag, to_tag, sizeof(to_tag) - 1);
		to_tag[s.n] = 0;
		o->to_tag = to_tag;
	}
	if (mine.p) {
		snprintf(from_tag, sizeof(from_tag), "%" SPAN_FMT, SPAN_ARG(mine));
		o->from_tag = from_tag;
	}
	if (l->status) {
		if (tag.p) {
			if (l->status >= 200 && l->status < 300)
				snprintf(d->local_tag, sizeof(d->local_tag), "%s", to_tag);
		}
		bytes = pup_response(&p->p, d, method, l->status, o, out, &src, &why);
	} else {
		snprintf(method, 32, "%" SPAN_FMT, SPAN_ARG(l->what));
		o->initial = creates(method) && d->remote_tag[0] == 0;
		o->tp = sip_transport_name(src.tp);
		bytes = pup_request(&p->p, d, method, o, out, &why);
	}
	o->to_tag = o->from_tag = NULL; /* they were ours */
	if (bytes.n == 0)
		return run_fail(r, "%s", why);
	deliver(r, p, &src, bytes);
	return true;
}

bool send_line(struct run *r, const struct line *l)
{
	static char room[EDITS][1024], out[PUP_MSG_MAX];
	static char text[PUP_MSG_MAX];
	struct pup_edit e[EDITS];
	struct peer *p = run_peer(r, l->peer);
	char method[32] = "", reason[128], filled[600];
	if (p == NULL)
		return run_fail(r, "no such peer");
	if (span_eq(l->what, SPAN("raw")))
		return send_raw(r, l, p);
	struct pup_dialog *d = run_dialog(p, line_attr(l, "dlg"), true);
	struct pup_opts o = { .edit = e,
			      .cseq = (uint32_t)wire_u64(line_attr(l, "cseq")),
			      .rseq = (uint32_t)wire_u64(line_attr(l, "rseq")) };
	if (d == NULL)
		return run_fail(r, "too many dialogs");
	bare_words(l, &o.ruri, method);
	o.ruri = pattern_fill(&r->v, o.ruri, filled, sizeof(filled));
	if (line_attr(l, "again").p)
		return again(r, l, p, d, method);
	o.n_edit = edits(r, l, e, room);
	struct span phrase = line_attr(l, "reason");
	if (phrase.p) {
		snprintf(reason, sizeof(reason), "%" SPAN_FMT, SPAN_ARG(phrase));
		o.reason = reason;
	}
	struct wbuf w = wbuf_on(text, sizeof(text));
	if (!body(r, l, d, &w))
		return false;
	o.body = w_span_of(&w);
	o.ctype = line_attr(l, "ctype");
	return send_built(r, l, p, d, &o, method, out);
}
