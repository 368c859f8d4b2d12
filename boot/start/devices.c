/* SPDX-License-Identifier: MIT */
/* devices.c - interrupt controllers, and the devices that firmware describes. */
#include "arch/x86_64/ioapic.h"
#include "boot/start/start.h"
#include "drivers/clock/hpet.h"
#include "drivers/device.h"
#include "lib/bits.h"
#include "lib/print.h"
#include "mm/kspace/kspace.h"

void start_interrupt_controllers(void)
{
	for (unsigned i = 0; i < start_state.topology.ioapics; i++) {
		const struct topology_ioapic *io = &start_state.topology.ioapic[i];
		void *registers = start_map_registers(io->address, IOAPIC_BYTES, "IOAPIC");

		if (registers != NULL && ioapic_add((void __iomem *)registers, io->gsi_base) != OK)
			warn("the MADT has an IOAPIC at %#lx, but none answers there", io->address);
	}
}

/* ---- devices of the platform bus ---- */

/* GSIs that timer 0 can be routed to, a bitmap; 0: none. */
static uint32_t hpet_routes(uint64_t pa)
{
	void *registers = start_map_registers(pa, HPET_BYTES, "HPET");
	uint64_t config;

	if (registers == NULL)
		return 0;
	config = arch_mmio_read64((uint8_t __iomem *)registers + HPET_TIMER_CONFIG);
	kspace_unmap_mmio(registers);
	return (uint32_t)(config >> HPET_TIMER_ROUTES_SHIFT);
}

static void add_hpet(void)
{
	static struct device device = { .name = "hpet0", .id = HPET_ID };
	const struct acpi_table *t = acpi_find(&start_state.acpi, ACPI_HPET);
	struct acpi_hpet hpet;
	uint32_t routes;

	if (t == NULL || acpi_hpet_read(t, &hpet) != OK || hpet.base.space != ACPI_SPACE_MEMORY)
		return;
	device.address = hpet.base.address;
	device.resource[device.resources++] = (struct resource){ .kind = RESOURCE_MEMORY,
								 .start = hpet.base.address,
								 .len = HPET_BYTES };
	routes = hpet_routes(hpet.base.address);
	if (routes != 0) /* the highest: the low ones are ISA's */
		device.resource[device.resources++] = (struct resource){ .kind = RESOURCE_WIRE,
									 .start = bits_log2(routes),
									 .trigger = IRQ_EDGE_HIGH };
	if (bus_add_device(&platform_bus, &device) != OK)
		warn("HPET at %#lx: the address is taken", device.address);
}

void start_devices(void)
{
	add_hpet();
}
