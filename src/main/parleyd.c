/* SPDX-License-Identifier: MIT */
/*
 * The server: configuration, sockets, signals, and an end in good order.
 *
 * What is hard is the end.  SIGTERM refuses new sessions and waits for the running ones, at most drain_s; then
 * they are ended with BYE and given a few seconds to be confirmed.  A second signal ends it at once.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include "im/view.h"
#include "main/conf.h"
#include "main/giveback.h"
#include "main/wire.h"
#include "mgmt/mgmt.h"

#ifndef PARLEY_VERSION
#define PARLEY_VERSION "0"
#endif

enum {
	CHECK_MS = 100,       /* how often the end is looked at */
	QUIET_MS = 1000,      /* with no session left: so long answers may still be repeated */
	ENDING_MS = 5 * 1000, /* after the BYEs */
	TEARDOWN_S = 3,       /* a name still being looked up must not hold us */
};

enum ending { RUNNING, DRAINING, ENDING };

struct server {
	struct conf conf;
	struct log log;
	struct wire wire;
	struct net *net;
	struct im *im;
	struct mgmt *mgmt;
	uv_signal_t signals[3]; /* SIGTERM, SIGINT, SIGHUP */
	uv_timer_t check;
	struct giveback giveback;
	enum ending ending;
	uint64_t since_us, quiet_us; /* of this stage of the end; of the last session's end, 0: not yet */
};

/* ---- the end ---- */

static void stage(struct server *s, enum ending to)
{
	s->ending = to;
	s->since_us = net_now(s->net);
}

static bool no_session(const struct server *s)
{
	struct im_metrics mx;

	im_metrics(s->im, &mx);
	return mx.sessions == 0;
}

/* Without sessions only finished transactions are left, which wait to repeat their answers. */
static bool quiet(struct server *s, uint64_t now_us)
{
	if (im_idle(s->im))
		return true;
	if (!no_session(s)) {
		s->quiet_us = 0;
		return false;
	}
	if (s->quiet_us == 0)
		s->quiet_us = now_us;
	return now_us - s->quiet_us >= QUIET_MS * US_PER_MS;
}

static void on_check(uv_timer_t *t)
{
	struct server *s = t->data;
	uint64_t now_us = net_now(s->net), age_us = now_us - s->since_us;

	if (quiet(s, now_us)) {
		net_stop(s->net);
	} else if (s->ending == DRAINING && age_us >= s->conf.drain_s * US_PER_S) {
		log_event(&s->log, IM_NOTICE, "drain-over", "drain_s=%u", s->conf.drain_s);
		im_end_all(s->im, 503, "shutdown", now_us);
		stage(s, ENDING);
	} else if (s->ending == ENDING && age_us >= ENDING_MS * US_PER_MS) {
		net_stop(s->net);
	}
}

static void on_signal(uv_signal_t *h, int number)
{
	struct server *s = h->data;

	if (number == SIGHUP) {
		log_event(&s->log, IM_NOTICE, "signal", "signal=HUP ignored=yes reload=restart");
		return;
	}
	log_event(&s->log, IM_NOTICE, "signal", "signal=%s %s", number == SIGINT ? "INT" : "TERM",
		  s->ending == RUNNING ? "drain" : "stop");
	if (s->ending != RUNNING) {
		net_stop(s->net);
		return;
	}
	im_drain(s->im);
	mgmt_draining(s->mgmt);
	stage(s, DRAINING);
	uv_timer_start(&s->check, on_check, 0, CHECK_MS);
}

static void watch_signals(struct server *s)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };

	signal(SIGPIPE, SIG_IGN);
	for (unsigned i = 0; i < ARRAY_LEN(numbers); i++) {
		uv_signal_init(net_loop(s->net), &s->signals[i]);
		s->signals[i].data = s;
		uv_signal_start(&s->signals[i], on_signal, numbers[i]);
	}
	uv_timer_init(net_loop(s->net), &s->check);
	s->check.data = s;
}

