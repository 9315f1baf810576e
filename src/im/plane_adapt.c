/* SPDX-License-Identifier: MIT */
/*
 * A side that takes message/cpim alone beside one that takes no message/cpim (im.media.cpim: adapt; off by default).
 * What the first would not take is put into a CPIM envelope for it, what it sends is taken out of its envelope; each
 * message by itself, because a side may well take some types as they are.
 *
 * The content streams through: the envelope is a header section in front of it, so that every byte behind it has the
 * number it came with plus or minus the length of that section.  All state is kept in the numbers of the sender; they
 * are turned into those of the receiver when a head is written (plane_adapt_to_far) and back when a REPORT comes
 * (plane_adapt_to_near).  The section is made once for each message, so that what is sent again is the same again.
 *
 * What is lost: taken out, a message leaves behind the names in its headers, and a wish for notifications (RFC 5438) is
 * heard by nobody.  im.media.cpim_notifications says whether such a message is refused rather than robbed of it.
 */
#include "im/plane_int.h"

#include "msrp/cpim.h"

enum { TYPE_MAX = 256, ENVELOPE_MAX = 2048 };

static bool is_cpim(struct span type)
{
	return span_ieq(span_trim(span_cut(type, 0, span_chr(type, ';'))), SPAN("message/cpim"));
}

enum adapt_way plane_adapt_way(const struct plane_end *e, struct span type)
{
	const struct plane_end *far = &e->line->end[side_other((enum side)e->side)];
	const struct plane_peer *to = far->path->peer;
	struct span policy = span_of(end_planes(e)->conf.accept_types);
	bool takes_cpim;

	if (!end_planes(e)->conf.cpim_adapt || !to->has_types || sdp_type_accepted(peer_types(to), type))
		return ADAPT_NONE;
	takes_cpim = sdp_type_accepted(peer_types(to), SPAN("message/cpim"));
	if (is_cpim(type))
		return takes_cpim ? ADAPT_NONE : ADAPT_UNWRAP;
	return takes_cpim && type.n <= TYPE_MAX && sdp_type_accepted(policy, type) &&
			       sdp_type_accepted(peer_wrapped(to), type)
		       ? ADAPT_WRAP
		       : ADAPT_NONE;
}

static struct plane_content *content_make(struct plane_msg *m, struct span text)
{
	struct plane_content *k = calloc(1, sizeof(*k));

	if (k && (k->text = malloc(text.n)) != NULL) {
		memcpy(k->text, text.p, text.n);
		k->n = k->cap = (uint32_t)text.n;
		return m->content = k;
	}
	free(k);
	return NULL;
}

static struct span name_of(struct plane_end *e)
{
	struct plane *p = e->line->p;

	return p->hooks->identity ? p->hooks->identity(p->session, (enum side)e->side)
				  : SPAN("sip:anonymous@anonymous.invalid");
}

int plane_adapt_wrap(struct plane_msg *m, struct span type)
{
	struct planes *ps = end_planes(m->end);
	char text[ENVELOPE_MAX];
	struct wbuf w = wbuf_on(text, sizeof(text));
	uint64_t unix_s = ps->port.unix_s ? ps->port.unix_s(ps->port.w) : 0;

	w_cpim(&w, name_of(m->end), name_of(end_other(m->end)), unix_s, type);
	if (!w_ok(&w) || !content_make(m, w_span_of(&w)))
		return -ENOMEM;
	m->content->way = ADAPT_WRAP;
	m->content->shift = (int32_t)w.n;
	ps->stats.adapted++;
	return 0;
}

/* Bytes as they are: what is encoded would have to be decoded. */
static bool is_plain(struct span encoding)
{
	return encoding.n == 0 || span_ieq(encoding, SPAN("7bit")) || span_ieq(encoding, SPAN("8bit")) ||
	       span_ieq(encoding, SPAN("binary"));
}

