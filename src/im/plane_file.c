/* SPDX-License-Identifier: MIT */
/*
 * File lines (RFC 5547) as management sees them: which file, how much of it is there, how it ended.  The transfer itself is
 * a message like any other; this only looks, and costs a chat nothing.
 */
#include "im/plane_int.h"

/* "start-stop" of a=file-range: how much the receiver has already.  What cannot be read is a whole file. */
static uint64_t already(const struct sdp *offer, unsigned i)
{
	const struct sdp_line *l = sdp_attr(offer, (int)i, SPAN("file-range"));
	struct span range = l ? l->arg : SPAN_EMPTY;
	uint64_t start;

	return l && span_u64(span_split(&range, '-'), INT64_MAX, &start) == 0 && start > 1 ? start - 1 : 0;
}

int plane_file_note(struct plane_line *l, const struct sdp *offer, const struct sdp_msrp *m)
{
	struct sdp_file f;
	struct span id = span_cut(m->file_transfer_id, 0, sizeof(l->file->id) - 1);

	if (!m->is_file || l->file) /* a line that goes on keeps its file (CLASS-20) */
		return 0;
	if ((l->file = calloc(1, sizeof(*l->file))) == NULL)
		return -ENOMEM;
	l->file->state = PLANE_FILE_WAITING;
	if (sdp_file_selector(m->file_selector, &f) == 0 && f.has_size)
		l->file->size = f.size;
	l->file->from = already(offer, l->index);
	memcpy(l->file->id, id.p, id.n);
	return 0;
}

void plane_file_progress(const struct plane_msg *m)
{
	struct plane_file *f = m->end->line->file;

	f->bytes = m->top;
	f->state = PLANE_FILE_RUNNING;
}

void plane_file_over(const struct plane_msg *m, bool complete)
{
	struct plane_file *f = m->end->line->file;

	if (f && m->top)
		f->state = complete ? PLANE_FILE_COMPLETE : PLANE_FILE_FAILED;
}

void plane_line_file(const struct plane *p, unsigned i, struct plane_file_view *out)
{
	const struct plane_file *f = i < p->n_lines ? p->line[i]->file : NULL;

	*out = (struct plane_file_view){ 0 };
	if (!f)
		return;
	out->state = (enum plane_file_state)f->state;
	out->size = f->size;
	out->bytes = f->from + f->bytes;
	memcpy(out->transfer_id, f->id, sizeof(f->id));
}
