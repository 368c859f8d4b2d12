/* SPDX-License-Identifier: MIT */
/*
 * marker.h - encoding of a marker: the meaning of an absent page, in its non-present entry.
 *
 *   17:6 object | 5:4 largest level | 3 X | 2 W | 1:0 kind
 *
 * A marker applies to every page that its entry covers, so that splitting an entry or forking a
 * table copies it unchanged.  For that reason the offset of a page in its object is not stored in
 * the marker but derived from the virtual address (mm/vm/object.h).  Pure functions.
 */
#pragma once

#include "arch/page_prop.h"
#include "lib/types.h"

enum vm_kind {
	VM_ABSENT, /* no marker */
	VM_ANON,   /* anonymous memory, zero-filled on demand */
	VM_GUARD,  /* guard: every access fails */
	VM_OBJECT, /* a page of a shared object, on demand */
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

/* The marker bits for PROP_WRITE and PROP_EXECUTE in `rights`. */
static inline uint32_t vm_marker_rights(unsigned rights)
{
	return ((rights & PROP_WRITE) != 0 ? VM_MARKER_WRITE : 0u) |
	       ((rights & PROP_EXECUTE) != 0 ? VM_MARKER_EXECUTE : 0u);
}

/* Anonymous memory, in pages of level 1 to `largest`. */
static inline uint32_t vm_marker_anon(unsigned rights, unsigned largest)
{
	return VM_ANON | vm_marker_rights(rights) | largest << VM_MARKER_LARGEST_SHIFT;
}

/* A shared object, by its number; in 4 KiB pages. */
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

/* The access rights: PROP_READ always, PROP_WRITE and PROP_EXECUTE if set. */
static inline unsigned vm_marker_prop(uint32_t marker)
{
	return PROP_READ | ((marker & VM_MARKER_WRITE) != 0 ? PROP_WRITE : 0u) |
	       ((marker & VM_MARKER_EXECUTE) != 0 ? PROP_EXECUTE : 0u);
}
