/* SPDX-License-Identifier: MIT */
/* parley-load sip: session modifications through a device, and what each cost it. */
#include <arpa/inet.h>
#include <getopt.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sip.h"

static const char help[] =
	"Usage: parley-load sip --to ADDRESS:PORT [option...]\n"
	"\n"
	"Sets up sessions through the device at ADDRESS:PORT (UDP), changes them by UPDATE or re-INVITE\n"
	"with so many in flight, and ends them.  The far side answers where the device sends it.\n"
	"\n"
	"  --to ADDRESS:PORT    the device under test\n"
	"  --bind ADDRESS       our own address (127.0.0.1)\n"
	"  --client-port N      port of the client's end (any free one)\n"
	"  --far-port N         port of the far end, where the device sends to (5080)\n"
	"  --sessions N         sessions to set up (100)\n"
	"  --active N           how many of them are modified (all)\n"
	"  --count N            modifications to make (10000)\n"
	"  --warm-up N          made before, and not counted (1000)\n"
	"  --in-flight N        modifications open at once (32)\n"
	"  --rate N             modifications a second; 0: as fast as answers come (0)\n"
	"  --method NAME        update or reinvite (update)\n"
	"  --change WHAT        what each one changes: direction, types or path (direction)\n"
	"  --pid N              process of the device; its threads and children are counted too\n"
	"  --core N             stay on this core\n"
	"  --timeout N          seconds without any answer before giving up (10)\n"
	"  --settle N           milliseconds to wait before reading the device's CPU time (50)\n"
	"  --no-bye             leave the sessions standing at the end\n"
	"  --terse              one line of key=value pairs\n"
	"  --help               this text\n"
	"\n"
	"Exit status: 0 every modification arrived on the far side as it was made, once, and was\n"
	"answered; 1 not so (the first faults stand on stderr); 2 bad usage.\n";

struct run {
	struct sip_conf sip;
	uint64_t count, warm_up;
	int pid, core;
	unsigned settle_ms;
	bool bye, terse;
};

enum {
	O_TO = 256,
	O_BIND,
	O_CPORT,
	O_FPORT,
	O_SESSIONS,
	O_ACTIVE,
	O_COUNT,
	O_WARM,
	O_FLIGHT,
	O_RATE,
	O_METHOD,
	O_CHANGE,
	O_PID,
	O_CORE,
	O_TIMEOUT,
	O_SETTLE,
	O_NOBYE,
	O_TERSE,
	O_HELP
};

static const struct option options[] = {
	{ "to", 1, NULL, O_TO },
	{ "bind", 1, NULL, O_BIND },
	{ "client-port", 1, NULL, O_CPORT },
	{ "far-port", 1, NULL, O_FPORT },
	{ "sessions", 1, NULL, O_SESSIONS },
	{ "active", 1, NULL, O_ACTIVE },
	{ "count", 1, NULL, O_COUNT },
	{ "warm-up", 1, NULL, O_WARM },
	{ "in-flight", 1, NULL, O_FLIGHT },
	{ "rate", 1, NULL, O_RATE },
	{ "method", 1, NULL, O_METHOD },
	{ "change", 1, NULL, O_CHANGE },
	{ "pid", 1, NULL, O_PID },
	{ "core", 1, NULL, O_CORE },
	{ "timeout", 1, NULL, O_TIMEOUT },
	{ "settle", 1, NULL, O_SETTLE },
	{ "no-bye", 0, NULL, O_NOBYE },
	{ "terse", 0, NULL, O_TERSE },
	{ "help", 0, NULL, O_HELP },
	{ NULL, 0, NULL, 0 },
};

static enum sip_op method_from(const char *name)
{
	if (strcmp(name, "update") == 0)
		return OP_UPDATE;
	if (strcmp(name, "reinvite") == 0)
		return OP_REINVITE;
	load_die("--method: update or reinvite, not %s", name);
}

