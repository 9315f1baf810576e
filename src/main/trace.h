/* SPDX-License-Identifier: MIT */
/* What crosses the sockets, for people (parleyd --trace). */
#ifndef PARLEY_MAIN_TRACE_H
#define PARLEY_MAIN_TRACE_H

#include <stdio.h>

#include "net/net.h"

void trace_print(FILE *f, const struct net_trace *t);

#endif
