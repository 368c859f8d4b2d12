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

/* Copy a leaf for the other table, with another count of its frame.  Unless it is shared, both
 * copies, *entry included, are copy-on-write from now on. */
static inline void fork_leaf(_Atomic pte_t *entry, pte_t pte, pte_t *copy)
{
	pte_t flip = ~pte & PTE_FORKED;

	if ((pte & PTE_WRITE) != 0)
		flip |= PTE_WRITE | (~pte & PTE_COPY);
	if ((pte & PTE_TRACKED) != 0)
		(void)frame_into_raw(frame_get(pt_node_leaf_frame(pte)));
	*copy = pte & ~PTE_DIRTY;
	if ((pte & PTE_SHARED) != 0 || flip == 0)
		return;
	*copy ^= flip;
	(void)atomic_fetch_xor_explicit(entry, flip, memory_order_relaxed);
}

/* Fast path of fork_leaf() for most pages: private, tracked, writable and not forked yet.  False:
 * the page is not of this kind. */
static __forceinline bool fork_own_page(_Atomic pte_t *entry, pte_t pte, pte_t *copy)
{
	const pte_t own = PTE_PRESENT | PTE_WRITE | PTE_TRACKED;

	if (unlikely((pte & (own | PTE_SHARED | PTE_FORKED)) != own))
		return false;
	(void)frame_into_raw(frame_get(pt_node_leaf_frame(pte)));
	/* atomic XOR: the CPU may set the accessed and dirty bits meanwhile */
	(void)atomic_fetch_xor_explicit(entry, pt_forked_bits(&cpu_format), memory_order_relaxed);
	*copy = (pte & ~PTE_DIRTY) ^ pt_forked_bits(&cpu_format);
	return true;
}

/* Copy all entries of a node of level 1 into an uninitialised one. */
static void fork_all_pages(const struct frame *from, struct frame *to)
{
	_Atomic pte_t *entry = pt_node_entries(from), *copy = pt_node_entries(to);

	for (unsigned i = 0; i < PT_NODE_ENTRIES; i++) {
		pte_t pte = atomic_load_explicit(&entry[i], memory_order_relaxed), forked = pte;

		if (!fork_own_page(&entry[i], pte, &forked) && pte_is_present(pte))
			fork_leaf(&entry[i], pte, &forked);
		/* relaxed: the new table is not in use yet */
		atomic_store_explicit(&copy[i], forked, memory_order_relaxed);
	}
	pt_node_count(to, (int)pt_node_children(from));
}

/* Copy the entries of [first, last] that are empty in `to`. */
static void fork_some_pages(const struct frame *from, struct frame *to, unsigned first,
			    unsigned last)
{
	for (unsigned i = first; i <= last; i++) {
		pte_t pte = pt_node_get(from, i);

		if (pte == 0 || pt_node_get(to, i) != 0)
			continue;
		if (pte_is_present(pte))
			fork_leaf(&pt_node_entries(from)[i], pte, &pte);
		(void)pt_node_set(to, i, pte);
	}
}

static err_t fork_node(const struct frame *from, struct frame *to, unsigned level, vaddr_t start,
		       vaddr_t end);

/* Copy a node that the other table lacks; `node` is one level below `to`. */
static err_t fork_new_node(const struct frame *node, struct frame *to, unsigned i, vaddr_t start,
			   vaddr_t end)
{
	unsigned level = pt_node_level(node);
	bool all_pages = level == 1 && pte_index(start, 1) == 0 &&
			 pte_index(end, 1) == PT_NODE_ENTRIES - 1;
	struct frame *other = all_pages ? pt_node_alloc_unwritten(1) : pt_node_alloc(level);
	err_t err = OK;

	if (other == NULL)
		return ERR_NO_MEMORY;
	if (all_pages)
		fork_all_pages(node, other);
	else
		err = fork_node(node, other, level, start, end);
	if (pt_node_children(other) == 0) /* `node` is empty, too: a spare */
		pt_node_put_empty(other);
	else
		(void)pt_node_set(to, i, pte_make_table(frame_into_raw(other).raw));
	return err;
}

/* One entry of a node of level 2 or above. */
static err_t fork_entry(const struct frame *from, struct frame *to, unsigned level, unsigned i,
			vaddr_t start, vaddr_t end)
{
	pte_t pte = pt_node_get(from, i), copy = pt_node_get(to, i);
	struct frame *child = pt_node_child(pte, level), *other = pt_node_child(copy, level);

	start = i == pte_index(start, level) ? start : 0;
	end = i == pte_index(end, level) ? end : ~UINT64_C(0);
	if (child != NULL && copy == 0)
		return fork_new_node(child, to, i, start, end);
	if (child != NULL && other != NULL)
		return fork_node(child, other, level - 1, start, end);
	if (child != NULL || pte == 0 || copy != 0)
		return OK;
	if (pte_is_present(pte))
		fork_leaf(&pt_node_entries(from)[i], pte, &pte);
	(void)pt_node_set(to, i, pte);
	return OK;
}

/* Recursion depth: one level per call. */
static err_t fork_node(const struct frame *from, struct frame *to, unsigned level, vaddr_t start,
		       vaddr_t end)
{
	unsigned first = pte_index(start, level), last = pte_index(end, level);
	err_t err = OK;

	if (level == 1)
		fork_some_pages(from, to, first, last);
	else
		for (unsigned i = first; i <= last && err == OK; i++)
			err = fork_entry(from, to, level, i, start, end);
	return err;
}

err_t cursor_fork(struct cursor *c, struct page_table *to)
{
	struct frame *other = make_path(to, c->start, c->level);

	if (other == NULL)
		return ERR_NO_MEMORY;
	if (pt_node_level(other) != c->level)
		return OK;
	c->gone->shootdown.pages = SHOOTDOWN_ALL; /* write rights were removed */
	return fork_node(c->node, other, c->level, c->start, c->end);
}
