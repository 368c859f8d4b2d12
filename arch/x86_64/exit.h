/* SPDX-License-Identifier: MIT */
/*
 * exit.h - power-off and reset: first ports of emulators, then the register that ACPI names, then a
 * halt with a line on the console.
 */
#pragma once

#include "lib/types.h"

/* The FADT's reset register when it is an I/O port (ACPI 6.5 4.8.3.6). */
struct exit_ports {
	uint16_t reset_port; /* 0: none */
	uint8_t reset_value;
};
void exit_init(const struct exit_ports *ports);
