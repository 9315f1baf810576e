/* SPDX-License-Identifier: MIT */
/* im/view.h as three sessions and known counters, so that management is tested by itself. */
#ifndef PARLEY_TEST_FAKE_IM_H
#define PARLEY_TEST_FAKE_IM_H

#include "im/view.h"

enum { FAKE_SESSIONS = 3 };

#endif
