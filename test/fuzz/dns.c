/* SPDX-License-Identifier: MIT */
/* Answers of name servers: whatever they say, what is taken from them is bounded, is a name, and can be put in order.  The first
 * byte chooses the question. */
#include "fuzz.h"

#include <string.h>

#include "net/dns.h"

static void check_name(const char *name)
{
	size_t n = strnlen(name, TARGET_NAME_MAX);
	FUZZ_CHECK(n > 0 && n < TARGET_NAME_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum dns_kind kind = size && data[0] % 2 ? DNS_NAPTR : DNS_SRV;
	struct dns_answer a;

	if (size == 0)
		return 0;
	dns_read(&a, kind, data + 1, size - 1);
	FUZZ_CHECK(a.n <= (kind == DNS_SRV ? (unsigned)TARGETS_MAX : (unsigned)TARGET_NAPTR_MAX));
	for (unsigned i = 0; i < a.n; i++) {
		check_name(kind == DNS_SRV ? a.srv[i].host : a.naptr[i].srv);
		FUZZ_CHECK(kind == DNS_NAPTR || a.srv[i].port != 0);
		FUZZ_CHECK(kind == DNS_SRV || a.naptr[i].tp <= SIP_TLS);
	}
	if (kind == DNS_SRV)
		target_order(a.srv, a.n, size);
	else
		target_naptr_order(a.naptr, a.n);
	return 0;
}
