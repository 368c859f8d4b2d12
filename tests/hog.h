/* SPDX-License-Identifier: MIT */
/*
 * hog.h - memory pressure for tests: allocates all frames but a given number.
 *
 * The remaining frames are scattered single frames, so no block is available.  The allocated blocks
 * form a list through their own memory, so that the hog itself needs none.
 *
 * One test at a time, by one CPU; other CPUs may allocate meanwhile and run out of memory.
 */
#pragma once

#include "lib/types.h"

/* Allocates all frames, at least `singles` of them as single frames; false: not that many single
 * frames.  Drains the frame caches first.  Call hog_give_all() afterwards in both cases. */
bool hog_all(unsigned singles);

/* The same, but leaves `leave` single frames free. */
bool hog_all_but(unsigned leave);

/* Frees one single frame.  False: only blocks are left. */
bool hog_give_one(void);
void hog_give_all(void);
