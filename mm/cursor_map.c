/* SPDX-License-Identifier: MIT */
/* cursor_map.c - what a cursor puts into the table. */
#include "mm/cursor.h"

#include "lib/panic.h"
#include "mm/pt_path.h"

/* ---- nodes on the way ---- */

err_t pt_path_extend(vaddr_t va, unsigned stop, struct pt_path *p)
{
	struct frame *made[PT_LEVEL_MOST + 1] __uninitialized;
	unsigned level;

	if (p->level == stop)
		return OK;
	if (pt_node_get(pt_path_node(p), pte_index(va, p->level)) != 0)
		return ERR_IN_USE;
	for (level = stop; level < p->level; level++) {
		made[level] = pt_node_alloc(level);
		if (made[level] == NULL) {
			while (level-- > stop)
				pt_node_put_empty(made[level]);
			return ERR_NO_MEMORY;
		}
		pt_node_lock_new(made[level]);
	}
	while (p->level > stop) {
		struct frame *child = made[p->level - 1];

		(void)pt_node_set(pt_path_node(p), pte_index(va, p->level),
				  pte_make_table(frame_into_raw(child).raw));
		p->node[--p->level] = child;
	}
	return OK;
}

static err_t descend_making(const struct cursor *c, unsigned stop, struct pt_path *p)
{
	pt_path_descend(c, stop, p);
	return pt_path_extend(c->va, stop, p);
}

/* ---- pages in a row ---- */

/* The largest level whose page fits at va and pa in len bytes. */
static unsigned level_that_fits(vaddr_t va, uint64_t pa, uint64_t len, unsigned most)
{
	unsigned level = most;

	while (level > 1 && (pte_span(level) > len || (va | pa) % pte_span(level) != 0))
		level--;
	return level;
}

/* Entries of one level in one node, as far as they go, `step` added from each to the next.  *len
 * moves on with the cursor.  Entries are written as they come, the child count once: it is the
 * owner's, the entries are the CPU's. */
static err_t fill_node(struct cursor *c, const struct pt_path *p, pte_t pte, uint64_t step,
		       uint64_t *len)
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
		/* release: what the page holds is visible before the page */
		atomic_store_explicit(&entry[i], pte, memory_order_release);
	}
	pt_node_count(pt_path_node(p), (int)(i - first));
	cursor_move(c, filled);
	*len -= filled;
	return err;
}

err_t cursor_map_pa(struct cursor *c, paddr_t pa, uint64_t len, struct page_prop prop,
		    unsigned level_most)
{
	unsigned most = level_most < arch_pt_leaf_level_most() ? level_most
							       : arch_pt_leaf_level_most();
	uint64_t end = pa.raw + len;

	if ((pa.raw | len) % PAGE_SIZE != 0 || len > cursor_left(c) || level_most < 1)
		return ERR_BAD_RANGE;
	prop.flags &= (uint16_t)~PROP_TRACKED;
	while (len > 0) {
		uint64_t at = end - len;
		unsigned level = level_that_fits(c->va, at, len, most);
		struct pt_path p __uninitialized;
		err_t err = OK;

		pt_path_descend(c, 1, &p);
		if (p.level > level)
			err = pt_path_extend(c->va, level, &p);
		if (err == OK)
			err = fill_node(c, &p, pte_make_leaf(at, prop, p.level), pte_span(p.level),
					&len);
		if (err != OK)
			return err;
	}
	return OK;
}

err_t cursor_map_run(struct cursor *c, pfn_t first, uint32_t n, struct page_prop prop)
{
	uint64_t len = (uint64_t)n * PAGE_SIZE, end = pfn_to_paddr(first).raw + len;

	if (len > cursor_left(c))
		return ERR_BAD_RANGE;
	prop.flags |= PROP_TRACKED;
	while (len > 0) {
		struct pt_path p __uninitialized;
		err_t err = descend_making(c, 1, &p);

		if (err == OK)
			err = fill_node(c, &p, pte_make_leaf(end - len, prop, 1), PAGE_SIZE, &len);
		if (err != OK)
			return err;
	}
	return OK;
}

