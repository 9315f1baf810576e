/* SPDX-License-Identifier: MIT */
#include "fake_im.h"

const unsigned plane_codes[PLANE_CODES] = { 400, 403, 408, 413, 415, 481, 501, 506, 0 };

#include <stdio.h>

enum im_mode fake_mode = IM_ANCHORED;

enum im_mode im_mode(const struct im *im)
{
	return fake_mode;
}

void im_view_sessions(struct im *im, void (*fn)(const struct im_session_view *v, void *u), void *u)
{
	for (uint64_t id = 1; id <= FAKE_SESSIONS; id++) {
		struct im_session_view v = {
			.id = id,
			.state = "up",
			.mode = "anchored",
			.session_case = "originating",
			.class_name = "conversation",
			.class_evidence = "SDP",
			.since_us = 0,
			.modifications = 10 + id,
			.refused = 2,
			.locked = id == 2,
			.generation = 4,
			.plane = { .messages = { 5, 6 },
				   .bytes_in = { 7, 8 },
				   .rebinds = 9,
				   .errors = { [3] = 7 } },
			.n_lines = 1,
			.line = { { .index = 2,
				    .stats = { .resent = 4 },
				    .file = { PLANE_FILE_RUNNING, 20000, 5000, "ft1" } } },
		};
		snprintf(v.served_user, sizeof(v.served_user), "%s",
			 id == 3 ? "sip:\xff\"x" : "sip:a@example.com");
		snprintf(v.call_id[SIDE_A], sizeof(v.call_id[0]), "call-%u-a", (unsigned)id);
		snprintf(v.call_id[SIDE_B], sizeof(v.call_id[0]), "call-%u-b", (unsigned)id);
		fn(&v, u);
	}
}

void im_view_registrations(struct im *im, void (*fn)(const struct im_registration_view *v, void *u), void *u)
{
	fn(&(struct im_registration_view){ "sip:a@example.com", "3GPP-E-UTRAN", "i1", "<x/>",
					   UINT64_MAX / 2 },
	   u);
	fn(&(struct im_registration_view){ "sip:\xff@example.com", "", "", "", 0 }, u);
}

void im_metrics(struct im *im, struct im_metrics *out)
{
	*out = (struct im_metrics){ .sessions = FAKE_SESSIONS, .modifications = 1234567890123 };
}
