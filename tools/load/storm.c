/* SPDX-License-Identifier: MIT */
/*
 * parley-load storm: the main loop, and the judgement at the end.
 *
 * The promise that is tested: every message arrives once, in order, or its sender is told the truth; every REPORT
 * that was asked for arrives.  Without cuts that allows nothing: no message may be lost, refused or doubled, in any
 * mode.  What a cut allows is in msrp_recv.c, and counted.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "opt.h"
#include "storm.h"

enum {
	TICK_NS = 50000000,
	SAY_NS = 2000000000,
	SAMPLE_NS = 200000000,
	SETUP_IN_FLIGHT = 32,
	LONG_S = 120,
	QUEUE_MAX = 256 << 10,
	LINGER_NS = 1500000000
};

static const char head[] =
	"Usage: parley-load storm --to ADDRESS:PORT [option...]\n"
	"\n"
	"Sessions at full speed, both ways, with messages to 5 MiB in all report modes, while each is\n"
	"modified all the time by either side: new paths, hold and resume, accept-types, further lines,\n"
	"refusals by the server and by the far side.  Every byte, 200 and REPORT is checked.\n"
	"\n";
static const char tail[] =
	"\n"
	"Exit status: 0 every message arrived once, in order, and every REPORT; with --cuts: or its\n"
	"sender was told, or had asked not to be; 1 not so; 2 bad usage.\n";

static const char *const tls_words[] = { "none", "client", "both", NULL };

static void say(struct storm *s, uint64_t start, uint64_t rss)
{
	static uint64_t bytes, changes, at;
	const struct msrp_totals *t = &s->totals;
	double dt = (double)(s->now - (at ? at : start)) * 1e-9;
	printf("%5.0f s  %7" PRIu64 " messages  %6.1f MiB/s  %6" PRIu64 " changes (%4.0f/s)  %u conns"
	       "  cuts %" PRIu64 " told %" PRIu64 " unsaid %" PRIu64 "  wrong %" PRIu64 "  RSS %" PRIu64
	       " MiB\n",
	       (double)(s->now - start) * 1e-9, t->messages_in,
	       (double)(t->bytes_in - bytes) / 1048576.0 / dt, s->modify.n,
	       (double)(s->modify.n - changes) / dt, s->n_conn, s->cuts, t->told, t->unsaid,
	       s->wrong + t->wrong, rss >> 20);
	fflush(stdout);
	bytes = t->bytes_in;
	changes = s->modify.n;
	at = s->now;
}

static void invite(struct storm *s, unsigned i)
{
	struct storm_session *x = &s->session[i];
	struct storm_change *c = &x->change;
	bool tls = s->conf.tls && storm_draw_tls(s);
	*c = (struct storm_change){ .op = OP_ADD, .on = true, .may = { true, true }, .began_ns = s->now };
	for (unsigned side = 0; side < 2; side++) {
		c->new_path[side] = true;
		c->tls[side] = tls && (side == 0 || s->conf.tls == STORM_TLS_BOTH);
		storm_new_path(x, side, 0, c->tls[side], c->self[side]);
	}
	storm_invite(x);
}

static void cut_some(struct storm *s)
{
	static uint64_t due;
	if (!s->conf.cuts || s->ending)
		return;
	uint64_t every = 60000000000ull / s->conf.cuts / s->conf.sessions;
	if (!due)
		due = s->now + every;
	for (; due <= s->now; due += every)
		storm_cut(&s->session[rng_below(&s->rng, s->conf.sessions)]);
}

struct run {
	struct proc_tree dut;
	uint64_t start, said, next, rss, rss_warm, rss_peak;
};

static void sample(struct storm *s, struct run *r)
{
	if (s->now < r->next)
		return;
	r->next = s->now + SAMPLE_NS;
	r->rss = proc_rss(&r->dut);
	/* The first third brings on all there is. */
	if (s->now - r->start < s->conf.seconds * 333333333ull) {
		r->rss_warm = r->rss > r->rss_warm ? r->rss : r->rss_warm;
	} else if (r->rss > r->rss_peak) {
		r->rss_peak = r->rss;
	}
	if (s->now - r->said < SAY_NS)
		return;
	r->said = s->now;
	say(s, r->start, r->rss);
}

