/* SPDX-License-Identifier: MIT */
/*
 * acpi.h - parser of the static ACPI tables; no AML.
 *
 *   RSDP ---> XSDT ---> APIC MCFG SRAT HPET FACP DMAR SPCR ...
 *     `.----> RSDT --------^        (when there is no usable XSDT)
 *
 * A table is a span of bytes: a 36-byte header with a length and a checksum, then a body whose
 * layout depends on the signature.  acpi_discover() collects the spans, acpi_copy() copies them
 * into kernel memory, and the readers below decode them on demand.  All readers are pure functions
 * of the span: nothing is patched, cached or cast to a struct.
 *
 * Invariants, for arbitrary input bytes:
 *   A1  no function reads outside [bytes, bytes + length) of its table
 *   A2  every step of a walk advances by at least one header, so a walk terminates
 *   A3  a walk that finds a malformed entry sets `why`; the entries before it are valid
 *   A4  a table in struct acpi has 36 <= length <= ACPI_TABLE_MAX and does not wrap
 *   A5  no address occurs twice in struct acpi, so each of its regions is reported once
 *
 * A table with a bad checksum stays in the array, because its memory still belongs to the firmware,
 * but acpi_find() never returns it.
 *
 * Locking: none; filled at boot by one CPU, constant afterwards.  Allocates nothing.
 * Callers: boot/start/main.c, iommu/ (DMAR), the monitor, the host tool.
 * Source: ACPI 6.5, chapter 5.2; VT-d 4.1, chapter 8 (DMAR); PCI Firmware 3.3, 4.1.2
 * (MCFG); IA-PC HPET 1.0a, 3.2.4 (HPET); Microsoft SPCR, version 1.05.
 */
#pragma once

#include "boot/boot_info.h"
#include "lib/err.h"
#include "lib/types.h"

enum {
	ACPI_RSDP_1_BYTES = 20,   /* ACPI 1.0 */
	ACPI_RSDP_2_BYTES = 36,   /* 5.2.5.3 */
	ACPI_HEADER_BYTES = 36,   /* 5.2.6 */
	ACPI_TABLE_MAX = 1 << 24, /* 16 MiB: policy; real tables are far smaller */
	ACPI_SIGNATURE_CHARS = 4,
	ACPI_OEM_ID_CHARS = 6,
	ACPI_OEM_TABLE_CHARS = 8,
	ACPI_NAME_BYTES = 64, /* of a namespace path in ANDD; longer paths are truncated */
};

#define ACPI_XSDT "XSDT"
#define ACPI_RSDT "RSDT"
#define ACPI_MADT "APIC"
#define ACPI_MCFG "MCFG"
#define ACPI_SRAT "SRAT"
#define ACPI_HPET "HPET"
#define ACPI_FADT "FACP"
#define ACPI_DMAR "DMAR"
#define ACPI_SPCR "SPCR"

/* ---- tables ---- */

enum acpi_checksum {
	ACPI_CHECKSUM_BAD,
	ACPI_CHECKSUM_OK,
};

/* Strings are printable ASCII: other bytes are replaced by '.', which no signature contains. */
struct acpi_table {
	const uint8_t *bytes;
	uint32_t length;
	uint64_t address; /* physical; 0: the table was not found in memory */
	enum acpi_checksum checksum;
	uint8_t revision;
	char signature[ACPI_SIGNATURE_CHARS + 1];
	char oem_id[ACPI_OEM_ID_CHARS + 1];
	char oem_table[ACPI_OEM_TABLE_CHARS + 1];
};

struct acpi {
	struct acpi_table *table; /* the caller's array; [0] is the XSDT or RSDT */
	size_t count, room;
	size_t missed; /* tables that did not fit into `room` */
};

struct acpi_rsdp {
	uint64_t xsdt; /* 0: none, or the 2.0 part is invalid */
	uint32_t rsdt; /* 0: none */
	uint8_t revision;
	char oem_id[ACPI_OEM_ID_CHARS + 1];
};

/* Map [pa, pa + len) readable until acpi_copy() has run; NULL if it is not accessible. */
typedef const uint8_t *(*acpi_map_t)(void *ctx, uint64_t pa, uint64_t len);

/* Check both checksums.  A valid 1.0 part with an invalid 2.0 part is OK, without an XSDT.  *why is
 * the reason why the RSDP or its 2.0 part is invalid, else NULL. */
