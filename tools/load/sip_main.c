/* SPDX-License-Identifier: MIT */
/* parley-load sip: session modifications through a device, and what each cost it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "opt.h"
#include "sip.h"

static const char head[] =
	"Usage: parley-load sip --to ADDRESS:PORT [option...]\n"
	"\n"
	"Sets up sessions through the device at ADDRESS:PORT (UDP), changes them by UPDATE or re-INVITE\n"
	"with so many in flight, and ends them.  The far side answers where the device sends it.\n"
	"\n";
static const char tail[] =
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

static const char *const methods[] = { "none", "setup", "update", "reinvite", NULL };
static const char *const changes[] = { "direction", "types", "path", NULL };

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
	printf(fmt, ok ? "ok" : "FAULTY", r->sip.method == OP_UPDATE ? "UPDATE" : "re-INVITE",
	       changes[r->sip.change], r->sip.sessions, o->latency.n, o->far_requests, n->failed, n->wrong,
	       n->resent, o->wall_ns ? count * 1e9 / (double)o->wall_ns : 0.0, (double)o->cpu_ns * us / count,
	       (double)hist_at(&o->latency, 0.5) * us, (double)hist_at(&o->latency, 0.9) * us,
	       (double)hist_at(&o->latency, 0.99) * us, (double)o->latency.max * us, o->rss_idle >> 10,
	       o->rss_after >> 10);
}

static void read_options(struct run *r, int argc, char **argv)
{
	const struct load_opt opts[] = {
		OPT_AT("to", &r->sip.to, "the device under test"),
		OPT_STRING("bind", "ADDRESS", r->sip.host, sizeof(r->sip.host),
			   "our own address (127.0.0.1)"),
		OPT_N16("client-port", &r->sip.client_port, 0, 65535,
			"port of the client's end (any free one)"),
		OPT_N16("far-port", &r->sip.far_port, 0, 65535,
			"port of the far end, where the device sends to (5080)"),
		OPT_N32("sessions", &r->sip.sessions, 1, 10000000, "sessions to set up (100)"),
		OPT_N32("active", &r->sip.active, 1, 10000000, "how many of them are modified (all)"),
		OPT_N64("count", &r->count, 0, UINT32_MAX, "modifications to make (10000)"),
		OPT_N64("warm-up", &r->warm_up, 0, UINT32_MAX, "made before, and not counted (1000)"),
		OPT_N32("in-flight", &r->sip.in_flight, 1, 65536, "modifications open at once (32)"),
		OPT_N64("rate", &r->sip.rate, 0, 10000000,
			"modifications a second; 0: as fast as answers come (0)"),
		OPT_ONE_OF("method", "NAME", &r->sip.method, methods, "update or reinvite (update)"),
		OPT_ONE_OF("change", "WHAT", &r->sip.change, changes,
			   "what each one changes: direction, types or path (direction)"),
		OPT_N32("pid", &r->pid, 1, 1 << 30,
			"process of the device; its threads and children are counted too"),
		OPT_N32("core", &r->core, 0, 1023, "stay on this core"),
		OPT_N32("timeout", &r->sip.timeout_s, 1, 3600,
			"seconds without any answer before giving up (10)"),
		OPT_N32("settle", &r->settle_ms, 0, 60000,
			"milliseconds to wait before reading the device's CPU time (50)"),
		OPT_CLEAR("no-bye", &r->bye, "leave the sessions standing at the end"),
		OPT_SET("terse", &r->terse, "one line of key=value pairs"),
	};
	load_options(opts, ARRAY_LEN(opts), head, tail, argc, argv);
	if (r->sip.to.ss_family == 0)
		load_die("--to is needed; see parley-load sip --help");
	if (r->sip.method != OP_UPDATE && r->sip.method != OP_REINVITE)
		load_die("--method: update or reinvite");
	if (r->sip.active == 0 || r->sip.active > r->sip.sessions)
		r->sip.active = r->sip.sessions;
	load_bind(r->sip.host, &r->sip.local);
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
	read_options(&r, argc, argv);
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
