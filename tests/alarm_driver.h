/* SPDX-License-Identifier: MIT */
/* alarm_driver.h - a driver in about thirty lines, for tests of drivers/device.h: timer 0 of an
 * HPET interrupts once.  It includes public headers alone. */
#pragma once

#include "drivers/device.h"

extern struct driver alarm_driver;
extern _Atomic unsigned alarm_rings;

/* Interrupt when the counter has gone on by `counts`. */
void alarm_set(struct device *d, uint64_t counts);