static void step(struct storm *s, struct run *r, int wait_ms)
{
	storm_serve(s, wait_ms);
	storm_sip_poll(s);
	s->now = now_ns();
	for (unsigned i = 0; i < s->conf.sessions; i++)
		storm_next(&s->session[i]);
	cut_some(s);
	udp_flush(s->udp[0]);
	udp_flush(s->udp[1]);
	if (s->now >= s->tick_ns) {
		s->tick_ns = s->now + TICK_NS;
		storm_sip_tick(s);
		storm_media_tick(s);
		sample(s, r);
	}
}

/* Has everything that was begun come to an end?  say: which has not. */
static bool all_through(struct storm *s, bool complain)
{
	bool through = true;
	for (unsigned i = 0; i < s->conf.sessions; i++) {
		struct storm_session *x = &s->session[i];
		if (x->over)
			continue;
		through = through && x->change.op == OP_IDLE && storm_sip_idle(x);
		for (unsigned bit = 0; bit < 2 * STORM_LINES; bit++) {
			struct end *e = &x->line[bit / 2].end[bit % 2];
			e->stop = true;
			if (!e->conf || (end_send_done(e) && end_receive_done(e)))
				continue;
			through = false;
			if (!complain)
				continue;
			const struct out_msg *m = e->sends ? end_out(e, e->k_base) : NULL;
			end_wrong(
				e,
				"not through: %s; message %" PRIu64 " of %" PRIu64 " (%" PRIu64 " of %" PRIu64
				" bytes, %u SENDs without 200, mode %d%s%s%s%s); received all below %" PRIu64
				" of %" PRIu64,
				e->gen && e->gen->conn ? "bound" : "no connection", e->k_base, e->k,
				m ? m->offset : 0, m ? m->size : 0, m ? m->unanswered : 0,
				m ? (int)m->failure : 0, m && m->success ? " report" : "",
				m && m->cut ? " cut" : "", m && m->homeless ? " homeless" : "",
				m && m->reported ? " reported" : "", e->in_base, e->other->k);
		}
	}
	return through;
}

static bool wait_for_all(struct storm *s, struct run *r)
{
	uint64_t moved = 0, since = now_ns();
	s->ending = true;
	while (!all_through(s, false)) {
		uint64_t now_moved = s->totals.bytes_in + s->totals.answers + s->totals.reports;
		step(s, r, 10);
		if (now_moved != moved) {
			moved = now_moved;
			since = s->now;
		}
		if (s->now - since > s->conf.timeout_s * 1000000000ull) {
			all_through(s, true);
			return false;
		}
	}
	return true;
}

static bool storm_run(struct storm *s, struct run *r)
{
	unsigned next = 0;
	s->now = r->start = r->said = now_ns();
	while (s->n_up + s->n_over < s->conf.sessions) {
		while (next < s->conf.sessions && next - s->n_up - s->n_over < SETUP_IN_FLIGHT)
			invite(s, next++);
		step(s, r, 5);
	}
	if (s->n_over)
		return false;
	for (unsigned i = 0; i < s->conf.sessions && s->conf.rate; i++)
		s->session[i].next_ns = s->now + rng_below(&s->rng, 1000000000ull / s->conf.rate);
	r->start = s->now;
	while (s->now - r->start < s->conf.seconds * 1000000000ull)
		step(s, r, 2);
	bool ok = wait_for_all(s, r);
	for (unsigned i = 0; i < s->conf.sessions; i++) {
		struct storm_session *x = &s->session[i];
		if (!x->over) {
			x->over = true;
			storm_bye(x);
		}
	}
	uint64_t until = s->now + s->conf.timeout_s * 1000000000ull;
	while (s->n_over < s->conf.sessions && s->now < until)
		step(s, r, 10);
	/* The far sides answer their BYEs, also those that come again. */
	for (until = s->now + LINGER_NS; s->now < until;)
		step(s, r, 10);
	if (s->n_over < s->conf.sessions) {
		fprintf(stderr, "parley-load: %u sessions have no answer to their BYE\n",
			s->conf.sessions - s->n_over);
		ok = false;
	}
	return ok;
}

