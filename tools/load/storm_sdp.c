/* SPDX-License-Identifier: MIT */
/* What the sides of the storm say about their lines, and what they make of what they are told. */
#include <inttypes.h>
#include <stdio.h>

#include "storm.h"

static const char *direction(bool send, bool receive)
{
	return send ? receive ? "sendrecv" : "sendonly" : receive ? "recvonly" : "inactive";
}

/* What side says, or will say, about line i. */
struct said {
	bool on, wide, tls;
	const bool *may;
	const char *self;
};

static struct said said(const struct storm_session *x, unsigned side, unsigned i)
{
	const struct storm_line *l = &x->line[i];
	const struct storm_change *c = &x->change;
	const struct gen *g = l->end[side].gen;
	struct said out = { l->on, l->wide, l->tls[side], l->may, g ? g->self : "" };
	if (c->op == OP_IDLE || c->line != i)
		return out;
	out = (struct said){ c->on, c->wide, c->tls[side], c->may, out.self };
	if (c->new_path[side])
		out.self = c->self[side];
	return out;
}

static bool fresh(const struct storm_session *x, unsigned side, unsigned i)
{
	return x->change.op != OP_IDLE && x->change.line == i && x->change.new_path[side];
}

/* As answerer: is the server to connect?  A path that stays keeps its roles. */
static bool waits(const struct storm_session *x, unsigned side, unsigned i)
{
	const struct gen *g = x->line[i].end[side].gen;
	return g && !fresh(x, side, i) ? !g->active : side == 1 && x->far_listens;
}

static unsigned n_lines(const struct storm_session *x)
{
	bool more = x->change.op == OP_ADD && x->change.line == x->n_lines;
	return x->n_lines + more;
}

/* The address in a path, without brackets. */
static struct span host_of(const char *path)
{
	const char *from = strstr(path, "://");
	const char *to = from ? strchr(from, ']') : NULL;
	if (!from)
		return SPAN_EMPTY;
	from += to ? 4 : 3;
	if (!to)
		to = strchr(from, ':');
	return (struct span){ from, to ? (size_t)(to - from) : 0 };
}

size_t storm_sdp(struct storm_session *x, unsigned side, bool answer, char *buf, size_t cap)
{
	struct wbuf w = wbuf_on(buf, cap);
	const char *family = x->s->conf.local.ss_family == AF_INET6 ? "IP6" : "IP4", *host = x->s->conf.host;
	w_fmt(&w, "v=0\r\no=- %u %u IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\n", 1000 + x->i,
	      x->side[side].version + 1, family, host, family, host);
	for (unsigned i = 0; i < n_lines(x); i++) {
		const struct storm_line *l = &x->line[i];
		struct said me = said(x, side, i);
		bool bad = x->change.op == OP_REFUSED_HERE && i == 0 && !answer;
		w_fmt(&w, "m=message %u TCP/%sMSRP *\r\n", me.on ? x->s->port : 0, me.tls ? "TLS/" : "");
		if (!me.on)
			continue;
		struct span at = host_of(me.self);
		w_fmt(&w, "c=IN %s %" SPAN_FMT "\r\n", family, SPAN_ARG(at));
		w_fmt(&w,
		      "a=accept-types:message/cpim text/plain application/octet-stream%s\r\n"
		      "a=accept-wrapped-types:text/plain\r\n",
		      me.wide ? " text/html" : "");
		if (bad)
			w_fmt(&w, "a=path:msrp%s://127.0.0.1/without-a-port;tcp\r\n", me.tls ? "s" : "");
		else
			w_fmt(&w, "a=path:%s\r\n", me.self);
		if (me.tls)
			w_fmt(&w, "a=fingerprint:%s\r\n", load_fingerprint());
		w_fmt(&w, "a=setup:%s\r\n", !answer ? "actpass" : waits(x, side, i) ? "passive" : "active");
		w_fmt(&w, "a=%s\r\n", direction(me.may[side], me.may[!side]));
		if (l->file)
			w_fmt(&w, "a=file-selector:%s\r\na=file-transfer-id:%s\r\n", l->selector,
			      l->transfer);
	}
	return w_ok(&w) ? w.n : 0;
}

