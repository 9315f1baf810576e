/* SPDX-License-Identifier: MIT */
/*
 * Who does what when: keeps so many operations open, notices what is late, and checks the descriptions.  A
 * modification counts as done when both ends have all they must get: the client its 2xx and, for INVITE, the far
 * side its ACK.  Only then may the session be modified again, so nothing here ever causes glare.
 */
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "sip_impl.h"

enum { T1_NS = 500000000, TICK_NS = 100000000, SETUP_IN_FLIGHT = 32 };

void sip_wrong(struct sip_load *s, unsigned i, const char *fmt, ...)
{
	va_list ap;
	s->n.wrong++;
	if (s->reported++ >= SIP_REPORTED_MAX)
		return;
	fprintf(stderr, "parley-load: session %u: ", i);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

uint32_t sip_hash(struct span a, struct span b)
{
	uint32_t h = 2166136261u; /* FNV-1a */
	for (size_t i = 0; i < a.n; i++)
		h = (h ^ (uint8_t)a.p[i]) * 16777619u;
	h = (h ^ 0xff) * 16777619u;
	for (size_t i = 0; i < b.n; i++)
		h = (h ^ (uint8_t)b.p[i]) * 16777619u;
	return h;
}

/* ---- what is open ---- */

void sip_open(struct sip_load *s, unsigned i, enum sip_op op, uint64_t since_ns)
{
	struct sess *x = &s->sess[i];
	x->op = (uint8_t)op;
	x->client_done = false;
	x->refuse = false;
	x->tries = 0;
	x->cseq++;
	if (op == OP_SETUP || op == OP_REINVITE)
		x->invite_cseq = x->cseq;
	x->since_ns = since_ns;
	x->began_ns = now_ns();
	x->resend_ns = x->began_ns + T1_NS;
	x->flight_at = s->n_flight;
	s->flight[s->n_flight++] = i;
	s->n.asked++;
	client_send(s, i);
}

static void close_op(struct sip_load *s, unsigned i)
{
	struct sess *x = &s->sess[i];
	uint32_t last = s->flight[--s->n_flight];
	s->flight[x->flight_at] = last;
	s->sess[last].flight_at = x->flight_at;
	x->flight_at = FLIGHT_NONE;
	x->op = OP_NONE;
	s->last_progress_ns = now_ns();
}

void sip_close_if_done(struct sip_load *s, unsigned i)
{
	struct sess *x = &s->sess[i];
	if (x->op == OP_NONE || !x->client_done || x->far_open || (x->op == OP_BYE && !x->far_ended))
		return;
	if (x->op == OP_SETUP)
		x->up = true;
	else if (x->op == OP_BYE)
		x->up = false;
	s->n.done++;
	close_op(s, i);
}

void sip_fail(struct sip_load *s, unsigned i, const char *why, unsigned status)
{
	struct sess *x = &s->sess[i];
	static const char *const names[] = { "nothing", "set-up", "UPDATE", "re-INVITE", "BYE" };
	s->n.failed++;
	sip_wrong(s, i, "%s: %s %u", names[x->op], why, status);
	if (x->op == OP_SETUP || x->op == OP_BYE)
		x->dead = true;
	if (x->op != OP_NONE)
		close_op(s, i);
}

/* Repeats what had no answer for T1, 2*T1 ...; gives up when the whole timeout has passed. */
static void tick(struct sip_load *s)
{
	uint64_t now = now_ns();
	if (now < s->tick_ns)
		return;
	s->tick_ns = now + TICK_NS;
	for (unsigned k = s->n_flight; k-- > 0;) {
		unsigned i = s->flight[k];
		struct sess *x = &s->sess[i];
		if (x->far_open && now >= x->far_resend_ns)
			far_resend(s, i);
		if (x->client_done || now < x->resend_ns)
			continue;
		if (++x->tries > 10 || now - x->began_ns > s->conf.timeout_s * 1000000000ull) {
			sip_fail(s, i, "no answer, tries:", x->tries);
			continue;
		}
		x->resend_ns = now + ((uint64_t)T1_NS << (x->tries < 3 ? x->tries : 3));
		s->n.resent++;
		client_send(s, i);
	}
}

void sip_load_pump(struct sip_load *s, int wait_ms)
{
	const struct sockaddr_storage *from;
	unsigned total = 0, n = udp_recv(s->far);
	for (unsigned k = 0; k < n; k++) {
		struct span msg = udp_msg(s->far, k, &from);
		far_input(s, msg, from);
	}
	total += n;
	n = udp_recv(s->client);
	for (unsigned k = 0; k < n; k++) {
		struct span msg = udp_msg(s->client, k, &from);
		client_input(s, msg, from);
	}
	total += n;
	udp_flush(s->far);
	udp_flush(s->client);
	if (total == 0 && wait_ms != 0) {
		struct pollfd p[2] = { { udp_fd(s->client), POLLIN, 0 }, { udp_fd(s->far), POLLIN, 0 } };
		poll(p, 2, wait_ms);
	}
	tick(s);
}

/* True while there is hope. */
static bool in_time(struct sip_load *s)
{
	if (now_ns() - s->last_progress_ns < s->conf.timeout_s * 1000000000ull)
		return true;
	sip_wrong(s, 0, "nothing was answered for %u s; %u still open", s->conf.timeout_s, s->n_flight);
	return false;
}

/* ---- the three phases ---- */

bool sip_load_setup(struct sip_load *s)
{
	uint64_t failed = s->n.failed, wrong = s->n.wrong;
	unsigned next = 0;
	s->last_progress_ns = now_ns();
	while ((next < s->conf.sessions || s->n_flight) && in_time(s)) {
		while (next < s->conf.sessions && s->n_flight < SETUP_IN_FLIGHT)
			sip_open(s, next++, OP_SETUP, now_ns());
		udp_flush(s->client);
		sip_load_pump(s, 20);
	}
	return s->n_flight == 0 && next == s->conf.sessions && s->n.failed == failed && s->n.wrong == wrong;
}

/* The next session that is up and has nothing open; -1: none. */
static int pick(struct sip_load *s)
{
	for (unsigned k = 0; k < s->conf.active; k++) {
		unsigned i = s->next;
		s->next = s->next + 1 < s->conf.active ? s->next + 1 : 0;
		if (s->sess[i].up && !s->sess[i].dead && s->sess[i].op == OP_NONE)
			return (int)i;
	}
	return -1;
}

/* When modification number k may start: at once, or by the clock.  Latency then counts from the time at which it
 * should have started, or a stalled device would look fast. */
static uint64_t due_ns(const struct sip_load *s, uint64_t start, uint64_t k)
{
	return s->conf.rate ? start + k * 1000000000u / s->conf.rate : 0;
}

/* Modification number k of session i; the far side has not seen it when this returns. */
static void modify(struct sip_load *s, unsigned i, uint64_t k, uint64_t since_ns)
{
	enum sip_op op = s->conf.method;
	if (op == OP_NONE)
		op = k % 2 ? OP_REINVITE : OP_UPDATE;
	s->sess[i].version++;
	sip_open(s, i, op, since_ns);
	s->sess[i].refuse = s->conf.refuse_every && k % s->conf.refuse_every == s->conf.refuse_every - 1;
}

bool sip_load_modify(struct sip_load *s, uint64_t count, struct hist *latency)
{
	uint64_t failed = s->n.failed, wrong = s->n.wrong, started = 0, start = now_ns();
	s->latency = latency;
	s->last_progress_ns = start;
	while ((started < count || s->n_flight) && in_time(s)) {
		int wait_ms = 20;
		while (started < count && s->n_flight < s->conf.in_flight) {
			uint64_t now = now_ns(), due = due_ns(s, start, started);
			int i = due > now ? -1 : pick(s);
			if (due > now)
				wait_ms = (int)((due - now) / 1000000);
			if (i < 0)
				break;
			modify(s, (unsigned)i, started++, due ? due : now);
		}
		udp_flush(s->client);
		sip_load_pump(s, wait_ms);
	}
	s->latency = NULL;
	return s->n_flight == 0 && started == count && s->n.failed == failed && s->n.wrong == wrong;
}

bool sip_load_modify_one(struct sip_load *s)
{
	int i = pick(s);
	if (i < 0)
		return false;
	modify(s, (unsigned)i, 0, now_ns());
	udp_flush(s->client);
	return true;
}

unsigned sip_load_open(const struct sip_load *s)
{
	return s->n_flight;
}

bool sip_load_bye(struct sip_load *s)
{
	uint64_t failed = s->n.failed, wrong = s->n.wrong;
	unsigned next = 0;
	s->last_progress_ns = now_ns();
	while ((next < s->conf.sessions || s->n_flight) && in_time(s)) {
		for (; next < s->conf.sessions && s->n_flight < SETUP_IN_FLIGHT; next++) {
			if (s->sess[next].up && !s->sess[next].dead && s->sess[next].op == OP_NONE)
				sip_open(s, next, OP_BYE, now_ns());
		}
		udp_flush(s->client);
		sip_load_pump(s, 20);
	}
	return s->n_flight == 0 && s->n.failed == failed && s->n.wrong == wrong;
}

/* ---- life ---- */

struct sip_load *sip_load_create(const struct sip_conf *conf)
{
	struct sip_load *s = calloc(1, sizeof(*s));
	struct sockaddr_storage local = conf->local;
	if (!s || !(s->sess = calloc(conf->sessions, sizeof(*s->sess))) ||
	    !(s->flight = calloc(conf->sessions, sizeof(*s->flight))))
		load_die("out of memory");
	s->conf = *conf;
	s->run = (uint32_t)now_ns();
	load_set_port(&local, conf->client_port);
	s->client = udp_open(&local);
	load_set_port(&local, conf->far_port);
	s->far = udp_open(&local);
	for (unsigned i = 0; i < conf->sessions; i++)
		s->sess[i].flight_at = FLIGHT_NONE;
	return s;
}

void sip_load_destroy(struct sip_load *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->conf.sessions; i++) {
		free(s->sess[i].to_tag);
		free(s->sess[i].far_answer);
		free(s->sess[i].far_peer);
	}
	udp_close(s->client);
	udp_close(s->far);
	free(s->sess);
	free(s->flight);
	free(s);
}

const struct sip_counts *sip_load_counts(const struct sip_load *s)
{
	return &s->n;
}
