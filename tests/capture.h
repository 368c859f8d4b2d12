/* SPDX-License-Identifier: MIT */
/*
 * capture.h - captures output of print() as text for a test.
 *
 *   capture_begin();
 *   heap_debug_leaks();
 *   CHECK(str_glob("*12 objects*", capture_end()));
 *
 * Captured output does not reach the log, nor do failures of checks in between.  One capture at a
 * time; output of several CPUs is appended in the order in which it is printed.
 */
#pragma once

/* Starts a capture, and discards the last one. */
void capture_begin(void);

/* Ends the capture and returns the text, which stays valid until the next capture; it is
 * truncated to CAPTURE_BYTES including the terminator. */
const char *capture_end(void);
enum {
	CAPTURE_BYTES = 8192,
};

/* The text that capture_end() returned last. */
const char *capture_text(void);
