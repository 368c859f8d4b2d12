/* SPDX-License-Identifier: MIT */
/*
 * debug.h - the options slub_debug= and page_owner=: what costs too much to be always on.
 *
 * An object that was asked for with `size` bytes is given more, up to `room`:
 *
 *   |<-- size -->|<----- red zone ----->| record |
 *   0                                             room
 *
 *   poison   a free object is full of POISON_FREE, which is looked at when it is allocated again
 *            (a write after the free), and a new one of POISON_NEW
 *   red zone RED from `size` to the record, looked at when the object is freed (a write past the
 *            end)
 *   record   who asked for it, when, for how many bytes, and who freed it last
 *
 * Objects still begin where they would, so alignments hold.  The magazines are closed while any
 * of it is on: the hit path knows nothing of it.
 */
#pragma once

#include "lib/types.h"

enum heap_debug_flags {
	HEAP_DEBUG_POISON = 1, /* slub_debug=P */
	HEAP_DEBUG_RED = 2,    /* slub_debug=Z */
	HEAP_DEBUG_OWNER = 4,  /* slub_debug=U, page_owner=on */
	HEAP_DEBUG_ALL = 7,    /* slub_debug without a value */
};

/* Flags of a value of slub_debug=, letters as in Linux: P, Z, U; F is always on, others are passed
 * over; "-" is none.  False: no letter that means anything. */
__must_check bool heap_debug_parse(const char *value, unsigned *flags);

/* From now on.  The heap has been started and nothing has been allocated from it. */
void heap_set_debug(unsigned flags);
unsigned heap_debug_flags(void);

/* ---- for the heap ---- */

/* Bytes that an object needs more than were asked for; 0 when debugging is off. */
size_t heap_debug_extra(void);

/* A slab's memory before its first use, and an object when it changes hands.  Panic at what was
 * written where nobody may. */
void heap_debug_fresh(void *memory, size_t bytes);
void heap_debug_check_free(const void *object, size_t room);
void heap_debug_allocated(void *object, size_t room, size_t size, const void *where);
void heap_debug_freed(void *object, size_t room, const void *where);
/* Bytes that were asked for. */
size_t heap_debug_size(const void *object, size_t room);
/* A line on who had the object, for a panic that follows. */
void heap_debug_tell(const void *object, size_t room);

/* Who holds what, by place of allocation, the most bytes first.  Says when owners are not kept. */
void heap_debug_leaks(void);
