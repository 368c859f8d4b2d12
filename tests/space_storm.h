/* SPDX-License-Identifier: MIT */
/*
 * space_storm.h - several CPUs use and change address spaces that fork from each other, all at
 * once.
 *
 * A few spaces are open to all; each CPU works in one of them, moves on to others, and forks new
 * ones, which take the places of those that nobody is in.  All have the same pages:
 *
 *   own      some for each CPU, which alone uses and changes them: it knows what they show
 *   shared   any CPU stores, unmaps, maps and changes rights as it likes
 *   object   likewise, of an object that all spaces show
 *   large    likewise, in pages of 2 MiB where they come to be so
 *   common   always there, and in each a word for each CPU, which alone stores to it
 *
 * A value that is stored names its page, the CPU that stored it, the space that this was done in
 * and how many values had been stored there.  What a CPU loads must be 0 or obey these rules:
 *
 *   R1  it was stored for this page: no frame shows what it held before
 *   R2  it was stored in this space, or in one that it was forked from before that fork was over:
 *       nobody sees another space's values
 *   R3  while a CPU stays in a space it sees no older value of another CPU after a newer one; of
 *       the object's pages it never does
 *   R4  a CPU's own page shows what the CPU stored last, or 0 after it was mapped anew, and
 *       refuses what its rights do not allow; a fork shows it as it was
 *   R5  so does a CPU's own word of a common page: no store of one CPU is lost because another
 *       made a copy of the page at that moment
 *
 * The homes of the test (tests/unit/vm_space_threads.c, tests/kernel/vm_space_cpus.c) supply CPUs
 * and accesses.
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
	/* A user's access to a word of the space that the CPU has loaded; false: refused. */
	bool (*store)(vaddr_t va, uint64_t value);
	bool (*load)(vaddr_t va, uint64_t *value);
};

/* Before the CPUs start: the first space.  False: no memory. */
bool storm_begin(void);
/* On each CPU, all at once.  Returns when it has done `steps`; it is in no space then. */
void storm_run(struct storm_member *me, unsigned steps);
/* After all have returned: fails the test when a rule was broken; puts the spaces. */
void storm_end(const char *file, int line);
#define STORM_END() storm_end(__FILE__, __LINE__)