unsigned plane_adapt_unwrap(struct plane_msg *m, const struct cpim *c, size_t head_n)
{
	struct planes *ps = end_planes(m->end);
	struct span type = cpim_type(c);
	const struct plane_peer *to = end_other(m->end)->path->peer;
	struct plane_content *k;
	char text[TYPE_MAX + 32];
	struct wbuf w = wbuf_on(text, sizeof(text));

	if (!sdp_type_accepted(peer_types(to), type) || !is_plain(c->encoding) || type.n > TYPE_MAX ||
	    span_chr(type, '\n') != SPAN_NONE)
		return 415;
	if (c->disposition_notification.n) {
		ps->stats.notifications_lost++;
		if (ps->conf.cpim_notifications_refuse)
			return 415;
	}
	w_str(&w, "Content-Type: "), w_span(&w, type), w_str(&w, "\r\n");
	k = m->content; /* what was gathered; the type lies in it */
	m->content = NULL;
	if (!content_make(m, w_span_of(&w))) {
		m->content = k;
		return 408;
	}
	if (k)
		free(k->text);
	free(k);
	m->content->way = ADAPT_UNWRAP;
	m->content->shift = -(int32_t)head_n;
	ps->stats.adapted++;
	return 0;
}

size_t plane_adapt_skip(const struct plane_msg *m, uint64_t pos, size_t n)
{
	uint64_t head = m->content && m->content->shift < 0 ? (uint64_t) - (int64_t)m->content->shift : 0;

	if (pos > head)
		return 0;
	return n < head - pos + 1 ? n : (size_t)(head - pos + 1);
}

/* Byte `at` with n bytes more (or less) in front of the content; at 1 stands for all that is in front. */
static uint64_t moved(uint64_t at, int64_t by, uint64_t least)
{
	if (at == MSRP_STAR)
		return at;
	if (by < 0 && at <= (uint64_t)-by)
		return least;
	return at + (uint64_t)by;
}

static void move(struct msrp_range *r, int64_t by)
{
	r->start = by > 0 && r->start == 1 ? 1 : moved(r->start, by, 1);
	r->end = moved(r->end, by, 0);
	r->total = moved(r->total, by, 0);
}

void plane_adapt_to_far(const struct plane_msg *m, struct msrp_range *r)
{
	if (m->content && m->content->shift)
		move(r, m->content->shift);
}

bool plane_adapt_to_near(const struct plane_msg *m, struct msrp_range *r)
{
	if (!m->content || !m->content->shift)
		return false;
	move(r, -(int64_t)m->content->shift);
	return true;
}

struct span plane_adapt_lead(const struct plane_msg *m)
{
	if (!m->content || m->content->way != ADAPT_WRAP)
		return SPAN_EMPTY;
	return (struct span){ m->content->text, m->content->n };
}

/* The Content-Type line of rest; empty, at its end, if there is none. */
static struct span type_line(struct span rest)
{
	struct span left = rest;

	while (left.n) {
		struct span at = left;
		span_split(&left, '\n');
		if (span_istarts(at, SPAN("Content-Type:")))
			return span_cut(at, 0, at.n - left.n);
	}
	return (struct span){ rest.p + rest.n, 0 };
}

struct span plane_adapt_rest(const struct plane_msg *m, struct span rest, struct span *range_line)
{
	struct planes *ps = end_planes(m->end);
	struct wbuf w = wbuf_on(ps->scratch, SCRATCH_MAX);
	struct span line, type = SPAN("Content-Type: message/cpim\r\n");
	size_t at, range_at = (size_t)(range_line->p - rest.p);

	if (!m->content || !m->content->shift)
		return rest;
	if (m->content->way == ADAPT_UNWRAP)
		type = (struct span){ m->content->text, m->content->n };
	line = type_line(rest);
	if (!line.n) /* a SEND without a body has no type either */
		return rest;
	at = (size_t)(line.p - rest.p);
	w_span(&w, span_cut(rest, 0, at)), w_span(&w, type), w_span(&w, span_skip(rest, at + line.n));
	if (range_at > at)
		range_at = range_at + type.n - line.n;
	range_line->p = w.p + range_at;
	return w_span_of(&w);
}
