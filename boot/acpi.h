/* SPDX-License-Identifier: MIT */
/*
 * acpi.h - the static tables of ACPI, as typed values; no AML.
 *
 *   RSDP ---> XSDT ---> APIC MCFG SRAT HPET FACP DMAR SPCR ...
 *     `.----> RSDT --------^        (when there is no usable XSDT)
 *
 * A table is a span of bytes: a header of 36 bytes with a length and a checksum, then
 * whatever its signature says.  Discovery collects spans, acpi_copy() moves them into
 * memory of the kernel's own, and the readers below decode them on demand.  All readers
 * are pure functions of the span: nothing is patched, cached or cast onto a struct.
 *
 * Invariants, for any bytes whatsoever:
 *   A1  no function reads outside [bytes, bytes + length) of its table
 *   A2  every step of a walk moves forward by at least one header, so a walk ends
 *   A3  a walk that met a malformed entry has `why` set; entries before it are good
 *   A4  a table in struct acpi has 36 <= length <= ACPI_TABLE_MAX and does not wrap
 *   A5  no address is in struct acpi twice, so its regions are each reported once
 *
 * A table with a bad checksum is kept, because its bytes are still the firmware's, but
 * acpi_find() never returns it.
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
	ACPI_TABLE_MAX = 1 << 24, /* 16 MiB: policy; no table here comes near it */
	ACPI_SIGNATURE_CHARS = 4,
	ACPI_OEM_ID_CHARS = 6,
	ACPI_OEM_TABLE_CHARS = 8,
	ACPI_NAME_BYTES = 64, /* of a namespace path in ANDD; longer ones are cut */
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

/* Texts hold printable ASCII only: other bytes became '.', which no signature contains. */
struct acpi_table {
	const uint8_t *bytes;
	uint32_t length;
	uint64_t address; /* physical; 0: not from memory */
	enum acpi_checksum checksum;
	uint8_t revision;
	char signature[ACPI_SIGNATURE_CHARS + 1];
	char oem_id[ACPI_OEM_ID_CHARS + 1];
	char oem_table[ACPI_OEM_TABLE_CHARS + 1];
};

struct acpi {
	struct acpi_table *table; /* the caller's array; [0] is the XSDT or RSDT */
	size_t count, room;
	size_t missed; /* tables beyond `room` */
};

struct acpi_rsdp {
	uint64_t xsdt; /* 0: none, or not to be believed */
	uint32_t rsdt; /* 0: none */
	uint8_t revision;
	char oem_id[ACPI_OEM_ID_CHARS + 1];
};

/* Make [pa, pa + len) readable until acpi_copy() has run, or NULL when it is not accessible. */
typedef const uint8_t *(*acpi_map_t)(void *ctx, uint64_t pa, uint64_t len);

/* Check both checksums.  A good 1.0 part with a bad 2.0 part is OK without an XSDT.
 * *why is the reason of a refusal, of all or of the 2.0 part, else NULL. */
err_t acpi_rsdp_parse(const uint8_t *bytes, size_t len, struct acpi_rsdp *out, const char **why);

/* Describe one raw table of `len` bytes, of which trailing ones beyond its own length are
 * ignored.  A bad checksum is a state in *out, not an error.  *why is set on error. */
err_t acpi_table_check(const uint8_t *bytes, size_t len, struct acpi_table *out, const char **why);

/* Find all tables.  a->table and a->room are the caller's.  Whatever is wrong is warned about
 * and left out.  ERR_NOT_FOUND: no RSDP; ERR_BAD_FORMAT: no usable RSDP or root table;
 * ERR_NO_MEMORY: more than `room` tables, those in the array are usable. */
err_t acpi_discover(struct acpi *a, const uint8_t *rsdp, size_t len, acpi_map_t map, void *ctx);

/* Move all tables into `memory`, any alignment; the firmware's bytes are not read again.
 * ERR_NO_MEMORY: less than acpi_copy_size(), nothing changed. */
size_t acpi_copy_size(const struct acpi *a);
err_t acpi_copy(struct acpi *a, void *memory, size_t size);

/* The first table with this signature and a good checksum, or NULL. */
const struct acpi_table *acpi_find(const struct acpi *a, const char *signature);

/* Where the firmware keeps the table, for the list of memory sources. */
struct region acpi_table_region(const struct acpi_table *t);

/* Print a header line and a line per entry: good, bad and unknown tables alike. */
void acpi_print(const struct acpi_table *t);

/* ---- walks ---- */

/* One pass over the entries of a table or a structure:
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

/* A kind is the type number of the specification, or one of these. */
enum {
	ACPI_ENTRY_OTHER = 1 << 16,            /* a type unknown here */
	ACPI_ENTRY_BAD = ACPI_ENTRY_OTHER + 1, /* too short for its type, or senseless */
};

/* A register: ACPI 6.5, 5.2.3.2. */
enum acpi_space {
	ACPI_SPACE_MEMORY = 0,
	ACPI_SPACE_IO = 1,
	ACPI_SPACE_PCI = 2,
};
struct acpi_register {
	uint64_t address; /* 0: there is none */
	uint8_t space;    /* enum acpi_space, or anything else from outside */
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
	ACPI_POLARITY_BUS = 0, /* as the bus has it; ISA: high */
	ACPI_POLARITY_HIGH = 1,
	ACPI_POLARITY_RESERVED = 2,
	ACPI_POLARITY_LOW = 3,
};

