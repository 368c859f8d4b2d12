/* SPDX-License-Identifier: MIT */
#include "boot/acpi.h"

#include "boot/acpi_bytes.h"
#include "lib/bits.h"

/* ACPI 6.5, 5.2.3.2: Generic Address Structure. */
enum {
	GAS_SPACE = 0,
	GAS_BITS = 1,
	GAS_OFFSET = 2,
	GAS_ACCESS = 3,
	GAS_ADDRESS = 4,
};

static struct acpi_register read_register(struct acpi_span s, uint32_t at)
{
	return (struct acpi_register){
		.address = acpi_le64(s, at + GAS_ADDRESS),
		.space = acpi_le8(s, at + GAS_SPACE),
		.bits = acpi_le8(s, at + GAS_BITS),
		.bit_offset = acpi_le8(s, at + GAS_OFFSET),
		.access = acpi_le8(s, at + GAS_ACCESS),
	};
}

/* ---- HPET: IA-PC HPET 1.0a, 3.2.4 ---- */

enum {
	HPET_FIXED = 56,
	HPET_BLOCK_ID = 36, /* the low half of the capabilities register */
	HPET_BASE = 40,
	HPET_NUMBER = 52,
	HPET_MIN_TICK = 53,

	HPET_ID_COMPARATORS_SHIFT = 8, /* number of comparators minus one */
	HPET_ID_COMPARATORS_MASK = 0x1f,
	HPET_ID_COUNTER_64 = 1 << 13,
	HPET_ID_LEGACY_ROUTE = 1 << 15,
	HPET_ID_VENDOR_SHIFT = 16,
};

err_t acpi_hpet_read(const struct acpi_table *t, struct acpi_hpet *out)
{
	struct acpi_span s = acpi_span_of(t);
	uint32_t id = acpi_le32(s, HPET_BLOCK_ID);

	*out = (struct acpi_hpet){ 0 };
	if (!acpi_is(t, ACPI_HPET, HPET_FIXED))
		return ERR_BAD_FORMAT;
	out->base = read_register(s, HPET_BASE);
	out->number = acpi_le8(s, HPET_NUMBER);
	out->min_tick = acpi_le16(s, HPET_MIN_TICK);
	out->comparators =
		(uint8_t)((id >> HPET_ID_COMPARATORS_SHIFT & HPET_ID_COMPARATORS_MASK) + 1);
	out->counter_64 = (id & HPET_ID_COUNTER_64) != 0;
	out->legacy_route = (id & HPET_ID_LEGACY_ROUTE) != 0;
	out->vendor = (uint16_t)(id >> HPET_ID_VENDOR_SHIFT);
	return OK;
}

/* ---- FADT: ACPI 6.5, 5.2.9 ---- */

enum {
	FADT_FIXED = 116, /* length in ACPI 1.0 */
	FADT_SCI = 46,
	FADT_PM1A_CONTROL = 64,
	FADT_PM1B_CONTROL = 68,
	FADT_PM_TIMER = 76,
	FADT_PM1_CONTROL_BYTES = 89,
	FADT_PM_TIMER_BYTES = 91,
	FADT_BOOT_FLAGS = 109,
	FADT_FLAGS = 112,
	FADT_RESET = 116,
	FADT_RESET_VALUE = 128,
	FADT_X_PM1A_CONTROL = 172,
	FADT_X_PM1B_CONTROL = 184,
	FADT_X_PM_TIMER = 208,
	FADT_REVISION_BOOT_FLAGS = 3, /* ACPI 2.0 */

	FADT_FLAG_TIMER_32 = 1 << 8, /* table 5.10 */
	FADT_FLAG_RESET = 1 << 10,
	FADT_FLAG_APIC_PHYSICAL = 1 << 19,
	FADT_FLAG_HARDWARE_REDUCED = 1 << 20,

	BOOT_FLAG_LEGACY_DEVICES = 1 << 0, /* table 5.11 */
	BOOT_FLAG_I8042 = 1 << 1,
	BOOT_FLAG_NO_VGA = 1 << 2,
	BOOT_FLAG_NO_MSI = 1 << 3,
	BOOT_FLAG_NO_ASPM = 1 << 4,
	BOOT_FLAG_NO_CMOS_RTC = 1 << 5,
	BOOT_FLAGS_OF_A_PC = BOOT_FLAG_LEGACY_DEVICES | BOOT_FLAG_I8042,
};