err_t cursor_note(struct cursor *c, uint64_t len, uint32_t note)
{
	if (len % PAGE_SIZE != 0 || len > cursor_left(c) || note >> PT_NOTE_BITS != 0)
		return ERR_BAD_RANGE;
	while (len > 0) {
		unsigned level = level_that_fits(c->va, 0, len, c->pt->levels);
		struct pt_path p __uninitialized;
		err_t err;

		/* a node that is there already takes the note in its entries */
		pt_path_descend(c, 1, &p);
		err = p.level <= level ? OK : pt_path_extend(c->va, level, &p);
		if (err == OK)
			err = fill_node(c, &p, pte_make_note(note), 0, &len);
		if (err != OK)
			return err;
	}
	return OK;
}

/* ---- one page ---- */

/* The level whose page has 2^order frames, or 0. */
static unsigned level_of_order(unsigned order)
{
	return order % PT_INDEX_BITS == 0 && order / PT_INDEX_BITS < PT_LEAF_LEVEL_MOST
		       ? order / PT_INDEX_BITS + 1
		       : 0;
}

static bool page_fits(const struct cursor *c, unsigned level)
{
	return level != 0 && level <= arch_pt_leaf_level_most() && c->va % pte_span(level) == 0 &&
	       pte_span(level) <= cursor_left(c);
}

err_t cursor_map(struct cursor *c, struct frame *f, struct page_prop prop)
{
	unsigned level = level_of_order(frame_order(f));
	struct pt_path p __uninitialized;
	err_t err;

	if (!page_fits(c, level))
		return ERR_BAD_RANGE;
	err = descend_making(c, level, &p);
	if (err != OK)
		return err;
	if (pt_node_get(pt_path_node(&p), pte_index(c->va, level)) != 0)
		return ERR_IN_USE;
	prop.flags |= PROP_TRACKED;
	(void)pt_node_set(pt_path_node(&p), pte_index(c->va, level),
			  pte_make_leaf(frame_into_raw(f).raw, prop, level));
	cursor_move(c, pte_span(level));
	return OK;
}

/* Down to `level`, making nodes where nothing stands and splitting notes. */
static err_t descend_through_notes(const struct cursor *c, unsigned level, struct pt_path *p)
{
	pt_path_descend(c, level, p);
	while (p->level > level) {
		pte_t pte = pt_node_get(pt_path_node(p), pte_index(c->va, p->level));
		err_t err;

		if (pte_is_present(pte))
			return ERR_IN_USE; /* a larger page */
		err = pte == 0 ? pt_path_extend(c->va, level, p) : pt_path_split(c, p);
		if (err != OK)
			return err;
	}
	return OK;
}

err_t cursor_deepen(struct cursor *c)
{
	struct pt_path p __uninitialized;

	return descend_through_notes(c, 1, &p);
}

err_t cursor_replace(struct cursor *c, paddr_t pa, struct page_prop prop, unsigned level)
{
	struct pt_path p __uninitialized;
	unsigned index = pte_index(c->va, level);
	pte_t old;
	err_t err;

	if (!page_fits(c, level) || pa.raw % pte_span(level) != 0)
		return ERR_BAD_RANGE;
	err = descend_through_notes(c, level, &p);
	if (err != OK)
		return err;
	if (pt_node_child(pt_node_get(pt_path_node(&p), index), level) != NULL)
		return ERR_IN_USE; /* smaller pages */
	old = pt_node_set(pt_path_node(&p), index, pte_make_leaf(pa.raw, prop, level));
	if (pte_is_present(old)) {
		tlb_batch_page(c->gone, c->va);
		if ((old & PTE_TRACKED) != 0)
			tlb_batch_run(c->gone, pt_node_leaf_frame(old), 1);
	}
	cursor_move(c, pte_span(level));
	return OK;
}
