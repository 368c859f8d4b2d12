/* SPDX-License-Identifier: MIT */
/*
 * object.h - memory objects: pages that several address spaces may map, allocated zeroed on first
 * access, or brought by a pager.
 *
 * The pages of an object are the tracked leaves of a page table, from address 0 on, that no CPU
 * ever loads; lookup, insertion and locking are those of mm/pt/cursor.h.  Which range of a space
 * shows which part of an object is a mapping (mm/vm/mapping.h): address and offset are independent,
 * and an object belongs to a space as long as it is mapped there.
 *
 * A pager brings the pages of an object from elsewhere: a file, a network, another machine.  The
 * first thread that needs an absent page puts a marker in its place and runs fill() with nothing
 * locked, so that it may sleep; others that need the page wait for that thread.  Then the page has
 * come, or it has failed or was given up: fill() returned an error, which is the error of the fault
 * that ran it, and the next access tries again.
 *
 * Invariants:
 *   O1  an object has a count from vm_object_new(), from each mapping of it, and from each fault
 *       that brings one of its pages
 *   O2  a frame of an object has one count from the object's table, and one from each leaf of a
 *       space
 *   O3  no page at or behind `bytes` is in the table, and no mapping shows one, once
 *       vm_object_truncate() has returned; while it runs, no access beyond begins
 *   O4  a marker in the table is the ticket of the one thread that brings the page
 *
 * Locking: the object's lock protects the list of its mappings (mm/vm/mapping.h).  A cursor of an
 * object may be opened while one of a space is open, never the other way round.
 */
#pragma once

#include "kern/lock.h"
#include "lib/list.h"
#include "mm/pt/cursor.h"

#define VM_OBJECT_BYTES_MAX GIB(512)

struct vm_object;

struct vm_pager {
	/* Write the page at `offset` bytes to `page`, which has PAGE_SIZE bytes.  Called by a
	 * thread that needs it, one for a page at a time unless the object is truncated meanwhile,
	 * with interrupts on and no lock held; may sleep, but not access the page itself.
	 * ERR_NO_MEMORY, ERR_IO, ERR_TIMED_OUT: the page does not come now. */
	err_t (*fill)(struct vm_object *o, uint64_t offset, void *page);
};

struct vm_object {
	struct page_table pages;
	_Atomic uint64_t bytes;       /* (a) a multiple of the page size */
	const struct vm_pager *pager; /* (c) NULL: absent pages are zeros */
	void *context;                /* (c) the pager's */
	unsigned number;              /* (c) shown by the monitor; never reused */
	_Atomic unsigned users;       /* (a) */
	_Atomic uint32_t tickets;     /* (a) of pages that were to be brought */
	_Atomic uint32_t resizing;    /* (a) taken by vm_object_truncate() */
	struct spinlock lock;
	struct list mappings; /* (l) those that `walk` has not met come first */
	uint32_t walk;        /* (l) the last walk through the mappings */
};

/* Create an object of `bytes`, rounded up to whole pages, with count 1.  ERR_BAD_RANGE: `bytes` is
 * 0 or above VM_OBJECT_BYTES_MAX; ERR_NO_MEMORY. */
err_t vm_object_new(uint64_t bytes, struct vm_object **out);
/* The same, with a pager that lives on, and its `context`. */
err_t vm_object_new_paged(uint64_t bytes, const struct vm_pager *pager, void *context,
			  struct vm_object **out);
/* Get or put a count; the last put frees the object and its pages. */
void vm_object_get(struct vm_object *o);
void vm_object_put(struct vm_object *o) __takes(1);

/* Set the size, rounded up to whole pages.  What lies behind it is freed: in every space that maps
 * it, pages and private copies become absent, and an access is ERR_NOT_FOUND until the object grows
 * again; then the page is new.  Waits for forks of these spaces.  ERR_BAD_RANGE: above
 * VM_OBJECT_BYTES_MAX.  Interrupts on, no lock held (mm/vm/truncate.c). */
err_t vm_object_truncate(struct vm_object *o, uint64_t bytes);

/* Whether [offset, offset + len) is within the object. */
bool vm_object_has(const struct vm_object *o, uint64_t offset, uint64_t len);

/* The object's page at `offset`, allocated and zeroed if absent, with a count for the caller.  NULL
 * and *why = ERR_NOT_FOUND: beyond the object's end; ERR_NO_MEMORY; ERR_OVERFLOW: the page has
 * SLOT_COUNT_MAX owners; ERR_BUSY: vm_object_fetch() brings it.  A cursor of a space may be open.
 */
__must_check __owns struct frame *vm_object_page(struct vm_object *o, uint64_t offset, err_t *why);

/* Bring an absent page of an object with a pager, or wait until another thread has brought it.  OK:
 * ask for it again.  ERR_NOT_FOUND and ERR_NO_MEMORY as above, ERR_IN_USE: interrupts are off;
 * otherwise the pager's error.  No lock is held. */
err_t vm_object_fetch(struct vm_object *o, uint64_t offset);
