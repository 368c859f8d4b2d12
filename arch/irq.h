/* SPDX-License-Identifier: MIT */
/*
 * irq.h - device interrupts as plain data, between the machine and kern/irq.h.
 */
#pragma once

#include "lib/types.h"

/* How a wire signals: ACPI 6.5, 5.2.12.5 (MPS INTI flags). */
enum irq_trigger {
	IRQ_EDGE_HIGH, /* ISA */
	IRQ_EDGE_LOW,
	IRQ_LEVEL_HIGH,
	IRQ_LEVEL_LOW, /* PCI INTx */
};

static inline bool irq_is_level(enum irq_trigger t)
{
	return t == IRQ_LEVEL_HIGH || t == IRQ_LEVEL_LOW;
}

/* The address and the data that a device writes to interrupt (PCI 3.0, 6.8: MSI and MSI-X). */
struct msi_message {
	uint64_t address;
	uint32_t data;
};
