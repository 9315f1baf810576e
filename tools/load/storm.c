/* SPDX-License-Identifier: MIT */
/*
 * parley-load storm: the main loop; storm_judge.c says how it went.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "opt.h"
#include "storm.h"

enum { TICK_NS = 50000000, SAMPLE_NS = 200000000, SETUP_IN_FLIGHT = 32, LINGER_NS = 1500000000 };

static const char head[] =
	"Usage: parley-load storm --to ADDRESS:PORT [option...]\n"
	"\n"
	"Sessions at full speed, both ways, with messages to 5 MiB in all report modes, while each is\n"
	"modified all the time by either side: new paths, TCP to TLS and back, hold and resume,\n"
	"accept-types, further lines, refusals by the server and by the far side; and connections are\n"
	"cut.  Every byte, 200 and REPORT is checked, and the server's memory.\n"
	"\n";
static const char tail[] =
	"\n"
	"A line every 2 s (of a long storm: every 5 s); \"lost\" is of those that nobody had to be told of,\n"
	"\"wrong\" is what must not be.  The last line is the verdict.\n"
	"\n"
	"Exit status: 0 every message arrived once, in order, and every REPORT; with --cuts: or its\n"
	"sender was told, or saw it, or had asked not to be told; 1 not so; 2 bad usage.\n";

static const char *const tls_words[] = { "none", "client", "both", NULL };

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

static void sample(struct storm *s, struct storm_run *r)
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
	if (s->now - r->said < (s->conf.seconds < STORM_LONG_S ? 2 : 5) * 1000000000ull)
		return;
	r->said = s->now;
	storm_say(s, r);
}

static void step(struct storm *s, struct storm_run *r, int wait_ms)
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

/* Where an end stands that is not through, and the message it waits for as its sender has it. */
static void complain_of(struct end *e)
{
	const struct out_msg *m = e->sends ? end_out(e, e->k_base) : NULL;
	const struct out_msg *w =
		e->other->sends && e->in_base < e->other->k ? end_out(e->other, e->in_base) : NULL;

	end_wrong(e,
		  "not through: %s; message %" PRIu64 " of %" PRIu64 " (%" PRIu64 " of %" PRIu64
		  " bytes, %u SENDs without 200, mode %d%s%s%s%s)",
		  e->gen && e->gen->conn ? "bound" : "no connection", e->k_base, e->k, m ? m->offset : 0,
		  m ? m->size : 0, m ? m->unanswered : 0, m ? (int)m->failure : 0,
		  m && m->success ? " report" : "", m && m->cut ? " cut" : "",
		  m && m->homeless ? " homeless" : "", m && m->reported ? " reported" : "");
	if (w)
		end_wrong(e,
			  "waits for message %" PRIu64 " of %" PRIu64 " (%" PRIu64 " of %" PRIu64
			  " bytes written, %u SENDs without 200, mode %d%s%s%s%s%s), has %" PRIu64 " bytes",
			  e->in_base, e->other->k, w->offset, w->size, w->unanswered, (int)w->failure,
			  w->k == e->in_base ? "" : " FORGOTTEN", w->cut ? " cut" : "",
			  w->own_cut ? " own cut" : "", w->over ? " over" : "",
			  w->given_up ? " given up" : "",
			  end_in(e, e->in_base)->known ? end_in(e, e->in_base)->offset : 0);
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
			complain_of(e);
		}
	}
	return through;
}

static bool wait_for_all(struct storm *s, struct storm_run *r)
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

static bool run(struct storm *s, struct storm_run *r)
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
	r->changes = (double)s->modify.n / (double)s->conf.seconds;
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
		OPT_N64("memory", &c->memory, 0, 1ull << 50,
			"bytes the server may have; 0: 64M, 256K for each\ndirection of 4 lines, and the SIP transactions of 32 s (0)"),
		OPT_N64("rss-max", &c->rss_max, 0, 10000,
			"per cent by which its memory may grow after the first\nthird of a storm of 2 minutes or more, besides 16M (25)"),
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
	struct storm_run r = { 0 };
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
	bool ok = run(&s, &r);
	ok = storm_judge(&s, &r, ok);
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
