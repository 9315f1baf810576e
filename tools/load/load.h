/* SPDX-License-Identifier: MIT */
/*
 * parley-load: what its parts share.  The generator reads SIP, SDP and MSRP with a few lines of its own, not
 * with the parsers of src/: a fault there must not hide itself by being on both ends of the wire.
 */
#ifndef PARLEY_LOAD_H
#define PARLEY_LOAD_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/wbuf.h"

/* ---- main.c ---- */
int load_bridged_main(int argc, char **argv);
int load_sip_main(int argc, char **argv);
int load_memory_main(int argc, char **argv);
int load_msrp_main(int argc, char **argv);
int load_storm_main(int argc, char **argv);
void load_die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2))); /* exit 2 */
/* "200", "64K", "1M", "1G"; dies on anything else. */
uint64_t load_number(const char *what, const char *text, uint64_t min, uint64_t max);
/* "127.0.0.1:5060", "[::1]:5060"; dies on anything else. */
socklen_t load_addr(const char *what, const char *text, struct sockaddr_storage *out);
uint16_t load_port_of(const struct sockaddr_storage *a);
void load_set_port(struct sockaddr_storage *a, uint16_t port);
socklen_t load_addr_len(const struct sockaddr_storage *a);
uint64_t now_ns(void);   /* monotonic */
void load_pin(int core); /* this process; -1: not at all; a refusal is not an error */

/* ---- proc.c: what a process and all its descendants use ---- */
enum { PROC_MAX = 64 };
struct proc_tree {
	int pid[PROC_MAX];
	unsigned n;
};
void proc_tree_of(struct proc_tree *t, int pid); /* pid 0: nothing; dies when it does not exist */
uint64_t proc_cpu_ns(const struct proc_tree *t);
uint64_t proc_rss(const struct proc_tree *t); /* bytes */

/* ---- hist.c: latencies, 3 % wide buckets ---- */
enum { HIST_SUB = 32, HIST_N = 64 * HIST_SUB };
struct hist {
	uint64_t n, max, bucket[HIST_N];
};
void hist_add(struct hist *h, uint64_t ns);
uint64_t hist_at(const struct hist *h, double quantile);         /* 0..1; 0 when empty */
void hist_print(const char *what, const struct hist *h);         /* a line: p50, p90, p99, max */
void hist_print_terse(const char *prefix, const struct hist *h); /* " p50_us=..." without a line end */

/* ---- text.c: the little of SIP and SDP that a generator must read ---- */
/* Value of the first header of that name ("Call-ID"), trimmed; p NULL: absent.  Compact forms are not read:
 * nothing in the loop sends them. */
struct span text_header(struct span msg, const char *name);
struct span text_param(struct span value, const char *name); /* ";tag=" and the like */
struct span text_angle(struct span value);                   /* what stands in <> */
struct span text_body(struct span msg);
/* First line starting with prefix ("a=path:"), without it and its line end; p NULL: none. */
struct span text_line(struct span sdp, const char *prefix);
uint64_t text_digits(struct span s); /* leading digits; 0 when none */
/* Where the first URI of an MSRP path is; only addresses, no names. */
bool text_path_addr(const char *path, struct sockaddr_storage *out);

/* ---- udp.c: batches of datagrams ---- */
enum { UDP_BATCH = 64, UDP_MSG = 4096 };
struct udp;                                                 /* opaque */
struct udp *udp_open(const struct sockaddr_storage *local); /* dies when it cannot */
void udp_close(struct udp *u);
int udp_fd(const struct udp *u);
uint16_t udp_port(const struct udp *u);
unsigned udp_recv(struct udp *u); /* how many came; 0: none waiting */
struct span udp_msg(const struct udp *u, unsigned i, const struct sockaddr_storage **from);
/* A buffer of UDP_MSG bytes to write one datagram into; full batches go out by themselves. */
char *udp_begin(struct udp *u, const struct sockaddr_storage *to);
void udp_end(struct udp *u, size_t n);
void udp_flush(struct udp *u);

#endif
