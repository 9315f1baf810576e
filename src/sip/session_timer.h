/* SPDX-License-Identifier: MIT */
/* What RFC 4028 writes: Session-Expires and Min-SE.  Reading only; who refreshes whom is im/stimer.c. */
#ifndef PARLEY_SIP_SESSION_TIMER_H
#define PARLEY_SIP_SESSION_TIMER_H

#include "sip/msg.h"

enum sip_refresher { SIP_REFRESHER_NONE, SIP_REFRESHER_UAC, SIP_REFRESHER_UAS };

struct sip_session_expires {
	uint32_t seconds;
	enum sip_refresher refresher; /* NONE: the sender leaves it open */
};

/* 0; -ENOENT: there is none; -EINVAL: malformed.  A number of seconds that does not fit is a number all
 * the same (delta-seconds has no upper bound): it reads as UINT32_MAX. */
MUST_CHECK int sip_session_expires(const struct sip_msg *m, struct sip_session_expires *out);
MUST_CHECK int sip_min_se(const struct sip_msg *m, uint32_t *seconds);

#endif
