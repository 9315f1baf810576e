/* SPDX-License-Identifier: MIT */
/*
 * Management over HTTP, on the thread and the loop of the worker it looks at: /metrics (Prometheus text), /healthz,
 * /api/v1/sessions.  It only reads, and im/ only through im/view.h.
 */
#ifndef PARLEY_MGMT_MGMT_H
#define PARLEY_MGMT_MGMT_H

#include "im/view.h"
#include "net/net.h"

struct mgmt; /* opaque */

/* Listen at an address; port 0: any.  im and net are borrowed.  NULL: *err is -errno. */
struct mgmt *mgmt_create(struct net *net, struct im *im, const struct addr *at, struct addr *bound, int *err);
void mgmt_destroy(struct mgmt *m);  /* before net_destroy(); NULL is fine */
void mgmt_draining(struct mgmt *m); /* /healthz says 503 from now on; NULL is fine */

#endif
