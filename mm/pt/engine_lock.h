/* SPDX-License-Identifier: MIT */
/*
 * engine_lock.h - part of mm/pt/engine.h: locking and unlocking a range.
 */
#pragma once

#include "kern/lock.h"
#include "mm/pt/cursor.h"
#include "mm/pt/engine_lookup.h"

/* ---- the batch ---- */

/* Put what leaves of n contiguous pages of `level` own, after the next shootdown; a full batch is
 * finished now. */
static __forceinline void batch_run(const struct pt_format *fmt, struct tlb_batch *gone,
				    struct frame *first, uint32_t n, unsigned level) __takes(3)
{
	if (unlikely(tlb_batch_is_full(gone)))
		tlb_batch_finish_by(gone, fmt->retire);
	tlb_batch_run(gone, first, n, pt_page_order(level));
}

/* ---- paths ---- */

/* Nodes from a cursor's covering node, or a root, downwards; node[level] is the lowest. */
struct pt_path {
	struct frame *node[PT_LEVEL_MAX + 1];
	unsigned level;
};

static inline struct frame *pt_path_node(const struct pt_path *p)
{
	return p->node[p->level];
}

/* Descend from the covering node to the node whose entry for va is not a table, or to `stop`. */
static __forceinline void pt_path_descend(const struct pt_format *fmt, const struct cursor *c,
					  unsigned stop, struct pt_path *p)
{
	p->level = c->level;
	p->node[p->level] = c->node;
	while (p->level > stop) {
		pte_t pte = pt_node_get(pt_path_node(p), pte_index(c->va, p->level));
		struct frame *child = pt_child(fmt, pte, p->level);

		if (child == NULL)
			break;
		p->node[--p->level] = child;
	}
}

/* ---- locking ---- */

/* The level of the covering node: the lowest level at which [start, end] lies in one node and does
 * not fill it, as a range that fills a node may be changed in its parent's entry. */
static unsigned level_that_covers(unsigned levels, vaddr_t start, vaddr_t end)
{
	unsigned level = 1;

	while (level < levels && (start / pte_span(level + 1) != end / pte_span(level + 1) ||
				  end - start == pte_span(level + 1) - 1))
		level++;
	return level;
}

/* Lock the lowest existing node on the path to va, of level `stop` or above: step one of the
 * protocol (mm/pt/cursor.h).  Interrupts are off. */
static struct frame *engine_lock_node(const struct pt_format *fmt, const struct page_table *pt,
				      vaddr_t va, unsigned stop, unsigned *level)
{
	for (;;) {
		struct frame *node;
		paddr_t table;
		bool held;

		epoch_enter();
		(void)lookup(fmt, pt, va, stop, level, &table);
		node = frame_of_slot(meta_slot_at(table));
		held = pt_node_try_lock(node);
		ASSERT(held || !pt_node_is_own(node)); /* else a self-deadlock */
		epoch_exit();
		if (unlikely(!held)) {
			lock_wait_turn();
			continue;
		}
		if (likely(*level == stop) ||
		    !pt_is_table(fmt, pt_node_get(node, pte_index(va, *level))))
			return node;
		pt_unlock(fmt, node); /* a lower node was added */
	}
}

/* The part of [start, end] that overlaps the child at `index`; the bits above its level are
 * ignored. */
static inline vaddr_t first_below(vaddr_t start, unsigned index, unsigned level)
{
	return index == pte_index(start, level) ? start : 0;
}

static inline vaddr_t last_below(vaddr_t end, unsigned index, unsigned level)
{
	return index == pte_index(end, level) ? end : ~UINT64_C(0);
}

/* In pre-order.  Recursion depth: one level per call. */
static void lock_below(const struct pt_format *fmt, const struct frame *node, unsigned level,
		       vaddr_t start, vaddr_t end)
{
	for (unsigned i = pte_index(start, level); i <= pte_index(end, level); i++) {
		struct frame *child = pt_child(fmt, pt_node_get(node, i), level);

		if (child == NULL)
			continue;
		pt_node_lock_child(child);
		if (level > 2)
			lock_below(fmt, child, level - 1, first_below(start, i, level),
				   last_below(end, i, level));
	}
}

/* Children before parents. */
static void unlock_below(const struct pt_format *fmt, const struct frame *node, unsigned level,
			 vaddr_t start, vaddr_t end)
{
	for (unsigned i = pte_index(start, level); i <= pte_index(end, level); i++) {
		struct frame *child = pt_child(fmt, pt_node_get(node, i), level);

		if (child == NULL)
			continue;
		if (level > 2)
			unlock_below(fmt, child, level - 1, first_below(start, i, level),
				     last_below(end, i, level));
		pt_unlock(fmt, child);
	}
}

/* The same for a range that lies in one entry of each node, mostly a single page. */
static void unlock_path(const struct pt_format *fmt, const struct frame *node, unsigned level,
			vaddr_t va)
{
	struct frame *held[PT_LEVEL_MAX];
	unsigned n = 0;

	for (; level > 1; level--) {
		struct frame *child = pt_child(fmt, pt_node_get(node, pte_index(va, level)), level);

		if (child == NULL)
			break;
		held[n++] = child;
		node = child;
	}
	while (n > 0)
		pt_unlock(fmt, held[--n]);
}

