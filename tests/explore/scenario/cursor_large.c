/* SPDX-License-Identifier: MIT */
/*
 * cursor_large.c - split and collapse: what a page is mapped to never changes for who looks, and
 * whoever comes for a part waits or begins anew.
 *
 * A split stores a whole node of entries and a collapse exchanges them, so these are few.
 */
#include "mm/cursor.h"

#include "mm/defer.h"
#include "tests/explore/scenario/table.h"

enum {
	PAGE_A = 0,
	PAGE_B = 1,
	PAGE_KEPT = 5, /* nobody unmaps it */
	PAGE_NEXT = NODE_PAGES,
};

static void setup_large(void)
{
	table_setup(3);
	table_fill(0, NODE_PAGES, 2);
	table_fill(PAGE_NEXT, 1, 1);
}

/* The same in small pages. */
static void setup_small(void)
{
	table_setup(3);
	table_fill(0, NODE_PAGES, 1);
	table_fill(PAGE_NEXT, 1, 1);
}

static void check_mapped(const struct pt_item *item, unsigned page)
{
	uint64_t offset = (vaddr_t)page * PAGE_SIZE - item->start;

	EXPLORE_CHECK(item->kind == PT_ITEM_LEAF);
	EXPLORE_CHECK(item->pa.raw + offset == table_pa(page).raw);
}

static void look_up_kept(void *arg)
{
	struct pt_item item = page_table_query(&table, (vaddr_t)PAGE_KEPT * PAGE_SIZE);

	(void)arg;
	check_mapped(&item, PAGE_KEPT);
}

static void unmap(unsigned page)
{
	struct cursor c;
	struct pt_item item;

	table_hold(&c, page, 1);
	item = cursor_query(&c);
	check_mapped(&item, page);
	EXPLORE_CHECK(cursor_unmap(&c, PAGE_SIZE) == OK);
	table_release(&c);
	table_finish();
}

static void unmap_a(void *arg)
{
	(void)arg;
	unmap(PAGE_A);
}

static void unmap_b(void *arg)
{
	(void)arg;
	unmap(PAGE_B);
}

EXPLORE(cursor_large_is_split_by_one_of_two, .setup = setup_large, .check = table_check,
	.task = { { "a", unmap_a, NULL, 0 }, { "b", unmap_b, NULL, 1 } });
EXPLORE(cursor_large_is_split_beside_a_look, .setup = setup_large, .check = table_check,
	.task = { { "a", unmap_a, NULL, 0 }, { "look", look_up_kept, NULL, 1 } });

/* One page of all; the other one came first, perhaps, and a part is missing. */
static void collapse(void *arg)
{
	struct cursor c;
	err_t err;

	(void)arg;
	table_hold(&c, 0, NODE_PAGES);
	err = cursor_collapse(&c, 2);
	EXPLORE_CHECK(err == OK || err == ERR_IN_USE);
	table_release(&c);
	table_finish();
}

/* The node that was is had again as soon as it is free. */
static void collapse_and_reuse(void *arg)
{
	collapse(arg);
	(void)defer_poll();
	unmap(PAGE_A);
}

EXPLORE(cursor_large_is_joined_beside_a_part, .setup = setup_small, .check = table_check,
	.task = { { "join", collapse, NULL, 0 }, { "b", unmap_b, NULL, 1 } });
EXPLORE(cursor_large_is_joined_beside_a_look, .setup = setup_small, .check = table_check,
	.task = { { "join", collapse_and_reuse, NULL, 0 }, { "look", look_up_kept, NULL, 1 } });
