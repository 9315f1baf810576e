/* SPDX-License-Identifier: MIT */
/* MSRP heads.  One pass over the lines; what is hard is only to say exactly when sync is lost (UP-20) and when not. */
#include "msrp/head.h"

#include <ctype.h>
#include <errno.h>

static bool alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* ident-char (RFC 4975 9) */
static const bool tid_char[256] = {
	['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true, ['.'] = true,
	['-'] = true,         ['+'] = true,         ['%'] = true,         ['='] = true,
};

bool msrp_tid_ok(struct span t)
{
	if (t.n < MSRP_TID_MIN || t.n > MSRP_TID_MAX || !alnum(t.p[0]))
		return false;
	for (size_t i = 1; i < t.n; i++)
		if (!tid_char[(unsigned char)t.p[i]])
			return false;
	return true;
}

/* The line at the start of in, without its CRLF.  Its length with CRLF; 0: need more; -errno. */
static ssize_t line(struct span in, size_t max, struct span *out)
{
	size_t nl = span_chr(span_cut(in, 0, max + 2), '\n');

	if (nl == SPAN_NONE)
		return in.n >= max + 2 ? -EMSGSIZE : 0;
	*out = span_cut(in, 0, nl ? nl - 1 : 0);
	/* A lone CR would be a line end to a lax reader further on. */
	if (nl == 0 || in.p[nl - 1] != '\r' || span_chr(*out, '\r') != SPAN_NONE)
		return -EBADMSG;
	return (ssize_t)nl + 1;
}

static bool digits3(struct span s)
{
	return s.n == 3 && s.p[0] >= '1' && s.p[0] <= '9' && isdigit((unsigned char)s.p[1]) &&
	       isdigit((unsigned char)s.p[2]);
}

static int start_line(struct msrp_head *h, struct span s)
{
	struct span tid, word;

	s = span_skip(s, 5); /* "MSRP " */
	tid = span_split(&s, ' ');
	if (!msrp_tid_ok(tid))
		return -EBADMSG;
	h->tid = tid;
	word = span_split(&s, ' ');
	if (digits3(word)) {
		h->code = (unsigned)(word.p[0] - '0') * 100 + (unsigned)(word.p[1] - '0') * 10 +
			  (unsigned)(word.p[2] - '0');
		return 0;
	}
	if (word.n == 0 || s.n)
		return -EBADMSG;
	for (size_t i = 0; i < word.n; i++)
		if (word.p[i] < 'A' || word.p[i] > 'Z')
			return -EBADMSG;
	h->is_request = true;
	h->method_name = word;
	h->method = span_eq(word, SPAN("SEND"))     ? MSRP_SEND
		    : span_eq(word, SPAN("REPORT")) ? MSRP_REPORT
						    : MSRP_OTHER;
	return 0;
}

static enum msrp_failure failure_of(struct span v)
{
	return span_ieq(v, SPAN("yes"))       ? MSRP_FAILURE_YES
	       : span_ieq(v, SPAN("no"))      ? MSRP_FAILURE_NO
	       : span_ieq(v, SPAN("partial")) ? MSRP_FAILURE_PARTIAL
					      : MSRP_FAILURE_BAD;
}

static void once(struct msrp_head *h, struct span *slot, struct span v)
{
	if (slot->p)
		h->bad = true;
	else
		*slot = v;
}

/* Headers after From-Path.  full: the line with its CRLF. */
static void other_header(struct msrp_head *h, struct span name, struct span v, struct span full)
{
	switch (name.n) {
	case 6:
		if (span_ieq(name, SPAN("Status")))
			once(h, &h->status, v);
		break;
	case 10:
		if (span_ieq(name, SPAN("Message-ID"))) {
			once(h, &h->message_id, v);
			if (!h->byte_range.p)
				h->range_line = (struct span){ full.p + full.n, 0 };
		} else if (span_ieq(name, SPAN("Byte-Range"))) {
			once(h, &h->byte_range, v);
			h->range_line = full;
		}
		break;
	case 12:
		if (span_ieq(name, SPAN("Content-Type")))
			once(h, &h->content_type, v);
		break;
	case 14:
		if (span_ieq(name, SPAN("Success-Report")))
			h->success = span_ieq(v, SPAN("yes"));
		else if (span_ieq(name, SPAN("Failure-Report")))
			h->failure = failure_of(v);
		break;
	case 7:
	case 9:
		if (span_ieq(name, SPAN("To-Path")) || span_ieq(name, SPAN("From-Path")))
			h->bad = true;
		break;
	}
}

static int header(struct msrp_head *h, unsigned i, struct span l, struct span full)
{
	size_t colon = span_chr(l, ':');
	struct span name = span_cut(l, 0, colon == SPAN_NONE ? 0 : colon);
	struct span v = colon == SPAN_NONE ? SPAN_EMPTY : span_trim(span_skip(l, colon + 1));

	if (i == 0 || i == 1) { /* RFC 4975 9: To-Path, then From-Path, then the others */
		if (!span_ieq(name, i ? SPAN("From-Path") : SPAN("To-Path")) || v.n == 0)
			return -EBADMSG;
		*(i ? &h->from_path : &h->to_path) = v;
		return 0;
	}
	if (name.n == 0)
		h->bad = true;
	else
		other_header(h, name, v, full);
	return 0;
}

/* The line that ends a head without body: seven dashes, our tid, the flag. */
static int end_line(struct msrp_head *h, struct span l)
{
	struct span t = span_cut(l, 7, l.n - 1);

	if (l.n < 8 || !span_eq(t, h->tid) || !msrp_is_flag(l.p[l.n - 1]))
		return -EBADMSG;
	h->flag = l.p[l.n - 1];
	return 0;
}

ssize_t msrp_head_parse(struct msrp_head *h, struct span in)
{
	struct span l, magic = SPAN("MSRP "), all = in;
	ssize_t n;

	*h = (struct msrp_head){ 0 };
	if (!span_starts(magic, span_cut(in, 0, magic.n)))
		return -EBADMSG;
	if ((n = line(in, MSRP_START_MAX, &l)) <= 0)
		return n;
	if (l.n < magic.n || start_line(h, l) < 0)
		return -EBADMSG;
	in = span_skip(in, (size_t)n);
	for (unsigned i = 0;; i++) {
		if ((n = line(in, MSRP_LINE_MAX, &l)) <= 0)
			break;
		if (i == 2)
			h->rest = h->range_line = (struct span){ in.p, 0 };
		if (l.n == 0 || span_starts(l, SPAN("-------"))) {
			h->has_body = l.n == 0;
			if (i < 2 || (l.n && end_line(h, l) < 0))
				return -EBADMSG;
			h->rest.n = (size_t)(in.p - h->rest.p);
			n += in.p - all.p;
			return n > MSRP_HEAD_MAX ? -EMSGSIZE : n;
		}
		if (i == MSRP_HEADERS_MAX)
			return -EMSGSIZE;
		if (header(h, i, l, span_cut(in, 0, (size_t)n)) < 0)
			return -EBADMSG;
		in = span_skip(in, (size_t)n);
	}
	return n == 0 && all.n >= MSRP_HEAD_MAX ? -EMSGSIZE : n;
}
