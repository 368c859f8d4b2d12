/* SPDX-License-Identifier: MIT */
#include "drivers/tty/uart.h"

#include <linux/serial_reg.h>

#include "arch/arch.h"

enum {
	DIVISOR_115200 = 1,
	LOOP_BYTE = 0xae,
	UART_SPINS = 100000, /* reads of the status for one byte, which takes 87 us at this speed */
	IER_NONE = 0,
};

static uint8_t uart_get(const struct uart *u, unsigned reg)
{
	return arch_port_read8((uint16_t)(u->base + reg));
}

static void uart_set(const struct uart *u, unsigned reg, uint8_t v)
{
	arch_port_write8((uint16_t)(u->base + reg), v);
}

err_t uart_init(struct uart *u, uint16_t base)
{
	bool looped;

	u->base = base;
	uart_set(u, UART_IER, IER_NONE);
	uart_set(u, UART_LCR, UART_LCR_DLAB);
	uart_set(u, UART_DLL, DIVISOR_115200);
	uart_set(u, UART_DLM, 0);
	uart_set(u, UART_LCR, UART_LCR_WLEN8);
	uart_set(u, UART_FCR,
		 UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR | UART_FCR_CLEAR_XMIT |
			 UART_FCR_TRIGGER_1);
	uart_set(u, UART_MCR, UART_MCR_LOOP | UART_MCR_RTS | UART_MCR_OUT2);
	uart_set(u, UART_TX, LOOP_BYTE);
	looped = uart_get(u, UART_RX) == LOOP_BYTE;
	uart_set(u, UART_MCR, UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2);
	if (!looped)
		u->base = 0;
	return looped ? OK : ERR_NOT_FOUND;
}

void uart_irq_enable(struct uart *u)
{
	if (u->base != 0)
		uart_set(u, UART_IER, UART_IER_RDI);
}

void uart_irq_disable(struct uart *u)
{
	if (u->base != 0)
		uart_set(u, UART_IER, IER_NONE);
}

static void uart_put(const struct uart *u, char c)
{
	for (unsigned i = 0; i < UART_SPINS; i++) {
		if (uart_get(u, UART_LSR) & UART_LSR_THRE)
			break;
		arch_relax();
	}
	uart_set(u, UART_TX, (uint8_t)c);
}

void uart_write(struct uart *u, const char *bytes, size_t n)
{
	if (u->base == 0)
		return;
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] == '\n')
			uart_put(u, '\r');
		uart_put(u, bytes[i]);
	}
}

int uart_read(struct uart *u)
{
	if (u->base == 0 || !(uart_get(u, UART_LSR) & UART_LSR_DR))
		return -1;
	return uart_get(u, UART_RX);
}
