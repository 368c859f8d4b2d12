/* SPDX-License-Identifier: MIT */
#include "drivers/clock/hpet.h"

#include "arch/arch.h"

enum {
	PERIOD_MAX_FS = 100000000,
};
#define FS_PER_S UINT64_C(1000000000000000)

static uint64_t hpet_read(const struct clock_counter *c)
{
	return arch_mmio_read32((const uint8_t __iomem *)c->registers + HPET_COUNTER);
}

err_t hpet_counter(void __iomem *registers, struct clock_counter *out)
{
	uint8_t __iomem *base = registers;
	uint32_t period = arch_mmio_read32(base + HPET_CAPABILITIES + sizeof(uint32_t));

	if (period == 0 || period > PERIOD_MAX_FS)
		return ERR_UNSUPPORTED;
	arch_mmio_write32(base + HPET_CONFIG,
			  arch_mmio_read32(base + HPET_CONFIG) | HPET_CONFIG_ENABLE);
	*out = (struct clock_counter){
		.name = "HPET",
		.read = hpet_read,
		.hz = FS_PER_S / period,
		.mask = UINT32_MAX,
		.registers = registers,
	};
	return OK;
}
