/* SPDX-License-Identifier: MIT */
/* What management and tests may see, copied out; and what must be true of every session (im_check). */
#include <assert.h>
#include <stdio.h>

#include "im/core.h"

static const char *const state_names[SESS_N_STATES] = { "early", "up", "ending", "over" };
static const char *const mode_names[] = { "proxy", "unanchored", "anchored" };

static void copy(char *to, size_t n, struct span s)
{
	snprintf(to, n, "%" SPAN_FMT, SPAN_ARG(s));
}

enum im_mode im_mode(const struct im *im)
{
	return im->conf.mode;
}

static void view_lines(const struct plane *p, struct im_session_view *v)
{
	int index;

	while (v->n_lines < PLANE_LINES_MAX &&
	       (index = plane_line_stats(p, v->n_lines, &v->line[v->n_lines].stats)) >= 0) {
		plane_line_file(p, v->n_lines, &v->line[v->n_lines].file);
		v->line[v->n_lines++].index = (unsigned)index;
	}
}

void im_view_sessions(struct im *im, void (*fn)(const struct im_session_view *v, void *u), void *u)
{
	for (unsigned i = 0; i < SESS_OVER; i++) {
		list_each(e, &im->in_state[i]) {
			const struct session *s = container_of(e, struct session, link);
			if (s->early && s->early->uncounted)
				continue; /* one of several early dialogs: the set-up is shown once */
			struct im_session_view v = {
				.id = s->id,
				.state = state_names[s->state],
				.mode = mode_names[s->mode],
				.session_case = s->scase == IM_ORIGINATING ? "originating" : "terminating",
				.class_name = im_class_name(s->class),
				.class_evidence = s->class_evidence,
				.since_us = s->since_us,
				.modifications = s->n_modified,
				.refused = s->n_refused,
				.locked = s->mod.stage != MOD_NONE,
			};
			copy(v.served_user, sizeof(v.served_user), span_of(s->served_user));
			copy(v.call_id[SIDE_A], sizeof(v.call_id[0]),
			     sip_dialog_call_id(&s->leg[SIDE_A].dlg));
			copy(v.call_id[SIDE_B], sizeof(v.call_id[0]),
			     sip_dialog_call_id(&s->leg[SIDE_B].dlg));
			if (s->plane) {
				v.generation = plane_generation(s->plane);
				plane_stats(s->plane, &v.plane);
				view_lines(s->plane, &v);
			}
			fn(&v, u);
		}
	}
}

void im_metrics(struct im *im, struct im_metrics *out)
{
	const struct sip_tl_stats *tl = sip_tl_stats(im->tl);
	const struct planes_stats *ps = planes_stats(im->planes);

	*out = im->mx;
	out->sessions = 0;
	for (unsigned i = 0; i < SESS_OVER; i++)
		out->sessions += im->n_in_state[i] - im->n_uncounted[i];
	out->registrations = im->registered.n;
	out->transactions = tl->server + tl->client;
	out->transaction_bytes = im->pool.n_slabs * (uint64_t)POOL_SLAB;
	out->sip_retransmissions = tl->retrans_out;
	out->shed = tl->shed;
	out->over_limit += tl->refused + ps->over_limit;
	out->msrp_sessions = ps->sessions;
	out->msrp_connections = ps->connections;
	out->msrp_messages = ps->messages;
	out->msrp_bytes = ps->bytes;
	out->msrp_refused = ps->refused;
	out->msrp_reports = ps->reports;
	out->msrp_failed = ps->failed;
	out->msrp_composing = ps->composing;
	out->msrp_notifications = ps->imdn;
	out->msrp_resent = ps->resent;
	out->msrp_adapted = ps->adapted;
	out->msrp_notifications_lost = ps->notifications_lost;
	out->msrp_strangers = ps->strangers;
	out->msrp_unbound = ps->unbound;
}

static void check_session(const struct session *s)
{
	const struct modify *mod = &s->mod;

	for (unsigned i = 0; i < 2; i++) {
		const struct leg *l = &s->leg[i];
		assert(l->s == s && l->side == (enum side)i);
		assert(!l->linked || l->dlg.text);
		if (l->state == LEG_OVER)
			assert(!l->bye_out);
		if (s->state == SESS_UP && refresh_open(l))
			assert(refresh_is(l, SIP_UPDATE) ? l->update_out : l->invite_out);
		if (mod->stage == MOD_NONE && s->state == SESS_UP) {
			/* The lock is free: nothing is open but a refresh of ours. */
			assert(l->oa.state == SDP_STABLE || refresh_is(l, SIP_INVITE));
			assert(l->update_in == NULL || l->target_try); /* MOD-35 */
		}
	}
	if (mod->stage == MOD_NONE)
		assert(!mod->txn && !mod->offer && !mod->sent && !mod->restore);
	if (mod->stage == MOD_OUT)
		assert(mod->waits || (mod->txn && (s->leg[side_other(mod->from)].invite_out ||
						   s->leg[side_other(mod->from)].update_out)));
	if (mod->stage == MOD_WAIT)
		assert(mod->txn && refresh_open(&s->leg[side_other(mod->from)]));
	if (mod->stage == MOD_OWN)
		assert(!mod->txn && s->own);
	if (s->state == SESS_UP)
		assert(s->leg[SIDE_A].state == LEG_UP && s->leg[SIDE_B].state == LEG_UP && !early_setup(s));
	assert(session_anchored(s) || !s->plane); /* UPA-24 */
	if (s->state >= SESS_ENDING)
		assert(!s->plane && mod->stage == MOD_NONE);
}

void im_check(struct im *im)
{
	for (unsigned i = 0; i < SESS_N_STATES; i++) {
		uint64_t n = 0;
		list_each(e, &im->in_state[i]) {
			check_session(container_of(e, struct session, link));
			n++;
		}
		assert(n == im->n_in_state[i]);
	}
	assert(im->n_in_state[SESS_OVER] == 0);
	planes_check(im->planes);
}
