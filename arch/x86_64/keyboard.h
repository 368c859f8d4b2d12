/* SPDX-License-Identifier: MIT */
/*
 * keyboard.h - the i8042 keyboard controller.
 *
 * As little is asked of it as will do: scan code set 1, keyboard enabled, and its interrupt where
 * that is routed (arch/x86_64/input.h); the byte itself is polled for.  On
 * many machines a USB keyboard is behind it, played by firmware that knows no more than the
 * commands that every system has always sent; a self test or a reset of the keyboard is not among
 * them.  Bytes of a mouse are dropped.  Every wait is bounded: no controller, one that never
 * answers and one that always has something to say are survived, without a keyboard.
 *
 * Source: IBM PS/2 hardware interface technical reference, "Keyboard and auxiliary device
 * controller".
 */
#pragma once

enum {
	KEYBOARD_ISA_LINE = 1,
};

enum keyboard_mode {
	KEYBOARD_POLLED,
	KEYBOARD_INTERRUPTS, /* whose handler is there */
};

/* Find out whether there is one, and set it up.  Not where the FADT says that there is none
 * (ACPI 6.5, 5.2.9.3): on some machines the ports are something else.  After the clock. */
void keyboard_init(enum keyboard_mode mode);
