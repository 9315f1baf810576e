/* SPDX-License-Identifier: MIT */
/* Immediate message or conversation: every kind of evidence, its order and its traps (CLASS-1..13). */
#include "req.h"

#include "im/classify.h"

#define HEAD "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
#define MSG "m=message 2855 TCP/MSRP *\r\n"
#define FILE_ATTRS "a=file-selector:size:1\r\na=file-transfer-id:1\r\n"
#define CHAT HEAD MSG
#define ONE_WAY HEAD MSG "a=sendonly\r\n"
#define PUSH HEAD MSG "a=sendonly\r\n" FILE_ATTRS
#define AUDIO HEAD "m=audio 4000 RTP/AVP 0\r\n"

#define CPM "urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm."
#define RCS "urn%3Aurn-7%3A3gpp-application.ims.iari.rcs"
#define ICSI(x) "+g.3gpp.icsi-ref=\"" CPM x "\""
#define IARI(x) "+g.3gpp.iari-ref=\"" RCS x "\""
#define AC(x) "Accept-Contact: *;" x "\r\n"
#define CONTACT(x) "Contact: <sip:c@192.0.2.9>;" x "\r\n"
#define PAS(x) "P-Asserted-Service: urn:urn-7:3gpp-service.ims.icsi." x "\r\n"
#define PPS(x) "P-Preferred-Service: urn:urn-7:3gpp-service.ims.icsi." x "\r\n"

#define LARGE IM_CLASS_LARGE_MESSAGE
#define TALK IM_CLASS_CONVERSATION
#define GROUP IM_CLASS_GROUP
#define FT IM_CLASS_FILE_TRANSFER
#define NOT IM_CLASS_NOT_IM

static struct im_conf conf;

static int setup(void **state)
{
	memset(&conf, 0, sizeof(conf));
	return 0;
}

static struct im_classified decide(const struct sip_msg *m, const char *offer, bool trusted)
{
	static struct sdp s;
	struct im_classified c;

	if (offer)
		assert_int_equal(sdp_parse(&s, span_of(offer), NULL), 0);
	memset(&c, 0xa5, sizeof(c));
	classify(&conf, m, offer ? &s : NULL, trusted, &c);
	assert_non_null(c.evidence);
	assert_true(strlen(c.detail) < sizeof(c.detail));
	return c;
}

struct row {
	const char *headers, *offer;
	enum im_class class;
	const char *evidence;
};

static void check_at(const struct row *t, size_t n, const char *ruri, bool trusted)
{
	for (size_t i = 0; i < n; i++) {
		struct im_classified c = decide(req("INVITE", ruri, t[i].headers, ""), t[i].offer, trusted);
		if (c.class != t[i].class || strcmp(c.evidence, t[i].evidence) != 0)
			fail_msg("row %zu: %s by %s (%s)", i, im_class_name(c.class), c.evidence, c.detail);
	}
}

static void check(const struct row *t, size_t n)
{
	check_at(t, n, "sip:bob@example.com", true);
}

static void class_1_message_is_pager(void **state)
{
	struct im_classified c =
		decide(req("MESSAGE", "sip:b@x", AC("+g.oma.sip-im.large-message"), ""), NULL, true);

	assert_int_equal(c.class, IM_CLASS_PAGER);
	assert_string_equal(c.evidence, "method");
	assert_string_equal(im_class_name(IM_CLASS_PAGER), "pager");
	assert_string_equal(im_class_name(IM_CLASS_NOT_IM), "not-im");
	assert_string_equal(im_class_name(LARGE), "large-message");
	assert_string_equal(im_class_name(TALK), "conversation");
	assert_string_equal(im_class_name(GROUP), "group");
	assert_string_equal(im_class_name(FT), "file-transfer");
	assert_string_equal(im_class_name(99), "?");
}

static void class_3_order_of_evidence(void **state)
{
	static const struct row t[] = {
		{ PAS("oma.cpm.session") AC("+g.oma.sip-im.large-message")
			  CONTACT("+g.oma.sip-im.large-message"),
		  ONE_WAY, TALK, "P-Asserted-Service" },
		{ AC("+g.oma.sip-im.large-message") CONTACT("+g.oma.sip-im"), CHAT, LARGE, "Accept-Contact" },
		{ CONTACT("+g.oma.sip-im.large-message"), PUSH, LARGE, "Contact" },
		{ CONTACT("+g.oma.sip-im"), ONE_WAY, TALK, "Contact" },
		{ PPS("oma.cpm.largemsg"), CHAT, TALK, "default" }, /* not unless policy says so */
		{ "", PUSH, FT, "SDP" },
		{ "", ONE_WAY, LARGE, "SDP" },
		{ "", CHAT, TALK, "default" },
	};
	static const struct row preferred[] = {
		{ PPS("oma.cpm.largemsg"), CHAT, LARGE, "P-Preferred-Service" },
		{ PPS("oma.cpm.largemsg") CONTACT("+g.oma.sip-im"), CHAT, TALK, "Contact" },
	};

	check(t, ARRAY_LEN(t));
	conf.trust_preferred_service = true;
	check(preferred, ARRAY_LEN(preferred));
}