/* C1; engine_range_ok() holds. */
static void stand_at_start(struct cursor *c, struct vrange range)
{
	c->start = c->va = range.start;
	c->end = range.start + range.len - 1;
	c->done = false;
}

static __forceinline err_t engine_open(const struct pt_format *fmt, struct cursor *c,
				       struct page_table *pt, struct vrange range,
				       struct tlb_batch *gone)
{
	if (unlikely(!engine_range_ok(fmt, pt, range)))
		return ERR_BAD_RANGE;
	stand_at_start(c, range);
	if (fmt->destroy != NULL)
		pt->destroy = fmt->destroy;
	c->irq = arch_irq_save();
	c->pt = pt;
	c->gone = gone;
	c->node = engine_lock_node(fmt, pt, c->start,
				   level_that_covers(pt->levels, c->start, c->end), &c->level);
	if (c->level > 1)
		lock_below(fmt, c->node, c->level, c->start, c->end);
	return OK;
}

/* ---- unlocking ---- */

/* Unlink empty nodes, from the lowest one upwards, below the covering node. */
static void pt_path_prune(const struct pt_format *fmt, struct cursor *c, struct pt_path *p)
{
	while (p->level < c->level && p->level < c->pt->keep &&
	       pt_node_children(pt_path_node(p)) == 0) {
		struct frame *empty = pt_path_node(p);

		p->level++;
		(void)pt_set(fmt, c->pt, pt_path_node(p), pte_index(c->va, p->level), 0);
		tlb_batch_node(c->gone, c->va, p->level, empty);
	}
}

/* Locked nodes on the path to va, each the parent of the next; node[0] stays in the tree. */
struct branch {
	struct frame *node[PT_LEVEL_MAX];
	unsigned top, levels; /* level of node[0]; number of nodes */
};

static void branch_unlock(const struct pt_format *fmt, struct branch *b)
{
	while (b->levels > 0)
		pt_unlock(fmt, b->node[--b->levels]);
}

/* The child of the last locked node has other entries, too: it becomes node[0], of `level`. Unlocks
 * the nodes above. */
static void branch_begin_at(const struct pt_format *fmt, struct branch *b, unsigned level)
{
	pt_node_hand_over(b->node[--b->levels]);
	branch_unlock(fmt, b);
	b->top = level;
}

/* The lowest level above `level` whose node has other entries, too, or is kept anyway.  A hint: the
 * nodes are not locked. */
static unsigned level_that_stays(const struct pt_format *fmt, const struct page_table *pt,
				 vaddr_t va, unsigned level)
{
	const struct frame *node = pt->root;
	unsigned stays = pt->levels;

	for (unsigned at = pt->levels; at > level && node != NULL; at--) {
		if (at >= pt->keep || pt_node_children(node) != 1)
			stays = at;
		node = pt_child(fmt, pt_node_get_unlocked(node, pte_index(va, at)), at);
	}
	return stays;
}

/* Lock the nodes from one that stays down to that of `level`; those between have one entry, the
 * last has none.  False: there is nothing to unlink. */
static bool lock_branch(const struct pt_format *fmt, const struct page_table *pt, vaddr_t va,
			unsigned level, struct branch *b)
{
	unsigned at, stop;

	epoch_enter();
	stop = level_that_stays(fmt, pt, va, level);
	epoch_exit();
	b->node[0] = engine_lock_node(fmt, pt, va, stop, &at);
	b->top = at;
	b->levels = 1;
	for (; at > level; at--) {
		struct frame *node = b->node[b->levels - 1];
		struct frame *child = pt_child(fmt, pt_node_get(node, pte_index(va, at)), at);

		if (child == NULL)
			return false;
		pt_node_lock_child(child);
		if (at - 1 > level && pt_node_children(child) != 1)
			branch_begin_at(fmt, b, at - 1);
		b->node[b->levels++] = child;
	}
	return b->levels > 1 && pt_node_children(b->node[b->levels - 1]) == 0;
}

/* Unlink the node of `level` on the path to va if it is empty, together with the nodes above that
 * lead to it alone. */
static void prune(const struct pt_format *fmt, const struct page_table *pt, vaddr_t va,
		  unsigned level, struct tlb_batch *gone)
{
	struct branch b;

	while (level < pt->keep) {
		if (!lock_branch(fmt, pt, va, level, &b)) {
			branch_unlock(fmt, &b);
			return;
		}
		for (unsigned i = 0; i + 1 < b.levels; i++)
			(void)pt_set(fmt, pt, b.node[i], pte_index(va, b.top - i), 0);
		tlb_batch_node(gone, va, b.top, b.node[1]);
		for (unsigned i = 2; i < b.levels; i++)
			tlb_batch_node_below(gone, b.node[i]);
		level = pt_node_children(b.node[0]) == 0 ? b.top : pt->keep;
		pt_unlock(fmt, b.node[0]);
	}
}

