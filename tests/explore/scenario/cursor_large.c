/* SPDX-License-Identifier: MIT */
/*
 * cursor_large.c - split and collapse: a lookup never sees another translation of the page, and a
 * cursor for a part of it waits or restarts.
 *
 * A split stores 512 entries and a collapse exchanges them, so there are few such scenarios.
 */
#include "mm/pt/cursor.h"
#include "mm/pt/cpu_format.h"

#include "kern/cpu.h"
#include "mm/frame/epoch.h"
#include "tests/explore/scenario/table.h"

enum {
	PAGE_A = 0,
	PAGE_B = 1,
	PAGE_KEPT = 5, /* stays mapped */
	PAGE_NEXT = NODE_PAGES,
};

static void setup_large(void)
{
	table_setup(3);
	table_fill(0, NODE_PAGES, 2);
	table_fill(PAGE_NEXT, 1, 1);
}

/* The same with small pages. */
static void setup_small(void)
{
	table_setup(3);
	table_fill(0, NODE_PAGES, 1);
	table_fill(PAGE_NEXT, 1, 1);
}

static void lookup_kept(void *arg)
{
	struct pt_item item = page_table_query(&table, (vaddr_t)PAGE_KEPT * PAGE_SIZE);
	uint64_t offset = (vaddr_t)PAGE_KEPT * PAGE_SIZE - item.start;

	(void)arg;
	EXPLORE_CHECK(item.kind == PT_ITEM_LEAF);
	EXPLORE_CHECK(item.pa.raw + offset == table_pa(PAGE_KEPT).raw);
}

static void unmap_a(void *arg)
{
	(void)arg;
	table_unmap(PAGE_A);
}

static void unmap_b(void *arg)
{
	(void)arg;
	table_unmap(PAGE_B);
}

EXPLORE(cursor_large_is_split_by_one_of_two, .setup = setup_large, .check = table_check,
	.task = { { "a", unmap_a, NULL, 0 }, { "b", unmap_b, NULL, 1 } });
EXPLORE(cursor_large_is_split_beside_a_lookup, .setup = setup_large, .check = table_check,
	.task = { { "a", unmap_a, NULL, 0 }, { "lookup", lookup_kept, NULL, 1 } });

/* Collapse the page; ERR_IN_USE if the other task has already unmapped a part. */
static void collapse(void *arg)
{
	struct cursor c;
	err_t err;

	(void)arg;
	table_lock(&c, 0, NODE_PAGES);
	err = cursor_collapse(&c, 2);
	EXPLORE_CHECK(err == OK || err == ERR_IN_USE);
	table_release(&c);
	table_finish();
}

/* The old node is reused as soon as it is freed. */
static void collapse_and_reuse(void *arg)
{
	collapse(arg);
	(void)epoch_poll();
	table_unmap(PAGE_A);
}

EXPLORE(cursor_large_is_joined_beside_a_part, .setup = setup_small, .check = table_check,
	.task = { { "join", collapse, NULL, 0 }, { "b", unmap_b, NULL, 1 } });
EXPLORE(cursor_large_is_joined_beside_a_lookup, .setup = setup_small, .check = table_check,
	.task = { { "join", collapse_and_reuse, NULL, 0 }, { "lookup", lookup_kept, NULL, 1 } });

/* ---- accessed and dirty bits that the CPU sets meanwhile ---- */

/* As a CPU does that writes to the page: the walk and the compare-and-swap of the bits are part of
 * one instruction, so no shootdown is served in between. */
static void write_kept(void *arg)
{
	const vaddr_t va = (vaddr_t)PAGE_KEPT * PAGE_SIZE;
	uintptr_t irq = arch_irq_save();
	const struct frame *node = table.root;
	unsigned level = TABLE_LEVELS;

	(void)arg;
	for (;;) {
		_Atomic pte_t *entry = &pt_node_entries(node)[pte_index(va, level)];
		pte_t pte = atomic_load_explicit(entry, memory_order_acquire);
		const struct frame *child = pt_node_child(pte, level);

		EXPLORE_CHECK(pte_is_present(pte));
		if (child != NULL) {
			node = child;
			level--;
		} else if (atomic_compare_exchange_strong_explicit(
				   entry, &pte, pte | PTE_ACCESSED | PTE_DIRTY,
				   memory_order_acq_rel, memory_order_relaxed)) {
			break;
		}
	}
	arch_irq_restore(irq);
}

static void check_bits(void)
{
	struct pt_item item = page_table_query(&table, (vaddr_t)PAGE_KEPT * PAGE_SIZE);

	EXPLORE_CHECK((item.prop.flags & PROP_ACCESSED) != 0);
	EXPLORE_CHECK((item.prop.flags & PROP_DIRTY) != 0);
	table_check();
}

static void setup_large_loaded(void)
{
	setup_large();
	table_load_everywhere();
	cpu_set_count(2);
}

static void setup_small_loaded(void)
{
	setup_small();
	table_load_everywhere();
	cpu_set_count(2);
}

static void protect(void *arg)
{
	const struct pt_change change = { { PROP_READ | PROP_WRITE | PROP_EXECUTE, 0 }, 0, 0 };
	struct cursor c;

	(void)arg;
	table_lock(&c, PAGE_KEPT, 1);
	EXPLORE_CHECK(cursor_protect(&c, PAGE_SIZE, &change) == OK);
	table_release(&c);
	table_finish();
}

EXPLORE(cursor_large_is_split_while_it_is_written, .setup = setup_large_loaded, .check = check_bits,
	.task = { { "a", unmap_a, NULL, 0 }, { "write", write_kept, NULL, 1 } });
EXPLORE(cursor_large_is_joined_while_it_is_written, .setup = setup_small_loaded,
	.check = check_bits,
	.task = { { "join", collapse, NULL, 0 }, { "write", write_kept, NULL, 1 } });
EXPLORE(cursor_rights_change_while_it_is_written, .setup = setup_small_loaded, .check = check_bits,
	.task = { { "protect", protect, NULL, 0 }, { "write", write_kept, NULL, 1 } });
