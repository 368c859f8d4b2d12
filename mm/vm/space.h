/* SPDX-License-Identifier: MIT */
/*
 * space.h - user address spaces: map, unmap, protect, fork and page faults.
 *
 * A space is a page table that shares the kernel half, plus the identity that TLBs tag it with
 * (struct tlb_space).  There is no separate list of areas (VMAs): the page-table entry itself
 * describes its pages.
 *
 *   entry                        read fault                 write fault, if rights allow it
 *   empty                        ERR_NOT_FOUND              ERR_NOT_FOUND
 *   marker: guard                ERR_NOT_FOUND              ERR_NOT_FOUND
 *   marker: anonymous            maps the zero page         maps a zeroed page
 *   marker: object, shared       maps the object's page     maps the object's page
 *   marker: object, private      maps it copy-on-write      maps a copy
 *   leaf, PROP_WRITE             -                          -
 *   leaf, PROP_COPY              -                          copy-on-write: maps a copy writable, or
 *                                                           the frame itself if this is its only
 *                                                           owner
 *   leaf, neither                -                          ERR_DENIED
 *
 * Fault-around: a write fault on an anonymous page also maps up to 32 following pages, zeroed: as
 * many as are present directly before it, whether written to or not.
 *
 * A write fault on anonymous memory maps a large page if the marker fills an entry of that size,
 * the mapping allows the size, and a free block is available; otherwise a 4 KiB page.  Where pages
 * of 2 MiB were only read, the first write gives a large page all the same.
 *
 * Invariants, checked by vm_space_check() while the space does not change:
 *   A1  a tracked leaf is the only owner of its frame, or PROP_FORKED, or PROP_SHARED
 *   A2  an untracked leaf that is not PROP_SHARED maps the zero page, and is PROP_FORKED
 *   A3  every leaf is PROP_USER and not PROP_GLOBAL, and between the space's start and end
 *   A4  the mappings of objects and the entries agree (mm/vm/mapping.h)
 *   A5  PROP_COPY implies PROP_FORKED; neither occurs with PROP_WRITE or PROP_SHARED
 *
 * Forks.  The child has the parent's memory as it was at one moment for every CPU, although the
 * parent's threads run meanwhile: the fork copies the table piece by piece, clears PROP_WRITE in
 * the parent's entries, runs one TLB shootdown at the end, if it cleared any, and is then over.
 * Until then, who wants to write to a page that has no write right, or to map, unmap or protect,
 * waits, so vm_space_map(), _unmap(), _protect() and _pin() are called with interrupts on.  A store
 * during the fork either goes to a frame that the child shares, and comes before the shootdown, or
 * comes after the fork, and so does all that its CPU does later.
 *
 * A fork and a truncation that takes pages of the space wait for each other, so the walk through
 * the mappings of an object (mm/vm/mapping.h) has met all of a child's or none.
 *
 * Ordering of copy-on-write.  A fault finds PROP_COPY when no fork is in progress, so no TLB
 * permits a write to the frame, and the copy is consistent.  The entry maps the copy read-only
 * until every TLB has invalidated the old frame, which is put after that (mm/pt/batch.h).  Reuse of
 * a frame needs no shootdown: a CPU with the old translation faults, and finds the entry writable.
 *
 * Ranges: page-aligned, not empty, in the user half without its last page (vm_user_end()), and
 * above page 0 unless the space allows it; else ERR_BAD_RANGE.
 *
 * Rights: none, or PROP_READ, optionally with PROP_WRITE or PROP_EXECUTE or both; else
 * ERR_BAD_RANGE.  Without rights every access is ERR_DENIED and the content is kept.  What an
 * object or a frame is mapped with is the most that vm_space_protect() can give later, but for
 * VM_MAY_* beside the rights; in anonymous memory each right can be added.
 *
 * Failures: map, guard, fork and faults leave the space unchanged.  unmap and protect first split
 * entries that cross the ends of the range, which takes 4 KiB for each level of each end:
 * ERR_NO_MEMORY; ERR_OVERFLOW if a frame has SLOT_COUNT_MAX owners.  An unmap that begins
 * inside the mapping of an object may take memory for a second part of that.  After that they need
 * no memory.  If another CPU maps a large page across an end meanwhile and its split fails, *done
 * is the number of bytes that are changed and invalidated (finding SPA-01).
 *
 * Locking: any number of callers on any CPU; operations on overlapping ranges are serialized, piece
 * by piece if the range is large.  Interrupts are off for one piece at a time.  The caller holds no
 * spinlock except the console's, and holds a count of the space.
 */
#pragma once

