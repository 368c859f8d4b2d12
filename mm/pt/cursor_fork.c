/* SPDX-License-Identifier: MIT */
/* cursor_fork.c - fork: copies a range of one table into another, copy-on-write. */
#include "mm/pt/cursor.h"

#include "mm/pt/cpu_format.h"

/* The node of `level` on the path to va in the new table, allocated if missing; NULL: no memory. */
static struct frame *make_path(struct page_table *to, vaddr_t va, unsigned level)
{
	struct frame *node = to->root;

	for (unsigned at = to->levels; at > level; at--) {
		pte_t pte = pt_node_get(node, pte_index(va, at));
		struct frame *child;

		if (pte == 0) {
			child = pt_node_alloc(at - 1);
			if (child == NULL)
				return NULL;
			pte = pte_make_table(frame_into_raw(child).raw);
			(void)pt_node_set(node, pte_index(va, at), pte);
		}
		child = pt_node_child(pte, at);
		if (child == NULL)
			return node; /* a leaf or marker, which stays */
		node = child;
	}
	return node;
}

/* What a fork does to the table that it copies. */
struct fork {
	pte_t flipped; /* bits of its entries: with PTE_WRITE, TLBs may have a right that is gone */
	bool met_pinned; /* private pages that devices use */
};

/* Copy a leaf of `level` for the other table, with another count of its page.  Unless it is shared,
 * both copies, *entry included, are copy-on-write from now on.  ERR_OVERFLOW: nothing is changed.
 */
static inline err_t fork_leaf(struct fork *f, _Atomic pte_t *entry, pte_t pte, unsigned level,
			      pte_t *copy)
{
	pte_t flip = ~pte & PTE_FORKED;
	err_t err = OK;

	if ((pte & PTE_WRITE) != 0)
		flip |= PTE_WRITE | (~pte & PTE_COPY);
	if ((pte & PTE_TRACKED) != 0)
		err = frame_page_get(pt_node_leaf_frame(pte), pt_page_order(level));
	if (err != OK)
		return err;
	*copy = pte & ~(PTE_DIRTY | PTE_PINNED);
	if ((pte & PTE_SHARED) != 0)
		return OK;
	if ((pte & PTE_PINNED) != 0 && frame_is_pinned(pt_node_leaf_frame(pte))) {
		f->met_pinned = true;
		*copy |= PTE_PINNED;
	}
	if (flip == 0)
		return OK;
	*copy ^= flip;
	f->flipped |= flip;
	(void)atomic_fetch_xor_explicit(entry, flip, memory_order_relaxed);
	return OK;
}

/* Most pages: private, tracked, writable, not forked yet and not pinned. */
static __forceinline bool is_own_page(pte_t pte)
{
	const pte_t own = PTE_PRESENT | PTE_WRITE | PTE_TRACKED;

	return (pte & (own | PTE_SHARED | PTE_FORKED | PTE_PINNED)) == own;
}

/* Fast path of fork_leaf(): entries from `entry` on, while they are of this kind; the copy of each
 * is `ahead` bytes behind it.  Returns the first that is not, or whose frame has SLOT_COUNT_MAX
 * owners. */
static __forceinline _Atomic pte_t *fork_own_pages(_Atomic pte_t *entry, const _Atomic pte_t *end,
						   uintptr_t ahead)
{
	for (; entry != end; entry++) {
		pte_t pte = atomic_load_explicit(entry, memory_order_relaxed);

		if (unlikely(!is_own_page(pte)) ||
		    unlikely(frame_try_get(pt_node_leaf_frame(pte)) != OK))
			break;
		/* atomic XOR: the CPU may set the accessed and dirty bits meanwhile */
		(void)atomic_fetch_xor_explicit(entry, pt_forked_bits(&cpu_format),
						memory_order_relaxed);
		/* relaxed: the new table is not in use yet */
		atomic_store_explicit((_Atomic pte_t *)((uintptr_t)entry + ahead),
				      (pte & ~PTE_DIRTY) ^ pt_forked_bits(&cpu_format),
				      memory_order_relaxed);
	}
	return entry;
}

/* The first `done` entries of a node were copied: clear the others, which are not initialised. */
static void fork_ends_early(struct frame *to, unsigned done)
{
	_Atomic pte_t *copy = pt_node_entries(to);
	int entries = 0;

	for (unsigned i = 0; i < PT_NODE_ENTRIES; i++) {
		if (i >= done)
			atomic_store_explicit(&copy[i], 0, memory_order_relaxed);
		else
			entries += pt_node_get(to, i) != 0;
	}
	pt_node_count(to, entries);
}

