/* SPDX-License-Identifier: MIT */
/* Tests of mm/pt/page_table.c against a flat map and a reference walker. */
#include "mm/pt/cursor.h"

#include "lib/string.h"
#include "tests/machine.h"
#ifndef KEEL_TESTS
#include "arch/host/host.h"
#endif
#include "tests/test.h"

enum {
	PAGES = 4 * 512 + 100, /* of the window that the model covers */
#ifdef KEEL_TESTS
	STEPS = 300,
#else
	STEPS = 3000,
#endif
};
#define BASE    UINT64_C(0xffffc10000000000)
#define DATA_RW (PROP_READ | PROP_WRITE)

struct model_page {
	uint8_t kind; /* enum pt_item_kind */
	uint8_t type;
	uint16_t flags;
	uint32_t marker;
	uint64_t pa;
};

static struct model_page model[PAGES];
static struct page_table pt;

static void begin(void)
{
#ifndef KEEL_TESTS
	machine_start_simple(256, 0, 1);
#endif
	pt_node_inject_failure(0);
	memset(model, 0, sizeof(model));
}

/* An independent version of the CPU's walk: SDM 3A 4.5, figures 4-8 to 4-10. */
static uint64_t reference_walk(uint64_t va, uint64_t *leaf)
{
	uint64_t table = frame_paddr(pt.root).raw;

	for (int shift = 12 + 9 * ((int)pt.levels - 1);; shift -= 9) {
		uint64_t e = ((uint64_t *)arch_direct(paddr(table)))[va >> shift & 511];

		*leaf = e;
		if ((e & 1) == 0)
			return UINT64_MAX;
		if (shift == 12 || (e & 0x80) != 0)
			return (e & 0x000ffffffffff000) + (va & ((UINT64_C(1) << shift) - 1));
		table = e & 0x000ffffffffff000;
	}
}

static bool page_agrees(unsigned i)
{
	uint64_t va = BASE + (uint64_t)i * PAGE_SIZE, leaf;
	struct pt_item item = page_table_query(&pt, va);
	const struct model_page *m = &model[i];
	uint64_t pa = reference_walk(va, &leaf);

	if (item.kind != (enum pt_item_kind)m->kind || va < item.start ||
	    va - item.start >= item.len)
		return false;
	if (m->kind == PT_ITEM_MARKER)
		return item.marker == m->marker && pa == UINT64_MAX;
	if (m->kind == PT_ITEM_ABSENT)
		return pa == UINT64_MAX && leaf == 0;
	return pa == m->pa && item.pa.raw + (va - item.start) == m->pa &&
	       (item.prop.flags & ~PROP_TRACKED) == m->flags && item.prop.type == m->type &&
	       (leaf >> 1 & 1) == ((m->flags & PROP_WRITE) != 0) &&
	       (leaf >> 63) == ((m->flags & PROP_EXECUTE) == 0);
}

static bool all_agree(void)
{
	const char *wrong = page_table_check(&pt);

	if (wrong != NULL)
		test_fail(__FILE__, __LINE__, "%s", wrong);
	for (unsigned i = 0; i < PAGES; i++) {
		if (!page_agrees(i)) {
			test_fail(__FILE__, __LINE__, "page %u differs from the model", i);
			return false;
		}
	}
	return wrong == NULL;
}

static void model_set(unsigned first, unsigned n, uint64_t pa, struct page_prop prop)
{
	for (unsigned i = 0; i < n; i++)
		model[first + i] = (struct model_page){ .kind = PT_ITEM_LEAF,
							.flags = prop.flags,
							.type = prop.type,
							.pa = pa + (uint64_t)i * PAGE_SIZE };
}

static unsigned model_free_run(unsigned first, unsigned n)
{
	unsigned i = 0;

	while (i < n && model[first + i].kind == PT_ITEM_ABSENT)
		i++;
	return i;
}

static struct page_prop random_prop(void)
{
	unsigned flags = PROP_READ | (test_random_below(2) ? PROP_WRITE : 0u) |
			 (test_random_below(2) ? PROP_EXECUTE : 0u) |
			 (test_random_below(2) ? PROP_GLOBAL : 0u);

	return (struct page_prop){ (uint16_t)flags, (uint8_t)test_random_below(MEM_TYPES) };
}

static uint32_t random_marker(void)
{
	return (uint32_t)test_random() >> (32 - PT_MARKER_BITS);
}

static struct tlb_batch gone;

