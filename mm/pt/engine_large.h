/* SPDX-License-Identifier: MIT */
/*
 * engine_large.h - part of mm/pt/engine.h: a large leaf in the place of a node of small pages.
 */
#pragma once

#include "kern/percpu.h"
#include "mm/pt/engine_map.h"

/* ---- collapse ---- */

/* A leaf as the only owner of its page has it: writable if a copy is, and without what only hints
 * and CPUs add. */
static pte_t as_sole_owner(const struct pt_format *fmt, pte_t pte)
{
	if ((pte & pt_forked_bits(fmt)) == (fmt->copy | fmt->forked))
		pte ^= pt_forked_bits(fmt);
	return pte & ~(fmt->cpu_bits | fmt->pinned | fmt->forked);
}

/* Whether the entries of a node map one contiguous, aligned page, if each is the only owner;
 * *first is the first entry then. */
static bool is_one_page(const struct pt_format *fmt, const struct frame *node, unsigned level,
			pte_t *first)
{
	pte_t expected = as_sole_owner(fmt, pt_node_get(node, 0));

	*first = expected;
	if (pt_node_children(node) != PT_NODE_ENTRIES || !pt_is_present(fmt, expected) ||
	    !pt_is_leaf(fmt, expected, level) || pt_paddr(fmt, expected) % pte_span(level + 1) != 0)
		return false;
	for (unsigned i = 0; i < PT_NODE_ENTRIES; i++, expected += pte_span(level))
		if (as_sole_owner(fmt, pt_node_get(node, i)) != expected)
			return false;
	return true;
}

/* Clear the entries of a dead node; returns the accessed and dirty bits that CPUs set in them
 * before the shootdown. */
static pte_t clear_parts(const struct pt_format *fmt, struct frame *node)
{
	pte_t cpu_bits = 0;

	for (unsigned i = 0; i < PT_NODE_ENTRIES; i++)
		cpu_bits |= atomic_exchange_explicit(&pt_node_entries(node)[i], 0,
						     memory_order_acq_rel);
	pt_node_count(node, -PT_NODE_ENTRIES);
	return cpu_bits & fmt->cpu_bits;
}

/* Put the leaf in the place of the node; other CPUs may set accessed and dirty bits in it. */
static void put_leaf(const struct pt_format *fmt, const struct cursor *c, const struct pt_path *p,
		     pte_t leaf)
{
	_Atomic pte_t *entry = &pt_node_entries(pt_path_node(p))[pte_index(c->va, p->level)];

	if (c->pt->breaks)
		/* release: the page's contents are visible before the mapping */
		atomic_store_explicit(entry, leaf, memory_order_release);
	else
		(void)atomic_fetch_or_explicit(entry, leaf & fmt->cpu_bits, memory_order_acq_rel);
	pt_wrote(fmt, c->pt, entry, 1);
}

/* Take a node of small pages out of the entry for va and of all TLBs, before a large leaf comes in
 * its place.  Where the table asks for that, no CPU has translations of both sizes meanwhile
 * (mm/pt/engine_split.h); elsewhere the entry is the new leaf already. */
static void break_node(const struct pt_format *fmt, const struct cursor *c, const struct pt_path *p,
		       struct frame *node, pte_t leaf)
{
	(void)pt_set(fmt, c->pt, pt_path_node(p), pte_index(c->va, p->level),
		     c->pt->breaks ? fmt->busy : leaf);
	tlb_batch_node(c->gone, c->va, p->level, node);
	/* small pages may be in TLBs, and invalidating one address would miss the others */
	tlb_batch_all_pages(c->gone);
	tlb_batch_invalidate(c->gone);
}

static __forceinline err_t engine_collapse(const struct pt_format *fmt, struct cursor *c,
					   unsigned level)
{
	struct pt_path p __uninitialized;
	unsigned index = pte_index(c->va, level);
	struct frame *node;
	pte_t first, leaf;

	if (level < 2 || level > fmt->leaf_level_max(c->pt) || level > c->level ||
	    c->va % pte_span(level) != 0 || pte_span(level) > cursor_left(c))
		return ERR_BAD_RANGE;
	pt_path_descend(fmt, c, level, &p);
	node = p.level != level ? NULL : pt_child(fmt, pt_node_get(pt_path_node(&p), index), level);
	if (node == NULL || !is_one_page(fmt, node, level - 1, &first) ||
	    ((first & fmt->tracked) != 0 && level > 2))
		return ERR_IN_USE;
	if ((first & fmt->tracked) != 0 &&
	    frame_join(pt_leaf_frame(fmt, first), PT_INDEX_BITS) != OK)
		return ERR_IN_USE;
	leaf = fmt->make_leaf(c->pt, pt_paddr(fmt, first), fmt->prop(first), level);
	break_node(fmt, c, &p, node, leaf);
	leaf |= clear_parts(fmt, node);
	put_leaf(fmt, c, &p, leaf);
	percpu_add(&this_cpu_ptr(cursor_stats)->collapses, 1);
	cursor_move(c, pte_span(level));
	return OK;
}

/* ---- pages that were only read ---- */

static __forceinline err_t engine_replace_untouched(const struct pt_format *fmt, struct cursor *c,
						    paddr_t pa, struct page_prop prop, pte_t leaf,
						    uint32_t marker)
{
	const unsigned level = 2;
	struct pt_path p __uninitialized;
	struct frame *node;

	if (!page_fits(fmt, c, level) || pa.raw % pte_span(level) != 0)
		return ERR_BAD_RANGE;
	pt_path_descend(fmt, c, level, &p);
	node = p.level != level
		       ? NULL
		       : pt_child(fmt, pt_node_get(pt_path_node(&p), pte_index(c->va, level)),
				  level);
	if (node == NULL || !pt_node_is_untouched(fmt, node, leaf, fmt->make_marker(marker)))
		return ERR_IN_USE;
	leaf = fmt->make_leaf(c->pt, pa.raw, prop, level);
	break_node(fmt, c, &p, node, leaf);
	put_leaf(fmt, c, &p, leaf);
	cursor_move(c, pte_span(level));
	return OK;
}
