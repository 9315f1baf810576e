/* SPDX-License-Identifier: MIT */
/* Via values: pieces lie inside, and a value written from what was read is read as the same. */
#include "fuzz.h"

#include "base/wbuf.h"
#include "sip/uri.h"

static void check_inside(struct span all, struct span s)
{
	FUZZ_CHECK(s.n == 0 || (s.p >= all.p && s.p + s.n <= all.p + all.n));
}

static void w_via(struct wbuf *w, const struct sip_via *v)
{
	w_str(w, "SIP/2.0/");
	w_span(w, v->tp_name);
	w_chr(w, ' ');
	w_span(w, v->host);
	if (v->port)
		w_fmt(w, ":%u", v->port);
	if (v->branch.n)
		w_str(w, ";branch="), w_span(w, v->branch);
	if (v->received.n)
		w_str(w, ";received="), w_span(w, v->received);
	if (v->maddr.n)
		w_str(w, ";maddr="), w_span(w, v->maddr);
	if (v->has_rport)
		w_str(w, ";rport");
	if (v->rport)
		w_fmt(w, "=%u", v->rport);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span s = { (const char *)data, size };
	struct sip_via v, again;
	static char text[8192];
	struct wbuf w = wbuf_on(text, sizeof(text));

	int r = sip_via_parse(&v, s);
	check_inside(s, v.host);
	check_inside(s, v.branch);
	check_inside(s, v.received);
	check_inside(s, v.maddr);
	if (r < 0)
		return 0;
	w_via(&w, &v);
	if (!w_ok(&w))
		return 0;
	FUZZ_CHECK(sip_via_parse(&again, w_span_of(&w)) == 0);
	FUZZ_CHECK(again.tp == v.tp && again.port == v.port && span_eq(again.host, v.host));
	FUZZ_CHECK(span_eq(again.branch, v.branch) && span_eq(again.received, v.received));
	FUZZ_CHECK(span_eq(again.maddr, v.maddr));
	FUZZ_CHECK(again.has_rport == v.has_rport && again.rport == v.rport);
	return 0;
}