static void class_4_tags_are_whole_names(void **state)
{
	static const struct row t[] = {
		{ AC("+g.oma.sip-im.large-message"), CHAT, LARGE, "Accept-Contact" },
		{ AC("+G.OMA.SIP-IM.Large-Message;require;explicit"), CHAT, LARGE, "Accept-Contact" },
		{ AC("+g.oma.sip-im"), ONE_WAY, TALK, "Accept-Contact" },
		{ AC("+g.oma.sip-im;require"), CHAT, TALK, "Accept-Contact" },
		/* BAD: look-alikes, and the tag as somebody's value */
		{ AC("+g.oma.sip-im.other"), AUDIO, NOT, "default" },
		{ AC("+g.oma.sip-imx"), AUDIO, NOT, "default" },
		{ AC("g.oma.sip-im"), AUDIO, NOT, "default" },
		{ AC("methods=\"+g.oma.sip-im.large-message\""), CHAT, TALK, "default" },
		{ AC("+x=\";+g.oma.sip-im.large-message;\""), CHAT, TALK, "default" },
		{ AC("+g.oma.sip-im.large-message=\"FALSE\""), CHAT, TALK, "default" },
		{ AC("+g.oma.sip-im.large-message=\"TRUE\""), CHAT, LARGE, "Accept-Contact" },
	};
	check(t, ARRAY_LEN(t));
}

static void class_5_both_tags(void **state)
{
	static const struct row t[] = {
		{ AC("+g.oma.sip-im;+g.oma.sip-im.large-message"), CHAT, LARGE, "Accept-Contact" },
		{ AC("+g.oma.sip-im.large-message;+g.oma.sip-im"), CHAT, LARGE, "Accept-Contact" },
		{ AC("+g.oma.sip-im") AC("+g.oma.sip-im.large-message"), CHAT, LARGE, "Accept-Contact" },
		{ "Accept-Contact: *;+g.oma.sip-im, *;+g.oma.sip-im.large-message\r\n", CHAT, LARGE,
		  "Accept-Contact" },
		{ "a: *;+g.oma.sip-im.large-message\r\n", CHAT, LARGE, "Accept-Contact" },
		/* Contact with both is what the device can do */
		{ CONTACT("+g.oma.sip-im;+g.oma.sip-im.large-message"), CHAT, TALK, "default" },
		{ CONTACT("+g.oma.sip-im;+g.oma.sip-im.large-message"), ONE_WAY, LARGE, "SDP" },
		/* and says nothing where Accept-Contact is there */
		{ AC("audio") CONTACT("+g.oma.sip-im.large-message"), CHAT, TALK, "default" },
	};
	check(t, ARRAY_LEN(t));
}

