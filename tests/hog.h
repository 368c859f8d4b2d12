/* SPDX-License-Identifier: MIT */
/*
 * hog.h - memory that is nearly used up: all frames but as many as a test wants to leave.
 *
 * What is left are single frames wherever they lie, so no block can be had.  Each block that is
 * held says in its own memory which one was taken before it, so holding them takes none.
 *
 * One test at a time, by one CPU; others may allocate meanwhile, and see the end of memory.
 */
#pragma once

#include "lib/types.h"

/* Take all frames but `leave`; false: there are not as many, or too few are single.  Gives back
 * what was kept by caches first.  hog_give_all() ends it, whatever was answered. */
bool hog_all_but(unsigned leave);

/* One single frame more can be had from now on.  False: all of them can. */
bool hog_give_one(void);
void hog_give_all(void);
