/* SPDX-License-Identifier: MIT */
#include "mm/page_table.h"

#include "lib/bits.h"
#include "lib/panic.h"

/* The nodes from the root down to the one whose entry decides about an address. */
struct path {
	struct frame *node[PT_LEVEL_MOST + 1];
	unsigned level; /* of the lowest node: node[level] */
};

static struct frame *node_of_entry(const struct path *p)
{
	return p->node[p->level];
}

/* ---- the table ---- */

err_t page_table_init(struct page_table *pt, unsigned levels)
{
	*pt = (struct page_table){ pt_node_alloc(levels), levels, levels };
	return pt->root == NULL ? ERR_NO_MEMORY : OK;
}

void page_table_destroy(struct page_table *pt)
{
	frame_put(pt->root);
	pt->root = NULL;
}

bool page_table_range_ok(const struct page_table *pt, struct vrange range)
{
	vaddr_t last = range.start + range.len - 1;

	return range.len != 0 && (range.start | range.len) % PAGE_SIZE == 0 &&
	       last >= range.start && pte_is_canonical(range.start, pt->levels) &&
	       pte_is_canonical(last, pt->levels) && range.start >> 63 == last >> 63;
}

/* ---- descending ---- */

/* Down to the node whose entry for va is not a table, or to level `stop`. */
static __forceinline void descend(const struct page_table *pt, vaddr_t va, unsigned stop,
				  struct path *p)
{
	p->level = pt->levels;
	p->node[p->level] = pt->root;
	while (p->level > stop) {
		pte_t pte = pt_node_get(node_of_entry(p), pte_index(va, p->level));
		struct frame *child = pt_node_child(pte, p->level);

		if (child == NULL)
			break;
		p->node[--p->level] = child;
	}
}

/* From where descend() ended down to level `stop`, making the nodes that are missing.  ERR_IN_USE:
 * a leaf or note is in the way.  On ERR_NO_MEMORY no empty node stays behind. */
static err_t extend_path(vaddr_t va, unsigned stop, struct path *p)
{
	struct frame *made[PT_LEVEL_MOST + 1] __uninitialized;
	unsigned level;

	if (p->level == stop)
		return OK;
	if (pt_node_get(node_of_entry(p), pte_index(va, p->level)) != 0)
		return ERR_IN_USE;
	for (level = stop; level < p->level; level++) {
		made[level] = pt_node_alloc(level);
		if (made[level] == NULL) {
			while (level-- > stop)
				frame_put(made[level]);
			return ERR_NO_MEMORY;
		}
	}
	while (p->level > stop) {
		struct frame *child = made[p->level - 1];

		(void)pt_node_set(node_of_entry(p), pte_index(va, p->level),
				  pte_make_table(frame_into_raw(child).raw));
		p->node[--p->level] = child;
	}
	return OK;
}

static err_t descend_making(struct page_table *pt, vaddr_t va, unsigned stop, struct path *p)
{
	descend(pt, va, stop, p);
	return extend_path(va, stop, p);
}

/* Take nodes without entries out, from the lowest up. */
static void prune(struct page_table *pt, vaddr_t va, struct path *p, struct tlb_batch *gone)
{
	while (p->level < pt->keep && pt_node_children(node_of_entry(p)) == 0) {
		struct frame *empty = node_of_entry(p);

		p->level++;
		(void)pt_node_set(node_of_entry(p), pte_index(va, p->level), 0);
		tlb_batch_node(gone, va, empty);
	}
}

err_t page_table_populate(struct page_table *pt, struct vrange range, unsigned level)
{
	vaddr_t va = range.start, last = range.start + range.len - 1;
	uint64_t span = pte_span(level + 1);

	if (!page_table_range_ok(pt, range) || level < 1 || level > pt->levels)
		return ERR_BAD_RANGE;
	pt->keep = level < pt->keep ? level : pt->keep;
	for (;; va = (vaddr_t)align_down(va, span) + span) {
		struct path p __uninitialized;
		err_t err = descend_making(pt, va, level, &p);

		if (err != OK)
			return err;
		if (last - align_down(va, span) < span)
			return OK;
	}
}

static struct pt_item item_of(pte_t pte, unsigned level, vaddr_t va)
{
	struct pt_item item = { .len = pte_span(level), .start = align_down(va, pte_span(level)) };

	if (pte_is_note(pte)) {
		item.kind = PT_ITEM_NOTE;
		item.note = pte_note(pte);
	} else if (pte_is_present(pte)) {
		item.kind = PT_ITEM_LEAF;
		item.pa = paddr(pte_paddr(pte));
		item.prop = pte_prop(pte);
	}
	return item;
}

struct pt_item page_table_query(const struct page_table *pt, vaddr_t va)
{
	struct path p __uninitialized;

