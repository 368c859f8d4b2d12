/* SPDX-License-Identifier: MIT */
#include "arch/x86_64/keyboard.h"

#include "arch/arch.h"
#include "lib/print.h"

enum {
	PORT_DATA = 0x60,
	PORT_STATUS = 0x64,
	PORT_COMMAND = 0x64,

	STATUS_OUTPUT_FULL = 1 << 0, /* a byte for us */
	STATUS_INPUT_FULL = 1 << 1,  /* our last byte was not taken yet */
	STATUS_MOUSE = 1 << 5,       /* the byte for us is a mouse's */
	STATUS_NOBODY = 0xff,        /* what a bus without a device reads */

	COMMAND_READ_CONFIG = 0x20,
	COMMAND_WRITE_CONFIG = 0x60,
	COMMAND_MOUSE_OFF = 0xa7,
	COMMAND_KEYBOARD_OFF = 0xad,
	COMMAND_KEYBOARD_ON = 0xae,

	CONFIG_KEYBOARD_INTERRUPT = 1 << 0,
	CONFIG_MOUSE_INTERRUPT = 1 << 1,
	CONFIG_KEYBOARD_CLOCK_OFF = 1 << 4,
	CONFIG_TRANSLATE = 1 << 6, /* to scan code set 1 */

	KEYBOARD_ENABLE = 0xf4,

	WAIT_MS = 100,
	DRAIN_BYTES_MAX = 64, /* the controller and the keyboard hold fewer */
};

static bool present;

/* Wait until the status has `bits` as in `want`. */
static err_t wait_status(uint8_t bits, uint8_t want)
{
	uint64_t start = arch_ticks();

	while ((inb(PORT_STATUS) & bits) != want) {
		if (arch_ticks() - start > WAIT_MS * arch_ticks_per_ms())
			return ERR_TIMEOUT;
		arch_relax();
	}
	return OK;
}

static err_t send(uint16_t port, uint8_t byte)
{
	err_t err = wait_status(STATUS_INPUT_FULL, 0);

	if (err == OK)
		outb(port, byte);
	return err;
}

static err_t receive(uint8_t *byte)
{
	err_t err = wait_status(STATUS_OUTPUT_FULL, STATUS_OUTPUT_FULL);

	if (err == OK)
		*byte = inb(PORT_DATA);
	return err;
}

static err_t drain(void)
{
	for (unsigned i = 0; i < DRAIN_BYTES_MAX; i++) {
		if ((inb(PORT_STATUS) & STATUS_OUTPUT_FULL) == 0)
			return OK;
		(void)inb(PORT_DATA);
	}
	return ERR_BUSY;
}

static err_t configure(enum keyboard_mode mode)
{
	uint8_t config = 0;
	err_t err = send(PORT_COMMAND, COMMAND_READ_CONFIG);

	if (err == OK)
		err = receive(&config);
	if (err != OK)
		return err;
	config &= (uint8_t) ~(CONFIG_KEYBOARD_INTERRUPT | CONFIG_MOUSE_INTERRUPT |
			      CONFIG_KEYBOARD_CLOCK_OFF);
	config |= CONFIG_TRANSLATE;
	if (mode == KEYBOARD_INTERRUPTS)
		config |= CONFIG_KEYBOARD_INTERRUPT;
	err = send(PORT_COMMAND, COMMAND_WRITE_CONFIG);
	return err == OK ? send(PORT_DATA, config) : err;
}

/* The keyboard's acknowledgement is left to arch_keyboard_read(): as a scan code it is the
 * release of a key that no keyboard has. */
static err_t start(enum keyboard_mode mode)
{
	err_t err = send(PORT_COMMAND, COMMAND_KEYBOARD_OFF);

	if (err == OK)
		err = send(PORT_COMMAND, COMMAND_MOUSE_OFF);
	if (err == OK)
		err = drain();
	if (err == OK)
		err = configure(mode);
	if (err == OK)
		err = send(PORT_COMMAND, COMMAND_KEYBOARD_ON);
	return err == OK ? send(PORT_DATA, KEYBOARD_ENABLE) : err;
}

void keyboard_init(enum keyboard_mode mode)
{
	err_t err;

	if (inb(PORT_STATUS) == STATUS_NOBODY)
		return;
	err = start(mode);
	present = err == OK;
	if (!present)
		warn("no keyboard: its controller says %s", err_name(err));
}

int arch_keyboard_read(void)
{
	if (!present)
		return -1;
	for (unsigned i = 0; i < DRAIN_BYTES_MAX; i++) {
		uint8_t status = inb(PORT_STATUS), byte;

		if ((status & STATUS_OUTPUT_FULL) == 0)
			break;
		byte = inb(PORT_DATA);
		if ((status & STATUS_MOUSE) == 0)
			return byte;
	}
	return -1;
}