#include "arch/fault.h"
#include "lib/list.h"
#include "mm/pt/cursor.h"
#include "mm/vm/mapping.h"
#include "mm/vm/marker.h"

struct vm_space {
	struct page_table table;
	struct tlb_space tlb;
	_Atomic unsigned users; /* (a) reference count */
	unsigned number;        /* (c) shown by the monitor */
	bool is_published;      /* (c) in the list of all spaces: a child is when it is complete */
	vaddr_t start, end;     /* (c) of what can be mapped: from page 1 or 0 to vm_user_end() */
	struct list_node link;  /* (l) in the list of all spaces */
	struct vm_mappings mappings;  /* of objects */
	_Atomic unsigned forks;       /* (a) in progress */
	_Atomic unsigned truncations; /* (a) that take pages of it, or wait for its forks to end */
};

/* Whether a fork copies the space.  A CPU that is about to map something new, or to give a write
 * right, calls it with the node locked, and lets the fork end first: a fork that has not copied the
 * node yet locks it later, and one that has copied it is seen. */
static inline bool vm_space_is_forking(const struct vm_space *s)
{
	/* acquire pairs with the end of the fork */
	return unlikely(atomic_load_explicit(&s->forks, memory_order_acquire) != 0);
}

/* Call once, after the frame allocator and the heap are up and the root of the kernel's table is
 * final.  ERR_NO_MEMORY. */
err_t vm_space_init(const struct page_table *kernel);

/* Create an empty space with count 1.  ERR_NO_MEMORY. */
err_t vm_space_new(struct vm_space **out);
/* Let page 0 be mapped, for a space that is not a C program's: a guest's memory.  Before the space
 * is in use. */
void vm_space_allow_page_0(struct vm_space *s);
/* Get or put a count.  The last put frees all that the space owns; by then no CPU has the space
 * loaded and no thread uses it. */
__owns struct vm_space *vm_space_get(struct vm_space *s);
/* Get a count, unless the last one has been put.  The caller ensures that s is not freed. */
__must_check bool vm_space_try_get(struct vm_space *s);
void vm_space_put(struct vm_space *s) __takes(1);

/* From now on the walker, which is no CPU, uses the space's table and is told what it must give up
 * (tlb_space_add_walker()): a virtual CPU whose memory the space is, a device, a second root table,
 * or tables that are made from this one.  It resolves what is absent with vm_space_handle_fault().
 * Takes a count of s until the walker is removed. */
void vm_space_add_walker(struct vm_space *s, struct tlb_walker *w);
void vm_space_remove_walker(struct vm_space *s, struct tlb_walker *w);

/* Make s the address space of the running thread, on any CPU where it runs; NULL: the kernel half
 * alone.  The caller keeps its count of s while the thread uses it. */
void vm_space_activate(struct vm_space *s);

/* The hook of a scheduler: called by vm_space_activate() with interrupts off, to load the table at
 * `root` now and whenever the running thread runs again.  Without one, tlb_switch_to() loads it on
 * this CPU alone.  Once, before the first activation; mm/ knows no threads. */
void vm_space_set_switch(void (*switch_to)(struct tlb_space *space, paddr_t root));
/* The space that this CPU has loaded, or NULL. */
struct vm_space *vm_space_current(void);

/* ---- mapping ---- */

/* The end of what can be mapped.  The last page below the hole of non-canonical addresses is left
 * out: an instruction at its end would be followed by a non-canonical one, and SYSRET to that
 * address faults in the kernel (CVE-2012-0217); Linux leaves it out, too. */
static inline vaddr_t vm_user_end(unsigned levels)
{
	return pt_half_bytes(levels) - PAGE_SIZE;
}

/* Beside the rights of an object's or a frame's mapping. */
enum {
	VM_MAY_WRITE = 1 << 16,   /* vm_space_protect() may add the right */
	VM_MAY_EXECUTE = 1 << 17, /* likewise */
	VM_MAY = VM_MAY_WRITE | VM_MAY_EXECUTE,
	VM_COPY = 1 << 18, /* of an object: writes go to copies that the space owns */
};

/* Map anonymous memory, zero-filled on demand, in pages of level 1 .. `largest` (2: 2 MiB, 3:
 * 1 GiB).  Allocates page-table nodes only.  ERR_IN_USE: the range is not empty. */
err_t vm_space_map(struct vm_space *s, struct vrange range, unsigned rights, unsigned largest);
/* Reserve the range: every access faults, and no other mapping can be placed there.  Errors as
 * above. */
