/* SPDX-License-Identifier: MIT */
/*
 * A message: everything yielded lies inside the input, a copy says the same as the original, copying all
 * headers gives the header section, and a reply to it can be read again.
 */
#include "fuzz.h"

#include "base/addr.h"
#include "sip/body.h"
#include "sip/build.h"

static void check_inside(struct span all, struct span s)
{
	FUZZ_CHECK(s.n == 0 || (s.p >= all.p && s.p + s.n <= all.p + all.n));
}

static void check_index(const struct sip_msg *m)
{
	struct span headers = SPAN_EMPTY;

	for (unsigned i = 0; i < m->n_hdr; i++) {
		const struct sip_hdr *h = &m->hdr[i];
		check_inside(m->raw, sip_hdr_line(m, h));
		check_inside(sip_hdr_line(m, h), sip_hdr_value(m, h));
		check_inside(sip_hdr_line(m, h), sip_hdr_name(m, h));
		FUZZ_CHECK(h->next > i);
		headers.n += h->len;
	}
	for (unsigned id = 0; id < SIP_N_HEADERS; id++) {
		struct sip_iter it = { 0 };
		for (struct span v; sip_each(m, id, &it, &v);) {
			check_inside(m->raw, v);
			FUZZ_CHECK(v.n > 0);
		}
	}
	check_inside(m->raw, m->body);
	FUZZ_CHECK(headers.n <= m->raw.n);
}

static void check_same(const struct sip_msg *a, const struct sip_msg *b)
{
	const struct span pairs[][2] = {
		{ a->raw, b->raw },
		{ a->body, b->body },
		{ a->method_name, b->method_name },
		{ a->ruri, b->ruri },
		{ a->reason, b->reason },
		{ a->call_id, b->call_id },
		{ a->from, b->from },
		{ a->to, b->to },
		{ a->from_tag, b->from_tag },
		{ a->to_tag, b->to_tag },
		{ a->via.host, b->via.host },
		{ a->via.branch, b->via.branch },
		{ a->via.received, b->via.received },
		{ a->via.maddr, b->via.maddr },
	};

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		FUZZ_CHECK(span_eq(pairs[i][0], pairs[i][1]));
		check_inside(b->raw, pairs[i][1]);
	}
	FUZZ_CHECK(a->status == b->status && a->cseq == b->cseq && a->method == b->method);
	FUZZ_CHECK(a->n_hdr == b->n_hdr && !memcmp(a->hdr, b->hdr, a->n_hdr * sizeof(a->hdr[0])));
}

static void check_copies(const struct sip_msg *m)
{
	struct sip_msg *copy = sip_msg_dup(NULL, m), again;
	static char text[SIP_MSG_MAX];
	struct wbuf w = wbuf_on(text, sizeof(text));
	struct sip_hdr_set all;

	FUZZ_CHECK(copy != NULL);
	check_same(m, copy);
	FUZZ_CHECK(sip_msg_parse(&again, copy->raw, false) == 0);
	check_same(copy, &again);
	free(copy);

	/* All headers copied are the header section. */
	memset(&all, 0xff, sizeof(all));
	w_hdr_copy_set(&w, m, &all);
	const struct sip_hdr *first = &m->hdr[0], *last = &m->hdr[m->n_hdr - 1];
	FUZZ_CHECK(span_eq(w_span_of(&w),
			   (struct span){ m->raw.p + first->off, last->off + last->len - first->off }));
}

static void check_reply(const struct sip_msg *m, int status)
{
	static char text[2 * SIP_MSG_MAX];
	struct wbuf w = wbuf_on(text, sizeof(text));
	struct addr src;
	struct sip_msg reply;

	FUZZ_CHECK(addr_parse(&src, SPAN("2001:db8::7"), 5070));
	w_reply(&w, m, &src, (unsigned)status, span_of(m->fault), SPAN("tag1"));
	w_end(&w, SPAN_EMPTY, SPAN_EMPTY);
	FUZZ_CHECK(w_ok(&w));
	int r = sip_msg_parse(&reply, w_span_of(&w), true);
	if (m->fault || w.n > SIP_MSG_MAX)
		return; /* what was broken in the request may be so in its echo */
	FUZZ_CHECK(r == 0 && reply.status == status);
	FUZZ_CHECK(span_eq(reply.call_id, m->call_id) && reply.cseq == m->cseq);
	FUZZ_CHECK(span_eq(reply.via.branch, m->via.branch) && span_eq(reply.from_tag, m->from_tag));
	FUZZ_CHECK(!reply.via.received.n || span_eq(reply.via.received, SPAN("2001:db8::7")));
	FUZZ_CHECK(span_eq(reply.to_tag, m->to_tag.n ? m->to_tag : SPAN("tag1")));
}

static void check_body(const struct sip_msg *m)
{
	static char text[SIP_MSG_MAX];
	struct wbuf w = wbuf_on(text, sizeof(text));
	struct sip_body b;
	const char *fault;

	if (sip_body_parse(&b, m, &fault) != 0)
		return;
	FUZZ_CHECK(b.n <= SIP_PARTS_MAX);
	for (unsigned i = 0; i < b.n; i++) {
		check_inside(m->body, b.part[i].head);
		check_inside(m->body, b.part[i].body);
		FUZZ_CHECK(b.part[i].type.n > 0);
	}
	/* Putting the same description in changes nothing, bar a length inside. */
	w_body_with_sdp(&w, m, &b, b.sdp.p ? b.sdp : SPAN_EMPTY);
	FUZZ_CHECK(w_ok(&w));
	if (b.sdp.p && span_find(b.sdp_part->head, SPAN("ength")) == SPAN_NONE)
		FUZZ_CHECK(span_eq(w_span_of(&w), m->body));
	w = wbuf_on(text, sizeof(text));
	w_body_with_sdp(&w, m, &b, SPAN_EMPTY);
	FUZZ_CHECK(w.n <= m->body.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span raw = { (const char *)data, size };
	struct sip_msg m;

	for (int stream = 0; stream < 2; stream++) {
		int r = sip_msg_parse(&m, raw, stream);
		FUZZ_CHECK(r <= 0 || (m.answerable && m.fault));
		if (r == 0) {
			check_index(&m);
			check_copies(&m);
			check_body(&m);
		}
		if (r >= 0 && m.answerable)
			check_reply(&m, r ? r : 200);
	}
	return 0;
}
