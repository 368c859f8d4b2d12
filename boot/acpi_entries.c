/* SPDX-License-Identifier: MIT */
#include "boot/acpi.h"

#include "boot/acpi_bytes.h"
#include "lib/bits.h"
#include "lib/string.h"

/* Type and length of an entry: one byte each (MADT, SRAT, device scopes) or two (DMAR). */
enum {
	NARROW_LENGTH = 1,
	NARROW_HEADER = 2,
	WIDE_LENGTH = 2,
	WIDE_HEADER = 4,
};

/* A type that is decoded here, and its minimum length. */
struct known_type {
	uint16_t type;
	uint16_t min;
};

/* ---- walks ---- */

/* Walk the entries that follow the first `fixed` bytes. */
static struct acpi_walk walk_start(const struct acpi_table *t, const char *signature,
				   uint32_t fixed)
{
	if (!acpi_is(t, signature, fixed))
		return (struct acpi_walk){ .why = "wrong signature, or table too short" };
	return (struct acpi_walk){ t->bytes, fixed, t->length, t->revision, NULL };
}

/* Advance over an entry of `length` bytes.  Ends the walk if it is shorter than a header or extends
 * beyond the end. */
static bool walk_step(struct acpi_walk *w, uint32_t length, uint32_t header,
		      struct acpi_span *entry)
{
	if (length < header)
		w->why = "an entry is shorter than its own header";
	else if (length > w->end - w->at)
		w->why = "an entry extends beyond the end";
	if (w->why != NULL) {
		w->at = w->end;
		return false;
	}
	*entry = (struct acpi_span){ w->bytes + w->at, length };
	w->at += length;
	return true;
}

/* Not for a walk at its end, whose `bytes` may be NULL. */
static struct acpi_span walk_rest(const struct acpi_walk *w)
{
	return (struct acpi_span){ w->bytes + w->at, w->end - w->at };
}

static bool walk_fixed(struct acpi_walk *w, uint32_t stride, struct acpi_span *entry)
{
	return w->at != w->end && walk_step(w, stride, stride, entry);
}

static bool walk_narrow(struct acpi_walk *w, struct acpi_span *entry)
{
	return w->at != w->end &&
	       walk_step(w, acpi_le8(walk_rest(w), NARROW_LENGTH), NARROW_HEADER, entry);
}

static bool walk_wide(struct acpi_walk *w, struct acpi_span *entry)
{
	return w->at != w->end &&
	       walk_step(w, acpi_le16(walk_rest(w), WIDE_LENGTH), WIDE_HEADER, entry);
}

/* The type if it is one of `known` and the entry is long enough, else ACPI_ENTRY_OTHER or _BAD. */
static unsigned entry_kind(const struct known_type *known, size_t n, unsigned type, uint32_t length)
{
	for (size_t i = 0; i < n; i++)
		if (known[i].type == type)
			return length >= known[i].min ? type : ACPI_ENTRY_BAD;
	return ACPI_ENTRY_OTHER;
}

/* ---- MADT: ACPI 6.5, 5.2.12 ---- */

enum {
	MADT_LAPIC_ADDRESS = 36,
	MADT_FLAGS = 40,
	MADT_FIXED = 44,
	MADT_FLAG_PCAT_COMPAT = 1 << 0,
	MADT_REVISION_ONLINE_CAPABLE = 5, /* ACPI 6.3 */

	LAPIC_UID = 2, /* 5.2.12.2 */
	LAPIC_ID = 3,
	LAPIC_FLAGS = 4,
	CPU_ENABLED = 1 << 0,
	CPU_ONLINE_CAPABLE = 1 << 1,

	IOAPIC_ID = 2, /* 5.2.12.3 */
	IOAPIC_ADDRESS = 4,
	IOAPIC_GSI = 8,

	OVERRIDE_BUS = 2, /* 5.2.12.5 */
	OVERRIDE_SOURCE = 3,
	OVERRIDE_GSI = 4,
	OVERRIDE_FLAGS = 8,

	NMI_SOURCE_FLAGS = 2, /* 5.2.12.6 */
	NMI_SOURCE_GSI = 4,

	LAPIC_NMI_UID = 2, /* 5.2.12.7 */
	LAPIC_NMI_FLAGS = 3,
	LAPIC_NMI_LINT = 5,
	LAPIC_NMI_UID_ALL = UINT8_MAX,

	LAPIC_OVERRIDE_ADDRESS = 4, /* 5.2.12.8 */

	X2APIC_ID = 4, /* 5.2.12.12 */
	X2APIC_FLAGS = 8,
	X2APIC_UID = 12,

