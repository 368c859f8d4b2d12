/* SPDX-License-Identifier: MIT */
/*
 * marker.h - encoding of a marker: the meaning of an absent page, in its non-present entry.
 *
 *   14 never X | 13 never W | 6:5 largest level | 4 X | 3 W | 2 no R | 1:0 kind
 *
 * A marker applies to every page that its entry covers, so that splitting an entry or forking a
 * table copies it unchanged.  For that reason it does not say which page of which object it stands
 * for: the mapping of its address does (mm/vm/mapping.h).  Pure functions.
 */
#pragma once

#include "arch/page_prop.h"
#include "lib/types.h"

enum vm_kind {
	VM_ABSENT, /* no marker */
	VM_ANON,   /* anonymous memory, zero-filled on demand */
	VM_GUARD,  /* guard: every access fails */
	VM_OBJECT, /* a page of an object, on demand */
};

enum {
	VM_MARKER_KIND = 3,
	VM_MARKER_PROP_SHIFT = 2, /* of the rights and denials to their PROP_ flags */
	VM_MARKER_NO_READ = PROP_READ << VM_MARKER_PROP_SHIFT,
	VM_MARKER_RIGHTS = PROP_RIGHTS << VM_MARKER_PROP_SHIFT,
	VM_MARKER_DENY_WRITE = PROP_DENY_WRITE << VM_MARKER_PROP_SHIFT,
	VM_MARKER_DENY_EXECUTE = PROP_DENY_EXECUTE << VM_MARKER_PROP_SHIFT,
	VM_MARKER_LARGEST_SHIFT = 5,
	VM_MARKER_LARGEST = 3,
};
#define VM_MARKER_PROPS (PROP_RIGHTS | PROP_DENY_WRITE | PROP_DENY_EXECUTE)

/* The marker bits for the access rights, and PROP_DENY_* if set, in `flags`. */
static inline uint32_t vm_marker_rights(unsigned flags)
{
	return ((flags ^ PROP_READ) & VM_MARKER_PROPS) << VM_MARKER_PROP_SHIFT;
}

/* Anonymous memory, in pages of level 1 to `largest`. */
static inline uint32_t vm_marker_anon(unsigned rights, unsigned largest)
{
	return VM_ANON | vm_marker_rights(rights) | largest << VM_MARKER_LARGEST_SHIFT;
}

/* An object; in 4 KiB pages.  `rights` with PROP_DENY_*. */
static inline uint32_t vm_marker_object(unsigned rights)
{
	return VM_OBJECT | vm_marker_rights(rights) | 1u << VM_MARKER_LARGEST_SHIFT;
}

static inline enum vm_kind vm_marker_kind(uint32_t marker)
{
	return (enum vm_kind)(marker & VM_MARKER_KIND);
}

static inline unsigned vm_marker_largest(uint32_t marker)
{
	return marker >> VM_MARKER_LARGEST_SHIFT & VM_MARKER_LARGEST;
}

/* The access rights, and PROP_DENY_*. */
static inline unsigned vm_marker_prop(uint32_t marker)
{
	return (marker >> VM_MARKER_PROP_SHIFT ^ PROP_READ) & VM_MARKER_PROPS;
}
