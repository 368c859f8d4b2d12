/* SPDX-License-Identifier: MIT */
/*
 * engine_node.h - part of mm/pt/engine.h: retiring nodes, and checking their invariants.
 */
#pragma once

#include "mm/frame/epoch.h"
#include "mm/pt/entry.h"

/* Contiguous pages of tracked leaves of a level, which are put by one call. */
struct row {
	struct frame *first;
	uint32_t pages;
	unsigned order;
};

static void row_finish(struct row *row)
{
	if (row->pages != 0)
		frame_page_put(row->first, row->pages, row->order);
	row->pages = 0;
}

static void row_add(struct row *row, struct frame *f)
{
	if (row->pages != 0 &&
	    frame_pfn(f) == frame_pfn(row->first) + ((uint64_t)row->pages << row->order)) {
		row->pages++;
		return;
	}
	row_finish(row);
	row->first = f;
	row->pages = 1;
}

/* Clear a dead node, release what its entries own, and add it to the list.  Recursion depth: one
 * level per call, so at most PT_LEVEL_MAX. */
static void empty_dead(const struct pt_format *fmt, struct frame *node, struct epoch_list *list)
{
	unsigned level = pt_node_level(node), left = pt_node_children(node);
	int emptied = (int)left;
	struct row row = { NULL, 0, pt_page_order(level) };

	DASSERT(atomic_load_explicit(&frame_slot(node)->u.node.dead, memory_order_relaxed) != 0);
	for (unsigned i = 0; left > 0 && i < PT_NODE_ENTRIES; i++) {
		pte_t pte = pt_node_get(node, i);
		struct frame *child = pt_child(fmt, pte, level);

		if (pte == 0)
			continue;
		/* plain store: no CPU walks the node; a late lockless reader sees either value */
		atomic_store_explicit(&pt_node_entries(node)[i], 0, memory_order_relaxed);
		left--;
		if (child != NULL)
			empty_dead(fmt, child, list);
		else if (pt_is_present(fmt, pte) && (pte & fmt->tracked) != 0)
			row_add(&row, pt_leaf_frame(fmt, pte));
	}
	row_finish(&row);
	if (emptied != 0)
		pt_node_count(node, -emptied);
	epoch_list_add(list, node);
}

/* Retire a list of dead nodes and everything below them: see pt_node_retire(). */
static __forceinline void engine_retire(const struct pt_format *fmt, pfn_t first)
{
	struct epoch_list list = { 0 };

	while (first != PT_NODE_LAST) {
		struct frame *node = frame_of_slot(meta_slot_of(first));

		first = pt_node_next_dead(node);
		empty_dead(fmt, node, &list);
	}
	epoch_list_retire(&list);
}

/* Release what an entry owns. */
static void drop_entry(const struct pt_format *fmt, pte_t pte, unsigned level)
{
	struct frame *child = pt_child(fmt, pte, level);

	if (child != NULL)
		frame_put(child);
	else if (pt_is_present(fmt, pte) && (pte & fmt->tracked) != 0)
		frame_page_put(pt_leaf_frame(fmt, pte), 1, pt_page_order(level));
}

/* Release what the entries of a node own, before the node itself is freed. */
static __forceinline void engine_drop_node(const struct pt_format *fmt, const struct frame *node)
{
	unsigned level = pt_node_level(node), left = pt_node_children(node);

	for (unsigned i = 0; left > 0 && i < PT_NODE_ENTRIES; i++) {
		pte_t pte = pt_node_get(node, i);

		if (pte == 0)
			continue;
		drop_entry(fmt, pte, level);
		left--;
	}
}

/* Release what the entries of a node own, and free the nodes below it; the node stays, empty.
 * Recursion depth: one level per call. */
static void empty_node(const struct pt_format *fmt, struct frame *node)
{
	unsigned level = pt_node_level(node), left = pt_node_children(node);

	for (unsigned i = 0; left > 0 && i < PT_NODE_ENTRIES; i++) {
		pte_t pte = pt_node_get(node, i);
		struct frame *child = pt_child(fmt, pte, level);

		if (pte == 0)
			continue;
		left--;
		if (child != NULL) {
			empty_node(fmt, child);
			pt_node_put_empty(child);
		} else {
			drop_entry(fmt, pte, level);
		}
		/* relaxed: no walker uses the table */
		atomic_store_explicit(&pt_node_entries(node)[i], 0, memory_order_relaxed);
	}
	pt_node_count(node, -(int)pt_node_children(node));
}

/* page_table_destroy() of a format whose entries drop_node() of mm/pt/node.c cannot read. */
static __forceinline void engine_destroy(const struct pt_format *fmt, struct frame *root)
{
	empty_node(fmt, root);
	frame_put(root);
}

/* N1..N4 of mm/pt/node.h.  NULL, or what is wrong. */
static const char *engine_check_node(const struct pt_format *fmt, const struct frame *node)
{
	unsigned level = pt_node_level(node), entries = 0;

	for (unsigned i = 0; i < PT_NODE_ENTRIES; i++) {
		pte_t pte = pt_node_get(node, i);
		const struct frame *child = pt_child(fmt, pte, level);

		entries += pte != 0;
		if (child != NULL &&
		    (frame_kind_of(child) != FRAME_PAGE_TABLE || pt_node_level(child) != level - 1))
			return "N2: an entry leads to a frame that is not a node of the next level";
		if (child != NULL && atomic_load_explicit(&frame_slot(child)->u.node.dead,
							  memory_order_relaxed) != 0)
			return "N4: an entry leads to a dead node";
		if (child == NULL && pt_is_present(fmt, pte) && (pte & fmt->tracked) != 0) {
			const struct meta_slot *slot = section_slot(paddr(pt_paddr(fmt, pte)));

			if (slot == NULL || !frame_page_is_owned(slot))
				return "N3: a tracked leaf leads to a frame without a count";
		}
	}
	return entries == pt_node_children(node) ? NULL : "N1: the child count is wrong";
}
