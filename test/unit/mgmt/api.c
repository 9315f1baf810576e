/* SPDX-License-Identifier: MIT */
/* What each path answers. */
#include "lib/check.h"

#include <jansson.h>
#include <string.h>

#include "fake_im.h"
#include "mgmt/api.h"

static struct net *net;

static void ask(const char *method, const char *path, const char *limit, const char *call_id, bool draining,
		struct api_reply *out)
{
	struct api a = { .net = net, .draining = draining };
	struct api_request q = { .method = method, .path = path, .limit = limit, .call_id = call_id };

	api_reply(&a, &q, out);
	assert_non_null(out->body);
}

static json_t *get_json(const char *path, const char *limit, const char *call_id, unsigned status)
{
	struct api_reply r;
	json_error_t fault;
	json_t *j;

	ask("GET", path, limit, call_id, false, &r);
	assert_int_equal(r.status, status);
	assert_string_equal(r.type, "application/json");
	assert_int_equal(r.n, strlen(r.body));
	j = json_loads(r.body, 0, &fault);
	assert_non_null(j);
	free(r.body);
	return j;
}

static void sessions_are_an_array(void **state)
{
	json_t *j = get_json("/api/v1/sessions", NULL, NULL, 200), *s = json_array_get(j, 1);

	assert_int_equal(json_array_size(j), FAKE_SESSIONS);
	assert_int_equal(json_integer_value(json_object_get(s, "id")), 2);
	assert_string_equal(json_string_value(json_object_get(s, "state")), "up");
	assert_string_equal(json_string_value(json_object_get(s, "mode")), "anchored");
	assert_string_equal(json_string_value(json_object_get(s, "case")), "originating");
	assert_string_equal(json_string_value(json_object_get(s, "class")), "conversation");
	assert_string_equal(json_string_value(json_object_get(s, "served_user")), "sip:a@example.com");
	assert_string_equal(json_string_value(json_object_get(json_object_get(s, "call_id"), "b")),
			    "call-2-b");
	assert_int_equal(json_integer_value(json_object_get(s, "modifications")), 12);
	assert_true(json_is_true(json_object_get(s, "locked")));
	assert_true(json_real_value(json_object_get(s, "age_s")) > 0);
	s = json_object_get(s, "user_plane");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(s, "messages"), "b")), 6);
	assert_int_equal(json_integer_value(json_object_get(s, "rebinds")), 9);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(s, "errors"), "413")), 7);
	assert_null(json_object_get(json_object_get(s, "errors"), "481"));
	s = json_array_get(json_object_get(json_array_get(j, 1), "lines"), 0);
	assert_int_equal(json_integer_value(json_object_get(s, "line")), 2);
	assert_int_equal(json_integer_value(json_object_get(s, "resent")), 4);
	assert_string_equal(json_string_value(json_object_get(s, "kind")), "file");
	s = json_object_get(s, "file");
	assert_string_equal(json_string_value(json_object_get(s, "transfer_id")), "ft1");
	assert_string_equal(json_string_value(json_object_get(s, "state")), "running");
	assert_int_equal(json_integer_value(json_object_get(s, "size")), 20000);
	assert_int_equal(json_integer_value(json_object_get(s, "bytes")), 5000);
	/* Bytes that are not text do not break the answer. */
	s = json_array_get(j, 2);
	assert_string_equal(json_string_value(json_object_get(s, "served_user")), "sip:?\"x");
	json_decref(j);
}

static void sessions_can_be_limited_and_found(void **state)
{
	json_t *j = get_json("/api/v1/sessions", "2", NULL, 200);

	assert_int_equal(json_array_size(j), 2);
	json_decref(j);
	j = get_json("/api/v1/sessions", NULL, "call-3-b", 200);
	assert_int_equal(json_array_size(j), 1);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(j, 0), "id")), 3);
	json_decref(j);
	json_decref(get_json("/api/v1/sessions", "many", NULL, 400));
	json_decref(get_json("/api/v1/sessions", "10001", NULL, 400));
}