static void open_at(struct cursor *c, unsigned first)
{
	tlb_batch_init(&gone, &tlb_kernel_space);
	CHECK_EQ(cursor_open(c, &pt, (struct vrange){ BASE, (size_t)PAGES * PAGE_SIZE }, &gone),
		 OK);
	CHECK_EQ(cursor_jump(c, BASE + (uint64_t)first * PAGE_SIZE), OK);
}

/* The position of the cursor, in pages. */
static unsigned position(const struct cursor *c)
{
	return (unsigned)((c->va - BASE) / PAGE_SIZE);
}

/* Mostly a small number. */
static unsigned random_pages(unsigned first)
{
	unsigned n = 1 + (unsigned)test_random_below(test_random_below(3) == 0 ? PAGES : 20);

	return n > PAGES - first ? PAGES - first : n;
}

static void step_map(void)
{
	unsigned first = (unsigned)test_random_below(PAGES), n = random_pages(first);
	uint64_t pa = GIB(8) + test_random_below(4) * MIB(2) + (uint64_t)first * PAGE_SIZE;
	struct page_prop prop = random_prop();
	struct cursor c;
	err_t err;

	open_at(&c, first);
	err = cursor_map_pa(&c, paddr(pa), (uint64_t)n * PAGE_SIZE, prop, 3);
	CHECK(err == OK || err == ERR_IN_USE || err == ERR_NO_MEMORY);
	CHECK(err != OK || position(&c) == first + n);
	CHECK(position(&c) - first <= model_free_run(first, n));
	model_set(first, position(&c) - first, pa, prop);
	cursor_close(&c);
}

static void step_unmap(void)
{
	unsigned first = (unsigned)test_random_below(PAGES);
	unsigned n = 1 + (unsigned)test_random_below(PAGES - first);
	struct cursor c;
	err_t err;

	open_at(&c, first);
	err = cursor_unmap(&c, (uint64_t)n * PAGE_SIZE);
	CHECK(err == OK || err == ERR_NO_MEMORY);
	CHECK(err != OK || position(&c) == first + n);
	memset(&model[first], 0, (position(&c) - first) * sizeof(model[0]));
	cursor_close(&c);
	tlb_batch_finish(&gone);
}

static void step_protect(void)
{
	unsigned first = (unsigned)test_random_below(PAGES);
	unsigned n = 1 + (unsigned)test_random_below(PAGES - first);
	struct pt_change change = { random_prop(), (uint32_t)test_random(), random_marker() };
	struct cursor c;
	err_t err;

	open_at(&c, first);
	err = cursor_protect(&c, (uint64_t)n * PAGE_SIZE, &change);
	CHECK(err == OK || err == ERR_NO_MEMORY);
	CHECK(err != OK || position(&c) == first + n);
	for (unsigned i = first; i < position(&c); i++)
		if (model[i].kind == PT_ITEM_LEAF) {
			model[i].flags = change.prop.flags;
			model[i].type = change.prop.type;
		} else if (model[i].kind == PT_ITEM_MARKER) {
			model[i].marker = (model[i].marker & change.marker_keep) |
					  change.marker_set;
		}
	cursor_close(&c);
	tlb_batch_finish(&gone);
}

static void step_marker(void)
{
	unsigned first = (unsigned)test_random_below(PAGES), n = random_pages(first);
	uint32_t marker = random_marker();
	struct cursor c;
	err_t err;

	open_at(&c, first);
	err = cursor_set_marker(&c, (uint64_t)n * PAGE_SIZE, marker);
	CHECK(err == (model_free_run(first, n) == n ? OK : ERR_IN_USE) || err == ERR_NO_MEMORY);
	CHECK(err != OK || position(&c) == first + n);
	CHECK(position(&c) - first <= model_free_run(first, n));
	for (unsigned i = first; i < position(&c); i++)
		model[i] = (struct model_page){ .kind = PT_ITEM_MARKER, .marker = marker };
	cursor_close(&c);
}

/* A page of either size; ERR_IN_USE where the table has pages of the other size. */
static void step_replace(void)
{
	unsigned level = 1 + (unsigned)test_random_below(2), n = level == 1 ? 1 : 512;
	unsigned first = (unsigned)test_random_below(PAGES / n) * n;
	uint64_t pa = GIB(16) + test_random_below(4) * MIB(2);
	struct pt_item there = page_table_query(&pt, BASE + (uint64_t)first * PAGE_SIZE);
	struct page_prop prop = random_prop();
	struct cursor c;
	err_t err;
	bool is_other = there.kind == PT_ITEM_LEAF ? there.len != pte_span(level)
						   : there.len < pte_span(level);

	open_at(&c, first);
	err = cursor_replace(&c, paddr(pa), prop, level);
	CHECK(err == (is_other ? ERR_IN_USE : OK) || err == ERR_NO_MEMORY);
	CHECK_EQ(position(&c), err == OK ? first + n : first);
	model_set(first, position(&c) - first, pa, prop);
	cursor_close(&c);
	tlb_batch_finish(&gone);
}

