/* SPDX-License-Identifier: MIT */
#include "lib/check.h"

#include <ctype.h>

#include "sip/msg.h"

static void methods_are_case_sensitive(void **state)
{
	for (unsigned i = SIP_UNKNOWN + 1; i < SIP_N_METHODS; i++)
		assert_int_equal(sip_method_of(sip_method_name(i)), i);
	assert_int_equal(sip_method_of(SPAN("INVITE")), SIP_INVITE);
	assert_int_equal(sip_method_of(SPAN("invite")), SIP_UNKNOWN);
	assert_int_equal(sip_method_of(SPAN("INVIT")), SIP_UNKNOWN);
	assert_int_equal(sip_method_of(SPAN("")), SIP_UNKNOWN);
	assert_span(sip_method_name(SIP_UNKNOWN), "");
	assert_span(sip_method_name(SIP_N_METHODS), "");
}

static void header_names_are_found_in_any_case(void **state)
{
	for (unsigned id = SIP_H_OTHER + 1; id < SIP_N_HEADERS; id++) {
		struct span name = sip_hdr_id_name(id);
		char other[64];
		assert_int_equal(sip_hdr_id_of(name), id);
		for (size_t i = 0; i < name.n; i++)
			other[i] =
				(char)(isupper((unsigned char)name.p[i]) ? tolower((unsigned char)name.p[i])
									 : toupper((unsigned char)name.p[i]));
		assert_int_equal(sip_hdr_id_of((struct span){ other, name.n }), id);
		/* One letter more or less is another header. */
		other[name.n] = 's';
		assert_int_equal(sip_hdr_id_of((struct span){ other, name.n + 1 }), SIP_H_OTHER);
		if (id != SIP_H_TO) /* which is also "t" */
			assert_int_not_equal(sip_hdr_id_of(span_cut(name, 0, name.n - 1)), id);
	}
}

static void compact_forms(void **state)
{
	static const struct {
		const char *name;
		enum sip_hdr_id id;
	} forms[] = {
		{ "v", SIP_H_VIA },
		{ "V", SIP_H_VIA },
		{ "f", SIP_H_FROM },
		{ "t", SIP_H_TO },
		{ "i", SIP_H_CALL_ID },
		{ "m", SIP_H_CONTACT },
		{ "l", SIP_H_CONTENT_LENGTH },
		{ "c", SIP_H_CONTENT_TYPE },
		{ "e", SIP_H_CONTENT_ENCODING },
		{ "k", SIP_H_SUPPORTED },
		{ "s", SIP_H_SUBJECT },
		{ "x", SIP_H_SESSION_EXPIRES },
		{ "o", SIP_H_EVENT },
		{ "u", SIP_H_ALLOW_EVENTS },
		{ "r", SIP_H_REFER_TO },
		{ "b", SIP_H_REFERRED_BY },
		{ "a", SIP_H_ACCEPT_CONTACT },
		{ "j", SIP_H_REJECT_CONTACT },
		{ "d", SIP_H_REQUEST_DISPOSITION },
		{ "y", SIP_H_IDENTITY },
		{ "n", SIP_H_IDENTITY_INFO },
		{ "q", SIP_H_OTHER },
		{ "", SIP_H_OTHER },
	};

	for (size_t i = 0; i < ARRAY_LEN(forms); i++)
		assert_int_equal(sip_hdr_id_of(span_of(forms[i].name)), forms[i].id);
	assert_int_equal(sip_hdr_id_of((struct span){ "\0", 1 }), SIP_H_OTHER);
	assert_int_equal(sip_hdr_id_of((struct span){ " ", 1 }), SIP_H_OTHER);
}

static void unknown_names_are_other(void **state)
{
	assert_int_equal(sip_hdr_id_of(SPAN("Conversation-ID")), SIP_H_OTHER);
	assert_int_equal(sip_hdr_id_of(SPAN("Vix")), SIP_H_OTHER);
	assert_int_equal(sip_hdr_id_of(SPAN("C%6Fntact")), SIP_H_OTHER);
	assert_span(sip_hdr_id_name(SIP_H_OTHER), "");
	assert_span(sip_hdr_id_name(SIP_N_HEADERS), "");
}

static void status_text_falls_back_to_the_class(void **state)
{
	assert_span(sip_status_text(200), "OK");
	assert_span(sip_status_text(488), "Not Acceptable Here");
	assert_span(sip_status_text(491), "Request Pending");
	assert_span(sip_status_text(606), "Not Acceptable");
	for (unsigned status = 100; status < 700; status++)
		assert_true(sip_status_text(status).n > 0);
	assert_true(span_eq(sip_status_text(499), sip_status_text(498)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(methods_are_case_sensitive),
		cmocka_unit_test(header_names_are_found_in_any_case),
		cmocka_unit_test(compact_forms),
		cmocka_unit_test(unknown_names_are_other),
		cmocka_unit_test(status_text_falls_back_to_the_class),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
