/* SPDX-License-Identifier: MIT */
/* See puppet_sdp.h.  The hard part is the answer: lines must match the offer in number and kind (RFC 3264 6), and
 * must still be the same content when nothing changed. */
#include "lib/puppet_sdp.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/cert.h"
#include "lib/wire.h"

static void put(char *dst, size_t cap, struct span s)
{
	s = span_cut(s, 0, cap - 1);
	memmove(dst, s.p, s.n);
	dst[s.n] = 0;
}

static void new_session(struct psdp *s, struct psdp_line *l)
{
	struct wbuf w = wbuf_on(l->session, sizeof(l->session) - 1);
	w_fmt(&w, "%s-s%u", s->who, ++s->n_sessions);
	l->session[w.n] = 0;
}

static struct psdp_line *add_line(struct psdp *s, const char *media)
{
	struct psdp_line *l = &s->line[s->n];
	if (s->n == PSDP_LINES)
		return NULL;
	*l = (struct psdp_line){ .port = 7000 + s->n++ };
	snprintf(l->media, sizeof(l->media), "%s", media);
	snprintf(l->host, sizeof(l->host), "%s", s->host);
	if (strcmp(media, "message") != 0) {
		snprintf(l->proto, sizeof(l->proto), "RTP/AVP");
		snprintf(l->fmt, sizeof(l->fmt), "0");
		return l;
	}
	snprintf(l->proto, sizeof(l->proto), "TCP/MSRP");
	snprintf(l->fmt, sizeof(l->fmt), "*");
	snprintf(l->accept, sizeof(l->accept), "message/cpim text/plain");
	snprintf(l->wrapped, sizeof(l->wrapped), "*");
	put(l->fp, sizeof(l->fp), (struct span){ s->who, strcspn(s->who, "0123456789") });
	new_session(s, l);
	return l;
}

void psdp_init(struct psdp *s, const char *who, const char *host, uint64_t id, const char *setup_pref)
{
	*s = (struct psdp){ .id = id, .version = id };
	snprintf(s->who, sizeof(s->who), "%s", who);
	snprintf(s->host, sizeof(s->host), "%s", host);
	snprintf(s->setup_pref, sizeof(s->setup_pref), "%s", setup_pref);
	add_line(s, "message");
}

static bool file_line(struct psdp *s, const char *what)
{
	struct psdp_line *l = add_line(s, "message");
	if (l == NULL)
		return false;
	snprintf(l->dir, sizeof(l->dir), "sendonly");
	snprintf(l->accept, sizeof(l->accept), "image/jpeg");
	l->wrapped[0] = 0;
	snprintf(l->extra, sizeof(l->extra),
		 "a=file-selector:name:\"pic.jpg\" type:image/jpeg size:%s\r\n"
		 "a=file-transfer-id:ft%u\r\n",
		 *what ? what : "4092", s->n);
	return true;
}

