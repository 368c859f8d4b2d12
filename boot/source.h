/* SPDX-License-Identifier: MIT */
/*
 * source.h - common parts of the boot protocol parsers: memory map entries, arena, gap search.
 *
 * A parser walks the firmware's data and passes each memory map entry, as a `struct region`, to a
 * visitor.  A walk stores nothing, so that the kernel walks once to find memory for its arena
 * (source_find_gap) and once to fill it.
 *
 * The arena is a bump allocator in memory of the caller; each parser reports in advance the maximum
 * number of bytes that it needs.  No lock: only the first CPU runs at this stage.
 */
#pragma once

#include "boot/boot_info.h"
#include "lib/err.h"

struct source_visitor {
	void (*visit)(struct source_visitor *v, const struct region *r);
	bool warns; /* source_warn() prints warnings about ignored entries */
};

/* The untrusted boot information of one protocol. */
struct source_walk {
	err_t (*each)(const struct source_walk *walk, struct source_visitor *v);
};

/* A pointer to [pa, pa + len) of physical memory, or NULL if it is not accessible. */
typedef const uint8_t *(*phys_read_t)(void *ctx, uint64_t pa, uint64_t len);

/* Pass [start, start + len) to v as a memory map entry from `origin`.  An empty entry is ignored
 * with a warning; one that wraps is truncated at the end of the address space, or ignored if it is
 * REGION_USABLE. */
void source_say(struct source_visitor *v, const char *origin, uint64_t start, uint64_t len,
		enum region_type type);

/* Print a warning if v->warns. */
void source_warn(const struct source_visitor *v, const char *format, ...) __printf(2, 3);

/* Find `len` page-aligned bytes in [min, max) that one REGION_USABLE entry contains and no entry of
 * another type overlaps.  ERR_NO_MEMORY: none. */
err_t source_find_gap(const struct source_walk *walk, uint64_t min, uint64_t max, uint64_t len,
		      uint64_t *start);

struct boot_arena {
	uint8_t *at, *end;
};

/* Allocate zeroed, 8-byte aligned memory; NULL if the arena is full. */
void *boot_arena_take(struct boot_arena *a, size_t bytes);
/* Copy at most len characters of s, up to its terminator, and terminate; NULL if the arena is full.
 */
const char *boot_arena_string(struct boot_arena *a, const char *s, size_t len);

/* Append to boot_info's arrays.  Asserts that the array is not full: the parser computed its size.
 */
void boot_info_add_source(struct boot_info *bi, const struct region *r);
void boot_info_add_module(struct boot_info *bi, const struct boot_module *m);

/* Whether the range overlaps an entry for RAM: region_type_is_ram(). */
bool boot_info_has_ram(const struct boot_info *bi, struct prange range);

/* Little-endian integers at any alignment. */
static inline uint32_t read_le32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t read_le64(const uint8_t *p)
{
	return read_le32(p) | (uint64_t)read_le32(p + 4) << 32;
}
