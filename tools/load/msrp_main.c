/* SPDX-License-Identifier: MIT */
/* parley-load msrp: messages through a device, every byte checked, and what they cost it. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "msrp_run.h"

static const char help[] =
	"Usage: parley-load msrp --to ADDRESS:PORT [option...]\n"
	"       parley-load msrp --direct ADDRESS:PORT --listen ADDRESS:PORT [option...]\n"
	"\n"
	"Sends MSRP messages of known content from the client's end of each session to the far end and\n"
	"checks every byte, every 200 and every REPORT.  With --to the sessions are set up by SIP (UDP)\n"
	"through a server that anchors them; with --direct the bytes go through a plain TCP proxy that\n"
	"listens at --direct and connects to --listen.\n"
	"\n"
	"  --to ADDRESS:PORT    SIP address of the server\n"
	"  --far-port N         SIP port of our far end, where the server sends to (5080)\n"
	"  --direct ADDRESS:PORT  where the TCP proxy listens\n"
	"  --listen ADDRESS:PORT  where we listen for MSRP connections (127.0.0.1, any port)\n"
	"  --bind ADDRESS       our own address (127.0.0.1)\n"
	"  --far-setup ROLE     active: our far end connects to the server; passive: it listens (active)\n"
	"  --sessions N         sessions at once (1)\n"
	"  --size LIST          bytes per message, K M G allowed; several, by commas, in turn (64K)\n"
	"  --total N            bytes per session and direction (64M)\n"
	"  --chunk N            bytes per SEND; 0: the whole message in one (0)\n"
	"  --window N           SENDs without their 200 at once, 1..4096 (64)\n"
	"  --duplex             both ends send\n"
	"  --reports            ask for success REPORTs\n"
	"  --failure-report VAL yes, partial or no (yes)\n"
	"  --updates N          change accept-types by UPDATE N times while messages flow (0)\n"
	"  --stall N            the far ends of the first N sessions do not read until all other\n"
	"                       sessions are through (0)\n"
	"  --stall-max N        bytes that a sender to such an end may get rid of meanwhile (32M)\n"
	"  --rss-max N          bytes by which the device's memory may grow; 0: any (0)\n"
	"  --pid N              process of the device; its threads and children are counted too\n"
	"  --core N             stay on this core\n"
	"  --timeout N          seconds in which nothing moves before giving up (15)\n"
	"  --settle N           milliseconds to look for answers too many at the end (50)\n"
	"  --terse              one line of key=value pairs\n"
	"  --help               this text\n"
	"\n"
	"Exit status: 0 all arrived, whole, in order, once, and was acknowledged; 1 not so (the first\n"
	"faults stand on stderr); 2 bad usage.\n";

enum {
	O_TO = 256,
	O_FPORT,
	O_DIRECT,
	O_LISTEN,
	O_BIND,
	O_SETUP,
	O_SESSIONS,
	O_SIZE,
	O_TOTAL,
	O_CHUNK,
	O_WINDOW,
	O_DUPLEX,
	O_REPORTS,
	O_FAILURE,
	O_UPDATES,
	O_STALL,
	O_STALLMAX,
	O_RSS,
	O_PID,
	O_CORE,
	O_TIMEOUT,
	O_SETTLE,
	O_TERSE,
	O_HELP
};

static const struct option options[] = {
	{ "to", 1, NULL, O_TO },
	{ "far-port", 1, NULL, O_FPORT },
	{ "direct", 1, NULL, O_DIRECT },
	{ "listen", 1, NULL, O_LISTEN },
	{ "bind", 1, NULL, O_BIND },
	{ "far-setup", 1, NULL, O_SETUP },
	{ "sessions", 1, NULL, O_SESSIONS },
	{ "size", 1, NULL, O_SIZE },
	{ "total", 1, NULL, O_TOTAL },
	{ "chunk", 1, NULL, O_CHUNK },
	{ "window", 1, NULL, O_WINDOW },
	{ "duplex", 0, NULL, O_DUPLEX },
	{ "reports", 0, NULL, O_REPORTS },
	{ "failure-report", 1, NULL, O_FAILURE },
	{ "updates", 1, NULL, O_UPDATES },
	{ "stall", 1, NULL, O_STALL },
	{ "stall-max", 1, NULL, O_STALLMAX },
	{ "rss-max", 1, NULL, O_RSS },
	{ "pid", 1, NULL, O_PID },
	{ "core", 1, NULL, O_CORE },
	{ "timeout", 1, NULL, O_TIMEOUT },
	{ "settle", 1, NULL, O_SETTLE },
	{ "terse", 0, NULL, O_TERSE },
	{ "help", 0, NULL, O_HELP },
	{ NULL, 0, NULL, 0 },
};

static void sizes(struct flow_conf *f, const char *list)
{
	char text[128];
	snprintf(text, sizeof(text), "%s", list);
	f->n_size = 0;
	for (char *save = NULL, *p = strtok_r(text, ",", &save); p; p = strtok_r(NULL, ",", &save)) {
		if (f->n_size == MSRP_SIZES_MAX)
			load_die("--size: at most %d sizes", MSRP_SIZES_MAX);
		f->size[f->n_size++] = load_number("--size", p, 1, 1ull << 40);
	}
	if (!f->n_size)
		load_die("--size: want a size");
}

/* One of three words: its number. */
static unsigned word(const char *what, const char *arg, const char *a, const char *b, const char *c)
{
	if (strcmp(arg, a) == 0)
		return 0;
	if (strcmp(arg, b) == 0)
		return 1;
	if (c && strcmp(arg, c) == 0)
		return 2;
	load_die("%s: not %s", what, arg);
}