static void one_session_by_id(void **state)
{
	json_t *j = get_json("/api/v1/sessions/3", NULL, NULL, 200);

	assert_int_equal(json_integer_value(json_object_get(j, "id")), 3);
	json_decref(j);
	j = get_json("/api/v1/sessions/4", NULL, NULL, 404);
	assert_string_equal(json_string_value(json_object_get(j, "error")), "no such session");
	assert_int_equal(json_integer_value(json_object_get(j, "status")), 404);
	json_decref(j);
	fake_mode = IM_PROXY; /* PX-21: it must say so */
	j = get_json("/api/v1/sessions/4", NULL, NULL, 404);
	assert_string_equal(json_string_value(json_object_get(j, "error")),
			    "a proxy keeps no sessions and can end none");
	json_decref(j);
	fake_mode = IM_ANCHORED;
	json_decref(get_json("/api/v1/sessions/x", NULL, NULL, 400));
	json_decref(get_json("/api/v1/sessions/", NULL, NULL, 400));
}

static void ims_10_registrations_are_an_array(void **state)
{
	json_t *j = get_json("/api/v1/registrations", NULL, NULL, 200), *s = json_array_get(j, 0);

	assert_int_equal(json_array_size(j), 2);
	assert_string_equal(json_string_value(json_object_get(s, "user")), "sip:a@example.com");
	assert_string_equal(json_string_value(json_object_get(s, "access")), "3GPP-E-UTRAN");
	assert_string_equal(json_string_value(json_object_get(s, "icid")), "i1");
	assert_string_equal(json_string_value(json_object_get(s, "info")), "<x/>");
	assert_true(json_integer_value(json_object_get(s, "expires_s")) > 1000000);
	s = json_array_get(j, 1);
	assert_string_equal(json_string_value(json_object_get(s, "user")), "sip:?@example.com");
	assert_int_equal(json_integer_value(json_object_get(s, "expires_s")), 0);
	json_decref(j);
	j = get_json("/api/v1/registrations", "1", NULL, 200);
	assert_int_equal(json_array_size(j), 1);
	json_decref(j);
	json_decref(get_json("/api/v1/registrations", "0", NULL, 400));
}

static void metrics_have_help_and_type(void **state)
{
	struct api_reply r;

	ask("GET", "/metrics", NULL, NULL, false, &r);
	assert_int_equal(r.status, 200);
	r.body[r.n - 1] = 0;
	assert_non_null(strstr(r.body,
			       "# HELP parley_sessions Sessions alive.\n# TYPE parley_sessions gauge\n"
			       "parley_sessions 3\n"));
	assert_non_null(strstr(r.body, "# TYPE parley_modifications counter\n"
				       "parley_modifications 1234567890123\n"));
	assert_non_null(
		strstr(r.body, "# TYPE parley_net_msrp_connections gauge\nparley_net_msrp_connections 0\n"));
	assert_non_null(strstr(r.body, "\nprocess_cpu_seconds_total "));
	assert_null(strstr(r.body, "process_resident_memory_bytes 0"));
	free(r.body);
}

static void health_follows_the_drain(void **state)
{
	struct api_reply r;

	ask("GET", "/healthz", NULL, NULL, false, &r);
	assert_int_equal(r.status, 200);
	assert_string_equal(r.body, "{\"status\":\"ok\"}");
	free(r.body);
	ask("GET", "/healthz", NULL, NULL, true, &r);
	assert_int_equal(r.status, 503);
	assert_string_equal(r.body, "{\"status\":\"draining\"}");
	free(r.body);
}

static void what_is_not_served_is_said(void **state)
{
	struct api_reply r;

	json_decref(get_json("/", NULL, NULL, 404));
	json_decref(get_json("/api/v1/session", NULL, NULL, 404));
	ask("POST", "/api/v1/sessions", NULL, NULL, false, &r);
	assert_int_equal(r.status, 405);
	free(r.body);
}

static int make_net(void **state)
{
	struct net_conf conf;

	net_conf_defaults(&conf);
	net = net_create(&conf, &(struct net_hooks){ 0 });
	return net ? 0 : -1;
}

static int drop_net(void **state)
{
	net_destroy(net);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sessions_are_an_array),
		cmocka_unit_test(sessions_can_be_limited_and_found),
		cmocka_unit_test(one_session_by_id),
		cmocka_unit_test(ims_10_registrations_are_an_array),
		cmocka_unit_test(metrics_have_help_and_type),
		cmocka_unit_test(health_follows_the_drain),
		cmocka_unit_test(what_is_not_served_is_said),
	};
	return cmocka_run_group_tests_name("mgmt/api", tests, make_net, drop_net);
}
