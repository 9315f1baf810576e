/* SPDX-License-Identifier: MIT */
/*
 * Parsing a session description: one pass, spans into the text, every line in its place.
 *
 * What is hard is how strict to be.  Field clients break the grammar in harmless ways (a blank after "accept-types:",
 * no line end at the end, an empty s=), and some in ways that leave open what was meant (two a=path).  SDP-20 draws
 * the line: what it lists is a fault, with the line number and the status to answer; all else is taken as it stands.
 * A line of a type nobody knows has no rank: it may stand anywhere and is kept where it stands.
 */
#include "sdp/sdp.h"

#include <errno.h>

#include "sdp/word.h"

enum { PATH_URIS_MAX = 64 };

struct cur {
	struct sdp *s;
	struct sdp_fault fault;
	unsigned line;       /* 1-based, the one being read */
	unsigned m_line;     /* number of the m= line of this section */
	struct sdp_media *m; /* this section; NULL: the session's */
	int rank;            /* of the last line of known type in this section */
	bool seen_o, seen_s, seen_t;
	uint32_t attrs; /* a bit per enum sdp_attr_id seen in this section */
	bool control;   /* there is a zero byte somewhere, or a CR that ends no line */
	bool message;   /* this section is an m=message line's */
};

static int fault(struct cur *c, unsigned status, const char *what)
{
	c->fault = (struct sdp_fault){ c->line, status, what };
	return -EBADMSG;
}

/* ---- order (RFC 8866 5): a line may follow only what ranks before it ---- */

/* By letter; 0: unknown, in its place whatever that is.  MANY: may come again. */
enum { MANY = 64 };

/* e= and p= share a rank: RFC 2327 writers mix them. */
static const uint8_t session_rank[26] = {
	['v' - 'a'] = 1,        ['o' - 'a'] = 2,        ['s' - 'a'] = 3,        ['i' - 'a'] = 4,
	['u' - 'a'] = 5,        ['e' - 'a'] = 6 | MANY, ['p' - 'a'] = 6 | MANY, ['c' - 'a'] = 7,
	['b' - 'a'] = 8 | MANY, ['t' - 'a'] = 9 | MANY, ['r' - 'a'] = 9 | MANY, ['z' - 'a'] = 9 | MANY,
	['k' - 'a'] = 10,       ['a' - 'a'] = 11 | MANY
};

/* Several c= for one line are layered multicast; the first counts here.  NEVER: lines of the session alone. */
enum { NEVER = 128 };
static const uint8_t media_rank[26] = { ['i' - 'a'] = 1,     ['c' - 'a'] = 2 | MANY, ['b' - 'a'] = 3 | MANY,
					['k' - 'a'] = 4,     ['a' - 'a'] = 5 | MANY, ['v' - 'a'] = NEVER,
					['o' - 'a'] = NEVER, ['s' - 'a'] = NEVER,    ['t' - 'a'] = NEVER,
					['r' - 'a'] = NEVER, ['z' - 'a'] = NEVER,    ['u' - 'a'] = NEVER,
					['e' - 'a'] = NEVER, ['p' - 'a'] = NEVER };

static int check_order(struct cur *c, char type)
{
	uint8_t r =
		c->m ? media_rank[type - 'a'] : session_rank[type - 'a']; /* check_line() saw to the letter */
	int rank = r & ~MANY;

	if (!r)
		return 0;
	if (r == NEVER || rank < c->rank || (rank == c->rank && !(r & MANY)))
		return fault(c, 400, "line out of order");
	c->rank = rank;
	return 0;
}

/* ---- values ---- */

static int read_origin(struct cur *c, struct span v)
{
	struct sdp_origin *o = &c->s->origin;

	o->user = sdp_word(&v);
	struct span id = sdp_word(&v), version = sdp_word(&v);
	o->nettype = sdp_word(&v);
	o->addrtype = sdp_word(&v);
	o->addr = sdp_word(&v);
	if (o->addr.n == 0 || span_trim(v).n)
		return fault(c, 400, "o= has not six fields");
	if (span_u64(id, UINT64_MAX, &o->id) < 0)
		return fault(c, 400, "o= session id is not a number");
	if (span_u64(version, UINT64_MAX, &o->version) < 0)
		return fault(c, 400, "o= version is not a number");
	c->seen_o = true;
	return 0;
}

