/* SPDX-License-Identifier: MIT */
/*
 * What an MSRP endpoint hears.  Every byte, every 200 and every REPORT is held against what caused it (UPA-25, UP-25a).  What is
 * hard: between a side that takes CPIM only and one that takes none the server puts messages into envelopes and takes
 * them out, so that the same byte has another number on either side (UP-34).
 */
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"

struct reply {
	struct mconn *m;
	struct ua *ua;
	unsigned message;
	uint64_t from, to;
	size_t n;
	char bytes[1024];
};

static void on_reply(struct world *w, void *arg, uint64_t status)
{
	struct reply *r = arg;
	struct sim *sim = r->ua->sim;
	if (r->m->c && !r->m->cut && !r->ua->crashed) {
		struct message *msg = &sim->message[r->message];
		if (status == 200 && r->to >= r->from && msg->n_ok < PIECES) {
			msg->ok[msg->n_ok].from = r->from;
			msg->ok[msg->n_ok++].to = r->to;
		}
		if (status == 0)
			msg->report_sent = true;
		sim_trace(sim, "%s >> as %s m%u %llu-%llu", media_name(r->ua),
			  status ? status == 200 ? "200" : "refusal" : "REPORT", r->message,
			  (unsigned long long)r->from, (unsigned long long)r->to);
		world_msrp_send(r->m->c, (struct span){ r->bytes, r->n });
	}
	free(r);
}

static struct reply *reply_new(struct mconn *m, unsigned message)
{
	struct reply *r = calloc(1, sizeof(*r));
	if (r == NULL)
		abort();
	r->m = m;
	r->ua = m->ua;
	r->message = message;
	r->from = 1;
	return r;
}

static void reply(struct mconn *m, const struct wire_msrp *in, unsigned status, unsigned message,
		  uint64_t from, uint64_t to)
{
	struct reply *r = reply_new(m, message);
	struct span fp = wire_msrp_hdr(in, "From-Path"), first = span_split(&fp, ' ');
	struct wbuf w = wbuf_on(r->bytes, sizeof(r->bytes));
	r->from = from, r->to = to;
	w_fmt(&w,
	      "MSRP %" SPAN_FMT " %u OK\r\nTo-Path: %" SPAN_FMT "\r\nFrom-Path: %" SPAN_FMT
	      "\r\n-------%" SPAN_FMT "$\r\n",
	      SPAN_ARG(in->tid), status, SPAN_ARG(first), SPAN_ARG(wire_msrp_hdr(in, "To-Path")),
	      SPAN_ARG(in->tid));
	r->n = w.n;
	world_at(&m->ua->sim->w, m->ua->sim->w.now_us + between(m->ua->sim, 0, 80) * US_PER_MS, on_reply, r,
		 status);
}

/* size: as it came. */
static void report(struct mconn *m, const struct wire_msrp *in, unsigned message, uint64_t size)
{
	struct reply *r = reply_new(m, message);
	struct wbuf w = wbuf_on(r->bytes, sizeof(r->bytes));
	unsigned n = ++m->ua->n_tids;
	w_fmt(&w,
	      "MSRP r%s%ux%u REPORT\r\nTo-Path: %" SPAN_FMT "\r\nFrom-Path: %" SPAN_FMT
	      "\r\nMessage-ID: m%u\r\n"
	      "Byte-Range: 1-%llu/%llu\r\nStatus: 000 200 OK\r\n-------r%s%ux%u$\r\n",
	      m->ua->p.name, m->ua->s->id, n, SPAN_ARG(wire_msrp_hdr(in, "From-Path")),
	      SPAN_ARG(wire_msrp_hdr(in, "To-Path")), message, (unsigned long long)size,
	      (unsigned long long)size, m->ua->p.name, m->ua->s->id, n);
	r->n = w.n;
	world_at(&m->ua->sim->w, m->ua->sim->w.now_us + between(m->ua->sim, 80, 2000) * US_PER_MS, on_reply,
		 r, 0);
}

