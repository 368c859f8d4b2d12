/* SPDX-License-Identifier: MIT */
/*
 * engine_split.h - part of mm/pt/engine.h: splitting large entries.
 */
#pragma once

#include "kern/percpu.h"
#include "mm/pt/engine_lock.h"

/* Splitting a tracked block gives each frame its own count, so the block must have one owner. */
static err_t check_split(const struct pt_format *fmt, pte_t pte, unsigned level)
{
	if (!pt_is_present(fmt, pte) || (pte & fmt->tracked) == 0)
		return OK;
	if (level > 2)
		return ERR_IN_USE; /* blocks of 1 GiB are never split */
	return frame_count(pt_leaf_frame(fmt, pte)) == 1 ? OK : ERR_IN_USE;
}

/* Replace the entry at va, a leaf or marker of a level above 1, by a locked node of the next level
 * with the same translations or markers.  ERR_NO_MEMORY, ERR_IN_USE: see cursor_unmap(). */
static err_t pt_path_split(const struct pt_format *fmt, const struct cursor *c, struct pt_path *p)
{
	struct frame *parent = pt_path_node(p), *node;
	unsigned index = pte_index(c->va, p->level);
	pte_t old = pt_node_get(parent, index), below = old, late;
	_Atomic pte_t *entry;
	uint64_t step = 0;
	err_t err = check_split(fmt, old, p->level);

	if (err != OK)
		return err;
	node = pt_node_alloc(p->level - 1);
	if (node == NULL)
		return ERR_NO_MEMORY;
	entry = pt_node_entries(node);
	if (pt_is_present(fmt, old)) {
		step = pte_span(p->level - 1);
		below = fmt->make_leaf(pt_paddr(fmt, old), fmt->prop(old), p->level - 1);
		if ((old & fmt->tracked) != 0)
			(void)frame_split(frame_from_raw(paddr(pt_paddr(fmt, old))));
	}
	for (unsigned i = 0; i < PT_NODE_ENTRIES; i++, below += step)
		/* relaxed: linked with release below */
		atomic_store_explicit(&entry[i], below, memory_order_relaxed);
	pt_wrote(fmt, entry, PT_NODE_ENTRIES);
	pt_node_count(node, PT_NODE_ENTRIES);
	pt_node_lock_new(node);
	p->node[--p->level] = node;
	late = pt_set(fmt, parent, index, fmt->make_table(frame_into_raw(node).raw));
	late &= ~old & fmt->cpu_bits; /* accessed and dirty bits set since `old` was read */
	for (unsigned i = 0; unlikely(late != 0) && i < PT_NODE_ENTRIES; i++)
		(void)atomic_fetch_or_explicit(&entry[i], late, memory_order_relaxed);
	percpu_add(&this_cpu_ptr(cursor_stats)->splits, 1);
	return OK;
}
