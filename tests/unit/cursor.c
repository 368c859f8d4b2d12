/* SPDX-License-Identifier: MIT */
/* Tests of mm/pt/cursor*.c: each operation, its effects and its errors. */
#include "mm/pt/cursor.h"
#include "mm/pt/cpu_format.h"

#include "tests/machine.h"
#include "tests/test.h"

#define BASE    TIB(1)
#define AT(n)   (BASE + (uint64_t)(n)*PAGE_SIZE)
#define DATA_RW (PROP_READ | PROP_WRITE)

static const struct page_prop rw = { DATA_RW, MEM_WRITE_BACK };
static const struct page_prop ro = { PROP_READ, MEM_WRITE_BACK };

static struct page_table pt;
static struct tlb_batch gone;
static struct cursor c;
static struct ledger before;

static void begin(unsigned levels)
{
#ifndef KEEL_TESTS
	machine_start_simple(256, 0, 1);
#endif
	pt_node_inject_failure(0);
	before = machine_ledger();
	CHECK_EQ(page_table_init(&pt, levels), OK);
}

static void end(void)
{
	const char *wrong = page_table_check(&pt);

	if (wrong != NULL)
		test_fail(__FILE__, __LINE__, "%s", wrong);
	page_table_destroy(&pt);
	CHECK_LEDGER(&before);
}

static void lock_range(uint64_t start, uint64_t len)
{
	tlb_batch_init(&gone, &tlb_kernel_space);
	CHECK_EQ(cursor_open(&c, &pt, (struct vrange){ start, len }, &gone), OK);
}

static void unlock_range(void)
{
	cursor_close(&c);
	tlb_batch_finish(&gone);
}

static struct cursor *jump(uint64_t va)
{
	CHECK_EQ(cursor_jump(&c, va), OK);
	return &c;
}

static struct pt_item query(uint64_t va)
{
	return page_table_query(&pt, va);
}

static bool is_marker(uint64_t va, uint32_t marker)
{
	struct pt_item item = query(va);

	return item.kind == PT_ITEM_MARKER && item.marker == marker;
}

static bool is_leaf(uint64_t va, uint64_t pa, uint64_t len)
{
	struct pt_item item = query(va);

	return item.kind == PT_ITEM_LEAF && item.len == len &&
	       item.pa.raw + (va - item.start) == pa;
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
	return (hash ^ word) * UINT64_C(0x100000001b3);
}

/* A hash of all entries of a range, and of the number of nodes. */
static uint64_t fingerprint(uint64_t start, uint64_t len)
{
	uint64_t hash = page_table_nodes(&pt);

	for (uint64_t va = start; va < start + len;) {
		struct pt_item i = query(va);

		hash = mix(mix(mix(hash, i.start), i.len), i.kind);
		hash = mix(mix(mix(hash, i.pa.raw), i.marker),
			   (uint64_t)i.prop.flags << 8 | i.prop.type);
		va = i.start + i.len;
	}
	return hash;
}

/* A hash of the counts of a block's frames, and of the block's order. */
static uint64_t counts_of(const struct frame *first)
{
	const struct meta_slot *slot = meta_slot_of(frame_pfn(first));
	uint64_t hash = frame_order(first);

	for (unsigned i = 0; i < CHUNK_FRAMES; i++)
		hash = mix(hash, meta_state(slot + i).count);
	return hash;
}

static struct frame *nth_frame(const struct frame *first, unsigned n)
{
	return frame_of_slot(meta_slot_of(frame_pfn(first) + n));
}

/* ---- replace ---- */

