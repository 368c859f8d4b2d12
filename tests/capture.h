/* SPDX-License-Identifier: MIT */
/*
 * capture.h - what a piece of code prints, as text for a test to look at.
 *
 *   capture_begin();
 *   heap_debug_leaks();
 *   CHECK(str_glob("*12 objects*", capture_end()));
 *
 * Nothing of it comes into the log, failures of checks in between neither.  One capture at a time;
 * what several CPUs print at once is kept as they print it, one after the other.
 */
#pragma once

/* From now on everything that is printed is kept; what was kept before is gone. */
void capture_begin(void);

/* Until here.  The text stays until the next capture; what was too long for CAPTURE_BYTES with the
 * terminator is cut. */
const char *capture_end(void);
enum {
	CAPTURE_BYTES = 8192,
};

/* What capture_end() returned last. */
const char *capture_text(void);
