/* SPDX-License-Identifier: MIT */
/* The offer/answer state of a dialog: every state with every event, and versions (STATE-3, SDP-4, SDP-7). */
#include "sdp_test.h"

#include <errno.h>
#include <stdlib.h>

/* The n-th allocation from now on fails; 0: none does. */
static unsigned fail_at;

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_malloc(size_t n)
{
	if (fail_at && --fail_at == 0)
		return NULL;
	return __real_malloc(n);
}

static void oa_offer_out_answer_in(void **state)
{
	struct sdp_oa oa;

	sdp_oa_init(&oa, 4, 9);
	assert_int_equal(oa.state, SDP_STABLE);
	assert_int_equal(oa.origin_id, 4);
	assert_null(sdp_oa_local(&oa).p);
	assert_null(sdp_oa_remote(&oa).p);
	assert_int_equal(sdp_oa_offer_out(&oa, SPAN("offer")), 0);
	assert_int_equal(oa.state, SDP_OFFER_SENT);
	assert_span(((struct span){ oa.pending, oa.pending_n }), "offer");
	assert_null(sdp_oa_local(&oa).p); /* nothing is committed before the answer */
	assert_int_equal(sdp_oa_answer_in(&oa, SPAN("answer")), 0);
	assert_int_equal(oa.state, SDP_STABLE);
	assert_span(sdp_oa_local(&oa), "offer");
	assert_span(sdp_oa_remote(&oa), "answer");
	assert_null(oa.pending);
	sdp_oa_finish(&oa);
	sdp_oa_finish(&oa);
}

static void oa_offer_in_answer_out(void **state)
{
	struct sdp_oa oa;
	char text[] = "their offer";

	sdp_oa_init(&oa, 1, 1);
	assert_int_equal(sdp_oa_offer_in(&oa, span_of(text)), 0);
	memset(text, 'x', sizeof(text) - 1); /* it was copied */
	assert_int_equal(oa.state, SDP_OFFER_RECEIVED);
	assert_int_equal(sdp_oa_answer_out(&oa, SPAN("our answer")), 0);
	assert_span(sdp_oa_local(&oa), "our answer");
	assert_span(sdp_oa_remote(&oa), "their offer");
	/* and again, over it */
	assert_int_equal(sdp_oa_offer_out(&oa, SPAN("o2")), 0);
	assert_int_equal(sdp_oa_answer_in(&oa, SPAN("a2")), 0);
	assert_span(sdp_oa_local(&oa), "o2");
	assert_span(sdp_oa_remote(&oa), "a2");
	sdp_oa_finish(&oa);
}

static void oa_state_3_one_offer_at_a_time(void **state)
{
	typedef int event(struct sdp_oa *, struct span);
	static event *const all[] = { sdp_oa_offer_in, sdp_oa_offer_out, sdp_oa_answer_in,
				      sdp_oa_answer_out };
	static const struct {
		event *enter;   /* NULL: stable */
		unsigned taken; /* a bit per event */
	} rows[] = { { NULL, 1 | 2 }, { sdp_oa_offer_in, 8 }, { sdp_oa_offer_out, 4 } };

	for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
		for (size_t e = 0; e < ARRAY_LEN(all); e++) {
			struct sdp_oa oa;

			sdp_oa_init(&oa, 1, 1);
			if (rows[r].enter)
				assert_int_equal(rows[r].enter(&oa, SPAN("first")), 0);
			enum sdp_oa_state was = oa.state;
			bool taken = rows[r].taken >> e & 1;
			assert_int_equal(all[e](&oa, SPAN("second")), taken ? 0 : -EBUSY);
			if (!taken)
				assert_int_equal(oa.state, was);
			if (!taken && rows[r].enter)
				assert_span(((struct span){ oa.pending, oa.pending_n }), "first");
			sdp_oa_finish(&oa);
		}
	}
}

static void oa_refused_leaves_the_committed_pair(void **state)
{
	struct sdp_oa oa;

	sdp_oa_init(&oa, 1, 1);
	assert_int_equal(sdp_oa_offer_out(&oa, SPAN("o1")), 0);
	assert_int_equal(sdp_oa_answer_in(&oa, SPAN("a1")), 0);
	assert_int_equal(sdp_oa_offer_in(&oa, SPAN("bad")), 0);
	sdp_oa_abort(&oa);
	assert_int_equal(oa.state, SDP_STABLE);
	assert_span(sdp_oa_local(&oa), "o1");
	assert_span(sdp_oa_remote(&oa), "a1");
	sdp_oa_abort(&oa); /* nothing open: fine */
	assert_int_equal(sdp_oa_offer_out(&oa, SPAN("next")), 0);
	sdp_oa_finish(&oa); /* with an offer open: nothing leaks */
}

