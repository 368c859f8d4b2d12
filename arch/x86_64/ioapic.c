/* SPDX-License-Identifier: MIT */
#include "arch/x86_64/ioapic.h"

#include "kern/lock.h"
#include "arch/x86_64/apic.h"
#include "arch/x86_64/smp.h"

enum {
	SELECT = 0x00,
	WINDOW = 0x10,

	REG_VERSION = 0x01,
	REG_ENTRY = 0x10, /* of input 0, low half; two registers each */
	VERSION_INPUTS_SHIFT = 16,
	VERSION_INPUTS_MASK = 0xff,
	ENTRY_LOW_ACTIVE = 1 << 13,
	ENTRY_LEVEL = 1 << 15,
	ENTRY_MASKED = 1 << 16,
	ENTRY_DESTINATION_SHIFT = 24,
	DESTINATION_MAX = 0xfe,
};
#define NOTHING_THERE UINT32_MAX

struct ioapic {
	uint8_t __iomem *registers;
	uint32_t gsi_base, inputs;
};

LOCK_CLASS(ioapic_class, "IOAPICs", RANK_IOAPIC);
static struct spinlock lock = SPINLOCK_INIT(&ioapic_class);
static struct ioapic ioapics[IOAPICS_MAX]; /* (l) */
static unsigned count;                     /* (l) */

static uint32_t ioapic_read(const struct ioapic *io, uint32_t reg)
{
	arch_mmio_write32(io->registers + SELECT, reg);
	return arch_mmio_read32(io->registers + WINDOW);
}

static void ioapic_write(const struct ioapic *io, uint32_t reg, uint32_t v)
{
	arch_mmio_write32(io->registers + SELECT, reg);
	arch_mmio_write32(io->registers + WINDOW, v);
}

static void ioapic_write_entry(const struct ioapic *io, uint32_t input, uint32_t low, uint32_t high)
{
	uint32_t reg = REG_ENTRY + 2 * input;

	/* masked while only one half is written */
	ioapic_write(io, reg, ENTRY_MASKED);
	ioapic_write(io, reg + 1, high);
	ioapic_write(io, reg, low);
}

err_t ioapic_add(void __iomem *registers, uint32_t gsi_base)
{
	struct ioapic io = { registers, gsi_base, 0 };
	uint32_t version = ioapic_read(&io, REG_VERSION);
	uintptr_t irq;
	err_t err = OK;

	if (version == NOTHING_THERE || version == 0)
		return ERR_NOT_FOUND;
	io.inputs = (version >> VERSION_INPUTS_SHIFT & VERSION_INPUTS_MASK) + 1;
	irq = spin_lock_irq(&lock);
	if (count == IOAPICS_MAX)
		err = ERR_NO_MEMORY;
	for (uint32_t i = 0; err == OK && i < io.inputs; i++)
		ioapic_write_entry(&io, i, ENTRY_MASKED, 0);
	if (err == OK)
		ioapics[count++] = io;
	spin_unlock_irq(&lock, irq);
	return err;
}

unsigned ioapic_inputs(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++)
		n += ioapics[i].inputs;
	return n;
}

/* ---- the seam ---- */

static const struct ioapic *ioapic_of(uint32_t gsi) __requires(lock)
{
	for (unsigned i = 0; i < count; i++)
		if (gsi - ioapics[i].gsi_base < ioapics[i].inputs)
			return &ioapics[i];
	return NULL;
}

static uint32_t trigger_bits(enum irq_trigger trigger)
{
	switch (trigger) {
	case IRQ_EDGE_HIGH: return 0;
	case IRQ_EDGE_LOW: return ENTRY_LOW_ACTIVE;
	case IRQ_LEVEL_HIGH: return ENTRY_LEVEL;
	case IRQ_LEVEL_LOW: return ENTRY_LEVEL | ENTRY_LOW_ACTIVE;
	}
	return 0;
}

err_t arch_irq_route(uint32_t gsi, enum irq_trigger trigger, unsigned cpu, unsigned vector)
{
	uint32_t apic = smp_apic_id(cpu);
	const struct ioapic *io;
	uintptr_t irq;

	if (apic > DESTINATION_MAX || !apic_is_usable())
		return ERR_NOT_FOUND;
	irq = spin_lock_irq(&lock);
	io = ioapic_of(gsi);
	if (io != NULL)
		ioapic_write_entry(io, gsi - io->gsi_base,
				   vector | trigger_bits(trigger) | ENTRY_MASKED,
				   apic << ENTRY_DESTINATION_SHIFT);
	spin_unlock_irq(&lock, irq);
	return io == NULL ? ERR_NOT_FOUND : OK;
}

/* Set or clear bits of the low half of an entry that is routed. */
static void ioapic_change(uint32_t gsi, uint32_t set, uint32_t clear)
{
	uintptr_t irq = spin_lock_irq(&lock);
	const struct ioapic *io = ioapic_of(gsi);
	uint32_t reg;

	if (io != NULL) {
		reg = REG_ENTRY + 2 * (gsi - io->gsi_base);
		ioapic_write(io, reg, (ioapic_read(io, reg) & ~clear) | set);
	}
	spin_unlock_irq(&lock, irq);
}

void arch_irq_unroute(uint32_t gsi)
{
	ioapic_change(gsi, ENTRY_MASKED, UINT32_MAX);
}

void arch_irq_mask(uint32_t gsi)
{
	ioapic_change(gsi, ENTRY_MASKED, 0);
}

void arch_irq_unmask(uint32_t gsi)
{
	ioapic_change(gsi, 0, ENTRY_MASKED);
}

/* SDM 3A 10.11: fixed delivery, physical destination, edge. */
err_t arch_msi_compose(unsigned cpu, unsigned vector, struct msi_message *out)
{
	enum {
		MSI_ADDRESS = 0xfee00000,
		MSI_DESTINATION_SHIFT = 12,
	};
	uint32_t apic = smp_apic_id(cpu);

	if (apic > DESTINATION_MAX || !apic_is_usable())
		return ERR_NOT_FOUND;
	*out = (struct msi_message){ MSI_ADDRESS | apic << MSI_DESTINATION_SHIFT, vector };
	return OK;
}
