/* SPDX-License-Identifier: MIT */
/*
 * pit.h - channel 2 of the 8254 programmable interval timer, as a free-running 16-bit counter.
 *
 * Channel 2 drives the speaker and raises no interrupt.  It runs in mode 2 with the full divisor;
 * its count is latched and read in two bytes, so pit_counter() and the reads must not run on two
 * CPUs at once.
 *
 * Source: Intel 8254, control word and counter latch command; port 61h: IBM PC/AT technical
 * reference.
 */
#pragma once

#include "drivers/clock/counter.h"

/* Start channel 2, speaker off.  A machine without a PIT gets a counter that does not count. */
void pit_counter(struct clock_counter *out);
