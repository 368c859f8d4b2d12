/* SPDX-License-Identifier: MIT */
/*
 * topology.h - the CPUs and interrupt controllers that the firmware's MADT offers, as plain arrays.
 *
 * A MADT may list a CPU twice (once as APIC, once as x2APIC, or by mistake), list some that are
 * disabled, and more than keel can use: what comes out is each enabled CPU once (arch/x86_64/smp.h
 * relies on that), in the table's order, and a line for what was left out.  The 16 interrupts of
 * ISA arrive at the input of their own number unless an override says otherwise.
 *
 * Pure: bytes in, arrays out.  Source: ACPI 6.5, 5.2.12.
 */
#pragma once

#include "arch/arch.h"
#include "boot/acpi.h"

enum {
	TOPOLOGY_IOAPICS_MAX = 16,
	TOPOLOGY_ISA_LINES = 16,
};

struct topology_ioapic {
	uint64_t address; /* of its registers, physical */
	uint32_t gsi_base;
};

/* Where an ISA interrupt arrives. */
struct topology_isa {
	uint32_t gsi; /* global system interrupt: an input of all IOAPICs counted through */
	bool level, low;
};

struct topology {
	uint32_t apic_id[ARCH_MAX_CPUS];
	unsigned cpus;
	struct topology_ioapic ioapic[TOPOLOGY_IOAPICS_MAX];
	unsigned ioapics;
	struct topology_isa isa[TOPOLOGY_ISA_LINES];
};

/* Never fails: `madt` may be NULL (there is none), and what makes no sense is warned about.  The
 * CPU with the identifier `own` is there in any case. */
void topology_read(const struct acpi_table *madt, uint32_t own, struct topology *t);