/* A split changes no translation. */
static void step_split(void)
{
	unsigned first = (unsigned)test_random_below(PAGES);
	struct cursor c;
	err_t err;

	open_at(&c, first);
	err = cursor_split(&c);
	CHECK(err == OK || err == ERR_NO_MEMORY);
	CHECK_EQ(position(&c), first);
	if (err == OK && model[first].kind != PT_ITEM_ABSENT)
		CHECK_EQ(page_table_query(&pt, c.va).start, c.va);
	cursor_close(&c);
}

static bool model_is_one_page(unsigned first)
{
	const struct model_page *m = &model[first];

	for (unsigned i = 0; i < 512; i++)
		if (m[i].kind != PT_ITEM_LEAF || m[i].pa != m->pa + (uint64_t)i * PAGE_SIZE ||
		    m[i].flags != m->flags || m[i].type != m->type)
			return false;
	return m->pa % MIB(2) == 0;
}

/* Random operations alone hardly ever make 512 pages that can collapse. */
static void fill_small(struct cursor *c, unsigned first)
{
	uint64_t va = c->va, pa = GIB(8) + (uint64_t)first * PAGE_SIZE;
	struct page_prop prop = random_prop();
	err_t err = cursor_unmap(c, MIB(2));

	CHECK(err == OK || err == ERR_NO_MEMORY);
	memset(&model[first], 0, (position(c) - first) * sizeof(model[0]));
	if (err != OK)
		return;
	CHECK_EQ(cursor_jump(c, va), OK);
	err = cursor_map_pa(c, paddr(pa), MIB(2), prop, 1);
	CHECK(err == OK || err == ERR_NO_MEMORY);
	model_set(first, position(c) - first, pa, prop);
}

static unsigned collapsed;

static void step_collapse(void)
{
	unsigned first = (unsigned)test_random_below(PAGES / 512) * 512;
	struct cursor c;
	bool is_split;
	err_t err;

	open_at(&c, first);
	if (test_random_below(2) == 0)
		fill_small(&c, first);
	CHECK_EQ(cursor_jump(&c, BASE + (uint64_t)first * PAGE_SIZE), OK);
	is_split = cursor_query(&c).len == PAGE_SIZE;
	err = cursor_collapse(&c, 2);
	CHECK_EQ(err, is_split && model_is_one_page(first) ? OK : ERR_IN_USE);
	CHECK_EQ(position(&c), err == OK ? first + 512 : first);
	collapsed += err == OK;
	cursor_close(&c);
	tlb_batch_finish(&gone);
}

static void step(void)
{
	static void (*const steps[])(void) = { step_map,     step_map,     step_map,    step_unmap,
					       step_unmap,   step_protect, step_marker, step_marker,
					       step_replace, step_replace, step_split,  step_split,
					       step_collapse };

	steps[test_random_below(ARRAY_SIZE(steps))]();
}

static void empty_the_window(void)
{
	struct cursor c;

	open_at(&c, 0);
	CHECK_EQ(cursor_unmap(&c, (uint64_t)PAGES * PAGE_SIZE), OK);
	cursor_close(&c);
	tlb_batch_finish(&gone);
	memset(model, 0, sizeof(model));
}

TEST(page_table_agrees_with_a_flat_map)
{
	struct ledger before;

	begin();
	before = machine_ledger();
	NEED(page_table_init(&pt, 4) == OK);
	for (unsigned i = 0; i < STEPS; i++) {
		step();
		if (i % 16 == 0)
			NEED(all_agree());
	}
	NEED(all_agree());
	test_diag("%u of %u steps collapsed 512 pages into one", collapsed, STEPS);
	empty_the_window();
	CHECK_EQ(page_table_nodes(&pt), 1); /* empty nodes are freed */
	page_table_destroy(&pt);
	CHECK_LEDGER(&before);
}