static enum sip_change change_from(const char *name)
{
	static const char *const names[] = { "direction", "types", "path" };
	for (unsigned k = 0; k < ARRAY_LEN(names); k++) {
		if (strcmp(name, names[k]) == 0)
			return (enum sip_change)k;
	}
	load_die("--change: direction, types or path, not %s", name);
}

static void set(struct run *r, int opt, const char *arg)
{
	switch (opt) {
	case O_TO:
		load_addr("--to", arg, &r->sip.to);
		break;
	case O_BIND:
		snprintf(r->sip.host, sizeof(r->sip.host), "%s", arg);
		break;
	case O_CPORT:
		r->sip.client_port = (uint16_t)load_number("--client-port", arg, 0, 65535);
		break;
	case O_FPORT:
		r->sip.far_port = (uint16_t)load_number("--far-port", arg, 0, 65535);
		break;
	case O_SESSIONS:
		r->sip.sessions = (unsigned)load_number("--sessions", arg, 1, 10000000);
		break;
	case O_ACTIVE:
		r->sip.active = (unsigned)load_number("--active", arg, 1, 10000000);
		break;
	case O_COUNT:
		r->count = load_number("--count", arg, 0, UINT32_MAX);
		break;
	case O_WARM:
		r->warm_up = load_number("--warm-up", arg, 0, UINT32_MAX);
		break;
	case O_FLIGHT:
		r->sip.in_flight = (unsigned)load_number("--in-flight", arg, 1, 65536);
		break;
	case O_RATE:
		r->sip.rate = load_number("--rate", arg, 0, 10000000);
		break;
	case O_METHOD:
		r->sip.method = method_from(arg);
		break;
	case O_CHANGE:
		r->sip.change = change_from(arg);
		break;
	case O_PID:
		r->pid = (int)load_number("--pid", arg, 1, 1 << 30);
		break;
	case O_CORE:
		r->core = (int)load_number("--core", arg, 0, 1023);
		break;
	case O_TIMEOUT:
		r->sip.timeout_s = (unsigned)load_number("--timeout", arg, 1, 3600);
		break;
	case O_SETTLE:
		r->settle_ms = (unsigned)load_number("--settle", arg, 0, 60000);
		break;
	case O_NOBYE:
		r->bye = false;
		break;
	case O_TERSE:
		r->terse = true;
		break;
	default:
		fputs(help, opt == O_HELP ? stdout : stderr);
		exit(opt == O_HELP ? 0 : 2);
	}
}

/* Nothing listens there: only the signalling is of interest. */
static void media(void *u, unsigned i, bool far, struct sip_media *m)
{
	const struct run *r = u;
	bool ip6 = r->sip.local.ss_family == AF_INET6;
	m->port = far ? 10 : 9;
	m->setup = far ? "active" : "actpass";
	snprintf(m->path, sizeof(m->path), "msrp://%s%s%s:%u/%s%010u;tcp", ip6 ? "[" : "", r->sip.host,
		 ip6 ? "]" : "", m->port, far ? "far" : "cli", i);
}

struct result {
	struct hist latency;
	uint64_t wall_ns, cpu_ns, rss_idle, rss_after, far_requests;
};

static void settle(const struct run *r)
{
	struct timespec t = { r->settle_ms / 1000, (long)(r->settle_ms % 1000) * 1000000 };
	nanosleep(&t, NULL);
}

static bool measure(const struct run *r, struct sip_load *s, struct result *out)
{
	struct proc_tree dut;
	bool ok = true;
	if (r->warm_up) {
		struct sip_load *w = s;
		ok = sip_load_modify(w, r->warm_up, NULL);
	}
	proc_tree_of(&dut, r->pid);
	settle(r);
	uint64_t far = sip_load_counts(s)->far_requests;
	out->rss_idle = proc_rss(&dut);
	uint64_t cpu = proc_cpu_ns(&dut), start = now_ns();
	ok = ok && sip_load_modify(s, r->count, &out->latency);
	out->wall_ns = now_ns() - start;
	settle(r);
	out->cpu_ns = proc_cpu_ns(&dut) - cpu;
	out->rss_after = proc_rss(&dut);
	out->far_requests = sip_load_counts(s)->far_requests - far;
	return ok;
}

