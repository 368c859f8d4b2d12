/* SPDX-License-Identifier: MIT */
#include "arch/x86_64/serial.h"

#include <linux/serial_reg.h>

#include "arch/arch.h"

enum {
	COM1 = 0x3f8,
	DIVISOR_115200 = 1,
	LOOP_BYTE = 0xae,
	SPINS = 100000, /* a byte takes 87 us at this speed */
	INTERRUPTS_OFF = 0,
};

static bool present;

void serial_init(void)
{
	outb(COM1 + UART_IER, INTERRUPTS_OFF);
	outb(COM1 + UART_LCR, UART_LCR_DLAB);
	outb(COM1 + UART_DLL, DIVISOR_115200);
	outb(COM1 + UART_DLM, 0);
	outb(COM1 + UART_LCR, UART_LCR_WLEN8);
	outb(COM1 + UART_FCR,
	     UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR | UART_FCR_CLEAR_XMIT | UART_FCR_TRIGGER_1);
	outb(COM1 + UART_MCR, UART_MCR_LOOP | UART_MCR_RTS | UART_MCR_OUT2);
	outb(COM1 + UART_TX, LOOP_BYTE);
	present = inb(COM1 + UART_RX) == LOOP_BYTE;
	outb(COM1 + UART_MCR, UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2);
}

bool serial_is_present(void)
{
	return present;
}

void serial_interrupt_on(void)
{
	outb(COM1 + UART_IER, UART_IER_RDI);
}

static void serial_put(char c)
{
	for (unsigned i = 0; i < SPINS; i++) {
		if (inb(COM1 + UART_LSR) & UART_LSR_THRE)
			break;
		arch_relax();
	}
	outb(COM1 + UART_TX, (uint8_t)c);
}

void arch_console_write(const char *bytes, size_t n)
{
	if (!present)
		return;
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] == '\n')
			serial_put('\r');
		serial_put(bytes[i]);
	}
}

int arch_console_read(void)
{
	if (!present || !(inb(COM1 + UART_LSR) & UART_LSR_DR))
		return -1;
	return inb(COM1 + UART_RX);
}