static void oa_no_memory_changes_nothing(void **state)
{
	struct sdp_oa oa;

	sdp_oa_init(&oa, 1, 1);
	fail_at = 1;
	assert_int_equal(sdp_oa_offer_in(&oa, SPAN("x")), -ENOMEM);
	assert_int_equal(oa.state, SDP_STABLE);
	assert_null(oa.pending);
	assert_int_equal(sdp_oa_offer_in(&oa, SPAN("o")), 0);
	fail_at = 1;
	assert_int_equal(sdp_oa_answer_out(&oa, SPAN("a")), -ENOMEM);
	assert_int_equal(oa.state, SDP_OFFER_RECEIVED);
	assert_null(sdp_oa_remote(&oa).p);
	assert_int_equal(sdp_oa_answer_out(&oa, SPAN("a")), 0);
	assert_int_equal(sdp_oa_offer_out(&oa, SPAN("o2")), 0);
	fail_at = 1;
	assert_int_equal(sdp_oa_answer_in(&oa, SPAN("a2")), -ENOMEM);
	assert_int_equal(oa.state, SDP_OFFER_SENT);
	assert_span(sdp_oa_local(&oa), "a");
	assert_span(sdp_oa_remote(&oa), "o");
	sdp_oa_finish(&oa);
}

static void oa_sdp_4_version_follows_what_was_sent(void **state)
{
	struct sdp_oa oa;

	sdp_oa_init(&oa, 1, 100);
	assert_int_equal(sdp_oa_version(&oa, 0), 100); /* the first, whatever its hash */
	assert_int_equal(sdp_oa_version(&oa, 0), 100); /* said again */
	assert_int_equal(sdp_oa_version(&oa, 0xb), 101);
	assert_int_equal(sdp_oa_version(&oa, 0xb), 101);
	assert_int_equal(sdp_oa_version(&oa, 0xc), 102);
	sdp_oa_finish(&oa);
}

static void oa_sdp_7_version_after_a_refusal(void **state)
{
	struct sdp_oa oa;

	sdp_oa_init(&oa, 1, 1);
	assert_int_equal(sdp_oa_version(&oa, 0xa), 1); /* committed */
	assert_int_equal(sdp_oa_offer_out(&oa, SPAN("b")), 0);
	assert_int_equal(sdp_oa_version(&oa, 0xb), 2); /* refused */
	sdp_oa_abort(&oa);
	assert_int_equal(sdp_oa_version(&oa, 0xb), 2); /* the same bytes again keep it */
	assert_int_equal(sdp_oa_version(&oa, 0xa), 3); /* back to the old content: a new one */
	assert_int_equal(sdp_oa_version(&oa, 0xb), 4);
	sdp_oa_finish(&oa);
}

static void oa_sdp_4_an_offer_that_never_left(void **state)
{
	struct sdp_oa oa, was;

	sdp_oa_init(&oa, 1, 5);
	was = oa;
	assert_int_equal(sdp_oa_version(&oa, 100), 5);
	assert_int_equal(sdp_oa_offer_out(&oa, SPAN("o1")), 0);
	sdp_oa_unsent(&oa, &was);
	assert_int_equal(oa.state, SDP_STABLE);
	assert_int_equal(sdp_oa_version(&oa, 200), 5); /* another text, under the number nobody has seen */
	was = oa;
	assert_int_equal(sdp_oa_version(&oa, 300), 6);
	sdp_oa_unsent(&oa, &was);
	assert_int_equal(sdp_oa_version(&oa, 200), 5);
	assert_int_equal(sdp_oa_version(&oa, 400), 6);
	sdp_oa_finish(&oa);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(oa_offer_out_answer_in),
		cmocka_unit_test(oa_offer_in_answer_out),
		cmocka_unit_test(oa_state_3_one_offer_at_a_time),
		cmocka_unit_test(oa_refused_leaves_the_committed_pair),
		cmocka_unit_test(oa_no_memory_changes_nothing),
		cmocka_unit_test(oa_sdp_4_version_follows_what_was_sent),
		cmocka_unit_test(oa_sdp_7_version_after_a_refusal),
		cmocka_unit_test(oa_sdp_4_an_offer_that_never_left),
	};
	return cmocka_run_group_tests_name("sdp/oa", tests, NULL, NULL);
}
