/* SPDX-License-Identifier: MIT */
/*
 * space_storm.h - concurrency test: several CPUs access, change and fork the same address spaces.
 *
 * A few places each contain a space.  Each CPU works in the space of one place, moves on to others,
 * and forks new spaces, which replace spaces that no CPU uses.  All spaces have the same pages:
 *
 *   own      a few pages per CPU, used and changed by that CPU alone, which knows their contents
 *   shared   any CPU stores, unmaps, maps and changes rights at random
 *   object   the same, in an object that all spaces map
 *   large    the same, in 2 MiB pages where the fault handler maps them
 *   common   always mapped; each page has one word per CPU, to which that CPU alone stores
 *
 * A stored value encodes its page, the storing CPU, the space, and the number of values stored in
 * the space before.  A value that a CPU loads is 0 or obeys these rules:
 *
 *   R1  it was stored to this page: no frame exposes its previous contents
 *   R2  it was stored in this space, or in an ancestor before the fork completed: values of other
 *       spaces are not visible
 *   R3  while a CPU stays in a space it does not load an older value of another CPU after a newer
 *       one; for the object's pages this holds across spaces
 *   R4  an own page contains the value that its CPU stored last, or 0 after a new mapping, and
 *       refuses accesses that its rights do not allow; a fork preserves it
 *   R5  the same holds for a CPU's word of a common page: no store of one CPU is lost when another
 *       CPU copies the page at the same time
 *
 *   R6  a CPU that has loaded a word of the second common page, and then loads the same CPU's word
 * of the first, which is stored to before with the same count, finds that count or a later one: the
 * order of two locations is kept when one of them is copied
 *
 * The callers (tests/unit/vm_space_threads.c, tests/kernel/vm_space_cpus.c) supply CPUs and memory
 * accesses.
 */
#pragma once

#include "mm/vm/space.h"

enum {
	STORM_CPUS = 8,
};

/* One CPU. */
struct storm_member {
	unsigned cpu; /* below STORM_CPUS */
	uint64_t (*random)(struct storm_member *me);
	/* User access to a word of the space that the CPU has loaded; false: the access fails. */
	bool (*store)(vaddr_t va, uint64_t value);
	bool (*load)(vaddr_t va, uint64_t *value);
};

/* Before the CPUs start: create the first space.  False: no memory. */
bool storm_begin(void);
/* Run `steps` steps; call on all CPUs concurrently.  The CPU has no space loaded afterwards. */
void storm_run(struct storm_member *me, unsigned steps);
/* After all CPUs have returned: fail the test if a rule was violated; put the spaces. */
void storm_end(const char *file, int line);
#define STORM_END() storm_end(__FILE__, __LINE__)
