/* SPDX-License-Identifier: MIT */
/* Tests of mm/pt/cursor_fork.c and cursor_reuse(): write rights after a fork. */
#include "mm/pt/cursor.h"

#include "tests/machine.h"
#include "tests/test.h"

#define BASE    TIB(1)
#define FAR     (BASE + GIB(700))
#define AT(n)   (BASE + (uint64_t)(n)*PAGE_SIZE)
#define DATA_RW (PROP_READ | PROP_WRITE)

enum {
	PRIVATE, /* page numbers */
	SHARED,
	READ_ONLY,
	ZEROS, /* like the zero page: shared by all forks, untracked */
	MARKED,
	FRAMES = 3, /* the first three have frames */
};

static const struct page_prop props[] = {
	[PRIVATE] = { DATA_RW | PROP_DIRTY, MEM_WRITE_BACK },
	[SHARED] = { DATA_RW | PROP_SHARED, MEM_WRITE_BACK },
	[READ_ONLY] = { PROP_READ, MEM_WRITE_BACK },
	[ZEROS] = { PROP_READ | PROP_COPY | PROP_FORKED, MEM_WRITE_BACK },
};

static struct page_table from, to;
static struct tlb_batch gone;
static struct cursor c;
static struct frame *f[FRAMES];
static struct ledger before;

static void lock_range(uint64_t start, uint64_t len)
{
	tlb_batch_init(&gone, &tlb_kernel_space);
	CHECK_EQ(cursor_open(&c, &from, (struct vrange){ start, len }, &gone), OK);
}

static void unlock_range(void)
{
	tlb_batch_finish(&gone);
	cursor_close(&c);
	tlb_batch_finish(&gone);
}

/* A table with four pages and two markers, one of them far away. */
static bool begin(void)
{
	err_t err;

#ifndef KEEL_TESTS
	machine_start_simple(256, 0, 1);
#endif
	pt_node_inject_failure(0);
	before = machine_ledger();
	err = frame_alloc_bulk(FRAME_TEST, FRAMES, f);
	if (err == OK)
		err = page_table_init(&from, 4);
	CHECK_EQ(err, OK);
	if (err != OK)
		return false;
	lock_range(BASE, TIB(1));
	for (unsigned i = 0; i < FRAMES; i++)
		CHECK_EQ(cursor_map(&c, f[i], props[i]), OK);
	CHECK_EQ(cursor_map_pa(&c, paddr(GIB(8)), PAGE_SIZE, props[ZEROS], 1), OK);
	CHECK_EQ(cursor_set_marker(&c, PAGE_SIZE, 4), OK);
	CHECK_EQ(cursor_jump(&c, FAR), OK);
	CHECK_EQ(cursor_set_marker(&c, GIB(1), 5), OK);
	unlock_range();
	return true;
}

static void end(void)
{
	CHECK(page_table_check(&from) == NULL);
	page_table_destroy(&from);
	CHECK_LEDGER(&before);
}

static unsigned flags_of(const struct page_table *pt, unsigned page)
{
	return page_table_query(pt, AT(page)).prop.flags;
}

static void check_counts(uint32_t each)
{
	for (unsigned i = 0; i < FRAMES; i++)
		CHECK_EQ(frame_count(f[i]), each);
}

/* Check `from` and `to` after a fork of all that begin() mapped; each frame has `owners` owners. */
static void check_forked(uint32_t owners)
{
	unsigned copied = PROP_READ | PROP_COPY | PROP_FORKED;

	check_counts(owners);
	CHECK_EQ(flags_of(&from, PRIVATE), copied | PROP_TRACKED | PROP_DIRTY);
	CHECK_EQ(flags_of(&to, PRIVATE), copied | PROP_TRACKED); /* not written yet */
	CHECK_EQ(flags_of(&from, READ_ONLY), PROP_READ | PROP_FORKED | PROP_TRACKED);
	CHECK_EQ(flags_of(&to, READ_ONLY), PROP_READ | PROP_FORKED | PROP_TRACKED);
	CHECK_EQ(flags_of(&from, SHARED), DATA_RW | PROP_SHARED | PROP_TRACKED);
	CHECK_EQ(flags_of(&to, SHARED), DATA_RW | PROP_SHARED | PROP_TRACKED);
	CHECK_EQ(flags_of(&from, ZEROS), copied);
	CHECK_EQ(flags_of(&to, ZEROS), copied);
	for (unsigned i = PRIVATE; i < MARKED; i++)
		CHECK_EQ(page_table_query(&to, AT(i)).pa.raw,
			 page_table_query(&from, AT(i)).pa.raw);
	CHECK_EQ(page_table_query(&to, AT(MARKED)).marker, 4);
	CHECK_EQ(page_table_query(&to, FAR).marker, 5);
	CHECK_EQ(page_table_query(&to, FAR).len, GIB(1));
	CHECK_EQ(page_table_nodes(&to), page_table_nodes(&from));
	CHECK(page_table_check(&to) == NULL);
}

