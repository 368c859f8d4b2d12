/* SPDX-License-Identifier: MIT */
#include "monitor/acpi_report.h"

#include "lib/print.h"
#include "lib/string.h"
#include "monitor/command.h"

/* Prints why a walk stopped early; nothing when it reached the end. */
static void print_walk_end(const struct acpi_walk *w)
{
	if (w->why != NULL)
		print("  malformed from here: %s\n", w->why);
}

/* An entry that is not decoded: `kind` is a type, or one of ACPI_ENTRY_*. */
static void print_undecoded(unsigned kind, unsigned type, unsigned length)
{
	print("  %s entry, type %u, %u bytes\n", kind == ACPI_ENTRY_BAD ? "malformed" : "other",
	      type, length);
}

static const char *yes_no(bool yes)
{
	return yes ? "yes" : "no";
}

static void print_register(const char *name, const struct acpi_register *r)
{
	static const char *const spaces[] = { "memory", "io", "pci" };

	if (r->address == 0)
		print("  %s: none\n", name);
	else if (r->space < ARRAY_SIZE(spaces))
		print("  %s: %s %#lx, %u bits\n", name, spaces[r->space], r->address, r->bits);
	else
		print("  %s: space %u, %#lx, %u bits\n", name, r->space, r->address, r->bits);
}

/* ---- RSDT, XSDT ---- */

static void print_root(const struct acpi_table *t)
{
	struct acpi_walk w = acpi_root_walk(t);
	uint64_t address;

	while (acpi_root_next(&w, &address))
		print("  table at %#lx\n", address);
	print_walk_end(&w);
}

/* ---- MADT ---- */

static const char *polarity_name(enum acpi_polarity p)
{
	switch (p) {
	case ACPI_POLARITY_BUS: return "polarity of the bus";
	case ACPI_POLARITY_HIGH: return "active high";
	case ACPI_POLARITY_LOW: return "active low";
	case ACPI_POLARITY_RESERVED: break;
	}
	return "reserved polarity";
}

static const char *trigger_name(enum acpi_trigger t)
{
	switch (t) {
	case ACPI_TRIGGER_BUS: return "trigger of the bus";
	case ACPI_TRIGGER_EDGE: return "edge";
	case ACPI_TRIGGER_LEVEL: return "level";
	case ACPI_TRIGGER_RESERVED: break;
	}
	return "reserved trigger";
}

static void print_cpu(const char *name, const struct acpi_madt_entry *e)
{
	print("  %s %u, uid %u, %s\n", name, e->cpu.apic_id, e->cpu.uid,
	      e->cpu.enabled          ? "enabled"
	      : e->cpu.online_capable ? "may be enabled later"
				      : "disabled");
}

static void print_nmi(const struct acpi_madt_entry *e)
{
	if (e->nmi.uid == ACPI_UID_ALL)
		print("  nmi at lint%u of all", e->nmi.lint);
	else
		print("  nmi at lint%u of uid %u", e->nmi.lint, e->nmi.uid);
	print(", %s, %s\n", polarity_name(e->nmi.polarity), trigger_name(e->nmi.trigger));
}

static void print_route(const struct acpi_madt_entry *e)
{
	if (e->kind == ACPI_MADT_OVERRIDE)
		print("  override bus %u irq %u -> gsi %u", e->route.bus, e->route.source,
		      e->route.gsi);
	else
		print("  nmi source gsi %u", e->route.gsi);
	print(", %s, %s\n", polarity_name(e->route.polarity), trigger_name(e->route.trigger));
}

static void print_madt_entry(const struct acpi_madt_entry *e)
{
	switch (e->kind) {
	case ACPI_MADT_LAPIC: print_cpu("lapic", e); break;
	case ACPI_MADT_X2APIC: print_cpu("x2apic", e); break;
	case ACPI_MADT_IOAPIC:
		print("  ioapic %u at %#x, gsi from %u\n", e->ioapic.id, e->ioapic.address,
		      e->ioapic.gsi_base);
		break;
	case ACPI_MADT_OVERRIDE:
	case ACPI_MADT_NMI_SOURCE: print_route(e); break;
	case ACPI_MADT_LAPIC_NMI:
	case ACPI_MADT_X2APIC_NMI: print_nmi(e); break;
	case ACPI_MADT_LAPIC_ADDRESS: print("  local apic address %#lx\n", e->lapic_address); break;
	case ACPI_MADT_OTHER:
	case ACPI_MADT_BAD: print_undecoded(e->kind, e->type, e->length); break;
	}
}

