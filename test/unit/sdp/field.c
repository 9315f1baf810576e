/* SPDX-License-Identifier: MIT */
/*
 * Descriptions as clients in the field write them: ours (the seeds of the fuzzer, each modelled on a habit seen) and,
 * where the shared collection lies beside the project, those of others.  What is sane parses; what SDP-20 forbids is
 * refused for the reason expected.
 */
#include "sdp_test.h"

#include <stdio.h>
#include <stdlib.h>

struct want {
	const char *file;
	const char *fault;    /* NULL: it parses */
	unsigned n_media, at; /* m= lines; the one looked at */
	uint16_t port;
	bool tls, file_line, cema;
	enum sdp_setup setup;
	enum sdp_dir dir;
	const char *last_uri; /* NULL: none */
};

#define NONE SDP_SETUP_NONE
#define ACTIVE SDP_SETUP_ACTIVE
#define PASSIVE SDP_SETUP_PASSIVE
#define ACTPASS SDP_SETUP_ACTPASS
#define BOTH SDP_SENDRECV
#define SEND SDP_SENDONLY
#define RECV SDP_RECVONLY

/* clang-format off */
static const struct want ours[] = {
	{ "chat_actpass", NULL, 1, 0, 21000, 0, 0, 0, ACTPASS, BOTH, "msrp://198.51.100.7:21000/k3jh4k5jh;tcp" },
	{ "chat_active_port9", NULL, 1, 0, 9, 0, 0, 0, ACTIVE, BOTH, "msrp://198.51.100.8:9/99kdje2;tcp" },
	{ "file_push", NULL, 1, 0, 21002, 0, 1, 0, ACTPASS, SEND, "msrp://198.51.100.7:21002/pu5h;tcp" },
	{ "file_pull_full", NULL, 1, 0, 7000, 0, 1, 0, ACTPASS, RECV, "msrp://198.51.100.9:7000/9Jd8;tcp" },
	{ "file_tls_sha1", NULL, 1, 0, 21004, 1, 1, 0, ACTPASS, SEND, "msrps://198.51.100.7:21004/tls1;tcp" },
	{ "capability_port0", NULL, 1, 0, 0, 0, 1, 0, NONE, BOTH, NULL },
	{ "tls_answer_passive", NULL, 1, 0, 443, 1, 0, 0, PASSIVE, BOTH,
	  "msrps://203.0.113.44:443/QmF_Zm9v-YmFy.QUJD~REVGR0hJSktMTU5PUFFSU1RVVldYWVo=;tcp" },
	{ "tls_offer_active_new", NULL, 1, 0, 9, 1, 0, 0, ACTIVE, BOTH, "msrps://192.0.2.77:9/00ff00ff;tcp" },
	{ "group_ip6_path_ip4", NULL, 1, 0, 35000, 0, 0, 0, ACTPASS, BOTH, "msrp://10.1.2.3:35000/session-6;tcp" },
	{ "cema_offer_ip6", NULL, 1, 0, 8881, 0, 0, 1, ACTIVE, BOTH, "msrp://[2001:db8:0::4c16:9c0f]:8881/Gm;tcp" },
	{ "no_t_line", "no t= line" },
	{ "no_s_line", "no s= line" },
	{ "media_level_c_name_in_path", NULL, 1, 0, 2000, 0, 0, 0, PASSIVE, BOTH, "msrp://chat.example.org:7655/hA7;tcp" },
	{ "two_addresses_passive", NULL, 1, 0, 2000, 0, 0, 0, PASSIVE, BOTH, "msrp://10.0.0.12:2000/fd;tcp" },
	{ "not_an_address", NULL, 1, 0, 9, 0, 0, 0, ACTIVE, BOTH, "msrp://999.999.999.999:7777/15;tcp" },
	{ "five_media", NULL, 5, 3, 50006, 0, 0, 0, NONE, BOTH, NULL },
	{ "audio_and_tls", NULL, 2, 1, 2855, 1, 0, 0, ACTPASS, BOTH, "msrps://ua.example.org:2855/i3;tcp" },
	{ "names_no_setup", NULL, 1, 0, 2855, 0, 0, 0, NONE, BOTH, "msrp://relay:2855/abc;tcp" },
	{ "relay_path", NULL, 1, 0, 2855, 1, 0, 0, ACTIVE, BOTH, "msrps://192.0.2.11:2855/bb22;tcp" },
	{ "many_types", NULL, 1, 0, 7395, 0, 0, 0, ACTPASS, BOTH, "msrp://192.0.2.21:7395/fl;tcp" },
	{ "unknown_lines", NULL, 2, 0, 2855, 0, 0, 0, ACTIVE, BOTH, "msrp://u@192.0.2.1:2855/a;tcp;x=y" },
	{ "bare_lf", NULL, 1, 0, 2855, 0, 0, 0, NONE, SDP_INACTIVE, "msrp://192.0.2.1:2855/lf;tcp" },
	{ "bad_origin", "o= session id is not a number" },
	{ "bad_port", "m= port is above 65535" },
};