	X2APIC_NMI_FLAGS = 2, /* 5.2.12.13 */
	X2APIC_NMI_UID = 4,
	X2APIC_NMI_LINT = 8,

	INTI_POLARITY_MASK = 3, /* 5.2.12.5: MPS INTI flags */
	INTI_TRIGGER_SHIFT = 2,
	INTI_TRIGGER_MASK = 3,
};

static const struct known_type madt_types[] = {
	{ ACPI_MADT_LAPIC, 8 },      { ACPI_MADT_IOAPIC, 12 },     { ACPI_MADT_OVERRIDE, 10 },
	{ ACPI_MADT_NMI_SOURCE, 8 }, { ACPI_MADT_LAPIC_NMI, 6 },   { ACPI_MADT_LAPIC_ADDRESS, 12 },
	{ ACPI_MADT_X2APIC, 16 },    { ACPI_MADT_X2APIC_NMI, 12 },
};

static enum acpi_polarity inti_polarity(uint16_t flags)
{
	return (enum acpi_polarity)(flags & INTI_POLARITY_MASK);
}

static enum acpi_trigger inti_trigger(uint16_t flags)
{
	return (enum acpi_trigger)(flags >> INTI_TRIGGER_SHIFT & INTI_TRIGGER_MASK);
}

struct acpi_walk acpi_madt_walk(const struct acpi_table *t)
{
	return walk_start(t, ACPI_MADT, MADT_FIXED);
}

static void read_cpu(struct acpi_madt_entry *e, struct acpi_span s, uint8_t revision,
		     uint32_t flags_at)
{
	uint32_t flags = acpi_le32(s, flags_at);

	e->cpu.enabled = (flags & CPU_ENABLED) != 0;
	e->cpu.online_capable = revision >= MADT_REVISION_ONLINE_CAPABLE &&
				(flags & CPU_ONLINE_CAPABLE) != 0;
}

static void read_nmi(struct acpi_madt_entry *e, struct acpi_span s, uint32_t flags_at,
		     uint32_t lint_at)
{
	uint16_t flags = acpi_le16(s, flags_at);

	e->nmi.polarity = inti_polarity(flags);
	e->nmi.trigger = inti_trigger(flags);
	e->nmi.lint = acpi_le8(s, lint_at);
}

static void read_route(struct acpi_madt_entry *e, struct acpi_span s, uint32_t flags_at,
		       uint32_t gsi_at)
{
	uint16_t flags = acpi_le16(s, flags_at);

	e->route.polarity = inti_polarity(flags);
	e->route.trigger = inti_trigger(flags);
	e->route.gsi = acpi_le32(s, gsi_at);
}

static void read_madt_entry(struct acpi_madt_entry *e, struct acpi_span s, uint8_t revision)
{
	switch (e->kind) {
	case ACPI_MADT_LAPIC:
		e->cpu.apic_id = acpi_le8(s, LAPIC_ID);
		e->cpu.uid = acpi_le8(s, LAPIC_UID);
		read_cpu(e, s, revision, LAPIC_FLAGS);
		break;
	case ACPI_MADT_X2APIC:
		e->cpu.apic_id = acpi_le32(s, X2APIC_ID);
		e->cpu.uid = acpi_le32(s, X2APIC_UID);
		read_cpu(e, s, revision, X2APIC_FLAGS);
		break;
	case ACPI_MADT_IOAPIC:
		e->ioapic.id = acpi_le8(s, IOAPIC_ID);
		e->ioapic.address = acpi_le32(s, IOAPIC_ADDRESS);
		e->ioapic.gsi_base = acpi_le32(s, IOAPIC_GSI);
		break;
	case ACPI_MADT_OVERRIDE:
		e->route.bus = acpi_le8(s, OVERRIDE_BUS);
		e->route.source = acpi_le8(s, OVERRIDE_SOURCE);
		read_route(e, s, OVERRIDE_FLAGS, OVERRIDE_GSI);
		break;
	case ACPI_MADT_NMI_SOURCE: read_route(e, s, NMI_SOURCE_FLAGS, NMI_SOURCE_GSI); break;
	case ACPI_MADT_LAPIC_NMI:
		e->nmi.uid = acpi_le8(s, LAPIC_NMI_UID);
		if (e->nmi.uid == LAPIC_NMI_UID_ALL)
			e->nmi.uid = ACPI_UID_ALL;
		read_nmi(e, s, LAPIC_NMI_FLAGS, LAPIC_NMI_LINT);
		break;
	case ACPI_MADT_X2APIC_NMI:
		e->nmi.uid = acpi_le32(s, X2APIC_NMI_UID);
		read_nmi(e, s, X2APIC_NMI_FLAGS, X2APIC_NMI_LINT);
		break;
	case ACPI_MADT_LAPIC_ADDRESS:
		e->lapic_address = acpi_le64(s, LAPIC_OVERRIDE_ADDRESS);
		break;
	case ACPI_MADT_OTHER:
	case ACPI_MADT_BAD: break;
	}
}

