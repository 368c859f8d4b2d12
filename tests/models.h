/* SPDX-License-Identifier: MIT */
/*
 * models.h - register models of PC devices for host tests (arch/host/device.h).
 *
 * Each model checks what it can of its driver's manners: widths, and registers that do not exist.
 * `faults` counts breaches; a test checks that it is 0.
 */
#pragma once

#include "arch/host/device.h"

/* A 16550 (drivers/tty/uart.h). */
struct model_uart {
	struct host_device device;
	uint8_t ier, lcr, mcr, divisor[2];
	uint8_t received[64]; /* what the driver can read, from `first` to `last` */
	unsigned first, last;
	char sent[256]; /* what it has written */
	unsigned n_sent, faults;
	unsigned busy; /* reads of the status before the transmitter is ready again */
	unsigned busy_left;
};
void model_uart_attach(struct model_uart *u, uint16_t base);
void model_uart_receive(struct model_uart *u, uint8_t byte);

/* An i8042 (drivers/input/i8042.h). */
enum model_i8042_mood {
	I8042_WORKS,
	I8042_DEAF,  /* never takes a byte */
	I8042_MUTE,  /* takes bytes and never answers */
	I8042_NOISY, /* always has a byte */
};
struct model_i8042 {
	struct host_device data, command;
	enum model_i8042_mood mood;
	uint8_t config, pending; /* a command whose data byte comes next */
	uint8_t output[64], mouse[64];
	unsigned first, last, faults;
	bool keyboard_on, enabled; /* by the controller, in the keyboard */
};
void model_i8042_attach(struct model_i8042 *k);
void model_i8042_type(struct model_i8042 *k, uint8_t code, uint8_t from_mouse);

/* A counter that advances with arch_ticks(), or stands still. */
struct model_counter {
	struct host_device device;
	uint64_t hz, period_fs;
	bool stopped;
	unsigned faults, reads;
	uint64_t config, timer_config; /* HPET; a comparator is reached at once */
	bool comparator_is_set;
	uint8_t gate, latched[2], to_read, control; /* PIT */
};
void model_hpet_attach(struct model_counter *c, uint64_t pa, uint32_t period_fs);
void model_pm_timer_attach(struct model_counter *c, uint16_t port);
struct model_pit {
	struct model_counter counter; /* ports 0x42 and 0x43 */
	struct host_device gate_port; /* port 0x61 */
};
void model_pit_attach(struct model_pit *p);
