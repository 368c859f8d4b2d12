/* SPDX-License-Identifier: MIT */
/*
 * pm_timer.h - the ACPI power management timer: a counter at an I/O port.
 *
 * Source: ACPI 6.5, 4.8.3.3.
 */
#pragma once

#include "drivers/clock/counter.h"

/* The counter at `port`, 24 or 32 bits wide, as the FADT specifies.  ERR_NOT_FOUND: port is 0. */
err_t pm_timer_counter(uint16_t port, unsigned bits, struct clock_counter *out);
