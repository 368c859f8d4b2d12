/* SPDX-License-Identifier: MIT */
#include "mm/pt/page_table.h"

#include "mm/pt/cursor.h"
#include "mm/pt/cpu_format.h"
#include "mm/pt/engine_lookup.h"

err_t page_table_init(struct page_table *pt, unsigned levels)
{
	*pt = (struct page_table){ .root = pt_node_alloc(levels),
				   .levels = levels,
				   .keep = levels,
				   .spare = PT_SPARE_NEVER };
	return pt->root == NULL ? ERR_NO_MEMORY : OK;
}

bool page_table_range_ok(const struct page_table *pt, struct vrange range)
{
	return engine_range_ok(&cpu_format, pt, range);
}

void page_table_keep_spare(struct page_table *pt)
{
	/* relaxed: the table is not in use yet */
	atomic_store_explicit(&pt->spare, PT_SPARE_NONE, memory_order_relaxed);
}

void page_table_break_before_split(struct page_table *pt)
{
	pt->breaks = true;
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
		err = cursor_deepen(&c, level);
		cursor_move(&c, span - c.va % span);
	}
	cursor_close(&c);
	return err;
}

void page_table_share_kernel(struct page_table *pt, const struct page_table *kernel)
{
	unsigned i = next_entry(kernel->root, PT_NODE_ENTRIES / 2);

	for (; i < PT_NODE_ENTRIES; i = next_entry(kernel->root, i + 1)) {
		struct frame *child = pt_node_child(pt_node_get_unlocked(kernel->root, i),
						    kernel->levels);

		if (child != NULL)
			(void)pt_node_set(pt->root, i,
					  pte_make_table(frame_into_raw(frame_get(child)).raw));
	}
}

/* ---- the engine's instance ---- */

pte_t page_table_lookup(const struct page_table *pt, vaddr_t va, unsigned *level)
{
	return engine_lookup_entry(&cpu_format, pt, va, level);
}

struct pt_item page_table_query(const struct page_table *pt, vaddr_t va)
{
	return engine_query_table(&cpu_format, pt, va);
}

vaddr_t page_table_next(const struct page_table *pt, vaddr_t va, vaddr_t end)
{
	return engine_next(&cpu_format, pt, va, end);
}

const char *page_table_check(const struct page_table *pt)
{
	return engine_check_table(&cpu_format, pt);
}

uint64_t page_table_nodes(const struct page_table *pt)
{
	return engine_nodes(&cpu_format, pt);
}