static bool judge(const struct storm *s, const struct run *r, bool ok)
{
	const struct msrp_totals *t = &s->totals;
	uint64_t most = r->rss_warm + r->rss_warm * s->conf.rss_max / 100 + (16 << 20);
	/* A short storm is over before all queues were full once: what they may hold is the limit then. */
	if (s->conf.seconds < LONG_S)
		most += (uint64_t)s->conf.sessions * 2 * STORM_LINES * QUEUE_MAX;
	if (s->wrong || t->wrong)
		ok = false;
	if (!s->cuts && (t->told || t->unsaid || t->reports_cut || t->again)) {
		fputs("parley-load: nothing was cut, and yet something was lost or came twice\n", stderr);
		ok = false;
	}
	if (s->conf.pid && r->rss_peak > most) {
		fprintf(stderr, "parley-load: the server's memory grew from %" PRIu64 " to %" PRIu64 " KiB\n",
			r->rss_warm >> 10, r->rss_peak >> 10);
		ok = false;
	}
	printf("result            %s\nsessions          %u\nmessages          %" PRIu64 " in, %" PRIu64
	       " out whole\nbytes             %" PRIu64 "\nSENDs             %" PRIu64 " out, %" PRIu64
	       " ended early, %" PRIu64 " in\n200s              %" PRIu64 "\nREPORTs           %" PRIu64
	       "\nwrong             %" PRIu64 "\n",
	       ok ? "ok" : "FAULTY", s->conf.sessions, t->messages_in, t->messages, t->bytes_in, t->sends,
	       t->interrupted, t->chunks_in, t->answers, t->reports, s->wrong + t->wrong);
	printf("cuts              %" PRIu64 ": %" PRIu64 " bytes sent again, %" PRIu64 " received again\n"
	       "  told of it      %" PRIu64 " messages; %" PRIu64
	       " doubtful SENDs of \"partial\"\n  lost unsaid     %" PRIu64
	       " messages that had asked for no 200\n  REPORTs gone    %" PRIu64 " with a connection\n",
	       s->cuts, t->resent, t->again, t->told, t->doubted, t->unsaid, t->reports_cut);
	printf("changes           %" PRIu64 ":", s->modify.n);
	for (unsigned op = 0; op < OP_KINDS; op++)
		printf(" %s %" PRIu64, storm_op_name(op), s->ops[op]);
	printf("\nconnections       %" PRIu64 " made, %" PRIu64 " old ones closed by the server\n"
	       "  TLS             %" PRIu64 ", %" PRIu64 " resumed\n"
	       "SIP sent again    %" PRIu64 "\n",
	       s->conns_made, s->early_closed, s->shaken, s->resumed, s->resent);
	hist_print("offer to answer   ", &s->modify);
	hist_print("first to last byte", &t->delivery);
	hist_print("SEND to its 200   ", &t->answer);
	printf("server RSS, KiB   %" PRIu64 " in the first third, %" PRIu64 " at most after, %" PRIu64
	       " allowed\n",
	       r->rss_warm >> 10, r->rss_peak >> 10, most >> 10);
	return ok;
}

