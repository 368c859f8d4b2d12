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

/* A device with a byte stream.  A function that is NULL: it has none of that. */
struct console_port {
	void (*write)(void *context, const char *bytes, size_t n);
	int (*read)(void *context); /* the next byte, or -1 at once */
	void *context;
};

/* From now on print() goes to the log.  Before the first print. */
void console_init(void);

/* Output goes to this serial port too, and keys come from it as terminal bytes; the log is not
 * repeated there.  The port stays. */
void console_set_serial(const struct console_port *port);

/* Keys come from this keyboard too, as scan codes of set 1. */
void console_set_keyboard(const struct console_port *port);

/* How console_wait_key() learns of input. */
enum console_input {
	CONSOLE_INPUT_POLL,       /* by polling without a pause: there are no timers */
	CONSOLE_INPUT_SLEEP,      /* by polling every 10 ms */
	CONSOLE_INPUT_INTERRUPTS, /* console_input_came() follows each first byte that waits */
};
void console_set_input(enum console_input mode);

/* Interrupt handlers of the ports call it; it reads nothing.  The interrupt lines are
 * edge-triggered: a device raises its line with the first byte that waits and lowers it when the
 * last was read, so a reader that reads until the port is empty gets another call for the next
 * byte, whether that comes before or after it waits.  Any context. */
void console_input_came(void);

/* Choose the screen that `b` describes, and say in *memory what must be mapped, writable and best
 * write-combining, to show it.  ERR_NOT_FOUND: b->address is 0.  ERR_BAD_FORMAT: a warning has
 * said why it cannot be used. */
err_t console_find_screen(const struct boot_framebuffer *b, struct prange *memory);

/* The chosen screen is mapped at `memory`: show on it what was said so far, and all that comes.
 * Again, after its mapping went away: go on there; what it shows already is not redrawn. */
void console_show_screen(void *memory);

/* The mapping of the screen goes away: nothing is drawn until console_show_screen(). */
void console_hide_screen(void);

/* Show the last `lines` > 0 lines of the log, at most as many as it keeps: each begins with "| ",
 * so that an old prompt is not taken for a new one, and none is logged again.  Threads, and the
 * monitor after a panic. */
void console_show_log(uint64_t lines);

/* As wide as lines can be on all that shows them. */
unsigned console_columns(void);

/* The next key of any source (drivers/input/keys.h), or KEY_NONE at once: nothing more has come. */
int console_key(void);

/* The next key of any source.  One thread at a time waits, and sleeps meanwhile where interrupts
 * tell of keys; after a panic, with interrupts off, it looks all the time. */
int console_wait_key(void);

/* Ticks spent in output so far: start-up is measured without them. */
uint64_t console_ticks(void);
