/* SPDX-License-Identifier: MIT */
/*
 * CPU time and memory of a process, its threads and its children, from /proc.  schedstat counts nanoseconds where
 * stat counts ticks of 10 ms, so it is preferred; a kernel without it gives the coarse figure.
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "load.h"

static size_t slurp(const char *path, char *buf, size_t cap)
{
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(buf, 1, cap - 1, f) : 0;
	if (f)
		fclose(f);
	buf[n] = 0;
	return n;
}

/* Calls fn with the id of each thread of pid. */
static void each_thread(int pid, void (*fn)(int pid, int tid, void *u), void *u)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *d = opendir(path);
	for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
		if (e->d_name[0] != '.')
			fn(pid, atoi(e->d_name), u);
	}
	if (d)
		closedir(d);
}

static void add_children(int pid, int tid, void *u)
{
	struct proc_tree *t = u;
	char path[64], buf[4096];
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, tid);
	slurp(path, buf, sizeof(buf));
	for (char *p = buf, *end; t->n < PROC_MAX; p = end) {
		long child = strtol(p, &end, 10);
		if (end == p)
			break;
		t->pid[t->n++] = (int)child;
	}
}

void proc_tree_of(struct proc_tree *t, int pid)
{
	char path[64], buf[64];
	t->n = 0;
	if (pid == 0)
		return;
	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	if (slurp(path, buf, sizeof(buf)) == 0)
		load_die("no process %d", pid);
	t->pid[t->n++] = pid;
	for (unsigned i = 0; i < t->n; i++)
		each_thread(t->pid[i], add_children, t);
}

static void add_cpu(int pid, int tid, void *u)
{
	char path[64], buf[1024];
	uint64_t *sum = u;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat", pid, tid);
	slurp(path, buf, sizeof(buf));
	uint64_t ns = strtoull(buf, NULL, 10);
	if (ns == 0) {
		unsigned long utime = 0, stime = 0;
		snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
		slurp(path, buf, sizeof(buf));
		/* The name may hold blanks and brackets: count fields from its last bracket. */
		char *p = strrchr(buf, ')');
		if (p && sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &utime,
				&stime) == 2)
			ns = (uint64_t)(utime + stime) * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
	}
	*sum += ns;
}

uint64_t proc_cpu_ns(const struct proc_tree *t)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < t->n; i++)
		each_thread(t->pid[i], add_cpu, &sum);
	return sum;
}

uint64_t proc_rss(const struct proc_tree *t)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < t->n; i++) {
		char path[64], buf[256];
		uint64_t pages = 0;
		snprintf(path, sizeof(path), "/proc/%d/statm", t->pid[i]);
		slurp(path, buf, sizeof(buf));
		if (sscanf(buf, "%*u %" SCNu64, &pages) == 1)
			sum += pages * (uint64_t)sysconf(_SC_PAGESIZE);
	}
	return sum;
}
