/* SPDX-License-Identifier: MIT */
#include "drivers/clock/pm_timer.h"

#include "arch/arch.h"

enum {
	PM_TIMER_HZ = 3579545,
	PM_TIMER_WIDE = 32,
	PM_TIMER_MASK_24 = 0xffffff,
};

static uint64_t pm_timer_read(const struct clock_counter *c)
{
	return arch_port_read32(c->port);
}

err_t pm_timer_counter(uint16_t port, unsigned bits, struct clock_counter *out)
{
	if (port == 0)
		return ERR_NOT_FOUND;
	*out = (struct clock_counter){
		.name = "ACPI PM timer",
		.read = pm_timer_read,
		.hz = PM_TIMER_HZ,
		.mask = bits == PM_TIMER_WIDE ? UINT32_MAX : PM_TIMER_MASK_24,
		.port = port,
	};
	return OK;
}
