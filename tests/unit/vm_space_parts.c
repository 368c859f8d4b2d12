/* SPDX-License-Identifier: MIT */
/* Tests of copy-on-write of large pages: a write copies 4 KiB, and needs no more memory than that
 * and the nodes of the page table. */
#include "lib/string.h"
#include "mm/pt/cursor.h"
#include "mm/vm/space.h"
#include "tests/hog.h"
#include "tests/machine.h"
#include "tests/spaces.h"
#include "tests/test.h"

enum {
	PARTS = PT_ENTRIES,
};
#define RW (PROP_READ | PROP_WRITE)

static struct vm_space *parent, *child;
static struct ledger before;

/* Map a 2 MiB page with a value in each 4 KiB part, and fork a child that shares it. */
static bool fork_a_large_page(void)
{
	spaces_begin(64, 0, 1);
	before = machine_ledger();
	parent = child = NULL;
	if (vm_space_new(&parent) != OK ||
	    vm_space_map(parent, (struct vrange){ BASE, MIB(2) }, RW, 2) != OK)
		return false;
	for (unsigned i = 0; i < PARTS; i++)
		if (page_store(parent, page_at(i), 1000 + i) != OK)
			return false;
	return vm_space_query(parent, BASE).level == 2 && vm_space_fork(parent, &child) == OK;
}

/* Leave exactly n frames free. */
static bool leave(unsigned n)
{
	pt_node_drain();
	return hog_all_but(n);
}

static void end(void)
{
	hog_give_all();
	vm_space_put(child);
	vm_space_put(parent);
	CHECK_LEDGER(&before);
}

/* Every part except `changed` contains its original value. */
static void check_parts(struct vm_space *s, unsigned changed, uint64_t value)
{
	for (unsigned i = 0; i < PARTS; i++)
		if (!page_shows(s, page_at(i), i == changed ? value : 1000 + i)) {
			test_fail(__FILE__, __LINE__, "part %u has a wrong value", i);
			return;
		}
}

TEST(vm_space_write_to_a_forked_large_page_copies_4_kib)
{
	NEED(fork_a_large_page());
	NEED(leave(2)); /* a node and a frame */
	CHECK_EQ(page_store(child, page_at(7), 5), OK);
	CHECK_EQ(vm_space_query(child, BASE).level, 1);
	CHECK_EQ(vm_space_query(parent, BASE).level, 2);
	check_parts(child, 7, 5);
	check_parts(parent, PARTS, 0);
	CHECK_OWNERS(NULL);
	hog_give_all();
	CHECK_EQ(page_store(parent, page_at(7), 6), OK); /* its only owner */
	CHECK_EQ(page_store(parent, page_at(9), 6), OK);
	CHECK(page_shows(child, page_at(7), 5));
	CHECK(page_shows(child, page_at(9), 1009));
	CHECK_OWNERS(NULL);
	end();
}

/* The parts that the child gave up are the parent's alone, so they are not copied. */
TEST(vm_space_part_of_a_large_page_is_reused_by_its_last_owner)
{
	struct pt_item was;
	uint64_t done;

	NEED(fork_a_large_page());
	was = vm_space_query(parent, BASE);
	CHECK_EQ(vm_space_unmap(child, (struct vrange){ page_at(3), PAGE_SIZE }, &done), OK);
	CHECK_EQ(page_store(parent, page_at(3), 8), OK);
	CHECK_EQ(vm_space_query(parent, page_at(3)).pa.raw, was.pa.raw + 3 * PAGE_SIZE);
	CHECK_EQ(page_store(parent, page_at(4), 8), OK);
	CHECK(vm_space_query(parent, page_at(4)).pa.raw != was.pa.raw + 4 * PAGE_SIZE);
	CHECK_OWNERS(NULL);
	end();
}

TEST(vm_space_large_page_that_cannot_be_split_stays)
{
	static struct picture was_child, was_parent;

	NEED(fork_a_large_page());
	picture_take(&was_child, child);
	picture_take(&was_parent, parent);
	NEED(leave(0));
	CHECK_EQ(page_store(child, page_at(7), 5), ERR_NO_MEMORY);
	CHECK_EQ(vm_space_query(child, BASE).level, 2);
	CHECK_PICTURE(&was_child, child);
	CHECK_PICTURE(&was_parent, parent);
	CHECK_OWNERS(NULL);
	hog_give_all();
	CHECK_EQ(page_store(child, page_at(7), 5), OK);
	end();
}

/* Unmap a part of a large page that is shared with a child. */
TEST(vm_space_part_of_a_forked_large_page_is_unmapped_with_a_node)
{
	uint64_t done;

	NEED(fork_a_large_page());
	NEED(leave(1));
	CHECK_EQ(vm_space_unmap(child, (struct vrange){ page_at(3), PAGE_SIZE }, &done), OK);
	CHECK_EQ(done, PAGE_SIZE);
	CHECK_EQ(vm_space_query(child, page_at(3)).kind, PT_ITEM_ABSENT);
	CHECK(page_shows(child, page_at(2), 1002));
	CHECK(page_shows(child, page_at(4), 1004));
	check_parts(parent, PARTS, 0);
	CHECK_OWNERS(NULL);
	end();
}

/* ---- pages that were only read ---- */

static struct vm_space *only;

static void begin_reads(unsigned largest)
{
	spaces_begin(64, 0, 1);
	before = machine_ledger();
	NEED(vm_space_new(&only) == OK);
	CHECK_EQ(vm_space_map(only, (struct vrange){ BASE, MIB(2) }, RW, largest), OK);
}

