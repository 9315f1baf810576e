/* SPDX-License-Identifier: MIT */
/* Reading an indexed message: headers, their list elements, numbers; and the copy that outlives it. */
#include "sip/lex.h"
#include "sip/msg.h"

#include <errno.h>
#include <stdlib.h>

static const struct sip_hdr *hdr_at(const struct sip_msg *m, uint8_t i)
{
	return i < m->n_hdr ? &m->hdr[i] : NULL;
}

const struct sip_hdr *sip_hdr(const struct sip_msg *m, enum sip_hdr_id id)
{
	return hdr_at(m, m->first[id]);
}

const struct sip_hdr *sip_hdr_next(const struct sip_msg *m, const struct sip_hdr *h)
{
	return hdr_at(m, h->next);
}

struct span sip_value(const struct sip_msg *m, enum sip_hdr_id id)
{
	const struct sip_hdr *h = sip_hdr(m, id);
	return h ? sip_hdr_value(m, h) : SPAN_EMPTY;
}

bool sip_each(const struct sip_msg *m, enum sip_hdr_id id, struct sip_iter *it, struct span *v)
{
	for (;;) {
		while (it->rest.n) {
			*v = sip_element_take(&it->rest);
			if (v->n)
				return true;
		}
		if (it->begun && !it->h)
			return false;
		it->h = it->begun ? sip_hdr_next(m, it->h) : sip_hdr(m, id);
		it->begun = true;
		if (!it->h)
			return false;
		it->rest = sip_hdr_value(m, it->h);
	}
}

bool sip_lists(const struct sip_msg *m, enum sip_hdr_id id, struct span token)
{
	struct sip_iter it = { 0 };

	for (struct span v; sip_each(m, id, &it, &v);)
		if (span_ieq(span_trim(span_split(&v, ';')), token))
			return true;
	return false;
}

int sip_number(const struct sip_msg *m, enum sip_hdr_id id, uint64_t max, uint64_t *out)
{
	struct span v = sip_value(m, id);
	size_t n = 0;

	if (!sip_has(m, id))
		return -ENOENT;
	/* "1800;refresher=uac", "18 (in a meeting);duration=60" */
	while (n < v.n && v.p[n] != ';' && v.p[n] != '(' && !span_is_lws(v.p[n]))
		n++;
	return span_u64(span_cut(v, 0, n), max, out);
}

static void move(struct span *s, const char *from, const char *to)
{
	if (s->p)
		s->p = to + (s->p - from);
}

struct sip_msg *sip_msg_dup(struct pool *pool, const struct sip_msg *m)
{
	size_t head = offsetof(struct sip_msg, hdr) + m->n_hdr * sizeof(m->hdr[0]);
	struct sip_msg *copy = pool_alloc(pool, head + m->raw.n);
	const char *from = m->raw.p;

	if (!copy)
		return NULL;
	char *to = (char *)copy + head;
	memcpy(copy, m, head);
	if (m->raw.n)
		memcpy(to, from, m->raw.n);

	struct span *const spans[] = {
		&copy->raw,        &copy->body,         &copy->method_name, &copy->ruri,
		&copy->reason,     &copy->call_id,      &copy->from,        &copy->to,
		&copy->from_tag,   &copy->to_tag,       &copy->via.tp_name, &copy->via.host,
		&copy->via.branch, &copy->via.received, &copy->via.maddr,
	};
	for (size_t i = 0; i < ARRAY_LEN(spans); i++)
		move(spans[i], from, to);
	return copy;
}
