/* SPDX-License-Identifier: MIT */
/*
 * panic.h - what happens when a contract inside the kernel is broken.
 *
 * ASSERT is always on and cheap; DASSERT is for debug builds and may cost anything.
 * Neither is ever reached by what a user, a device or the firmware supplies.
 *
 * The composition root says what a panic does after its message (halt, exit code,
 * monitor); tests say that it returns to them, so that misuse can be tested.
 */
#pragma once

#include <stdarg.h>

#include "lib/types.h"

/* Print the message, then run the handler; a handler that returns, or none, ends in a loop. */
void panic(const char *format, ...) __printf(1, 2) __noreturn __cold;

/* Called after the message with the bare message.  NULL: loop for ever. */
typedef void (*panic_handler_t)(const char *message);
panic_handler_t panic_set_handler(panic_handler_t handler);

#define ASSERT(x) ((x) ? (void)0 : panic("assertion failed: %s, %s:%d", #x, __FILE__, __LINE__))

#ifdef KEEL_DEBUG
#define DASSERT(x) ASSERT(x)
#else
#define DASSERT(x) ((void)sizeof(x))
#endif
