/* SPDX-License-Identifier: MIT */
/* Looking up attributes: of one m= line, of the session, or of the line with the session standing in (SDP-13). */
#include "sdp/sdp.h"

#include "sdp/word.h"

enum sdp_attr_id sdp_attr_id_of(struct span name)
{
	static const struct {
		struct span name;
		enum sdp_attr_id id;
	} names[] = {
		{ { "path", 4 }, SDP_A_PATH },
		{ { "setup", 5 }, SDP_A_SETUP },
		{ { "accept-types", 12 }, SDP_A_ACCEPT_TYPES },
		{ { "accept-wrapped-types", 20 }, SDP_A_ACCEPT_WRAPPED_TYPES },
		{ { "max-size", 8 }, SDP_A_MAX_SIZE },
		{ { "file-selector", 13 }, SDP_A_FILE_SELECTOR },
		{ { "file-transfer-id", 16 }, SDP_A_FILE_TRANSFER_ID },
		{ { "sendrecv", 8 }, SDP_A_SENDRECV },
		{ { "sendonly", 8 }, SDP_A_SENDONLY },
		{ { "recvonly", 8 }, SDP_A_RECVONLY },
		{ { "inactive", 8 }, SDP_A_INACTIVE },
		{ { "msrp-cema", 9 }, SDP_A_MSRP_CEMA },
		{ { "chatroom", 8 }, SDP_A_CHATROOM },
		{ { "fingerprint", 11 }, SDP_A_FINGERPRINT },
	};

	for (size_t i = 0; name.n && i < ARRAY_LEN(names); i++)
		if (names[i].name.n == name.n && names[i].name.p[0] == name.p[0] &&
		    span_eq(names[i].name, name))
			return names[i].id;
	return SDP_A_OTHER;
}

const struct sdp_line *sdp_section(const struct sdp *s, int i, const struct sdp_line **end)
{
	const struct sdp_line *from = s->line;

	if (i < 0) {
		/* while the session section is being parsed its length is not known yet */
		*end = from + (s->n_media ? s->n_session_lines : s->n_lines);
		return from;
	}
	if (i >= s->n_media) {
		*end = from;
		return from;
	}
	from += s->media[i].first;
	*end = i + 1 < s->n_media ? s->line + s->media[i + 1].first : s->line + s->n_lines;
	return from;
}

static const struct sdp_line *find(const struct sdp_line *l, const struct sdp_line *end, struct span name)
{
	enum sdp_attr_id id = sdp_attr_id_of(name);

	for (; l < end; l++)
		if (l->id == id && (id != SDP_A_OTHER || (l->type == 'a' && span_eq(l->name, name))))
			return l;
	return NULL;
}

const struct sdp_line *sdp_attr(const struct sdp *s, int i, struct span name)
{
	const struct sdp_line *end, *l = sdp_section(s, i, &end);

	return find(l, end, name);
}

const struct sdp_line *sdp_attr_any(const struct sdp *s, int i, struct span name)
{
	const struct sdp_line *l = sdp_attr(s, i, name);

	return l || i < 0 ? l : sdp_attr(s, -1, name);
}

const struct sdp_line *sdp_attr_next(const struct sdp *s, int i, const struct sdp_line *after)
{
	const struct sdp_line *end;

	sdp_section(s, i, &end);
	return find(after + 1, end, after->name);
}

static bool direction_of(const struct sdp *s, int i, enum sdp_dir *out)
{
	const struct sdp_line *end, *l = sdp_section(s, i, &end);

	for (; l < end; l++) {
		switch (l->id) {
		case SDP_A_SENDRECV:
			*out = SDP_SENDRECV;
			return true;
		case SDP_A_SENDONLY:
			*out = SDP_SENDONLY;
			return true;
		case SDP_A_RECVONLY:
			*out = SDP_RECVONLY;
			return true;
		case SDP_A_INACTIVE:
			*out = SDP_INACTIVE;
			return true;
		}
	}
	return false;
}

enum sdp_dir sdp_direction(const struct sdp *s, int i)
{
	enum sdp_dir d = SDP_SENDRECV;

	if (!direction_of(s, i, &d) && i >= 0)
		direction_of(s, -1, &d);
	return d;
}

struct span sdp_dir_name(enum sdp_dir d)
{
	switch (d) {
	case SDP_SENDONLY:
		return SPAN("sendonly");
	case SDP_RECVONLY:
		return SPAN("recvonly");
	case SDP_INACTIVE:
		return SPAN("inactive");
	case SDP_SENDRECV:
		break;
	}
	return SPAN("sendrecv");
}

/* "*", "text" "/" "*", or a type: does the pattern cover it?  Parameters say nothing here. */
static bool covers(struct span pattern, struct span type)
{
	pattern = span_split(&pattern, ';');
	if (span_eq(pattern, SPAN("*")) || span_eq(pattern, SPAN("*/*")) || span_ieq(pattern, type))
		return true;
	if (pattern.n < 2 || pattern.p[pattern.n - 1] != '*' || pattern.p[pattern.n - 2] != '/')
		return false;
	return span_istarts(type, span_cut(pattern, 0, pattern.n - 1));
}

bool sdp_type_accepted(struct span list, struct span type)
{
	type = span_trim(span_split(&type, ';'));
	if (type.n == 0)
		return false;
	for (struct span w; (w = sdp_word(&list)).n;)
		if (covers(w, type))
			return true;
	return false;
}