TEST(cursor_replaces_nothing_markers_and_leaves)
{
	struct page_prop own = { DATA_RW | PROP_TRACKED, MEM_WRITE_BACK };
	struct frame *old, *new;

	begin(4);
	old = frame_alloc(FRAME_TEST);
	new = frame_alloc(FRAME_TEST);
	NEED(old != NULL && new != NULL);
	(void)frame_get(old);
	(void)frame_get(new);
	lock_range(BASE, GIB(1));
	CHECK_EQ(cursor_replace(&c, paddr(GIB(3)), rw, 1), OK);
	CHECK_EQ(c.va, AT(1));
	CHECK(is_leaf(BASE, GIB(3), PAGE_SIZE));
	CHECK_EQ(cursor_set_marker(&c, PAGE_SIZE, 4), OK);
	CHECK_EQ(cursor_replace(jump(AT(1)), paddr(GIB(4)), ro, 1), OK);
	CHECK(is_leaf(AT(1), GIB(4), PAGE_SIZE));
	CHECK_EQ(gone.pages.n, 0); /* no TLB can have these */
	CHECK_EQ(cursor_map(&c, old, rw), OK);
	CHECK_EQ(cursor_replace(jump(AT(2)), frame_paddr(new), own, 1), OK);
	CHECK_EQ(gone.pages.n, 0);     /* over: the new page is writable */
	CHECK_EQ(frame_count(old), 2); /* until the batch is finished */
	CHECK(is_leaf(AT(2), frame_paddr(new).raw, PAGE_SIZE));
	unlock_range();
	CHECK_EQ(frame_count(old), 1);
	CHECK_EQ(frame_count(new), 2);
	frame_put(old);
	frame_put(new);
	end();
}

TEST(cursor_replaces_a_page_in_a_larger_marker)
{
	begin(4);
	lock_range(BASE, GIB(4));
	CHECK_EQ(cursor_set_marker(&c, GIB(1), 7), OK);
	CHECK_EQ(page_table_nodes(&pt), 2);
	CHECK_EQ(cursor_replace(jump(AT(517)), paddr(GIB(8)), rw, 1), OK);
	CHECK_EQ(page_table_nodes(&pt), 4);
	CHECK(is_leaf(AT(517), GIB(8), PAGE_SIZE));
	CHECK(is_marker(AT(516), 7) && is_marker(AT(518), 7) && is_marker(BASE, 7));
	CHECK_EQ(query(BASE).len, MIB(2)); /* split only at the page */
	CHECK_EQ(cursor_replace(jump(BASE + MIB(4)), paddr(GIB(6)), rw, 2), OK);
	CHECK_EQ(page_table_nodes(&pt), 4);
	CHECK(is_leaf(BASE + MIB(4), GIB(6), MIB(2)) && is_marker(BASE + MIB(6), 7));
	unlock_range();
	end();
}

TEST(cursor_replace_is_refused_over_smaller_and_larger_pages)
{
	uint64_t was;

	begin(4);
	lock_range(BASE, MIB(16));
	CHECK_EQ(cursor_map_pa(jump(AT(3)), paddr(GIB(3)), PAGE_SIZE, rw, 1), OK);
	CHECK_EQ(cursor_map_pa(jump(BASE + MIB(2)), paddr(GIB(4)), MIB(2), rw, 2), OK);
	was = fingerprint(BASE, MIB(16));
	CHECK_EQ(cursor_replace(jump(BASE), paddr(GIB(6)), rw, 2), ERR_IN_USE);
	CHECK_EQ(c.va, BASE);
	CHECK_EQ(cursor_replace(jump(BASE + MIB(2)), paddr(GIB(6)), rw, 1), ERR_IN_USE);
	CHECK_EQ(cursor_replace(jump(AT(1)), paddr(GIB(6)), rw, 2), ERR_BAD_RANGE);
	CHECK_EQ(cursor_replace(jump(BASE), paddr(MIB(1)), rw, 2), ERR_BAD_RANGE);
	CHECK_EQ(cursor_replace(&c, paddr(0), rw, 3), ERR_BAD_RANGE); /* beyond the range */
	CHECK_EQ(cursor_replace(&c, paddr(0), rw, 0), ERR_BAD_RANGE);
	cursor_move(&c, MIB(16));
	CHECK_EQ(cursor_replace(&c, paddr(0), rw, 1), ERR_BAD_RANGE);
	CHECK_EQ(fingerprint(BASE, MIB(16)), was);
	unlock_range();
	end();
}

/* ---- markers ---- */

TEST(cursor_markers_stand_in_the_highest_entries)
{
	begin(5);
	for (unsigned level = 1; level <= 5; level++) {
		uint64_t span = pte_span(level), va = level == 5 ? span : BASE;

		lock_range(va, span);
		CHECK_EQ(cursor_set_marker(&c, span, level), OK);
		CHECK_EQ(cursor_left(&c), 0);
		CHECK(is_marker(va, level) && is_marker(va + span - PAGE_SIZE, level));
		CHECK_EQ(query(va).len, span);
		CHECK_EQ(page_table_nodes(&pt), 1 + 5 - level);
		CHECK_EQ(cursor_set_marker(jump(va), PAGE_SIZE, 1), ERR_IN_USE);
		CHECK_EQ(cursor_unmap(&c, span), OK);
		unlock_range();
		CHECK_EQ(page_table_nodes(&pt), 1);
	}
	end();
}

