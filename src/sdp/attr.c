/* SPDX-License-Identifier: MIT */
/* Looking up attributes: of one m= line, of the session, or of the line with the session standing in (SDP-13). */
#include "sdp/sdp.h"

#include "sdp/word.h"

/* The lines of a section: media i, or the session for i < 0; none when there is no such media. */
static const struct sdp_line *section(const struct sdp *s, int i, const struct sdp_line **end)
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
	for (; l < end; l++)
		if (l->type == 'a' && span_eq(l->name, name))
			return l;
	return NULL;
}

const struct sdp_line *sdp_attr(const struct sdp *s, int i, struct span name)
{
	const struct sdp_line *end, *l = section(s, i, &end);

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

	section(s, i, &end);
	return find(after + 1, end, after->name);
}

static const struct {
	const char *name;
	enum sdp_dir dir;
} directions[] = {
	{ "sendrecv", SDP_SENDRECV },
	{ "sendonly", SDP_SENDONLY },
	{ "recvonly", SDP_RECVONLY },
	{ "inactive", SDP_INACTIVE },
};

static bool direction_of(const struct sdp *s, int i, enum sdp_dir *out)
{
	const struct sdp_line *end, *l = section(s, i, &end);

	for (; l < end; l++) {
		for (size_t d = 0; l->type == 'a' && d < ARRAY_LEN(directions); d++) {
			if (span_eq(l->name, span_of(directions[d].name))) {
				*out = directions[d].dir;
				return true;
			}
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
	for (size_t i = 0; i < ARRAY_LEN(directions); i++)
		if (directions[i].dir == d)
			return span_of(directions[i].name);
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