err_t acpi_rsdp_parse(const uint8_t *bytes, size_t len, struct acpi_rsdp *out, const char **why);

/* Parse the header of one raw table of `len` bytes; bytes beyond the table's own length are
 * ignored.  A bad checksum is recorded in *out and is no error.  *why is set on error. */
err_t acpi_table_check(const uint8_t *bytes, size_t len, struct acpi_table *out, const char **why);

/* Find all tables.  The caller sets a->table and a->room.  Invalid tables are skipped with a
 * warning.  ERR_NOT_FOUND: no RSDP; ERR_BAD_FORMAT: no usable RSDP or root table; ERR_NO_MEMORY:
 * more than `room` tables; those in the array are usable. */
err_t acpi_discover(struct acpi *a, const uint8_t *rsdp, size_t len, acpi_map_t map, void *ctx);

/* Copy all tables to `memory`, of any alignment; the firmware's memory is not read again.
 * ERR_NO_MEMORY: `size` is below acpi_copy_size(); nothing is changed. */
size_t acpi_copy_size(const struct acpi *a);
err_t acpi_copy(struct acpi *a, void *memory, size_t size);

/* The first table with this signature and a valid checksum, or NULL. */
const struct acpi_table *acpi_find(const struct acpi *a, const char *signature);

/* The physical memory of the firmware's table, for boot_info's memory map entries. */
struct region acpi_table_region(const struct acpi_table *t);

/* ---- walks ---- */

/* Iterator over the entries of a table or a structure:
 *
 *   struct acpi_walk w = acpi_madt_walk(t);
 *   while (acpi_madt_next(&w, &entry))
 *           ...
 *   if (w.why != NULL)      the rest is malformed
 */
struct acpi_walk {
	const uint8_t *bytes;
	uint32_t at, end;
	uint8_t revision; /* of the table */
	const char *why;
};

/* An entry's kind is the type number of the specification, or one of these. */
enum {
	ACPI_ENTRY_OTHER = 1 << 16,            /* the type is not decoded here */
	ACPI_ENTRY_BAD = ACPI_ENTRY_OTHER + 1, /* too short for its type, or invalid */
};

/* Generic Address Structure: ACPI 6.5, 5.2.3.2. */
enum acpi_space {
	ACPI_SPACE_MEMORY = 0,
	ACPI_SPACE_IO = 1,
	ACPI_SPACE_PCI = 2,
};
struct acpi_register {
	uint64_t address; /* 0: no register */
	uint8_t space;    /* enum acpi_space, or any other value of the firmware */
	uint8_t bits, bit_offset, access;
};

/* ---- RSDT, XSDT ---- */

struct acpi_walk acpi_root_walk(const struct acpi_table *t);
bool acpi_root_next(struct acpi_walk *w, uint64_t *address);

/* ---- MADT: 5.2.12 ---- */

#define ACPI_UID_ALL UINT32_MAX /* the NMI goes to every processor */

enum acpi_madt_kind {
	ACPI_MADT_LAPIC = 0,
	ACPI_MADT_IOAPIC = 1,
	ACPI_MADT_OVERRIDE = 2,
	ACPI_MADT_NMI_SOURCE = 3,
	ACPI_MADT_LAPIC_NMI = 4,
	ACPI_MADT_LAPIC_ADDRESS = 5,
	ACPI_MADT_X2APIC = 9,
	ACPI_MADT_X2APIC_NMI = 10,
	ACPI_MADT_OTHER = ACPI_ENTRY_OTHER,
	ACPI_MADT_BAD = ACPI_ENTRY_BAD,
};

enum acpi_polarity {
	ACPI_POLARITY_BUS = 0, /* conforms to the bus; ISA: high */
	ACPI_POLARITY_HIGH = 1,
	ACPI_POLARITY_RESERVED = 2,
	ACPI_POLARITY_LOW = 3,
};

enum acpi_trigger {
	ACPI_TRIGGER_BUS = 0, /* conforms to the bus; ISA: edge */
	ACPI_TRIGGER_EDGE = 1,
	ACPI_TRIGGER_RESERVED = 2,
	ACPI_TRIGGER_LEVEL = 3,
};

