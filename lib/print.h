/* SPDX-License-Identifier: MIT */
/*
 * print.h - formatted output for the kernel and its tests.
 *
 * One formatter, many sinks: a sink is a function that receives bytes.  The format supports %d %i
 * %u %x %X %o %c %s %p %% with flags `0`, `-`, `#`, a width, a precision for %s, `*` for either,
 * and the lengths hh h l ll z j t.  No floating point.
 *
 * Locking: none here.  A sink that several CPUs share does its own locking.
 */
#pragma once

#include <stdarg.h>

#include "lib/types.h"

struct print_sink {
	void (*write)(struct print_sink *sink, const char *bytes, size_t n);
};

/* Sets the destination of print(); NULL discards.  Called at start-up, never while another CPU
 * prints. */
void print_set_sink(struct print_sink *sink);
struct print_sink *print_sink_now(void);

/* Formats to the current sink. */
void print(const char *format, ...) __printf(1, 2);
void print_va(struct print_sink *sink, const char *format, va_list args);

/* Formats into a buffer of `size` bytes, always terminated when size > 0.  Returns the
 * untruncated length, as snprintf does. */
size_t print_to(char *buffer, size_t size, const char *format, ...) __printf(3, 4);
size_t print_to_va(char *buffer, size_t size, const char *format, va_list args);

/* Prints a line "keel: warning: ..." and counts it. */
void warn(const char *format, ...) __printf(1, 2);
unsigned warn_count(void);