static void print_madt(const struct acpi_table *t)
{
	struct acpi_walk w = acpi_madt_walk(t);
	struct acpi_madt_entry e;
	struct acpi_madt madt;

	if (acpi_madt_read(t, &madt) == OK)
		print("  local apics at %#lx, legacy pics %s, %u cpus enabled, %u ioapics\n",
		      madt.lapic_address, yes_no(madt.legacy_pics), madt.cpus_enabled,
		      madt.ioapics);
	while (acpi_madt_next(&w, &e))
		print_madt_entry(&e);
	print_walk_end(&w);
}

/* ---- MCFG ---- */

static void print_mcfg(const struct acpi_table *t)
{
	struct acpi_walk w = acpi_mcfg_walk(t);
	struct acpi_mcfg_window window;

	while (acpi_mcfg_next(&w, &window))
		print("  segment %u, buses %02x-%02x, base %#lx%s\n", window.segment,
		      window.bus_first, window.bus_last, window.base,
		      window.usable ? "" : " (unusable)");
	print_walk_end(&w);
}

/* ---- SRAT ---- */

static void print_srat_memory(const struct acpi_srat_entry *e)
{
	print("  domain %u memory [%#lx, %#lx)%s%s%s\n", e->domain, e->memory.base,
	      e->memory.base + e->memory.len, e->enabled ? "" : ", disabled",
	      e->memory.hot_pluggable ? ", hot-pluggable" : "",
	      e->memory.non_volatile ? ", non-volatile" : "");
}

static void print_srat_cpu(const char *name, const struct acpi_srat_entry *e)
{
	print("  domain %u %s %u%s\n", e->domain, name, e->apic_id, e->enabled ? "" : ", disabled");
}

static void print_srat(const struct acpi_table *t)
{
	struct acpi_walk w = acpi_srat_walk(t);
	struct acpi_srat_entry e;

	while (acpi_srat_next(&w, &e)) {
		switch (e.kind) {
		case ACPI_SRAT_LAPIC: print_srat_cpu("lapic", &e); break;
		case ACPI_SRAT_X2APIC: print_srat_cpu("x2apic", &e); break;
		case ACPI_SRAT_MEMORY: print_srat_memory(&e); break;
		case ACPI_SRAT_OTHER:
		case ACPI_SRAT_BAD: print_undecoded(e.kind, e.type, e.length); break;
		}
	}
	print_walk_end(&w);
}

/* ---- HPET, FADT, SPCR ---- */

static void print_too_short(void)
{
	print("  too short for its type\n");
}

static void print_hpet(const struct acpi_table *t)
{
	struct acpi_hpet hpet;

	if (acpi_hpet_read(t, &hpet) != OK) {
		print_too_short();
		return;
	}
	print_register("registers", &hpet.base);
	print("  number %u, vendor %04x, %u comparators, counter %u bits, legacy route %s, "
	      "min tick %u\n",
	      hpet.number, hpet.vendor, hpet.comparators, hpet.counter_64 ? 64 : 32,
	      yes_no(hpet.legacy_route), hpet.min_tick);
}

static void print_fadt(const struct acpi_table *t)
{
	struct acpi_fadt fadt;

	if (acpi_fadt_read(t, &fadt) != OK) {
		print_too_short();
		return;
	}
	print("  flags %#x, boot flags %#x, sci %u, hardware reduced %s\n", fadt.flags,
	      fadt.boot_flags, fadt.sci, yes_no(fadt.hardware_reduced));
	print_register("pm timer", &fadt.pm_timer);
	print("  pm timer counts %u bits\n", fadt.pm_timer_32 ? 32 : 24);
	print_register("pm1a control", &fadt.pm1a_control);
	print_register("pm1b control", &fadt.pm1b_control);
	print_register("reset", &fadt.reset);
	print("  reset supported %s, value %#x\n", yes_no(fadt.reset_supported), fadt.reset_value);
	print("  legacy devices %s, i8042 %s, vga %s, cmos rtc %s, msi %s, aspm %s, "
	      "physical apic mode %s\n",
	      yes_no(fadt.legacy_devices), yes_no(fadt.i8042), yes_no(!fadt.no_vga),
	      yes_no(!fadt.no_cmos_rtc), yes_no(!fadt.no_msi), yes_no(!fadt.no_aspm),
	      yes_no(fadt.apic_physical));
}

static void print_spcr(const struct acpi_table *t)
{
	struct acpi_spcr spcr;

	if (acpi_spcr_read(t, &spcr) != OK) {
		print_too_short();
		return;
	}
	print_register("port", &spcr.base);
	print("  type %u, gsi %u, baud %u%s\n", spcr.type, spcr.gsi, spcr.baud,
	      spcr.baud == 0 ? " (unchanged)" : "");
}

/* ---- DMAR ---- */

