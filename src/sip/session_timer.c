/* SPDX-License-Identifier: MIT */
/*
 * Session-Expires and Min-SE (RFC 4028 4, 5): a number of seconds and parameters, of which only the refresher has a
 * meaning.  Hard is only what to call malformed: the request is refused for it, so unknown parameters pass, and a
 * number beyond 2^32 - 1, which the grammar allows, is the largest we can hold.
 */
#include "sip/session_timer.h"

#include <errno.h>

#include "sip/uri.h"

static int seconds_of(struct span text, uint32_t *out)
{
	uint64_t v;

	text = span_trim(text);
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] < '0' || text.p[i] > '9')
			return -EINVAL;
	if (!text.n)
		return -EINVAL;
	*out = span_u64(text, UINT32_MAX, &v) == 0 ? (uint32_t)v : UINT32_MAX;
	return 0;
}

static int refresher_of(struct span params, enum sip_refresher *out)
{
	struct span v;

	*out = SIP_REFRESHER_NONE;
	if (!sip_param(params, SPAN("refresher"), &v))
		return 0;
	if (span_ieq(v, SPAN("uac")))
		*out = SIP_REFRESHER_UAC;
	else if (span_ieq(v, SPAN("uas")))
		*out = SIP_REFRESHER_UAS;
	else
		return -EINVAL;
	return 0;
}

/* The one header of this id (two do not get through sip_msg_parse): its number, and its parameters. */
static int read_one(const struct sip_msg *m, enum sip_hdr_id id, uint32_t *seconds, struct span *params)
{
	if (!sip_has(m, id))
		return -ENOENT;
	*params = sip_value(m, id);
	return seconds_of(span_split(params, ';'), seconds);
}

int sip_session_expires(const struct sip_msg *m, struct sip_session_expires *out)
{
	struct span params;
	int r = read_one(m, SIP_H_SESSION_EXPIRES, &out->seconds, &params);

	return r < 0 ? r : refresher_of(params, &out->refresher);
}

int sip_min_se(const struct sip_msg *m, uint32_t *seconds)
{
	struct span params;
	return read_one(m, SIP_H_MIN_SE, seconds, &params);
}
