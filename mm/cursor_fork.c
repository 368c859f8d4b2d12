/* SPDX-License-Identifier: MIT */
/* cursor_fork.c - a range of one table, copied on write into another. */
#include "mm/cursor.h"

#include "lib/panic.h"
#include "mm/pt_path.h"

/* The node of the new table on the way to va, of `level`; it comes into being.  NULL: no memory. */
static struct frame *make_path(struct page_table *to, vaddr_t va, unsigned level)
{
	struct frame *node = to->root;

	for (unsigned at = to->levels; at > level; at--) {
		pte_t pte = pt_node_get(node, pte_index(va, at));
		struct frame *child = pt_node_child(pte, at);

		if (child == NULL && pte != 0)
			return node; /* an entry of its own, which stays */
		if (child == NULL) {
			child = pt_node_alloc(at - 1);
			if (child == NULL)
				return NULL;
			(void)pt_node_set(node, pte_index(va, at),
					  pte_make_table(frame_into_raw(child).raw));
		}
		node = child;
	}
	return node;
}

/* A leaf in the other table, its frame counted once more; *entry, the leaf here, is private to both
 * from now on.  Whether that took a right away. */
static inline bool fork_leaf(_Atomic pte_t *entry, pte_t pte, pte_t *copy)
{
	if ((pte & PTE_TRACKED) != 0)
		(void)frame_get(pt_node_leaf_frame(pte));
	*copy = pte & ~PTE_DIRTY;
	if ((pte & (PTE_WRITE | PTE_SHARED)) != PTE_WRITE)
		return false;
	*copy ^= PTE_WRITE | PTE_COPY;
	/* flipped at once, as the CPU sets A and D meanwhile; PTE_COPY is never set with PTE_WRITE
	 */
	(void)atomic_fetch_xor_explicit(entry, PTE_WRITE | PTE_COPY, memory_order_relaxed);
	return true;
}

/* Entries [first, last] of a node of 4 KiB pages. */
static void fork_pages(struct cursor *c, const struct frame *from, struct frame *to, unsigned first,
		       unsigned last)
{
	_Atomic pte_t *entry = pt_node_entries(from), *copy = pt_node_entries(to);
	bool took = false;
	int filled = 0;

	for (unsigned i = first; i <= last; i++) {
		pte_t pte = atomic_load_explicit(&entry[i], memory_order_relaxed);

		if (pte == 0 || atomic_load_explicit(&copy[i], memory_order_relaxed) != 0)
			continue;
		if (pte_is_present(pte))
			took |= fork_leaf(&entry[i], pte, &pte);
		/* relaxed: nobody else uses the new table yet */
		atomic_store_explicit(&copy[i], pte, memory_order_relaxed);
		filled++;
	}
	pt_node_count(to, filled);
	if (took)
		c->gone->flush.pages = FLUSH_EVERYTHING;
}

static err_t fork_node(struct cursor *c, const struct frame *from, struct frame *to, unsigned level,
		       vaddr_t start, vaddr_t end);

/* One entry of a node above those. */
static err_t fork_entry(struct cursor *c, const struct frame *from, struct frame *to,
			unsigned level, unsigned i, vaddr_t start, vaddr_t end)
{
	pte_t pte = pt_node_get(from, i), copy = pt_node_get(to, i);
	struct frame *child = pt_node_child(pte, level), *other = pt_node_child(copy, level);

	if (child != NULL && copy == 0) {
		other = pt_node_alloc(level - 1);
		if (other == NULL)
			return ERR_NO_MEMORY;
		(void)pt_node_set(to, i, pte_make_table(frame_into_raw(other).raw));
	}
	if (child != NULL && other != NULL)
		return fork_node(c, child, other, level - 1,
				 i == pte_index(start, level) ? start : 0,
				 i == pte_index(end, level) ? end : ~UINT64_C(0));
	if (child != NULL || pte == 0 || copy != 0)
		return OK;
	if (pte_is_present(pte) && fork_leaf(&pt_node_entries(from)[i], pte, &pte))
		c->gone->flush.pages = FLUSH_EVERYTHING;
	(void)pt_node_set(to, i, pte);
	return OK;
}

/* Depth: a level each. */
static err_t fork_node(struct cursor *c, const struct frame *from, struct frame *to, unsigned level,
		       vaddr_t start, vaddr_t end)
{
	unsigned first = pte_index(start, level), last = pte_index(end, level);
	err_t err = OK;

	if (level == 1)
		fork_pages(c, from, to, first, last);
	else
		for (unsigned i = first; i <= last && err == OK; i++)
			err = fork_entry(c, from, to, level, i, start, end);
	return err;
}

err_t cursor_fork(struct cursor *c, struct page_table *to)
{
	struct frame *other = make_path(to, c->start, c->level);

	if (other == NULL)
		return ERR_NO_MEMORY;
	if (pt_node_level(other) != c->level)
		return OK;
	return fork_node(c, c->node, other, c->level, c->start, c->end);
}
