/* SPDX-License-Identifier: MIT */
/* cursor.c - the page-table engine's instance for CPU tables, and format-independent functions. */
#include "mm/pt/cursor.h"

#include "mm/pt/cpu_format.h"
#include "mm/pt/engine.h"
#include "mm/pt/spot.h"

PER_CPU(struct cursor_stats, cursor_stats);

/* ---- position ---- */

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

bool cursor_find(struct cursor *c, struct pt_item *item)
{
	for (*item = cursor_query(c); item->len != 0; *item = cursor_query(c)) {
		if (item->kind != PT_ITEM_ABSENT)
			return true;
		cursor_move(c, item->len);
	}
	return false;
}

/* ---- the instance ---- */

struct frame *pt_lock_node(const struct page_table *pt, vaddr_t va, unsigned stop, unsigned *level)
{
	return engine_lock_node(&cpu_format, pt, va, stop, level);
}

err_t cursor_open(struct cursor *c, struct page_table *pt, struct vrange range,
		  struct tlb_batch *gone)
{
	return engine_open(&cpu_format, c, pt, range, gone);
}

void cursor_close(struct cursor *c)
{
	engine_close(&cpu_format, c);
}

struct pt_item cursor_query(const struct cursor *c)
{
	return engine_query(&cpu_format, c);
}

err_t cursor_map_pa(struct cursor *c, paddr_t pa, uint64_t len, struct page_prop prop,
		    unsigned level_max)
{
	return engine_map_pa(&cpu_format, c, pa, len, prop, level_max);
}

err_t cursor_map(struct cursor *c, struct frame *f, struct page_prop prop)
{
	return engine_map(&cpu_format, c, f, prop);
}

err_t cursor_map_run(struct cursor *c, pfn_t first, uint32_t n, struct page_prop prop)
{
	return engine_map_run(&cpu_format, c, first, n, prop);
}

err_t cursor_replace(struct cursor *c, paddr_t pa, struct page_prop prop, unsigned level)
{
	return engine_replace(&cpu_format, c, pa, prop, level);
}

err_t cursor_set_marker(struct cursor *c, uint64_t len, uint32_t marker)
{
	return engine_set_marker(&cpu_format, c, len, marker);
}

err_t cursor_deepen(struct cursor *c, unsigned level)
{
	return engine_deepen(&cpu_format, c, level);
}

err_t cursor_unmap(struct cursor *c, uint64_t len)
{
	return engine_unmap(&cpu_format, c, len);
}

err_t cursor_protect(struct cursor *c, uint64_t len, const struct pt_change *change)
{
	return engine_protect(&cpu_format, c, len, change);
}

err_t cursor_protect_unless(struct cursor *c, uint64_t len, const struct pt_change *change,
			    uint32_t denied)
{
	return engine_protect_unless(&cpu_format, c, len, change, denied);
}

err_t cursor_reuse(struct cursor *c)
{
	return engine_reuse(&cpu_format, c);
}

err_t cursor_split(struct cursor *c)
{
	return engine_split(&cpu_format, c);
}

err_t cursor_split_page(struct cursor *c)
{
	return engine_split_page(&cpu_format, c);
}

err_t cursor_replace_untouched(struct cursor *c, paddr_t pa, struct page_prop prop, pte_t leaf,
			       uint32_t marker)
{
	return engine_replace_untouched(&cpu_format, c, pa, prop, leaf, marker);
}

err_t cursor_collapse(struct cursor *c, unsigned level)
{
	return engine_collapse(&cpu_format, c, level);
}
