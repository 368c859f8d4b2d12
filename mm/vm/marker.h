/* SPDX-License-Identifier: MIT */
/*
 * marker.h - what an absent page of a user's space means, as the marker in its entry.
 *
 *   17:6 object | 5:4 largest level | 3 X | 2 W | 1:0 kind
 *
 * A marker stands for all that its entry covers and says the same of each page of it, so that it
 * may be split and copied as it is; that is why a page's place in its object is not in it, but in
 * its address (mm/vm/object.h).  Pure.
 */
#pragma once

#include "arch/page_prop.h"
#include "lib/types.h"

enum vm_kind {
	VM_ABSENT, /* no marker */
	VM_ANON,   /* zeros, on demand */
	VM_GUARD,  /* nothing may be here */
	VM_OBJECT, /* a page of an object, on demand */
};

enum {
	VM_MARKER_KIND = 3,
	VM_MARKER_WRITE = 1 << 2,
	VM_MARKER_EXECUTE = 1 << 3,
	VM_MARKER_RIGHTS = VM_MARKER_WRITE | VM_MARKER_EXECUTE,
	VM_MARKER_LARGEST_SHIFT = 4,
	VM_MARKER_LARGEST = 3,
	VM_MARKER_OBJECT_SHIFT = 6,
	VM_MARKER_OBJECT_BITS = 12,
	VM_MARKER_OBJECT = (1 << VM_MARKER_OBJECT_BITS) - 1,
};

/* PROP_WRITE and PROP_EXECUTE of `rights` as bits of a marker. */
static inline uint32_t vm_marker_rights(unsigned rights)
{
	return ((rights & PROP_WRITE) != 0 ? VM_MARKER_WRITE : 0u) |
	       ((rights & PROP_EXECUTE) != 0 ? VM_MARKER_EXECUTE : 0u);
}

/* Zeros, in pages of the level `largest` at most. */
static inline uint32_t vm_marker_anon(unsigned rights, unsigned largest)
{
	return VM_ANON | vm_marker_rights(rights) | largest << VM_MARKER_LARGEST_SHIFT;
}

static inline uint32_t vm_marker_object(unsigned rights, unsigned object)
{
	return VM_OBJECT | vm_marker_rights(rights) | 1u << VM_MARKER_LARGEST_SHIFT |
	       object << VM_MARKER_OBJECT_SHIFT;
}

static inline enum vm_kind vm_marker_kind(uint32_t marker)
{
	return (enum vm_kind)(marker & VM_MARKER_KIND);
}

static inline unsigned vm_marker_largest(uint32_t marker)
{
	return marker >> VM_MARKER_LARGEST_SHIFT & VM_MARKER_LARGEST;
}

static inline unsigned vm_marker_object_number(uint32_t marker)
{
	return marker >> VM_MARKER_OBJECT_SHIFT & VM_MARKER_OBJECT;
}

/* What a page may be used for: PROP_READ always, PROP_WRITE, PROP_EXECUTE. */
static inline unsigned vm_marker_prop(uint32_t marker)
{
	return PROP_READ | ((marker & VM_MARKER_WRITE) != 0 ? PROP_WRITE : 0u) |
	       ((marker & VM_MARKER_EXECUTE) != 0 ? PROP_EXECUTE : 0u);
}
