/* SPDX-License-Identifier: MIT */
/*
 * Acceptability.  Input: a byte of settings, a byte of class, then up to three descriptions between zero bytes: what the
 * peer sent last, what we sent, and the offer.  Whatever they are, the verdict is one a 488 can carry; what was accepted
 * is accepted again when nothing changed; lines switched off are active ones, and one stays.
 */
#include "fuzz.h"

#include "im/accept.h"

static void settings(struct im_conf *conf, unsigned bits)
{
	static const char *const types[] = { "*", "text/plain message/cpim", "text/* image/png", "" };

	*conf = (struct im_conf){ .mode = bits & 1 ? IM_ANCHORED : IM_UNANCHORED,
				  .partial = bits & 2,
				  .strict_origin = bits & 4,
				  .audio_video_pass = bits & 8,
				  .file_transfer = bits & 16,
				  .deny_loopback = bits & 32,
				  .max_size = 10000,
				  .min_max_size = 10,
				  .max_streams = 3,
				  .max_chats = 1 };
	snprintf(conf->accept_types, sizeof(conf->accept_types), "%s", types[bits >> 6]);
}

static void check_verdict(const struct verdict *v, const struct sdp *s)
{
	bool left = false;

	FUZZ_CHECK(memchr(v->text, '\0', sizeof(v->text)));
	if (v->status) {
		FUZZ_CHECK(v->status == 488 && v->warning >= 300 && v->warning <= 399 && v->off == 0);
		FUZZ_CHECK(v->text[0] && !strpbrk(v->text, "\"\\\r\n"));
		return;
	}
	for (unsigned i = 0; i < 32; i++) {
		bool off = v->off >> i & 1;
		FUZZ_CHECK(!off || (i < s->n_media && s->media[i].port));
		left |= !off && i < s->n_media && s->media[i].port;
	}
	FUZZ_CHECK(!v->off || left);
}

/* What is written on is allowed by both sides, and nothing comes of a list that was refused. */
static void check_types(const struct im_conf *conf, struct span offered)
{
	static char text[2 * SDP_LINE_MAX];
	struct wbuf w = wbuf_on(text, sizeof(text));
	struct span rest;

	w_accept_types(&w, conf, offered);
	FUZZ_CHECK(w_ok(&w));
	rest = w_span_of(&w);
	while (rest.n) {
		struct span t = span_split(&rest, ' '), bare = t;
		if (t.n && span_split(&bare, ';').n) /* ";x" is no type at all */
			FUZZ_CHECK(sdp_type_accepted(span_of(conf->accept_types), t));
	}
}

static const struct sdp *next(struct span *rest, struct sdp *s)
{
	struct span text = span_split(rest, '\0');

	return text.n && sdp_parse(s, text, NULL) == 0 ? s : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sdp before_s, mine_s, offer_s;
	static struct im_conf conf;
	struct verdict v, again;

	if (size < 2)
		return 0;
	settings(&conf, data[0]);
	enum im_class class = data[1] % (IM_CLASS_FILE_TRANSFER + 1);
	struct span rest = { (const char *)data + 2, size - 2 };
	const struct sdp *before = next(&rest, &before_s), *mine = next(&rest, &mine_s),
			 *offer = next(&rest, &offer_s);

	if (!offer)
		return 0;
	accept_offer(&conf, class, true, before, mine, offer, &v);
	check_verdict(&v, offer);
	accept_offer(&conf, class, true, offer, NULL, offer, &again);
	FUZZ_CHECK(again.status == 0 && again.off == 0); /* ACC-1 */
	if (mine) {
		accept_answer(&conf, class, true, before, mine, offer, &v);
		check_verdict(&v, offer);
		FUZZ_CHECK(v.off == 0 && (v.status || mine->n_media == offer->n_media));
	}
	for (unsigned i = 0; i < offer->n_media; i++) {
		struct sdp_msrp m;
		sdp_msrp_of(offer, i, &m);
		check_types(&conf, m.accept_types);
	}
	return 0;
}