static bool set_flow(struct msrp_run *r, int opt, const char *arg)
{
	switch (opt) {
	case O_SESSIONS:
		r->sip.sessions = (unsigned)load_number("--sessions", arg, 1, 10000);
		return true;
	case O_SIZE:
		sizes(&r->flow, arg);
		return true;
	case O_TOTAL:
		r->flow.total = load_number("--total", arg, 1, 1ull << 50);
		return true;
	case O_CHUNK:
		r->flow.chunk = load_number("--chunk", arg, 0, 1ull << 40);
		return true;
	case O_WINDOW:
		r->flow.window = (unsigned)load_number("--window", arg, 1, WINDOW_MAX);
		return true;
	case O_DUPLEX:
		r->duplex = true;
		return true;
	case O_REPORTS:
		r->flow.success_report = true;
		return true;
	case O_FAILURE:
		r->flow.failure_report =
			(enum failure_report)word("--failure-report", arg, "yes", "partial", "no");
		return true;
	case O_UPDATES:
		r->updates = (unsigned)load_number("--updates", arg, 0, 1000000);
		return true;
	case O_STALL:
		r->stall = (unsigned)load_number("--stall", arg, 0, 10000);
		return true;
	case O_STALLMAX:
		r->stall_max = load_number("--stall-max", arg, 0, 1ull << 50);
		return true;
	default:
		return false;
	}
}

static void set(struct msrp_run *r, int opt, const char *arg)
{
	switch (opt) {
	case O_TO:
		load_addr("--to", arg, &r->sip.to);
		break;
	case O_FPORT:
		r->sip.far_port = (uint16_t)load_number("--far-port", arg, 0, 65535);
		break;
	case O_DIRECT:
		load_addr("--direct", arg, &r->direct);
		break;
	case O_LISTEN:
		load_addr("--listen", arg, &r->local);
		break;
	case O_BIND:
		snprintf(r->sip.host, sizeof(r->sip.host), "%s", arg);
		break;
	case O_SETUP:
		r->far_active = word("--far-setup", arg, "active", "passive", NULL) == 0;
		break;
	case O_RSS:
		r->rss_max = load_number("--rss-max", arg, 0, 1ull << 50);
		break;
	case O_PID:
		r->pid = (int)load_number("--pid", arg, 1, 1 << 30);
		break;
	case O_CORE:
		r->core = (int)load_number("--core", arg, 0, 1023);
		break;
	case O_TIMEOUT:
		r->timeout_s = r->sip.timeout_s = (unsigned)load_number("--timeout", arg, 1, 3600);
		break;
	case O_SETTLE:
		r->settle_ms = (unsigned)load_number("--settle", arg, 0, 60000);
		break;
	case O_TERSE:
		r->terse = true;
		break;
	default:
		fputs(help, opt == O_HELP ? stdout : stderr);
		exit(opt == O_HELP ? 0 : 2);
	}
}

