/* SPDX-License-Identifier: MIT */
/* What each path answers, apart from how HTTP carries it. */
#ifndef PARLEY_MGMT_API_H
#define PARLEY_MGMT_API_H

#include "mgmt/mgmt.h"

struct api {
	struct im *im;
	struct net *net;
	bool draining;
};

struct api_request {
	const char *method, *path;
	const char *limit, *call_id; /* query arguments; NULL: not given */
};

struct api_reply {
	unsigned status;
	const char *type; /* static */
	char *body;       /* malloc'd, the caller's; NULL: no memory */
	size_t n;
};

void api_reply(const struct api *a, const struct api_request *q, struct api_reply *out);

#endif