TEST(cursor_marker_of_a_tebibyte_takes_a_handful_of_nodes)
{
	begin(4);
	lock_range(BASE, TIB(1));
	CHECK_EQ(cursor_set_marker(&c, TIB(1), 77), OK);
	CHECK_EQ(page_table_nodes(&pt), 1);
	CHECK_EQ(query(BASE).len, GIB(512));
	CHECK_EQ(cursor_unmap(jump(BASE + GIB(600)), PAGE_SIZE), OK);
	CHECK_EQ(page_table_nodes(&pt), 4); /* one path */
	CHECK_EQ(query(BASE + GIB(600)).kind, PT_ITEM_ABSENT);
	CHECK(is_marker(BASE + GIB(600) + PAGE_SIZE, 77) && is_marker(BASE + GIB(601), 77));
	CHECK_EQ(query(BASE).len, GIB(512));
	CHECK_EQ(query(BASE + GIB(601)).len, GIB(1));
	unlock_range();
	/* not aligned: a path at each end */
	lock_range(BASE + TIB(2), TIB(1));
	cursor_move(&c, PAGE_SIZE);
	CHECK_EQ(cursor_set_marker(&c, TIB(1) - 2 * PAGE_SIZE, 78), OK);
	CHECK_EQ(page_table_nodes(&pt), 4 + 6);
	CHECK_EQ(query(BASE + TIB(2)).kind, PT_ITEM_ABSENT);
	CHECK(is_marker(BASE + TIB(2) + PAGE_SIZE, 78));
	CHECK(is_marker(BASE + TIB(3) - 2 * PAGE_SIZE, 78));
	CHECK_EQ(query(BASE + TIB(3) - PAGE_SIZE).kind, PT_ITEM_ABSENT);
	unlock_range();
	end();
}

TEST(cursor_markers_have_31_bits_and_whole_pages)
{
	uint32_t max = (UINT32_C(1) << PT_MARKER_BITS) - 1;

	begin(4);
	lock_range(BASE, MIB(4));
	CHECK_EQ(cursor_set_marker(&c, PAGE_SIZE, max + 1), ERR_BAD_RANGE);
	CHECK_EQ(cursor_set_marker(&c, PAGE_SIZE + 1, 1), ERR_BAD_RANGE);
	CHECK_EQ(cursor_set_marker(&c, MIB(4) + PAGE_SIZE, 1), ERR_BAD_RANGE);
	CHECK_EQ(page_table_nodes(&pt), 1);
	CHECK_EQ(cursor_set_marker(&c, MIB(4), max), OK);
	CHECK(is_marker(BASE, max));
	unlock_range();
	end();
}

/* ---- split ---- */

TEST(cursor_splits_what_reaches_over_the_address)
{
	begin(4);
	lock_range(BASE, GIB(2));
	CHECK_EQ(cursor_map_pa(&c, paddr(GIB(8)), GIB(1), rw, 3), OK);
	CHECK_EQ(page_table_nodes(&pt), 2);
	CHECK_EQ(cursor_split(jump(BASE)), OK);
	CHECK_EQ(page_table_nodes(&pt), 2);
	CHECK_EQ(cursor_split(jump(BASE + MIB(6))), OK);
	CHECK_EQ(page_table_nodes(&pt), 3);
	CHECK(is_leaf(BASE + MIB(6), GIB(8) + MIB(6), MIB(2)));
	CHECK_EQ(cursor_split(jump(AT(5))), OK);
	CHECK_EQ(page_table_nodes(&pt), 4);
	for (unsigned i = 0; i < 512; i++)
		CHECK(is_leaf(AT(i), GIB(8) + i * PAGE_SIZE, PAGE_SIZE));
	CHECK_EQ(c.va, AT(5));
	CHECK_EQ(cursor_split(jump(BASE + GIB(1) + PAGE_SIZE)), OK); /* nothing is there */
	CHECK_EQ(page_table_nodes(&pt), 4);
	unlock_range();
	end();
}

