/* SPDX-License-Identifier: MIT */
/*
 * ioapic.h - device interrupts by wire: the IOAPICs, and who handles what arrives at them.
 *
 * All inputs of all IOAPICs are counted through: a global system interrupt (GSI) is base plus
 * input. An IOAPIC starts with every input masked.  ioapic_route() gives an input a vector, a CPU
 * and its trigger mode, and unmasks it; the handler is there before.
 *
 * Locking: a spinlock over the register pair of each.  Source: Intel 82093AA; ACPI 6.5 5.2.12.3.
 */
#pragma once

#include "lib/err.h"
#include "lib/types.h"

enum {
	IOAPIC_BYTES = 0x20, /* of registers */
	IOAPICS_MAX = 16,
};

/* What the wire says, as bits. */
enum ioapic_wire {
	IOAPIC_EDGE_HIGH = 0,
	IOAPIC_LOW = 1 << 13,   /* polarity */
	IOAPIC_LEVEL = 1 << 15, /* trigger mode */
};

/* Registers mapped uncached; inputs are masked.  ERR_NOT_FOUND: nothing answers there.
 * ERR_NO_MEMORY: more than IOAPICS_MAX. */
err_t ioapic_add(void *registers, uint32_t gsi_base);

/* Run `handler` on every interrupt of the GSI, on the CPU whose local APIC has that identifier,
 * with interrupts off, before the end of the interrupt.  ERR_NOT_FOUND: no IOAPIC has that GSI.
 * ERR_NO_MEMORY: no vector is left.  ERR_IN_USE: it has a handler already. */
err_t ioapic_route(uint32_t gsi, unsigned wire, uint32_t apic, const char *name,
		   void (*handler)(void));

/* Inputs of all IOAPICs together. */
unsigned ioapic_inputs(void);
