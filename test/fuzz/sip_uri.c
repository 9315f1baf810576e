/* SPDX-License-Identifier: MIT */
/* URIs and name-addrs: pieces lie inside; every URI equals itself, and equality works both ways. */
#include "fuzz.h"

#include "sip/uri.h"

static void check_inside(struct span all, struct span s)
{
	FUZZ_CHECK(s.n == 0 || (s.p >= all.p && s.p + s.n <= all.p + all.n));
}

static void check_params(struct span params)
{
	struct span rest = params, name, value, again;

	while (sip_param_next(&rest, &name, &value)) {
		check_inside(params, name);
		check_inside(params, value);
		FUZZ_CHECK(name.n > 0 && sip_param(params, name, &again));
	}
}

static void check_uri(struct span s)
{
	struct sip_uri u;
	static char text[8192];
	struct wbuf w = wbuf_on(text, sizeof(text));

	if (sip_uri_parse(&u, s) < 0) {
		FUZZ_CHECK(!sip_uri_eq(s, s));
		return;
	}
	const struct span pieces[] = { u.scheme_name, u.user, u.password, u.host, u.params, u.headers };
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
		check_inside(s, pieces[i]);
	FUZZ_CHECK(sip_uri_eq(s, s));
	check_params(u.params);
	w_unescape(&w, u.user);
	FUZZ_CHECK(w.over || w.n <= u.user.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span a = { (const char *)data, size }, b = a, first;
	struct sip_name_addr na;

	first = span_split(&b, '\n');
	check_uri(first);
	check_uri(b);
	FUZZ_CHECK(sip_uri_eq(first, b) == sip_uri_eq(b, first));
	check_params(a);
	if (sip_name_addr_parse(&na, a) == 0) {
		check_inside(a, na.display);
		check_inside(a, na.uri);
		FUZZ_CHECK(na.uri.n > 0);
		check_params(na.params);
		check_uri(na.uri);
	}
	return 0;
}
