/* SPDX-License-Identifier: MIT */
/*
 * engine_lookup.h - part of mm/pt/engine.h: lockless lookup.
 */
#pragma once

#include "kern/lock.h"
#include "lib/bits.h"
#include "mm/pt/page_table.h"
#include "mm/pt/engine_node.h"

static __forceinline bool engine_range_ok(const struct pt_format *fmt, const struct page_table *pt,
					  struct vrange range)
{
	vaddr_t last = range.start + range.len - 1;

	return range.len != 0 && (range.start | range.len) % PAGE_SIZE == 0 &&
	       last >= range.start && fmt->is_canonical(range.start, pt->levels) &&
	       fmt->is_canonical(last, pt->levels) && range.start >> 63 == last >> 63;
}

/* The first entry from `index` on that is not empty, or PT_NODE_ENTRIES. */
static unsigned next_entry(const struct frame *node, unsigned index)
{
	while (index < PT_NODE_ENTRIES && pt_node_get_unlocked(node, index) == 0)
		index++;
	return index;
}

/* ---- lookup ---- */

static struct pt_item pt_item_of(const struct pt_format *fmt, pte_t pte, unsigned level, vaddr_t va)
{
	struct pt_item item = { .start = align_down(va, pte_span(level)),
				.len = pte_span(level),
				.level = level };

	if (pt_is_marker(fmt, pte)) {
		item.kind = PT_ITEM_MARKER;
		item.marker = fmt->marker(pte);
	} else if (pt_is_present(fmt, pte)) {
		item.kind = PT_ITEM_LEAF;
		item.pa = paddr(pt_paddr(fmt, pte));
		item.prop = fmt->prop(pte);
	}
	return item;
}

/* Whether an empty entry of the node may come from its death: a collapse clears the old node
 * although the page stays mapped. */
static bool is_dead(paddr_t node)
{
	/* relaxed: the entry was read with acquire, and cleared after the mark was set */
	return atomic_load_explicit(&meta_slot_at(node)->u.node.dead, memory_order_relaxed) != 0;
}

/* Walk to the entry for va in a node of level `stop`, or to one above that is not a table; inside
 * epoch_enter(). */
static __forceinline pte_t lookup(const struct pt_format *fmt, const struct page_table *pt,
				  vaddr_t va, unsigned stop, unsigned *level, paddr_t *node)
{
	paddr_t table = frame_paddr(pt->root);
	unsigned at = pt->levels, shift = PT_PAGE_SHIFT + PT_INDEX_BITS * (at - 1);
	pte_t pte;

	for (;; at--, shift -= PT_INDEX_BITS) {
		const _Atomic pte_t *entries = arch_direct(table);

		/* acquire: the entries of a new table are visible */
		pte = atomic_load_explicit(&entries[va >> shift & (PT_ENTRIES - 1)],
					   memory_order_acquire);
		if (at == stop || !pt_is_table(fmt, pte))
			break;
		table = paddr(pt_paddr(fmt, pte));
	}
	*level = at;
	*node = table;
	return pte;
}

static __forceinline pte_t engine_lookup_entry(const struct pt_format *fmt,
					       const struct page_table *pt, vaddr_t va,
					       unsigned *level)
{
	uintptr_t irq = arch_irq_save();
	paddr_t node;
	pte_t pte;

	for (;;) {
		epoch_enter();
		do
			pte = lookup(fmt, pt, va, 1, level, &node);
		while (pte == 0 && unlikely(is_dead(node))); /* at most one retry per dead node */
		epoch_exit();
		if (likely(fmt->busy == 0 || pte != fmt->busy))
			break;
		lock_wait_turn(); /* a CPU splits it, and may wait for this one */
	}
	arch_irq_restore(irq);
	return pte;
}

static __forceinline struct pt_item engine_query_table(const struct pt_format *fmt,
						       const struct page_table *pt, vaddr_t va)
{
	unsigned level;
	pte_t pte;

	if (!fmt->is_canonical(va, pt->levels))
		return (struct pt_item){ .kind = PT_ITEM_ABSENT,
					 .start = align_down(va, PAGE_SIZE),
					 .len = PAGE_SIZE,
					 .level = 1 };
	pte = engine_lookup_entry(fmt, pt, va, &level);
	return pt_item_of(fmt, pte, level, va);
}

/* From va on in this node of `level`, inside epoch_enter(): the first address whose entry is not
 * empty, or may not have been, as the node is dead; or `end`.  Recursion depth: one level per
 * call. */
static vaddr_t next_in_node(const struct pt_format *fmt, const struct frame *node, unsigned level,
			    vaddr_t va, vaddr_t end)
{
	uint64_t span = pte_span(level);
	vaddr_t base = (vaddr_t)align_down(va, pte_span(level + 1));
	unsigned i = next_entry(node, pte_index(va, level));

	for (; i < PT_NODE_ENTRIES; i = next_entry(node, i + 1)) {
		const struct frame *child = pt_child(fmt, pt_node_get_unlocked(node, i), level);
		vaddr_t start = max_u64(va, base + i * span), behind = base + (i + 1) * span;

		if (start >= end)
			break;
		behind = min_u64(behind, end);
		if (child != NULL)
			start = next_in_node(fmt, child, level - 1, start, behind);
		if (start != behind)
			return start;
	}
	return unlikely(is_dead(frame_paddr(node))) ? va
						    : min_u64(end, base + PT_NODE_ENTRIES * span);
}

static __forceinline vaddr_t engine_next(const struct pt_format *fmt, const struct page_table *pt,
					 vaddr_t va, vaddr_t end)
{
	uintptr_t irq = arch_irq_save();

	epoch_enter();
	va = next_in_node(fmt, pt->root, pt->levels, va, end);
	epoch_exit();
	arch_irq_restore(irq);
	return va;
}

/* Whether a child is a node of the kernel's half in another space's table.  In the kernel's own
 * table keep < levels. */
static bool is_of_others(const struct page_table *pt, const struct frame *child)
{
	return pt->keep == pt->levels && frame_count(child) > 1;
}

/* Visit nodes depth first; no recursion. */
static const char *each_node(const struct pt_format *fmt, const struct page_table *pt,
			     uint64_t *nodes)
{
	const struct frame *node[PT_LEVEL_MAX + 1];
	unsigned index[PT_LEVEL_MAX + 1] = { 0 }, level = pt->levels;
	const char *wrong = engine_check_node(fmt, pt->root);

	*nodes = 1;
	node[level] = pt->root;
	while (level <= pt->levels && wrong == NULL) {
		const struct frame *child;

		if (index[level] == PT_NODE_ENTRIES) {
			level++;
			continue;
		}
		child = pt_child(fmt, pt_node_get(node[level], index[level]), level);
		index[level]++;
		if (child == NULL || is_of_others(pt, child))
			continue;
		++*nodes;
		wrong = engine_check_node(fmt, child);
		node[--level] = child;
		index[level] = 0;
	}
	return wrong;
}

static __forceinline const char *engine_check_table(const struct pt_format *fmt,
						    const struct page_table *pt)
{
	uint64_t nodes;

	return each_node(fmt, pt, &nodes);
}

static __forceinline uint64_t engine_nodes(const struct pt_format *fmt, const struct page_table *pt)
{
	uint64_t nodes;

	(void)each_node(fmt, pt, &nodes);
	return nodes;
}
