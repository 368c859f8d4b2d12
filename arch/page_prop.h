/* SPDX-License-Identifier: MIT */
/*
 * page_prop.h - what may be done through a mapping, in words that no machine owns.
 *
 * Present is a property of its own: a mapping without PROP_READ that exists is not the same as
 * none (finding MOM-04).  Whether an entry owns a count of the frame behind it is a property
 * of the entry too (finding CUR-06).
 */
#pragma once

#include "lib/types.h"

enum prop_flags {
	PROP_READ = 1 << 0,
	PROP_WRITE = 1 << 1,
	PROP_EXECUTE = 1 << 2,
	PROP_USER = 1 << 3,
	PROP_GLOBAL = 1 << 4,
	PROP_ACCESSED = 1 << 5, /* set by the CPU */
	PROP_DIRTY = 1 << 6,    /* set by the CPU */
	PROP_TRACKED = 1 << 7,  /* the entry owns one count of its frame */
	PROP_COPY = 1 << 8,     /* writing is allowed, but to a copy: the frame may have others */
	PROP_SHARED = 1 << 9,   /* a fork shares the frame instead of copying it */
	PROP_FORKED = 1 << 10,  /* since a fork the frame may have other owners */
};

/* How the CPU caches what lies behind: SDM 3A 11.3, as the PAT is set by arch. */
enum mem_type {
	MEM_WRITE_BACK,
	MEM_WRITE_COMBINING,
	MEM_UNCACHED,
	MEM_TYPES,
};

struct page_prop {
	uint16_t flags; /* enum prop_flags */
	uint8_t type;   /* enum mem_type */
};

static inline bool page_prop_equal(struct page_prop a, struct page_prop b)
{
	return a.flags == b.flags && a.type == b.type;
}

/* Two mappings that differ only in the accessed and dirty bits. */
static inline bool page_prop_same_rights(struct page_prop a, struct page_prop b)
{
	uint16_t cpu_bits = PROP_ACCESSED | PROP_DIRTY;

	return (a.flags & ~cpu_bits) == (b.flags & ~cpu_bits) && a.type == b.type;
}

static inline const char *mem_type_name(enum mem_type type)
{
	static const char *const names[MEM_TYPES] = { "write-back", "write-combining", "uncached" };

	return (unsigned)type < MEM_TYPES ? names[type] : "?";
}