static void end_reads(void)
{
	CHECK_OWNERS(NULL);
	hog_give_all();
	vm_space_put(only);
	CHECK_LEDGER(&before);
}

TEST(vm_space_read_before_the_first_write_does_not_cost_the_large_page)
{
	begin_reads(2);
	CHECK(page_shows(only, page_at(0), 0) && page_shows(only, page_at(300), 0));
	CHECK_EQ(page_store(only, page_at(300), 7), OK);
	CHECK_EQ(vm_space_query(only, BASE).level, 2);
	CHECK(page_shows(only, page_at(300), 7) && page_shows(only, page_at(0), 0) &&
	      page_shows(only, page_at(299), 0));
	end_reads();
}

TEST(vm_space_reads_of_all_pages_do_not_cost_the_large_page)
{
	begin_reads(3);
	for (unsigned i = 0; i < PARTS; i++)
		CHECK(page_shows(only, page_at(i), 0));
	NEED(vm_space_fork(only, &child) == OK);
	CHECK_EQ(page_store(child, page_at(1), 5), OK);
	CHECK_EQ(vm_space_query(child, BASE).level, 2);
	CHECK_EQ(vm_space_query(only, BASE).level, 1);
	CHECK(page_shows(only, page_at(1), 0) && page_shows(child, page_at(2), 0));
	CHECK_OWNERS(NULL);
	vm_space_put(child);
	end_reads();
}

TEST(vm_space_reads_keep_to_small_pages_where_a_large_one_would_not_fit)
{
	uint64_t done;

	begin_reads(1); /* the mapping does not want one */
	CHECK(page_shows(only, page_at(0), 0));
	CHECK_EQ(page_store(only, page_at(0), 1), OK);
	CHECK_EQ(vm_space_query(only, BASE).level, 1);
	end_reads();
	begin_reads(2); /* a page has other rights */
	CHECK(page_shows(only, page_at(0), 0));
	CHECK_EQ(vm_space_protect(only, pages(9, 1), PROP_READ, &done), OK);
	CHECK_EQ(page_store(only, page_at(0), 1), OK);
	CHECK_EQ(vm_space_query(only, BASE).level, 1);
	end_reads();
	begin_reads(2); /* a page is not mapped */
	CHECK(page_shows(only, page_at(0), 0));
	CHECK_EQ(vm_space_unmap(only, pages(511, 1), &done), OK);
	CHECK_EQ(page_store(only, page_at(0), 1), OK);
	CHECK_EQ(vm_space_query(only, BASE).level, 1);
	end_reads();
	begin_reads(2); /* there is no block; then a page was written */
	CHECK(page_shows(only, page_at(0), 0) && page_shows(only, page_at(1), 0));
	NEED(leave(64));
	CHECK_EQ(page_store(only, page_at(0), 1), OK);
	hog_give_all();
	CHECK_EQ(page_store(only, page_at(1), 2), OK);
	CHECK_EQ(vm_space_query(only, BASE).level, 1);
	CHECK(page_shows(only, page_at(0), 1) && page_shows(only, page_at(1), 2));
	end_reads();
}

/* ---- collapse ---- */

TEST(vm_space_collapse_makes_one_page_of_parts)
{
	uint64_t done, collapsed;

	NEED(fork_a_large_page());
	CHECK_EQ(vm_space_collapse(parent, (struct vrange){ BASE, MIB(2) }, &collapsed), OK);
	CHECK_EQ(collapsed, 0); /* it is one */
	CHECK_EQ(page_store(child, page_at(7), 1), OK);
	CHECK_EQ(page_store(parent, page_at(8), 1008), OK); /* both split it */
	CHECK_EQ(vm_space_collapse(parent, (struct vrange){ BASE, MIB(2) }, &collapsed), OK);
	CHECK_EQ(collapsed, 0); /* the child has parts of it */
	CHECK_EQ(vm_space_protect(parent, pages(3, 1), PROP_READ, &done), OK);
	vm_space_put(child);
	NEED(vm_space_new(&child) == OK);
	CHECK_OWNERS(NULL);
	end();
}

TEST(vm_space_collapse_after_the_child_has_ended)
{
	uint64_t done, collapsed;

	NEED(fork_a_large_page());
	CHECK_EQ(vm_space_protect(parent, pages(3, 1), PROP_READ, &done), OK); /* splits it */
	CHECK_EQ(vm_space_collapse(parent, (struct vrange){ BASE, MIB(2) }, &collapsed), OK);
	CHECK_EQ(collapsed, 0);
	vm_space_put(child);
	CHECK_EQ(vm_space_collapse(parent, (struct vrange){ BASE, MIB(2) }, &collapsed), OK);
	CHECK_EQ(collapsed, 0); /* one part has other rights */
	CHECK_EQ(vm_space_protect(parent, pages(3, 1), RW, &done), OK);
	CHECK_EQ(vm_space_collapse(parent, (struct vrange){ BASE, MIB(2) }, &collapsed), OK);
	CHECK_EQ(collapsed, 1);
	CHECK_EQ(vm_space_query(parent, BASE).level, 2);
	CHECK_OWNERS(NULL);
	CHECK_EQ(page_store(parent, page_at(3), 1003), OK);
	check_parts(parent, 0, 1000);
	CHECK_EQ(vm_space_collapse(parent, (struct vrange){ BASE + 1, MIB(2) }, &collapsed),
		 ERR_BAD_RANGE);
	NEED(vm_space_new(&child) == OK);
	end();
}