/* Which line is this for?  What binds a connection here binds the line. */
static void bind_here(struct mconn *m, const struct wire_msrp *in)
{
	struct ua *ua = m->ua;
	struct span to = wire_msrp_hdr(in, "To-Path");
	for (unsigned i = 0; i < LINES; i++)
		if (ua->line[i].on && ua->line[i].mine[0] &&
		    span_find(to, span_of(ua->line[i].mine)) != SPAN_NONE && !ua->line[i].active) {
			if (ua->line[i].conn != m - ua->conn)
				ua->line[i].bound = false;
			ua->line[i].conn = (int)(m - ua->conn);
			media_line_bound(ua, i, true);
		}
}

/* Not a word is for whom the SDP does not name (UP-46). */
static void check_certificate(struct mconn *m, const struct wire_msrp *in)
{
	const struct ua *ua = m->ua;
	struct span to = wire_msrp_hdr(in, "To-Path");
	char mine[80];
	for (unsigned i = 0; i < LINES; i++) {
		const struct mline *l = &ua->line[i];
		snprintf(mine, sizeof(mine), "/%s;", l->mine);
		if (l->on && l->tls && l->wrong && span_starts(to, SPAN("msrps:")) &&
		    span_find(to, span_of(mine)) != SPAN_NONE)
			sim_fail(ua->sim, "%s is sent something, though its SDP names another certificate",
				 media_name(ua));
	}
}

/* A chunk in the numbers of its sender, where the server has put the message into an envelope or taken it out of one. */
struct chunk {
	uint64_t from, total; /* total: as it came */
	struct span body;
};

static struct chunk chunk_of(struct message *msg, const struct wire_msrp *in)
{
	struct span range = wire_msrp_hdr(in, "Byte-Range");
	size_t slash = range.p ? span_find(range, SPAN("/")) : SPAN_NONE;
	struct chunk c = { range.p ? wire_u64(range) : 1, 0, in->body };
	c.total = slash == SPAN_NONE ? msg->size : wire_u64(span_skip(range, slash + 1));
	if (c.total > msg->size) { /* what comes before its first byte is none of its own */
		uint64_t more = c.total - msg->size;
		uint64_t skip = c.from > more ? 0 : more - (c.from - 1);
		skip = skip < c.body.n ? skip : c.body.n;
		c.body = span_skip(c.body, skip);
		c.from = c.from + skip > more ? c.from + skip - more : 1;
	} else if (c.total < msg->size) {
		uint64_t less = msg->size - c.total;
		c.from += less;
		if (msg->received < less)
			msg->received = less;
	}
	return c;
}

static void check_bytes(struct ua *ua, struct message *msg, unsigned number, uint64_t from, struct span body,
			bool abort_of, unsigned serial)
{
	struct sim *sim = ua->sim;
	if (msg->on_serial != serial)
		msg->before = msg->received;
	msg->on_serial = serial;
	if (msg->from->s != ua->s || msg->from == ua)
		sim_fail(sim, "%s got message m%u, which is not for it", media_name(ua), number);
	/*
	 * What aborts a message may overtake, on a new connection, what is still under way on the old one.  A server
	 * without memory refuses a first chunk and cannot remember it: the next one is then the first it sees (UP-32).  And
	 * with Failure-Report: no nobody keeps account of a chunk that was lost with its connection.
	 */
	bool forgotten = sim->f.oom != 0 || msg->failure_no;
	if (msg->stranger)
		sim_fail(sim, "%s got m%u, whose sender has another certificate than its SDP names",
			 media_name(ua), number);
	if (from > msg->received + 1 && !abort_of && !forgotten)
		sim_fail(sim, "%s got m%u from byte %llu, but had only %llu: a hole", media_name(ua), number,
			 (unsigned long long)from, (unsigned long long)msg->received);
	if (from + body.n - 1 > msg->sent)
		sim_fail(sim, "%s got more of m%u than was sent", media_name(ua), number);
	for (size_t i = 0; i < body.n; i++)
		if (body.p[i] != media_byte(msg, from + i))
			sim_fail(sim, "%s got a wrong byte of m%u at %llu", media_name(ua), number,
				 (unsigned long long)from + i);
	uint64_t known = msg->before > msg->again ? msg->before : msg->again;
	if (from <= msg->received && from + body.n - 1 > known && msg->received > known && body.n &&
	    !msg->aborted)
		sim_fail(sim, "%s got bytes %llu of m%u twice", media_name(ua), (unsigned long long)from,
			 number);
	if (from + body.n - 1 > msg->received && !abort_of)
		msg->received = from + body.n - 1;
}

