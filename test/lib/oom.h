/* SPDX-License-Identifier: MIT */
/* Memory that runs out when a test says so.  Link with oom_dep: malloc, calloc and realloc are wrapped. */
#ifndef PARLEY_TEST_OOM_H
#define PARLEY_TEST_OOM_H

#include <stdbool.h>

/* n more allocations succeed, the one after them fails, then all succeed again. */
void oom_fail_after(unsigned long n);
/* Back to normal; did an allocation fail since oom_fail_after()?  false ends a loop over n. */
bool oom_end(void);

#endif
