/* SPDX-License-Identifier: MIT */
/* Immediate message or conversation (the change request's editor's note): CLASS-1..13, decided once, at the
 * dialog-creating request, and kept for the life of the session. */
#ifndef PARLEY_IM_CLASSIFY_H
#define PARLEY_IM_CLASSIFY_H

#include "im/im.h"
#include "sdp/sdp.h"

enum __attribute__((packed)) im_class {
	IM_CLASS_NOT_IM,
	IM_CLASS_PAGER,
	IM_CLASS_LARGE_MESSAGE,
	IM_CLASS_CONVERSATION, /* one to one */
	IM_CLASS_GROUP,
	IM_CLASS_FILE_TRANSFER,
};

struct im_classified {
	enum im_class class;
	const char *evidence; /* static: "P-Asserted-Service", "Accept-Contact", "SDP", "default" ... */
	char detail[96];      /* the value that decided, shortened; printable */
};

/* req: INVITE or MESSAGE.  sdp: its offer, NULL when there is none.  trusted: it came from a trusted peer. */
void classify(const struct im_conf *conf, const struct sip_msg *req, const struct sdp *sdp, bool trusted,
	      struct im_classified *out);
const char *im_class_name(enum im_class c); /* "conversation" */

#endif