static void unwatch_signals(struct server *s)
{
	for (unsigned i = 0; i < ARRAY_LEN(s->signals); i++)
		uv_close((uv_handle_t *)&s->signals[i], NULL);
	uv_close((uv_handle_t *)&s->check, NULL);
}

/* ---- the beginning ---- */

/* One line that names the key, where it stands, and what to do. */
static int listen_failed(const struct server *s, const char *key, unsigned i, const char *scheme,
			 const struct addr *at, int err)
{
	const char *what = err == -EADDRINUSE ? "is in use; stop what holds it or choose another port"
			   : err == -EACCES
				   ? "is not ours to use; choose a port above 1023 or grant the right"
			   : err == -EADDRNOTAVAIL ? "is not an address of this machine; choose one that is"
						   : strerror(-err);
	char buf[1024];
	struct wbuf w = wbuf_on(buf, sizeof(buf));

	conf_where(&s->conf, &w, key, i);
	w_fmt(&w, ": %s", scheme);
	w_addr(&w, at);
	fprintf(stderr, "%" SPAN_FMT " %s\n", SPAN_ARG(w_span_of(&w)), what);
	return -1;
}

static void listening(const struct server *s, const char *proto, const struct addr *at)
{
	char buf[128];
	struct wbuf w = wbuf_on(buf, sizeof(buf));

	w_addr(&w, at);
	log_event(&s->log, IM_NOTICE, "listening", "proto=%s addr=%" SPAN_FMT, proto,
		  SPAN_ARG(w_span_of(&w)));
}

static int listen_sip(struct server *s)
{
	static const char *const scheme[] = { [SIP_UDP] = "udp:",
					      [SIP_TCP] = "tcp:",
					      [SIP_TLS] = "tls:",
					      [SIP_WS] = "ws:",
					      [SIP_WSS] = "wss:" };
	static const char *const proto[] = { [SIP_UDP] = "sip/udp",
					     [SIP_TCP] = "sip/tcp",
					     [SIP_TLS] = "sip/tls",
					     [SIP_WS] = "sip/ws",
					     [SIP_WSS] = "sip/wss" };

	for (unsigned i = 0; i < s->conf.im.n_listen; i++) {
		struct im_listen at = s->conf.im.listen[i];
		struct addr bound;
		int err = net_listen_sip(s->net, at.tp, &at.addr, &bound);
		if (err < 0)
			return listen_failed(s, "sip.listen", i, scheme[at.tp], &at.addr, err);
		conf_bound_sip(&s->conf, i, &bound);
		listening(s, proto[at.tp], &bound);
	}
	return 0;
}

/* Also what -t looks at: files that cannot be used are faults of the configuration. */
static int use_tls(const struct conf *c, struct net *n)
{
	char why[256], buf[512];
	struct wbuf w = wbuf_on(buf, sizeof(buf));

	if (!conf_has_tls(c) || (n ? net_use_tls(n, &c->tls, why) : net_check_tls(&c->tls, why)) == 0)
		return 0;
	conf_where(c, &w, "sip.tls.certificate", 0);
	fprintf(stderr, "%" SPAN_FMT ": %s\n", SPAN_ARG(w_span_of(&w)), why);
	return -1;
}

static int use_msrp_tls(const struct conf *c, struct net *n)
{
	char why[256], buf[512];
	struct wbuf w = wbuf_on(buf, sizeof(buf));

	if (!conf_has_msrp_tls(c) ||
	    (n ? net_use_msrp_tls(n, &c->msrp_tls, why) : net_check_tls(&c->msrp_tls, why)) == 0)
		return 0;
	conf_where(c, &w, "msrp.tls.certificate", 0);
	fprintf(stderr, "%" SPAN_FMT ": %s\n", SPAN_ARG(w_span_of(&w)), why);
	return -1;
}