	if (!pte_is_canonical(va, pt->levels))
		return (struct pt_item){ .kind = PT_ITEM_ABSENT,
					 .start = align_down(va, PAGE_SIZE),
					 .len = PAGE_SIZE };
	descend(pt, va, 1, &p);
	return item_of(pt_node_get(node_of_entry(&p), pte_index(va, p.level)), p.level, va);
}

/* ---- the cursor ---- */

err_t cursor_open(struct cursor *c, struct page_table *pt, struct vrange range)
{
	if (!page_table_range_ok(pt, range))
		return ERR_BAD_RANGE;
	*c = (struct cursor){ pt, range.start, range.start + range.len - 1, range.start, false };
	return OK;
}

void cursor_close(struct cursor *c)
{
	c->pt = NULL;
}

void cursor_move(struct cursor *c, uint64_t len)
{
	c->done = len >= cursor_left(c);
	c->va = c->done ? c->end + 1 : c->va + len;
}

err_t cursor_jump(struct cursor *c, vaddr_t va)
{
	if (va % PAGE_SIZE != 0 || va < c->start || va > c->end)
		return ERR_BAD_RANGE;
	c->va = va;
	c->done = false;
	return OK;
}

struct pt_item cursor_query(const struct cursor *c)
{
	struct pt_item item;

	if (c->done)
		return (struct pt_item){ .kind = PT_ITEM_ABSENT, .start = c->va };
	item = page_table_query(c->pt, c->va);
	item.pa.raw += c->va - item.start;
	item.len -= c->va - item.start;
	item.len = min_u64(item.len, cursor_left(c));
	item.start = c->va;
	return item;
}

/* ---- map ---- */

/* The largest level whose page fits at va and pa in len bytes. */
static unsigned level_that_fits(vaddr_t va, uint64_t pa, uint64_t len, unsigned most)
{
	unsigned level = most;

	while (level > 1 && (pte_span(level) > len || (va | pa) % pte_span(level) != 0))
		level--;
	return level;
}

/* Leaves of one level in one node, as far as they go.  *pa and *len move on with the cursor.
 * Entries are written as they come, the child count once: it is the owner's, the entries are the
 * CPU's. */
static err_t fill_node(struct cursor *c, const struct path *p, uint64_t *pa, uint64_t *len,
		       struct page_prop prop)
{
	_Atomic pte_t *entry = pt_node_entries(node_of_entry(p));
	uint64_t span = pte_span(p->level), filled = 0;
	unsigned first = pte_index(c->va, p->level), i = first;
	pte_t pte = pte_make_leaf(*pa, prop, p->level);
	err_t err = OK;

	for (; i < PT_NODE_ENTRIES && *len - filled >= span; i++, filled += span, pte += span) {
		if (atomic_load_explicit(&entry[i], memory_order_relaxed) != 0) {
			err = ERR_IN_USE;
			break;
		}
		/* release: what the page holds is visible before the page */
		atomic_store_explicit(&entry[i], pte, memory_order_release);
	}
	pt_node_count(node_of_entry(p), (int)(i - first));
	cursor_move(c, filled);
	*pa += filled;
	*len -= filled;
	return err;
}

err_t cursor_map_pa(struct cursor *c, paddr_t pa, uint64_t len, struct page_prop prop,
		    unsigned level_most)
{
	unsigned most = level_most < arch_pt_leaf_level_most() ? level_most
							       : arch_pt_leaf_level_most();
	uint64_t at = pa.raw;

	if ((pa.raw | len) % PAGE_SIZE != 0 || len > cursor_left(c) || level_most < 1)
		return ERR_BAD_RANGE;
	prop.flags &= (uint8_t)~PROP_TRACKED;
	while (len > 0) {
		unsigned level = level_that_fits(c->va, at, len, most);
		struct path p __uninitialized;
		err_t err = OK;

		descend(c->pt, c->va, 1, &p);
		if (p.level > level)
			err = extend_path(c->va, level, &p);
		if (err == OK)
			err = fill_node(c, &p, &at, &len, prop);
		if (err != OK)
			return err;
	}
	return OK;
}

/* The level whose page has 2^order frames, or 0. */
static unsigned level_of_order(unsigned order)
{
	return order % PT_INDEX_BITS == 0 && order / PT_INDEX_BITS < PT_LEAF_LEVEL_MOST
		       ? order / PT_INDEX_BITS + 1
		       : 0;
}

