/* SPDX-License-Identifier: MIT */
/*
 * space.h - a user's address space: what its pages mean, and the faults that make them so.
 *
 * A space is a page table whose kernel half is the kernel's, and the name under which TLBs know it.
 * There is no list of areas beside the table: an entry says what its pages mean.
 *
 *   entry                        a read                     a write, where it is allowed
 *   nothing                      ERR_NOT_FOUND              ERR_NOT_FOUND
 *   marker: guard                  ERR_NOT_FOUND              ERR_NOT_FOUND
 *   marker: zeros on demand        the zero page is mapped    a zeroed page is mapped
 *   marker: page of an object      that page is mapped        that page is mapped
 *   leaf, PROP_WRITE             -                          -
 *   leaf, PROP_COPY              -                          a copy, or the frame itself when nobody
 *                                                           else owns it, is mapped for writing
 *   leaf, neither                -                          ERR_DENIED
 *
 * Fault-around: a write fault also maps zeroed pages that follow: as many as are there
 * already before the one that faults, written to or not, 16 at most.
 *
 * Zeros on demand come in large pages where the marker fills an entry of that size, was made with
 * leave to use them, and memory is at hand; else in pages of 4 KiB.
 *
 * Invariants, looked at by vm_space_check() while nobody changes the space:
 *   A1  a tracked leaf is the only owner of its frame, or PROP_FORKED, or PROP_SHARED
 *   A2  an untracked leaf that is not PROP_SHARED maps the zero page, and is PROP_FORKED
 *   A3  every leaf is PROP_USER and not PROP_GLOBAL; none is in the null page
 *   A4  an object that a marker names has been counted by the space (mm/vm/object.h)
 *   A5  PROP_COPY goes with PROP_FORKED, and neither with PROP_WRITE or PROP_SHARED
 *
 * The order of a copy.  A fork takes PROP_WRITE from the parent's entries, and shootdowns, before
 * it lets the range go; so when a fault finds PROP_COPY, no TLB lets anybody write to the frame,
 * and what is copied is whole.  The copy is in the entry, and every TLB has invalidated the old
 * frame, before the fault returns and the frame is put.  A frame that is taken over needs no
 * shootdown: who has the old entry faults, and finds it writable.
 *
 * Ranges: page-aligned, not empty, in the user's half and above the null page, else ERR_BAD_RANGE.
 * Rights: PROP_READ, and PROP_WRITE or PROP_EXECUTE or both with it; else ERR_BAD_RANGE.
 *
 * Failures: map, guard, fork and faults leave the space as it was.  unmap and protect first split
 * what reaches over the ends of the range, and then need no memory; should others put a large page
 * over an end meanwhile, and splitting that fail, *done says how many bytes are done, with their
 * invalidate (finding SPA-01).
 *
 * Locking: any number of callers at once, on any CPU; operations on ranges that overlap happen one
 * after the other, large ones in pieces.  Interrupts are off for a piece at a time.  No spinlock
 * may be held but the console's.  The caller holds a count of the space.
 */
#pragma once

#include "arch/fault.h"
#include "mm/pt/cursor.h"
#include "mm/vm/marker.h"
#include "mm/vm/object.h"

struct vm_space {
	struct page_table table;
	struct tlb_space tlb;
	_Atomic unsigned users; /* (a) counts of the space */
	unsigned number;        /* (c) for people */
	struct vm_space *next;  /* (l) of the list of all spaces */
	struct vm_object_set objects;
};

/* Once, with frames, heap and the kernel's table ready, whose root does not change any more.
 * ERR_NO_MEMORY. */
err_t vm_space_init(const struct page_table *kernel);

/* An empty space of count 1.  ERR_NO_MEMORY. */
err_t vm_space_new(struct vm_space **out);
/* One more user; one less.  The last one's put gives back all that the space owns: no CPU has it
 * loaded then, no thread is in it. */
struct vm_space *vm_space_get(struct vm_space *s);
void vm_space_put(struct vm_space *s) __takes(1);

/* The running thread works in s from now on, wherever it runs; NULL: in the kernel's half alone.
 * The caller keeps his count while it does. */
void vm_space_activate(struct vm_space *s);
/* The space that this CPU has loaded, or NULL. */
struct vm_space *vm_space_current(void);

/* ---- meaning ---- */

/* Zeros on demand, in pages of level 1 .. `largest` (2: 2 MiB, 3: 1 GiB).  Takes no memory but for
 * nodes.  ERR_IN_USE: something is there. */
err_t vm_space_map(struct vm_space *s, struct vrange range, unsigned rights, unsigned largest);
/* What is mapped by nobody else, and faults.  Errors as above. */
err_t vm_space_guard(struct vm_space *s, struct vrange range);
/* Pages of an object from `offset` bytes on, on demand.  ERR_BAD_RANGE also when they are not in
 * the object, or va is not where the object's pages may be (mm/vm/object.h); else as above. */
err_t vm_space_map_object(struct vm_space *s, struct vrange range, struct vm_object *object,
			  uint64_t offset, unsigned rights);
/* A frame, or a block of a page's size, that forks share; the space owns the caller's count.  On an
 * error the caller keeps it. */
err_t vm_space_map_frame(struct vm_space *s, vaddr_t va, struct frame *f, unsigned rights);

/* Nothing is in the range afterwards. */
err_t vm_space_unmap(struct vm_space *s, struct vrange range, uint64_t *done);
/* What is in the range has these rights afterwards; holes stay holes. */
err_t vm_space_protect(struct vm_space *s, struct vrange range, unsigned rights, uint64_t *done);
/* Nothing is mapped any more. */
void vm_space_clear(struct vm_space *s);

/* What stands at va, and how far; pages of the kernel's half are absent. */
struct pt_item vm_space_query(const struct vm_space *s, vaddr_t va);

/* A new space of count 1 with the same content.  Private pages are shared until one side writes.
 * ERR_NO_MEMORY. */
err_t vm_space_fork(struct vm_space *s, struct vm_space **out);

/* ---- faults ---- */

/* Somebody's access to va was refused: make it possible.  ERR_NOT_FOUND: nothing is there;
 * ERR_DENIED: it may not be used so; ERR_NO_MEMORY.  OK when another CPU was faster, too. */
err_t vm_space_handle_fault(struct vm_space *s, vaddr_t va, enum fault_access access);

/* What faults became of, and what operations did; each CPU writes its own.  (a), relaxed. */
struct vm_stats {
	_Atomic uint64_t zero_page, zeroed, ahead, zeroed_large, object, copied, copied_large,
		reused;
	_Atomic uint64_t spurious, refused, no_memory;
	_Atomic uint64_t forks, unmaps, protects;
};
extern struct vm_stats vm_stats; /* PER_CPU */

/* ---- for the monitor and tests ---- */

/* The space of that number with one more count, or NULL. */
struct vm_space *vm_space_find(unsigned number);
/* The first space whose number is at least that, likewise. */
struct vm_space *vm_space_from(unsigned number);

/* A1 to A5, and page_table_check().  NULL, or what is wrong. */
__must_check const char *vm_space_check(const struct vm_space *s);
/* The frame of zeros. */
paddr_t vm_zero_page(void);
