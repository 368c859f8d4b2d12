/* SPDX-License-Identifier: MIT */
#include "mm/page_table.h"

#include "lib/bits.h"
#include "lib/panic.h"
#include "mm/defer.h"
#include "mm/pt_path.h"

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

err_t page_table_populate(struct page_table *pt, struct vrange range, unsigned level)
{
	struct cursor c __uninitialized;
	uint64_t span = pte_span(level + 1);
	err_t err;

	if (level < 1 || level > pt->levels)
		return ERR_BAD_RANGE;
	err = cursor_open(&c, pt, range, NULL);
	if (err != OK)
		return err;
	pt->keep = level < pt->keep ? level : pt->keep;
	while (err == OK && cursor_left(&c) > 0) {
		struct pt_path p __uninitialized;

		pt_path_descend(&c, level, &p);
		err = pt_path_extend(c.va, level, &p);
		cursor_move(&c, span - c.va % span);
	}
	cursor_close(&c);
	return err;
}

/* The first entry from `index` on that is not empty, or PT_NODE_ENTRIES. */
static unsigned next_entry(const struct frame *node, unsigned index)
{
	while (index < PT_NODE_ENTRIES && pt_node_look(node, index) == 0)
		index++;
	return index;
}

void page_table_share_kernel(struct page_table *pt, const struct page_table *kernel)
{
	unsigned i = next_entry(kernel->root, PT_NODE_ENTRIES / 2);

	for (; i < PT_NODE_ENTRIES; i = next_entry(kernel->root, i + 1)) {
		struct frame *child = pt_node_child(pt_node_look(kernel->root, i), kernel->levels);

		if (child != NULL)
			(void)pt_node_set(pt->root, i,
					  pte_make_table(frame_into_raw(frame_get(child)).raw));
	}
}

/* ---- looking ---- */

struct pt_item pt_item_of(pte_t pte, unsigned level, vaddr_t va)
{
	struct pt_item item = { .start = align_down(va, pte_span(level)),
				.len = pte_span(level),
				.level = level };

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

/* Whether a node was emptied because it died, perhaps: a collapse does that though the page is
 * there all the time. */
static bool is_dead(paddr_t node)
{
	/* relaxed: an entry was read with acquire, and emptied after the mark was set */
	return atomic_load_explicit(&meta_slot_at(node)->u.node.dead, memory_order_relaxed) != 0;
}

/* Inside defer_enter(). */
static inline pte_t look(const struct page_table *pt, vaddr_t va, unsigned *level, paddr_t *node)
{
	paddr_t table = frame_paddr(pt->root);
	unsigned at = pt->levels, shift = PT_PAGE_SHIFT + PT_INDEX_BITS * (at - 1);
	pte_t pte;

	for (;; at--, shift -= PT_INDEX_BITS) {
		const _Atomic pte_t *entries = arch_direct(table);

		/* acquire: as pt_node_look() */
		pte = atomic_load_explicit(&entries[va >> shift & (PT_ENTRIES - 1)],
					   memory_order_acquire);
		if (at == 1 || !pte_is_table(pte))
			break;
		table = paddr(pte_paddr(pte));
	}
	*level = at;
	*node = table;
	return pte;
}

pte_t page_table_look(const struct page_table *pt, vaddr_t va, unsigned *level)
{
	uintptr_t irq = arch_irq_save();
	paddr_t node;
	pte_t pte;

	defer_enter();
	do
		pte = look(pt, va, level, &node);
	while (pte == 0 && unlikely(is_dead(node))); /* at most once for each node that dies */
	defer_exit();
	arch_irq_restore(irq);
	return pte;
}

struct pt_item page_table_query(const struct page_table *pt, vaddr_t va)
{
	unsigned level;
	pte_t pte;

	if (!pte_is_canonical(va, pt->levels))
		return (struct pt_item){ .kind = PT_ITEM_ABSENT,
					 .start = align_down(va, PAGE_SIZE),
					 .len = PAGE_SIZE,
					 .level = 1 };
	pte = page_table_look(pt, va, &level);
	return pt_item_of(pte, level, va);
}

/* From va on in this node of `level`, inside defer_enter(): the first address whose entry is not
 * empty, or may not be, as the node is dead; or `end`.  Depth: a level each. */
static vaddr_t next_in_node(const struct frame *node, unsigned level, vaddr_t va, vaddr_t end)
{
	uint64_t span = pte_span(level);
	vaddr_t base = (vaddr_t)align_down(va, pte_span(level + 1));
	unsigned i = next_entry(node, pte_index(va, level));

	for (; i < PT_NODE_ENTRIES; i = next_entry(node, i + 1)) {
		const struct frame *child = pt_node_child(pt_node_look(node, i), level);
		vaddr_t start = max_u64(va, base + i * span), behind = base + (i + 1) * span;

		if (start >= end)
			break;
		behind = min_u64(behind, end);
		if (child != NULL)
			start = next_in_node(child, level - 1, start, behind);
		if (start != behind)
			return start;
	}
	return unlikely(is_dead(frame_paddr(node))) ? va
						    : min_u64(end, base + PT_NODE_ENTRIES * span);
}

vaddr_t page_table_next(const struct page_table *pt, vaddr_t va, vaddr_t end)
{
	uintptr_t irq = arch_irq_save();

	defer_enter();
	va = next_in_node(pt->root, pt->levels, va, end);
	defer_exit();
	arch_irq_restore(irq);
	return va;
}

/* A node of the kernel's half in another space's table: the kernel's own keeps some of its nodes.
 */
static bool is_of_others(const struct page_table *pt, const struct frame *child)
{
	return pt->keep == pt->levels && frame_count(child) > 1;
}

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
		if (child == NULL || is_of_others(pt, child))
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