err_t cursor_map(struct cursor *c, struct frame *f, struct page_prop prop)
{
	unsigned level = level_of_order(frame_order(f));
	struct path p __uninitialized;
	err_t err;

	if (level == 0 || level > arch_pt_leaf_level_most() || c->va % pte_span(level) != 0 ||
	    pte_span(level) > cursor_left(c))
		return ERR_BAD_RANGE;
	err = descend_making(c->pt, c->va, level, &p);
	if (err != OK)
		return err;
	if (pt_node_get(node_of_entry(&p), pte_index(c->va, level)) != 0)
		return ERR_IN_USE;
	prop.flags |= PROP_TRACKED;
	(void)pt_node_set(node_of_entry(&p), pte_index(c->va, level),
			  pte_make_leaf(frame_into_raw(f).raw, prop, level));
	cursor_move(c, pte_span(level));
	return OK;
}

err_t cursor_map_run(struct cursor *c, pfn_t first, uint32_t n, struct page_prop prop)
{
	uint64_t at = pfn_to_paddr(first).raw, len = (uint64_t)n * PAGE_SIZE;

	if (len > cursor_left(c))
		return ERR_BAD_RANGE;
	prop.flags |= PROP_TRACKED;
	while (len > 0) {
		struct path p __uninitialized;
		err_t err = descend_making(c->pt, c->va, 1, &p);

		if (err == OK)
			err = fill_node(c, &p, &at, &len, prop);
		if (err != OK)
			return err;
	}
	return OK;
}

err_t cursor_note(struct cursor *c, uint32_t note)
{
	struct path p __uninitialized;
	err_t err = c->done ? ERR_BAD_RANGE : descend_making(c->pt, c->va, 1, &p);

	if (err != OK)
		return err;
	if (pt_node_get(node_of_entry(&p), pte_index(c->va, 1)) != 0)
		return ERR_IN_USE;
	(void)pt_node_set(node_of_entry(&p), pte_index(c->va, 1), pte_make_note(note));
	cursor_move(c, PAGE_SIZE);
	return OK;
}

/* ---- split ---- */

/* The leaf at va becomes a node of leaves of the next level: same frames, same rights.  A tracked
 * block becomes frames that are counted one by one, so it must have one owner (ERR_IN_USE). */
static err_t split_leaf(struct cursor *c, struct path *p)
{
	unsigned index = pte_index(c->va, p->level);
	pte_t old = pt_node_get(node_of_entry(p), index);
	struct page_prop prop = pte_prop(old);
	uint64_t span = pte_span(p->level - 1);
	struct frame *node;

	if ((old & PTE_TRACKED) != 0 && p->level > 2)
		return ERR_IN_USE; /* blocks of 1 GiB are mapped whole or not at all */
	if ((old & PTE_TRACKED) != 0 &&
	    frame_count(frame_of_slot(meta_slot_of(paddr_to_pfn(paddr(pte_paddr(old)))))) != 1)
		return ERR_IN_USE;
	node = pt_node_alloc(p->level - 1);
	if (node == NULL)
		return ERR_NO_MEMORY;
	if ((old & PTE_TRACKED) != 0)
		(void)frame_split(frame_from_raw(paddr(pte_paddr(old))));
	for (unsigned i = 0; i < PT_NODE_ENTRIES; i++)
		(void)pt_node_set(node, i,
				  pte_make_leaf(pte_paddr(old) + i * span, prop, p->level - 1));
	(void)pt_node_set(node_of_entry(p), index, pte_make_table(frame_into_raw(node).raw));
	p->node[--p->level] = node;
	return OK;
}

/* Down to the entry for va; a leaf that reaches beyond `len` bytes from va, or begins before it, is
 * split until it does not. */
static err_t descend_splitting(struct cursor *c, uint64_t len, struct path *p)
{
	descend(c->pt, c->va, 1, p);
	for (;;) {
		pte_t pte = pt_node_get(node_of_entry(p), pte_index(c->va, p->level));
		uint64_t span = pte_span(p->level);
		err_t err;

		if (!pte_is_present(pte) || (c->va % span == 0 && span <= len))
			return OK;
		err = split_leaf(c, p);
		if (err != OK)
			return err;
	}
}

/* Bytes from va to the end of the entry, at most len. */
static uint64_t step_over(vaddr_t va, unsigned level, uint64_t len)
{
	return min_u64(pte_span(level) - va % pte_span(level), len);
}

/* ---- unmap ---- */

/* Tracked leaves that stand in a row, frame behind frame; [start, end) bytes, none when equal. */
struct leaf_run {
	uint64_t start, end;
};

static void run_finish(const struct leaf_run *run, uint64_t span, struct tlb_batch *gone)
{
	if (run->start != run->end)
		tlb_batch_run(gone, frame_of_slot(meta_slot_of(paddr_to_pfn(paddr(run->start)))),
			      (uint32_t)((run->end - run->start) / span));
}

/* The frame behind a tracked leaf joins the run, or begins the next.  Blocks are runs of one. */
static inline void run_add(struct leaf_run *run, uint64_t pa, uint64_t span, struct tlb_batch *gone)
{
	if (likely(pa == run->end && span == PAGE_SIZE)) {
		run->end += PAGE_SIZE;
		return;
	}
	run_finish(run, span, gone);
	*run = (struct leaf_run){ pa, pa + span };
}

