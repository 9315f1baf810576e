/* SPDX-License-Identifier: MIT */
/*
 * What parley-ua says about its media: offers and answers with chat and file lines (RFC 4975 8, RFC 5547,
 * RFC 6135).  The o= version follows sdp_oa_version(): one more for new content, the same for the same.
 */
#include <stdlib.h>

#include "base/htab.h"
#include "sip/uri.h"
#include "ua.h"

static const char *const setup_name[] = {
	[SDP_SETUP_NONE] = "",           [SDP_SETUP_ACTIVE] = "active",     [SDP_SETUP_PASSIVE] = "passive",
	[SDP_SETUP_ACTPASS] = "actpass", [SDP_SETUP_HOLDCONN] = "holdconn", [SDP_SETUP_UNKNOWN] = "",
};

void ua_desc_new_session(struct ua *ua, struct ua_desc *d)
{
	ua_id(ua, d->sess, sizeof(d->sess));
}

bool ua_desc_is_tls(const struct ua_desc *d)
{
	return strstr(d->proto, "/TLS/") != NULL;
}

static const struct ua_listen *listen_of(const struct ua *ua, const struct ua_desc *d)
{
	const struct ua_listen *l = ua_listen_of(ua, ua_desc_is_tls(d) ? UA_MSRPS : UA_MSRP, 0);
	return l ? l : ua_listen_of(ua, UA_MSRP, 0);
}

void ua_desc_path(const struct ua *ua, const struct ua_desc *d, struct wbuf *w)
{
	w_str(w, ua_desc_is_tls(d) ? "msrps://" : "msrp://");
	w_addr(w, &listen_of(ua, d)->at), w_fmt(w, "/%s;tcp", d->sess);
}

static void write_line(struct ua *ua, struct wbuf *w, const struct ua_desc *d)
{
	const struct ua_listen *l = listen_of(ua, d);
	const char *media = d->media[0] ? d->media : "message", *proto = d->proto[0] ? d->proto : "TCP/MSRP";
	if (!d->on) {
		w_fmt(w, "m=%s 0 %s *\r\n", media, proto);
		return;
	}
	w_fmt(w, "m=%s %u %s *\r\n", media, d->bad_port ? d->bad_port : l->at.port, proto);
	if (d->accept_types[0])
		w_fmt(w, "a=accept-types:%s\r\n", d->accept_types);
	if (d->wrapped_types[0])
		w_fmt(w, "a=accept-wrapped-types:%s\r\n", d->wrapped_types);
	w_str(w, "a=path:"), ua_desc_path(ua, d, w), w_str(w, "\r\n");
	if (ua_desc_is_tls(d))
		w_fmt(w, "a=fingerprint:%s\r\n", ua_tls_fingerprint(ua));
	if (setup_name[d->setup][0])
		w_fmt(w, "a=setup:%s\r\n", setup_name[d->setup]);
	if (d->max_size)
		w_fmt(w, "a=max-size:%llu\r\n", (unsigned long long)d->max_size);
	if (d->dir != SDP_SENDRECV)
		w_str(w, "a="), w_span(w, sdp_dir_name(d->dir)), w_str(w, "\r\n");
	if (d->selector[0])
		w_fmt(w, "a=file-selector:%s\r\n", d->selector);
	if (d->file_id[0])
		w_fmt(w, "a=file-transfer-id:%s\r\n", d->file_id);
	if (d->extra[0])
		w_fmt(w, "%s\r\n", d->extra);
}

int ua_sdp_write(struct ua *ua, struct wbuf *w, const struct ua_media *m, const struct sdp *answer_to)
{
	static const uint64_t key[2] = { 1, 2 };
	const struct ua_listen *l = ua_listen_of(ua, UA_MSRP, 0);
	char text[UA_SDP_MAX];
	struct wbuf c = wbuf_on(text, sizeof(text));
	if (!l)
		return ua_fail(ua, "no msrp address: say `listen msrp:HOST:PORT` first");
	w_fmt(&c, "s=-\r\nc=IN IP%d ", l->at.family), w_addr_ip(&c, &l->at), w_str(&c, "\r\n");
	if (answer_to && answer_to->times.n)
		w_span(&c, span_trim(answer_to->times)), w_str(&c, "\r\n");
	else
		w_str(&c, "t=0 0\r\n");
	for (unsigned i = 0; i < m->n; i++)
		write_line(ua, &c, &m->line[i]);
	uint64_t version = sdp_oa_version(&ua->oa, hash_siphash(key, w_span_of(&c)));
	w_fmt(w, "v=0\r\no=- %llu %llu IN IP%d ", (unsigned long long)ua->oa.origin_id,
	      (unsigned long long)version, l->at.family);
	w_addr_ip(w, &l->at), w_str(w, "\r\n"), w_span(w, w_span_of(&c));
	return w_ok(&c) && w_ok(w) ? 0 : ua_fail(ua, "session description too long");
}

static void copy_span(char *to, size_t cap, struct span s)
{
	size_t n = s.n < cap - 1 ? s.n : cap - 1;
	if (n)
		memcpy(to, s.p, n);
	to[n] = 0;
}

