/* SPDX-License-Identifier: MIT */
/*
 * YAML events into the values of the table.  libyaml is used directly since every fault must name its line
 * and its dotted key, also those found only when the value is looked at (doc/adr).  The whole file is
 * read even when parts of it are wrong, so that one run names all faults.
 */
#include <errno.h>
#include <stdlib.h>
#include <yaml.h>

#include "main/conf_table.h"

enum { KEY_MAX = 128, TEXT_MAX = 1024 };

struct reader {
	struct conf *c;
	struct span text;
	yaml_parser_t p;
	bool failed; /* syntax: no more events */
	bool no_memory;
};

static unsigned line_of(const yaml_event_t *ev)
{
	return (unsigned)ev->start_mark.line + 1;
}

static unsigned problem_line(const struct reader *r)
{
	unsigned line = 1;

	if (r->p.error != YAML_READER_ERROR)
		return (unsigned)r->p.problem_mark.line + 1;
	for (size_t i = 0; i < r->p.problem_offset && i < r->text.n; i++)
		line += r->text.p[i] == '\n';
	return line;
}

static bool next(struct reader *r, yaml_event_t *ev)
{
	if (r->failed)
		return false;
	if (yaml_parser_parse(&r->p, ev))
		return true;
	r->failed = true;
	if (r->p.error == YAML_MEMORY_ERROR)
		r->no_memory = true;
	else
		conf_fault_at(r->c, problem_line(r), "syntax", "%s; look at indentation, quotes and brackets",
			      r->p.problem ? r->p.problem : "not YAML");
	return false;
}

static bool is_start(const yaml_event_t *ev)
{
	return ev->type == YAML_MAPPING_START_EVENT || ev->type == YAML_SEQUENCE_START_EVENT;
}

static bool is_end(const yaml_event_t *ev)
{
	return ev->type == YAML_MAPPING_END_EVENT || ev->type == YAML_SEQUENCE_END_EVENT;
}

/* Past the node that ev began. */
static void skip(struct reader *r, const yaml_event_t *begun)
{
	unsigned depth = is_start(begun);
	yaml_event_t ev;

	while (depth && next(r, &ev)) {
		depth += is_start(&ev);
		depth -= is_end(&ev);
		yaml_event_delete(&ev);
	}
}

static bool is_null(const yaml_event_t *ev)
{
	struct span s = { (const char *)ev->data.scalar.value, ev->data.scalar.length };

	return ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       (s.n == 0 || span_eq(s, SPAN("~")) || span_ieq(s, SPAN("null")));
}

/* ---- values ---- */

static void add_text(struct reader *r, const struct conf_item *it, struct conf_value *v,
		     const yaml_event_t *ev)
{
	struct span s = { (const char *)ev->data.scalar.value, ev->data.scalar.length };
	char *copy;

	if (is_null(ev)) {
		conf_fault_at(r->c, line_of(ev), it->key, "has no value; give one or remove the line");
		return;
	}
	if (s.n > TEXT_MAX || span_chr(s, '\0') != SPAN_NONE) {
		conf_fault_at(r->c, line_of(ev), it->key, "is too long or not text; at most %d bytes",
			      TEXT_MAX);
		return;
	}
	if (v->n == CONF_LIST_MAX) {
		conf_fault_at(r->c, line_of(ev), it->key, "has too many entries; at most %d", CONF_LIST_MAX);
		return;
	}
	copy = span_dup(s);
	if (!copy) {
		r->no_memory = true;
		return;
	}
	v->text[v->n] = copy;
	v->lines[v->n++] = line_of(ev);
}

static void read_list(struct reader *r, const struct conf_item *it, struct conf_value *v)
{
	yaml_event_t ev;

	while (next(r, &ev)) {
		bool end = ev.type == YAML_SEQUENCE_END_EVENT;
		if (ev.type == YAML_SCALAR_EVENT) {
			add_text(r, it, v, &ev);
		} else if (!end) {
			conf_fault_at(r->c, line_of(&ev), it->key,
				      "has an entry that is not a plain value; write [a, b]");
			skip(r, &ev);
		}
		yaml_event_delete(&ev);
		if (end)
			return;
	}
}

static bool value_begin(struct reader *r, struct conf_value *v, unsigned line, bool list)
{
	unsigned cap = list ? CONF_LIST_MAX : 1;

	v->line = line;
	v->list = list;
	v->text = calloc(cap, sizeof(*v->text));
	v->lines = calloc(cap, sizeof(*v->lines));
	if (v->text && v->lines)
		return true;
	r->no_memory = true;
	return false;
}