/* Empty entries of the node that p ends in, from the cursor on; bytes that were passed. */
static uint64_t clear_node(struct cursor *c, const struct path *p, uint64_t len,
			   struct tlb_batch *gone)
{
	_Atomic pte_t *entry = pt_node_entries(node_of_entry(p));
	uint64_t span = pte_span(p->level), passed = 0;
	struct leaf_run run = { 0, 0 };
	int emptied = 0;

	for (unsigned i = pte_index(c->va, p->level); i < PT_NODE_ENTRIES && len - passed >= span;
	     i++, passed += span) {
		pte_t pte = atomic_load_explicit(&entry[i], memory_order_relaxed);

		if (pte == 0)
			continue;
		if (pte_is_present(pte) && !pte_is_leaf(pte, p->level))
			break;
		emptied++;
		if (!pte_is_present(pte)) {
			atomic_store_explicit(&entry[i], 0, memory_order_relaxed);
			continue;
		}
		/* exchanged: the CPU may set accessed and dirty until now */
		pte = atomic_exchange_explicit(&entry[i], 0, memory_order_acq_rel);
		tlb_batch_page(gone, c->va + passed);
		if ((pte & PTE_TRACKED) != 0)
			run_add(&run, pte_paddr(pte), span, gone);
	}
	run_finish(&run, span, gone);
	pt_node_count(node_of_entry(p), -emptied);
	return passed;
}

err_t cursor_unmap(struct cursor *c, uint64_t len, struct tlb_batch *gone)
{
	if (len % PAGE_SIZE != 0 || len > cursor_left(c))
		return ERR_BAD_RANGE;
	while (len > 0) {
		struct path p __uninitialized;
		err_t err = descend_splitting(c, len, &p);
		uint64_t done;

		if (err != OK)
			return err;
		done = c->va % pte_span(p.level) == 0 ? clear_node(c, &p, len, gone) : 0;
		if (done == 0)
			done = step_over(c->va, p.level, len);
		prune(c->pt, c->va, &p, gone);
		cursor_move(c, done);
		len -= done;
	}
	return OK;
}

/* ---- protect ---- */

err_t cursor_protect(struct cursor *c, uint64_t len, struct page_prop prop, struct tlb_batch *gone)
{
	uint8_t kept = PROP_ACCESSED | PROP_DIRTY | PROP_TRACKED;

	if (len % PAGE_SIZE != 0 || len > cursor_left(c))
		return ERR_BAD_RANGE;
	while (len > 0) {
		struct path p __uninitialized;
		err_t err = descend_splitting(c, len, &p);
		unsigned index = pte_index(c->va, p.level);
		uint64_t step = step_over(c->va, p.level, len);
		pte_t pte;

		if (err != OK)
			return err;
		pte = pt_node_get(node_of_entry(&p), index);
		/* the CPU may set A and D until the exchange: look again until nothing came between
		 */
		while (pte_is_present(pte)) {
			struct page_prop new = pte_prop(pte);

			new.flags = (uint8_t)((new.flags &kept) | (prop.flags & ~kept));
			new.type = prop.type;
			if (atomic_compare_exchange_strong_explicit(
				    &pt_node_entries(node_of_entry(&p))[index], &pte,
				    pte_make_leaf(pte_paddr(pte), new, p.level),
				    memory_order_acq_rel, memory_order_relaxed)) {
				tlb_batch_page(gone, c->va);
				break;
			}
		}
		cursor_move(c, step);
		len -= step;
	}
	return OK;
}

/* ---- looking ---- */

/* Visit nodes depth first; no recursion. */
static const char *each_node(const struct page_table *pt, uint64_t *nodes)
{
	const struct frame *node[PT_LEVEL_MOST + 1];
	unsigned index[PT_LEVEL_MOST + 1] = { 0 }, level = pt->levels;
	const char *wrong = pt_node_check(pt->root);

	*nodes = 1;
	node[level] = pt->root;
	while (level <= pt->levels && wrong == NULL) {
		const struct frame *child;

		if (index[level] == PT_NODE_ENTRIES) {
			level++;
			continue;
		}
		child = pt_node_child(pt_node_get(node[level], index[level]), level);
		index[level]++;
		if (child == NULL)
			continue;
		++*nodes;
		wrong = pt_node_check(child);
		node[--level] = child;
		index[level] = 0;
	}
	return wrong;
}

const char *page_table_check(const struct page_table *pt)
{
	uint64_t nodes;

	return each_node(pt, &nodes);
}

uint64_t page_table_nodes(const struct page_table *pt)
{
	uint64_t nodes;

	(void)each_node(pt, &nodes);
	return nodes;
}
