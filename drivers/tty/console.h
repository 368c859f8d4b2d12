/* SPDX-License-Identifier: MIT */
/*
 * console.h - the console: output of print(), and input of keys.
 *
 *   print() -> log ring -> serial port, screen      serial port, keyboard -> keys
 *
 * Each of them may be missing.  Before the screen starts, the log ring keeps the output; the screen
 * then shows that first.  A screen is a framebuffer or VGA text; an invalid one is rejected with a
 * warning, and the other devices work without it.
 *
 * Locking: one lock with interrupts off around each piece of output, the innermost of all.  A CPU
 * that already holds it (a fault while printing) continues at once; so does one that has waited for
 * a second: the last messages of a kernel matter more than garbled lines.
 */
#pragma once

#include "boot/boot_info.h"
#include "lib/err.h"

/* A device with a byte stream.  A function is NULL if the device lacks it. */
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
	CONSOLE_INPUT_INTERRUPTS, /* console_input_came() is called for each first unread byte */
};
void console_set_input(enum console_input mode);

/* Interrupt handlers of the ports call it; it reads nothing.  The interrupt lines are
 * edge-triggered: a device raises its line with the first unread byte and lowers it when the last
 * was read, so a reader that empties the port gets another call for the next byte, whether that
 * comes before or after the reader waits.  Any context. */
void console_input_came(void);

/* Choose the screen that `b` describes; *memory is set to the range that must be mapped, writable
 * and preferably write-combining, to show it.  ERR_NOT_FOUND: b->address is 0.  ERR_BAD_FORMAT: it
 * is unusable; a warning gives the reason. */
err_t console_find_screen(const struct boot_framebuffer *b, struct prange *memory);

/* The chosen screen is mapped at `memory`: show the log so far, and all further output.  Called
 * again after console_hide_screen(): continue there; what the screen shows already is not redrawn.
 */
void console_show_screen(void *memory);

/* The screen's mapping ends: nothing is drawn until console_show_screen(). */
void console_hide_screen(void);

/* Show the last `lines` > 0 lines of the log, at most as many as it keeps.  Each begins with "| ",
 * so that no script takes an old prompt for a new one; none is logged again.  Threads, and the
 * monitor after a panic. */
void console_show_log(uint64_t lines);

/* The maximum width of a line that all outputs can show. */
unsigned console_columns(void);

/* The next key of any source (drivers/input/keys.h), or KEY_NONE at once: none is pending. */
int console_key(void);

/* The next key of any source.  One thread at a time waits; it sleeps if interrupts signal keys.
 * After a panic, with interrupts off, it polls. */
int console_wait_key(void);

/* Ticks spent in output so far: the measurement of start-up excludes them. */
uint64_t console_ticks(void);