static int listen_msrp(struct server *s)
{
	static const char *const scheme[] = {
		[PLANE_TCP] = "tcp:", [PLANE_TLS] = "tls:", [PLANE_WS] = "ws:", [PLANE_WSS] = "wss:"
	};
	static const char *const proto[] = { [PLANE_TCP] = "msrp/tcp",
					     [PLANE_TLS] = "msrp/tls",
					     [PLANE_WS] = "msrp/ws",
					     [PLANE_WSS] = "msrp/wss" };

	for (unsigned i = 0; i < s->conf.n_msrp; i++) {
		enum plane_tp tp = s->conf.msrp_tp[i];
		struct addr bound;
		int err = net_listen_msrp(s->net, wire_msrp_kind(tp), &s->conf.msrp[i], &bound);
		if (err < 0)
			return listen_failed(s, "msrp.listen", i, scheme[tp], &s->conf.msrp[i], err);
		conf_bound_msrp(&s->conf, i, &bound);
		listening(s, proto[tp], &bound);
	}
	net_msrp_fingerprint(s->net, s->conf.im.plane.fingerprint);
	return 0;
}

static int listen_mgmt(struct server *s)
{
	struct addr bound;
	int err;

	if (s->conf.mgmt.family == 0)
		return 0;
	s->mgmt = mgmt_create(s->net, s->im, &s->conf.mgmt, &bound, &err);
	if (!s->mgmt)
		return listen_failed(s, "mgmt.listen", 0, "", &s->conf.mgmt, err);
	listening(s, "http", &bound);
	return 0;
}

static void raise_descriptors(const struct server *s)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		return;
	r.rlim_cur = r.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_max == RLIM_INFINITY)
		return;
	if (r.rlim_max < (rlim_t)s->conf.net.msrp_connections_max + s->conf.net.sip_connections_max)
		log_event(&s->log, IM_INFO, "descriptors", "limit=%llu wanted=%u",
			  (unsigned long long)r.rlim_max,
			  s->conf.net.msrp_connections_max + s->conf.net.sip_connections_max);
}

static int no_memory(void)
{
	fprintf(stderr, "parleyd: no memory or no descriptors to start with\n");
	return -1;
}

static int start(struct server *s)
{
	struct net_hooks hooks;
	struct im_port port;

	s->wire.log = &s->log;
	wire_hooks(&s->wire, &hooks);
	s->net = s->wire.net = net_create(&s->conf.net, &hooks);
	if (!s->net)
		return no_memory();
	watch_signals(s);
	if (use_tls(&s->conf, s->net) < 0 || use_msrp_tls(&s->conf, s->net) < 0 || listen_sip(s) < 0 ||
	    listen_msrp(s) < 0)
		return -1;
	wire_port(&s->wire, &port);
	s->im = s->wire.im = im_create(&s->conf.im, &port, net_now(s->net));
	if (!s->im)
		return no_memory();
	giveback_start(&s->giveback, net_loop(s->net), s->im);
	return listen_mgmt(s);
}

static void on_alarm(int number)
{
	_exit(0);
}

static void finish(struct server *s)
{
	signal(SIGALRM, on_alarm);
	alarm(TEARDOWN_S);
	mgmt_destroy(s->mgmt);
	giveback_stop(&s->giveback);
	im_destroy(s->im);
	if (s->net)
		unwatch_signals(s);
	net_destroy(s->net);
	conf_finish(&s->conf);
	alarm(0);
}

static int serve(struct server *s)
{
	int status = 1;

	s->log = (struct log){ .fd = STDERR_FILENO, .level = s->conf.log_level };
	raise_descriptors(s);
	if (start(s) == 0) {
		fputs("ready\n", stderr);
		net_run(s->net);
		log_event(&s->log, IM_NOTICE, "stopped", "sessions=%s", no_session(s) ? "none" : "some");
		status = 0;
	}
	finish(s);
	return status;
}

/* ---- the command line ---- */

