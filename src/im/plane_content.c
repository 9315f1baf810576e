/* SPDX-License-Identifier: MIT */
/*
 * What a message is, and whether the other side may have it (UP-34..38): judged once, at its first chunk, by its type and
 * for message/cpim by the type inside, which the header section at the start of the body tells (RFC 3862).
 *
 * What is hard: that section may come in pieces of any size, over several chunks.  While a chunk lasts what is there of it
 * is kept back, so that a refused message leaves no trace on the far side; a chunk that ends sooner is passed on all the
 * same, because its sender may wait for the 200 before it sends more (UP-25a), and a refusal that comes later ends the
 * message there with '#' (UP-24).  Where the section is lost, broken or too long the inner type is nobody's and
 * counts as application/octet-stream: only who takes that, or everything, gets it.  All this is of the first 8 KiB of a
 * CPIM message at most; of anything else not one byte is looked at.
 *
 * Chunks of one message may come on two connections at once: its sender has a new path, and sends there again what is
 * under way still on the old one (UPA-12, UPA-13).  What is kept back is one chunk's; the other one waits at its head
 * until the message is judged, or the first chunk over.
 */
#include "im/plane_int.h"

#include "msrp/cpim.h"

enum { GATHER_FIRST = 1024 };

/* Without parameters; what asks for a type below wants it so. */
static struct span bare(struct span type)
{
	return span_trim(span_cut(type, 0, span_chr(type, ';')));
}

static bool is_cpim(struct span type)
{
	return span_ieq(type, SPAN("message/cpim"));
}

static bool is_container(struct span type)
{
	return span_istarts(type, SPAN("multipart/")) || is_cpim(type);
}

/* UP-34: what the receiving peer takes, and our policy.  wrapped: the type is inside a container. */
static bool type_ok(const struct planes *ps, const struct plane_peer *to, struct span type, bool wrapped)
{
	bool ours = is_container(type) || sdp_type_accepted(span_of(ps->conf.accept_types), type);
	bool theirs = !to->has_types || sdp_type_accepted(peer_types(to), type) ||
		      (wrapped && sdp_type_accepted(peer_wrapped(to), type));

	return ours && theirs;
}

static enum plane_kind kind_of(struct span type)
{
	if (span_ieq(type, SPAN("application/im-iscomposing+xml")))
		return PLANE_COMPOSING;
	return span_ieq(type, SPAN("message/imdn+xml")) ? PLANE_IMDN : PLANE_TEXT;
}

static bool direction_open(const struct plane_end *e)
{
	const struct plane_end *far = &e->line->end[side_other((enum side)e->side)];

	return (e->path->peer->dir & SDP_SENDONLY) && (far->path->peer->dir & SDP_RECVONLY);
}

/* Direction, UPA-19; status and notifications are not content (SDP-12). */
static bool may_flow(const struct plane_end *e, enum plane_kind kind)
{
	return kind != PLANE_TEXT || direction_open(e);
}

/* ---- at the head ---- */

unsigned plane_content_judge(struct plane_end *e, const struct msrp_head *h, uint64_t start)
{
	struct span type = bare(h->content_type);
	bool inside = is_cpim(type) && start == 1; /* what is inside is judged when it is there */

	if (!inside && !may_flow(e, kind_of(type)))
		return 403;
	if (type_ok(end_planes(e), end_other(e)->path->peer, type, false))
		return 0;
	switch (plane_adapt_way(e, h->content_type)) {
	case ADAPT_WRAP:
		return 0;
	case ADAPT_UNWRAP:
		return start == 1 ? 0 : 415;
	case ADAPT_NONE:
		break;
	}
	return 415;
}

unsigned plane_content_begin(struct plane_msg *m, const struct msrp_head *h, uint64_t start)
{
	struct span type = bare(h->content_type);

	m->kind = (uint8_t)kind_of(type);
	m->judged = start > 1 || !is_cpim(type);
	if (!m->judged || plane_adapt_way(m->end, h->content_type) != ADAPT_WRAP)
		return 0;
	return plane_adapt_wrap(m, h->content_type) < 0 ? 408 : 0;
}

uint64_t plane_content_limit(struct plane_end *e)
{
	const struct planes *ps = end_planes(e);
	uint64_t max = ps->conf.max_size ? ps->conf.max_size : UINT64_MAX;
	uint64_t chat = ps->conf.chat_max_size;
	const struct plane_peer *to = end_other(e)->path->peer;

	if (!e->line->file && chat && chat < max)
		max = chat;
	if (ps->conf.enforce_peer_max_size && to->max_size && to->max_size < max)
		max = to->max_size;
	return max;
}

/* UP-38: that somebody is typing is no message, and nobody is charged for it. */
void plane_content_count(const struct plane_msg *m)
{
	struct plane *p = m->end->line->p;

	if (m->kind == PLANE_COMPOSING) {
		p->ps->stats.composing++;
		return;
	}
	plane_count(m->end->line)->messages[m->end->side]++;
	p->ps->stats.messages++;
	p->ps->stats.imdn += m->kind == PLANE_IMDN;
}

/* ---- the header section ---- */

void plane_content_free(struct plane_msg *m)
{
	if (m->content)
		free(m->content->text);
	free(m->content);
	m->content = NULL;
}