bool acpi_madt_next(struct acpi_walk *w, struct acpi_madt_entry *e)
{
	struct acpi_span s;

	if (!walk_narrow(w, &s))
		return false;
	*e = (struct acpi_madt_entry){ .type = acpi_le8(s, 0), .length = (uint8_t)s.length };
	e->kind = (enum acpi_madt_kind)entry_kind(madt_types, ARRAY_SIZE(madt_types), e->type,
						  s.length);
	read_madt_entry(e, s, w->revision);
	return true;
}

err_t acpi_madt_read(const struct acpi_table *t, struct acpi_madt *out)
{
	struct acpi_walk w = acpi_madt_walk(t);
	struct acpi_span s = acpi_span_of(t);
	struct acpi_madt_entry e;

	*out = (struct acpi_madt){ 0 };
	if (w.why != NULL)
		return ERR_BAD_FORMAT;
	out->lapic_address = acpi_le32(s, MADT_LAPIC_ADDRESS);
	out->legacy_pics = (acpi_le32(s, MADT_FLAGS) & MADT_FLAG_PCAT_COMPAT) != 0;
	while (acpi_madt_next(&w, &e)) {
		if (e.kind == ACPI_MADT_LAPIC_ADDRESS)
			out->lapic_address = e.lapic_address;
		else if (e.kind == ACPI_MADT_IOAPIC)
			out->ioapics++;
		else if (e.kind == ACPI_MADT_LAPIC || e.kind == ACPI_MADT_X2APIC)
			out->cpus_enabled += e.cpu.enabled;
	}
	return OK;
}

/* ---- MCFG: PCI Firmware 3.3, 4.1.2 ---- */

enum {
	MCFG_FIXED = 44,
	MCFG_STRIDE = 16,
	MCFG_BASE = 0,
	MCFG_SEGMENT = 8,
	MCFG_BUS_FIRST = 10,
	MCFG_BUS_LAST = 11,
	ECAM_BUS_SHIFT = 20, /* 1 MiB of configuration space per bus */
};

struct acpi_walk acpi_mcfg_walk(const struct acpi_table *t)
{
	return walk_start(t, ACPI_MCFG, MCFG_FIXED);
}

bool acpi_mcfg_next(struct acpi_walk *w, struct acpi_mcfg_window *out)
{
	struct acpi_span s;
	uint64_t bytes;

	if (!walk_fixed(w, MCFG_STRIDE, &s))
		return false;
	out->base = acpi_le64(s, MCFG_BASE);
	out->segment = acpi_le16(s, MCFG_SEGMENT);
	out->bus_first = acpi_le8(s, MCFG_BUS_FIRST);
	out->bus_last = acpi_le8(s, MCFG_BUS_LAST);
	bytes = ((uint64_t)out->bus_last + 1) << ECAM_BUS_SHIFT;
	out->usable = out->bus_first <= out->bus_last && out->base <= UINT64_MAX - bytes;
	return true;
}

/* ---- SRAT: ACPI 6.5, 5.2.16 ---- */

enum {
	SRAT_FIXED = 48,
	SRAT_REVISION_WIDE = 2, /* revision 1 has 8-bit domains */

	SRAT_LAPIC_DOMAIN = 2, /* 5.2.16.1 */
	SRAT_LAPIC_ID = 3,
	SRAT_LAPIC_FLAGS = 4,
	SRAT_LAPIC_DOMAIN_HIGH = 8, /* bits 31:8 of the domain; its low byte is another field */
	SRAT_LAPIC_DOMAIN_HIGH_MASK = ~UINT8_MAX,

	SRAT_MEMORY_DOMAIN = 2, /* 5.2.16.2 */
	SRAT_MEMORY_BASE = 8,
	SRAT_MEMORY_LENGTH = 16,
	SRAT_MEMORY_FLAGS = 28,
	SRAT_MEMORY_HOT_PLUGGABLE = 1 << 1,
	SRAT_MEMORY_NON_VOLATILE = 1 << 2,

	SRAT_X2APIC_DOMAIN = 4, /* 5.2.16.3 */
	SRAT_X2APIC_ID = 8,
	SRAT_X2APIC_FLAGS = 12,

	SRAT_ENABLED = 1 << 0, /* of all three */
};