/* All its owners are leaves: each frame gets the count of the block. */
TEST(cursor_splits_a_block_for_all_its_owners)
{
	struct frame *block;

	begin(4);
	block = frame_alloc_block(FRAME_TEST, CHUNK_ORDER);
	NEED(block != NULL);
	lock_range(BASE, MIB(8));
	CHECK_EQ(cursor_map(&c, frame_get(block), rw), OK);
	CHECK_EQ(cursor_split(jump(AT(9))), OK);
	for (unsigned i = 0; i < CHUNK_FRAMES; i++) {
		CHECK_EQ(frame_count(nth_frame(block, i)), 2);
		CHECK_EQ(frame_order(nth_frame(block, i)), 0);
		CHECK(is_leaf(AT(i), frame_paddr(block).raw + i * PAGE_SIZE, PAGE_SIZE));
		CHECK((query(AT(i)).prop.flags & PROP_TRACKED) != 0);
	}
	frame_page_put(block, 1, CHUNK_ORDER); /* as the other leaf does, which maps all of it */
	CHECK_EQ(cursor_unmap(jump(AT(9)), PAGE_SIZE), OK);
	unlock_range();
	CHECK_EQ(frame_count(nth_frame(block, 9)), SLOT_NONE);
	CHECK_EQ(frame_count(nth_frame(block, 10)), 1);
	end();
}

/* Others hold handles of it: the block stays, and each leaf owns a count of it. */
TEST(cursor_splits_a_shared_block_in_parts)
{
	struct page_prop shared = { DATA_RW | PROP_SHARED, MEM_WRITE_BACK };
	struct frame *block;

	begin(4);
	block = frame_alloc_block(FRAME_TEST, CHUNK_ORDER);
	NEED(block != NULL);
	lock_range(BASE, MIB(8));
	CHECK_EQ(cursor_map(&c, frame_get(block), shared), OK);
	CHECK_EQ(cursor_split(jump(AT(9))), OK);
	CHECK_EQ(frame_count(block), 1 + CHUNK_FRAMES);
	CHECK_EQ(frame_order(block), CHUNK_ORDER);
	CHECK_EQ(cursor_unmap(jump(AT(9)), PAGE_SIZE), OK);
	tlb_batch_finish(&gone);
	CHECK_EQ(frame_count(block), CHUNK_FRAMES);
	CHECK_EQ(cursor_unmap(jump(BASE), MIB(2)), OK);
	unlock_range();
	CHECK_EQ(frame_count(block), 1);
	frame_put(block);
	end();
}

TEST(cursor_splits_nothing_behind_its_end)
{
	begin(4);
	lock_range(BASE, MIB(2));
	CHECK_EQ(cursor_map_pa(&c, paddr(GIB(8)), MIB(2), rw, 2), OK);
	unlock_range();
	lock_range(BASE, MIB(1));
	cursor_move(&c, MIB(1));
	CHECK_EQ(cursor_split(&c), OK);
	CHECK(is_leaf(BASE, GIB(8), MIB(2)));
	unlock_range();
	end();
}

/* ---- collapse ---- */

/* As the CPU does: sets bits in the entry for va. */
static void cpu_sets(uint64_t va, pte_t bits)
{
	struct frame *node = pt.root;

	for (unsigned level = pt.levels; level > 1; level--)
		node = pt_node_child(pt_node_get(node, pte_index(va, level)), level);
	(void)atomic_fetch_or(&pt_node_entries(node)[pte_index(va, 1)], bits);
}

TEST(cursor_collapses_pages_in_a_row)
{
	struct pt_item item;

	begin(4);
	lock_range(BASE, GIB(2));
	CHECK_EQ(cursor_map_pa(&c, paddr(GIB(8)), MIB(2), rw, 1), OK);
	cpu_sets(AT(3), PTE_ACCESSED);
	cpu_sets(AT(400), PTE_DIRTY);
	CHECK_EQ(cursor_collapse(jump(BASE), 2), OK);
	CHECK_EQ(c.va, BASE + MIB(2));
	item = query(AT(100));
	CHECK(is_leaf(BASE, GIB(8), MIB(2)));
	CHECK_EQ(item.prop.flags, DATA_RW | PROP_ACCESSED | PROP_DIRTY);
	CHECK_EQ(page_table_nodes(&pt), 3);
	CHECK_EQ(cursor_map_pa(&c, paddr(GIB(8) + MIB(2)), GIB(1) - MIB(2), rw, 2), OK);
	CHECK_EQ(cursor_collapse(jump(BASE), 3), OK); /* accessed and dirty bits may differ */
	CHECK(is_leaf(BASE, GIB(8), GIB(1)));
	CHECK_EQ(query(BASE).prop.flags, DATA_RW | PROP_ACCESSED | PROP_DIRTY);
	CHECK_EQ(page_table_nodes(&pt), 2);
	unlock_range();
	end();
}

