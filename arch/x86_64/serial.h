/* SPDX-License-Identifier: MIT */
/*
 * serial.h - COM1, a 16550 UART at 115200 baud, 8N1.
 *
 * A machine without the port is common: the loop-back test at init finds out, and then
 * nothing is written and nothing is read.  Writing polls; reading does, too, and there is an
 * interrupt for the first of the bytes that wait (arch/x86_64/input.h).  The UART holds 16 of them;
 * whoever types faster than they are read is told to wait by an emulator, and loses bytes on
 * a wire.
 *
 * Source: National PC16550D; linux/serial_reg.h.
 */
#pragma once

#include "lib/types.h"

enum {
	SERIAL_ISA_LINE = 4, /* of COM1 */
};

/* Find out whether the port is there, and set it up.  Before the first print. */
void serial_init(void);

/* What serial_init() found. */
bool serial_is_present(void);

/* From now on bytes that wait raise its interrupt, whose handler is there. */
void serial_interrupt_on(void);
