/* SPDX-License-Identifier: MIT */
/*
 * vm_report.h - what is in a user's address space, in words and stats.
 *
 * An extent is a run of pages that mean the same (the table of mm/vm/space.h): neighbours whose
 * entries differ in frame and size alone are one extent.  Stats are sums over a whole space.
 *
 *   keel> spaces 2
 *   00000010000000-00000010003000       12K rw-  private, 3 x 4K
 *   00000010003000-00000020000000  262132K rw-  zeros on demand, pages up to 2M
 *
 * Invariants:
 *   R1  extents come by address and do not overlap; two that touch differ in meaning
 *   R2  each page of the space that is not absent lies in exactly one extent
 *   R3  the nodes that are counted are those that the items' levels prove: they equal
 *       page_table_nodes() while nobody changes the space
 *
 * Nothing is held: each entry is looked up by vm_space_query().  While others change the space each
 * answer was true of its entry at some moment, and R1 holds; what is said of the whole need not
 * have been true at one moment.
 *
 * Any context that may call vm_space_query(); the caller holds a count of the space.
 */
#pragma once

#include "mm/vm/space.h"

enum vm_what {
	VM_WHAT_NOTHING,
	VM_WHAT_ZEROS, /* on demand */
	VM_WHAT_GUARD,
	VM_WHAT_OBJECT,  /* pages of an object, on demand */
	VM_WHAT_PRIVATE, /* its own pages; those that may not be written to may have other owners */
	VM_WHAT_COPY,    /* pages that the first write copies */
	VM_WHAT_ZERO_PAGE, /* the page of zeros is mapped */
	VM_WHAT_SHARED,    /* a fork shares them: pages of objects, and frames mapped by hand */
	VM_WHATS,
};

/* What one entry means. */
struct vm_meaning {
	enum vm_what what;
	unsigned rights; /* PROP_READ, WRITE, EXECUTE: of the program, be it by a copy */
	unsigned detail; /* ZEROS: the largest level; OBJECT: its number; else 0 */
};

struct vm_extent {
	vaddr_t start;
	uint64_t len; /* bytes */
	struct vm_meaning meaning;
	uint64_t pages[PT_LEAF_LEVEL_MAX + 1]; /* that are mapped, by level */
};

/* Pages in units of their size, by level; the others in bytes. */
struct vm_space_stats {
	uint64_t resident[PT_LEAF_LEVEL_MAX + 1]; /* without the page of zeros */
	uint64_t shared, copy, zero_page;         /* bytes */
	uint64_t on_demand, guard;                /* bytes */
	uint64_t nodes;                           /* of the user's half, and the root */
};

/* Pure. */
struct vm_meaning vm_meaning_of(const struct pt_item *item);

/* The first extent at or behind va, from va on; false: there is none. */
bool vm_extent_next(const struct vm_space *s, vaddr_t va, struct vm_extent *out);

/* Sums over all of the space; takes as long as it has entries. */
struct vm_space_stats vm_space_stats_of(const struct vm_space *s);

/* "zeros on demand, pages up to 2M", "object 3 on demand", "guard", ...; always terminated. */
void vm_describe(struct vm_meaning meaning, char *text, size_t size);

/* Bytes in the largest unit that they are a multiple of: "4K", "1T"; and its room. */
enum {
	VM_BYTES_TEXT = 24,
};
void vm_format_bytes(uint64_t bytes, char *text, size_t size);

/* The space of the number that somebody typed, with one more count; NULL, and a line that says so
 * in the name of `command`: there is none. */
struct vm_space *vm_report_find(const char *command, const char *number);