/* The extended (X_) register if the table has one, else the I/O port of ACPI 1.0. */
static struct acpi_register fadt_block(struct acpi_span s, uint32_t extended_at, uint32_t port_at,
				       uint32_t bytes_at)
{
	struct acpi_register extended = read_register(s, extended_at);
	uint8_t bytes = acpi_le8(s, bytes_at);

	if (extended.address != 0)
		return extended;
	if (bytes == 0)
		return (struct acpi_register){ 0 };
	return (struct acpi_register){
		.address = acpi_le32(s, port_at),
		.space = ACPI_SPACE_IO,
		.bits = (uint8_t)min_u64((uint64_t)bytes * ACPI_BYTE_BITS, UINT8_MAX),
	};
}

static void read_boot_flags(struct acpi_fadt *out, uint16_t flags)
{
	out->boot_flags = flags;
	out->legacy_devices = (flags & BOOT_FLAG_LEGACY_DEVICES) != 0;
	out->i8042 = (flags & BOOT_FLAG_I8042) != 0;
	out->no_vga = (flags & BOOT_FLAG_NO_VGA) != 0;
	out->no_msi = (flags & BOOT_FLAG_NO_MSI) != 0;
	out->no_aspm = (flags & BOOT_FLAG_NO_ASPM) != 0;
	out->no_cmos_rtc = (flags & BOOT_FLAG_NO_CMOS_RTC) != 0;
}

err_t acpi_fadt_read(const struct acpi_table *t, struct acpi_fadt *out)
{
	struct acpi_span s = acpi_span_of(t);

	*out = (struct acpi_fadt){ 0 };
	if (!acpi_is(t, ACPI_FADT, FADT_FIXED))
		return ERR_BAD_FORMAT;
	out->sci = acpi_le16(s, FADT_SCI);
	out->flags = acpi_le32(s, FADT_FLAGS);
	out->pm_timer_32 = (out->flags & FADT_FLAG_TIMER_32) != 0;
	out->apic_physical = (out->flags & FADT_FLAG_APIC_PHYSICAL) != 0;
	out->hardware_reduced = (out->flags & FADT_FLAG_HARDWARE_REDUCED) != 0;
	if (!out->hardware_reduced) {
		out->pm_timer = fadt_block(s, FADT_X_PM_TIMER, FADT_PM_TIMER, FADT_PM_TIMER_BYTES);
		out->pm1a_control = fadt_block(s, FADT_X_PM1A_CONTROL, FADT_PM1A_CONTROL,
					       FADT_PM1_CONTROL_BYTES);
		out->pm1b_control = fadt_block(s, FADT_X_PM1B_CONTROL, FADT_PM1B_CONTROL,
					       FADT_PM1_CONTROL_BYTES);
	}
	out->reset = read_register(s, FADT_RESET);
	out->reset_value = acpi_le8(s, FADT_RESET_VALUE);
	out->reset_supported = (out->flags & FADT_FLAG_RESET) != 0 && out->reset.address != 0 &&
			       t->length > FADT_RESET_VALUE;
	read_boot_flags(out, t->revision < FADT_REVISION_BOOT_FLAGS
				     ? BOOT_FLAGS_OF_A_PC
				     : acpi_le16(s, FADT_BOOT_FLAGS));
	return OK;
}

bool acpi_may_have_i8042(const struct acpi *a)
{
	const struct acpi_table *t = acpi_find(a, ACPI_FADT);
	struct acpi_fadt fadt;

	return t == NULL || acpi_fadt_read(t, &fadt) != OK || fadt.i8042;
}

/* ---- SPCR: Microsoft Serial Port Console Redirection 1.05 ---- */

enum {
	SPCR_FIXED = 80,
	SPCR_TYPE = 36,
	SPCR_BASE = 40,
	SPCR_GSI = 54,
	SPCR_BAUD = 58,
};

err_t acpi_spcr_read(const struct acpi_table *t, struct acpi_spcr *out)
{
	/* Indexed by the table's baud rate code; 0: keep the current rate, or reserved. */
	static const uint32_t rates[] = { 0, 0, 0, 9600, 19200, 0, 57600, 115200 };
	struct acpi_span s = acpi_span_of(t);
	uint8_t code = acpi_le8(s, SPCR_BAUD);

	*out = (struct acpi_spcr){ 0 };
	if (!acpi_is(t, ACPI_SPCR, SPCR_FIXED))
		return ERR_BAD_FORMAT;
	out->type = acpi_le8(s, SPCR_TYPE);
	out->base = read_register(s, SPCR_BASE);
	out->gsi = acpi_le32(s, SPCR_GSI);
	out->baud = code < ARRAY_SIZE(rates) ? rates[code] : 0;
	return OK;
}
