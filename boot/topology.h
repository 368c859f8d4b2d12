/* SPDX-License-Identifier: MIT */
/*
 * topology.h - CPUs, IOAPICs and ISA interrupt routing, from the ACPI MADT.
 *
 * A MADT may list a CPU twice (as APIC and as x2APIC, or by mistake), disabled CPUs, and more CPUs
 * than keel supports.  The result has each enabled CPU once (arch/x86_64/smp.h relies on that), in
 * the order of the table; the CPUs left out are reported in a message.  Each of the 16 ISA IRQs is
 * routed to the GSI of the same number unless an interrupt source override changes that.
 *
 * Pure function of the table.  Source: ACPI 6.5, 5.2.12.
 */
#pragma once

#include "arch/arch.h"
#include "boot/acpi.h"

enum {
	TOPOLOGY_IOAPICS_MAX = 16,
	TOPOLOGY_ISA_LINES = 16,
};

struct topology_ioapic {
	uint64_t address; /* physical, of its registers */
	uint32_t gsi_base;
};

/* Routing of an ISA IRQ. */
struct topology_isa {
	uint32_t gsi; /* global system interrupt: IOAPIC inputs, numbered across all IOAPICs */
	bool level, low;
};

struct topology {
	uint32_t apic_id[ARCH_MAX_CPUS];
	unsigned cpus;
	struct topology_ioapic ioapic[TOPOLOGY_IOAPICS_MAX];
	unsigned ioapics;
	struct topology_isa isa[TOPOLOGY_ISA_LINES];
};

/* Never fails: `madt` may be NULL (no MADT), and invalid entries cause a warning.  The result
 * always contains the CPU with the APIC ID `own`. */
void topology_read(const struct acpi_table *madt, uint32_t own, struct topology *t);
