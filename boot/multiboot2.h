/* SPDX-License-Identifier: MIT */
/*
 * multiboot2.h - the Multiboot2 information block becomes a struct boot_info.
 *
 * The block is bytes from outside: every length is checked before it is used, a list of tags
 * ends at the block's end whatever the tags say, strides come from the tags.  Pure: same
 * bytes, same answer; runs on the host, under fuzzers and in the kernel alike.
 *
 * Source: Multiboot2 specification 2.0, 3.6; UEFI 2.10, 7.2 (memory descriptors); ELF-64.
 */
#pragma once

#include "boot/source.h"

#define MULTIBOOT2_LOADER_MAGIC 0x36d76289u

struct multiboot2 {
	struct source_walk walk; /* call multiboot2_init() */
	const uint8_t *bytes;
	size_t len;       /* readable bytes; at least total_size of them */
	uint64_t address; /* where the loader put the block */
	/* ELF sections at or above this lie at their address minus it. */
	uint64_t image_offset;
};

/* Look at the frame of the block: its size and the chain of its tags.  On ERR_BAD_FORMAT,
 * *why is one line in words. */
err_t multiboot2_init(struct multiboot2 *mb, const uint8_t *bytes, size_t len, uint64_t address,
		      uint64_t image_offset, const char **why);

/* Bytes of arena that multiboot2_parse() can need at most. */
size_t multiboot2_arena_bytes(const struct multiboot2 *mb);

/* Fill *bi.  `spare` more sources can be added later.  ERR_NO_MEMORY: the arena is smaller
 * than multiboot2_arena_bytes() said, plus the spare ones. */
err_t multiboot2_parse(const struct multiboot2 *mb, struct boot_arena *arena, size_t spare,
		       struct boot_info *bi);
