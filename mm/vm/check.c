/* SPDX-License-Identifier: MIT */
/* check.c - the invariants of a space, and walks of it. */
#include "mm/vm/space.h"

/* A1 to A3, of one leaf of the user's half. */
static const char *check_leaf(const struct pt_item *item)
{
	unsigned flags = item->prop.flags;

	if ((flags & PROP_USER) == 0 || (flags & PROP_GLOBAL) != 0 || item->start < PAGE_SIZE)
		return "A3: a leaf is not the user's";
	if ((flags & (PROP_WRITE | PROP_COPY)) == (PROP_WRITE | PROP_COPY))
		return "A1: a leaf is writable and to be copied";
	if ((flags & PROP_SHARED) != 0)
		return (flags & (PROP_COPY | PROP_FORKED)) == 0 ? NULL
								: "A5: a shared leaf was forked";
	if ((flags & PROP_COPY) != 0 && (flags & PROP_FORKED) == 0)
		return "A5: a leaf is to be copied and was never forked";
	if ((flags & PROP_WRITE) != 0 && (flags & PROP_FORKED) != 0)
		return "A5: a leaf is writable and may have others";
	if ((flags & PROP_TRACKED) == 0)
		return item->pa.raw == vm_zero_page().raw && (flags & PROP_WRITE) == 0 &&
				       (flags & PROP_FORKED) != 0
			       ? NULL
			       : "A2: an untracked leaf is not the page of zeros, or is writable";
	if ((flags & PROP_FORKED) == 0 &&
	    frame_count(frame_of_slot(meta_slot_of(paddr_to_pfn(item->pa)))) != 1)
		return "A1: a leaf was never forked and its frame has other owners";
	return NULL;
}

const char *vm_space_check(const struct vm_space *s)
{
	const char *wrong = page_table_check(&s->table);
	vaddr_t va = 0, half = pt_half_bytes(s->table.levels);

	while (wrong == NULL && va < half) {
		struct pt_item item = page_table_query(&s->table, va);

		if (item.kind == PT_ITEM_LEAF)
			wrong = check_leaf(&item);
		if (item.kind == PT_ITEM_MARKER && vm_marker_kind(item.marker) == VM_OBJECT &&
		    !vm_object_set_has(&s->objects, vm_marker_object_number(item.marker)))
			wrong = "A4: a marker names an object that the space does not count";
		va = item.start + item.len;
	}
	return wrong;
}