static const char usage[] =
	"usage: parleyd [-c FILE] [-t | --show-config] [--trace]\n"
	"       parleyd --help | --help-config | --version\n"
	"\n"
	"  -c, --config FILE  read this configuration; without it the server runs on 127.0.0.1:\n"
	"                     SIP 5060, MSRP 2855, management 8060\n"
	"  -t, --test         check the configuration, name every fault, and end\n"
	"      --show-config  print the configuration in effect, and end\n"
	"      --help-config  print every key with its range, default and meaning, and end\n"
	"      --trace        print every SIP message and MSRP byte to standard error\n"
	"  -h, --help         print this, and end\n"
	"  -V, --version      print the version, and end\n"
	"\n"
	"It stays in the foreground and prints \"ready\" once it listens.  SIGTERM: no new sessions, wait for those\n"
	"running (drain_s), end.  A second SIGTERM ends it at once.\n";

enum { OPT_SHOW = 256, OPT_HELP_CONFIG, OPT_MAN, OPT_TRACE };

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },     { "test", no_argument, NULL, 't' },
	{ "show-config", no_argument, NULL, OPT_SHOW }, { "help-config", no_argument, NULL, OPT_HELP_CONFIG },
	{ "man-config", no_argument, NULL, OPT_MAN }, /* for man/parleyd.conf.5 */
	{ "trace", no_argument, NULL, OPT_TRACE },      { "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },          { 0 },
};

struct arguments {
	const char *file;
	bool test, show, trace;
};

/* -1: go on; else the exit status. */
static int parse_arguments(int argc, char **argv, struct arguments *out)
{
	for (int c; (c = getopt_long(argc, argv, "c:thV", options, NULL)) != -1;) {
		switch (c) {
		case 'c':
			out->file = optarg;
			break;
		case 't':
			out->test = true;
			break;
		case OPT_SHOW:
			out->show = true;
			break;
		case OPT_TRACE:
			out->trace = true;
			break;
		case OPT_HELP_CONFIG:
			conf_help(stdout);
			return 0;
		case OPT_MAN:
			conf_man(stdout);
			return 0;
		case 'h':
			fputs(usage, stdout);
			return 0;
		case 'V':
			puts("parleyd " PARLEY_VERSION);
			return 0;
		default:
			fputs("parleyd --help says what can be said\n", stderr);
			return 2;
		}
	}
	if (optind == argc)
		return -1;
	fprintf(stderr, "parleyd: \"%s\" is not an option; parleyd --help says what can be said\n",
		argv[optind]);
	return 2;
}

static int load(struct conf *c, const char *file)
{
	int r = file ? conf_load(c, file) : conf_parse(c, "built-in", span_of(conf_builtin));

	if (r < 0)
		return no_memory();
	for (unsigned i = 0; i < c->n_faults && i < CONF_FAULTS_MAX; i++)
		fprintf(stderr, "%s\n", c->faults[i] ? c->faults[i] : "a fault, and no memory to name it");
	if (c->n_faults > CONF_FAULTS_MAX)
		fprintf(stderr, "and %u more\n", c->n_faults - CONF_FAULTS_MAX);
	return r > 0 || use_tls(c, NULL) < 0 ? -1 : use_msrp_tls(c, NULL);
}

int main(int argc, char **argv)
{
	static struct server s; /* large; zeroed */
	struct arguments a = { 0 };
	int status = parse_arguments(argc, argv, &a);

	if (status >= 0)
		return status;
	if (load(&s.conf, a.file) < 0) {
		conf_finish(&s.conf);
		return 1;
	}
	if (!a.show && !a.test) {
		s.wire.trace = a.trace ? stderr : NULL;
		return serve(&s);
	}
	if (a.show)
		conf_show(&s.conf, stdout);
	else
		fprintf(stderr, "%s: no faults\n", s.conf.file);
	conf_finish(&s.conf);
	return 0;
}