/* Keeps s behind what is there, as far as it may be header section; false: no memory. */
static bool gather(struct plane_msg *m, struct span s)
{
	struct plane_content *k = m->content;
	uint32_t cap;
	char *p;

	if (!k && (k = m->content = calloc(1, sizeof(*k))) == NULL)
		return false;
	s = span_cut(s, 0, CPIM_HEAD_MAX - k->n);
	for (cap = k->cap ? k->cap : GATHER_FIRST; cap < k->n + s.n; cap *= 2)
		;
	if (cap != k->cap) {
		if ((p = realloc(k->text, cap)) == NULL)
			return false;
		k->text = p;
		k->cap = cap;
	}
	memcpy(k->text + k->n, s.p, s.n);
	k->n += (uint32_t)s.n;
	return true;
}

/* The header section of n bytes is there, or will never be (c NULL): 0, or the code. */
static unsigned judge_inside(struct plane_msg *m, const struct cpim *c, size_t n)
{
	struct plane_end *e = m->end;
	struct plane *p = e->line->p;
	struct planes *ps = p->ps;
	struct span type = c ? cpim_type(c) : SPAN("application/octet-stream");
	unsigned code = 0;

	m->judged = true;
	plane_content_known(m);
	m->kind = (uint8_t)kind_of(bare(type));
	plane_log(ps, IM_DEBUG, "msrp-cpim", "side=%c line=%u type=\"%" SPAN_FMT "\" imdn=\"%" SPAN_FMT "\"",
		  side_name((enum side)e->side), e->line->index, SPAN_ARG(span_cut(type, 0, 64)),
		  SPAN_ARG(span_cut(c ? c->disposition_notification : SPAN_EMPTY, 0, 64)));
	if (!may_flow(e, (enum plane_kind)m->kind))
		return 403;
	if (p->hooks->content)
		code = p->hooks->content(p->session, (enum side)e->side, c);
	if (code)
		return code;
	if (plane_adapt_way(e, SPAN("message/cpim")) == ADAPT_UNWRAP)
		return c ? plane_adapt_unwrap(m, c, n) : 415;
	return type_ok(ps, end_other(e)->path->peer, bare(type), true) ? 0 : 415;
}

void plane_content_known(struct plane_msg *m)
{
	if (!m->judging)
		return;
	m->judging = NULL;
	plane_conn_wake(&m->end->waiters);
}

/* What was kept back goes on, as the bytes just before `at`. */
static void pass_kept(struct plane_conn *c, const struct msrp_event *ev, bool last)
{
	struct plane_content *k = c->in.msg->content;
	struct msrp_event part = { .head = ev->head, .last = last, .flag = ev->flag };

	if (!k || k->n == k->sent)
		return;
	part.body = (struct span){ k->text + k->sent, k->n - k->sent };
	k->sent = k->n;
	plane_relay_pass(c, &part);
	plane_write_flush(c->ps); /* the text may go away */
}

/* The chunk does not go on where the section stopped. */
static bool has_gap(const struct plane_conn *c)
{
	const struct plane_content *k = c->in.msg->content;

	return c->in.pos != (k ? k->sent : 0) + 1u;
}

void plane_content_body(struct plane_conn *c, const struct msrp_event *ev)
{
	struct plane_msg *m = c->in.msg;
	struct plane_content *k = m->content;
	struct cpim head;
	unsigned code = 0;
	size_t kept;
	ssize_t n;

	if (k && !c->in.begun && !c->in.kept) { /* a new chunk: of one that was cut off nothing is kept */
		k->sent = c->in.pos == 1 ? 0 : k->sent;
		k->n = k->sent;
	}
	kept = k ? k->n - k->sent : 0;
	if (has_gap(c)) {
		n = -EBADMSG;
	} else if (!k || k->n == 0) {
		n = cpim_parse(&head, ev->body);
		if (n == 0 && !gather(m, ev->body))
			code = 408;
	} else {
		uint32_t before = k->n;
		n = gather(m, ev->body) ? cpim_parse(&head, (struct span){ k->text, k->n }) : -ENOMEM;
		if (n == -ENOMEM)
			code = 408;
		else if (n != 0)
			k->n = before; /* the rest goes on as it is */
	}
	if (!code && n == 0) {
		c->in.kept = true;
		return;
	}
	if (!code)
		code = judge_inside(m, n > 0 ? &head : NULL, n > 0 ? (size_t)n : 0);
	if (code) {
		plane_msg_fail(m, code);
		return;
	}
	if (m->content && m->content->shift) {
		plane_relay_skip(c, kept);
	} else {
		pass_kept(c, ev, false);
		plane_content_free(m);
	}
	if (!m->code)
		plane_relay_pass(c, ev);
}

/* The chunk ends before it is known what is in it. */
static void unkeep(struct plane_conn *c, const struct msrp_event *ev)
{
	struct plane_msg *m = c->in.msg;
	struct plane_content *k = m->content;

	if (plane_adapt_way(m->end, SPAN("message/cpim")) != ADAPT_UNWRAP) {
		pass_kept(c, ev, true);
	} else if (k && k->n > k->sent) { /* envelope all of it */
		plane_relay_skip(c, k->n - k->sent);
		k->sent = k->n;
	}
}

void plane_content_end(struct plane_conn *c, const struct msrp_event *ev)
{
	struct plane_msg *m = c->in.msg;
	unsigned code = 0;

	if (ev->flag == '$')
		code = judge_inside(m, NULL, 0);
	else if (ev->flag == '+' && c->in.kept && !direction_open(m->end))
		code = 403;
	if (code)
		plane_msg_fail(m, code);
	else if (ev->flag != '#')
		unkeep(c, ev);
	if (ev->flag != '+')
		plane_content_free(m);
}
