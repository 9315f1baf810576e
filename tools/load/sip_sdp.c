/* SPDX-License-Identifier: MIT */
/* The descriptions the two ends write, the check of what arrives, and the head of an answer. */
#include <inttypes.h>
#include <stdio.h>

#include "sip_impl.h"

/* What version v of the client's description says; every second one goes back. */
static const char *direction_of(const struct sip_load *s, uint32_t v, bool mirrored)
{
	if (s->conf.change != CHANGE_DIRECTION || v % 2 == 0)
		return "sendrecv";
	return mirrored ? "recvonly" : "sendonly";
}

static bool wide_types(const struct sip_load *s, uint32_t v)
{
	return s->conf.change == CHANGE_TYPES && v % 2 == 1;
}

size_t sip_sdp(const struct sip_load *s, unsigned i, bool far, char *buf, size_t cap)
{
	const struct sess *x = &s->sess[i];
	struct sip_media m = { 0 };
	s->conf.hooks.media(s->conf.hooks.u, i, far, &m);
	if (s->conf.change == CHANGE_PATH && !far && x->version) {
		/* A new session-id is a new MSRP session (RFC 4975 5.4). */
		char *semi = strrchr(m.path, ';');
		if (semi)
			snprintf(semi, sizeof(m.path) - (size_t)(semi - m.path), "v%" PRIu32 ";tcp",
				 x->version);
	}
	int n = snprintf(buf, cap,
			 "v=0\r\n"
			 "o=- %u %" PRIu32 " IN %s %s\r\n"
			 "s=-\r\n"
			 "c=IN %s %s\r\n"
			 "t=0 0\r\n"
			 "m=message %u TCP/%sMSRP *\r\n"
			 "a=accept-types:message/cpim text/plain application/octet-stream%s\r\n"
			 "a=accept-wrapped-types:text/plain\r\n"
			 "a=path:%s\r\n"
			 "a=setup:%s\r\n"
			 "a=%s\r\n%s%s%s",
			 1000 + i, (far ? x->far_version : x->version) + 1,
			 s->conf.local.ss_family == AF_INET6 ? "IP6" : "IP4", s->conf.host,
			 s->conf.local.ss_family == AF_INET6 ? "IP6" : "IP4", s->conf.host, m.port,
			 m.fingerprint ? "TLS/" : "", wide_types(s, x->version) ? " text/html" : "", m.path,
			 m.setup, direction_of(s, x->version, far), m.fingerprint ? "a=fingerprint:" : "",
			 m.fingerprint ? m.fingerprint : "", m.fingerprint ? "\r\n" : "");
	return n > 0 && (size_t)n < cap ? (size_t)n : 0;
}

void sip_check_sdp(struct sip_load *s, unsigned i, bool far, struct span sdp)
{
	struct sess *x = &s->sess[i];
	struct span types = text_line(sdp, "a=accept-types:"), path = text_line(sdp, "a=path:");
	const char *direction = "sendrecv";
	if (text_line(sdp, "a=sendonly").p)
		direction = "sendonly";
	else if (text_line(sdp, "a=recvonly").p)
		direction = "recvonly";
	else if (text_line(sdp, "a=inactive").p)
		direction = "inactive";
	if (!path.p || !types.p) {
		sip_wrong(s, i, "%s got a description without path or accept-types",
			  far ? "far side" : "client");
		return;
	}
	if (strcmp(direction, direction_of(s, x->version, !far)) != 0)
		sip_wrong(s, i, "%s got a=%s, the other side wrote a=%s", far ? "far side" : "client",
			  direction, direction_of(s, x->version, !far));
	if ((memmem(types.p, types.n, "text/html", 9) != NULL) != wide_types(s, x->version))
		sip_wrong(s, i, "%s got accept-types:%" SPAN_FMT, far ? "far side" : "client",
			  SPAN_ARG(types));
	uint32_t *seen = far ? &x->far_path : &x->client_path, h = sip_hash(path, SPAN_EMPTY);
	if (far && *seen && s->conf.change == CHANGE_PATH && *seen == h)
		sip_wrong(s, i, "the client has a new path, the far side got the old one");
	if (*seen && s->conf.change != CHANGE_PATH && *seen != h)
		sip_wrong(s, i, "%s got a new path for no reason", far ? "far side" : "client");
	*seen = h;
}

static bool is(struct span line, const char *name)
{
	size_t n = strlen(name);
	return line.n > n && line.p[n] == ':' && strncasecmp(line.p, name, n) == 0;
}

size_t sip_reply(char *buf, size_t cap, struct span req, const char *status, const char *to_tag)
{
	struct wbuf w = wbuf_on(buf, cap);
	w_str(&w, "SIP/2.0 "), w_str(&w, status), w_str(&w, "\r\n");
	span_split(&req, '\n');
	while (req.n) {
		struct span line = span_split(&req, '\n');
		if (line.n <= 1)
			break;
		line.n++; /* with its line feed */
		bool to = is(line, "To");
		if (to && !text_param(line, "tag").p) {
			w_span(&w, span_trim(line));
			w_str(&w, ";tag="), w_str(&w, to_tag), w_str(&w, "\r\n");
		} else if (to || is(line, "Via") || is(line, "Record-Route") || is(line, "From") ||
			   is(line, "Call-ID") || is(line, "CSeq")) {
			w_span(&w, line);
		}
	}
	return w_ok(&w) ? w.n : 0;
}
