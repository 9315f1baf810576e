/* SPDX-License-Identifier: MIT */
/* A heading with direction and addresses, then the text, indented; long bodies are cut, other bytes shown as dots. */
#include "main/trace.h"

enum { SHOWN_MAX = 4096 };

static void heading(FILE *f, const struct net_trace *t)
{
	char buf[256];
	struct wbuf w = wbuf_on(buf, sizeof(buf) - 1);
	static const char *const msrp_name[] = { [SIP_UDP] = "MSRP",
						 [SIP_TCP] = "MSRP",
						 [SIP_TLS] = "MSRPS",
						 [SIP_WS] = "MSRP/WS",
						 [SIP_WSS] = "MSRP/WSS" };

	w_fmt(&w, "%llu.%06llu %s %s ", (unsigned long long)(t->now_us / 1000000),
	      (unsigned long long)(t->now_us % 1000000),
	      t->msrp            ? msrp_name[t->tp]
	      : t->tp == SIP_UDP ? "SIP/UDP"
	      : t->tp == SIP_TCP ? "SIP/TCP"
	      : t->tp == SIP_TLS ? "SIP/TLS"
	      : t->tp == SIP_WS  ? "SIP/WS"
				 : "SIP/WSS",
	      t->out ? "out" : "in");
	if (t->local.family)
		w_addr(&w, &t->local);
	w_str(&w, t->out ? " > " : " < ");
	if (t->remote.family)
		w_addr(&w, &t->remote);
	w_fmt(&w, " %zu bytes", t->bytes.n);
	fprintf(f, "%" SPAN_FMT "\n", SPAN_ARG(w_span_of(&w)));
}

void trace_print(FILE *f, const struct net_trace *t)
{
	struct span shown = span_cut(t->bytes, 0, SHOWN_MAX);

	heading(f, t);
	while (shown.n) {
		struct span line = span_split(&shown, '\n');
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		fputs("    ", f);
		for (size_t i = 0; i < line.n; i++)
			fputc(line.p[i] >= ' ' && line.p[i] <= '~' ? line.p[i] : '.', f);
		fputc('\n', f);
	}
	if (t->bytes.n > SHOWN_MAX)
		fprintf(f, "    ... %zu bytes more\n", t->bytes.n - SHOWN_MAX);
	fflush(f);
}
