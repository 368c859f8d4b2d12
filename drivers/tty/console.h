/* SPDX-License-Identifier: MIT */
/*
 * console.h - where print() goes and where keys come from.
 *
 *   print() -> log ring -> serial port, screen      serial port, keyboard -> keys
 *
 * Each of them may be missing.  Before there is a screen the log ring keeps what was said; when it
 * appears, it shows that first.  A screen is a framebuffer or VGA text; one that makes no sense is
 * refused in one line, and the rest goes on.
 *
 * Locking: one lock with interrupts off around each piece of output, the innermost of all.  A CPU
 * that holds it already (a fault while printing) goes on at once, one that waits for longer than
 * a second goes on, too: the last words of a kernel matter more than a mixed-up line.
 */
#pragma once

#include "boot/boot_info.h"
#include "lib/err.h"

/* From now on print() goes to the log and to the serial port.  Before the first print. */
void console_init(void);

/* Choose the screen that `b` describes, and say in *memory what must be mapped, writable and best
 * write-combining, to show it.  ERR_NOT_FOUND: b->address is 0.  ERR_BAD_FORMAT: a warning has
 * said why it cannot be used. */
err_t console_find_screen(const struct boot_framebuffer *b, struct prange *memory);

/* The chosen screen is mapped at `memory`: show on it what was said so far, and all that comes.
 * Again, after its mapping went away: go on there; what it shows already is not redrawn. */
void console_show_screen(void *memory);

/* The mapping of the screen goes away: nothing is drawn until console_show_screen(). */
void console_hide_screen(void);

/* As wide as lines can be on all that shows them. */
unsigned console_columns(void);

/* The next key of any source (drivers/input/keys.h), or KEY_NONE at once: nothing more has come. */
int console_key(void);

/* The next key of any source.  One thread at a time waits, and sleeps meanwhile where interrupts
 * tell of keys; after a panic, with interrupts off, it looks all the time. */
int console_wait_key(void);

/* Ticks spent in output so far: start-up is measured without them. */
uint64_t console_ticks(void);
