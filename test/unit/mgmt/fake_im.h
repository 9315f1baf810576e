/* SPDX-License-Identifier: MIT */
/* im/view.h as three sessions and known counters, so that management is tested by itself. */
#ifndef PARLEY_TEST_FAKE_IM_H
#define PARLEY_TEST_FAKE_IM_H

#include "im/view.h"

extern enum im_mode fake_mode;
enum { FAKE_SESSIONS = 3 };

#endif
