/* SPDX-License-Identifier: MIT */
/*
 * source.h - what every boot protocol's parser shares.
 *
 * A parser walks bytes that firmware wrote and says what it finds to a visitor: each
 * statement about memory is a `struct region`.  Walking stores nothing, so that the kernel
 * can walk once to find a place for its arena (source_find_gap) and once to fill it.
 *
 * The arena is a bump region that the caller brings; a parser says beforehand how many bytes
 * it can need at most.  Nothing here locks; the first CPU alone boots.
 */
#pragma once

#include "boot/boot_info.h"
#include "lib/err.h"

struct source_visitor {
	void (*visit)(struct source_visitor *v, const struct region *r);
	bool warns; /* the walk tells the user what it passes over */
};

/* A protocol's information at its place, not yet believed. */
struct source_walk {
	err_t (*each)(const struct source_walk *walk, struct source_visitor *v);
};

/* Bytes of physical memory, or NULL where they cannot be reached. */
typedef const uint8_t *(*phys_read_t)(void *ctx, uint64_t pa, uint64_t len);

/* [start, start + len) as a statement to v: an empty one is passed over with a warning, one
 * that wraps is cut at the end of the address space, or left out when it claims to be usable. */
void source_say(struct source_visitor *v, const char *who, uint64_t start, uint64_t len,
		enum region_type type);

/* A warning, when v is the walk that warns. */
void source_warn(const struct source_visitor *v, const char *format, ...) __printf(2, 3);

/* A place of `len` bytes, page-aligned, in [min, max), that some statement calls usable and
 * none calls anything else.  ERR_NO_MEMORY: there is none. */
err_t source_find_gap(const struct source_walk *walk, uint64_t min, uint64_t max, uint64_t len,
		      uint64_t *start);

struct boot_arena {
	uint8_t *at, *end;
};

/* Zeroed, 8-byte aligned memory, or NULL when the arena is full. */
void *boot_arena_take(struct boot_arena *a, size_t bytes);
/* A terminated copy of at most len characters of s, up to its terminator; NULL when full. */
const char *boot_arena_string(struct boot_arena *a, const char *s, size_t len);

/* Append to boot_info's arrays; a full array is a parser's mistake in counting and asserts. */
void boot_info_add_source(struct boot_info *bi, const struct region *r);
void boot_info_add_module(struct boot_info *bi, const struct boot_module *m);

/* Whether somebody calls a byte of the range memory, be it free or in use: anything but reserved or
 * a framebuffer's. */
bool boot_info_has_memory(const struct boot_info *bi, struct prange range);

/* Firmware's integers, little endian, unaligned. */
static inline uint32_t read_le32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t read_le64(const uint8_t *p)
{
	return read_le32(p) | (uint64_t)read_le32(p + 4) << 32;
}
