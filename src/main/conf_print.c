/* SPDX-License-Identifier: MIT */
/* The table of keys for people: the effective configuration, the help, the manual page. */
#include "main/conf_set.h"

/* The section of a dotted key: all before its last dot. */
static struct span section_of(struct span key)
{
	for (size_t i = key.n; i > 0; i--)
		if (key.p[i - 1] == '.')
			return span_cut(key, 0, i - 1);
	return span_cut(key, 0, 0);
}

static struct span name_of(struct span key)
{
	struct span section = section_of(key);
	return section.n ? span_skip(key, section.n + 1) : key;
}

static unsigned depth_of(struct span section)
{
	unsigned n = section.n > 0;

	for (size_t i = 0; i < section.n; i++)
		n += section.p[i] == '.';
	return n;
}

static bool is_quoted(enum conf_type t)
{
	return t == CONF_TEXT || t == CONF_LIST;
}

static void show_text(FILE *f, enum conf_type t, struct span s)
{
	if (!is_quoted(t)) {
		fprintf(f, "%" SPAN_FMT, SPAN_ARG(s));
		return;
	}
	fputc('"', f);
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			fputc('\\', f);
		fputc(s.p[i], f);
	}
	fputc('"', f);
}

static void show_value(FILE *f, const struct conf_item *it, const struct conf_value *v)
{
	struct span rest = span_of(it->def);
	unsigned n = 0;

	if (it->type == CONF_LIST)
		fputc('[', f);
	if (v->line) {
		for (; n < v->n; n++)
			fputs(n ? ", " : "", f), show_text(f, it->type, span_of(v->text[n]));
	} else if (it->type != CONF_LIST) {
		show_text(f, it->type, rest);
	} else {
		for (; rest.n; n++)
			fputs(n ? ", " : "", f), show_text(f, it->type, span_split(&rest, ' '));
	}
	fputs(it->type == CONF_LIST ? "]\n" : "\n", f);
}

static size_t common_length(struct span a, struct span b)
{
	size_t n = 0;

	while (n < a.n && n < b.n && a.p[n] == b.p[n])
		n++;
	return n;
}

/* Headings for those parts of section that are not open yet. */
static void show_sections(FILE *f, struct span open, struct span section)
{
	struct span rest = section;
	size_t same = common_length(open, section);

	for (unsigned depth = 0; rest.n; depth++) {
		struct span part = span_split(&rest, '.');
		size_t end = section.n - rest.n - (rest.n > 0);
		bool is_open = end <= same && (open.n == end || open.p[end] == '.');
		if (!is_open)
			fprintf(f, "%*s%" SPAN_FMT ":\n", (int)(2 * depth), "", SPAN_ARG(part));
	}
}

void conf_show(const struct conf *c, FILE *f)
{
	struct span open = SPAN("");

	for (unsigned i = 0; i < conf_n_items; i++) {
		struct span key = span_of(conf_items[i].key), section = section_of(key), name = name_of(key);
		if (!conf_applies(c, &conf_items[i]))
			continue;
		show_sections(f, open, section);
		open = section;
		fprintf(f, "%*s%" SPAN_FMT ": ", (int)(2 * depth_of(section)), "", (int)name.n, name.p);
		show_value(f, &conf_items[i], &c->value[i]);
	}
}

/* ---- what a key takes ---- */

static void write_number(struct wbuf *w, enum conf_type t, uint64_t v)
{
	if (t == CONF_MS && v % 3600000 == 0 && v)
		w_fmt(w, "%lluh", (unsigned long long)(v / 3600000));
	else if (t == CONF_MS && v % 60000 == 0 && v)
		w_fmt(w, "%llum", (unsigned long long)(v / 60000));
	else if (t == CONF_MS && v % 1000 == 0)
		w_fmt(w, "%llus", (unsigned long long)(v / 1000));
	else
		w_u64(w, v);
}

static void write_choices(struct wbuf *w, const struct conf_item *it)
{
	struct span rest = span_of(it->choices);

	for (bool first = true; rest.n; first = false) {
		struct span word = span_split(&rest, ' ');
		bool later = word.p[0] == '!';
		w_str(w, first ? "" : " | ");
		w_span(w, span_skip(word, later));
		w_str(w, later ? " (not in this version)" : "");
	}
}

static void write_takes(struct wbuf *w, const struct conf_item *it)
{
	static const char *const kinds[] = { [CONF_INT] = "number",
					     [CONF_SIZE] = "bytes, K, M, G may follow",
					     [CONF_MS] = "time: ms, s, m, h",
					     [CONF_S] = "seconds, or with s, m, h" };

	switch (it->type) {
	case CONF_BOOL:
		w_str(w, "true | false");
		break;
	case CONF_ENUM:
		write_choices(w, it);
		break;
	case CONF_TEXT:
		w_str(w, it->choices);
		break;
	case CONF_LIST:
		w_fmt(w, "list of %llu to %llu: %s", (unsigned long long)it->min, (unsigned long long)it->max,
		      it->choices);
		break;
	default:
		w_fmt(w, "%s; ", kinds[it->type]);
		write_number(w, it->type, it->min);
		w_str(w, " to ");
		write_number(w, it->type, it->max);
	}
}

static struct span takes(const struct conf_item *it, char buf[256])
{
	struct wbuf w = wbuf_on(buf, 256);

	write_takes(&w, it);
	return w_span_of(&w);
}

void conf_help(FILE *f)
{
	char buf[256];

	for (unsigned i = 0; i < conf_n_items; i++) {
		const struct conf_item *it = &conf_items[i];
		fprintf(f, "%s\n    %s\n    takes: %" SPAN_FMT "\n    default: %s\n", it->key, it->help,
			SPAN_ARG(takes(it, buf)), it->def[0] ? it->def : "(empty)");
	}
}

/* roff wants its hyphens and leading dots escaped. */
static void roff(FILE *f, struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '-')
			fputs("\\-", f);
		else if (s.p[i] == '\\')
			fputs("\\e", f);
		else if (i == 0 && (s.p[i] == '.' || s.p[i] == '\''))
			fprintf(f, "\\&%c", s.p[i]);
		else
			fputc(s.p[i], f);
	}
}

void conf_man(FILE *f)
{
	char buf[256];

	for (unsigned i = 0; i < conf_n_items; i++) {
		const struct conf_item *it = &conf_items[i];
		fputs(".TP\n.B ", f);
		roff(f, span_of(it->key));
		fputs("\n", f);
		roff(f, span_of(it->help));
		fputs("\n.br\nTakes: ", f);
		roff(f, takes(it, buf));
		fputs(".\n.br\nDefault: ", f);
		roff(f, span_of(it->def[0] ? it->def : "empty"));
		fputs(".\n", f);
	}
}
