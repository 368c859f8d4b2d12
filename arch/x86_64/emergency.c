/* SPDX-License-Identifier: MIT */
/* emergency.c - arch_console_write(): COM1, as firmware or the driver left it, polled. */
#include <linux/serial_reg.h>

#include "arch/arch.h"

enum {
	COM1 = 0x3f8,
	SPINS = 100000, /* reads of the status for one byte; a port that is missing reads as ready
			 */
};

void arch_console_write(const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (unsigned spin = 0; spin < SPINS; spin++)
			if ((inb(COM1 + UART_LSR) & UART_LSR_THRE) != 0)
				break;
		outb(COM1 + UART_TX, (uint8_t)bytes[i]);
	}
}
