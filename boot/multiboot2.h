/* SPDX-License-Identifier: MIT */
/*
 * multiboot2.h - parses the Multiboot2 information block into a struct boot_info.
 *
 * The block is untrusted input: every length is checked before use, the tag list never extends
 * beyond the block, and entry strides are read from the tags.  Pure: the result depends on the
 * bytes alone; runs on the host, under fuzzers and in the kernel.
 *
 * Source: Multiboot2 specification 2.0, 3.6; UEFI 2.10, 7.2 (memory descriptors); ELF-64.
 */
#pragma once

#include "boot/source.h"

#define MULTIBOOT2_LOADER_MAGIC 0x36d76289u

struct multiboot2 {
	struct source_walk walk; /* call multiboot2_init() */
	const uint8_t *bytes;
	size_t len;       /* the block's total_size */
	uint64_t address; /* physical address of the block */
	/* Subtracted from addresses of ELF sections at or above it. */
	uint64_t image_offset;
};

/* Validate the block's size, its chain of tags and the strides of its memory maps.  ERR_BAD_FORMAT,
 * or ERR_NOT_FOUND: no memory map; *why then describes the error in one line. */
err_t multiboot2_init(struct multiboot2 *mb, const uint8_t *bytes, size_t len, uint64_t address,
		      uint64_t image_offset, const char **why);

/* The maximum number of arena bytes that multiboot2_parse() needs, without the spare entries. */
size_t multiboot2_arena_bytes(const struct multiboot2 *mb);

/* Fill *bi.  Reserves room for `spare` more memory map entries.  ERR_NO_MEMORY: the arena is
 * smaller than multiboot2_arena_bytes() plus `spare` entries. */
err_t multiboot2_parse(const struct multiboot2 *mb, struct boot_arena *arena, size_t spare,
		       struct boot_info *bi);
