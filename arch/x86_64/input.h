/* SPDX-License-Identifier: MIT */
/*
 * input.h - who is told when a byte came from the serial port or the keyboard.
 *
 * The handler of both interrupts reads nothing: it calls whoever listens, and that is enough.  The
 * wires are edges: a device raises its own with the first byte that waits and lowers it when the
 * last was read.  So whoever reads until there is nothing is called for the next byte, whether it
 * comes before or after he began to wait; and after a panic, without interrupts, the same reading
 * goes on by itself.  A wire that is a level would interrupt again and again until somebody read,
 * so it is not routed.
 *
 * Locking: none; the mode is set once, before anybody listens.
 */
#pragma once

#include "arch/arch.h"

/* Handles the interrupts of both; on any CPU. */
void input_came(void);

/* What arch_input_listen() answers; ARCH_INPUT_POLL until then. */
void input_set_mode(enum arch_input mode);
