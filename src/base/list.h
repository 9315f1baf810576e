/* SPDX-License-Identifier: MIT */
/* Doubly linked, intrusive, circular list.  A link on no list points at itself or is zero. */
#ifndef PARLEY_BASE_LIST_H
#define PARLEY_BASE_LIST_H

#include "base/span.h"

struct list {
	struct list *prev, *next;
};

static inline void list_init(struct list *l)
{
	l->prev = l->next = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l || l->next == NULL;
}

static inline void list_push(struct list *head, struct list *e) /* at the end */
{
	e->prev = head->prev;
	e->next = head;
	head->prev->next = e;
	head->prev = e;
}

/* Safe on zeroes and safe twice. */
static inline void list_del(struct list *e)
{
	if (e->next) {
		e->prev->next = e->next;
		e->next->prev = e->prev;
	}
	list_init(e);
}

static inline struct list *list_pop(struct list *head) /* first, or NULL */
{
	struct list *e = head->next;
	if (list_empty(head))
		return NULL;
	list_del(e);
	return e;
}

/* All that is on from, in order, becomes all that is on to; from is then empty.  to need not be initialised. */
static inline void list_move(struct list *to, struct list *from)
{
	list_init(to);
	if (list_empty(from))
		return;
	*to = *from;
	to->next->prev = to->prev->next = to;
	list_init(from);
}

/* The body may delete i. */
#define list_each(i, head)                                                    \
	for (struct list *i = (head)->next, *i##_next = i->next; i != (head); \
	     i = i##_next, i##_next = i->next)

#endif
