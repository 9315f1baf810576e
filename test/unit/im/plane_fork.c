/* SPDX-License-Identifier: MIT */
/* Several far ends of one offer: PROV-1, PROV-3, PROV-13. */
#include <stdio.h>
#include <stdlib.h>

#include "plane_world.h"

#define A2_URI "msrp://a.example:7001/as2;tcp" /* the initiator in the second early dialog */
#define B2_URI "msrp://b2.example:7003/cs;tcp"
#define B3_URI "msrp://b3.example:7004/ds;tcp"
#define SAYS(tid, uri, rest) \
	"MSRP " tid " SEND\r\nTo-Path: {B}\r\nFrom-Path: " uri "\r\n" rest "-------" tid "$\r\n"
#define BIND(id) "Message-ID: " id "\r\n"
#define HI(id) "Message-ID: " id "\r\nByte-Range: 1-2/2\r\n" TEXT "hi\r\n"

struct forks {
	struct pw w;
	struct pw_sdp offer, sent;
	struct plane *p[3];
	struct pw_conn *a[3], *b[3];
};

static const char *const far_uri[] = { B_URI, B2_URI, B3_URI };

/* The offer is out; p[0] is the plane it was made with. */
static struct forks *offered(bool forking)
{
	static struct forks f;
	struct plane_local l;

	pw_init(&f.w);
	for (int i = 0; i < 3; i++)
		f.p[i] = NULL, f.a[i] = f.b[i] = NULL;
	pw_sdp1(&f.offer, A_URI, "active", NULL);
	pw_prepare(&f.w, SIDE_A, &f.offer);
	plane_forking(f.w.p, SIDE_B, forking, f.w.now_us);
	pw_name_paths(&f.w, "A", "B");
	plane_local(f.w.p, SIDE_B, 0, &l);
	pw_sdp1(&f.sent, l.path, "actpass", NULL);
	f.p[0] = f.w.p;
	return &f;
}

static void fork_to(struct forks *f, unsigned i)
{
	static const char name[][3] = { "", "A2", "A3" };
	struct plane_local l;

	f->p[i] = plane_fork(f->p[0], &f->w, SIDE_A, &f->offer.sdp, &f->sent.sdp, 0, f->w.now_us);
	assert_non_null(f->p[i]);
	plane_local(f->p[i], SIDE_A, 0, &l);
	snprintf(f->w.path[f->w.n_paths].real, sizeof(f->w.path[0].real), "%s", l.path);
	snprintf(f->w.path[f->w.n_paths++].name, sizeof(f->w.path[0].name), "{%s}", name[i]);
	plane_local(f->p[i], SIDE_B, 0, &l);
	assert_int_equal(sdp_parse(&f->sent.sdp, span_of(f->sent.text), NULL), 0);
	assert_non_null(strstr(f->sent.text, l.path)); /* the far end is where the offer said */
	planes_check(f->w.ps);
}

static void answer(struct forks *f, unsigned i, const char *setup)
{
	struct pw_sdp sdp;

	pw_sdp1(&sdp, far_uri[i], setup, NULL);
	plane_commit(f->p[i], SIDE_A, &f->offer.sdp, &sdp.sdp, f->w.now_us);
	pw_pump(&f->w);
}

static void finish(struct forks *f)
{
	for (int i = 1; i < 3; i++)
		plane_destroy(f->p[i], f->w.now_us);
	f->w.p = f->p[0];
	pw_finish(&f->w);
}

/* The initiator connects in early dialog i. */
static void near_binds(struct forks *f, unsigned i)
{
	struct pw_conn *c = f->a[i] = pw_accept(&f->w);

	if (i == 0)
		pw_feed(c, FROM_A("near", "SEND", BIND("n")) "$\r\n");
	else
		pw_feed(c, "MSRP near SEND\r\nTo-Path: {A2}\r\nFrom-Path: " A_URI
			   "\r\n" BIND("n") "-------near$\r\n");
	assert_non_null(strstr(pw_take(c), "200 OK"));
}

static void far_binds(struct forks *f, unsigned i)
{
	struct pw_conn *c = f->b[i] = pw_accept(&f->w);

	if (i == 0)
		pw_feed(c, SAYS("bind", B_URI, BIND("b")));
	else
		pw_feed(c, SAYS("bind", B2_URI, BIND("b")));
	assert_non_null(strstr(pw_take(c), "200 OK"));
}

static void far_says_hi(struct forks *f, unsigned i)
{
	if (i == 0)
		pw_feed(f->b[i], SAYS("hi01", B_URI, HI("m0")));
	else
		pw_feed(f->b[i], SAYS("hi01", B2_URI, HI("m1")));
}