TEST(cursor_collapses_frames_into_a_block)
{
	struct frame *block;
	uint64_t counts, was;

	begin(4);
	block = frame_alloc_block(FRAME_TEST, CHUNK_ORDER);
	NEED(block != NULL);
	counts = counts_of(block);
	lock_range(BASE, MIB(8));
	CHECK_EQ(cursor_map(&c, block, rw), OK);
	was = fingerprint(BASE, MIB(8));
	CHECK_EQ(cursor_split(jump(AT(1))), OK);
	CHECK(counts_of(block) != counts);
	CHECK_EQ(cursor_collapse(jump(BASE), 2), OK);
	CHECK_EQ(counts_of(block), counts);
	CHECK_EQ(fingerprint(BASE, MIB(8)), was);
	CHECK_EQ(frame_order(block), CHUNK_ORDER);
	unlock_range();
	end(); /* one entry owns the block again: one put frees all of it */
}

/* A collapse that must fail and leave the table and the counts of `counted` unchanged. */
static void refuse(uint64_t va, unsigned level, err_t why, const struct frame *counted, int line)
{
	uint64_t was = fingerprint(BASE, GIB(2)), counts = counted ? counts_of(counted) : 0;
	err_t err = cursor_collapse(jump(va), level);

	if (err != why)
		test_fail(__FILE__, line, "collapse: %s, expected %s", err_name(err),
			  err_name(why));
	CHECK_EQ(c.va, va);
	CHECK_EQ(fingerprint(BASE, GIB(2)), was);
	CHECK_EQ(counted ? counts_of(counted) : 0, counts);
}

TEST(cursor_collapse_is_refused_unless_pages_are_alike_and_in_a_row)
{
	struct pt_change make_ro = { ro, UINT32_MAX, 0 };

	begin(4);
	lock_range(BASE, GIB(2));
	refuse(BASE, 2, ERR_IN_USE, NULL, __LINE__); /* absent */
	CHECK_EQ(cursor_map_pa(&c, paddr(GIB(8)), MIB(2), rw, 1), OK);
	refuse(AT(1), 2, ERR_BAD_RANGE, NULL, __LINE__);
	refuse(BASE, 1, ERR_BAD_RANGE, NULL, __LINE__);
	refuse(BASE, 4, ERR_BAD_RANGE, NULL, __LINE__);
	refuse(BASE, 3, ERR_IN_USE, NULL, __LINE__); /* most of it is absent */
	CHECK_EQ(cursor_unmap(jump(AT(511)), PAGE_SIZE), OK);
	refuse(BASE, 2, ERR_IN_USE, NULL, __LINE__);
	CHECK_EQ(cursor_set_marker(jump(AT(511)), PAGE_SIZE, 1), OK);
	refuse(BASE, 2, ERR_IN_USE, NULL, __LINE__);
	CHECK_EQ(cursor_replace(jump(AT(511)), paddr(GIB(4)), rw, 1), OK);
	refuse(BASE, 2, ERR_IN_USE, NULL, __LINE__); /* not contiguous */
	CHECK_EQ(cursor_replace(jump(AT(511)), paddr(GIB(8) + 511 * PAGE_SIZE), rw, 1), OK);
	CHECK_EQ(cursor_protect(jump(AT(9)), PAGE_SIZE, &make_ro), OK);
	refuse(BASE, 2, ERR_IN_USE, NULL, __LINE__); /* different rights */
	CHECK_EQ(cursor_protect(jump(BASE), MIB(2), &make_ro), OK);
	CHECK_EQ(cursor_collapse(jump(BASE), 2), OK);
	refuse(BASE, 2, ERR_IN_USE, NULL, __LINE__); /* it already is one page */
	/* contiguous, but not aligned to the larger page */
	CHECK_EQ(cursor_map_pa(jump(BASE + MIB(2)), paddr(GIB(8) + PAGE_SIZE), MIB(2), rw, 1), OK);
	refuse(BASE + MIB(2), 2, ERR_IN_USE, NULL, __LINE__);
	unlock_range();
	lock_range(BASE, MIB(3));
	refuse(BASE + MIB(2), 2, ERR_BAD_RANGE, NULL, __LINE__); /* the range ends inside */
	unlock_range();
	end();
}

