/* SPDX-License-Identifier: MIT */
/*
 * An INVITE that outlived its session.  The winner of a forked INVITE may hang up within seconds, while a device that never
 * rang still answers: its 2xx is acknowledged and it is hung up, or it would wait for us for ever (RFC 3261 13.2.2.4,
 * PROV-3).  Only forks that never rang come here: one that is known keeps its own session until then (early.c).
 *
 * What is kept meanwhile is small, since short sessions are many: no dialog, for the 2xx repeats all that makes one.
 */
#include <stdlib.h>

#include "im/core.h"

struct late {
	struct list link; /* im->lates */
	struct im *im;
	struct sip_ctxn *t;
	struct acked *acked; /* owned: its own, and those of the forks that answered */
	uint64_t winner;     /* hash of its To tag */
};

static uint64_t tag_hash(struct span tag)
{
	return span_hash(tag, 0);
}

/* early_stranger() speaks through a leg: one made for the moment, which is in no table and no count. */
static void borrow_leg(struct late *e, const struct sip_msg *resp, uint64_t now_us)
{
	struct session *s = calloc(1, sizeof(*s));
	struct leg *l;

	if (!s)
		return; /* it repeats its 2xx */
	s->im = e->im;
	s->mode = s->im->conf.mode;
	s->state = SESS_ENDING;
	l = &s->leg[SIDE_B];
	leg_init(l, s, SIDE_B);
	l->acked = e->acked;
	early_stranger(l, resp, now_us);
	e->acked = l->acked;
	l->acked = NULL;
	leg_finish(l);
	free(s);
}

static void late_free(struct late *e)
{
	leg_acked_drop(e->im, &e->acked);
	list_del(&e->link);
	free(e);
}

static void on_late(void *user, struct sip_ctxn *t, const struct sip_msg *resp, enum sip_end end,
		    uint64_t now_us)
{
	struct late *e = user;

	(void)t, (void)end;
	if (!resp)
		late_free(e);
	else if (resp->status / 100 == 2 && tag_hash(resp->to_tag) != e->winner) /* that one has its BYE */
		borrow_leg(e, resp, now_us);
}

void late_keep(struct leg *l, struct sip_ctxn *t, uint32_t cseq)
{
	struct late *e = calloc(1, sizeof(*e));

	sip_ctxn_set_user(t, NULL);
	if (!e)
		return;
	e->im = l->s->im;
	e->t = t;
	e->winner = tag_hash(sip_dialog_remote_tag(&l->dlg));
	for (struct acked **at = &l->acked, *a; (a = *at) != NULL;) {
		if (a->cseq != cseq || !a->creates) {
			at = &a->next;
			continue;
		}
		*at = a->next;
		a->next = e->acked;
		e->acked = a;
		if (!a->fork)
			pool_free(&e->im->pool, a->ack), a->ack = NULL;
	}
	list_push(&e->im->lates, &e->link);
	sip_ctxn_hand_over(t, on_late, e);
}

void late_drop_all(struct im *im)
{
	list_each(i, &im->lates) {
		struct late *e = container_of(i, struct late, link);
		sip_ctxn_set_user(e->t, NULL);
		late_free(e);
	}
}
