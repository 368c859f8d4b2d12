/* SPDX-License-Identifier: MIT */
/*
 * i8042.h - the i8042 keyboard controller.
 *
 * The driver programs the minimum: scan code set 1, keyboard enabled, and the interrupt when a
 * handler is registered; bytes are read by polling the output buffer.  On many machines firmware
 * emulates the controller for a USB keyboard and implements only the commands that every system
 * sends, so the driver sends no self test and no keyboard reset.  Bytes of a mouse are dropped.
 * Every wait is bounded: a controller that is missing, never answers, or always reports data leaves
 * the machine without a keyboard and nothing else.
 *
 * Locking: none; i8042_init() runs once, and one reader polls.  Any context after that.
 *
 * Source: IBM PS/2 hardware interface technical reference, "Keyboard and auxiliary device
 * controller".
 */
#pragma once

#include "lib/err.h"
#include "lib/types.h"

enum {
	I8042_ISA_IRQ = 1,
	I8042_DATA = 0x60,
	I8042_STATUS = 0x64, /* read */
	I8042_COMMAND = 0x64,
};

enum i8042_mode {
	I8042_POLLED,
	I8042_INTERRUPTS, /* the handler is registered */
};

struct i8042 {
	bool present;
};

/* Set the controller up.  Not to be called if the FADT reports none (ACPI 6.5, 5.2.9.3): on
 * some machines the ports belong to another device.  Needs a calibrated clock.  ERR_NOT_FOUND:
 * nothing answers.  ERR_TIMED_OUT, ERR_BUSY: the controller does not work, and is not used. */
err_t i8042_init(struct i8042 *k, enum i8042_mode mode);

/* The next scan code, or -1 at once. */
int i8042_read(struct i8042 *k);
