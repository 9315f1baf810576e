/* SPDX-License-Identifier: MIT */
/* Class and session case of any request: decided or refused, with a reason that can be logged; an untrusted peer's
 * claims change nothing. */
#include "fuzz.h"

#include "im/classify.h"
#include "im/role.h"
#include "sip/body.h"

static void settings(struct im_conf *conf)
{
	*conf = (struct im_conf){
		.n_listen = 1, .n_domains = 1, .orig_marker = "orig", .term_marker = "term"
	};
	strcpy(conf->listen[0].host, "192.0.2.1");
	conf->listen[0].port = 5060;
	strcpy(conf->domains[0], "example.com");
}

static void check_role(const struct im_conf *conf, const struct sip_msg *m, bool trusted)
{
	struct im_role role;
	const char *fault = NULL;
	int r = role_decide(conf, m, trusted, &role, &fault);

	FUZZ_CHECK(r == 0 || (r == 403 && fault));
	if (r)
		return;
	FUZZ_CHECK(role.evidence && role.served_user[0]);
	FUZZ_CHECK(memchr(role.served_user, '\0', sizeof(role.served_user)));
	FUZZ_CHECK(trusted || role.scase == IM_TERMINATING);
}

static void check_class(const struct im_conf *conf, const struct sip_msg *m, const struct sdp *s,
			bool trusted)
{
	struct im_classified c;

	classify(conf, m, s, trusted, &c);
	FUZZ_CHECK((unsigned)c.class <= IM_CLASS_FILE_TRANSFER && c.evidence);
	FUZZ_CHECK((c.class == IM_CLASS_PAGER) == (m->method == SIP_MESSAGE));
	const char *end = memchr(c.detail, '\0', sizeof(c.detail));
	FUZZ_CHECK(end);
	for (const char *p = c.detail; p < end; p++)
		FUZZ_CHECK(*p >= ' ' && *p <= '~');
	FUZZ_CHECK(trusted || strcmp(c.evidence, "P-Asserted-Service") != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct im_conf conf;
	static struct sip_msg m;
	static struct sip_body b;
	static struct sdp s;
	const char *fault;

	if (sip_msg_parse(&m, (struct span){ (const char *)data, size }, false) != 0 || !m.request)
		return 0;
	bool has_sdp = sip_body_parse(&b, &m, &fault) == 0 && b.sdp.p && sdp_parse(&s, b.sdp, NULL) == 0;
	settings(&conf);
	for (int trusted = 0; trusted < 2; trusted++) {
		check_role(&conf, &m, trusted);
		check_class(&conf, &m, has_sdp ? &s : NULL, trusted);
	}
	return 0;
}