enum acpi_trigger {
	ACPI_TRIGGER_BUS = 0, /* as the bus has it; ISA: edge */
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
			uint8_t bus, source; /* ISA interrupt `source` arrives at `gsi` */
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

/* The whole table in numbers. */
struct acpi_madt {
	uint64_t lapic_address; /* the override's, when there is one */
	bool legacy_pics;       /* a pair of 8259 to be masked */
	uint32_t cpus_enabled, ioapics;
};

/* The fixed part and the counts.  ERR_BAD_FORMAT: not a MADT, or too short to be one. */
err_t acpi_madt_read(const struct acpi_table *t, struct acpi_madt *out);
/* The entries, one by one. */
struct acpi_walk acpi_madt_walk(const struct acpi_table *t);
bool acpi_madt_next(struct acpi_walk *w, struct acpi_madt_entry *e);

/* ---- MCFG ---- */

struct acpi_mcfg_window {
	uint64_t base; /* of bus 0, also when bus_first is not 0 */
	uint16_t segment;
	uint8_t bus_first, bus_last; /* inclusive */
	bool usable;                 /* buses in order, and the window does not wrap */
};

/* The configuration windows, one by one. */
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
	bool enabled; /* else ignore it */
	uint32_t domain;
	union {
		uint32_t apic_id; /* LAPIC, X2APIC */
		struct {
			uint64_t base, len; /* bytes; does not wrap; len may be 0 */
			bool hot_pluggable, non_volatile;
		} memory;
	};
};

/* The affinities, one by one. */
struct acpi_walk acpi_srat_walk(const struct acpi_table *t);
bool acpi_srat_next(struct acpi_walk *w, struct acpi_srat_entry *e);

/* ---- HPET ---- */

struct acpi_hpet {
	struct acpi_register base; /* the tick's period is in the registers, not here */
	uint16_t min_tick;         /* least periodic interval without lost interrupts, ticks */
	uint8_t number;
	uint8_t comparators;
	bool counter_64;
	bool legacy_route;
	uint16_t vendor;
};

/* ERR_BAD_FORMAT: not an HPET table, or too short to be one. */
err_t acpi_hpet_read(const struct acpi_table *t, struct acpi_hpet *out);

/* ---- FADT: 5.2.9 ---- */

/* What an old, shorter table does not have reads as absent, except that a table older than
 * revision 3 describes a PC: legacy devices and a keyboard controller are assumed. */
struct acpi_fadt {
	struct acpi_register pm_timer; /* 3.579545 MHz */
	bool pm_timer_32;              /* else 24 bits */
	struct acpi_register pm1a_control, pm1b_control;
	struct acpi_register reset;
	uint8_t reset_value;
	bool reset_supported;
	bool hardware_reduced; /* none of the PM blocks exist */
	bool apic_physical;    /* more than 8 CPUs want physical destination mode */
	bool legacy_devices, i8042, no_vga, no_msi, no_aspm, no_cmos_rtc;
	uint16_t boot_flags, sci;
	uint32_t flags;
};

/* ERR_BAD_FORMAT: not a FADT, or too short to be one. */
err_t acpi_fadt_read(const struct acpi_table *t, struct acpi_fadt *out);
/* Whether a keyboard controller may be there: a good FADT can deny it, nothing else does. */
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
	uint16_t address_bits; /* 1 to 256: not checked against anything */
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
	uint8_t device;             /* ANDD: number that scopes refer to */
	char name[ACPI_NAME_BYTES]; /* ANDD */
	const uint8_t *scopes;      /* empty for RHSA, ANDD, OTHER and BAD */
	uint32_t scopes_length;
};

enum acpi_scope_kind {
	ACPI_SCOPE_ENDPOINT = 1,
	ACPI_SCOPE_BRIDGE = 2, /* and everything below it */
	ACPI_SCOPE_IOAPIC = 3,
	ACPI_SCOPE_HPET = 4,
	ACPI_SCOPE_NAMESPACE = 5,
};

struct acpi_scope {
	uint8_t type; /* enum acpi_scope_kind, or anything else from outside */
	uint8_t flags;
	uint8_t id; /* of the IOAPIC, HPET block or ANDD device */
	uint8_t bus;
	uint8_t hops;        /* 0: a path that leads nowhere */
	const uint8_t *path; /* hops pairs of device and function */
};

/* The fixed part.  ERR_BAD_FORMAT: not a DMAR, or too short to be one. */
err_t acpi_dmar_read(const struct acpi_table *t, struct acpi_dmar *out);
/* The remapping structures, and the device scopes of one, one by one. */
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
	uint8_t type;  /* enum acpi_uart, or anything else from outside */
	uint32_t baud; /* 0: leave it as it is */
	uint32_t gsi;
};

/* ERR_BAD_FORMAT: not an SPCR, or too short to be one. */
err_t acpi_spcr_read(const struct acpi_table *t, struct acpi_spcr *out);
