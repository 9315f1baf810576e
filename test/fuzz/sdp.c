/* SPDX-License-Identifier: MIT */
/*
 * Session descriptions.  What parses can be printed from its index and is then the same description; all pieces lie
 * inside the text; the sections joined are the text; every bound holds.  What does not parse names a line and status.
 */
#include "fuzz.h"

#include "base/wbuf.h"
#include "sdp/sdp.h"

static void check_inside(struct span all, struct span s)
{
	FUZZ_CHECK(s.n == 0 || (s.p >= all.p && s.p + s.n <= all.p + all.n));
}

static void w_line(struct wbuf *w, const struct sdp_line *l)
{
	w_chr(w, l->type), w_chr(w, '='), w_span(w, l->value), w_str(w, "\r\n");
}

static void w_sdp(struct wbuf *w, const struct sdp *s)
{
	for (unsigned i = 0; i < s->n_session_lines; i++)
		w_line(w, &s->line[i]);
	for (unsigned i = 0; i < s->n_media; i++) {
		const struct sdp_media *m = &s->media[i];
		struct span rest = m->text;
		w_span(w, span_trim(span_split(&rest, '\n'))), w_str(w, "\r\n");
		for (unsigned k = 0; k < m->n_lines; k++)
			w_line(w, &s->line[m->first + k]);
	}
}

static void check_bounds(const struct sdp *s)
{
	unsigned lines = s->n_session_lines;
	const char *at = NULL;

	FUZZ_CHECK(s->n_media <= SDP_MEDIA_MAX && s->n_lines <= SDP_LINES_MAX && s->raw.n <= SDP_SIZE_MAX);
	check_inside(s->raw, s->name);
	check_inside(s->raw, s->times);
	FUZZ_CHECK(s->origin.addr.n && s->times.n);
	for (unsigned i = 0; i < s->n_media; i++) {
		const struct sdp_media *m = &s->media[i];
		check_inside(s->raw, m->text);
		FUZZ_CHECK(!at || at == m->text.p);
		at = m->text.p + m->text.n;
		FUZZ_CHECK(m->first == lines);
		lines += m->n_lines;
		FUZZ_CHECK(m->media.n && m->proto.n && m->fmts.n && m->n_ports &&
			   (!m->port || m->conn.given));
	}
	FUZZ_CHECK(lines == s->n_lines);
	FUZZ_CHECK(!at || span_trim(span_range(at, s->raw.p + s->raw.n)).n == 0);
	for (unsigned i = 0; i < s->n_lines; i++) {
		check_inside(s->raw, s->line[i].value);
		check_inside(s->raw, s->line[i].name);
		check_inside(s->raw, s->line[i].arg);
		FUZZ_CHECK(s->line[i].value.n <= SDP_LINE_MAX);
		FUZZ_CHECK((s->line[i].type == 'a') == (s->line[i].name.n > 0));
	}
}

static void check_msrp(const struct sdp *s, unsigned i)
{
	struct sdp_msrp m;
	struct sdp_file f;

	sdp_msrp_of(s, i, &m);
	const struct span pieces[] = {
		m.path,        m.first_uri,     m.last_uri,        m.accept_types, m.accept_wrapped_types,
		m.fingerprint, m.file_selector, m.file_transfer_id
	};
	for (size_t k = 0; k < ARRAY_LEN(pieces); k++)
		check_inside(s->raw, pieces[k]);
	FUZZ_CHECK(!m.is_message || m.n_path <= 1);
	FUZZ_CHECK(m.active == (s->media[i].port != 0));
	if (sdp_file_selector(m.file_selector, &f) == 0) {
		check_inside(s->raw, f.name);
		check_inside(s->raw, f.type);
		check_inside(s->raw, f.hash);
	}
	if (m.first_uri.n && m.is_message)
		sdp_type_accepted(m.accept_types, m.first_uri);
}

static void check_oa(struct span text)
{
	struct sdp_oa oa;

	sdp_oa_init(&oa, 1, 1);
	FUZZ_CHECK(sdp_oa_offer_in(&oa, text) == 0 && sdp_oa_answer_out(&oa, SPAN("answer")) == 0);
	FUZZ_CHECK(span_eq(sdp_oa_remote(&oa), text) && span_eq(sdp_oa_local(&oa), SPAN("answer")));
	FUZZ_CHECK(sdp_oa_offer_out(&oa, text) == 0 && sdp_oa_answer_in(&oa, text) == 0);
	FUZZ_CHECK(span_eq(sdp_oa_local(&oa), text));
	sdp_oa_finish(&oa);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sdp s, again;
	static char text[2 * SDP_SIZE_MAX]; /* bare LF grow to CRLF */
	struct sdp_fault f = { 0 };
	struct wbuf w = wbuf_on(text, sizeof(text));

	if (sdp_parse(&s, (struct span){ (const char *)data, size }, &f) < 0) {
		FUZZ_CHECK(f.line && f.what && (f.status == 400 || f.status == 413 || f.status == 488));
		return 0;
	}
	check_bounds(&s);
	for (unsigned i = 0; i < s.n_media; i++)
		check_msrp(&s, i);
	w_sdp(&w, &s);
	FUZZ_CHECK(w_ok(&w));
	int r = sdp_parse(&again, w_span_of(&w), &f);
	if (w.n <= SDP_SIZE_MAX) {
		FUZZ_CHECK(r == 0);
		FUZZ_CHECK(sdp_same_content(&s, &again) && sdp_same_origin(&s, &again));
		FUZZ_CHECK(s.origin.version == again.origin.version);
	}
	check_oa(s.raw);
	return 0;
}