static int read_conn(struct cur *c, struct span v)
{
	struct sdp_conn *to = c->m ? &c->m->conn : &c->s->conn;
	struct sdp_conn conn = { .given = true };

	conn.nettype = sdp_word(&v);
	conn.addrtype = sdp_word(&v);
	conn.addr = sdp_word(&v);
	if (conn.addr.n == 0 || span_trim(v).n)
		return fault(c, 400, "c= has not three fields");
	if (!to->given)
		*to = conn;
	return 0;
}

static bool all_digits(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return s.n > 0;
}

/* t= has two numbers; r= and z= are kept as they are, for the answer to repeat (SDP-15). */
static int read_time(struct cur *c, char type, struct span v, struct span text)
{
	struct span *times = &c->s->times;

	if (type == 't') {
		struct span start = sdp_word(&v), stop = sdp_word(&v);
		if (!all_digits(start) || !all_digits(stop) || span_trim(v).n)
			return fault(c, 400, "t= has not two numbers");
		c->seen_t = true;
	} else if (!c->seen_t) {
		return fault(c, 400, "line out of order");
	}
	*times = span_range(times->p ? times->p : text.p, text.p + text.n);
	return 0;
}

static int read_port(struct cur *c, struct span v)
{
	struct span port = span_split(&v, '/');
	bool counted = v.p > port.p + port.n;
	uint64_t n, many = 1;
	int r = span_u64(port, UINT16_MAX, &n);

	if (r == -ERANGE)
		return fault(c, 400, "m= port is above 65535");
	if (r < 0)
		return fault(c, 400, "m= port is not a number");
	if (counted && (span_u64(v, UINT16_MAX, &many) < 0 || many == 0))
		return fault(c, 400, "m= number of ports is not a number");
	c->m->port = (uint16_t)n;
	c->m->n_ports = (uint16_t)many;
	return 0;
}

/* What can be said of a section only at its end. */
static int end_section(struct cur *c)
{
	if (!c->m) {
		c->s->n_session_lines = c->s->n_lines;
		if (!c->seen_o)
			return fault(c, 400, "no o= line");
		if (!c->seen_s)
			return fault(c, 400, "no s= line");
		if (!c->seen_t)
			return fault(c, 400, "no t= line");
		return 0;
	}
	c->m->n_lines = (uint16_t)(c->s->n_lines - c->m->first);
	if (!c->m->conn.given)
		c->m->conn = c->s->conn;
	if (c->m->port && !c->m->conn.given) {
		c->line = c->m_line;
		return fault(c, 400, "no c= for an active m= line");
	}
	return 0;
}

static int begin_media(struct cur *c, struct span v, struct span text)
{
	int r = end_section(c);

	if (r < 0)
		return r;
	if (c->s->n_media == SDP_MEDIA_MAX)
		return fault(c, 488, "too many m= lines");
	c->m = &c->s->media[c->s->n_media++];
	*c->m = (struct sdp_media){ .text = text, .first = c->s->n_lines };
	c->m_line = c->line;
	c->rank = 0;
	c->attrs = 0;
	c->m->media = sdp_word(&v);
	c->message = span_ieq(c->m->media, SPAN("message"));
	struct span port = sdp_word(&v);
	c->m->proto = sdp_word(&v);
	c->m->fmts = span_trim(v);
	if (c->m->fmts.n == 0)
		return fault(c, 400, "m= lacks a field");
	return read_port(c, port);
}

/* Attributes of a message line that say one thing: twice leaves open which (SDP-20). */
static const uint32_t single = 1u << SDP_A_PATH | 1u << SDP_A_SETUP | 1u << SDP_A_ACCEPT_TYPES |
			       1u << SDP_A_ACCEPT_WRAPPED_TYPES | 1u << SDP_A_MAX_SIZE |
			       1u << SDP_A_FILE_SELECTOR | 1u << SDP_A_FILE_TRANSFER_ID;