/* word[=value], for line number at the end of the word when it has one ("port2=7001"): counted from 1. */
static bool word_apply(struct psdp *s, char *word)
{
	static const char *const dirs[] = { "sendrecv", "sendonly", "recvonly", "inactive" };
	char *value = strchr(word, '=');
	const char *v = value ? value + 1 : "";
	if (value)
		*value = 0;
	unsigned at = 0;
	size_t n = strlen(word);
	if (n > 1 && word[n - 1] >= '1' && word[n - 1] <= '9') {
		at = (unsigned)(word[n - 1] - '1');
		word[n - 1] = 0;
	}
	struct psdp_line *l = &s->line[at < s->n ? at : s->n - 1];
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		if (strcmp(word, dirs[i]) == 0)
			return snprintf(l->dir, sizeof(l->dir), "%s", dirs[i]) > 0;
#define WORD(name, act)                \
	if (strcmp(word, name) == 0) { \
		act;                   \
		return true;           \
	}
#define SET(field) snprintf(field, sizeof(field), "%s", v)
	WORD("same", (void)0)
	WORD("answer", (void)0)
	WORD("path", new_session(s, l))
	WORD("session", SET(l->session))
	WORD("nopath", l->session[0] = 0)
	WORD("port", l->port = (unsigned)atoi(v))
	WORD("zero", l->port = 0)
	WORD("accept", SET(l->accept); l->no_accept = false)
	WORD("noaccept", l->no_accept = true)
	WORD("wrapped", SET(l->wrapped))
	WORD("max", SET(l->max_size))
	WORD("setup", SET(l->setup))
	WORD("proto", SET(l->proto))
	WORD("tls", snprintf(l->proto, sizeof(l->proto), "TCP/TLS/MSRP"))
	WORD("tcp", snprintf(l->proto, sizeof(l->proto), "TCP/MSRP"))
	WORD("ws", l->ws = true)
	WORD("fp", SET(l->fp))
	WORD("sessionfp", SET(s->fp))
	WORD("fmt", SET(l->fmt))
	WORD("media", SET(l->media))
	WORD("line", snprintf(l->extra + strlen(l->extra), sizeof(l->extra) - strlen(l->extra), "%s\r\n", v))
	WORD("host", SET(l->host); SET(s->host))
	WORD("pathhost", SET(l->host))
	WORD("null", SET(s->null_addr))
	WORD("noc", s->omit_c = true)
	WORD("id", s->id = strtoull(v, NULL, 10))
	WORD("v", s->version = strtoull(v, NULL, 10) - 1)
	WORD("drop", s->n -= s->n > 1)
	WORD("broken", s->broken = true)
	WORD("chat", return add_line(s, "message") != NULL)
	WORD("audio", return add_line(s, "audio") != NULL)
	WORD("file", return file_line(s, v))
#undef WORD
#undef SET
	return false;
}

bool psdp_apply(struct psdp *s, const char *words, char bad[64])
{
	char one[512];
	while (*words) {
		size_t n = strcspn(words, ",");
		snprintf(one, sizeof(one), "%.*s", (int)n, words);
		for (char *p = one; *p; p++) /* blanks inside values are written as '_' */
			if (*p == '_')
				*p = ' ';
		if (n && !word_apply(s, one)) {
			snprintf(bad, 64, "%.60s", one);
			return false;
		}
		words += n + (words[n] == ',');
	}
	return true;
}

static const char *mirror(struct span m, const char *mine)
{
	const char *theirs = wire_line(m, "a=sendonly", 0).p   ? "sendonly"
			     : wire_line(m, "a=recvonly", 0).p ? "recvonly"
			     : wire_line(m, "a=inactive", 0).p ? "inactive"
							       : "";
	if (strcmp(theirs, "sendonly") == 0)
		return strcmp(mine, "inactive") == 0 || strcmp(mine, "sendonly") == 0 ? "inactive"
										      : "recvonly";
	if (strcmp(theirs, "recvonly") == 0)
		return strcmp(mine, "inactive") == 0 || strcmp(mine, "recvonly") == 0 ? "inactive"
										      : "sendonly";
	return *theirs ? theirs : mine;
}

void psdp_answer_to(struct psdp *s, struct span offer)
{
	unsigned n = wire_n_media(offer);
	for (unsigned i = 0; i < n && i < PSDP_LINES; i++) {
		struct span m = wire_media(offer, i), mline = wire_line(m, "m=", 0);
		struct span media = span_split(&mline, ' '), port = span_split(&mline, ' ');
		struct span proto = span_split(&mline, ' ');
		if (i >= s->n) {
			char name[16];
			put(name, sizeof(name), media);
			struct psdp_line *l = add_line(s, name);
			l->dir[0] = 0;
			struct span sel = wire_line(m, "a=file-selector:", 0);
			struct span id = wire_line(m, "a=file-transfer-id:", 0);
			if (sel.p)
				snprintf(l->extra, sizeof(l->extra),
					 "a=file-selector:%" SPAN_FMT "\r\na=file-transfer-id:%" SPAN_FMT
					 "\r\n",
					 SPAN_ARG(sel), SPAN_ARG(id));
			if (sel.p)
				put(l->accept, sizeof(l->accept), wire_line(m, "a=accept-types:", 0));
		}
		struct psdp_line *l = &s->line[i];
		put(l->proto, sizeof(l->proto), proto);
		if (wire_u64(port) == 0)
			l->port = 0;
		else if (l->port == 0)
			l->port = 7000 + i, new_session(s, l);
		snprintf(l->dir, sizeof(l->dir), "%s", mirror(m, l->dir));
		struct span setup = wire_line(m, "a=setup:", 0);
		if (l->setup[0] == 0)
			snprintf(l->setup, sizeof(l->setup), "%s",
				 span_eq(setup, SPAN("active"))    ? "passive"
				 : span_eq(setup, SPAN("passive")) ? "active"
				 : span_eq(setup, SPAN("actpass")) ? s->setup_pref
								   : "");
	}
	s->n = n < PSDP_LINES ? n : PSDP_LINES;
}

