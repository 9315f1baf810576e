/* SPDX-License-Identifier: MIT */
/* Private to accept*.c: what is being judged, and how a rule says no. */
#ifndef PARLEY_IM_ACCEPT_INT_H
#define PARLEY_IM_ACCEPT_INT_H

#include "im/accept.h"

struct accept_judge {
	const struct im_conf *conf;
	enum im_class class;
	const struct sdp *before, *mine; /* NULL: none */
	const struct sdp *sdp;           /* the one judged */
	bool answer, safe;
	unsigned n_streams, n_chats; /* active message lines so far: those that go on, then new ones */
	struct verdict *out;
};

/* One active m=message line that is new or changed. */
struct accept_line {
	unsigned i;
	struct sdp_msrp now, old;
	bool was; /* old: it was active, and a message line, in the committed pair */
};

static inline bool accept_anchored(const struct accept_judge *j)
{
	return j->conf->mode == IM_ANCHORED;
}

/* Writes the verdict; false, so that a rule can end with it.  The text names the line: m=1 is the first. */
bool accept_refuse_line(struct accept_judge *j, unsigned i, unsigned warning, const char *what);

/* Active in what the peer sent last and in what we sent: an offered line that was answered with port 0 is not. */
bool accept_was_active(const struct accept_judge *j, unsigned i);

/* All rules of ACC-2 on l, whose i and now are filled in; the rest of l is filled in here. */
bool accept_message_line(struct accept_judge *j, struct accept_line *l);

/* Lists of MIME types: have they something in common; is every type of list covered by of? */
bool accept_types_meet(struct span policy, struct span offered);
bool accept_types_within(struct span list, struct span of);

#endif