static const struct want shared[] = {
	{ "01_rcsjta_chat_offer", NULL, 1, 0, 20000, 0, 0, 0, ACTPASS, BOTH, "msrp://192.168.1.50:20000/1458916144436;tcp" },
	{ "02_rcsjta_chat_old", NULL, 1, 0, 20000, 0, 0, 0, ACTPASS, BOTH, "msrp://10.29.67.37:20000/1391503972255;tcp" },
	{ "03_rcsjta_filetransfer", NULL, 1, 0, 20000, 0, 1, 0, ACTPASS, SEND, "msrp://10.29.67.37:20000/1391518338240;tcp" },
	{ "04_rcsjta_filetransfer_space", NULL, 1, 0, 20000, 0, 1, 0, ACTPASS, SEND, "msrp://10.29.67.37:20000/1391503972255;tcp" },
	{ "05_rcsjta_active_port9", NULL, 1, 0, 9, 0, 0, 0, ACTIVE, BOTH, "msrp://192.168.1.1:9/1391503972299;tcp" },
	{ "06_rcsjta_geoloc", NULL, 1, 0, 20002, 0, 1, 0, ACTPASS, SEND, "msrp://10.29.67.37:20002/1391518338311;tcp" },
	{ "07_rcsjta_tls_filetransfer", NULL, 1, 0, 20004, 1, 1, 0, ACTPASS, SEND, "msrps://10.29.67.37:20004/1391518339000;tcp" },
	{ "08_rcsjta_capability_port0", NULL, 1, 0, 0, 0, 1, 0, NONE, BOTH, NULL },
	{ "09_google_jibe_answer", NULL, 1, 0, 443, 1, 0, 0, PASSIVE, BOTH, "*" },
	{ "10_google_jibe_offer", NULL, 1, 0, 9, 1, 0, 0, ACTIVE, BOTH, "*" },
	{ "11_qualcomm_group_ipv6", NULL, 1, 0, 35294, 0, 0, 0, ACTPASS, BOTH, "msrp://10.63.92.0:35294/ice-session-id-6;tcp" },
	{ "12_ims_ue_ipv6_cema", NULL, 1, 0, 8880, 0, 0, 1, ACTIVE, BOTH, "*" },
	{ "13_ims_as_ipv6_cema_answer", "no t= line" },
	{ "14_cmcc_filetransfer_nos", "no s= line" },
	{ "15_doubango_passive", NULL, 1, 0, 2000, 0, 0, 0, PASSIVE, BOTH, "msrp://atlanta.example.com:7654/jshA7weztas;tcp" },
	{ "16_doubango_filetransfer_full", NULL, 1, 0, 2001, 0, 1, 0, ACTPASS, SEND, "*" },
	{ "17_doubango_two_addresses", NULL, 1, 0, 2000, 0, 1, 0, PASSIVE, BOTH, "*" },
	{ "18_answer_888", NULL, 1, 0, 9, 0, 0, 0, ACTIVE, BOTH, "*" },
	{ "19_mixed_many_mlines", NULL, 5, 3, 49176, 0, 0, 0, NONE, BOTH, NULL },
	{ "20_audio_and_msrps", NULL, 2, 1, 2855, 1, 0, 0, ACTPASS, BOTH, "*" },
	{ "21_jsmsrp_ntp", NULL, 1, 0, 2855, 0, 0, 0, ACTIVE, BOTH, "*" },
	{ "22_relay_answer_hostnames", NULL, 1, 0, 2855, 0, 0, 0, NONE, BOTH, "*" },
	{ "23_relay_path_two", NULL, 1, 0, 2855, 1, 0, 0, ACTIVE, BOTH, "msrps://192.0.2.10:2855/91ab43cd;tcp" },
	{ "24_accept_types_flood", NULL, 1, 0, 7394, 0, 0, 0, ACTPASS, BOTH, "*" },
};
/* clang-format on */

/* The text of folder/file.sdp; free() it.  NULL: there is none. */
static char *load(const char *folder, const char *file)
{
	char path[1024];

	snprintf(path, sizeof(path), "%s/%s.sdp", folder, file);
	FILE *f = fopen(path, "rb");
	if (!f)
		return NULL;
	char *text = calloc(1, SDP_SIZE_MAX);
	assert_non_null(text);
	assert_true(fread(text, 1, SDP_SIZE_MAX - 1, f) > 0);
	fclose(f);
	return text;
}

static void check(const struct want *w, const char *text)
{
	static struct sdp s;
	struct sdp_fault f = { 0 };
	struct sdp_msrp m;

	print_message("# %s\n", w->file);
	if (sdp_parse(&s, span_of(text), &f) < 0) {
		assert_string_equal(f.what, w->fault ? w->fault : "to parse");
		return;
	}
	assert_null(w->fault);
	assert_int_equal(s.n_media, w->n_media);
	sdp_msrp_of(&s, w->at, &m);
	assert_true(m.is_message && m.any_format);
	assert_int_equal(m.tls, w->tls);
	assert_int_equal(m.tcp, !w->tls);
	assert_int_equal(m.port, w->port);
	assert_int_equal(m.is_file, w->file_line);
	assert_int_equal(m.cema, w->cema);
	assert_int_equal(m.setup, w->setup);
	assert_int_equal(m.dir, w->dir);
	assert_true(m.accept_types.n > 0);
	assert_int_equal(m.last_uri.n > 0, w->last_uri != NULL);
	if (w->last_uri && strcmp(w->last_uri, "*") != 0)
		assert_span(m.last_uri, w->last_uri);
}

static void field_ours(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
		char *text = load(SOURCE_ROOT "/test/fuzz/corpus/sdp", ours[i].file);
		assert_non_null(text);
		check(&ours[i], text);
		free(text);
	}
}

static void field_shared(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(shared); i++) {
		char *text = load(SOURCE_ROOT "/../shared/testdata/sdp", shared[i].file);
		assert_non_null(text);
		check(&shared[i], text);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(field_ours),
		cmocka_unit_test(field_shared),
	};
	/* The collection is not part of the project: where it is not, there is one test less. */
	char *first = load(SOURCE_ROOT "/../shared/testdata/sdp", shared[0].file);
	size_t n = first ? ARRAY_LEN(tests) : 1;
	free(first);
	return _cmocka_run_group_tests("sdp/field", tests, n, NULL, NULL);
}
