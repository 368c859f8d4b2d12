/* SPDX-License-Identifier: MIT */
/*
 * uart.h - a 16550 UART at I/O ports, 115200 baud, 8N1.
 *
 * uart_init() detects by a loop-back byte whether the port exists; a machine without one is
 * common.  Output polls the transmitter and is bounded: a UART that never becomes ready costs
 * UART_SPINS reads a byte.  Input is polled too; uart_irq_enable() raises the interrupt with the
 * first byte that waits.  The receiver holds 16 bytes: an emulator throttles a faster sender, a
 * wire loses bytes.
 *
 * Locking: none.  The caller serializes output (drivers/tty/console.h); reads and writes touch
 * different registers and may run on two CPUs.  Any context.
 *
 * Source: National PC16550D; linux/serial_reg.h.
 */
#pragma once

#include "lib/err.h"
#include "lib/types.h"

enum {
	UART_COM1 = 0x3f8,
	UART_COM1_ISA_IRQ = 4,
	UART_PORTS = 8,
};

struct uart {
	uint16_t
		base; /* the first of UART_PORTS; 0: not initialised, reads and writes do nothing */
};

/* Set the UART at `base` up, interrupts disabled.  ERR_NOT_FOUND: no 16550 answers there. */
err_t uart_init(struct uart *u, uint16_t base);

/* Write n bytes; a newline goes out as carriage return and newline. */
void uart_write(struct uart *u, const char *bytes, size_t n);

/* The next byte received, or -1 at once. */
int uart_read(struct uart *u);

/* Interrupt on received bytes: register the handler before it is enabled. */
void uart_irq_enable(struct uart *u);
void uart_irq_disable(struct uart *u);