static void finish_conf(struct msrp_run *r)
{
	char local[64];
	snprintf(local, sizeof(local), strchr(r->sip.host, ':') ? "[%.48s]:0" : "%.48s:0", r->sip.host);
	load_addr("--bind", local, &r->sip.local);
	if (!r->local.ss_family)
		r->local = r->sip.local;
	if (!r->sip.to.ss_family == !r->direct.ss_family)
		load_die("msrp: either --to or --direct; see parley-load msrp --help");
	if (r->stall >= r->sip.sessions && r->stall)
		load_die("--stall: some session must be left that flows");
	if (r->updates && !r->sip.to.ss_family)
		load_die("--updates: there is no SIP with --direct");
	r->sip.active = r->sip.sessions;
}

static void print(const struct msrp_run *r, bool ok)
{
	const struct msrp_totals *t = &r->totals;
	double s = (double)r->wall_ns * 1e-9, n = (double)(t->messages_in ? t->messages_in : 1);
	double gib = (double)(t->bytes_in ? t->bytes_in : 1) / 1073741824.0;
	const char *fmt =
		r->terse ? "result=%s sessions=%u messages=%" PRIu64 " bytes=%" PRIu64 " sends=%" PRIu64
			   " chunks_in=%" PRIu64 " answers=%" PRIu64 " reports=%" PRIu64 " updates=%" PRIu64
			   " wrong=%" PRIu64 " seconds=%.3f mib_s=%.1f msg_s=%.0f cpu_us=%.3f cpu_s_gib=%.4f"
			   " own_cpu_s=%.3f rss_kib=%" PRIu64 " rss_peak_kib=%" PRIu64
			   " rss_after_kib=%" PRIu64 " stalled_bytes=%" PRIu64 " stalled_rss_kib=%" PRIu64
			   "\n"
			 : "result            %s\nsessions          %u\nmessages          %" PRIu64
			   "\nbytes             %" PRIu64 "\nSENDs out         %" PRIu64
			   "\nSENDs in          %" PRIu64 "\n200s              %" PRIu64
			   "\nREPORTs           %" PRIu64 "\nUPDATEs           %" PRIu64
			   "\nwrong             %" PRIu64 "\nseconds           %.3f\nMiB a second      %.1f\n"
			   "messages a second %.0f\ndevice CPU, us    %.3f per message\n"
			   "device CPU, s     %.4f per GiB\nown CPU, s        %.3f\n"
			   "device RSS, KiB   %" PRIu64 " before, %" PRIu64 " at most, %" PRIu64 " after\n"
			   "stalled           %" PRIu64 " bytes taken from its sender, RSS %" PRIu64 " KiB\n";
	printf(fmt, ok ? "ok" : "FAULTY", r->sip.sessions, t->messages_in, t->bytes_in, t->sends,
	       t->chunks_in, t->answers, t->reports, r->updates_done, t->wrong, s, s > 0 ? gib * 1024 / s : 0,
	       s > 0 ? n / s : 0, (double)r->cpu_ns * 1e-3 / n, (double)r->cpu_ns * 1e-9 / gib,
	       (double)r->own_cpu_ns * 1e-9, r->rss_before >> 10, r->rss_peak >> 10, r->rss_after >> 10,
	       r->stalled_bytes, r->stalled_rss >> 10);
}

int load_msrp_main(int argc, char **argv)
{
	struct msrp_run r = {
		.sip = { .host = "127.0.0.1",
			 .far_port = 5080,
			 .sessions = 1,
			 .in_flight = 1,
			 .method = OP_UPDATE,
			 .change = CHANGE_TYPES,
			 .timeout_s = 15 },
		.flow = { .size = { 65536 }, .n_size = 1, .total = 64 << 20, .window = 64 },
		.far_active = true,
		.stall_max = 32 << 20,
		.core = -1,
		.settle_ms = 50,
		.timeout_s = 15,
	};
	for (int opt; (opt = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
		if (!set_flow(&r, opt, optarg))
			set(&r, opt == 'h' ? O_HELP : opt, optarg);
	}
	if (optind < argc)
		load_die("msrp: what is %s?", argv[optind]);
	finish_conf(&r);
	load_pin(r.core);
	bool ok = msrp_run(&r);
	print(&r, ok);
	return ok ? 0 : 1;
}