static void near_hears_hi(struct forks *f, unsigned i)
{
	const char *got = pw_take(f->a[i]);

	assert_non_null(strstr(got, "hi\r\n"));
	assert_non_null(strstr(got, i ? "From-Path: {A2}" : "From-Path: {A}"));
	assert_non_null(strstr(got, i ? "Message-ID: m1" : "Message-ID: m0"));
}

static void each_hears_its_own(void **state)
{
	struct forks *f = offered(true);

	fork_to(f, 1);
	far_binds(f, 0), far_binds(f, 1);
	far_says_hi(f, 1), far_says_hi(f, 0);
	assert_true(f->b[0]->paused && f->b[1]->paused); /* no content before the answer */
	near_binds(f, 0), near_binds(f, 1);
	answer(f, 1, "active");
	near_hears_hi(f, 1);
	assert_true(f->b[0]->paused);
	answer(f, 0, "active");
	near_hears_hi(f, 0);
	/* and back, though neither far end has said anything since */
	pw_feed(f->a[1],
		"MSRP back SEND\r\nTo-Path: {A2}\r\nFrom-Path: " A_URI "\r\n" HI("m2") "-------back$\r\n");
	assert_non_null(strstr(pw_take(f->b[1]), "To-Path: " B2_URI "\r\nFrom-Path: {B}\r\n"));
	assert_null(strstr(pw_take(f->b[0]), "SEND"));
	finish(f);
}

static void heard_before_it_is_known(void **state)
{
	struct forks *f = offered(true);

	far_binds(f, 1); /* its answer is still under way */
	answer(f, 0, "active");
	near_binds(f, 0);
	far_says_hi(f, 1);
	assert_true(f->b[1]->paused);
	assert_null(strstr(pw_take(f->a[0]), "hi\r\n"));
	far_binds(f, 0);
	far_says_hi(f, 0);
	near_hears_hi(f, 0);
	fork_to(f, 1);
	assert_true(f->b[1]->paused);
	near_binds(f, 1);
	answer(f, 1, "active");
	near_hears_hi(f, 1);
	finish(f);
}

static void heard_and_never_known(void **state)
{
	struct forks *f = offered(true);
	struct pw_conn *quiet;

	far_binds(f, 1);
	quiet = f->b[1];
	far_binds(f, 1);
	far_says_hi(f, 1);
	answer(f, 0, "active");
	assert_true(f->b[1]->paused);
	plane_forking(f->p[0], SIDE_B, false, f->w.now_us);
	pw_pump(&f->w);
	assert_true(quiet->closed);
	assert_non_null(strstr(pw_take(f->b[1]), "MSRP hi01 481 "));
	far_binds(f, 0);
	finish(f);
}

static void forked_and_not_it(void **state)
{
	struct forks *f = offered(true);

	fork_to(f, 1);
	far_binds(f, 0), far_binds(f, 1);
	answer(f, 0, "active");
	plane_destroy(f->p[1], f->w.now_us); /* that device rings no more */
	f->p[1] = NULL;
	far_says_hi(f, 1);
	assert_true(f->b[1]->paused);
	plane_forking(f->p[0], SIDE_B, false, f->w.now_us);
	pw_pump(&f->w);
	assert_non_null(strstr(pw_take(f->b[1]), "MSRP hi01 481 "));
	assert_true(f->b[1]->closed);
	near_binds(f, 0);
	far_says_hi(f, 0);
	near_hears_hi(f, 0);
	finish(f);
}

static void one_ends_the_other_lives(void **state)
{
	struct forks *f = offered(true);

	fork_to(f, 1);
	far_binds(f, 0), far_binds(f, 1);
	answer(f, 0, "active"), answer(f, 1, "active");
	near_binds(f, 0), near_binds(f, 1);
	plane_forking(f->p[0], SIDE_B, false, f->w.now_us);
	plane_forking(f->p[1], SIDE_B, false, f->w.now_us);
	f->w.p = f->p[1];
	plane_destroy(f->p[0], f->w.now_us);
	f->p[0] = f->p[1], f->p[1] = NULL;
	pw_pump(&f->w);
	assert_true(f->b[0]->closed);
	f->b[0] = pw_accept(&f->w);
	far_says_hi(f, 0);
	assert_non_null(strstr(pw_take(f->b[0]), "MSRP hi01 481 "));
	far_says_hi(f, 1);
	near_hears_hi(f, 1);
	plane_destroy(f->p[0], f->w.now_us);
	f->p[0] = NULL;
	f->b[1] = pw_accept(&f->w);
	far_says_hi(f, 1);
	assert_non_null(strstr(pw_take(f->b[1]), "MSRP hi01 481 "));
	finish(f);
}