TEST(cursor_collapse_is_refused_when_a_frame_has_other_owners)
{
	static const unsigned shared[] = { 0, 1, 255, 511 };
	struct frame *block;

	begin(4);
	block = frame_alloc_block(FRAME_TEST, CHUNK_ORDER);
	NEED(block != NULL);
	lock_range(BASE, GIB(2));
	CHECK_EQ(cursor_map(&c, block, rw), OK);
	CHECK_EQ(cursor_split(jump(AT(1))), OK);
	for (unsigned i = 0; i < ARRAY_SIZE(shared); i++) {
		struct frame *f = frame_get(nth_frame(block, shared[i]));

		refuse(BASE, 2, ERR_IN_USE, block, __LINE__);
		CHECK_EQ(frame_count(f), 2);
		frame_put(f);
	}
	CHECK_EQ(cursor_collapse(jump(BASE), 2), OK);
	unlock_range();
	end();
}

/* ---- find ---- */

TEST(cursor_finds_what_is_sparse_and_nothing_else)
{
	static const uint64_t at[] = { 5 * PAGE_SIZE, MIB(2), GIB(3) - PAGE_SIZE, GIB(512),
				       GIB(1023) };
	struct pt_item item;

	begin(4);
	lock_range(BASE, TIB(1));
	for (unsigned i = 0; i < ARRAY_SIZE(at); i++)
		CHECK_EQ(cursor_set_marker(jump(BASE + at[i]), PAGE_SIZE, i), OK);
	CHECK_EQ(cursor_map_pa(jump(BASE + GIB(700)), paddr(GIB(8)), GIB(1), rw, 3), OK);
	(void)jump(BASE);
	for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
		if (i == 4) {
			CHECK(cursor_find(&c, &item));
			CHECK_EQ(item.kind, PT_ITEM_LEAF);
			CHECK_EQ(item.start, BASE + GIB(700));
			CHECK_EQ(item.len, GIB(1));
			cursor_move(&c, item.len);
		}
		CHECK(cursor_find(&c, &item));
		CHECK_EQ(item.start, BASE + at[i]);
		CHECK_EQ(item.marker, i);
		CHECK_EQ(c.va, item.start);
		cursor_move(&c, item.len);
	}
	CHECK(!cursor_find(&c, &item));
	CHECK_EQ(cursor_left(&c), 0);
	unlock_range();
	/* a leaf that reaches out of the range at both ends is clipped */
	lock_range(BASE + GIB(700) + MIB(6), MIB(4));
	CHECK(cursor_find(&c, &item));
	CHECK_EQ(item.start, c.start);
	CHECK_EQ(item.len, MIB(4));
	CHECK_EQ(item.pa.raw, GIB(8) + MIB(6));
	unlock_range();
	end();
}

/* ---- whole subtrees ---- */

TEST(cursor_unmaps_whole_trees_with_all_that_they_own)
{
	static struct frame *f[600];

	begin(4);
	lock_range(BASE, TIB(1));
	for (unsigned i = 0; i < ARRAY_SIZE(f); i++) {
		f[i] = frame_alloc(FRAME_TEST);
		if (f[i] == NULL || cursor_map(&c, frame_get(f[i]), rw) != OK)
			test_fail(__FILE__, __LINE__, "frame %u", i);
		if (i % 7 == 0)
			CHECK_EQ(cursor_set_marker(&c, PAGE_SIZE, i), OK);
	}
	CHECK_EQ(cursor_set_marker(jump(BASE + GIB(9)), GIB(3) + MIB(2) + PAGE_SIZE, 9), OK);
	CHECK_EQ(cursor_map_pa(jump(BASE + GIB(600)), paddr(GIB(4)), MIB(4), rw, 2), OK);
	CHECK_EQ(page_table_nodes(&pt), 1 + 1 + 3 + 2 + 2);
	CHECK_EQ(cursor_unmap(jump(BASE), TIB(1)), OK);
	CHECK_EQ(cursor_left(&c), 0);
	CHECK_EQ(page_table_nodes(&pt), 1);
	CHECK_EQ(pt_node_children(pt.root), 0);
	CHECK(gone.pages.reach == TLB_TABLES && gone.pages.n == TLB_PAGES_ALL);
	CHECK_EQ(frame_count(f[0]), 2); /* until the shootdown */
	unlock_range();
	for (unsigned i = 0; i < ARRAY_SIZE(f); i++) {
		CHECK_EQ(frame_count(f[i]), 1);
		frame_put(f[i]);
	}
	end();
}

