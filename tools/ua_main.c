/* SPDX-License-Identifier: MIT */
/* parley-ua: arguments, the run, the exit.  See ua.h. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "ua.h"

enum { TURN_MS = 50, LINGER_MS = 300 };

void ua_why(struct ua *ua, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(ua->why, sizeof(ua->why), fmt, ap);
	va_end(ap);
}

void ua_random(void *u, void *p, size_t n)
{
	rng_fill(&((struct ua *)u)->rng, p, n);
}

void ua_id(struct ua *ua, char *out, size_t n)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	for (size_t i = 0; i + 1 < n; i++) /* the first is a letter: MSRP wants that of a transaction id */
		out[i] = letters[rng_below(&ua->rng, i ? 36 : 26)];
	out[n - 1] = 0;
}

bool ua_sha1(const void *p, size_t n, uint8_t out[20])
{
	unsigned len = 0;
	return EVP_Digest(p, n, out, &len, EVP_sha1(), NULL) == 1 && len == 20;
}

const char *ua_basename(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

const char *ua_var_get(const struct ua *ua, const char *name)
{
	for (unsigned i = ua->n_var; i > 0; i--)
		if (strcmp(ua->var[i - 1].name, name) == 0)
			return ua->var[i - 1].value;
	return NULL;
}

static void help(void)
{
	printf("usage: parley-ua [-q] [-u] [-D NAME=VALUE]... [-s SUMMARY-FILE] [SCRIPT]\n\n"
	       "One SIP and MSRP endpoint, driven by a script (a file, or stdin): an IM Client or a controlling side.\n"
	       "Prints each message as a line of a ladder.  Exit 0: the whole script succeeded; 1: it did not, the\n"
	       "line is named on stderr; 2: wrong arguments.\n\n"
	       "  -D NAME=VALUE  what $NAME or ${NAME} in the script stands for (capitals, digits, _)\n"
	       "  -s FILE        at the end, write one line of counts and digests there\n"
	       "  -q             no ladder\n"
	       "  -u             microseconds in the ladder\n\n"
	       "Commands, one a line; \"quotes\" keep blanks, # begins a comment:\n\n");
	ua_script_help(stdout);
	printf("\nExample:\n\n"
	       "  identity sip:alice@example.com\n"
	       "  listen udp:127.0.0.1:5070 msrp:127.0.0.1:2870\n"
	       "  invite sip:bob@example.com via 127.0.0.1:5060\n"
	       "  expect 200\n"
	       "  send \"Hello, Bob\"\n"
	       "  expect msrp 200\n"
	       "  expect message\n"
	       "  bye\n"
	       "  expect 200\n");
}

static int define(struct ua *ua, const char *arg)
{
	const char *eq = strchr(arg, '=');
	if (!eq || eq == arg || (size_t)(eq - arg) >= sizeof(ua->var[0].name) ||
	    ua->n_var == ARRAY_LEN(ua->var) || strlen(eq + 1) >= sizeof(ua->var[0].value))
		return -1;
	struct ua_var *v = &ua->var[ua->n_var++];
	memcpy(v->name, arg, (size_t)(eq - arg));
	snprintf(v->value, sizeof(v->value), "%s", eq + 1);
	return 0;
}

static int init(struct ua *ua)
{
	uint64_t seed;
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return -1;
	rng_seed(&ua->rng, seed);
	snprintf(ua->name, sizeof(ua->name), "ua");
	snprintf(ua->peer, sizeof(ua->peer), "peer");
	snprintf(ua->accept_types, sizeof(ua->accept_types), "text/plain text/html");
	ua->allow_update = true;
	ua->failure_report = "yes";
	ua->chunk = 65536;
	ua->msrp_status = 200;
	ua->expect_ms = 30000;
	list_init(&ua->tids);
	list_init(&ua->events);
	for (unsigned i = 0; i < UA_LINES_MAX; i++) {
		list_init(&ua->line[i].out);
		list_init(&ua->line[i].in);
		list_init(&ua->line[i].answered);
	}
	timers_init(&ua->wheel, ua_now_us());
	sdp_oa_init(&ua->oa, rng_u64(&ua->rng) >> 2, 1);
	struct sip_tl_hooks hooks = ua_sip_hooks(ua);
	ua->tl = sip_tl_create(&ua->wheel, &hooks, &(struct sip_tl_limits){ .transactions_max = 1000 });
	return ua->tl ? 0 : -1;
}

static void finish(struct ua *ua)
{
	struct ua_event *e;
	ua_loop_finish(ua);
	ua_msrp_finish(ua);
	ua_sip_finish(ua);
	for (int k = UA_EV_RESPONSE; k <= UA_EV_REPORT; k++)
		while ((e = ua_event_take(ua, (enum ua_event_kind)k)))
			ua_event_free(e);
	free(ua->script.text);
}

/* The script to its end, then a moment more, so that a last answer or ACK still leaves. */
static bool run(struct ua *ua)
{
	for (;;) {
		enum ua_step step = ua_script_step(ua);
		if (step == UA_STEP_FAILED) {
			fprintf(stderr, "%s:%u: %s\n", ua->script.name, ua->script.line, ua->why);
			ua_note(ua, "%s:%u: %s", ua->script.name, ua->script.line, ua->why);
			return false;
		}
		if (step == UA_STEP_DONE)
			break;
		ua_loop_turn(ua, step == UA_STEP_WAIT ? TURN_MS : 0);
	}
	uint64_t until = ua_now_us() + LINGER_MS * US_PER_MS;
	while (ua_now_us() < until)
		ua_loop_turn(ua, TURN_MS);
	return !ua->failed;
}

int main(int argc, char **argv)
{
	static struct ua ua;
	const char *summary = NULL;
	signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without a flag against it */
	for (int c; (c = getopt(argc, argv, "D:s:quh-:")) != -1;) {
		if (c == 'h' || (c == '-' && strcmp(optarg, "help") == 0)) {
			help();
			return 0;
		}
		if (c == 's')
			summary = optarg;
		else if (c == 'q')
			ua.quiet = true;
		else if (c == 'u')
			ua.micro = true;
		else if (c != 'D' || define(&ua, optarg) < 0) {
			fprintf(stderr, "parley-ua: wrong arguments; see parley-ua --help\n");
			return 2;
		}
	}
	if (argc - optind > 1) {
		fprintf(stderr, "parley-ua: one script at most; see parley-ua --help\n");
		return 2;
	}
	ua.script.name = optind < argc ? argv[optind] : "stdin";
	ua.script.fd = optind < argc ? open(argv[optind], O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	if (ua.script.fd < 0) {
		fprintf(stderr, "parley-ua: %s: %s\n", ua.script.name, strerror(errno));
		return 2;
	}
	if (init(&ua) < 0) {
		fprintf(stderr, "parley-ua: out of memory\n");
		return 1;
	}
	bool ok = run(&ua);
	finish(&ua);
	if (summary) {
		FILE *f = fopen(summary, "w");
		if (f)
			ua_summary(&ua, f);
		if (!f || fclose(f) != 0)
			ok = false;
	}
	return ok ? 0 : 1;
}