TEST(cursor_fork_takes_the_right_to_write_from_both)
{
	NEED(begin());
	CHECK_EQ(page_table_init(&to, 4), OK);
	lock_range(BASE, TIB(1));
	CHECK_EQ(cursor_fork(&c, &to), OK);
	CHECK_EQ(gone.pages.n, TLB_PAGES_ALL); /* write rights leave the TLBs, too */
	unlock_range();
	check_forked(2);
	page_table_destroy(&to);
	check_counts(1);
	end();
}

TEST(cursor_forks_what_was_forked_before)
{
	struct page_table first;

	NEED(begin());
	CHECK_EQ(page_table_init(&to, 4), OK);
	lock_range(BASE, TIB(1));
	CHECK_EQ(cursor_fork(&c, &to), OK);
	first = to;
	CHECK_EQ(page_table_init(&to, 4), OK);
	CHECK_EQ(cursor_fork(&c, &to), OK);
	unlock_range();
	check_forked(3);
	page_table_destroy(&first);
	check_forked(2);
	page_table_destroy(&to);
	check_counts(1);
	end();
}

TEST(cursor_reuses_a_page_of_one_owner)
{
	NEED(begin());
	CHECK_EQ(page_table_init(&to, 4), OK);
	lock_range(BASE, MIB(1));
	CHECK_EQ(cursor_reuse(&c), ERR_IN_USE); /* it is writable */
	CHECK_EQ(cursor_fork(&c, &to), OK);
	tlb_batch_finish(&gone);
	CHECK_EQ(cursor_reuse(&c), ERR_IN_USE);
	CHECK_EQ(flags_of(&from, PRIVATE) & (PROP_COPY | PROP_WRITE), PROP_COPY);
	page_table_destroy(&to);
	CHECK_EQ(cursor_reuse(&c), OK);
	CHECK_EQ(flags_of(&from, PRIVATE), DATA_RW | PROP_TRACKED | PROP_DIRTY);
	CHECK_EQ(cursor_jump(&c, AT(READ_ONLY)), OK);
	CHECK_EQ(cursor_reuse(&c), ERR_IN_USE);
	CHECK_EQ(cursor_jump(&c, AT(ZEROS)), OK);
	CHECK_EQ(cursor_reuse(&c), ERR_IN_USE); /* untracked: its owners are not counted */
	CHECK_EQ(cursor_jump(&c, AT(MARKED)), OK);
	CHECK_EQ(cursor_reuse(&c), ERR_IN_USE);
	unlock_range();
	end();
}

TEST(cursor_fork_survives_the_failure_of_each_node)
{
	err_t err = ERR_NO_MEMORY;
	unsigned n = 0;

	NEED(begin());
	while (err != OK) {
		CHECK_EQ(page_table_init(&to, 4), OK);
		lock_range(BASE, TIB(1));
		pt_node_inject_failure(++n);
		err = cursor_fork(&c, &to);
		pt_node_inject_failure(0);
		CHECK(err == OK || err == ERR_NO_MEMORY);
		unlock_range();
		CHECK(page_table_check(&to) == NULL);
		page_table_destroy(&to);
		check_counts(1);
		for (unsigned i = PRIVATE; i < MARKED; i++)
			CHECK_EQ(page_table_query(&from, AT(i)).kind, PT_ITEM_LEAF);
		CHECK_EQ(page_table_query(&from, FAR).marker, 5);
	}
	CHECK_EQ(n - 1, page_table_nodes(&from) - 1); /* all but the root */
	end();
}

TEST(cursor_fork_of_a_part_leaves_the_rest)
{
	NEED(begin());
	CHECK_EQ(page_table_init(&to, 4), OK);
	lock_range(AT(SHARED), 2 * PAGE_SIZE);
	CHECK_EQ(cursor_fork(&c, &to), OK);
	unlock_range();
	CHECK_EQ(page_table_query(&to, AT(PRIVATE)).kind, PT_ITEM_ABSENT);
	CHECK_EQ(page_table_query(&to, AT(ZEROS)).kind, PT_ITEM_ABSENT);
	CHECK_EQ(frame_count(f[PRIVATE]), 1);
	CHECK_EQ(frame_count(f[SHARED]), 2);
	CHECK_EQ(frame_count(f[READ_ONLY]), 2);
	/* the rest; entries that are there already stay */
	lock_range(BASE, TIB(1));
	CHECK_EQ(cursor_fork(&c, &to), OK);
	unlock_range();
	check_forked(2);
	page_table_destroy(&to);
	check_counts(1);
	end();
}