TEST(cursor_unmap_leaves_the_nodes_that_are_kept)
{
	uint64_t kept;

	begin(4);
	CHECK_EQ(page_table_populate(&pt, (struct vrange){ BASE, GIB(2) }, 2), OK);
	kept = page_table_nodes(&pt);
	CHECK_EQ(kept, 1 + 1 + 2);
	lock_range(BASE, GIB(512));
	CHECK_EQ(cursor_map_pa(jump(AT(7)), paddr(GIB(3)), PAGE_SIZE, rw, 1), OK);
	CHECK_EQ(cursor_map_pa(jump(BASE + GIB(1)), paddr(GIB(4)), MIB(2), rw, 2), OK);
	CHECK_EQ(cursor_set_marker(jump(BASE + GIB(5)), GIB(1), 3), OK);
	CHECK_EQ(page_table_nodes(&pt), kept + 1);
	CHECK_EQ(cursor_unmap(jump(BASE), GIB(512)), OK);
	CHECK_EQ(page_table_nodes(&pt), kept);
	for (unsigned gib = 0; gib < 6; gib++)
		CHECK_EQ(query(BASE + GIB(gib)).kind, PT_ITEM_ABSENT);
	unlock_range();
	CHECK_EQ(page_table_nodes(&pt), kept);
	end();
}

/* ---- rights ---- */

enum {
	OWN,    /* page numbers; the frames of all but the first have other owners */
	PINNED, /* never forked, with another reference that may see writes */
	SHARED,
	FORKED,
	FRAMES,
	ZEROS = FRAMES, /* untracked */
	WINDOW,         /* untracked and never forked */
	PAGES,
};

static void map_pages_with_owners(struct frame *f[FRAMES])
{
	struct page_prop shared = { PROP_READ | PROP_SHARED, MEM_WRITE_BACK };
	struct page_prop forked = { PROP_READ | PROP_FORKED, MEM_WRITE_BACK };

	CHECK_EQ(cursor_map(&c, f[OWN], ro), OK);
	CHECK_EQ(cursor_map(&c, frame_get(f[PINNED]), ro), OK);
	CHECK_EQ(cursor_map(&c, frame_get(f[SHARED]), shared), OK);
	CHECK_EQ(cursor_map(&c, frame_get(f[FORKED]), forked), OK);
	CHECK_EQ(cursor_map_pa(&c, paddr(GIB(4)), PAGE_SIZE, forked, 1), OK);
	CHECK_EQ(cursor_map_pa(&c, paddr(GIB(5)), PAGE_SIZE, ro, 1), OK);
}

static void give_pages(unsigned flags)
{
	struct pt_change change = { { (uint16_t)flags, MEM_WRITE_BACK }, UINT32_MAX, 0 };

	CHECK_EQ(cursor_protect(jump(BASE), PAGES * PAGE_SIZE, &change), OK);
}

/* `flags` on pages that may be written at once, `to_copy` on those whose frames others own. */
static void check_pages(unsigned flags, unsigned to_copy)
{
	CHECK_EQ(query(AT(OWN)).prop.flags, flags | PROP_TRACKED);
	CHECK_EQ(query(AT(PINNED)).prop.flags, flags | PROP_TRACKED);
	CHECK_EQ(query(AT(SHARED)).prop.flags, flags | PROP_TRACKED | PROP_SHARED);
	CHECK_EQ(query(AT(FORKED)).prop.flags,
		 to_copy | PROP_FORKED | PROP_TRACKED | PROP_ACCESSED | PROP_DIRTY);
	CHECK_EQ(query(AT(ZEROS)).prop.flags, to_copy | PROP_FORKED);
	CHECK_EQ(query(AT(WINDOW)).prop.flags, flags);
}

