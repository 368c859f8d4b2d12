/* SPDX-License-Identifier: MIT */
/* irq_report.h - the monitor's `irqs`: interrupts by vector and CPU, and the lines of devices. */
#pragma once

/* The name of what handles `vector` < ARCH_VECTORS on `cpu`: the machine's handler, the first
 * handler of a device's line (kern/irq.h), or "device" or "no handler" if there is none now.  Never
 * NULL; the text stays.  Takes the locks of lines. */
const char *irq_handler_name(unsigned cpu, unsigned vector);