static void read_options(struct storm_conf *c, int argc, char **argv)
{
	const struct load_opt opts[] = {
		OPT_AT("to", &c->to, "SIP address of the server"),
		OPT_N16("far-port", &c->far_port, 0, 65535,
			"SIP port of our far end, where the server sends to\n(5080)"),
		OPT_STRING("bind", "ADDRESS", c->host, sizeof(c->host), "our own address (127.0.0.1)"),
		OPT_N32("sessions", &c->sessions, 1, 10000, "sessions (200)"),
		OPT_N32("seconds", &c->seconds, 1, 86400, "how long (600)"),
		OPT_N32("rate", &c->rate, 0, 1000, "changes a second of each session (10)"),
		OPT_FN("only", "LIST", c, storm_only,
		       "kinds of change, by commas: path, answer-path,\nboth-paths, hold, resume, types, same, add, remove,\n"
		       "refused-far, refused-here, tls (all)"),
		OPT_ONE_OF(
			"tls", "SIDES", &c->tls, tls_words,
			"whose paths change between TCP and TLS: none, client,\nboth (both), as msrp.transport has it"),
		OPT_N32("cuts", &c->cuts, 0, 6000, "connections cut a minute in each session (6)"),
		OPT_N64("seed", &c->flow.seed, 0, UINT64_MAX, "of what is drawn (1)"),
		OPT_N32("window", &c->flow.window, 1, WINDOW_MAX, "SENDs without their 200 at once (64)"),
		OPT_N64("under-way", &c->flow.under_way, 0, 1ull << 50,
			"bytes of messages begun and not there, of all ends, at\nwhich others wait; 0: any (32M)"),
		OPT_N32("buffer", &c->buffer, 0, 1 << 30,
			"bytes of each of our socket buffers; 0: as the system\nhas it (65536)"),
		OPT_N32("interleave", &c->flow.interleave, 1, INTERLEAVE_MAX,
			"messages under way at once on a connection (3)"),
		OPT_SET("hop", &c->flow.hop, "the server answers hop by hop (msrp.acknowledge)"),
		OPT_N32("pid", &c->pid, 1, 1 << 30, "the server's process, for its memory"),
		OPT_N64("rss-max", &c->rss_max, 0, 10000,
			"per cent by which the server's memory may grow after\nthe first third (25), and 16 MiB"),
		OPT_N32("timeout", &c->timeout_s, 1, 3600,
			"seconds in which nothing moves before giving up (45)"),
	};
	load_options(opts, ARRAY_LEN(opts), head, tail, argc, argv);
	if (c->to.ss_family == 0)
		load_die("--to is needed; see parley-load storm --help");
	load_bind(c->host, &c->local);
}

static void more_files(void)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

int load_storm_main(int argc, char **argv)
{
	static struct storm s = {
		.conf = { .host = "127.0.0.1",
			  .far_port = 5080,
			  .sessions = 200,
			  .seconds = 600,
			  .rate = 10,
			  .cuts = 6,
			  .timeout_s = 45,
			  .buffer = 65536,
			  .tls = STORM_TLS_BOTH,
			  .rss_max = 25,
			  .flow = { .seed = 1,
				    .window = 64,
				    .under_way = 32 << 20,
				    .interleave = 3,
				    .interrupt = true,
				    .all_modes = true } },
	};
	struct run r = { 0 };
	struct sockaddr_storage local;
	read_options(&s.conf, argc, argv);
	more_files();
	pattern_init();
	rng_seed(&s.rng, s.conf.flow.seed);
	s.run = (uint32_t)now_ns();
	local = s.conf.local;
	s.udp[0] = udp_open(&local);
	load_set_port(&local, s.conf.far_port);
	s.udp[1] = udp_open(&local);
	storm_listen(&s);
	proc_tree_of(&r.dut, s.conf.pid);
	if (!(s.session = calloc(s.conf.sessions, sizeof(*s.session))))
		load_die("out of memory");
	for (unsigned i = 0; i < s.conf.sessions; i++) {
		s.session[i].s = &s;
		s.session[i].i = i;
		s.session[i].change.op = OP_IDLE;
		s.session[i].next_ns = UINT64_MAX;
		s.session[i].far_listens = i % 2;
	}
	bool ok = storm_run(&s, &r);
	ok = judge(&s, &r, ok);
	for (unsigned i = 0; i < s.conf.sessions; i++) {
		storm_sip_finish(&s.session[i]);
		for (unsigned k = 0; k < STORM_LINES; k++) {
			end_finish(&s.session[i].line[k].end[0]);
			end_finish(&s.session[i].line[k].end[1]);
		}
	}
	storm_media_finish(&s);
	udp_close(s.udp[0]);
	udp_close(s.udp[1]);
	free(s.session);
	return ok ? 0 : 1;
}
