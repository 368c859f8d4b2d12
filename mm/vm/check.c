/* SPDX-License-Identifier: MIT */
/* check.c - checks the invariants of an address space. */
#include "mm/pt/entry.h"
#include "mm/vm/space.h"

/* A1 to A3 and A5 for one leaf of the user half. */
static const char *check_leaf(const struct vm_space *s, const struct pt_item *item)
{
	unsigned flags = item->prop.flags;

	if ((flags & PROP_USER) == 0 || (flags & PROP_GLOBAL) != 0 || item->start < s->start ||
	    item->start >= s->end)
		return "A3: a leaf is not PROP_USER, or is PROP_GLOBAL, or is outside the range of "
		       "users";
	if ((flags & (PROP_WRITE | PROP_COPY)) == (PROP_WRITE | PROP_COPY))
		return "A5: a leaf is PROP_WRITE and PROP_COPY";
	if ((flags & PROP_SHARED) != 0)
		return (flags & (PROP_COPY | PROP_FORKED)) == 0 ? NULL
								: "A5: a leaf is PROP_SHARED and "
								  "PROP_COPY or PROP_FORKED";
	if ((flags & PROP_COPY) != 0 && (flags & PROP_FORKED) == 0)
		return "A5: a leaf is PROP_COPY and not PROP_FORKED";
	if ((flags & PROP_WRITE) != 0 && (flags & PROP_FORKED) != 0)
		return "A5: a leaf is PROP_WRITE and PROP_FORKED";
	if ((flags & PROP_TRACKED) == 0)
		return item->pa.raw == vm_zero_page().raw && (flags & PROP_WRITE) == 0 &&
				       (flags & PROP_FORKED) != 0
			       ? NULL
			       : "A2: an untracked leaf is not the zero page, or is writable";
	if ((flags & PROP_FORKED) == 0 &&
	    !frame_page_is_sole(frame_of_slot(meta_slot_of(paddr_to_pfn(item->pa))),
				pt_page_order(item->level)))
		return "A1: a leaf is not PROP_FORKED, but its frame has other owners";
	return NULL;
}

const char *vm_space_check(const struct vm_space *s)
{
	const char *wrong = page_table_check(&s->table);
	vaddr_t va = 0, half = pt_half_bytes(s->table.levels);

	while (wrong == NULL && va < half) {
		struct pt_item item = page_table_query(&s->table, va);

		if (item.kind == PT_ITEM_LEAF)
			wrong = check_leaf(s, &item);
		va = item.start + item.len;
	}
	return wrong == NULL ? vm_mappings_check(s) : wrong; /* A4 */
}
