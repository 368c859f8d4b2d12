/* SPDX-License-Identifier: MIT */
/*
 * pvh.h - parses the PVH start info (QEMU -kernel, Xen, Firecracker) into a struct boot_info.
 *
 * Unlike Multiboot2 it is not one block: start info, memory map, module list and strings are
 * anywhere in memory, so the parser reads through a callback that returns NULL for inaccessible
 * ranges.
 *
 * Source: Xen public/arch-x86/hvm/start_info.h (layout), version 1.
 */
#pragma once

#include "boot/source.h"

#define PVH_MAGIC 0x336ec578u

struct pvh {
	struct source_walk walk; /* call pvh_init() */
	phys_read_t read;
	void *ctx;
	uint64_t start_info, map, modules, cmdline, rsdp;
	uint32_t map_count, module_count;
};

/* Validate the start info.  On ERR_BAD_FORMAT or ERR_NOT_FOUND (no memory map), *why describes the
 * error in one line. */
err_t pvh_init(struct pvh *pvh, phys_read_t read, void *ctx, uint64_t start_info, const char **why);

/* The maximum number of arena bytes that pvh_parse() needs, without the spare entries. */
size_t pvh_arena_bytes(const struct pvh *pvh);

/* Like multiboot2_parse(). */
err_t pvh_parse(const struct pvh *pvh, struct boot_arena *arena, size_t spare,
		struct boot_info *bi);