struct acpi_madt_entry {
	enum acpi_madt_kind kind;
	uint8_t type;
	uint8_t length;
	union {
		struct {
			uint32_t apic_id, uid;
			bool enabled;
			bool online_capable; /* may be enabled later; needs revision 5 */
		} cpu;                       /* LAPIC, X2APIC */
		struct {
			uint8_t id;
			uint32_t address, gsi_base;
		} ioapic;
		struct {
			uint8_t bus, source; /* ISA IRQ `source` is routed to `gsi` */
			uint32_t gsi;
			enum acpi_polarity polarity;
			enum acpi_trigger trigger;
		} route; /* OVERRIDE, NMI_SOURCE */
		struct {
			uint32_t uid; /* ACPI_UID_ALL: all */
			uint8_t lint;
			enum acpi_polarity polarity;
			enum acpi_trigger trigger;
		} nmi;                  /* LAPIC_NMI, X2APIC_NMI */
		uint64_t lapic_address; /* LAPIC_ADDRESS */
	};
};

/* Summary of the table. */
struct acpi_madt {
	uint64_t lapic_address; /* of the address override, if present */
	bool legacy_pics;       /* PCAT_COMPAT: mask the two 8259 PICs */
	uint32_t cpus_enabled, ioapics;
};

/* Read the fixed part and count entries.  ERR_BAD_FORMAT: not a MADT, or too short. */
err_t acpi_madt_read(const struct acpi_table *t, struct acpi_madt *out);
/* Iterate over the entries. */
struct acpi_walk acpi_madt_walk(const struct acpi_table *t);
bool acpi_madt_next(struct acpi_walk *w, struct acpi_madt_entry *e);

/* ---- MCFG ---- */

struct acpi_mcfg_window {
	uint64_t base; /* of bus 0, even if bus_first is not 0 */
	uint16_t segment;
	uint8_t bus_first, bus_last; /* inclusive */
	bool usable;                 /* bus_first <= bus_last, and the window does not wrap */
};

/* Iterate over the ECAM windows. */
struct acpi_walk acpi_mcfg_walk(const struct acpi_table *t);
bool acpi_mcfg_next(struct acpi_walk *w, struct acpi_mcfg_window *out);

/* ---- SRAT: 5.2.16 ---- */

enum acpi_srat_kind {
	ACPI_SRAT_LAPIC = 0,
	ACPI_SRAT_MEMORY = 1,
	ACPI_SRAT_X2APIC = 2,
	ACPI_SRAT_OTHER = ACPI_ENTRY_OTHER,
	ACPI_SRAT_BAD = ACPI_ENTRY_BAD,
};

struct acpi_srat_entry {
	enum acpi_srat_kind kind;
	uint8_t type;
	uint8_t length;
	bool enabled; /* if not, ignore the entry */
	uint32_t domain;
	union {
		uint32_t apic_id; /* LAPIC, X2APIC */
		struct {
			uint64_t base, len; /* bytes; does not wrap; len may be 0 */
			bool hot_pluggable, non_volatile;
		} memory;
	};
};

/* Iterate over the affinity structures. */
struct acpi_walk acpi_srat_walk(const struct acpi_table *t);
bool acpi_srat_next(struct acpi_walk *w, struct acpi_srat_entry *e);

/* ---- HPET ---- */

struct acpi_hpet {
	struct acpi_register base; /* the tick period is in the registers, not in the table */
	uint16_t min_tick;         /* shortest periodic interval without lost interrupts, ticks */
	uint8_t number;
	uint8_t comparators;
	bool counter_64;
	bool legacy_route;
	uint16_t vendor;
};

/* ERR_BAD_FORMAT: not an HPET table, or too short. */
err_t acpi_hpet_read(const struct acpi_table *t, struct acpi_hpet *out);

/* ---- FADT: 5.2.9 ---- */

/* Fields beyond the end of an older, shorter table read as absent.  Exception: below revision 3 the
 * machine is assumed to be a PC with legacy devices and a keyboard controller. */
struct acpi_fadt {
	struct acpi_register pm_timer; /* 3.579545 MHz */
	bool pm_timer_32;              /* counter width 32 bits, else 24 */
	struct acpi_register pm1a_control, pm1b_control;
	struct acpi_register reset;
	uint8_t reset_value;
	bool reset_supported;
	bool hardware_reduced; /* none of the PM blocks exist */
	bool apic_physical;    /* use physical destination mode with more than 8 CPUs */
	bool legacy_devices, i8042, no_vga, no_msi, no_aspm, no_cmos_rtc;
	uint16_t boot_flags, sci;
	uint32_t flags;
};