static void changed_while_early(void **state)
{
	struct forks *f = offered(true);
	struct pw_sdp again, moved;
	struct pw_conn *c;

	fork_to(f, 1);
	far_binds(f, 0), far_binds(f, 1);
	answer(f, 0, "active"), answer(f, 1, "active");
	near_binds(f, 1);
	/* an UPDATE in the second early dialog, answered with a new path: RFC 4975 8.4 */
	pw_sdp1(&again, A_URI, "active", "a=max-size:1000\r\n");
	pw_sdp1(&moved, B3_URI, "active", NULL);
	assert_int_equal(plane_prepare(f->p[1], SIDE_A, &again.sdp, 0, f->w.now_us), 0);
	plane_commit(f->p[1], SIDE_A, &again.sdp, &moved.sdp, f->w.now_us);
	assert_int_equal(plane_generation(f->p[1]), 2);
	assert_int_equal(plane_generation(f->p[0]), 1);
	c = pw_accept(&f->w);
	pw_feed(c, SAYS("new1", B3_URI, HI("m3")));
	assert_non_null(strstr(pw_take(f->a[1]), "Message-ID: m3"));
	near_binds(f, 0);
	far_says_hi(f, 0); /* the first one is as it was */
	near_hears_hi(f, 0);
	finish(f);
}

static void we_connect_to_each(void **state)
{
	struct forks *f = offered(true);

	fork_to(f, 1);
	answer(f, 0, "passive");
	f->b[0] = pw_last(&f->w);
	answer(f, 1, "passive");
	f->b[1] = pw_last(&f->w);
	assert_string_equal(f->b[0]->host, "b.example");
	assert_string_equal(f->b[1]->host, "b2.example");
	pw_connected(f->b[0]), pw_connected(f->b[1]);
	near_binds(f, 0), near_binds(f, 1);
	far_says_hi(f, 1);
	near_hears_hi(f, 1);
	finish(f);
}

/* One device refused the line; for another the session-id lives on. */
static void refused_by_the_first(void **state)
{
	struct forks *f = offered(true);
	struct pw_sdp none;

	pw_sdp1(&none, NULL, NULL, NULL);
	plane_commit(f->p[0], SIDE_A, &f->offer.sdp, &none.sdp, f->w.now_us);
	fork_to(f, 1);
	answer(f, 1, "active");
	far_binds(f, 1);
	near_binds(f, 1);
	far_says_hi(f, 1);
	near_hears_hi(f, 1);
	finish(f);
}

static void bounded(void **state)
{
	struct forks *f = offered(true);
	struct plane *p[PLANE_FORKS_MAX];

	for (unsigned i = 1; i < PLANE_FORKS_MAX; i++)
		assert_non_null(p[i] = plane_fork(f->p[0], &f->w, SIDE_A, &f->offer.sdp, &f->sent.sdp, 0,
						  f->w.now_us));
	assert_null(plane_fork(f->p[0], &f->w, SIDE_A, &f->offer.sdp, &f->sent.sdp, 0, f->w.now_us));
	planes_check(f->w.ps);
	for (unsigned i = 1; i < PLANE_FORKS_MAX; i++)
		plane_destroy(p[i], f->w.now_us);
	finish(f);
}

static void a_connection_that_dies_claims_nothing(void **state)
{
	struct forks *f = offered(true);

	fork_to(f, 1);
	far_binds(f, 1);
	far_says_hi(f, 1);
	pw_close(f->b[1]);
	answer(f, 1, "active");
	near_binds(f, 1);
	assert_null(strstr(pw_take(f->a[1]), "hi\r\n"));
	far_binds(f, 1);
	far_says_hi(f, 1);
	near_hears_hi(f, 1);
	finish(f);
}

/* Where nobody says that there may be forks, who came first is taken (UP-10). */
static void another_name_without_forks(void **state)
{
	struct forks *f = offered(false);

	far_binds(f, 1);
	answer(f, 0, "active");
	near_binds(f, 0);
	far_says_hi(f, 1);
	assert_non_null(strstr(pw_take(f->a[0]), "hi\r\n"));
	finish(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_hears_its_own),
		cmocka_unit_test(heard_before_it_is_known),
		cmocka_unit_test(heard_and_never_known),
		cmocka_unit_test(forked_and_not_it),
		cmocka_unit_test(one_ends_the_other_lives),
		cmocka_unit_test(changed_while_early),
		cmocka_unit_test(we_connect_to_each),
		cmocka_unit_test(refused_by_the_first),
		cmocka_unit_test(bounded),
		cmocka_unit_test(another_name_without_forks),
		cmocka_unit_test(a_connection_that_dies_claims_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
