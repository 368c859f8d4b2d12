/* SPDX-License-Identifier: MIT */
/*
 * engine_map.h - part of mm/pt/engine.h: mapping pages and setting markers.
 */
#pragma once

#include "mm/pt/engine_split.h"

/* ---- nodes on the path ---- */

/* Extend a path down to level `stop` with newly allocated, locked nodes.  ERR_IN_USE: a leaf or
 * marker is in the way.  On ERR_NO_MEMORY no node is added. */
static err_t pt_path_extend(const struct pt_format *fmt, const struct cursor *c, unsigned stop,
			    struct pt_path *p)
{
	struct frame *made[PT_LEVEL_MAX + 1] __uninitialized;
	unsigned level;

	if (p->level == stop)
		return OK;
	if (pt_node_get(pt_path_node(p), pte_index(c->va, p->level)) != 0)
		return ERR_IN_USE;
	for (level = stop; level < p->level; level++) {
		made[level] = pt_node_alloc(level);
		if (made[level] == NULL) {
			while (level-- > stop)
				pt_node_put_empty(made[level]);
			return ERR_NO_MEMORY;
		}
		pt_wrote(fmt, c->pt, pt_node_entries(made[level]), PT_NODE_ENTRIES);
		pt_node_lock_new(made[level]);
	}
	while (p->level > stop) {
		struct frame *child = made[p->level - 1];

		(void)pt_set(fmt, c->pt, pt_path_node(p), pte_index(c->va, p->level),
			     fmt->make_table(frame_into_raw(child).raw));
		p->node[--p->level] = child;
	}
	return OK;
}

static err_t descend_making(const struct pt_format *fmt, const struct cursor *c, unsigned stop,
			    struct pt_path *p)
{
	pt_path_descend(fmt, c, stop, p);
	return pt_path_extend(fmt, c, stop, p);
}

/* ---- ranges of pages ---- */

/* The largest level whose page fits at va and pa in len bytes. */
static unsigned level_that_fits(vaddr_t va, uint64_t pa, uint64_t len, unsigned max)
{
	unsigned level = max;

	while (level > 1 && (pte_span(level) > len || (va | pa) % pte_span(level) != 0))
		level--;
	return level;
}

/* Fill consecutive entries of one node, adding `step` from one to the next, until the node or *len
 * ends; va and *len advance.  Entries are written one by one, as the CPU reads them; the child
 * count is written once, as only the lock holder reads it. */
static err_t fill_node(const struct pt_format *fmt, struct cursor *c, const struct pt_path *p,
		       pte_t pte, uint64_t step, uint64_t *len)
{
	_Atomic pte_t *entry = pt_node_entries(pt_path_node(p));
	uint64_t span = pte_span(p->level), filled = 0;
	unsigned first = pte_index(c->va, p->level), i = first;
	err_t err = OK;

	for (; i < PT_NODE_ENTRIES && *len - filled >= span; i++, filled += span, pte += step) {
		if (atomic_load_explicit(&entry[i], memory_order_relaxed) != 0) {
			err = ERR_IN_USE;
			break;
		}
		/* release: the contents of the page are visible before the mapping */
		atomic_store_explicit(&entry[i], pte, memory_order_release);
	}
	pt_wrote(fmt, c->pt, entry + first, i - first);
	pt_node_count(pt_path_node(p), (int)(i - first));
	cursor_move(c, filled);
	*len -= filled;
	return err;
}

static __forceinline err_t engine_map_pa(const struct pt_format *fmt, struct cursor *c, paddr_t pa,
					 uint64_t len, struct page_prop prop, unsigned level_max)
{
	unsigned max = level_max < fmt->leaf_level_max(c->pt) ? level_max
							      : fmt->leaf_level_max(c->pt);
	uint64_t end = pa.raw + len;

	if ((pa.raw | len) % PAGE_SIZE != 0 || len > cursor_left(c) || level_max < 1)
		return ERR_BAD_RANGE;
	prop.flags &= (uint16_t)~PROP_TRACKED;
	while (len > 0) {
		uint64_t at = end - len;
		unsigned level = level_that_fits(c->va, at, len, max);
		struct pt_path p __uninitialized;
		err_t err = OK;

		pt_path_descend(fmt, c, 1, &p);
		if (p.level > level)
			err = pt_path_extend(fmt, c, level, &p);
		if (err == OK)
			err = fill_node(fmt, c, &p, fmt->make_leaf(c->pt, at, prop, p.level),
					pte_span(p.level), &len);
		if (err != OK)
			return err;
	}
	return OK;
}

static __forceinline err_t engine_map_run(const struct pt_format *fmt, struct cursor *c,
					  pfn_t first, uint32_t n, struct page_prop prop)
{
	uint64_t len = (uint64_t)n * PAGE_SIZE, end = pfn_to_paddr(first).raw + len;

	if (len > cursor_left(c))
		return ERR_BAD_RANGE;
	prop.flags |= PROP_TRACKED;
	while (len > 0) {
		struct pt_path p __uninitialized;
		err_t err = descend_making(fmt, c, 1, &p);

		if (err == OK)
			err = fill_node(fmt, c, &p, fmt->make_leaf(c->pt, end - len, prop, 1),
					PAGE_SIZE, &len);
		if (err != OK)
			return err;
	}
	return OK;
}

