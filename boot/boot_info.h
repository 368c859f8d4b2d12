/* SPDX-License-Identifier: MIT */
/*
 * boot_info.h - what the firmware and the boot loader said, as plain data.
 *
 * Filled once by boot/multiboot2.c or boot/pvh.c, completed by boot/acpi.c and
 * boot/cmdline.c.  Every byte is copied: after that the firmware's memory is never
 * read again.  Nothing here is checked against anything else; that is the work of
 * mm/frame/regions.c, which turns `sources` into the map that the allocators believe.
 *
 * Ownership: all pointers point into the arena that the parser was given and live as
 * long as it does (in the kernel: for ever).  Constant after boot; no lock.
 */
#pragma once

#include "lib/types.h"

/* What a byte of physical memory is.  The order is the rule: where sources overlap, the
 * first of this list wins. */
enum region_type {
	REGION_BAD,
	REGION_KERNEL,
	REGION_MODULE,
	REGION_BOOT_INFO,
	REGION_FRAMEBUFFER,
	REGION_ACPI_NVS,
	REGION_ACPI,
	REGION_RESERVED,
	REGION_USABLE,
	REGION_TYPES,
};

/* [start, end) in bytes, start < end. */
struct region {
	uint64_t start, end;
	enum region_type type;
};

struct boot_module {
	struct region range;
	const char *cmdline; /* never NULL */
};

enum framebuffer_type {
	FRAMEBUFFER_INDEXED = 0,
	FRAMEBUFFER_RGB = 1,
	FRAMEBUFFER_EGA_TEXT = 2,
};

struct boot_framebuffer {
	uint64_t address;       /* 0: there is none */
	uint32_t pitch;         /* bytes from one line to the next */
	uint32_t width, height; /* pixels; characters for EGA text */
	uint8_t bits_per_pixel;
	uint8_t type; /* enum framebuffer_type, or anything else from outside */
	uint8_t red_position, red_bits, green_position, green_bits, blue_position, blue_bits;
};

enum boot_protocol {
	BOOT_MULTIBOOT2,
	BOOT_PVH,
};

enum {
	BOOT_RSDP_BYTES = 36,
	BOOT_NAME_BYTES = 64,
};

struct boot_info {
	enum boot_protocol protocol;
	const char *cmdline; /* never NULL */
	char loader[BOOT_NAME_BYTES];

	struct region *sources; /* every statement about memory, in order of arrival */
	size_t source_count, source_room;

	struct boot_module *modules;
	size_t module_count, module_room;

	struct boot_framebuffer framebuffer;

	uint8_t rsdp[BOOT_RSDP_BYTES]; /* a copy; rsdp_length 0: none was given */
	uint32_t rsdp_length;

	uint64_t efi_system_table; /* physical; 0: not started by EFI */
	bool has_memory_map;       /* a memory map was given, good or bad */
	bool has_efi_map;
	bool boot_services_running; /* EFI boot services were not ended: unusable for keel */
};

/* The name that `regions` prints. */
static inline const char *region_type_name(enum region_type type)
{
	static const char *const names[REGION_TYPES] = {
		"bad",      "kernel", "module",   "boot-info", "framebuffer",
		"acpi-nvs", "acpi",   "reserved", "usable",
	};

	return (unsigned)type < REGION_TYPES ? names[type] : "?";
}