static int read_attr(struct cur *c, struct sdp_line *l)
{
	uint32_t bit;

	l->arg = l->value;
	l->name = span_split(&l->arg, ':');
	l->arg = span_trim(l->arg); /* "accept-types: image/jpeg" is seen in the field */
	if (l->name.n == 0)
		return fault(c, 400, "a= without a name");
	l->id = (uint8_t)sdp_attr_id_of(l->name);
	bit = 1u << l->id;
	if (c->m && !c->message)
		return 0; /* not ours to judge */
	if (c->attrs & bit & single)
		return fault(c, 400, "attribute twice");
	c->attrs |= bit;
	if (l->id == SDP_A_PATH && l->arg.n > 2 * PATH_URIS_MAX) {
		struct span rest = l->arg;
		unsigned n = 0;
		while (sdp_word(&rest).n)
			if (++n > PATH_URIS_MAX)
				return fault(c, 488, "too many URIs in a=path");
	}
	return 0;
}

/* One line: type, value, and text with its line end. */
static int read_line(struct cur *c, char type, struct span value, struct span text)
{
	struct sdp *s = c->s;
	int r;

	if (type == 'm')
		return begin_media(c, value, text);
	if ((r = check_order(c, type)) < 0)
		return r;
	if (s->n_lines == SDP_LINES_MAX)
		return fault(c, 488, "too many lines");
	struct sdp_line *l = &s->line[s->n_lines];
	*l = (struct sdp_line){ .type = type, .value = value };
	switch (type) {
	case 'v':
		r = span_eq(span_trim(value), SPAN("0")) ? 0 : fault(c, 400, "v= is not 0");
		break;
	case 'o':
		r = read_origin(c, value);
		break;
	case 's':
		s->name = value;
		c->seen_s = true;
		break;
	case 'c':
		r = read_conn(c, value);
		break;
	case 't':
	case 'r':
	case 'z':
		r = read_time(c, type, value, text);
		break;
	case 'a':
		r = read_attr(c, l);
		break;
	}
	if (r < 0)
		return r;
	s->n_lines++;
	if (c->m)
		c->m->text = span_range(c->m->text.p, text.p + text.n);
	return 0;
}

static int check_line(struct cur *c, struct span line)
{
	if (line.n > SDP_LINE_MAX)
		return fault(c, 413, "line too long");
	if (line.n == 0)
		return fault(c, 400, "empty line");
	if (c->control && (span_chr(line, '\r') != SPAN_NONE || span_chr(line, '\0') != SPAN_NONE))
		return fault(c, 400, "control character in a line");
	if (line.n < 2 || line.p[1] != '=' || line.p[0] < 'a' || line.p[0] > 'z')
		return fault(c, 400, "line does not begin with x=");
	if (c->line == 1 && line.p[0] != 'v')
		return fault(c, 400, "v= is not the first line");
	return 0;
}

/* Asked once of the whole, since hardly any text has one: which line it is in is looked for only then. */
static bool has_control(struct span s)
{
	size_t last = s.n ? s.n - 1 : 0;
	char found = 0; /* a byte, and no way out of the loop: sixteen at a time */

	for (size_t i = 0; i < last; i++)
		found |= ((s.p[i] == '\r') & (s.p[i + 1] != '\n')) | (s.p[i] == '\0');
	return found || (s.n && (s.p[last] == '\r' || s.p[last] == '\0'));
}

static int parse(struct cur *c, struct span rest)
{
	struct span whole = span_trim(rest);
	const char *end = whole.p + whole.n;

	c->control = has_control(rest);
	while (whole.n && rest.p < end) { /* empty lines after the last are nobody's fault worth a session */
		size_t at = span_chr(rest, '\n');
		struct span text = span_cut(rest, 0, at == SPAN_NONE ? rest.n : at + 1);
		struct span line = span_cut(text, 0, at == SPAN_NONE ? text.n : at);
		int r;

		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		rest = span_skip(rest, text.n);
		c->line++;
		if ((r = check_line(c, line)) < 0 ||
		    (r = read_line(c, line.p[0], span_skip(line, 2), text)) < 0)
			return r;
	}
	if (c->line == 0) {
		c->line = 1;
		return fault(c, 400, "no session description");
	}
	return end_section(c);
}

int sdp_parse(struct sdp *s, struct span raw, struct sdp_fault *f)
{
	struct cur c = { .s = s };
	int r;

	/* the arrays are large and filled as far as they are used */
	memset(s, 0, offsetof(struct sdp, media));
	s->raw = raw;
	if (raw.n > SDP_SIZE_MAX) {
		c.line = 1;
		r = fault(&c, 413, "session description too large");
	} else {
		r = parse(&c, raw);
	}
	if (r < 0 && f)
		*f = c.fault;
	return r;
}
