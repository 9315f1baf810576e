/* SPDX-License-Identifier: MIT */
/* Each allocation of a session's life fails in turn: nothing breaks, nothing leaks, and a prepare that fails leaves
 * all as it was. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/oom.h"
#include "plane_world.h"

void *__real_realloc(void *p, size_t n);

static void on_lost(void *session, enum side s, unsigned line, const char *why, uint64_t now_us)
{
}

static void on_back(void *session, enum side s, unsigned line, uint64_t now_us)
{
}

static const struct plane_hooks hooks = { .lost = on_lost, .back = on_back };

static bool exchange(struct pw *w, enum side from, const char *offered, const char *answered)
{
	struct pw_sdp offer, answer;
	struct plane_local before[2], after[2];
	uint64_t sessions = planes_stats(w->ps)->sessions;

	pw_sdp1(&offer, offered, "active", NULL);
	pw_sdp1(&answer, answered, "passive", NULL);
	for (int s = 0; s < 2; s++)
		plane_local(w->p, (enum side)s, 0, &before[s]);
	if (plane_prepare(w->p, from, &offer.sdp, 0, w->now_us) == 0) {
		plane_commit(w->p, from, &offer.sdp, &answer.sdp, w->now_us);
		pw_pump(w);
		return true;
	}
	for (int s = 0; s < 2; s++) {
		plane_local(w->p, (enum side)s, 0, &after[s]);
		assert_memory_equal(&before[s], &after[s], sizeof(after[s]));
	}
	assert_int_equal(planes_stats(w->ps)->sessions, sessions);
	return false;
}

static void traffic(struct pw *w)
{
	w->a = pw_accept(w);
	if (w->a->closed)
		return;
	w->read_max = 37; /* heads come in pieces */
	pw_feed(w->a, FROM_A("tid1", "SEND", "Message-ID: 1\r\n") "$\r\n");
	if (w->a->closed)
		return;
	pw_feed(w->a,
		FROM_A("tid2", "SEND", "Message-ID: 2\r\nSuccess-Report: yes\r\n" TEXT "held\r\n") "$\r\n");
	if (w->n_conns > 1 && !w->conn[0].closed && !w->conn[0].up)
		pw_connected(&w->conn[0]);
	if (w->a->closed)
		return;
	pw_feed(w->a,
		"MSRP tid3 SEND\r\nTo-Path: {A}\r\nFrom-Path: msrp://else.example:1/x;tcp\r\nMessage-ID: 3\r\n" TEXT
		"%0500d\r\n-------tid3$\r\n",
		3);
	if (w->conn[0].closed || w->conn[0].out_n == 0)
		return;
	pw_feed(&w->conn[0], FROM_B("btid", "SEND", "Message-ID: 4\r\n" TEXT "back\r\n") "$\r\n");
	if (!w->conn[0].closed)
		pw_feed(&w->conn[0],
			FROM_B("brep", "REPORT",
			       "Message-ID: 2\r\nByte-Range: 1-2/4\r\nStatus: 000 200 OK\r\n" TEXT
			       "body\r\n") "$\r\n");
}

static void life(struct pw *w)
{
	w->ps = planes_create(&w->conf, &w->port, &w->wheel);
	if (!w->ps)
		return;
	w->p = plane_create(w->ps, w, &hooks);
	if (!w->p || !exchange(w, SIDE_A, A_URI, B_URI))
		return;
	pw_name_paths(w, "A", "B");
	traffic(w);
	exchange(w, SIDE_A, "msrp://a.example:7001/as2;tcp", B_URI);
	planes_check(w->ps);
	pw_advance(w, 200000);
	planes_check(w->ps);
}

static void oom_every_allocation(void **state)
{
	static struct pw w;
	unsigned long n = 0;
	bool failed = true;

	pw_realloc = __real_realloc;
	for (; failed; n++) {
		pw_init(&w);
		oom_fail_after(n);
		life(&w);
		failed = oom_end();
		pw_finish(&w);
	}
	assert_true(n > 20);
}

/* UPA-22: what commit needs was made by prepare: whichever allocation fails on the way, the new paths are in effect. */
static void commit_22_cannot_fail(void **state)
{
	static struct pw w;
	struct pw_sdp offer, answer;
	struct plane_local next, now;
	bool failed = true;
	char moved[64];

	pw_init(&w);
	w.ps = planes_create(&w.conf, &w.port, &w.wheel);
	w.p = plane_create(w.ps, &w, &hooks);
	assert_true(exchange(&w, SIDE_A, A_URI, B_URI));
	for (unsigned n = 0; failed; n++) {
		snprintf(moved, sizeof(moved), "msrp://%c.example:7001/moved%u;tcp", n % 2 ? 'a' : 'b', n);
		pw_sdp1(&offer, moved, "active", NULL);
		pw_sdp1(&answer, moved, "active",
			NULL); /* we connect to nobody: that may fail, and is repaired */
		assert_int_equal(plane_prepare(w.p, SIDE_A, &offer.sdp, 0, w.now_us), 0);
		plane_local(w.p, SIDE_A, 0, &next);
		oom_fail_after(n);
		plane_commit(w.p, SIDE_A, &offer.sdp, &answer.sdp, w.now_us);
		failed = oom_end();
		plane_local(w.p, SIDE_A, 0, &now);
		assert_memory_equal(&next, &now, sizeof(now));
		assert_int_equal(plane_generation(w.p), 2 + n);
		planes_check(w.ps);
	}
	pw_finish(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(oom_every_allocation),
					    cmocka_unit_test(commit_22_cannot_fail) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
