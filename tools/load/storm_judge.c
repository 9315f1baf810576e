/* SPDX-License-Identifier: MIT */
/*
 * What the storm says while it blows, and the judgement at the end.
 *
 * The promise: every message arrives once, whole, in order, and every REPORT that was asked for; or its sender is told
 * the truth.  Without cuts that allows nothing: no message may be lost, refused or doubled, in any mode.  Where a connection was
 * cut, what was under way on that line may be lost, but its sender must know: by an error, or because the connection was
 * its own, or because it had asked for no word at all.  So each message begun stands in one of four sums, and they must
 * add up.
 */
#include <inttypes.h>
#include <stdio.h>

#include "storm.h"

enum {
	QUEUE_MAX = 256 << 10, /* msrp.queue_max: of one direction of one line */
	SIP_KEPT_S = 32,       /* a transaction over UDP (RFC 3261 17, Timers H to K) */
	SIP_KEPT = 5 << 10,    /* what that holds for one change: both legs' requests and answers */
	SERVER = 64 << 20,     /* the program, buffers of connections, what malloc does not give back */
};

static uint64_t all_lost(const struct msrp_totals *t)
{
	uint64_t n = 0;
	for (unsigned k = 0; k < LOST_KINDS; k++)
		n += t->lost[k];
	return n;
}

void storm_say(struct storm *s, const struct storm_run *r)
{
	static uint64_t bytes, changes, at;
	const struct msrp_totals *t = &s->totals;
	double dt = (double)(s->now - (at ? at : r->start)) * 1e-9;
	printf("%5.0f s  %7" PRIu64 " messages  %6.1f MiB/s  %6" PRIu64 " changes (%4.0f/s)  %u conns"
	       "  cuts %" PRIu64 " told %" PRIu64 " lost %" PRIu64 "  wrong %" PRIu64 "  RSS %" PRIu64
	       " MiB\n",
	       (double)(s->now - r->start) * 1e-9, t->messages_in,
	       (double)(t->bytes_in - bytes) / 1048576.0 / dt, s->modify.n,
	       (double)(s->modify.n - changes) / dt, s->n_conn, s->cuts, t->lost[LOST_TOLD],
	       t->lost[LOST_OWN] + t->lost[LOST_MUTE], s->wrong + t->wrong, r->rss >> 20);
	fflush(stdout);
	bytes = t->bytes_in;
	changes = s->modify.n;
	at = s->now;
}

static bool fault(const char *what)
{
	fprintf(stderr, "parley-load: %s\n", what);
	return false;
}

/* What the server may hold: by what it says it keeps, not by what it was seen to. */
static uint64_t memory_bound(const struct storm_conf *c)
{
	uint64_t lines = (uint64_t)c->sessions * STORM_LINES;
	if (c->memory)
		return c->memory;
	return SERVER + lines * 2 * QUEUE_MAX + (uint64_t)c->sessions * c->rate * SIP_KEPT_S * SIP_KEPT;
}

static bool memory_is_bounded(const struct storm *s, const struct storm_run *r)
{
	uint64_t most = memory_bound(&s->conf);
	uint64_t grown = r->rss_warm + r->rss_warm * s->conf.rss_max / 100 + (16 << 20);
	/* A short storm is over before all there can be was there once. */
	if (s->conf.seconds >= STORM_LONG_S && grown < most)
		most = grown;
	printf("server RSS, KiB   %" PRIu64 " in the first third, %" PRIu64 " at most after, %" PRIu64
	       " allowed\n",
	       r->rss_warm >> 10, r->rss_peak >> 10, most >> 10);
	return !s->conf.pid || (r->rss_peak <= most && r->rss_warm <= memory_bound(&s->conf)) ||
	       fault("the server's memory is not bounded");
}

static bool books_balance(const struct storm *s)
{
	const struct msrp_totals *t = &s->totals;
	bool ok = t->begun == t->messages_in + all_lost(t) || fault("messages are not accounted for");
	if (!s->cuts && (all_lost(t) || t->told_there || t->reports_cut || t->again || t->doubted))
		ok = fault("nothing was cut, and yet something was lost, doubted or came twice");
	return ok;
}

/* Was it the storm that was asked for? */
static bool strong_enough(const struct storm *s, const struct storm_run *r)
{
	double want = s->conf.rate, got = s->conf.sessions ? r->changes / s->conf.sessions : 0;
	printf("changes a second  %.2f of each session\n", got);
	return s->conf.seconds < STORM_LONG_S || got >= 0.9 * want ||
	       fault("fewer changes than were asked for");
}

static void print_messages(const struct msrp_totals *t)
{
	printf("messages          %" PRIu64 " begun, %" PRIu64 " arrived whole, once, in order\n"
	       "  lost, told      %" PRIu64 ": a connection was cut, and the server said so\n"
	       "  lost, seen      %" PRIu64 ": the sender's own was cut, and it had asked for no 200\n"
	       "  lost, unasked   %" PRIu64 ": the receiver's was cut; Failure-Report was no\n"
	       "bytes             %" PRIu64 "\nSENDs             %" PRIu64 " out, %" PRIu64
	       " ended early, %" PRIu64 " in\n200s              %" PRIu64 "\nREPORTs           %" PRIu64
	       ", %" PRIu64 " more went down with a connection\n",
	       t->begun, t->messages_in, t->lost[LOST_TOLD], t->lost[LOST_OWN], t->lost[LOST_MUTE],
	       t->bytes_in, t->sends, t->interrupted, t->chunks_in, t->answers, t->reports, t->reports_cut);
}

static void print_changes(const struct storm *s)
{
	const struct msrp_totals *t = &s->totals;
	printf("cuts              %" PRIu64 ": %" PRIu64 " bytes sent again, %" PRIu64
	       " received again; %" PRIu64 " messages again whole\n"
	       "  in doubt        %" PRIu64 " messages that were there, %" PRIu64 " SENDs of \"partial\"\n",
	       s->cuts, t->resent, t->again, t->twice, t->told_there, t->doubted);
	printf("changes           %" PRIu64 ":", s->modify.n);
	for (unsigned op = 0; op < OP_KINDS; op++)
		printf(" %s %" PRIu64, storm_op_name(op), s->ops[op]);
	printf("\nconnections       %" PRIu64 " made, %" PRIu64 " old ones closed by the server\n"
	       "  TLS             %" PRIu64 ", %" PRIu64 " resumed\n"
	       "SIP sent again    %" PRIu64 ", and %" PRIu64 " ACKs; 491 or 500 until then %" PRIu64 "\n",
	       s->conns_made, s->early_closed, s->shaken, s->resumed, s->resent, s->acked_again, s->busy);
}

bool storm_judge(const struct storm *s, const struct storm_run *r, bool ok)
{
	print_messages(&s->totals);
	print_changes(s);
	hist_print("offer to answer   ", &s->modify);
	hist_print("first to last byte", &s->totals.delivery);
	hist_print("SEND to its 200   ", &s->totals.answer);
	printf("wrong             %" PRIu64 "\n", s->wrong + s->totals.wrong);
	ok = s->wrong + s->totals.wrong == 0 && ok;
	ok = strong_enough(s, r) && ok;
	ok = memory_is_bounded(s, r) && ok;
	ok = books_balance(s) && ok;
	printf("result            %s\n", ok ? "ok" : "FAULTY");
	return ok;
}
