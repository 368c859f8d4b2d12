/* SPDX-License-Identifier: MIT */
/* Test of the order in which a cursor unlocks its nodes. */
#include "mm/pt/cursor.h"
#include "mm/pt/cpu_format.h"

#include "tests/machine.h"
#include "tests/test.h"

enum {
	PAGES = 3 * 512, /* in three nodes of level 1, below one covering node */
};
#define BASE UINT64_C(0x10000000000)

#ifdef KEEL_DEBUG
static void unlock(void *node)
{
	pt_node_unlock(node);
}

/* Debug builds check each unlock, so every other test of cursors checks the order, too. */
TEST(audit_cur_03_a_node_is_unlocked_after_those_below_it)
{
	struct vrange range = { BASE, (uint64_t)PAGES * PAGE_SIZE };
	struct page_prop rw = { PROP_READ | PROP_WRITE, MEM_WRITE_BACK };
	struct page_table pt;
	struct tlb_batch gone;
	struct cursor c;

#ifndef KEEL_TESTS
	machine_start_simple(64, 0, 1);
#endif
	NEED(page_table_init(&pt, 4) == OK);
	tlb_batch_init(&gone, &tlb_kernel_space);
	NEED(cursor_open(&c, &pt, range, &gone) == OK);
	CHECK_EQ(cursor_map_pa(&c, paddr(GIB(1)), range.len, rw, 1), OK);
	cursor_close(&c);
	NEED(cursor_open(&c, &pt, range, &gone) == OK);
	CHECK_EQ(c.level, 2);
	CHECK(test_panics(unlock, c.node, "unlocked before one below it"));
	cursor_close(&c);
	page_table_destroy(&pt);
}
#endif
