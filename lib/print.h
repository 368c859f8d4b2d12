/* SPDX-License-Identifier: MIT */
/*
 * print.h - formatted output for the kernel and everything under test.
 *
 * One formatter, many sinks: a sink is a function that takes bytes.  The format
 * knows %d %i %u %x %X %o %c %s %p %% with flags `0`, `-`, `#`, a width, a precision
 * for %s, `*` for either, and the lengths hh h l ll z j t.  No floating point.
 *
 * Locking: none here.  A sink that several CPUs share locks itself.
 */
#pragma once

#include <stdarg.h>

#include "lib/types.h"

struct print_sink {
	void (*write)(struct print_sink *sink, const char *bytes, size_t n);
};

/* Where print() goes; NULL discards.  Set at start-up; not a thing to change while printing. */
void print_set_sink(struct print_sink *sink);
struct print_sink *print_sink_now(void);

/* Format to the current sink. */
void print(const char *format, ...) __printf(1, 2);
void print_va(struct print_sink *sink, const char *format, va_list args);

/* Format into a buffer of `size` bytes, always terminated when size > 0.
 * Returns the length that the whole text has, as snprintf does. */
size_t print_to(char *buffer, size_t size, const char *format, ...) __printf(3, 4);
size_t print_to_va(char *buffer, size_t size, const char *format, va_list args);

/* A line that somebody should read: "keel: warning: ...".  Counted. */
void warn(const char *format, ...) __printf(1, 2);
unsigned warn_count(void);