static void class_6_service_references(void **state)
{
	static const struct row t[] = {
		{ AC(ICSI("session")), ONE_WAY, TALK, "Accept-Contact" },
		{ AC(ICSI("session")), PUSH, TALK, "Accept-Contact" },
		{ AC(ICSI("session.group")), CHAT, GROUP, "Accept-Contact" },
		{ AC(ICSI("session.group.v2")), CHAT, GROUP, "Accept-Contact" },
		{ AC(ICSI("session.v2")), CHAT, TALK, "Accept-Contact" },
		{ AC(ICSI("filetransfer")), CHAT, FT, "Accept-Contact" },
		{ AC(ICSI("largemsg")), CHAT, LARGE, "Accept-Contact" },
		{ AC(ICSI("deferred")), CHAT, LARGE, "Accept-Contact" },
		{ AC("+g.3gpp.icsi-ref=\"urn%3aurn-7%3A3gpp-service.ims.icsi.OMA.cpm.largemsg\""), CHAT,
		  LARGE, "Accept-Contact" },
		{ AC("+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel, " CPM "largemsg\""), CHAT,
		  LARGE, "Accept-Contact" },
		{ AC(IARI("e.im")), CHAT, TALK, "Accept-Contact" },
		{ AC(IARI("e.im")), PUSH, FT, "SDP" },
		{ AC(IARI("e.ft")), CHAT, FT, "Accept-Contact" },
		{ AC(IARI(".fthttp")), CHAT, FT, "Accept-Contact" },
		{ AC(IARI(".ftthumb")), CHAT, FT, "Accept-Contact" },
		/* the service before the application, whichever comes first */
		{ AC(IARI(".fthttp") ";" ICSI("session")), CHAT, TALK, "Accept-Contact" },
		{ AC("+g.oma.sip-im;" ICSI("filetransfer")), CHAT, FT, "Accept-Contact" },
		/* BAD: prefixes that end inside a word, commas that are encoded, pager services, other URNs */
		{ AC(ICSI("sessions")), AUDIO, NOT, "default" },
		{ AC(ICSI("session-group")), AUDIO, NOT, "default" },
		{ AC(ICSI("msg")), AUDIO, NOT, "default" },
		{ AC(ICSI("")), AUDIO, NOT, "default" },
		{ AC("+g.3gpp.icsi-ref=\"x%2C" CPM "largemsg\""), CHAT, TALK, "default" },
		{ AC("+g.3gpp.icsi-ref=\"urn%3Aother%3A3gpp-service.ims.icsi.oma.cpm.largemsg\""), CHAT, TALK,
		  "default" },
		{ AC("+g.3gpp.icsi-ref=\"%\""), CHAT, TALK, "default" },
		{ AC("+g.3gpp.icsi-ref"), CHAT, TALK, "default" },
	};
	check(t, ARRAY_LEN(t));
}

static void class_6_contact_references_must_agree(void **state)
{
	static const struct row t[] = {
		{ CONTACT(ICSI("largemsg")), CHAT, LARGE, "Contact" },
		{ CONTACT("+g.3gpp.icsi-ref=\"" CPM "largemsg," CPM "session\""), CHAT, TALK, "default" },
		{ CONTACT("+g.3gpp.icsi-ref=\"" CPM "session,urn%3Ax," CPM "session.v2\""), ONE_WAY, TALK,
		  "Contact" },
	};
	check(t, ARRAY_LEN(t));
}

static void class_7_asserted_service(void **state)
{
	static const struct row t[] = {
		{ PAS("mmtel") PAS("oma.cpm.largemsg") PAS("oma.cpm.session"), CHAT, LARGE,
		  "P-Asserted-Service" },
		{ "P-Asserted-Service: urn:urn-7:3gpp-service.ims.icsi.mmtel, "
		  "urn:urn-7:3gpp-service.ims.icsi.oma.cpm.session.group\r\n",
		  CHAT, GROUP, "P-Asserted-Service" },
		{ PAS("mmtel"), CHAT, TALK, "default" },
	};
	static const struct row untrusted[] = {
		{ PAS("oma.cpm.largemsg"), CHAT, TALK, "default" },
		{ PAS("oma.cpm.largemsg") AC("+g.oma.sip-im"), CHAT, TALK, "Accept-Contact" },
	};

	check(t, ARRAY_LEN(t));
	check_at(untrusted, ARRAY_LEN(untrusted), "sip:bob@example.com", false);
}

static void class_8_tag_before_sdp(void **state)
{
	static const struct row t[] = {
		{ AC("+g.oma.sip-im.large-message"), PUSH, LARGE, "Accept-Contact" },
		{ AC("+g.oma.sip-im.large-message"), AUDIO, LARGE, "Accept-Contact" },
		{ AC(ICSI("filetransfer")), ONE_WAY, FT, "Accept-Contact" },
	};
	check(t, ARRAY_LEN(t));
}

/* The plain tag says "not a large message"; its other members are told apart by what follows. */
static void class_3_plain_tag_is_a_family(void **state)
{
	static const struct row t[] = {
		{ AC("+g.oma.sip-im"), PUSH, FT, "SDP" },
		{ AC("+g.oma.sip-im"), HEAD MSG MSG FILE_ATTRS, TALK,
		  "Accept-Contact" }, /* a stream of a conversation */
		{ AC("+g.oma.sip-im"), NULL, TALK, "Accept-Contact" },
		{ AC("+g.oma.sip-im"), AUDIO, TALK, "Accept-Contact" },
		{ AC("+g.oma.sip-im") CONTACT("isfocus"), CHAT, GROUP, "Contact" },
		{ AC("+g.oma.sip-im") CONTACT("isfocus=\"FALSE\""), CHAT, TALK, "Accept-Contact" },
		{ AC("+g.oma.sip-im") "Require: recipient-list-invite\r\n", CHAT, GROUP, "body" },
	};
	check(t, ARRAY_LEN(t));
}

