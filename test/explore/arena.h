/* SPDX-License-Identifier: MIT */
/*
 * All memory of the explored world in one piece at one address: what production allocates while the arena is on lies
 * in it (the linker sends malloc and its kin here, --wrap), pointers included, so a state is saved and restored by
 * copying bytes.  Outside, and while it is off, malloc is the real one.
 *
 * Under AddressSanitizer blocks have poisoned borders and freed ones are never used again within a run of actions, and
 * the shadow is saved along; so a use after free is found as ever.
 */
#ifndef PARLEY_EXPLORE_ARENA_H
#define PARLEY_EXPLORE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

void arena_init(size_t size); /* maps it; once */
void arena_on(bool on);
/* Bytes in it that hold no state between two actions: they are not copied. */
void arena_hole(const void *p, size_t n);
size_t arena_size(void);     /* bytes a save takes now */
size_t arena_save(void *to); /* returns that size */
void arena_load(const void *from);

#endif