static const struct known_type srat_types[] = {
	{ ACPI_SRAT_LAPIC, 16 },
	{ ACPI_SRAT_MEMORY, 40 },
	{ ACPI_SRAT_X2APIC, 24 },
};

struct acpi_walk acpi_srat_walk(const struct acpi_table *t)
{
	return walk_start(t, ACPI_SRAT, SRAT_FIXED);
}

static void read_srat_memory(struct acpi_srat_entry *e, struct acpi_span s)
{
	uint32_t flags = acpi_le32(s, SRAT_MEMORY_FLAGS);

	e->domain = acpi_le32(s, SRAT_MEMORY_DOMAIN);
	e->enabled = (flags & SRAT_ENABLED) != 0;
	e->memory.base = acpi_le64(s, SRAT_MEMORY_BASE);
	e->memory.len = acpi_le64(s, SRAT_MEMORY_LENGTH);
	e->memory.hot_pluggable = (flags & SRAT_MEMORY_HOT_PLUGGABLE) != 0;
	e->memory.non_volatile = (flags & SRAT_MEMORY_NON_VOLATILE) != 0;
	if (e->memory.len > UINT64_MAX - e->memory.base)
		e->kind = ACPI_SRAT_BAD;
}

static void read_srat_entry(struct acpi_srat_entry *e, struct acpi_span s)
{
	switch (e->kind) {
	case ACPI_SRAT_LAPIC:
		e->domain = acpi_le8(s, SRAT_LAPIC_DOMAIN) |
			    (acpi_le32(s, SRAT_LAPIC_DOMAIN_HIGH) & SRAT_LAPIC_DOMAIN_HIGH_MASK);
		e->enabled = (acpi_le32(s, SRAT_LAPIC_FLAGS) & SRAT_ENABLED) != 0;
		e->apic_id = acpi_le8(s, SRAT_LAPIC_ID);
		break;
	case ACPI_SRAT_X2APIC:
		e->domain = acpi_le32(s, SRAT_X2APIC_DOMAIN);
		e->enabled = (acpi_le32(s, SRAT_X2APIC_FLAGS) & SRAT_ENABLED) != 0;
		e->apic_id = acpi_le32(s, SRAT_X2APIC_ID);
		break;
	case ACPI_SRAT_MEMORY: read_srat_memory(e, s); break;
	case ACPI_SRAT_OTHER:
	case ACPI_SRAT_BAD: break;
	}
}

bool acpi_srat_next(struct acpi_walk *w, struct acpi_srat_entry *e)
{
	struct acpi_span s;

	if (!walk_narrow(w, &s))
		return false;
	*e = (struct acpi_srat_entry){ .type = acpi_le8(s, 0), .length = (uint8_t)s.length };
	e->kind = (enum acpi_srat_kind)entry_kind(srat_types, ARRAY_SIZE(srat_types), e->type,
						  s.length);
	read_srat_entry(e, s);
	if (w->revision < SRAT_REVISION_WIDE)
		e->domain &= UINT8_MAX;
	return true;
}

/* ---- DMAR: VT-d 4.1, 8.1 to 8.10 ---- */

enum {
	DMAR_FIXED = 48,
	DMAR_ADDRESS_BITS = 36, /* minus one */
	DMAR_FLAGS = 37,
	DMAR_FLAG_INTERRUPT_REMAPPING = 1 << 0,
	DMAR_FLAG_X2APIC_OPT_OUT = 1 << 1,
	DMAR_FLAG_DMA_OPT_IN = 1 << 2,

	REMAP_FLAGS = 4,   /* DRHD, ATSR, SATC */
	REMAP_SEGMENT = 6, /* all but RHSA and ANDD */
	DRHD_SIZE = 5,
	DRHD_SIZE_MASK = 0xf,
	DRHD_BASE = 8,
	DRHD_SCOPES = 16,
	RMRR_BASE = 8,
	RMRR_LIMIT = 16,
	RMRR_SCOPES = 24,
	PORTS_SCOPES = 8, /* ATSR, SATC, SIDP */
	RHSA_BASE = 8,
	RHSA_DOMAIN = 16,
	ANDD_DEVICE = 7,
	ANDD_NAME = 8,

	SCOPE_FLAGS = 2, /* 8.3.1 */
	SCOPE_ID = 4,
	SCOPE_BUS = 5,
	SCOPE_PATH = 6,
	SCOPE_HOP_BYTES = 2,
};

