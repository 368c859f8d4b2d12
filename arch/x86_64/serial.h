/* SPDX-License-Identifier: MIT */
/*
 * serial.h - COM1, a 16550 UART at 115200 baud, 8N1, polled.
 *
 * A machine without the port is common: the loop-back test at init finds out, and then
 * nothing is written and nothing is read.  Source: National PC16550D; linux/serial_reg.h.
 */
#pragma once

/* Find out whether the port is there, and set it up.  Before the first print. */
void serial_init(void);
