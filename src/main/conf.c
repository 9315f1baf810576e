/* SPDX-License-Identifier: MIT */
/* The configuration as a whole: defaults and file into typed fields, with every fault named. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "main/conf_set.h"

enum { FILE_MAX_BYTES = 1024 * 1024, FAULT_MAX = 512 };

/* ---- faults ---- */

static void write_where(const struct conf *c, struct wbuf *w, unsigned line, const char *key)
{
	w_str(w, c->file);
	if (line)
		w_fmt(w, ":%u", line);
	w_fmt(w, ": %s", key);
	if (line == 0 && conf_item_index(span_of(key)) >= 0)
		w_str(w, " (default)");
}

static void add_fault(struct conf *c, unsigned line, const char *key, const char *fmt, va_list ap)
{
	char buf[FAULT_MAX];
	struct wbuf w = wbuf_on(buf, sizeof(buf));

	write_where(c, &w, line, key);
	w_str(&w, ": ");
	vsnprintf(buf + w.n, sizeof(buf) - w.n, fmt, ap);
	for (char *p = buf; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?'; /* what is quoted from the file may hold anything */
	if (c->n_faults < CONF_FAULTS_MAX)
		c->faults[c->n_faults] = span_dup(span_of(buf));
	c->n_faults++;
}

int conf_fault_at(struct conf *c, unsigned line, const char *key, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_fault(c, line, key, fmt, ap);
	va_end(ap);
	return 1;
}

static unsigned line_of(const struct conf_value *v, unsigned i)
{
	return i < v->n ? v->lines[i] : v->line;
}

int conf_fault(struct conf *c, const struct conf_item *it, unsigned i, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_fault(c, line_of(&c->value[it - conf_items], i), it->key, fmt, ap);
	va_end(ap);
	return 1;
}

void conf_where(const struct conf *c, struct wbuf *w, const char *key, unsigned i)
{
	write_where(c, w, line_of(&c->value[conf_item_index(span_of(key))], i), key);
}

/* ---- numbers and words ---- */

struct unit {
	const char *name;
	uint64_t factor;
};
static const struct unit units_size[] = {
	{ "K", 1024 }, { "M", 1024 * 1024 }, { "G", 1024 * 1024 * 1024 }, { 0 }
};
static const struct unit units_ms[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { 0 } };
static const struct unit units_s[] = { { "s", 1 }, { "m", 60 }, { "h", 3600 }, { 0 } };
static const struct unit units_none[] = { { 0 } };

static const struct unit *units_of(enum conf_type t)
{
	switch (t) {
	case CONF_SIZE:
		return units_size;
	case CONF_MS:
		return units_ms;
	case CONF_S:
		return units_s;
	default:
		return units_none;
	}
}

static const char *kind_of(enum conf_type t)
{
	switch (t) {
	case CONF_SIZE:
		return "a number of bytes (K, M and G may follow)";
	case CONF_MS:
		return "a time such as 500ms, 20s or 5m";
	case CONF_S:
		return "a time in seconds, or such as 30s or 5m";
	default:
		return "a whole number";
	}
}

static bool parse_number(enum conf_type t, struct span text, uint64_t *out)
{
	struct span digits = text, unit;

	while (digits.n && !(digits.p[digits.n - 1] >= '0' && digits.p[digits.n - 1] <= '9'))
		digits.n--;
	unit = span_skip(text, digits.n);
	if (span_u64(digits, UINT64_MAX / (1ull << 40), out) < 0)
		return false;
	if (unit.n == 0)
		return true;
	for (const struct unit *u = units_of(t); u->name; u++) {
		if (!span_ieq(unit, span_of(u->name)))
			continue;
		*out *= u->factor;
		return true;
	}
	return false;
}

static void store(struct conf *c, const struct conf_item *it, uint64_t v)
{
	char *to = (char *)c + it->off;
	uint32_t v32 = (uint32_t)v;
	bool flag = v != 0;

	if (it->size == sizeof(bool))
		memcpy(to, &flag, sizeof(flag));
	else if (it->size == sizeof(v32))
		memcpy(to, &v32, sizeof(v32));
	else if (it->size == sizeof(v))
		memcpy(to, &v, sizeof(v));
}

static int set_number(struct conf *c, const struct conf_item *it, struct span text)
{
	uint64_t v;

	if (!parse_number(it->type, text, &v))
		return conf_fault(c, it, 0, "\"%" SPAN_FMT "\" is not %s", SPAN_ARG(text), kind_of(it->type));
	if (v < it->min || v > it->max)
		return conf_fault(c, it, 0, "%" SPAN_FMT " is out of range; %s from %llu to %llu%s",
				  SPAN_ARG(text), kind_of(it->type), (unsigned long long)it->min,
				  (unsigned long long)it->max, it->type == CONF_MS ? " ms" : "");
	store(c, it, v);
	return 0;
}

static int set_bool(struct conf *c, const struct conf_item *it, struct span text)
{
	bool yes = span_eq(text, SPAN("true")), no = span_eq(text, SPAN("false"));

	if (!yes && !no)
		return conf_fault(c, it, 0, "\"%" SPAN_FMT "\" is neither true nor false", SPAN_ARG(text));
	store(c, it, yes);
	return 0;
}

/* The choices built in this version, for a message. */
static void write_choices(struct wbuf *w, const struct conf_item *it)
{
	struct span rest = span_of(it->choices);

	for (bool first = true; rest.n;) {
		struct span word = span_split(&rest, ' ');
		if (word.p[0] == '!')
			continue;
		w_str(w, first ? "" : " or "), w_span(w, word);
		first = false;
	}
}

static int set_enum(struct conf *c, const struct conf_item *it, struct span text)
{
	struct span rest = span_of(it->choices);
	char buf[128];
	struct wbuf w = wbuf_on(buf, sizeof(buf));

	write_choices(&w, it);
	for (uint64_t i = 0; rest.n; i++) {
		struct span word = span_split(&rest, ' ');
		if (span_eq(word, text)) {
			store(c, it, i);
			return 0;
		}
		if (word.p[0] == '!' && span_eq(span_skip(word, 1), text))
			return conf_fault(c, it, 0, "%" SPAN_FMT " is not in this version; use %" SPAN_FMT,
					  SPAN_ARG(text), SPAN_ARG(w_span_of(&w)));
	}
	return conf_fault(c, it, 0, "\"%" SPAN_FMT "\" is not one of its values; use %" SPAN_FMT,
			  SPAN_ARG(text), SPAN_ARG(w_span_of(&w)));
}

static int set_text(struct conf *c, const struct conf_item *it, struct span text, unsigned i)
{
	switch (it->type) {
	case CONF_BOOL:
		return set_bool(c, it, text);
	case CONF_ENUM:
		return set_enum(c, it, text);
	case CONF_TEXT:
	case CONF_LIST:
		return it->set(c, it, text, i);
	default:
		return set_number(c, it, text);
	}
}

/* ---- all of it ---- */

static void set_defaults(struct conf *c)
{
	im_conf_defaults(&c->im);
	net_conf_defaults(&c->net);
	for (const struct conf_item *it = conf_items; it < conf_items + conf_n_items; it++) {
		struct span rest = span_of(it->def);
		if (it->type != CONF_LIST) {
			set_text(c, it, rest, 0);
			continue;
		}
		for (unsigned i = 0; rest.n; i++)
			set_text(c, it, span_split(&rest, ' '), i);
	}
}

static void forget_default_list(struct conf *c, const struct conf_item *it)
{
	if (it->set == conf_set_sip_listen)
		c->im.n_listen = 0;
	else if (it->set == conf_set_msrp_listen)
		c->n_msrp = 0;
	else if (it->set == conf_set_msrp_advertise)
		c->n_msrp_advert = 0;
	else if (it->set == conf_set_trusted)
		c->im.n_trusted = 0;
	else if (it->set == conf_set_domain)
		c->im.n_domains = 0;
}

static void apply_item(struct conf *c, const struct conf_item *it)
{
	const struct conf_value *v = &c->value[it - conf_items];

	if (v->line == 0)
		return;
	if (it->type == CONF_LIST) {
		forget_default_list(c, it);
		if (v->n < it->min || v->n > it->max) {
			conf_fault_at(c, v->line, it->key, "has %u entries; give %llu to %llu", v->n,
				      (unsigned long long)it->min, (unsigned long long)it->max);
			return;
		}
	}
	for (unsigned i = 0; i < v->n; i++)
		if (set_text(c, it, span_of(v->text[i]), i) > 0 && it->type != CONF_LIST)
			return;
}

/* Keys that count for two rooms. */
static void share(struct conf *c)
{
	conf_advertise(c);
	conf_share_tls(c);
	c->im.plane.max_size = c->im.max_size;
	c->im.plane.chat_max_size = c->im.chat_max_size;
	c->net.msrp_connections_max = c->im.plane.connections_max;
}

int conf_parse(struct conf *c, const char *file, struct span text)
{
	int err;

	*c = (struct conf){ .file = file };
	set_defaults(c);
	err = conf_read_yaml(c, text);
	if (err < 0)
		return err;
	for (unsigned i = 0; i < conf_n_items; i++)
		apply_item(c, &conf_items[i]);
	share(c);
	if (c->n_faults == 0)
		conf_check_all(c);
	return c->n_faults > 0;
}

static char *read_all(FILE *f, size_t *n)
{
	char *p = malloc(FILE_MAX_BYTES);

	if (!p)
		return NULL;
	*n = fread(p, 1, FILE_MAX_BYTES, f);
	return p;
}

int conf_load(struct conf *c, const char *file)
{
	FILE *f = fopen(file, "re");
	char *text = NULL;
	size_t n = 0;
	int r;

	*c = (struct conf){ .file = file };
	if (!f || (text = read_all(f, &n)) == NULL || ferror(f))
		r = conf_fault_at(c, 0, "file", "cannot be read: %s; name another with -c", strerror(errno));
	else if (n == FILE_MAX_BYTES)
		r = conf_fault_at(c, 0, "file", "is too large; at most %d bytes", FILE_MAX_BYTES - 1);
	else
		r = conf_parse(c, file, (struct span){ text, n });
	free(text);
	if (f)
		fclose(f);
	return r;
}

void conf_finish(struct conf *c)
{
	for (unsigned i = 0; i < CONF_ITEMS_MAX; i++) {
		struct conf_value *v = &c->value[i];
		for (unsigned k = 0; k < v->n; k++)
			free(v->text[k]);
		free(v->text);
		free(v->lines);
	}
	for (unsigned i = 0; i < CONF_FAULTS_MAX; i++)
		free(c->faults[i]);
	*c = (struct conf){ 0 };
}

void conf_bound_sip(struct conf *c, unsigned i, const struct addr *bound)
{
	c->im.listen[i].addr = *bound;
	conf_advertise(c);
}

void conf_bound_msrp(struct conf *c, unsigned i, const struct addr *bound)
{
	c->msrp[i] = *bound;
	conf_advertise(c);
}