static void class_9_defaults(void **state)
{
	static const struct row t[] = {
		{ "", CHAT, TALK, "default" },
		{ "", NULL, TALK, "default" },
		{ "", AUDIO, NOT, "default" },
		{ "", HEAD, NOT, "default" },
		{ "", AUDIO MSG, TALK, "default" },
		{ "", AUDIO "m=message 0 TCP/MSRP *\r\n", NOT, "default" },
		{ "", HEAD "m=message 0 TCP/MSRP *\r\n", TALK, "default" },
		{ "", HEAD MSG "a=recvonly\r\n", TALK, "default" },
		{ "", HEAD MSG "a=sendonly\r\n" MSG, TALK, "default" },
		{ "", HEAD "a=sendonly\r\n" MSG, LARGE, "SDP" }, /* SDP-13 */
	};
	static const struct row factory[] = {
		{ "", CHAT, GROUP, "Request-URI" },
		{ "", NULL, GROUP, "Request-URI" },
		{ "", ONE_WAY, GROUP, "Request-URI" },
		{ "", AUDIO, NOT, "default" },
		{ AC("+g.oma.sip-im"), CHAT, GROUP, "Request-URI" },
		{ AC("+g.oma.sip-im.large-message"), CHAT, LARGE, "Accept-Contact" },
	};
	static const struct row user[] = { { "", CHAT, TALK, "default" } };

	check(t, ARRAY_LEN(t));
	check_at(factory, ARRAY_LEN(factory), "sip:conference-factory@example.com", true);
	check_at(factory, 1, "sip:Conf-Factory@example.com;x=y", true);
	check_at(factory, 1, "sips:chatroom-factory@example.com", true);
	check_at(user, 1, "sip:my-conference-factory@example.com", true);
	check_at(user, 1, "sip:bob@conference-factory.example.com", true);
	check_at(user, 1, "tel:+1555", true);
}

static void class_9_recipient_list_body(void **state)
{
	static const char list[] =
		"--b\r\nContent-Type: application/sdp\r\n\r\n" CHAT
		"\r\n--b\r\nContent-Type: application/resource-lists+xml\r\n"
		"Content-Disposition: recipient-list\r\n\r\n<resource-lists/>\r\n--b--\r\n";
	static const char other[] = "--b\r\nContent-Type: application/sdp\r\n\r\n" CHAT
				    "\r\n--b\r\nContent-Type: message/cpim\r\n\r\nhello\r\n--b--\r\n";
	static const char type[] = "Content-Type: multipart/mixed;boundary=b\r\n";

	struct im_classified c = decide(req("INVITE", "sip:b@x", type, list), CHAT, true);
	assert_int_equal(c.class, GROUP);
	assert_string_equal(c.evidence, "body");
	c = decide(req("INVITE", "sip:b@x", type, other), CHAT, true);
	assert_int_equal(c.class, TALK);
	c = decide(req("INVITE", "sip:b@x", "", "junk without a type"), CHAT, true);
	assert_int_equal(c.class, TALK);
}

static void class_1_detail_is_short_and_printable(void **state)
{
	char ruri[400] = "sip:conference-factory@";
	size_t n = strlen(ruri);

	memset(ruri + n, 'h', 200);
	struct im_classified c = decide(req("INVITE", ruri, "", ""), CHAT, true);
	assert_int_equal(c.class, GROUP);
	assert_int_equal(strlen(c.detail), sizeof(c.detail) - 1);
	assert_memory_equal(c.detail, ruri, sizeof(c.detail) - 1);
	c = decide(req("INVITE", "sip:b@x", AC(ICSI("largemsg")), ""), CHAT, true);
	assert_string_equal(c.detail, "3gpp-service.ims.icsi.oma.cpm.largemsg");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(class_1_message_is_pager, setup),
		cmocka_unit_test_setup(class_3_order_of_evidence, setup),
		cmocka_unit_test_setup(class_4_tags_are_whole_names, setup),
		cmocka_unit_test_setup(class_5_both_tags, setup),
		cmocka_unit_test_setup(class_6_service_references, setup),
		cmocka_unit_test_setup(class_6_contact_references_must_agree, setup),
		cmocka_unit_test_setup(class_7_asserted_service, setup),
		cmocka_unit_test_setup(class_8_tag_before_sdp, setup),
		cmocka_unit_test_setup(class_3_plain_tag_is_a_family, setup),
		cmocka_unit_test_setup(class_9_defaults, setup),
		cmocka_unit_test_setup(class_9_recipient_list_body, setup),
		cmocka_unit_test_setup(class_1_detail_is_short_and_printable, setup),
	};
	return cmocka_run_group_tests_name("im/classify", tests, NULL, NULL);
}
