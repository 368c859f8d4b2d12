/* SPDX-License-Identifier: MIT */
/*
 * panic.h - assertions and panic.
 *
 * ASSERT is always on and cheap; DASSERT is for debug builds and may be expensive.  Input from a
 * user, a device or the firmware must never reach either.
 *
 * Start-up code sets what a panic does after its message (halt, exit code, monitor); tests set a
 * handler that returns to the test, so that misuse can be tested.
 */
#pragma once

#include <stdarg.h>

#include "lib/types.h"

/* Prints the message, then calls the handler; if it returns, or there is none, loops for ever. */
void panic(const char *format, ...) __printf(1, 2) __noreturn __cold;

/* Sets the function that is called with the bare message after it was printed.  NULL: loop for
 * ever. */
typedef void (*panic_handler_t)(const char *message);
panic_handler_t panic_set_handler(panic_handler_t handler);

#define ASSERT(x) ((x) ? (void)0 : panic("assertion failed: %s, %s:%d", #x, __FILE__, __LINE__))

#ifdef KEEL_DEBUG
#define DASSERT(x) ASSERT(x)
#else
#define DASSERT(x) ((void)sizeof(x))
#endif
