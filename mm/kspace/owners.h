/* SPDX-License-Identifier: MIT */
/*
 * owners.h - the owner of an area of kernel space, as a small number for its marker.
 *
 * An owner is a name (of a thread, a driver) or the code that called vmalloc().  The table is open
 * addressed by a hash and counts the areas of each owner, so entries come free again.  When it is
 * full, further owners share OWNER_UNKNOWN.
 *
 * Locking: the lock of kernel space.  Private to mm/kspace.
 */
#pragma once

#include "lib/types.h"

enum {
	OWNER_BITS = 9, /* of a marker */
	OWNER_UNKNOWN = 0,
	OWNER_NAME_BYTES = 16, /* with the end; longer names are cut */
};

struct area_owner {
	char name[OWNER_NAME_BYTES]; /* "": known by the caller alone */
	uintptr_t caller;            /* the return address of vmalloc(), or 0 */
};

/* The number of the owner, with one area more.  One of the two describes it: `name`, or NULL and
 * the caller. */
unsigned owner_get(const char *name, uintptr_t caller);

/* One area less. */
void owner_put(unsigned owner);

/* What is known of the owner with that number. */
struct area_owner owner_of(unsigned owner);

/* An empty table. */
void owners_init(void);
