/* SPDX-License-Identifier: MIT */
/*
 * debug.h - heap debugging, the boot options slub_debug= and page_owner=: checks that cost too much
 * to be always on.
 *
 * An allocation of `size` bytes gets an object of `room` bytes:
 *
 *   |<-- size -->|<----- red zone ----->| record |
 *   0                                             room
 *
 *   poison   a free object is filled with POISON_FREE, verified when it is allocated again (write
 *            after free); a new object is filled with POISON_NEW
 *   red zone POISON_RED from `size` to the record, verified when the object is freed (write past
 *            the end)
 *   record   caller, CPU, time and size of the allocation, and caller of the last free
 *
 * Objects start at the same addresses as without debugging, so alignments hold.  The magazines are
 * closed while any option is on, so that the hit path needs no debug code.
 */
#pragma once

#include "lib/types.h"

enum heap_debug_flags {
	HEAP_DEBUG_POISON = 1, /* slub_debug=P */
	HEAP_DEBUG_RED = 2,    /* slub_debug=Z */
	HEAP_DEBUG_OWNER = 4,  /* slub_debug=U, page_owner=on */
	HEAP_DEBUG_ALL = 7,    /* slub_debug without a value */
};

/* Parses a value of slub_debug=, letters as in Linux: P, Z, U; F is always on, others are ignored;
 * "-" is none.  False: no known letter. */
__must_check bool heap_debug_parse(const char *value, unsigned *flags);

/* Sets the flags.  After heap_init(), while the heap holds no slab and no large object. */
void heap_set_debug(unsigned flags);
unsigned heap_debug_flags(void);

/* ---- for the heap ---- */

/* Bytes to add to a requested size; 0 when debugging is off. */
size_t heap_debug_extra(void);

/* Poison a slab's memory before its first use; check and mark an object when it is allocated or
 * freed.  Panic on damaged poison, red zone or record. */
void heap_debug_fresh(void *memory, size_t bytes);
void heap_debug_check_free(const void *object, size_t room);
void heap_debug_allocated(void *object, size_t room, size_t size, const void *where);
void heap_debug_freed(void *object, size_t room, const void *where);
/* The requested size. */
size_t heap_debug_size(const void *object, size_t room);
/* Prints the object's record, before a panic. */
void heap_debug_tell(const void *object, size_t room);

/* Prints the allocated objects by call site (name+offset), most bytes first, or that owners are not
 * recorded. */
void heap_debug_leaks(void);