static const struct known_type dmar_types[] = {
	{ ACPI_DMAR_DRHD, DRHD_SCOPES },  { ACPI_DMAR_RMRR, RMRR_SCOPES },
	{ ACPI_DMAR_ATSR, PORTS_SCOPES }, { ACPI_DMAR_RHSA, 20 },
	{ ACPI_DMAR_ANDD, ANDD_NAME },    { ACPI_DMAR_SATC, PORTS_SCOPES },
	{ ACPI_DMAR_SIDP, PORTS_SCOPES },
};

err_t acpi_dmar_read(const struct acpi_table *t, struct acpi_dmar *out)
{
	struct acpi_span s = acpi_span_of(t);

	*out = (struct acpi_dmar){ 0 };
	if (!acpi_is(t, ACPI_DMAR, DMAR_FIXED))
		return ERR_BAD_FORMAT;
	out->address_bits = (uint16_t)(acpi_le8(s, DMAR_ADDRESS_BITS) + 1);
	out->flags = acpi_le8(s, DMAR_FLAGS);
	out->interrupt_remapping = (out->flags & DMAR_FLAG_INTERRUPT_REMAPPING) != 0;
	out->x2apic_opt_out = (out->flags & DMAR_FLAG_X2APIC_OPT_OUT) != 0;
	out->dma_opt_in = (out->flags & DMAR_FLAG_DMA_OPT_IN) != 0;
	return OK;
}

struct acpi_walk acpi_dmar_walk(const struct acpi_table *t)
{
	return walk_start(t, ACPI_DMAR, DMAR_FIXED);
}

static void take_scopes(struct acpi_dmar_entry *e, struct acpi_span s, uint32_t at)
{
	e->segment = acpi_le16(s, REMAP_SEGMENT);
	e->scopes = s.bytes + at;
	e->scopes_length = s.length - at;
}

static void read_dmar_entry(struct acpi_dmar_entry *e, struct acpi_span s)
{
	switch (e->kind) {
	case ACPI_DMAR_DRHD:
		e->flags = acpi_le8(s, REMAP_FLAGS);
		e->size_order = acpi_le8(s, DRHD_SIZE) & DRHD_SIZE_MASK;
		e->base = acpi_le64(s, DRHD_BASE);
		take_scopes(e, s, DRHD_SCOPES);
		break;
	case ACPI_DMAR_RMRR:
		e->base = acpi_le64(s, RMRR_BASE);
		e->limit = acpi_le64(s, RMRR_LIMIT);
		take_scopes(e, s, RMRR_SCOPES);
		break;
	case ACPI_DMAR_ATSR:
	case ACPI_DMAR_SATC:
		e->flags = acpi_le8(s, REMAP_FLAGS);
		take_scopes(e, s, PORTS_SCOPES);
		break;
	case ACPI_DMAR_SIDP: take_scopes(e, s, PORTS_SCOPES); break;
	case ACPI_DMAR_RHSA:
		e->base = acpi_le64(s, RHSA_BASE);
		e->domain = acpi_le32(s, RHSA_DOMAIN);
		break;
	case ACPI_DMAR_ANDD:
		e->device = acpi_le8(s, ANDD_DEVICE);
		acpi_text(s, ANDD_NAME,
			  (uint32_t)min_u64(s.length - ANDD_NAME, ACPI_NAME_BYTES - 1), e->name);
		break;
	case ACPI_DMAR_OTHER:
	case ACPI_DMAR_BAD: break;
	}
}

bool acpi_dmar_next(struct acpi_walk *w, struct acpi_dmar_entry *e)
{
	struct acpi_span s;

	if (!walk_wide(w, &s))
		return false;
	*e = (struct acpi_dmar_entry){ .type = acpi_le16(s, 0), .length = s.length };
	e->kind = (enum acpi_dmar_kind)entry_kind(dmar_types, ARRAY_SIZE(dmar_types), e->type,
						  s.length);
	read_dmar_entry(e, s);
	return true;
}

struct acpi_walk acpi_scope_walk(const struct acpi_dmar_entry *e)
{
	return (struct acpi_walk){ .bytes = e->scopes, .end = e->scopes_length };
}

bool acpi_scope_next(struct acpi_walk *w, struct acpi_scope *out)
{
	struct acpi_span s;

	if (w->at == w->end || !walk_step(w, acpi_le8(walk_rest(w), NARROW_LENGTH), SCOPE_PATH, &s))
		return false;
	out->type = acpi_le8(s, 0);
	out->flags = acpi_le8(s, SCOPE_FLAGS);
	out->id = acpi_le8(s, SCOPE_ID);
	out->bus = acpi_le8(s, SCOPE_BUS);
	out->hops = (uint8_t)((s.length - SCOPE_PATH) / SCOPE_HOP_BYTES);
	out->path = s.bytes + SCOPE_PATH;
	return true;
}
