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