static enum sdp_setup answer_setup(const struct ua *ua, enum sdp_setup offered)
{
	if (ua->no_setup)
		return SDP_SETUP_NONE;
	if (offered == SDP_SETUP_ACTIVE || offered == SDP_SETUP_NONE || offered == SDP_SETUP_HOLDCONN)
		return SDP_SETUP_PASSIVE;
	if (offered == SDP_SETUP_PASSIVE)
		return SDP_SETUP_ACTIVE;
	return ua->setup == SDP_SETUP_ACTIVE ? SDP_SETUP_ACTIVE : SDP_SETUP_PASSIVE;
}

static enum sdp_dir mirrored(enum sdp_dir d)
{
	return (enum sdp_dir)((d & 1) << 1 | (d & 2) >> 1);
}

void ua_media_answer(struct ua *ua, struct ua_media *m, const struct sdp *offer)
{
	memset(m, 0, sizeof(*m));
	for (unsigned i = 0; i < offer->n_media && i < UA_LINES_MAX; i++, m->n++) {
		struct ua_desc *d = &m->line[i];
		const struct ua_desc *old = i < ua->media.n ? &ua->media.line[i] : NULL;
		struct sdp_msrp s;
		sdp_msrp_of(offer, i, &s);
		copy_span(d->media, sizeof(d->media), offer->media[i].media);
		copy_span(d->proto, sizeof(d->proto), offer->media[i].proto);
		d->on = s.active && s.is_message && (s.tcp || s.tls);
		if (!d->on)
			continue;
		bool same = old && old->on && old->is_file == s.is_file &&
			    span_eq(span_of(ua->line[i].remote_path), s.path) &&
			    strcmp(d->proto, old->proto[0] ? old->proto : "TCP/MSRP") == 0;
		if (same)
			memcpy(d->sess, old->sess, sizeof(d->sess));
		else
			ua_desc_new_session(ua, d);
		d->dir = mirrored(s.dir);
		d->setup = answer_setup(ua, s.setup);
		d->is_file = s.is_file;
		copy_span(d->selector, sizeof(d->selector), s.file_selector);
		copy_span(d->file_id, sizeof(d->file_id), s.file_transfer_id);
		memcpy(d->accept_types, s.is_file ? "*" : ua->accept_types,
		       s.is_file ? 2 : sizeof(d->accept_types));
		if (!s.is_file)
			memcpy(d->wrapped_types, ua->wrapped_types, sizeof(d->wrapped_types));
		d->max_size = ua->max_size;
	}
}

/* The name and hash of the file that line i is about to bring us. */
static void expect_file(struct ua_line *l, const struct sdp_msrp *s)
{
	struct sdp_file f;
	l->file_name[0] = l->hash_text[0] = 0;
	if (!s->file_selector.n || sdp_file_selector(s->file_selector, &f) < 0)
		return;
	struct wbuf w = wbuf_on(l->file_name, sizeof(l->file_name) - 1);
	if (f.name.n >= 2 && f.name.p[0] == '"')
		f.name = span_cut(f.name, 1, f.name.n - 1);
	w_unescape(&w, f.name);
	l->file_name[w.n] = 0;
	copy_span(l->hash_text, sizeof(l->hash_text), f.hash);
}

void ua_media_commit(struct ua *ua, const struct ua_media *m, const struct sdp *remote, bool offered)
{
	struct ua_media old = ua->media;
	ua->media = *m;
	for (unsigned i = 0; i < UA_LINES_MAX; i++) {
		struct ua_line *l = &ua->line[i];
		struct sdp_msrp s = { 0 };
		if (i < remote->n_media)
			sdp_msrp_of(remote, i, &s);
		bool on = i < m->n && m->line[i].on && s.active && s.is_message;
		if (!on) {
			if (i < m->n)
				ua->media.line[i].on = false;
			if (l->on)
				ua_msrp_line_stop(ua, i);
			continue;
		}
		const struct ua_desc *d = &m->line[i];
		bool kept = l->on && i < old.n && strcmp(old.line[i].sess, d->sess) == 0 &&
			    span_eq(span_of(l->remote_path), s.path);
		if (l->on && !kept)
			ua_msrp_line_leave(ua, i);
		l->tls = s.tls;
		sdp_prints_of(remote, i, SDP_SHA256, &l->prints);
		copy_span(l->remote_path, sizeof(l->remote_path), s.path);
		copy_span(l->remote_types, sizeof(l->remote_types), s.accept_types);
		l->remote_dir = s.dir;
		if (s.is_file && (s.dir & 1))
			expect_file(l, &s);
		if (kept)
			continue;
		if (!offered || d->setup == SDP_SETUP_ACTIVE || d->setup == SDP_SETUP_PASSIVE)
			l->we_connect = d->setup == SDP_SETUP_ACTIVE;
		else /* RFC 6135 4.2.2; without a=setup in the answer the offerer connects (RFC 4975 8.5) */
			l->we_connect = s.setup != SDP_SETUP_ACTIVE;
		l->on = true;
		ua_msrp_line_start(ua, i);
	}
}