TEST(page_table_survives_every_failure_of_a_node)
{
	struct ledger before;

	begin();
	before = machine_ledger();
	NEED(page_table_init(&pt, 5) == OK);
	for (unsigned i = 0; i < STEPS; i++) {
		pt_node_inject_failure(1 + (unsigned)test_random_below(4));
		step();
		pt_node_inject_failure(0);
		if (i % 16 == 0)
			NEED(all_agree());
	}
	NEED(all_agree());
	empty_the_window();
	page_table_destroy(&pt);
	CHECK_LEDGER(&before);
}

TEST(page_table_owns_the_frames_of_tracked_leaves)
{
	struct page_prop rw = { DATA_RW, MEM_WRITE_BACK };
	struct frame *small, *large;
	struct ledger before;
	struct cursor c;

	begin();
	before = machine_ledger();
	NEED(page_table_init(&pt, 4) == OK);
	small = frame_alloc(FRAME_TEST);
	large = frame_alloc_block(FRAME_TEST, CHUNK_ORDER);
	NEED(small != NULL && large != NULL);
	(void)frame_get(small);
	open_at(&c, 512);
	CHECK_EQ(cursor_map(&c, large, rw), OK);
	CHECK_EQ(position(&c), 1024);
	CHECK_EQ(cursor_map(&c, small, rw), OK);
	CHECK_EQ(cursor_jump(&c, BASE + 600 * PAGE_SIZE), OK);
	CHECK_EQ(cursor_map(&c, small, rw), ERR_IN_USE);
	/* unmap one page of the large one: it is split, and each frame gets its own count */
	CHECK_EQ(cursor_jump(&c, BASE + 700 * PAGE_SIZE), OK);
	CHECK_EQ(cursor_unmap(&c, PAGE_SIZE), OK);
	tlb_batch_finish(&gone);
	CHECK_EQ(frame_count(small), 2);
	CHECK(page_table_check(&pt) == NULL);
	CHECK_EQ(page_table_query(&pt, BASE + 700 * PAGE_SIZE).kind, PT_ITEM_ABSENT);
	CHECK_EQ(page_table_query(&pt, BASE + 701 * PAGE_SIZE).kind, PT_ITEM_LEAF);
	cursor_close(&c);
	page_table_destroy(&pt);
	CHECK_EQ(frame_count(small), 1);
	frame_put(small);
	CHECK_LEDGER(&before);
}

TEST(audit_mom_01_addresses_that_are_not_canonical_are_errors)
{
	static const struct vrange bad[] = {
		{ UINT64_C(0x0000800000000000), PAGE_SIZE },
		{ UINT64_C(0xffff7ffffffff000), PAGE_SIZE },
		{ UINT64_C(0x00007ffffffff000), 2 * PAGE_SIZE },
		{ 0, UINT64_C(1) << 63 },
		{ 1, PAGE_SIZE },
		{ PAGE_SIZE, 0 },
		{ PAGE_SIZE, 100 },
		{ UINT64_C(0xfffffffffffff000), 2 * PAGE_SIZE },
	};
	struct cursor c;

	begin();
	NEED(page_table_init(&pt, 4) == OK);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(cursor_open(&c, &pt, bad[i], NULL), ERR_BAD_RANGE);
		CHECK_EQ(page_table_query(&pt, bad[i].start).kind, PT_ITEM_ABSENT);
	}
	CHECK_EQ(cursor_open(&c, &pt, (struct vrange){ UINT64_C(0xfffffffffffff000), PAGE_SIZE },
			     NULL),
		 OK);
	CHECK_EQ(cursor_map_pa(&c, paddr(GIB(1)), PAGE_SIZE, (struct page_prop){ PROP_READ, 0 }, 1),
		 OK);
	CHECK_EQ(cursor_left(&c), 0);
	CHECK_EQ(cursor_query(&c).len, 0);
	cursor_close(&c);
	page_table_destroy(&pt);
	CHECK(pte_is_canonical(UINT64_C(0x00ffffffffffffff), 5));
	CHECK(!pte_is_canonical(UINT64_C(0x0100000000000000), 5));
	CHECK(!pte_is_canonical(UINT64_C(0x0000800000000000), 4));
	CHECK(pte_is_canonical(UINT64_C(0x0000800000000000), 5));
}