/* ERR_BAD_FORMAT: not a FADT, or too short. */
err_t acpi_fadt_read(const struct acpi_table *t, struct acpi_fadt *out);
/* Whether an i8042 keyboard controller may exist: false only if a valid FADT denies it. */
bool acpi_may_have_i8042(const struct acpi *a);

/* ---- DMAR ---- */

enum acpi_dmar_kind {
	ACPI_DMAR_DRHD = 0,
	ACPI_DMAR_RMRR = 1,
	ACPI_DMAR_ATSR = 2,
	ACPI_DMAR_RHSA = 3,
	ACPI_DMAR_ANDD = 4,
	ACPI_DMAR_SATC = 5,
	ACPI_DMAR_SIDP = 6,
	ACPI_DMAR_OTHER = ACPI_ENTRY_OTHER,
	ACPI_DMAR_BAD = ACPI_ENTRY_BAD,
};

enum {
	ACPI_DRHD_INCLUDE_ALL = 1 << 0,
	ACPI_ATSR_ALL_PORTS = 1 << 0,
	ACPI_SATC_REQUIRED = 1 << 0,
};

struct acpi_dmar {
	uint16_t address_bits; /* 1 to 256; not validated */
	bool interrupt_remapping;
	bool x2apic_opt_out;
	bool dma_opt_in;
	uint8_t flags;
};

struct acpi_dmar_entry {
	enum acpi_dmar_kind kind;
	uint16_t type;
	uint32_t length;
	uint8_t flags;              /* DRHD, ATSR, SATC */
	uint8_t size_order;         /* DRHD: 2^n pages of registers */
	uint16_t segment;           /* all but RHSA and ANDD */
	uint64_t base;              /* DRHD, RHSA: registers; RMRR: memory */
	uint64_t limit;             /* RMRR: last byte; may lie below base */
	uint32_t domain;            /* RHSA */
	uint8_t device;             /* ANDD: device number that scopes refer to */
	char name[ACPI_NAME_BYTES]; /* ANDD */
	const uint8_t *scopes;      /* empty for RHSA, ANDD, OTHER and BAD */
	uint32_t scopes_length;
};

enum acpi_scope_kind {
	ACPI_SCOPE_ENDPOINT = 1,
	ACPI_SCOPE_BRIDGE = 2, /* and all devices below it */
	ACPI_SCOPE_IOAPIC = 3,
	ACPI_SCOPE_HPET = 4,
	ACPI_SCOPE_NAMESPACE = 5,
};

struct acpi_scope {
	uint8_t type; /* enum acpi_scope_kind, or any other value of the firmware */
	uint8_t flags;
	uint8_t id; /* of the IOAPIC, HPET block or ANDD device */
	uint8_t bus;
	uint8_t hops;        /* 0: empty path, no device */
	const uint8_t *path; /* `hops` pairs of device and function */
};

/* Read the fixed part.  ERR_BAD_FORMAT: not a DMAR table, or too short. */
err_t acpi_dmar_read(const struct acpi_table *t, struct acpi_dmar *out);
/* Iterate over the remapping structures, and over the device scopes of one. */
struct acpi_walk acpi_dmar_walk(const struct acpi_table *t);
bool acpi_dmar_next(struct acpi_walk *w, struct acpi_dmar_entry *e);
struct acpi_walk acpi_scope_walk(const struct acpi_dmar_entry *e);
bool acpi_scope_next(struct acpi_walk *w, struct acpi_scope *out);

/* ---- SPCR ---- */

enum acpi_uart {
	ACPI_UART_16550 = 0,
	ACPI_UART_16450 = 1,
	ACPI_UART_16550_GAS = 0x12, /* 16550 with the access size of its register */
};

struct acpi_spcr {
	struct acpi_register base;
	uint8_t type;  /* enum acpi_uart, or any other value of the firmware */
	uint32_t baud; /* 0: keep the current rate */
	uint32_t gsi;
};

/* ERR_BAD_FORMAT: not an SPCR table, or too short. */
err_t acpi_spcr_read(const struct acpi_table *t, struct acpi_spcr *out);