static void got_send(struct mconn *m, const struct wire_msrp *in)
{
	struct ua *ua = m->ua;
	struct sim *sim = ua->sim;
	struct span id = wire_msrp_hdr(in, "Message-ID");
	struct span failure = wire_msrp_hdr(in, "Failure-Report");
	check_certificate(m, in);
	bind_here(m, in);
	if (!in->has_body && !span_starts(id, SPAN("m"))) {
		if (!span_eq(failure, SPAN("no")))
			reply(m, in, 200, 0, 1, 0);
		return;
	}
	unsigned number = (unsigned)wire_u64(span_skip(id, 1));
	if (!span_starts(id, SPAN("m")) || number >= sim->n_messages) {
		reply(m, in, 200, 0, 1, 0);
		return;
	}
	struct message *msg = &sim->message[number];
	bool adapts = sim->w.conf.plane.cpim_adapt && in->has_body;
	struct chunk c = adapts ? chunk_of(msg, in) : (struct chunk){ 1, msg->size, in->body };
	if (!adapts && wire_msrp_hdr(in, "Byte-Range").p)
		c.from = wire_u64(wire_msrp_hdr(in, "Byte-Range"));
	sim_trace(sim, "as >> %s SEND m%u from %llu, %zu bytes %c conn=%d", media_name(ua), number,
		  (unsigned long long)c.from, c.body.n, in->flag, (int)(m - ua->conn));
	if (c.body.n)
		check_bytes(ua, msg, number, c.from, c.body, in->flag == '#', m->serial);
	if (in->flag == '#')
		msg->aborted = true;
	if (in->flag == '$' && in->has_body && msg->received != msg->size)
		sim_fail(sim, "%s: m%u ends with $ after %llu of %llu bytes", media_name(ua), number,
			 (unsigned long long)msg->received, (unsigned long long)msg->size);
	unsigned status = 200;
	if (!sim->healed && chance(sim, sim->f.msrp_refuse))
		status = chance(sim, 500) ? 413 : 400;
	bool silent = !sim->healed && chance(sim, sim->f.msrp_silent);
	bool wants = !span_eq(failure, SPAN("no")) && (status != 200 || !span_eq(failure, SPAN("partial")));
	if (wants && !silent)
		reply(m, in, status, number,
		      c.total < msg->size && wire_u64(wire_msrp_hdr(in, "Byte-Range")) == 1 ? 1 : c.from,
		      c.from + c.body.n - 1);
	if (in->flag == '$' && status == 200 && span_eq(wire_msrp_hdr(in, "Success-Report"), SPAN("yes")))
		report(m, in, number, c.total);
}

/* Everything in [from, to] was said 200 to by the receiver (UP-25a). */
static bool confirmed(const struct sim *sim, const struct message *msg, uint64_t from, uint64_t to)
{
	uint64_t head = sim->w.conf.plane.cpim_adapt ? media_head(msg) : 0;
	if (from <= head) /* an envelope may not be for the far side */
		from = head + 1;
	while (from <= to) {
		uint64_t was = from;
		for (unsigned i = 0; i < msg->n_ok; i++)
			if (msg->ok[i].from <= from && msg->ok[i].to >= from)
				from = msg->ok[i].to + 1;
		if (from == was)
			return false;
	}
	return true;
}