/* Copy all entries of a node of level 1 into an uninitialised one. */
static err_t fork_all_pages(struct fork *f, const struct frame *from, struct frame *to)
{
	_Atomic pte_t *first = pt_node_entries(from), *entry = first;
	const _Atomic pte_t *end = first + PT_NODE_ENTRIES;
	uintptr_t ahead = (uintptr_t)pt_node_entries(to) - (uintptr_t)first;

	for (;; entry++) {
		_Atomic pte_t *behind = fork_own_pages(entry, end, ahead);
		pte_t pte;
		err_t err = OK;

		f->flipped |= behind != entry ? PTE_WRITE : 0;
		entry = behind;
		if (entry == end)
			break;
		pte = atomic_load_explicit(entry, memory_order_relaxed);
		if (pt_is_present(&cpu_format, pte))
			err = fork_leaf(f, entry, pte, 1, &pte);
		if (unlikely(err != OK)) {
			fork_ends_early(to, (unsigned)(entry - first));
			return err;
		}
		atomic_store_explicit((_Atomic pte_t *)((uintptr_t)entry + ahead), pte,
				      memory_order_relaxed);
		if (entry + 1 == end)
			break;
	}
	pt_node_count(to, (int)pt_node_children(from));
	return OK;
}

/* Copy the entries of [first, last] that are empty in `to`. */
static err_t fork_some_pages(struct fork *f, const struct frame *from, struct frame *to,
			     unsigned first, unsigned last)
{
	for (unsigned i = first; i <= last; i++) {
		pte_t pte = pt_node_get(from, i);
		err_t err = OK;

		if (pte == 0 || pt_node_get(to, i) != 0)
			continue;
		if (pt_is_present(&cpu_format, pte))
			err = fork_leaf(f, &pt_node_entries(from)[i], pte, 1, &pte);
		if (err != OK)
			return err;
		(void)pt_node_set(to, i, pte);
	}
	return OK;
}

static err_t fork_node(struct fork *f, const struct frame *from, struct frame *to, unsigned level,
		       vaddr_t start, vaddr_t end);

/* Copy a node that the other table lacks; `node` is one level below `to`. */
static err_t fork_new_node(struct fork *f, const struct frame *node, struct frame *to, unsigned i,
			   vaddr_t start, vaddr_t end)
{
	unsigned level = pt_node_level(node);
	bool all_pages = level == 1 && pte_index(start, 1) == 0 &&
			 pte_index(end, 1) == PT_NODE_ENTRIES - 1;
	struct frame *other = all_pages ? pt_node_alloc_unwritten(1) : pt_node_alloc(level);
	err_t err = OK;

	if (other == NULL)
		return ERR_NO_MEMORY;
	if (all_pages)
		err = fork_all_pages(f, node, other);
	else
		err = fork_node(f, node, other, level, start, end);
	if (pt_node_children(other) == 0) /* `node` is empty, too: a spare */
		pt_node_put_empty(other);
	else
		(void)pt_node_set(to, i, pte_make_table(frame_into_raw(other).raw));
	return err;
}

/* One entry of a node of level 2 or above. */
static err_t fork_entry(struct fork *f, const struct frame *from, struct frame *to, unsigned level,
			unsigned i, vaddr_t start, vaddr_t end)
{
	pte_t pte = pt_node_get(from, i), copy = pt_node_get(to, i);
	struct frame *child = pt_node_child(pte, level), *other = pt_node_child(copy, level);
	err_t err = OK;

	start = i == pte_index(start, level) ? start : 0;
	end = i == pte_index(end, level) ? end : ~UINT64_C(0);
	if (child != NULL && copy == 0)
		return fork_new_node(f, child, to, i, start, end);
	if (child != NULL && other != NULL)
		return fork_node(f, child, other, level - 1, start, end);
	if (child != NULL || pte == 0 || copy != 0)
		return OK;
	if (pt_is_present(&cpu_format, pte))
		err = fork_leaf(f, &pt_node_entries(from)[i], pte, level, &pte);
	if (err == OK)
		(void)pt_node_set(to, i, pte);
	return err;
}

/* Recursion depth: one level per call. */
static err_t fork_node(struct fork *f, const struct frame *from, struct frame *to, unsigned level,
		       vaddr_t start, vaddr_t end)
{
	unsigned first = pte_index(start, level), last = pte_index(end, level);
	err_t err = OK;

	if (level == 1)
		return fork_some_pages(f, from, to, first, last);
	for (unsigned i = first; i <= last && err == OK; i++)
		err = fork_entry(f, from, to, level, i, start, end);
	return err;
}

err_t cursor_fork(struct cursor *c, struct page_table *to)
{
	struct frame *other = make_path(to, c->start, c->level);
	struct fork f = { 0, false };
	err_t err;

	c->met_pinned = false;
	if (other == NULL)
		return ERR_NO_MEMORY;
	if (pt_node_level(other) != c->level)
		return OK;
	err = fork_node(&f, c->node, other, c->level, c->start, c->end);
	c->met_pinned = f.met_pinned;
	if ((f.flipped & PTE_WRITE) != 0)
		tlb_batch_all_pages(c->gone);
	return err;
}
