/* SPDX-License-Identifier: MIT */
/* devices.c - interrupt controllers, and the devices that firmware describes. */
#include "arch/x86_64/ioapic.h"
#include "boot/start/start.h"
#include "lib/print.h"

void start_interrupt_controllers(void)
{
	for (unsigned i = 0; i < start_state.topology.ioapics; i++) {
		const struct topology_ioapic *io = &start_state.topology.ioapic[i];
		void *registers = start_map_registers(io->address, IOAPIC_BYTES, "IOAPIC");

		if (registers != NULL && ioapic_add((void __iomem *)registers, io->gsi_base) != OK)
			warn("the MADT has an IOAPIC at %#lx, but nothing answers there",
			     io->address);
	}
}
