/* SPDX-License-Identifier: MIT */
/*
 * object.h - shared memory objects: pages allocated on first access from any address space and
 * shared by all of them.
 *
 * The pages of an object are the tracked leaves of a page table, from address 0 on, that no CPU
 * ever loads; lookup, insertion and locking are those of mm/pt/cursor.h.  Markers refer to an
 * object by its number.  The virtual address alone determines the offset of a page in its object:
 * the object is mapped at addresses that are equal to the offset modulo vm_object_span().
 *
 * Invariants:
 *   O1  a number refers to one object from vm_object_new() until its last count is put
 *   O2  a space holds one count of each object that was ever mapped in it and keeps it until the
 *       space is destroyed, so that no marker outlives the object number that it stores
 *   O3  a frame of an object has one count from the object's table, and one from each leaf of a
 *       space
 *
 * Locking: one lock protects the table of numbers.  A cursor of an object may be opened while one
 * of a space is open, never the other way round.
 */
#pragma once

#include "mm/pt/cursor.h"
#include "mm/vm/marker.h"

enum {
	VM_OBJECTS_MAX = 256,
	VM_OBJECT_WORDS = VM_OBJECTS_MAX / 64,
};
#define VM_OBJECT_BYTES_MAX GIB(512)
_Static_assert(VM_OBJECTS_MAX <= 1 << VM_MARKER_OBJECT_BITS, "object numbers fit in a marker");

struct vm_object {
	struct page_table pages;
	uint64_t bytes;         /* (c) a multiple of the page size */
	unsigned number;        /* (c) */
	_Atomic unsigned users; /* (a) */
};

/* The objects that a space holds a count of.  Bits are set, and cleared only when the space is
 * destroyed. */
struct vm_object_set {
	_Atomic uint64_t word[VM_OBJECT_WORDS];
};

/* Create an object of `bytes`, rounded up to whole pages, with count 1.  ERR_BAD_RANGE: `bytes` is
 * 0 or above VM_OBJECT_BYTES_MAX; ERR_NO_MEMORY: also when VM_OBJECTS_MAX objects exist. */
err_t vm_object_new(uint64_t bytes, struct vm_object **out);
/* Put one count; the last one frees the object and its pages. */
void vm_object_put(struct vm_object *o) __takes(1);

/* The modulus that maps addresses to offsets: the object's size rounded up to a power of two. */
uint64_t vm_object_span(const struct vm_object *o);

/* Whether `range` may map the object from `offset` on. */
bool vm_object_fits(const struct vm_object *o, struct vrange range, uint64_t offset);

/* The object's page for va, allocated and zeroed if absent, with a count for the caller.  NULL and
 * *why = ERR_NOT_FOUND: va is beyond the object's end; ERR_NO_MEMORY.  A cursor of a space may be
 * open. */
__must_check __owns struct frame *vm_object_page(struct vm_object *o, vaddr_t va, err_t *why);

/* ---- sets ---- */

/* Add `o`, with a count for the set, unless the set has it already. */
void vm_object_set_add(struct vm_object_set *set, struct vm_object *o);
/* Add all objects of `from` to `to`. */
void vm_object_set_copy(struct vm_object_set *to, const struct vm_object_set *from);
/* Empty the set and put its counts. */
void vm_object_set_clear(struct vm_object_set *set);
bool vm_object_set_has(const struct vm_object_set *set, unsigned number);

/* The object with that number.  The caller ensures that a count of it is held meanwhile. */
struct vm_object *vm_object_of(unsigned number);
