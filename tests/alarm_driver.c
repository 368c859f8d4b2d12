/* SPDX-License-Identifier: MIT */
#include "tests/alarm_driver.h"

#include "arch/arch.h"
#include "drivers/clock/hpet.h"
#include "lib/string.h"

_Atomic unsigned alarm_rings;

struct ringer {
	struct irq irq;
	uint8_t __iomem *registers;
	_Atomic unsigned *rings;
};
static struct ringer ringer;

static enum irq_result alarm_interrupt(void *context)
{
	struct ringer *a = context;

	(*a->rings)++;
	return IRQ_HANDLED;
}

static bool alarm_matches(const struct device *d)
{
	return strcmp(d->id, HPET_ID) == 0;
}

static err_t alarm_probe(struct device *d)
{
	void __iomem *registers;
	err_t err = device_map(d, 0, &registers);

	if (err != OK)
		return err;
	ringer.registers = registers;
	ringer.rings = &alarm_rings;
	d->driver_data = &ringer;
	err = device_request_irq(d, 1, &ringer.irq, alarm_interrupt, &ringer);
	if (err != OK)
		device_unmap(d, 0);
	return err;
}

static void alarm_remove(struct device *d)
{
	struct ringer *a = d->driver_data;

	arch_mmio_write64(a->registers + HPET_TIMER_CONFIG, 0);
	device_free_irq(d, 1);
	device_unmap(d, 0);
}

struct driver alarm_driver = {
	.name = "alarm",
	.matches = alarm_matches,
	.probe = alarm_probe,
	.remove = alarm_remove,
};

void alarm_set(struct device *d, uint64_t counts)
{
	struct ringer *a = d->driver_data;
	uint64_t gsi = d->resource[1].start;

	/* The comparator first: an emulator may take a write of 64 bits as two of 32, and a timer
	 * that is on would ring for the first half, too. */
	arch_mmio_write64(a->registers + HPET_TIMER_CONFIG, 0);
	arch_mmio_write64(a->registers + HPET_TIMER_COMPARATOR,
			  arch_mmio_read64(a->registers + HPET_COUNTER) + counts);
	arch_mmio_write64(a->registers + HPET_TIMER_CONFIG,
			  gsi << HPET_TIMER_ROUTE_SHIFT | HPET_TIMER_IRQ_ENABLE);
}
