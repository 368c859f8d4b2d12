/* SPDX-License-Identifier: MIT */
/*
 * machine_check.h - what the hardware says about its own errors.
 *
 * A CPU has banks of registers, one for each part that can notice an error: status, address and
 * more.  Without CR4.MCE a machine check stops the machine without a word.
 *
 * Sources: SDM 3B 16.3 (registers), 16.8 (start), 16.9 (error codes).
 */
#pragma once

#include "lib/types.h"

/* Each CPU, once its exceptions are handled: enable all errors, and print what firmware left. */
void machine_check_enable(void);

/* Print each bank that holds an error, in words, and clear it.  Returns how many there were. */
unsigned machine_check_print(void);

/* One status register in words: "uncorrected, context lost, data cache level 1 read, ..." */
void machine_check_words(uint64_t status, char *text, size_t size);