static __forceinline err_t engine_set_marker(const struct pt_format *fmt, struct cursor *c,
					     uint64_t len, uint32_t marker)
{
	if (len % PAGE_SIZE != 0 || len > cursor_left(c) || marker >> PT_MARKER_BITS != 0)
		return ERR_BAD_RANGE;
	while (len > 0) {
		unsigned level = level_that_fits(c->va, 0, len, c->pt->levels);
		struct pt_path p __uninitialized;
		err_t err;

		make_way(fmt, c, level);
		/* an existing node gets the marker in its own entries */
		pt_path_descend(fmt, c, 1, &p);
		err = p.level <= level ? OK : pt_path_extend(fmt, c, level, &p);
		if (err == OK)
			err = fill_node(fmt, c, &p, fmt->make_marker(marker), 0, &len);
		if (err != OK)
			return err;
	}
	return OK;
}

/* ---- one page ---- */

/* The level whose page has 2^order frames, or 0. */
static unsigned level_of_order(unsigned order)
{
	return order % PT_INDEX_BITS == 0 && order / PT_INDEX_BITS < PT_LEAF_LEVEL_MAX
		       ? order / PT_INDEX_BITS + 1
		       : 0;
}

static bool page_fits(const struct pt_format *fmt, const struct cursor *c, unsigned level)
{
	return level != 0 && level <= fmt->leaf_level_max(c->pt) && c->va % pte_span(level) == 0 &&
	       pte_span(level) <= cursor_left(c);
}

static __forceinline err_t engine_map(const struct pt_format *fmt, struct cursor *c,
				      struct frame *f, struct page_prop prop)
{
	unsigned level = level_of_order(frame_order(f));
	struct pt_path p __uninitialized;
	err_t err;

	if (!page_fits(fmt, c, level))
		return ERR_BAD_RANGE;
	make_way(fmt, c, level);
	err = descend_making(fmt, c, level, &p);
	if (err != OK)
		return err;
	if (pt_node_get(pt_path_node(&p), pte_index(c->va, level)) != 0)
		return ERR_IN_USE;
	prop.flags |= PROP_TRACKED;
	(void)pt_set(fmt, c->pt, pt_path_node(&p), pte_index(c->va, level),
		     fmt->make_leaf(c->pt, frame_into_raw(f).raw, prop, level));
	cursor_move(c, pte_span(level));
	return OK;
}

/* Descend to `level`, allocating missing nodes and splitting markers. */
static err_t descend_through_markers(const struct pt_format *fmt, const struct cursor *c,
				     unsigned level, struct pt_path *p)
{
	pt_path_descend(fmt, c, level, p);
	while (p->level > level) {
		pte_t pte = pt_node_get(pt_path_node(p), pte_index(c->va, p->level));
		err_t err;

		if (pt_is_present(fmt, pte))
			return ERR_IN_USE; /* a larger page */
		err = pte == 0 ? pt_path_extend(fmt, c, level, p) : pt_path_split(fmt, c, p);
		if (err != OK)
			return err;
	}
	return OK;
}

static __forceinline err_t engine_deepen(const struct pt_format *fmt, struct cursor *c,
					 unsigned level)
{
	struct pt_path p __uninitialized;

	return descend_through_markers(fmt, c, level, &p);
}

/* Replace a leaf that other CPUs may use: the new page gets its write right after they have given
 * up the old one (mm/pt/batch.h). */
static void replace_leaf(const struct pt_format *fmt, struct cursor *c, struct frame *node,
			 unsigned level, pte_t leaf)
{
	unsigned index = pte_index(c->va, level);
	pte_t old = pt_set(fmt, c->pt, node, index, leaf & ~fmt->write);

	tlb_batch_page(c->gone, c->va, level);
	if ((old & fmt->tracked) != 0)
		batch_run(fmt, c->gone, pt_leaf_frame(fmt, old), 1, level);
	if ((leaf & fmt->write) == 0)
		return;
	tlb_batch_invalidate(c->gone);
	/* atomic: the CPU may set the accessed bit meanwhile */
	(void)atomic_fetch_or_explicit(&pt_node_entries(node)[index], fmt->write,
				       memory_order_release);
	pt_wrote(fmt, c->pt, &pt_node_entries(node)[index], 1);
}

static __forceinline err_t engine_replace(const struct pt_format *fmt, struct cursor *c, paddr_t pa,
					  struct page_prop prop, unsigned level)
{
	struct pt_path p __uninitialized;
	unsigned index = pte_index(c->va, level);
	pte_t old, leaf;
	err_t err;

	if (!page_fits(fmt, c, level) || pa.raw % pte_span(level) != 0)
		return ERR_BAD_RANGE;
	err = descend_through_markers(fmt, c, level, &p);
	if (err != OK)
		return err;
	old = pt_node_get(pt_path_node(&p), index);
	if (pt_child(fmt, old, level) != NULL)
		return ERR_IN_USE; /* smaller pages */
	leaf = fmt->make_leaf(c->pt, pa.raw, prop, level);
	if (pt_is_present(fmt, old))
		replace_leaf(fmt, c, pt_path_node(&p), level, leaf);
	else
		(void)pt_set(fmt, c->pt, pt_path_node(&p), index, leaf);
	cursor_move(c, pte_span(level));
	return OK;
}
