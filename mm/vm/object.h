/* SPDX-License-Identifier: MIT */
/*
 * object.h - memory that several spaces share: pages that come into being on first use, in
 * whichever space that is, and are the same in all.
 *
 * Its pages are the tracked leaves of a page table that no CPU ever loads, from address 0 on, so
 * that looking one up, adding one and all their locking are those of mm/pt/cursor.h.  An object is
 * named in markers by its number.  The place of a page in its object is told by its address alone:
 * the object is mapped at addresses whose low bits are the offset, vm_object_span() of them.
 *
 * Invariants:
 *   O1  a number names one object from vm_object_new() until its last count goes
 *   O2  a space counts, once, each object that it was ever given; it keeps the count until it ends,
 *       so that no marker can outlive the number that it holds
 *   O3  a page of an object owns one count in the object's table, and one for each leaf of a space
 *
 * Locking: one lock over the numbers.  A cursor of an object may be opened while one of a space is
 * held, never the other way round.
 */
#pragma once

#include "mm/pt/cursor.h"
#include "mm/vm/marker.h"

enum {
	VM_OBJECTS_MAX = 256,
	VM_OBJECT_WORDS = VM_OBJECTS_MAX / 64,
};
#define VM_OBJECT_BYTES_MAX GIB(512)
_Static_assert(VM_OBJECTS_MAX <= 1 << VM_MARKER_OBJECT_BITS, "a marker holds every number");

struct vm_object {
	struct page_table pages;
	uint64_t bytes;         /* (c) a multiple of the page size */
	unsigned number;        /* (c) */
	_Atomic unsigned users; /* (a) */
};

/* The objects that a space counts; bits are set, never cleared before the end. */
struct vm_object_set {
	_Atomic uint64_t word[VM_OBJECT_WORDS];
};

/* An object of `bytes`, rounded up to pages, of count 1.  ERR_BAD_RANGE: 0 or above
 * VM_OBJECT_BYTES_MAX; ERR_NO_MEMORY: also when there are VM_OBJECTS_MAX. */
err_t vm_object_new(uint64_t bytes, struct vm_object **out);
void vm_object_put(struct vm_object *o) __takes(1);

/* Bytes after which the address tells the same offset again: its size, rounded up to a power of
 * two. */
uint64_t vm_object_span(const struct vm_object *o);

/* Whether [va, va + len) may show the object from `offset` on. */
bool vm_object_fits(const struct vm_object *o, struct vrange range, uint64_t offset);

/* The page that va shows, with a count for the caller; it comes into being.  ERR_NOT_FOUND: behind
 * the object's end; ERR_NO_MEMORY.  A cursor of a space may be held. */
err_t vm_object_page(struct vm_object *o, vaddr_t va, struct frame **out);

/* ---- sets ---- */

/* The set has `o` afterwards, with a count of its own. */
void vm_object_set_add(struct vm_object_set *set, struct vm_object *o);
/* All of `from` are in `to` afterwards. */
void vm_object_set_copy(struct vm_object_set *to, const struct vm_object_set *from);
/* Empty, the counts put. */
void vm_object_set_clear(struct vm_object_set *set);
bool vm_object_set_has(const struct vm_object_set *set, unsigned number);

/* The object of that number, which the caller knows to be counted by somebody. */
struct vm_object *vm_object_of(unsigned number);
