/* SPDX-License-Identifier: MIT */
/* MSRP URIs and paths: pieces lie inside; every URI with a port equals itself; equality works both ways. */
#include "fuzz.h"

#include "msrp/uri.h"

static void check_inside(struct span all, struct span s)
{
	FUZZ_CHECK(s.n == 0 || (s.p >= all.p && s.p + s.n <= all.p + all.n));
}

static void check_uri(struct span s)
{
	struct msrp_uri u;

	if (msrp_uri_parse(&u, s) < 0) {
		FUZZ_CHECK(!msrp_uri_eq(s, s));
		return;
	}
	const struct span pieces[] = { u.userinfo, u.host, u.session, u.transport, u.params };
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
		check_inside(s, pieces[i]);
	FUZZ_CHECK(u.host.n && u.transport.n);
	FUZZ_CHECK(msrp_uri_eq(s, s) == (u.port != 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span all = { (const char *)data, size }, rest = all, uri, first, last, before = SPAN_EMPTY;
	unsigned n = 0;

	check_uri(all);
	for (; msrp_path_next(&rest, &uri); n++) {
		check_inside(all, uri);
		FUZZ_CHECK(uri.n > 0);
		check_uri(uri);
		FUZZ_CHECK(msrp_uri_eq(before, uri) == msrp_uri_eq(uri, before));
		before = uri;
	}
	FUZZ_CHECK(msrp_path_ends(all, &first, &last) == (n > 0));
	FUZZ_CHECK(n == 0 || span_eq(last, before));
	return 0;
}