TEST(cursor_lets_the_only_owner_write_and_others_copy)
{
	unsigned asked = DATA_RW | PROP_COPY;
	struct frame *f[FRAMES];

	begin(4);
	NEED(frame_alloc_bulk(FRAME_TEST, FRAMES, f) == OK);
	lock_range(BASE, MIB(4));
	map_pages_with_owners(f);
	cpu_sets(AT(FORKED), PTE_ACCESSED | PTE_DIRTY);
	give_pages(asked);
	check_pages(DATA_RW, PROP_READ | PROP_COPY);
	give_pages(PROP_READ); /* PROP_FORKED stays */
	check_pages(PROP_READ, PROP_READ);
	give_pages(asked);
	check_pages(DATA_RW, PROP_READ | PROP_COPY);
	frame_put(f[FORKED]); /* the entry is the only owner now, as if never forked */
	give_pages(asked);
	CHECK_EQ(query(AT(FORKED)).prop.flags, DATA_RW | PROP_TRACKED | PROP_ACCESSED | PROP_DIRTY);
	CHECK_EQ(query(AT(ZEROS)).prop.flags, PROP_READ | PROP_COPY | PROP_FORKED);
	unlock_range();
	frame_put(f[PINNED]);
	frame_put(f[SHARED]);
	end();
}

/* Unchanged rights need no shootdown; few changed entries of a node are invalidated one by one,
 * however long the range is, and a full node invalidates the whole space. */
TEST(cursor_protect_invalidates_what_it_changed)
{
	struct pt_change change = { ro, UINT32_MAX, 0 };

	begin(4);
	lock_range(BASE, MIB(4));
	CHECK_EQ(cursor_map_pa(&c, paddr(GIB(4)), MIB(4), ro, 1), OK);
	CHECK_EQ(cursor_protect(jump(BASE), TLB_PAGES_MAX * PAGE_SIZE, &change), OK);
	CHECK_EQ(gone.pages.n, 0);
	change.prop = rw;
	CHECK_EQ(cursor_protect(jump(AT(7)), PAGE_SIZE, &change), OK);
	CHECK_EQ(cursor_protect(jump(AT(5)), 5 * PAGE_SIZE, &change), OK);
	CHECK_EQ(gone.pages.n, 5);
	tlb_batch_finish(&gone);
	CHECK_EQ(cursor_unmap(jump(AT(3)), MIB(2) - 3 * PAGE_SIZE), OK);
	tlb_batch_finish(&gone);
	CHECK_EQ(cursor_protect(jump(BASE), MIB(2), &change), OK);
	CHECK_EQ(gone.pages.n, 3);
	tlb_batch_finish(&gone);
	CHECK_EQ(cursor_protect(jump(BASE + MIB(2)), MIB(2), &change), OK);
	CHECK_EQ(gone.pages.n, TLB_PAGES_ALL);
	CHECK_EQ(query(BASE + MIB(4) - PAGE_SIZE).prop.flags, DATA_RW);
	unlock_range();
	end();
}

TEST(cursor_changes_the_markers_of_a_range_alone)
{
	begin(4);
	lock_range(BASE, GIB(4));
	CHECK_EQ(cursor_set_marker(&c, GIB(2), 0x1234), OK);
	CHECK_EQ(cursor_protect(jump(BASE + PAGE_SIZE), GIB(1),
				&(struct pt_change){ ro, 0xff0, 0x40000001 }),
		 OK);
	CHECK_EQ(c.va, BASE + GIB(1) + PAGE_SIZE);
	CHECK(is_marker(BASE, 0x1234) && is_marker(c.va, 0x1234));
	CHECK(is_marker(BASE + PAGE_SIZE, 0x40000231) && is_marker(c.va - PAGE_SIZE, 0x40000231));
	CHECK_EQ(query(BASE + MIB(4)).len, MIB(2)); /* not split, except at the ends */
	CHECK_EQ(query(BASE + GIB(3)).kind, PT_ITEM_ABSENT);
	unlock_range();
	end();
}