/* The node of `level` at va was left empty: unlink it, or keep it as the table's spare and unlink
 * the previous spare.  A cursor that empties a node calls this after it has unlocked the node, so
 * of two racing cursors one finds it empty. */
static void leave_empty(const struct pt_format *fmt, struct page_table *pt, vaddr_t va,
			unsigned level, struct tlb_batch *gone)
{
	uint64_t mine = align_down(va, pte_span(level + 1)) | level;
	/* relaxed: only an address; the lock of the node at it orders the rest */
	uint64_t other = atomic_load_explicit(&pt->spare, memory_order_relaxed);

	if (level >= pt->keep || other == mine)
		return;
	if (other == PT_SPARE_NEVER) {
		prune(fmt, pt, va, level, gone);
		return;
	}
	other = atomic_exchange_explicit(&pt->spare, mine, memory_order_relaxed);
	if (other != mine && other != PT_SPARE_NONE)
		prune(fmt, pt, align_down(other, PAGE_SIZE), (unsigned)(other % PAGE_SIZE), gone);
}

static __forceinline void engine_close(const struct pt_format *fmt, struct cursor *c)
{
	unsigned level = c->level;
	bool is_empty = c->gone != NULL && pt_node_children(c->node) == 0;

	if (c->gone != NULL)
		tlb_batch_unlock(c->gone);
	if (level > 1 && c->start / PAGE_SIZE == c->end / PAGE_SIZE)
		unlock_path(fmt, c->node, level, c->start);
	else if (level > 1)
		unlock_below(fmt, c->node, level, c->start, c->end);
	pt_unlock(fmt, c->node);
	if (is_empty)
		leave_empty(fmt, c->pt, c->start, level, c->gone);
	arch_irq_restore(c->irq);
	c->pt = NULL;
}

/* ---- removing subtrees ---- */

/* After a node of `level` for va was unlinked: add all pages that it maps to the batch and mark the
 * nodes below it dead.  Recursion depth: one level per call. */
static void kill_below(const struct pt_format *fmt, const struct frame *node, unsigned level,
		       vaddr_t va, struct tlb_batch *gone)
{
	unsigned left = pt_node_children(node);

	for (unsigned i = 0; left > 0 && i < PT_NODE_ENTRIES; i++, va += pte_span(level)) {
		pte_t pte = pt_node_get(node, i);
		struct frame *child = pt_child(fmt, pte, level);

		if (level == 1 && tlb_batch_has_all_pages(gone))
			return;
		left -= pte != 0;
		if (child != NULL) {
			kill_below(fmt, child, level - 1, va, gone);
			pt_node_kill(child, PT_NODE_LAST);
		} else if (pt_is_present(fmt, pte)) {
			tlb_batch_page(gone, va, level);
		}
	}
}

/* Whether the subtree holds neither leaves nor markers: it is a branch of single nodes that ends in
 * an empty one.  Recursion depth: one level per call. */
static bool is_bare(const struct pt_format *fmt, const struct frame *node, unsigned level)
{
	unsigned children = pt_node_children(node);

	for (unsigned i = 0; children == 1 && i < PT_NODE_ENTRIES; i++) {
		pte_t pte = pt_node_get(node, i);
		const struct frame *child = pt_child(fmt, pte, level);

		if (pte != 0)
			return child != NULL && is_bare(fmt, child, level - 1);
	}
	return children == 0;
}

/* Unlink a spare branch that is in the way of an entry of `level` at va.  Nodes of level `keep` and
 * above stay. */
static void make_way(const struct pt_format *fmt, struct cursor *c, unsigned level)
{
	unsigned index = pte_index(c->va, level);
	struct pt_path p __uninitialized;
	struct frame *child = NULL;

	if (level == 1 || level > c->pt->keep || c->gone == NULL)
		return;
	pt_path_descend(fmt, c, level, &p);
	if (p.level == level)
		child = pt_child(fmt, pt_node_get(pt_path_node(&p), index), level);
	if (child == NULL || !is_bare(fmt, child, level - 1))
		return;
	(void)pt_set(fmt, c->pt, pt_path_node(&p), index, 0);
	kill_below(fmt, child, level - 1, c->va, c->gone);
	tlb_batch_node(c->gone, c->va, level, child);
}

/* ---- query ---- */

static __forceinline struct pt_item engine_query(const struct pt_format *fmt,
						 const struct cursor *c)
{
	struct pt_path p __uninitialized;
	struct pt_item item;

	if (c->done)
		return (struct pt_item){ .kind = PT_ITEM_ABSENT, .start = c->va };
	pt_path_descend(fmt, c, 1, &p);
	item = pt_item_of(fmt, pt_node_get(pt_path_node(&p), pte_index(c->va, p.level)), p.level,
			  c->va);
	item.pa.raw += c->va - item.start;
	item.len = min_u64(item.len - (c->va - item.start), cursor_left(c));
	item.start = c->va;
	return item;
}
