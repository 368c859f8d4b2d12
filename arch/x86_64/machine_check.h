/* SPDX-License-Identifier: MIT */
/*
 * machine_check.h - machine checks: errors that the hardware reports about itself.
 *
 * A CPU has banks of registers, one for each unit that detects errors: status, address and more.
 * Without CR4.MCE a machine check stops the machine silently.
 *
 * Sources: SDM 3B 16.3 (registers), 16.8 (start), 16.9 (error codes).
 */
#pragma once

#include "lib/types.h"

/* On each CPU, after its trap set-up: enable all errors, and print those from before the boot. */
void machine_check_enable(void);

/* Describe each bank that holds an error, and clear it.  Returns their number. */
unsigned machine_check_print(void);

/* The text for one status register: "uncorrected, context lost, data cache level 1 read, ..." */
void machine_check_words(uint64_t status, char *text, size_t size);
