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

void page_table_share_kernel(struct page_table *pt, const struct page_table *kernel)
{
	for (unsigned i = PT_NODE_ENTRIES / 2; i < PT_NODE_ENTRIES; i++) {
		pte_t pte = pt_node_look(kernel->root, i);
		struct frame *child = pt_node_child(pte, kernel->levels);

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

struct pt_item page_table_query(const struct page_table *pt, vaddr_t va)
{
	const struct frame *node = pt->root, *child;
	unsigned level = pt->levels;
	uintptr_t irq;
	pte_t pte;

	if (!pte_is_canonical(va, pt->levels))
		return (struct pt_item){ .kind = PT_ITEM_ABSENT,
					 .start = align_down(va, PAGE_SIZE),
					 .len = PAGE_SIZE,
					 .level = 1 };
	irq = arch_irq_save();
	defer_enter();
	for (;;) {
		pte = pt_node_look(node, pte_index(va, level));
		child = pt_node_child(pte, level);
		if (child == NULL)
			break;
		node = child;
		level--;
	}
	defer_exit();
	arch_irq_restore(irq);
	return pt_item_of(pte, level, va);
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