TEST(audit_cur_06_tracked_or_not_is_a_property_of_the_entry)
{
	struct page_prop lie = { DATA_RW | PROP_TRACKED, MEM_WRITE_BACK };
	struct ledger before;
	struct cursor c;

	begin();
	before = machine_ledger();
	NEED(page_table_init(&pt, 4) == OK);
	open_at(&c, 0);
	/* cursor_map_pa() is untracked, even with PROP_TRACKED in the flags */
	CHECK_EQ(cursor_map_pa(&c, paddr(MIB(32)), 3 * MIB(2) / 2, lie, 3), OK);
	for (unsigned i = 0; i < 768; i++)
		CHECK_EQ(page_table_query(&pt, BASE + i * PAGE_SIZE).prop.flags & PROP_TRACKED, 0);
	CHECK_EQ(cursor_map_pa(&c, paddr(0), (uint64_t)PAGES * PAGE_SIZE, lie, 3), ERR_BAD_RANGE);
	cursor_close(&c);
	page_table_destroy(&pt);
	CHECK_LEDGER(&before);
}

TEST(audit_mom_04_present_is_not_readable)
{
	struct pt_item item;
	struct cursor c;

	begin();
	NEED(page_table_init(&pt, 4) == OK);
	open_at(&c, 3);
	CHECK_EQ(cursor_set_marker(&c, PAGE_SIZE, 0), OK);
	item = page_table_query(&pt, BASE + 3 * PAGE_SIZE);
	CHECK_EQ(item.kind, PT_ITEM_MARKER);
	CHECK_EQ(item.marker, 0);
	CHECK_EQ(page_table_query(&pt, BASE + 4 * PAGE_SIZE).kind, PT_ITEM_ABSENT);
	cursor_close(&c);
	page_table_destroy(&pt);
}

TEST(pte_markers_name_no_memory)
{
	for (unsigned i = 0; i < 64; i++) {
		uint32_t marker = i < PT_MARKER_BITS
					  ? UINT32_C(1) << i
					  : (uint32_t)test_random() >> (32 - PT_MARKER_BITS);
		pte_t pte = pte_make_marker(marker);

		CHECK(!pte_is_present(pte) && pte_is_marker(pte));
		CHECK_EQ(pte_marker(pte), marker);
		for (unsigned bits = 36; bits <= 52; bits++) { /* L1TF: that are compared */
			uint64_t mask = (UINT64_C(1) << bits) - 1;

			CHECK((pte_paddr(pte) & mask) > mask - GIB(2));
		}
	}
}

TEST(pte_keeps_what_it_is_made_of)
{
	for (unsigned flags = 0; flags < 2 * PROP_DENY_EXECUTE; flags++)
		for (unsigned type = 0; type < MEM_TYPES; type++)
			for (unsigned level = 1; level <= 3; level++) {
				struct page_prop p = { (uint16_t)flags, (uint8_t)type }, q;
				pte_t pte = pte_make_leaf(GIB(5), p, level);

				q = pte_prop(pte);
				/* a leaf without access is in no half that all spaces share */
				CHECK_EQ(q.flags, (flags & PROP_READ) != 0
							  ? flags
							  : flags & ~(unsigned)PROP_GLOBAL);
				CHECK_EQ(q.type, type);
				CHECK_EQ(pte_paddr(pte), GIB(5));
				CHECK(pte_is_leaf(pte, level) && !pte_is_marker(pte));
				CHECK_EQ(pte_is_present(pte), (flags & PROP_READ) != 0);
				CHECK_EQ(pte_is_held(pte), (flags & PROP_READ) == 0);
			}
	CHECK(!pte_is_leaf(pte_make_table(MIB(1)), 2));
}

#ifndef KEEL_TESTS
TEST(audit_mom_02_a_large_page_is_one_invalidation)
{
	struct page_prop rw = { DATA_RW, MEM_WRITE_BACK };
	struct cursor c;

	begin();
	NEED(page_table_init(&pt, 4) == OK);
	open_at(&c, 0);
	CHECK_EQ(cursor_map_pa(&c, paddr(GIB(4)), MIB(4), rw, 3), OK);
	CHECK_EQ(cursor_jump(&c, BASE), OK);
	host_tlb_log.pages = host_tlb_log.alls = 0;
	tlb_batch_init(&gone, &tlb_kernel_space);
	CHECK_EQ(cursor_unmap(&c, MIB(4)), OK);
	tlb_batch_finish(&gone);
	CHECK(host_tlb_log.pages >= 2 &&
	      host_tlb_log.pages <= 4); /* and the nodes that became empty */
	CHECK_EQ(host_tlb_log.page[0], BASE);
	CHECK_EQ(host_tlb_log.page[1], BASE + MIB(2));
	CHECK_EQ(host_tlb_log.alls, 0);
	cursor_close(&c);
	page_table_destroy(&pt);
}
#endif
