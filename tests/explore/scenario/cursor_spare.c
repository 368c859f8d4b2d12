/* SPDX-License-Identifier: MIT */
/* cursor_spare.c - a table that keeps a spare branch: there is at most one, and it does not prevent
 * larger entries. */
#include "mm/pt/cursor.h"

#include "tests/explore/scenario/table.h"

enum {
	PAGE_A = 0,
	PAGE_NEXT = NODE_PAGES, /* in the next node */
	A_MARKER = 5,
};

static void unmap_a(void *arg)
{
	(void)arg;
	table_unmap(PAGE_A);
}

static void unmap_next(void *arg)
{
	(void)arg;
	table_unmap(PAGE_NEXT);
}

static void map_and_unmap_a(void *arg)
{
	(void)arg;
	table_map(PAGE_A);
	table_unmap(PAGE_A);
}

/* Set one marker over the whole node of page A, then unmap it. */
static void mark_all_of_a(void *arg)
{
	struct cursor c;

	(void)arg;
	table_lock(&c, PAGE_A, NODE_PAGES);
	EXPLORE_CHECK(cursor_set_marker(&c, MIB(2), A_MARKER) == OK);
	EXPLORE_CHECK(cursor_jump(&c, 0) == OK && cursor_query(&c).level == 2);
	EXPLORE_CHECK(cursor_unmap(&c, MIB(2)) == OK);
	table_release(&c);
	table_finish();
}

static void setup_two(void)
{
	table_setup(2);
	page_table_keep_spare(&table);
	table_fill(PAGE_A, 1, 1);
	table_fill(PAGE_NEXT, 1, 1);
}

static void setup_spare(void)
{
	setup_two();
	unmap_a(NULL);
}

/* Nothing is mapped: the root and at most one branch are left. */
static void check_one_branch(void)
{
	EXPLORE_CHECK(page_table_nodes(&table) <= TABLE_LEVELS);
	table_check();
}

EXPLORE(cursor_spare_is_one_of_two, .setup = setup_two, .check = check_one_branch,
	.task = { { "a", unmap_a, NULL, 0 }, { "next", unmap_next, NULL, 1 } });
EXPLORE(cursor_spare_goes_while_it_is_used, .setup = setup_spare, .check = check_one_branch,
	.bound = 2, .task = { { "a", map_and_unmap_a, NULL, 0 }, { "next", unmap_next, NULL, 1 } });
EXPLORE(cursor_spare_makes_way, .setup = setup_spare, .check = check_one_branch, .bound = 2,
	.task = { { "marker", mark_all_of_a, NULL, 0 }, { "next", unmap_next, NULL, 1 } });