/* The section of the nth m= line. */
static struct span section(struct span sdp, unsigned nth)
{
	const char *at = sdp.p, *end = sdp.p + sdp.n;
	for (unsigned k = 0; at && at < end; k++) {
		const char *m = memmem(at, (size_t)(end - at), "m=message ", 10);
		if (!m)
			break;
		const char *next = memmem(m + 10, (size_t)(end - m - 10), "\nm=", 3);
		if (k == nth)
			return (struct span){ m, (size_t)((next ? next + 1 : end) - m) };
		at = m + 10;
	}
	return SPAN_EMPTY;
}

static void check(struct storm_session *x, unsigned side, unsigned i, struct span m, const struct said *want)
{
	struct span types = text_line(m, "a=accept-types:");
	char dir[16];
	/* The other side's view, which is what it says. */
	snprintf(dir, sizeof(dir), "a=%s", direction(want->may[!side], want->may[side]));
	bool both = want->may[0] && want->may[1];
	bool none = !text_line(m, "a=sendonly").p && !text_line(m, "a=recvonly").p &&
		    !text_line(m, "a=inactive").p;
	if (both ? !none : !text_line(m, dir).p)
		storm_wrong(x, "side %u, line %u: the other side wrote %s, this came: %" SPAN_FMT, side, i,
			    dir, SPAN_ARG(m));
	if ((memmem(types.p ? types.p : "", types.n, "text/html", 9) != NULL) != want->wide)
		storm_wrong(x, "side %u, line %u: accept-types:%" SPAN_FMT, side, i, SPAN_ARG(types));
}

/* The connection of a path that is new on one of its ends. */
static void renew(struct storm_session *x, unsigned side, unsigned i, const struct said *me, struct span m,
		  bool active)
{
	struct gen *g = gen_create(&x->line[i].end[side], me->self);
	struct span path = text_line(m, "a=path:"), print = text_line(m, "a=fingerprint:");
	snprintf(g->peer, sizeof(g->peer), "%" SPAN_FMT, SPAN_ARG(path));
	gen_set_tls(g, print);
	if (g->tls != me->tls)
		storm_wrong(x, "side %u, line %u: the path is %s", side, i, g->peer);
	if (g->tls && !print.n)
		storm_wrong(x, "side %u, line %u: TLS, and no fingerprint", side, i);
	g->active = active;
	if (active)
		storm_connect(x, g, side);
}

static void take_line(struct storm_session *x, unsigned side, unsigned i, struct span m, bool answer)
{
	struct storm_line *l = &x->line[i];
	struct said me = said(x, side, i);
	struct span path = text_line(m, "a=path:"), setup = text_line(m, "a=setup:");
	struct end *e = &l->end[side];
	bool on = text_digits(span_skip(m, 10)) != 0;
	if (on != me.on) {
		storm_wrong(x, "side %u, line %u: came with port %s", side, i, on ? "not 0" : "0");
		return;
	}
	if (!on)
		return;
	check(x, side, i, m, &me);
	bool passive = answer ? span_eq(setup, SPAN("active")) : waits(x, side, i);
	if (fresh(x, side, i) || !e->gen || !span_eq(path, span_of(e->gen->peer)))
		renew(x, side, i, &me, m, !passive);
	e->held = !me.may[side] || (l->hold_soon >> side & 1);
	if (!e->held && e->gen)
		storm_kick(e->gen);
}

void storm_take_sdp(struct storm_session *x, unsigned side, bool answer, struct span sdp)
{
	if (x->change.op == OP_IDLE)
		return;
	for (unsigned i = 0; i < n_lines(x); i++) {
		struct span m = section(sdp, i);
		if (!m.p) {
			storm_wrong(x, "side %u: line %u is missing", side, i);
			continue;
		}
		if (!x->line[i].used && said(x, side, i).on)
			storm_line_init(x, i, x->line[i].file);
		take_line(x, side, i, m, answer);
	}
}