static void print_scope(const struct acpi_scope *s)
{
	switch (s->type) {
	case ACPI_SCOPE_ENDPOINT: print("    endpoint"); break;
	case ACPI_SCOPE_BRIDGE: print("    bridge"); break;
	case ACPI_SCOPE_IOAPIC: print("    ioapic %u", s->id); break;
	case ACPI_SCOPE_HPET: print("    hpet %u", s->id); break;
	case ACPI_SCOPE_NAMESPACE: print("    namespace device %u", s->id); break;
	default: print("    scope of type %u, id %u", s->type, s->id); break;
	}
	print(", bus %02x, path", s->bus);
	for (unsigned i = 0; i < s->hops; i++)
		print(" %02x.%x", s->path[2 * i], s->path[2 * i + 1]);
	print(s->hops == 0 ? " empty\n" : "\n");
}

static void print_scopes(const struct acpi_dmar_entry *e)
{
	struct acpi_walk w = acpi_scope_walk(e);
	struct acpi_scope s;

	while (acpi_scope_next(&w, &s))
		print_scope(&s);
	print_walk_end(&w);
}

static void print_dmar_entry(const struct acpi_dmar_entry *e)
{
	switch (e->kind) {
	case ACPI_DMAR_DRHD:
		print("  DRHD segment %u, registers %#lx, %u pages%s\n", e->segment, e->base,
		      1u << e->size_order,
		      e->flags & ACPI_DRHD_INCLUDE_ALL ? ", all other devices" : "");
		break;
	case ACPI_DMAR_RMRR:
		print("  RMRR segment %u, memory [%#lx, %#lx]%s\n", e->segment, e->base, e->limit,
		      e->limit < e->base ? " (empty)" : "");
		break;
	case ACPI_DMAR_ATSR:
		print("  ATSR segment %u%s\n", e->segment,
		      e->flags & ACPI_ATSR_ALL_PORTS ? ", all root ports" : "");
		break;
	case ACPI_DMAR_RHSA: print("  RHSA registers %#lx, domain %u\n", e->base, e->domain); break;
	case ACPI_DMAR_ANDD: print("  ANDD device %u, %s\n", e->device, e->name); break;
	case ACPI_DMAR_SATC:
		print("  SATC segment %u%s\n", e->segment,
		      e->flags & ACPI_SATC_REQUIRED ? ", translation cache required" : "");
		break;
	case ACPI_DMAR_SIDP: print("  SIDP segment %u\n", e->segment); break;
	case ACPI_DMAR_OTHER:
	case ACPI_DMAR_BAD: print_undecoded(e->kind, e->type, e->length); break;
	}
	print_scopes(e);
}

static void print_dmar(const struct acpi_table *t)
{
	struct acpi_walk w = acpi_dmar_walk(t);
	struct acpi_dmar_entry e;
	struct acpi_dmar dmar;

	if (acpi_dmar_read(t, &dmar) == OK)
		print("  %u address bits, interrupt remapping %s, x2apic opt-out %s, "
		      "dma opt-in %s\n",
		      dmar.address_bits, yes_no(dmar.interrupt_remapping),
		      yes_no(dmar.x2apic_opt_out), yes_no(dmar.dma_opt_in));
	while (acpi_dmar_next(&w, &e))
		print_dmar_entry(&e);
	print_walk_end(&w);
}

/* ---- any table ---- */

static const struct {
	const char *signature;
	void (*print)(const struct acpi_table *t);
} printers[] = {
	{ ACPI_XSDT, print_root }, { ACPI_RSDT, print_root }, { ACPI_MADT, print_madt },
	{ ACPI_MCFG, print_mcfg }, { ACPI_SRAT, print_srat }, { ACPI_HPET, print_hpet },
	{ ACPI_FADT, print_fadt }, { ACPI_DMAR, print_dmar }, { ACPI_SPCR, print_spcr },
};

void acpi_print(const struct acpi_table *t)
{
	print("%s revision %u, %u bytes, oem \"%s\" \"%s\", checksum %s", t->signature, t->revision,
	      t->length, t->oem_id, t->oem_table, t->checksum == ACPI_CHECKSUM_OK ? "ok" : "bad");
	if (t->address != 0)
		print(", at %#lx", t->address);
	print("\n");
	for (size_t i = 0; i < ARRAY_SIZE(printers); i++)
		if (strcmp(t->signature, printers[i].signature) == 0)
			printers[i].print(t);
}

static const struct acpi *reported; /* NULL: no tables were read */

const struct acpi *acpi_report_set(const struct acpi *a)
{
	const struct acpi *before = reported;

	reported = a;
	return before;
}

COMMAND(acpi, "", "the firmware's tables, one line per entry")
{
	for (size_t i = 0; reported != NULL && i < reported->count; i++)
		acpi_print(&reported->table[i]);
}