static void write_prints(struct wbuf *w, const char *list)
{
	struct span rest = span_of(list);
	while (rest.n) {
		struct span name = span_split(&rest, '+'), hash = SPAN("sha-256");
		char text[256], cert[32];
		if (span_chr(name, '/') != SPAN_NONE)
			hash = span_split(&name, '/');
		put(cert, sizeof(cert), name);
		cert_print(text, sizeof(text), cert_hash(hash), cert);
		w_fmt(w, "a=fingerprint:%s\r\n", text);
	}
}

static void write_line(const struct psdp *s, const struct psdp_line *l, struct wbuf *w, bool offer)
{
	w_fmt(w, "m=%s %u %s %s\r\n", l->media, l->port, l->proto, l->fmt);
	if (l->port == 0 || strcmp(l->media, "message") != 0)
		return;
	if (!l->no_accept)
		w_fmt(w, "a=accept-types:%s\r\n", l->accept);
	if (l->wrapped[0])
		w_fmt(w, "a=accept-wrapped-types:%s\r\n", l->wrapped);
	if (l->max_size[0])
		w_fmt(w, "a=max-size:%s\r\n", l->max_size);
	const char *setup = l->setup[0] ? l->setup : offer ? "actpass" : "";
	if (*setup && strcmp(setup, "none") != 0)
		w_fmt(w, "a=setup:%s\r\n", setup);
	if (l->session[0])
		w_fmt(w, "a=path:%s://%s:%u/%s;%s\r\n", strstr(l->proto, "TLS") ? "msrps" : "msrp", l->host,
		      l->port, l->session, l->ws ? "ws" : "tcp");
	if (l->dir[0])
		w_fmt(w, "a=%s\r\n", l->dir);
	if (strstr(l->proto, "TLS"))
		write_prints(w, l->fp);
	w_str(w, l->extra);
}

void psdp_write(struct psdp *s, struct wbuf *w, bool offer)
{
	static const char v6[] = ":";
	char content[8192];
	struct wbuf c = wbuf_on(content, sizeof(content) - 1);
	const char *addr = s->null_addr[0] ? s->null_addr : s->host;
	w_str(&c, "s=-\r\n");
	if (!s->omit_c)
		w_fmt(&c, "c=IN %s %s\r\n", strstr(addr, v6) ? "IP6" : "IP4", addr);
	w_str(&c, "t=0 0\r\n");
	write_prints(&c, s->fp);
	for (unsigned i = 0; i < s->n; i++) {
		write_line(s, &s->line[i], &c, offer);
		s->line[i].setup[0] = 0;
	}
	if (s->broken)
		w_str(&c, "m=message seven TCP/MSRP *\r\n");
	s->broken = s->omit_c = false;
	s->null_addr[0] = 0;
	content[c.n] = 0;
	if (strcmp(content, s->last) != 0) {
		s->version++;
		snprintf(s->last, sizeof(s->last), "%s", content);
	}
	w_fmt(w, "v=0\r\no=%s %llu %llu IN %s %s\r\n%s", s->who, (unsigned long long)s->id,
	      (unsigned long long)s->version, strstr(s->host, v6) ? "IP6" : "IP4", s->host, content);
}