static void got_response(struct mconn *m, const struct wire_msrp *in)
{
	struct ua *ua = m->ua;
	struct sim *sim = ua->sim;
	if (in->tid.p[0] == 'b') {
		for (unsigned i = 0; i < LINES; i++)
			if (ua->line[i].conn == m - ua->conn)
				media_line_bound(ua, i, in->status == 200);
		return;
	}
	for (unsigned i = 0; i < PIECES; i++) {
		struct piece *p = &ua->piece[i];
		if (!p->used || !span_eq(span_of(p->tid), in->tid))
			continue;
		struct message *msg = &sim->message[p->message];
		sim_trace(sim, "as >> %s %u m%u %llu-%llu", media_name(ua), in->status, p->message,
			  (unsigned long long)p->from, (unsigned long long)p->to);
		if (p->answered)
			sim_fail(sim, "%s: two responses to one SEND of m%u", media_name(ua), p->message);
		msg->refused |= in->status != 200;
		if (in->status == 200 && msg->ok200 < p->to)
			msg->ok200 = p->to;
		if (msg->failure_no || (msg->failure_partial && in->status == 200))
			sim_fail(sim, "%s: a response %u to m%u, which wanted none", media_name(ua),
				 in->status, p->message);
		p->answered = true;
		if (msg->given_up && p->to == msg->sent)
			return; /* what gives it up is answered at once */
		if (in->status == 200 && sim->w.conf.plane.ack_end && msg->n_ok < PIECES &&
		    !confirmed(sim, msg, p->from, p->to))
			sim_fail(sim, "%s: 200 for m%u %llu-%llu before the far side had it", media_name(ua),
				 p->message, (unsigned long long)p->from, (unsigned long long)p->to);
		return;
	}
}

static void got_report(struct mconn *m, const struct wire_msrp *in)
{
	struct sim *sim = m->ua->sim;
	struct span id = wire_msrp_hdr(in, "Message-ID"), status = wire_msrp_hdr(in, "Status");
	unsigned number = (unsigned)wire_u64(span_skip(id, 1));
	if (!span_starts(id, SPAN("m")) || number >= sim->n_messages)
		return;
	struct message *msg = &sim->message[number];
	sim_trace(sim, "as >> %s REPORT m%u %.*s", media_name(m->ua), number, (int)status.n, status.p);
	/* A device that lost the race to answer may have been heard on the path that all were offered (UP-10). */
	bool of_a_sibling = msg->from->s == m->ua->s && msg->from->side == m->ua->side;
	if (msg->from != m->ua && !of_a_sibling)
		sim_fail(sim, "%s got a REPORT for m%u, which is not its own", media_name(m->ua), number);
	struct span range = wire_msrp_hdr(in, "Byte-Range");
	size_t slash = range.p ? span_find(range, SPAN("/")) : SPAN_NONE;
	if (!sim->f.oom && slash != SPAN_NONE && wire_u64(span_skip(range, slash + 1)) > msg->size)
		sim_fail(sim, "%s: a REPORT of m%u counts %.*s, and it has %llu bytes", media_name(m->ua),
			 number, (int)range.n, range.p, (unsigned long long)msg->size);
	if (span_starts(status, SPAN("000 200")) && !msg->report_sent)
		sim_fail(sim, "%s: a success REPORT for m%u that nobody made", media_name(m->ua), number);
	if (!span_starts(status, SPAN("000 200")) && msg->failure_no)
		sim_fail(sim, "%s: a failure REPORT for m%u, which wanted none", media_name(m->ua), number);
	msg->report_seen = true;
	msg->told |= !span_starts(status, SPAN("000 200"));
}

size_t hear_bytes(void *u, struct wconn *wc, void *peer, struct span bytes)
{
	struct mconn *c = peer;
	struct wire_msrp m;
	ssize_t n;
	c->in = realloc(c->in, c->n_in + bytes.n);
	if (c->in == NULL)
		abort();
	memcpy(c->in + c->n_in, bytes.p, bytes.n);
	c->n_in += bytes.n;
	while (c->n_in && (n = wire_msrp(&m, (struct span){ c->in, c->n_in })) != 0) {
		if (n < 0)
			sim_fail(c->ua->sim, "%s got what is not MSRP: %.40s", media_name(c->ua), c->in);
		if (m.status)
			got_response(c, &m);
		else if (span_eq(m.method, SPAN("SEND")))
			got_send(c, &m);
		else if (span_eq(m.method, SPAN("REPORT")))
			got_report(c, &m);
		c->n_in -= (size_t)n;
		memmove(c->in, c->in + n, c->n_in);
	}
	return bytes.n;
}
