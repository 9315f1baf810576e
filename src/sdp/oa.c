/* SPDX-License-Identifier: MIT */
/*
 * The offer/answer state of one dialog, whatever carries it: INVITE, 1xx, PRACK, UPDATE, 2xx, ACK (STATE-3).  One
 * state for all carriers is the point: kept per method it lets an UPDATE overwrite the offer of a re-INVITE.
 *
 * The version in o= counts what was *sent*, not what was agreed: the receiver of a refused offer has seen its number
 * (SDP-4, SDP-7), so even the way back to the old content needs a new one.
 */
#include "sdp/sdp.h"

#include <errno.h>
#include <stdlib.h>

void sdp_oa_init(struct sdp_oa *oa, uint64_t origin_id, uint64_t first_version)
{
	*oa = (struct sdp_oa){ .origin_id = origin_id, .version = first_version };
}

static void drop(char **text, uint32_t *n)
{
	free(*text);
	*text = NULL;
	*n = 0;
}

void sdp_oa_finish(struct sdp_oa *oa)
{
	drop(&oa->local, &oa->local_n);
	drop(&oa->remote, &oa->remote_n);
	sdp_oa_abort(oa);
}

static int begin(struct sdp_oa *oa, enum sdp_oa_state to, struct span sdp)
{
	if (oa->state != SDP_STABLE)
		return -EBUSY;
	char *text = span_dup(sdp);
	if (!text)
		return -ENOMEM;
	oa->pending = text;
	oa->pending_n = (uint32_t)sdp.n;
	oa->state = to;
	return 0;
}

int sdp_oa_offer_in(struct sdp_oa *oa, struct span sdp)
{
	return begin(oa, SDP_OFFER_RECEIVED, sdp);
}

int sdp_oa_offer_out(struct sdp_oa *oa, struct span sdp)
{
	return begin(oa, SDP_OFFER_SENT, sdp);
}

static void replace(char **text, uint32_t *n, char *by, size_t by_n)
{
	free(*text);
	*text = by;
	*n = (uint32_t)by_n;
}

/* Both texts change over together or not at all: the one allocation comes first. */
static int commit(struct sdp_oa *oa, enum sdp_oa_state in, struct span answer)
{
	if (oa->state != in)
		return -EBUSY;
	char *text = span_dup(answer);
	if (!text)
		return -ENOMEM;
	if (in == SDP_OFFER_SENT) {
		replace(&oa->local, &oa->local_n, oa->pending, oa->pending_n);
		replace(&oa->remote, &oa->remote_n, text, answer.n);
	} else {
		replace(&oa->remote, &oa->remote_n, oa->pending, oa->pending_n);
		replace(&oa->local, &oa->local_n, text, answer.n);
	}
	oa->pending = NULL;
	oa->pending_n = 0;
	oa->state = SDP_STABLE;
	return 0;
}

int sdp_oa_answer_in(struct sdp_oa *oa, struct span sdp)
{
	return commit(oa, SDP_OFFER_SENT, sdp);
}

int sdp_oa_answer_out(struct sdp_oa *oa, struct span sdp)
{
	return commit(oa, SDP_OFFER_RECEIVED, sdp);
}

void sdp_oa_abort(struct sdp_oa *oa)
{
	drop(&oa->pending, &oa->pending_n);
	oa->state = SDP_STABLE;
}

void sdp_oa_unsent(struct sdp_oa *oa, const struct sdp_oa *was)
{
	sdp_oa_abort(oa);
	oa->version = was->version;
	oa->last_sent_hash = was->last_sent_hash;
	oa->sent_any = was->sent_any;
	oa->numbered = was->numbered;
}

uint64_t sdp_oa_version(struct sdp_oa *oa, uint64_t content_hash)
{
	if (oa->sent_any && oa->last_sent_hash != content_hash)
		oa->version++;
	oa->sent_any = true;
	oa->last_sent_hash = content_hash;
	return oa->version;
}

uint64_t sdp_oa_version_passed(struct sdp_oa *oa, uint64_t version, uint64_t content_hash)
{
	if (oa->numbered && oa->sent_any)
		return sdp_oa_version(oa, content_hash);
	oa->sent_any = true;
	oa->last_sent_hash = content_hash;
	return oa->version = version;
}

uint64_t sdp_oa_version_ours(struct sdp_oa *oa, uint64_t content_hash)
{
	oa->numbered |= !oa->sent_any || oa->last_sent_hash != content_hash;
	return sdp_oa_version(oa, content_hash);
}
