/* SPDX-License-Identifier: MIT */
/*
 * a=fingerprint (RFC 8122 5).  A description may name several certificates, and each by several hashes: what counts are
 * those of the strongest hash that is there, and one of them has to be the peer's.  Those of the line replace
 * those of the session (SDP-13), they do not add to them.
 */
#include "sdp/sdp.h"

#include "sdp/word.h"

/* MD2 and MD5 must not be used to verify (RFC 8122 5): they are as unknown as what comes later. */
static const struct {
	struct span name;
	uint8_t len;
} hashes[] = {
	[SDP_SHA1] = { { "sha-1", 5 }, 20 },     [SDP_SHA224] = { { "sha-224", 7 }, 28 },
	[SDP_SHA256] = { { "sha-256", 7 }, 32 }, [SDP_SHA384] = { { "sha-384", 7 }, 48 },
	[SDP_SHA512] = { { "sha-512", 7 }, 64 },
};

size_t sdp_digest_len(enum sdp_hash h)
{
	return h < ARRAY_LEN(hashes) ? hashes[h].len : 0;
}

static enum sdp_hash hash_of(struct span name)
{
	for (enum sdp_hash h = SDP_SHA1; h < ARRAY_LEN(hashes); h++)
		if (span_ieq(name, hashes[h].name))
			return h;
	return SDP_HASH_NONE;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "AB:CD:...", exactly n bytes. */
static bool read_digest(struct span text, uint8_t *out, size_t n)
{
	if (text.n != 3 * n - 1)
		return false;
	for (size_t i = 0; i < n; i++) {
		int high = digit(text.p[3 * i]), low = digit(text.p[3 * i + 1]);
		if (high < 0 || low < 0 || (i + 1 < n && text.p[3 * i + 2] != ':'))
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static void take(struct span value, enum sdp_hash weakest, struct sdp_prints *out)
{
	enum sdp_hash h = hash_of(sdp_word(&value));
	uint8_t digest[SDP_DIGEST_MAX];

	if (h == SDP_HASH_NONE)
		return;
	if (!read_digest(span_trim(value), digest, hashes[h].len)) {
		out->bad = true;
		return;
	}
	if (h < weakest || h < out->hash)
		return;
	if (h > out->hash) {
		out->hash = h;
		out->n = 0;
	}
	if (out->n < SDP_PRINTS_MAX)
		memcpy(out->digest[out->n++], digest, hashes[h].len);
}

void sdp_prints_of(const struct sdp *s, unsigned i, enum sdp_hash weakest, struct sdp_prints *out)
{
	int at = (int)i;
	const struct sdp_line *l = sdp_attr(s, at, SPAN("fingerprint"));

	out->hash = SDP_HASH_NONE;
	out->n = 0;
	out->bad = false;
	if (!l) {
		at = -1;
		l = sdp_attr(s, at, SPAN("fingerprint"));
	}
	for (; l; l = sdp_attr_next(s, at, l))
		take(l->arg, weakest, out);
}

static bool has(const struct sdp_prints *p, const uint8_t *digest)
{
	for (unsigned i = 0; i < p->n; i++)
		if (memcmp(p->digest[i], digest, sdp_digest_len(p->hash)) == 0)
			return true;
	return false;
}

bool sdp_same_prints(const struct sdp_prints *a, const struct sdp_prints *b)
{
	if (a->hash != b->hash || a->n != b->n || a->bad != b->bad)
		return false;
	for (unsigned i = 0; i < a->n; i++)
		if (!has(b, a->digest[i]))
			return false;
	return true;
}
