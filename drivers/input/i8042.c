/* SPDX-License-Identifier: MIT */
#include "drivers/input/i8042.h"

#include "arch/arch.h"

enum {
	STATUS_OUTPUT_FULL = 1 << 0, /* a byte to read */
	STATUS_INPUT_FULL = 1 << 1,  /* the controller has not read the last byte written */
	STATUS_MOUSE = 1 << 5,       /* the byte to read is from the mouse */
	STATUS_NOT_THERE = 0xff,     /* a bus without a device reads all ones */

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
	OUTPUT_BYTES_MAX = 64, /* controller and keyboard buffer fewer */
};

/* Wait until the bits of the status are as in `want`. */
static err_t i8042_wait(uint8_t bits, uint8_t want)
{
	uint64_t start = arch_ticks();

	while ((arch_port_read8(I8042_STATUS) & bits) != want) {
		if (arch_ticks() - start > WAIT_MS * arch_ticks_per_ms())
			return ERR_TIMED_OUT;
		arch_relax();
	}
	return OK;
}

static err_t i8042_send(uint16_t port, uint8_t byte)
{
	err_t err = i8042_wait(STATUS_INPUT_FULL, 0);

	if (err == OK)
		arch_port_write8(port, byte);
	return err;
}

static err_t i8042_receive(uint8_t *byte)
{
	err_t err = i8042_wait(STATUS_OUTPUT_FULL, STATUS_OUTPUT_FULL);

	if (err == OK)
		*byte = arch_port_read8(I8042_DATA);
	return err;
}

static err_t i8042_discard_output(void)
{
	for (unsigned i = 0; i < OUTPUT_BYTES_MAX; i++) {
		if ((arch_port_read8(I8042_STATUS) & STATUS_OUTPUT_FULL) == 0)
			return OK;
		(void)arch_port_read8(I8042_DATA);
	}
	return ERR_BUSY;
}

static err_t i8042_configure(enum i8042_mode mode)
{
	uint8_t config = 0;
	err_t err = i8042_send(I8042_COMMAND, COMMAND_READ_CONFIG);

	if (err == OK)
		err = i8042_receive(&config);
	if (err != OK)
		return err;
	config &= (uint8_t) ~(CONFIG_KEYBOARD_INTERRUPT | CONFIG_MOUSE_INTERRUPT |
			      CONFIG_KEYBOARD_CLOCK_OFF);
	config |= CONFIG_TRANSLATE;
	if (mode == I8042_INTERRUPTS)
		config |= CONFIG_KEYBOARD_INTERRUPT;
	err = i8042_send(I8042_COMMAND, COMMAND_WRITE_CONFIG);
	return err == OK ? i8042_send(I8042_DATA, config) : err;
}

/* The keyboard's acknowledgement stays for i8042_read(): as a scan code it releases a key that no
 * keyboard has. */
static err_t i8042_start(enum i8042_mode mode)
{
	err_t err = i8042_send(I8042_COMMAND, COMMAND_KEYBOARD_OFF);

	if (err == OK)
		err = i8042_send(I8042_COMMAND, COMMAND_MOUSE_OFF);
	if (err == OK)
		err = i8042_discard_output();
	if (err == OK)
		err = i8042_configure(mode);
	if (err == OK)
		err = i8042_send(I8042_COMMAND, COMMAND_KEYBOARD_ON);
	return err == OK ? i8042_send(I8042_DATA, KEYBOARD_ENABLE) : err;
}

err_t i8042_init(struct i8042 *k, enum i8042_mode mode)
{
	err_t err;

	k->present = false;
	if (arch_port_read8(I8042_STATUS) == STATUS_NOT_THERE)
		return ERR_NOT_FOUND;
	err = i8042_start(mode);
	k->present = err == OK;
	return err;
}

int i8042_read(struct i8042 *k)
{
	if (!k->present)
		return -1;
	for (unsigned i = 0; i < OUTPUT_BYTES_MAX; i++) {
		uint8_t status = arch_port_read8(I8042_STATUS), byte;

		if ((status & STATUS_OUTPUT_FULL) == 0)
			break;
		byte = arch_port_read8(I8042_DATA);
		if ((status & STATUS_MOUSE) == 0)
			return byte;
	}
	return -1;
}
