/* SPDX-License-Identifier: MIT */
/* The same ladder in the three modes (modes.c): what differs in what the peers see, and by which rule. */
#ifndef PARLEY_LADDER_MODES_H
#define PARLEY_LADDER_MODES_H

#include <stdio.h>

#include "im/im.h"
#include "im/view.h"
#include "lib/wire.h"

struct modes; /* opaque: what was seen in any of them */

struct modes *modes_new(void);
void modes_free(struct modes *m);
void modes_first(struct modes *m);
bool modes_next(struct modes *m); /* false: there was no further mode */
const char *modes_name(const struct modes *m);

void modes_said(struct modes *m, const void *who, struct span bytes, uint64_t now_us);
void modes_sent(struct modes *m, const void *who, const struct wire *sent, uint64_t now_us);
void modes_look(struct modes *m, struct im *im);

bool modes_check(const struct modes *m); /* prints what is wrong */
void modes_doc(FILE *f);

#endif
