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

/* Take all frames, `singles` of them one by one; false: that many cannot be had so.  Gives back
 * what was kept by caches first.  hog_give_all() ends it, whatever was answered. */
bool hog_all(unsigned singles);

/* The same, but for `leave` single frames. */
bool hog_all_but(unsigned leave);

/* One single frame more can be had from now on.  False: there are blocks left at most. */
bool hog_give_one(void);
void hog_give_all(void);
