/* SPDX-License-Identifier: MIT */
/*
 * marker.h - what an absent page of a user's space means, as the note in its entry.
 *
 *   17:6 object | 5:4 largest level | 3 X | 2 W | 1:0 kind
 *
 * A note stands for all that its entry covers and says the same of each page of it, so that it may
 * be split and copied as it is; that is why a page's place in its object is not in it, but in its
 * address (mm/vm/object.h).  Pure.
 */
#pragma once

#include "arch/page_prop.h"
#include "lib/types.h"

enum vm_kind {
	VM_ABSENT, /* no note */
	VM_ANON,   /* zeros, on demand */
	VM_GUARD,  /* nothing may be here */
	VM_OBJECT, /* a page of an object, on demand */
};

enum {
	VM_NOTE_KIND = 3,
	VM_NOTE_WRITE = 1 << 2,
	VM_NOTE_EXECUTE = 1 << 3,
	VM_NOTE_RIGHTS = VM_NOTE_WRITE | VM_NOTE_EXECUTE,
	VM_NOTE_LARGEST_SHIFT = 4,
	VM_NOTE_LARGEST = 3,
	VM_NOTE_OBJECT_SHIFT = 6,
	VM_NOTE_OBJECT_BITS = 12,
	VM_NOTE_OBJECT = (1 << VM_NOTE_OBJECT_BITS) - 1,
};

/* PROP_WRITE and PROP_EXECUTE of `rights` as bits of a note. */
static inline uint32_t vm_note_rights(unsigned rights)
{
	return ((rights & PROP_WRITE) != 0 ? VM_NOTE_WRITE : 0u) |
	       ((rights & PROP_EXECUTE) != 0 ? VM_NOTE_EXECUTE : 0u);
}

/* Zeros, in pages of the level `largest` at most. */
static inline uint32_t vm_note_anon(unsigned rights, unsigned largest)
{
	return VM_ANON | vm_note_rights(rights) | largest << VM_NOTE_LARGEST_SHIFT;
}

static inline uint32_t vm_note_object(unsigned rights, unsigned object)
{
	return VM_OBJECT | vm_note_rights(rights) | 1u << VM_NOTE_LARGEST_SHIFT |
	       object << VM_NOTE_OBJECT_SHIFT;
}

static inline enum vm_kind vm_note_kind(uint32_t note)
{
	return (enum vm_kind)(note & VM_NOTE_KIND);
}

static inline unsigned vm_note_largest(uint32_t note)
{
	return note >> VM_NOTE_LARGEST_SHIFT & VM_NOTE_LARGEST;
}

static inline unsigned vm_note_object_number(uint32_t note)
{
	return note >> VM_NOTE_OBJECT_SHIFT & VM_NOTE_OBJECT;
}

/* What a page may be used for: PROP_READ always, PROP_WRITE, PROP_EXECUTE. */
static inline unsigned vm_note_prop(uint32_t note)
{
	return PROP_READ | ((note & VM_NOTE_WRITE) != 0 ? PROP_WRITE : 0u) |
	       ((note & VM_NOTE_EXECUTE) != 0 ? PROP_EXECUTE : 0u);
}
