/* SPDX-License-Identifier: MIT */
/*
 * page_prop.h - properties of a mapping, independent of the machine.
 *
 * Present is separate from readable: a mapping without PROP_READ is not the same as no mapping
 * (finding MOM-04).  Whether an entry owns a count of its frame is a property of the entry, too
 * (finding CUR-06).
 */
#pragma once

#include "lib/types.h"

enum prop_flags {
	PROP_READ = 1 << 0,
	PROP_WRITE = 1 << 1,
	PROP_EXECUTE = 1 << 2,
	PROP_USER = 1 << 3,
	PROP_GLOBAL = 1 << 4,
	PROP_ACCESSED = 1 << 5,    /* set by the CPU */
	PROP_DIRTY = 1 << 6,       /* set by the CPU */
	PROP_TRACKED = 1 << 7,     /* the entry owns one count of its frame */
	PROP_COPY = 1 << 8,        /* copy-on-write: a write is permitted, to a copy of the frame */
	PROP_SHARED = 1 << 9,      /* a fork shares the frame instead of copying it */
	PROP_FORKED = 1 << 10,     /* since a fork the frame may have other owners */
	PROP_DENY_WRITE = 1 << 11, /* a change of rights cannot add PROP_WRITE */
	PROP_DENY_EXECUTE = 1 << 12, /* nor PROP_EXECUTE */
	PROP_PINNED = 1 << 13,       /* the frame was pinned through this entry, and may still be */
};

/* The rights of access. */
#define PROP_RIGHTS (PROP_READ | PROP_WRITE | PROP_EXECUTE)

/* Memory types: SDM 3A 11.3, as arch sets the PAT. */
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
