/* SPDX-License-Identifier: MIT */
#include "boot/topology.h"

#include "lib/print.h"

enum {
	APIC_ID_ALL = 0xff, /* xAPIC broadcast ID: never the ID of a CPU */
};

struct left_out {
	unsigned disabled, too_many;
};

static bool has_cpu(const struct topology *t, uint32_t apic)
{
	for (unsigned i = 0; i < t->cpus; i++)
		if (t->apic_id[i] == apic)
			return true;
	return false;
}

/* An entry with the broadcast ID is a placeholder for an absent CPU. */
static bool is_placeholder(const struct acpi_madt_entry *e)
{
	return e->cpu.apic_id == UINT32_MAX ||
	       (e->kind == ACPI_MADT_LAPIC && e->cpu.apic_id == APIC_ID_ALL);
}

static void add_cpu(struct topology *t, const struct acpi_madt_entry *e, struct left_out *left)
{
	if (!e->cpu.enabled || is_placeholder(e)) {
		left->disabled++;
	} else if (has_cpu(t, e->cpu.apic_id)) {
		warn("MADT: lists the CPU with APIC ID %u twice", e->cpu.apic_id);
	} else if (t->cpus == ARCH_MAX_CPUS) {
		left->too_many++;
	} else {
		t->apic_id[t->cpus++] = e->cpu.apic_id;
	}
}

static void add_ioapic(struct topology *t, const struct acpi_madt_entry *e)
{
	if (t->ioapics == TOPOLOGY_IOAPICS_MAX)
		warn("MADT: more than %d IOAPICs, the one at %#x is ignored", TOPOLOGY_IOAPICS_MAX,
		     e->ioapic.address);
	else
		t->ioapic[t->ioapics++] = (struct topology_ioapic){ e->ioapic.address,
								    e->ioapic.gsi_base };
}

static void add_override(struct topology *t, const struct acpi_madt_entry *e)
{
	if (e->route.source >= TOPOLOGY_ISA_LINES) {
		warn("MADT: override of ISA IRQ %u, which does not exist", e->route.source);
		return;
	}
	t->isa[e->route.source] = (struct topology_isa){
		.gsi = e->route.gsi,
		.level = e->route.trigger == ACPI_TRIGGER_LEVEL,
		.low = e->route.polarity == ACPI_POLARITY_LOW,
	};
}

/* Add the CPU that runs this code, even if the table does not list it. */
static void add_own(struct topology *t, uint32_t own)
{
	if (has_cpu(t, own))
		return;
	if (t->cpus == ARCH_MAX_CPUS)
		t->cpus--;
	t->apic_id[t->cpus++] = own;
}

void topology_read(const struct acpi_table *madt, uint32_t own, struct topology *t)
{
	struct left_out left = { 0 };
	struct acpi_madt_entry e;
	struct acpi_walk w;

	*t = (struct topology){ .cpus = 0 };
	for (uint32_t i = 0; i < TOPOLOGY_ISA_LINES; i++)
		t->isa[i].gsi = i;
	if (madt != NULL) {
		w = acpi_madt_walk(madt);
		while (acpi_madt_next(&w, &e)) {
			switch (e.kind) {
			case ACPI_MADT_LAPIC:
			case ACPI_MADT_X2APIC: add_cpu(t, &e, &left); break;
			case ACPI_MADT_IOAPIC: add_ioapic(t, &e); break;
			case ACPI_MADT_OVERRIDE: add_override(t, &e); break;
			case ACPI_MADT_NMI_SOURCE:
			case ACPI_MADT_LAPIC_NMI:
			case ACPI_MADT_LAPIC_ADDRESS:
			case ACPI_MADT_X2APIC_NMI:
			case ACPI_MADT_OTHER:
			case ACPI_MADT_BAD: break;
			}
		}
	}
	if (left.disabled != 0)
		print("keel: MADT: %u CPUs are disabled\n", left.disabled);
	if (left.too_many != 0)
		warn("MADT: %u CPUs more than keel supports (%d)", left.too_many, ARCH_MAX_CPUS);
	add_own(t, own);
}
