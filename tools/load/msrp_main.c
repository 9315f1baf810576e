/* SPDX-License-Identifier: MIT */
/* parley-load msrp: messages through a device, every byte checked, and what they cost it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "msrp_run.h"
#include "opt.h"

static const char head[] =
	"Usage: parley-load msrp --to ADDRESS:PORT [option...]\n"
	"       parley-load msrp --direct ADDRESS:PORT --listen ADDRESS:PORT [option...]\n"
	"\n"
	"Sends MSRP messages of known content from the client's end of each session to the far end and\n"
	"checks every byte, every 200 and every REPORT.  With --to the sessions are set up by SIP (UDP)\n"
	"through a server that anchors them; with --direct the bytes go through a plain TCP proxy that\n"
	"listens at --direct and connects to --listen, or with --relay through an MSRP relay.\n"
	"\n";
static const char tail[] =
	"\n"
	"Exit status: 0 all arrived, whole, in order, once, and was acknowledged; 1 not so (the first\n"
	"faults stand on stderr); 2 bad usage.\n";

static const char *const failure_words[] = { "yes", "partial", "no", NULL };
static const char *const tls_words[] = { "none", "client", "far", "both", NULL };
static const char *const setup_words[] = { "passive", "active", NULL };

static unsigned numbers(const char *what, uint64_t *out, const char *list, uint64_t min)
{
	char text[128];
	unsigned n = 0;
	snprintf(text, sizeof(text), "%s", list);
	if (strcmp(list, "mix") == 0)
		return 0;
	for (char *save = NULL, *p = strtok_r(text, ",", &save); p; p = strtok_r(NULL, ",", &save)) {
		if (n == MSRP_SIZES_MAX)
			load_die("%s: at most %d numbers", what, MSRP_SIZES_MAX);
		out[n++] = load_number(what, p, min, 1ull << 40);
	}
	if (!n)
		load_die("%s: want a number", what);
	return n;
}

static void take_sizes(void *u, const char *list)
{
	struct flow_conf *f = u;
	f->n_size = numbers("--size", f->size, list, 1);
}

static void take_chunks(void *u, const char *list)
{
	struct flow_conf *f = u;
	f->n_chunk = numbers("--chunk", f->chunk, list, 0);
}

static void read_options(struct msrp_run *r, int argc, char **argv)
{
	struct flow_conf *f = &r->flow;
	const struct load_opt opts[] = {
		OPT_AT("to", &r->sip.to, "SIP address of the server"),
		OPT_N16("far-port", &r->sip.far_port, 0, 65535,
			"SIP port of our far end, where the server sends to\n(5080)"),
		OPT_AT("direct", &r->direct, "where the TCP proxy listens"),
		OPT_SET("relay", &r->relay,
			"what listens at --direct is an MSRP relay (RFC 4976):\n"
			"it stands in our paths, and answers for itself"),
		OPT_AT("listen", &r->local, "where we listen for MSRP connections (127.0.0.1, any\nport)"),
		OPT_STRING("bind", "ADDRESS", r->sip.host, sizeof(r->sip.host),
			   "our own address (127.0.0.1)"),
		OPT_ONE_OF("far-setup", "ROLE", &r->far_role, setup_words,
			   "active: our far end connects to the server; passive:\nit listens (active)"),
		OPT_ONE_OF("tls", "SIDES", &r->tls, tls_words,
			   "whose connections are MSRP over TLS: none, client, far\nor both (none)"),
		OPT_N32("sessions", &r->sip.sessions, 1, 10000, "sessions at once (1)"),
		OPT_FN("size", "LIST", f, take_sizes,
		       "bytes per message, K M G allowed; several, by commas,\n"
		       "in turn; mix: drawn, from 1 byte to 5 MiB (64K)"),
		OPT_N64("total", &f->total, 1, 1ull << 50, "bytes per session and direction (64M)"),
		OPT_FN("chunk", "LIST", f, take_chunks,
		       "bytes per SEND, several: by message in turn; 0: the\nwhole message in one; mix: drawn (0)"),
		OPT_N32("interleave", &f->interleave, 1, INTERLEAVE_MAX,
			"messages under way at once on a connection, chunk by\nchunk in turn (1)"),
		OPT_SET("interrupt", &f->interrupt, "end a chunk early, with '+', when answers wait"),
		OPT_N32("window", &f->window, 1, WINDOW_MAX, "SENDs without their 200 at once, 1..4096 (64)"),
		OPT_N64("rate", &f->rate, 0, 1000000,
			"messages a second of each sending end; 0: as fast as\nthey go (0)"),
		OPT_SET("duplex", &r->duplex, "both ends send"),
		OPT_SET("reports", &f->success_report, "ask for success REPORTs"),
		OPT_ONE_OF("failure-report", "VALUE", &f->failure_report, failure_words,
			   "yes, partial or no (yes)"),
		OPT_SET("all-modes", &f->all_modes,
			"each message with its own Failure-Report and\nSuccess-Report, drawn"),
		OPT_N64("seed", &f->seed, 0, UINT64_MAX, "of what is drawn (1)"),
		OPT_N32("updates", &r->updates, 0, 1000000,
			"change accept-types by UPDATE N times while messages\nflow (0)"),
		OPT_N32("stall", &r->stall, 0, 10000,
			"the far ends of the first N sessions do not read until\n"
			"all other sessions are through (0)"),
		OPT_N64("stall-max", &r->stall_max, 0, 1ull << 50,
			"bytes that a sender to such an end may get rid of\nmeanwhile (32M)"),
		OPT_N64("rss-max", &r->rss_max, 0, 1ull << 50,
			"bytes by which the device's memory may grow; 0: any (0)"),
		OPT_N32("pid", &r->pid, 1, 1 << 30,
			"process of the device; its threads and children are\ncounted too"),
		OPT_N32("core", &r->core, 0, 1023, "stay on this core"),
		OPT_N32("timeout", &r->timeout_s, 1, 3600,
			"seconds in which nothing moves before giving up (15)"),
		OPT_N32("settle", &r->settle_ms, 0, 60000,
			"milliseconds to look for answers too many at the end\n(50)"),
		OPT_SET("terse", &r->terse, "one line of key=value pairs"),
	};
	load_options(opts, ARRAY_LEN(opts), head, tail, argc, argv);
	r->far_active = r->far_role == 1;
	r->sip.timeout_s = r->timeout_s;
	load_bind(r->sip.host, &r->sip.local);
	if (!r->local.ss_family)
		r->local = r->sip.local;
	if (!r->sip.to.ss_family == !r->direct.ss_family)
		load_die("msrp: either --to or --direct; see parley-load msrp --help");
	if (r->stall >= r->sip.sessions && r->stall)
		load_die("--stall: some session must be left that flows");
	if (r->relay && !r->direct.ss_family)
		load_die("--relay: say with --direct where it listens");
	if (r->updates && !r->sip.to.ss_family)
		load_die("--updates: there is no SIP with --direct");
	r->sip.active = r->sip.sessions;
}

static void print_terse(const struct msrp_run *r, bool ok, double s, double n, double gib)
{
	const struct msrp_totals *t = &r->totals;
	printf("result=%s sessions=%u messages=%" PRIu64 " bytes=%" PRIu64 " sends=%" PRIu64
	       " chunks_in=%" PRIu64 " answers=%" PRIu64 " reports=%" PRIu64 " updates=%" PRIu64
	       " wrong=%" PRIu64 " seconds=%.3f mib_s=%.1f msg_s=%.0f cpu_us=%.3f cpu_s_gib=%.4f"
	       " own_cpu_s=%.3f rss_kib=%" PRIu64 " rss_peak_kib=%" PRIu64 " rss_after_kib=%" PRIu64
	       " stalled_bytes=%" PRIu64 " stalled_rss_kib=%" PRIu64,
	       ok ? "ok" : "FAULTY", r->sip.sessions, t->messages_in, t->bytes_in, t->sends, t->chunks_in,
	       t->answers, t->reports, r->updates_done, t->wrong, s, s > 0 ? gib * 1024 / s : 0,
	       s > 0 ? n / s : 0, (double)r->cpu_ns * 1e-3 / n, (double)r->cpu_ns * 1e-9 / gib,
	       (double)r->own_cpu_ns * 1e-9, r->rss_before >> 10, r->rss_peak >> 10, r->rss_after >> 10,
	       r->stalled_bytes, r->stalled_rss >> 10);
	hist_print_terse("", &t->delivery);
	hist_print_terse("ack_", &t->answer);
	putchar('\n');
}

static void print(const struct msrp_run *r, bool ok, double s, double n, double gib)
{
	const struct msrp_totals *t = &r->totals;
	printf("result            %s\nsessions          %u\nmessages          %" PRIu64
	       "\nbytes             %" PRIu64 "\nSENDs out         %" PRIu64 "\n  ended early     %" PRIu64
	       "\nSENDs in          %" PRIu64 "\n200s              %" PRIu64 "\nREPORTs           %" PRIu64
	       "\nUPDATEs           %" PRIu64 "\nwrong             %" PRIu64
	       "\nseconds           %.3f\nMiB a second      %.1f\n"
	       "messages a second %.0f\ndevice CPU, us    %.3f per message\n"
	       "device CPU, s     %.4f per GiB\nown CPU, s        %.3f\n"
	       "device RSS, KiB   %" PRIu64 " before, %" PRIu64 " at most, %" PRIu64 " after\n"
	       "stalled           %" PRIu64 " bytes taken from its sender, RSS %" PRIu64 " KiB\n",
	       ok ? "ok" : "FAULTY", r->sip.sessions, t->messages_in, t->bytes_in, t->sends, t->interrupted,
	       t->chunks_in, t->answers, t->reports, r->updates_done, t->wrong, s, s > 0 ? gib * 1024 / s : 0,
	       s > 0 ? n / s : 0, (double)r->cpu_ns * 1e-3 / n, (double)r->cpu_ns * 1e-9 / gib,
	       (double)r->own_cpu_ns * 1e-9, r->rss_before >> 10, r->rss_peak >> 10, r->rss_after >> 10,
	       r->stalled_bytes, r->stalled_rss >> 10);
	hist_print("first to last byte", &t->delivery);
	hist_print("SEND to its 200   ", &t->answer);
}

int load_msrp_main(int argc, char **argv)
{
	static struct msrp_run r = {
		.sip = { .host = "127.0.0.1",
			 .far_port = 5080,
			 .sessions = 1,
			 .in_flight = 1,
			 .method = OP_UPDATE,
			 .change = CHANGE_TYPES,
			 .timeout_s = 15 },
		.flow = { .seed = 1,
			  .size = { 65536 },
			  .n_size = 1,
			  .n_chunk = 1,
			  .total = 64 << 20,
			  .window = 64,
			  .interleave = 1 },
		.far_role = 1,
		.stall_max = 32 << 20,
		.core = -1,
		.settle_ms = 50,
		.timeout_s = 15,
	};
	read_options(&r, argc, argv);
	load_pin(r.core);
	bool ok = msrp_run(&r);
	const struct msrp_totals *t = &r.totals;
	double s = (double)r.wall_ns * 1e-9, n = (double)(t->messages_in ? t->messages_in : 1);
	double gib = (double)(t->bytes_in ? t->bytes_in : 1) / 1073741824.0;
	(r.terse ? print_terse : print)(&r, ok, s, n, gib);
	return ok ? 0 : 1;
}