static void print(const struct run *r, const struct result *o, const struct sip_counts *n, bool ok)
{
	double count = (double)(o->latency.n ? o->latency.n : 1), us = 1e-3;
	const char *fmt =
		r->terse ? "result=%s method=%s change=%s sessions=%u done=%" PRIu64 " far=%" PRIu64
			   " failed=%" PRIu64 " wrong=%" PRIu64 " resent=%" PRIu64
			   " per_s=%.0f cpu_us=%.3f p50_us=%.1f p90_us=%.1f p99_us=%.1f max_us=%.1f"
			   " rss_kib=%" PRIu64 " rss_after_kib=%" PRIu64 "\n"
			 : "result            %s\nmethod            %s\nchange            %s\n"
			   "sessions          %u\nmodifications     %" PRIu64 "\nseen on far side  %" PRIu64
			   "\nfailed            %" PRIu64 "\nwrong             %" PRIu64
			   "\nsent again        %" PRIu64 "\na second          %.0f\n"
			   "device CPU, us    %.3f each\nlatency p50, us   %.1f\n        p90       %.1f\n"
			   "        p99       %.1f\n        max       %.1f\ndevice RSS, KiB   %" PRIu64
			   "\n  after the run   %" PRIu64 "\n";
	static const char *const changes[] = { "direction", "types", "path" };
	printf(fmt, ok ? "ok" : "FAULTY", r->sip.method == OP_UPDATE ? "UPDATE" : "re-INVITE",
	       changes[r->sip.change], r->sip.sessions, o->latency.n, o->far_requests, n->failed, n->wrong,
	       n->resent, o->wall_ns ? count * 1e9 / (double)o->wall_ns : 0.0, (double)o->cpu_ns * us / count,
	       (double)hist_at(&o->latency, 0.5) * us, (double)hist_at(&o->latency, 0.9) * us,
	       (double)hist_at(&o->latency, 0.99) * us, (double)o->latency.max * us, o->rss_idle >> 10,
	       o->rss_after >> 10);
}

static void finish_conf(struct run *r)
{
	char local[64];
	if (r->sip.to.ss_family == 0)
		load_die("--to is needed; see parley-load sip --help");
	if (r->sip.active == 0 || r->sip.active > r->sip.sessions)
		r->sip.active = r->sip.sessions;
	snprintf(local, sizeof(local), strchr(r->sip.host, ':') ? "[%.48s]:0" : "%.48s:0", r->sip.host);
	load_addr("--bind", local, &r->sip.local);
	if (r->sip.local.ss_family != r->sip.to.ss_family)
		load_die("--bind and --to are of different families");
	r->sip.hooks = (struct sip_hooks){ .u = r, .media = media };
}

int load_sip_main(int argc, char **argv)
{
	struct run r = {
		.sip = { .host = "127.0.0.1",
			 .far_port = 5080,
			 .sessions = 100,
			 .in_flight = 32,
			 .method = OP_UPDATE,
			 .timeout_s = 10 },
		.count = 10000,
		.warm_up = 1000,
		.core = -1,
		.settle_ms = 50,
		.bye = true,
	};
	static struct result out;
	for (int opt; (opt = getopt_long(argc, argv, "h", options, NULL)) != -1;)
		set(&r, opt == 'h' ? O_HELP : opt, optarg);
	if (optind < argc)
		load_die("sip: what is %s?", argv[optind]);
	finish_conf(&r);
	load_pin(r.core);
	struct sip_load *s = sip_load_create(&r.sip);
	bool ok = sip_load_setup(s);
	ok = ok && measure(&r, s, &out);
	if (ok && out.far_requests != r.count) {
		fprintf(stderr,
			"parley-load: %" PRIu64 " modifications made, %" PRIu64 " seen on the far side\n",
			r.count, out.far_requests);
		ok = false;
	}
	if (r.bye)
		ok = sip_load_bye(s) && ok;
	print(&r, &out, sip_load_counts(s), ok);
	sip_load_destroy(s);
	return ok ? 0 : 1;
}