static void read_value(struct reader *r, unsigned index, const yaml_event_t *ev)
{
	const struct conf_item *it = &conf_items[index];
	struct conf_value *v = &r->c->value[index];
	bool list = it->type == CONF_LIST;

	if (v->line) {
		conf_fault_at(r->c, line_of(ev), it->key, "is given twice, first on line %u; remove one",
			      v->line);
		skip(r, ev);
	} else if (ev->type == YAML_ALIAS_EVENT) {
		conf_fault_at(r->c, line_of(ev), it->key, "is an alias; write the value itself");
	} else if (ev->type == YAML_MAPPING_START_EVENT || (is_start(ev) && !list)) {
		conf_fault_at(r->c, line_of(ev), it->key,
			      list ? "wants a list, such as [a, b]"
				   : "wants one value, not a list or a section");
		skip(r, ev);
	} else if (!value_begin(r, v, line_of(ev), list)) {
		skip(r, ev);
	} else if (ev->type == YAML_SEQUENCE_START_EVENT) {
		read_list(r, it, v);
	} else {
		add_text(r, it, v, ev); /* a single value stands for a list of one */
	}
}

/* ---- keys ---- */

static void read_section(struct reader *r, struct span prefix);

static void unknown_key(struct reader *r, struct span key, const yaml_event_t *name)
{
	const char *near = conf_similar(key);
	char buf[KEY_MAX + 1];

	snprintf(buf, sizeof(buf), "%" SPAN_FMT, SPAN_ARG(key));
	if (near)
		conf_fault_at(r->c, line_of(name), buf, "there is no such key; did you mean %s?", near);
	else
		conf_fault_at(r->c, line_of(name), buf,
			      "there is no such key; parleyd --help-config lists all");
}

/* name is the key's scalar, ev the beginning of its value. */
static void read_entry(struct reader *r, struct span key, const yaml_event_t *name, const yaml_event_t *ev)
{
	int index = conf_item_index(key);
	char buf[KEY_MAX + 1];

	snprintf(buf, sizeof(buf), "%" SPAN_FMT, SPAN_ARG(key));
	if (index >= 0) {
		read_value(r, (unsigned)index, ev);
	} else if (!conf_is_section(key)) {
		unknown_key(r, key, name);
		skip(r, ev);
	} else if (ev->type == YAML_MAPPING_START_EVENT) {
		read_section(r, key);
	} else if (ev->type != YAML_SCALAR_EVENT || !is_null(ev)) {
		conf_fault_at(r->c, line_of(ev), buf, "is a section; put its keys below it, indented");
		skip(r, ev);
	}
}

/* The dotted key of a name within prefix; printable. */
static struct span join(char buf[KEY_MAX], struct span prefix, const yaml_event_t *name)
{
	struct wbuf w = wbuf_on(buf, KEY_MAX);
	struct span s = { (const char *)name->data.scalar.value, name->data.scalar.length };

	w_span(&w, prefix);
	if (prefix.n)
		w_chr(&w, '.');
	w_span(&w, span_cut(s, 0, KEY_MAX / 2 - 1));
	for (size_t i = prefix.n; i < w.n; i++)
		if (buf[i] < ' ' || buf[i] > '~')
			buf[i] = '?';
	return w_span_of(&w);
}

static void read_section(struct reader *r, struct span prefix)
{
	yaml_event_t name, value;
	char buf[KEY_MAX];

	while (next(r, &name)) {
		if (name.type == YAML_MAPPING_END_EVENT) {
			yaml_event_delete(&name);
			return;
		}
		if (name.type != YAML_SCALAR_EVENT) {
			conf_fault_at(r->c, line_of(&name), "syntax", "a key must be a plain word");
			skip(r, &name);
		}
		if (next(r, &value)) {
			if (name.type == YAML_SCALAR_EVENT)
				read_entry(r, join(buf, prefix, &name), &name, &value);
			else
				skip(r, &value);
			yaml_event_delete(&value);
		}
		yaml_event_delete(&name);
	}
}

static void read_document(struct reader *r)
{
	unsigned documents = 0;
	yaml_event_t ev;

	while (next(r, &ev)) {
		bool end = ev.type == YAML_STREAM_END_EVENT;
		if (ev.type == YAML_DOCUMENT_START_EVENT) {
			if (documents++ == 1)
				conf_fault_at(r->c, line_of(&ev), "syntax",
					      "a second document; keep one, without ---");
		} else if (documents == 1 && ev.type == YAML_MAPPING_START_EVENT) {
			read_section(r, SPAN_EMPTY);
		} else if (is_start(&ev) || ev.type == YAML_ALIAS_EVENT ||
			   (ev.type == YAML_SCALAR_EVENT && !is_null(&ev))) {
			if (documents == 1)
				conf_fault_at(r->c, line_of(&ev), "syntax",
					      "not a configuration; it begins with a section such as sip:");
			skip(r, &ev);
		}
		yaml_event_delete(&ev);
		if (end)
			return;
	}
}

int conf_read_yaml(struct conf *c, struct span text)
{
	struct reader r = { .c = c, .text = text };

	if (!yaml_parser_initialize(&r.p))
		return -ENOMEM;
	yaml_parser_set_input_string(&r.p, (const unsigned char *)(text.p ? text.p : ""), text.n);
	yaml_parser_set_encoding(&r.p, YAML_UTF8_ENCODING);
	read_document(&r);
	yaml_parser_delete(&r.p);
	return r.no_memory ? -ENOMEM : 0;
}
