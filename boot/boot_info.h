/* SPDX-License-Identifier: MIT */
/*
 * boot_info.h - boot information of the firmware and the boot loader, protocol-independent.
 *
 * Filled once by boot/multiboot2.c or boot/pvh.c, completed by boot/acpi.c and boot/cmdline.c.
 * Every byte is copied: the firmware's memory is not read again.  Entries are not checked against
 * each other here; mm/frame/regions.c resolves `sources` into the map that the allocators use.
 *
 * Ownership: all pointers point into the arena passed to the parser and are valid as long as it is
 * (in the kernel: forever).  Constant after boot; no lock.
 */
#pragma once

#include "lib/types.h"

/* Type of physical memory, by descending precedence: where entries overlap, the first type of this
 * list wins. */
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
	uint64_t address;       /* 0: no framebuffer */
	uint32_t pitch;         /* bytes from one line to the next */
	uint32_t width, height; /* pixels; characters for EGA text */
	uint8_t bits_per_pixel;
	uint8_t type; /* enum framebuffer_type, or any other value of the loader */
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

	struct region *sources; /* all memory map entries, in the order they were found */
	size_t source_count, source_room;

	struct boot_module *modules;
	size_t module_count, module_room;

	struct boot_framebuffer framebuffer;

	uint8_t rsdp[BOOT_RSDP_BYTES]; /* a copy; rsdp_length 0: none was given */
	uint32_t rsdp_length;

	uint64_t efi_system_table; /* physical; 0: not started by EFI */
	bool has_memory_map;       /* a memory map was passed, valid or not */
	bool has_efi_map;
	bool boot_services_running; /* ExitBootServices() was not called: keel cannot run */
};

/* Three questions about a type; each has this one answer.
 *
 * Is it RAM, working or defective, in use or free?  The CPU may cache it, and it holds no registers
 * of a device.  Reserved ranges can be either, so they are not. */
static inline bool region_type_is_ram(enum region_type type)
{
	return type != REGION_RESERVED && type != REGION_FRAMEBUFFER;
}

/* Does the direct map contain it?  RAM that may be read: a load from defective RAM, even a
 * speculative one, can raise a machine check. */
static inline bool region_type_is_mapped(enum region_type type)
{
	return region_type_is_ram(type) && type != REGION_BAD;
}

/* Do its frames have metadata?  RAM that is or can be given to the frame allocator; the firmware
 * keeps the rest. */
static inline bool region_type_has_frames(enum region_type type)
{
	return region_type_is_mapped(type) && type != REGION_ACPI && type != REGION_ACPI_NVS;
}

/* The name that the monitor command `regions` prints. */
static inline const char *region_type_name(enum region_type type)
{
	static const char *const names[REGION_TYPES] = {
		"bad",      "kernel", "module",   "boot-info", "framebuffer",
		"acpi-nvs", "acpi",   "reserved", "usable",
	};

	return (unsigned)type < REGION_TYPES ? names[type] : "?";
}