err_t vm_space_guard(struct vm_space *s, struct vrange range);
/* Map an object from `offset` bytes on, a multiple of the page size, on demand; `rights` with
 * VM_MAY_* and VM_COPY, which includes VM_MAY_WRITE.  Until a page is copied, it shows what others
 * write to the object.  ERR_BAD_RANGE also when the range is not inside the object; otherwise as
 * above. */
err_t vm_space_map_object(struct vm_space *s, struct vrange range, struct vm_object *object,
			  uint64_t offset, unsigned rights);
/* Map a frame, or a block of a page size, that forks share (PROP_SHARED); `rights` with VM_MAY_*.
 * The space takes the
 * caller's count; on an error the caller keeps it. */
err_t vm_space_map_frame(struct vm_space *s, vaddr_t va, struct frame *f, unsigned rights);

/* Remove all mappings of the range, guards included. */
err_t vm_space_unmap(struct vm_space *s, struct vrange range, uint64_t *done);
/* Set the rights of all mappings in the range; absent pages stay absent.  ERR_DENIED: the mapping
 * behind *done bytes was made without VM_MAY_*; those before it are changed. */
err_t vm_space_protect(struct vm_space *s, struct vrange range, unsigned rights, uint64_t *done);
/* Make 2 MiB pages again of pages of 4 KiB that were split from one: as a fork's child has ended,
 * or a part was protected for a while.  The pages must be the only owners of their frames, have
 * the same rights, and belong to no object and no vm_space_map_frame(); others stay as they are.
 * Whatever `largest` the mapping was made with.  *collapsed is how many large pages came. */
err_t vm_space_collapse(struct vm_space *s, struct vrange range, uint64_t *collapsed);
/* Unmap the whole user half. */
void vm_space_clear(struct vm_space *s);

/* The item at va and its extent; addresses of the kernel half are reported as absent. */
struct pt_item vm_space_query(const struct vm_space *s, vaddr_t va);

/* Create a space with count 1 and the same content.  Private pages are copy-on-write in both.
 * ERR_NO_MEMORY; ERR_OVERFLOW: a frame has SLOT_COUNT_MAX owners.  vm_space_find() shows the child
 * when it is complete. */
err_t vm_space_fork(struct vm_space *s, struct vm_space **out);

/* Pin the page at va for a device, which reads it (FAULT_READ) or writes it too (FAULT_WRITE): the
 * fault is handled, a large page is split, a page that forks share is copied, and *out, which
 * vm_space_unpin() gives back, is behind va until the page is unmapped: a fork copies it for the
 * child at once, and writes, splits and changes of rights leave it.  The frame outlives the
 * mapping. Errors as vm_space_handle_fault(); ERR_OVERFLOW also: SLOT_PINS_MAX pins. */
err_t vm_space_pin(struct vm_space *s, vaddr_t va, enum fault_access access, struct frame **out);
void vm_space_unpin(struct frame *f);

/* ---- faults ---- */

enum {
	VM_FAULT_AROUND_MAX = 32, /* additional pages that one fault maps */
};

/* Handle a page fault at va.  ERR_NOT_FOUND: no mapping, or a guard; ERR_DENIED: the rights do not
 * allow the access; ERR_NO_MEMORY; ERR_OVERFLOW: the page has SLOT_COUNT_MAX owners;
 * ERR_IN_USE: a write during a fork, or a page that a pager brings, with interrupts off; the error
 * of a pager.  Also OK when another CPU has resolved the fault already.  With interrupts on the
 * thread may sleep (mm/vm/wait.h). */
err_t vm_space_handle_fault(struct vm_space *s, vaddr_t va, enum fault_access access);

/* Counters of faults by outcome, and of operations; each CPU writes its own.  (a), relaxed. */
struct vm_stats {
	_Atomic uint64_t zero_page, zeroed, ahead, zeroed_large, object, copied, reused;
	_Atomic uint64_t brought; /* pages of objects, by pagers or by waiting for one */
	_Atomic uint64_t spurious, refused, no_memory;
	_Atomic uint64_t forks, unmaps, protects;
};
extern struct vm_stats vm_stats; /* PER_CPU */

/* ---- for the monitor and tests ---- */

/* The space with that number, with a count for the caller, or NULL. */
__must_check __owns struct vm_space *vm_space_find(unsigned number);
/* The space with the lowest number >= `number`, likewise. */
__must_check __owns struct vm_space *vm_space_from(unsigned number);

/* Check A1 to A5, and page_table_check().  NULL, or a description of the violation. */
__must_check const char *vm_space_check(const struct vm_space *s);
/* The shared zero page. */
paddr_t vm_zero_page(void);
