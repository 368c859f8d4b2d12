/* SPDX-License-Identifier: MIT */
/*
 * ioapic.h - the IOAPICs: wired interrupts (arch_irq_route() and related functions of arch/arch.h).
 *
 * All inputs of all IOAPICs are numbered: a global system interrupt (GSI) is base plus input. Every
 * input starts masked.
 *
 * Locking: a spinlock over the register pairs.  Source: Intel 82093AA; ACPI 6.5 5.2.12.3.
 */
#pragma once

#include "lib/err.h"
#include "lib/types.h"

enum {
	IOAPIC_BYTES = 0x20, /* of registers */
	IOAPICS_MAX = 16,
};

/* Registers mapped uncached; inputs are masked.  ERR_NOT_FOUND: no IOAPIC answers there.
 * ERR_NO_MEMORY: more than IOAPICS_MAX. */
err_t ioapic_add(void __iomem *registers, uint32_t gsi_base);

/* Inputs of all IOAPICs together. */
unsigned ioapic_inputs(void);
