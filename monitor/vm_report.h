/* SPDX-License-Identifier: MIT */
/*
 * vm_report.h - describes a user address space: its extents and statistics.
 *
 * An extent is a run of pages with the same meaning (the table of mm/vm/space.h): neighbours whose
 * entries differ only in frame and size are one extent.  Stats are sums over a whole space.
 *
 *   keel> spaces 2
 *   00000010000000-00000010003000       12K rw-  private, 3 x 4K
 *   00000010003000-00000020000000  262132K rw-  zeros on demand, pages up to 2M
 *
 * Invariants:
 *   R1  extents are sorted by address and do not overlap; two that touch differ in meaning
 *   R2  each page of the space that is not absent lies in exactly one extent
 *   R3  nodes are counted from the levels of the items: the count equals page_table_nodes() while
 *       no CPU changes the space
 *
 * No lock is held: vm_space_query() reads each entry on its own.  While other CPUs change the
 * space, each answer was true of its entry at some moment, and R1 holds; the report as a whole is
 * not a snapshot.
 *
 * Any context that may call vm_space_query(); the caller holds a count of the space.
 */
#pragma once

#include "mm/vm/space.h"

enum vm_what {
	VM_WHAT_NOTHING,
	VM_WHAT_ZEROS, /* on demand */
	VM_WHAT_GUARD,
	VM_WHAT_OBJECT,    /* pages of an object, on demand */
	VM_WHAT_PRIVATE,   /* private pages; frames of read-only ones may be shared */
	VM_WHAT_COPY,      /* copy-on-write pages */
	VM_WHAT_ZERO_PAGE, /* the shared zero page is mapped */
	VM_WHAT_SHARED,    /* shared by a fork: pages of objects, vm_space_map_frame() */
	VM_WHATS,
};

/* The meaning of one entry. */
struct vm_meaning {
	enum vm_what what;
	unsigned rights; /* PROP_READ, WRITE, EXECUTE: the program's; WRITE also if by a copy */
	/* ZEROS: the largest level; OBJECT: the object's number, 0 if not known; else 0 */
	unsigned detail;
};

struct vm_extent {
	vaddr_t start;
	uint64_t len; /* bytes */
	struct vm_meaning meaning;
	uint64_t pages[PT_LEAF_LEVEL_MAX + 1]; /* mapped pages, by level */
};

/* `resident` counts pages by level; the next five are in bytes. */
struct vm_space_stats {
	uint64_t resident[PT_LEAF_LEVEL_MAX + 1]; /* without the zero page */
	uint64_t shared, copy, zero_page;         /* bytes */
	uint64_t on_demand, guard;                /* bytes */
	uint64_t nodes;                           /* of the user half, and the root */
};

/* Pure: knows no object's number. */
struct vm_meaning vm_meaning_of(const struct pt_item *item);
/* The meaning of an item of this space. */
struct vm_meaning vm_meaning_in(struct vm_space *s, const struct pt_item *item);

/* Finds the first extent that ends above va, clipped to start at va or later; false: none. */
bool vm_extent_next(struct vm_space *s, vaddr_t va, struct vm_extent *out);

/* Sums over the space; the time is linear in its entries. */
struct vm_space_stats vm_space_stats_of(const struct vm_space *s);

/* Formats "zeros on demand, pages up to 2M", "object 3 on demand", "guard", ...; NUL-terminated. */
void vm_describe(struct vm_meaning meaning, char *text, size_t size);

/* Formats bytes in the largest unit that divides them: "4K", "1T"; VM_BYTES_TEXT bytes suffice. */
enum {
	VM_BYTES_TEXT = 24,
};
void vm_format_bytes(uint64_t bytes, char *text, size_t size);

/* Parses a space's number and takes a count of the space.  NULL: there is none; prints an error
 * that starts with `command`. */
__owns struct vm_space *vm_report_find(const char *command, const char *number);
