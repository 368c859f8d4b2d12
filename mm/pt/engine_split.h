/* SPDX-License-Identifier: MIT */
/*
 * engine_split.h - part of mm/pt/engine.h: splitting large entries.
 */
#pragma once

#include "kern/percpu.h"
#include "mm/pt/engine_lock.h"

/* Before a leaf of `level` is split: give the leaves of its parts the counts that they will own.
 * Memory that other than leaves may own is not divided.  ERR_OVERFLOW: nothing is changed. */
static err_t split_counts(const struct pt_format *fmt, pte_t pte, unsigned level)
{
	if (!pt_is_present(fmt, pte) || (pte & fmt->tracked) == 0)
		return OK;
	if (fmt->forked == 0 || (pte & fmt->shared) != 0)
		return frame_page_get_parts(pt_leaf_frame(fmt, pte), PT_NODE_ENTRIES - 1);
	frame_page_divide(pt_leaf_frame(fmt, pte), pt_page_order(level), pt_page_order(level - 1));
	return OK;
}

/* Fill a new node of `level` with what one entry of the next level says. */
static void fill_parts(const struct pt_format *fmt, const struct page_table *pt, struct frame *node,
		       unsigned level, pte_t whole)
{
	_Atomic pte_t *entry = pt_node_entries(node);
	pte_t part = whole;
	uint64_t step = 0;

	if (pt_is_present(fmt, whole)) {
		step = pte_span(level);
		part = fmt->make_leaf(pt, pt_paddr(fmt, whole), fmt->prop(whole), level);
	}
	for (unsigned i = 0; i < PT_NODE_ENTRIES; i++, part += step)
		/* relaxed: linked with release later */
		atomic_store_explicit(&entry[i], part, memory_order_relaxed);
	pt_wrote(fmt, pt, entry, PT_NODE_ENTRIES);
	pt_node_count(node, PT_NODE_ENTRIES);
}

/* A CPU must not have translations of both sizes for one address: some report a machine check
 * (Intel, erratum "machine check error on page size change"; AMD, erratum 383).  So no CPU can use
 * the large page any more when this returns, and none the small ones yet.  Readers without a lock
 * see `busy` and wait. */
static pte_t break_leaf(const struct pt_format *fmt, const struct cursor *c, struct frame *parent,
			unsigned level)
{
	pte_t old = pt_set(fmt, c->pt, parent, pte_index(c->va, level), fmt->busy);

	tlb_batch_page(c->gone, align_down(c->va, pte_span(level)), level);
	tlb_batch_invalidate(c->gone);
	return old;
}

/* Replace the entry at va, a leaf or marker of a level above 1, by a locked node of the next level
 * with the same translations or markers.  ERR_NO_MEMORY, ERR_OVERFLOW: see cursor_unmap(). */
static err_t pt_path_split(const struct pt_format *fmt, const struct cursor *c, struct pt_path *p)
{
	struct frame *parent = pt_path_node(p), *node = pt_node_alloc(p->level - 1);
	unsigned index = pte_index(c->va, p->level);
	pte_t old = pt_node_get(parent, index), late;
	_Atomic pte_t *entry;
	err_t err;

	if (node == NULL)
		return ERR_NO_MEMORY;
	err = split_counts(fmt, old, p->level);
	if (err != OK) {
		pt_node_put_empty(node);
		return err;
	}
	if (pt_is_present(fmt, old) && c->pt->breaks && c->gone != NULL)
		old = break_leaf(fmt, c, parent, p->level);
	entry = pt_node_entries(node);
	fill_parts(fmt, c->pt, node, p->level - 1, old);
	pt_node_lock_new(node);
	p->node[--p->level] = node;
	late = pt_set(fmt, c->pt, parent, index, fmt->make_table(frame_into_raw(node).raw));
	if (pt_is_present(fmt, late))
		late &= ~old & fmt->cpu_bits; /* set by CPUs since `old` was read */
	else
		late = 0;
	for (unsigned i = 0; unlikely(late != 0) && i < PT_NODE_ENTRIES; i++)
		(void)atomic_fetch_or_explicit(&entry[i], late, memory_order_relaxed);
	percpu_add(&this_cpu_ptr(cursor_stats)->splits, 1);
	return OK;
}
