/* SPDX-License-Identifier: MIT */
/* Tests of mm/vm/space.c, fault.c and object.c on one CPU: mapping, faults and forks.  Invalid
 * arguments: vm_space_refused.c; allocation failures: vm_space_failures.c; random operations:
 * vm_space_model.c; several CPUs: vm_space_threads.c and tests/kernel/vm_space_cpus.c. */
#include "mm/vm/space.h"

#include "lib/bits.h"
#include "lib/string.h"
#include "tests/hog.h"
#include "tests/machine.h"
#include "tests/spaces.h"
#include "tests/test.h"

enum {
	RO = PROP_READ,
	RW = PROP_READ | PROP_WRITE,
	RX = PROP_READ | PROP_EXECUTE,
	PAGES = 16,
	LARGE = 512, /* pages */
	MIB_OF_HOST = 256,
};

static struct ledger before;
static struct picture picture;

static void begin(void)
{
	spaces_begin(MIB_OF_HOST, 0, 1);
	before = machine_ledger();
}

static err_t store(struct vm_space *s, unsigned i, uint64_t value)
{
	return page_store(s, page_at(i), value);
}

static err_t load(struct vm_space *s, unsigned i, uint64_t *value)
{
	return page_load(s, page_at(i), value);
}

static bool shows(struct vm_space *s, unsigned i, uint64_t value)
{
	return page_shows(s, page_at(i), value);
}

static struct pt_item item_at(const struct vm_space *s, unsigned i)
{
	return vm_space_query(s, page_at(i));
}

/* ---- anonymous memory ---- */

TEST(vm_space_fault_around_maps_as_many_pages_as_precede)
{
	struct vm_space *s;
	uint64_t done;

	begin();
	NEED(vm_space_new(&s) == OK);
	CHECK_EQ(vm_space_map(s, pages(0, PAGES), RW, 1), OK);
	CHECK_EQ(vm_space_protect(s, pages(6, 1), RX, &done), OK);
	CHECK_EQ(store(s, 0, 1), OK);
	CHECK_EQ(item_at(s, 1).kind, PT_ITEM_MARKER);
	CHECK_EQ(store(s, 1, 2), OK);
	CHECK_EQ(item_at(s, 2).kind, PT_ITEM_LEAF);
	CHECK_EQ(item_at(s, 3).kind, PT_ITEM_MARKER);
	CHECK_EQ(store(s, 3, 4),
		 OK); /* three pages precede, but the third page after it has another marker */
	CHECK_EQ(item_at(s, 5).kind, PT_ITEM_LEAF);
	CHECK_EQ(item_at(s, 6).kind, PT_ITEM_MARKER);
	CHECK_EQ(item_at(s, 7).kind, PT_ITEM_MARKER);
	CHECK(vm_space_check(s) == NULL);
	vm_space_put(s);
	CHECK_LEDGER(&before);
}

TEST(vm_space_fault_around_ends_with_its_node)
{
	struct vm_space *s;

	begin();
	NEED(vm_space_new(&s) == OK);
	CHECK_EQ(vm_space_map(s, pages(0, 2 * LARGE), RW, 1), OK);
	CHECK_EQ(store(s, LARGE - 4, 1), OK);
	CHECK_EQ(store(s, LARGE - 3, 2), OK);
	CHECK_EQ(item_at(s, LARGE - 2).kind, PT_ITEM_LEAF);
	CHECK_EQ(store(s, LARGE - 1, 3), OK); /* three pages precede, no entry follows */
	CHECK_EQ(item_at(s, LARGE).kind, PT_ITEM_MARKER);
	CHECK(vm_space_check(s) == NULL);
	vm_space_put(s);
	CHECK_LEDGER(&before);
}

TEST(vm_space_anonymous_pages_are_zero_filled_on_demand)
{
	struct vm_space *s;
	uint64_t done, value = 1;

	begin();
	NEED(vm_space_new(&s) == OK);
	CHECK_EQ(load(s, 0, &value), ERR_NOT_FOUND);
	CHECK_EQ(vm_space_map(s, pages(0, PAGES), RW, 1), OK);
	CHECK_EQ(vm_space_map(s, pages(PAGES - 1, 2), RW, 1), ERR_IN_USE);
	CHECK_EQ(item_at(s, PAGES).kind, PT_ITEM_ABSENT);
	CHECK(shows(s, 3, 0));
	CHECK_EQ(item_at(s, 3).pa.raw, vm_zero_page().raw);
	CHECK_EQ(store(s, 3, 33), OK);
	CHECK_EQ(store(s, 4, 44), OK);
	CHECK(shows(s, 3, 33));
	CHECK(item_at(s, 3).pa.raw != vm_zero_page().raw);
	CHECK_EQ(vm_space_protect(s, pages(4, 1), RO, &done), OK);
	CHECK_EQ(store(s, 4, 45), ERR_DENIED);
	CHECK_EQ(vm_space_protect(s, pages(0, PAGES), RW, &done), OK);
	CHECK_EQ(store(s, 4, 46), OK);
	CHECK_OWNERS(NULL);
	CHECK_EQ(vm_space_unmap(s, pages(4, 1), &done), OK);
	CHECK_EQ(store(s, 4, 47), ERR_NOT_FOUND);
	CHECK_OWNERS(NULL);
	vm_space_put(s);
	CHECK_LEDGER(&before);
}

TEST(vm_space_zero_page_is_never_written)
{
	struct vm_space *s, *child;
	uint64_t done, value;

	begin();
	NEED(vm_space_new(&s) == OK);
	CHECK_EQ(vm_space_map(s, pages(0, PAGES), RO, 1), OK);
	CHECK_EQ(store(s, 0, 1), ERR_DENIED);
	for (unsigned i = 0; i < PAGES; i++)
		CHECK_EQ(load(s, i, &value), OK);
	CHECK_EQ(store(s, 0, 1), ERR_DENIED);
	CHECK_EQ(vm_space_protect(s, pages(0, PAGES), RW, &done), OK);
	CHECK_EQ(item_at(s, 0).prop.flags & PROP_WRITE, 0);
	CHECK_EQ(store(s, 0, 10), OK);
	NEED(vm_space_fork(s, &child) == OK);
	CHECK_EQ(vm_space_protect(child, pages(0, PAGES), RW, &done), OK);
	for (unsigned i = 1; i < PAGES; i++) {
		CHECK_EQ(item_at(s, i).pa.raw, vm_zero_page().raw);
		CHECK_EQ(item_at(child, i).pa.raw, vm_zero_page().raw);
		CHECK_EQ(store(i % 2 == 0 ? s : child, i, 10 + i), OK);
	}
	for (unsigned i = 1; i < PAGES; i++)
		CHECK(shows(i % 2 == 0 ? child : s, i, 0));
	for (unsigned i = 0; i < PAGE_SIZE / sizeof(uint64_t); i++)
		CHECK_EQ(((uint64_t *)arch_direct(vm_zero_page()))[i], 0);
	CHECK_OWNERS(NULL);
	vm_space_put(s);
	vm_space_put(child);
	CHECK_LEDGER(&before);
}

TEST(vm_space_markers_keep_their_rights)
{
	struct vm_space *s;
	uint64_t done;

	begin();
	NEED(vm_space_new(&s) == OK);
	CHECK_EQ(vm_space_map(s, pages(0, 4 * LARGE), RW, 1), OK);
	CHECK_EQ(vm_space_map(s, pages(5 * LARGE, LARGE), RX, 1), OK);
	/* the range starts and ends inside large markers, with others and a hole between */
	CHECK_EQ(vm_space_protect(s, pages(LARGE / 2, 5 * LARGE), RO, &done), OK);
	CHECK_EQ(done, 5 * LARGE * PAGE_SIZE);
	CHECK_EQ(store(s, LARGE / 2, 1), ERR_DENIED);
	CHECK_EQ(store(s, 2 * LARGE, 1), ERR_DENIED);
	CHECK_EQ(store(s, LARGE / 2 - 1, 1), OK);
	CHECK_EQ(store(s, 4 * LARGE + 7, 1), ERR_NOT_FOUND);
	CHECK_EQ(vm_space_handle_fault(s, page_at(5 * LARGE), FAULT_EXECUTE), ERR_DENIED);
	CHECK_EQ(vm_space_handle_fault(s, page_at(5 * LARGE + LARGE / 2), FAULT_EXECUTE), OK);
	CHECK_EQ(item_at(s, 5 * LARGE + LARGE / 2).prop.flags & (RX | PROP_WRITE), RX);
	CHECK_EQ(vm_space_protect(s, pages(LARGE / 2, LARGE), RW | PROP_EXECUTE, &done), OK);
	CHECK_EQ(store(s, LARGE, 1), OK);
	CHECK_EQ(vm_space_handle_fault(s, page_at(LARGE), FAULT_EXECUTE), OK);
	CHECK_EQ(store(s, LARGE / 2 + LARGE, 1), ERR_DENIED);
	CHECK_OWNERS(NULL);
	vm_space_put(s);
	CHECK_LEDGER(&before);
}

TEST(vm_space_guards_fault_until_they_are_unmapped)
{
	struct vm_space *s, *child;
	uint64_t done, value;

	begin();
	NEED(vm_space_new(&s) == OK);
	CHECK_EQ(vm_space_guard(s, pages(0, LARGE)), OK);
	CHECK_EQ(vm_space_map(s, pages(LARGE, 1), RW, 1), OK);
	CHECK_EQ(vm_space_guard(s, pages(LARGE, 1)), ERR_IN_USE);
	CHECK_EQ(vm_space_map(s, pages(LARGE - 1, 1), RW, 1), ERR_IN_USE);
	CHECK_EQ(vm_space_protect(s, pages(7, 1), RW, &done), OK);
	NEED(vm_space_fork(s, &child) == OK);
	for (unsigned i = 0; i < LARGE; i += LARGE / 4) {
		CHECK_EQ(load(s, i, &value), ERR_NOT_FOUND);
		CHECK_EQ(store(child, i, 1), ERR_NOT_FOUND);
		CHECK_EQ(vm_space_handle_fault(s, page_at(i), FAULT_EXECUTE), ERR_NOT_FOUND);
	}
	CHECK_EQ(vm_space_unmap(s, pages(LARGE - 1, 1), &done), OK);
	CHECK_EQ(vm_space_map(s, pages(LARGE - 1, 1), RW, 1), OK);
	CHECK_EQ(store(s, LARGE - 1, 1), OK);
	CHECK_EQ(store(child, LARGE - 1, 1), ERR_NOT_FOUND);
	CHECK_EQ(store(s, LARGE, 1), OK);
	CHECK_OWNERS(NULL);
	vm_space_put(s);
	vm_space_put(child);
	CHECK_LEDGER(&before);
}

TEST(vm_space_of_1_tib_needs_few_nodes)
{
	enum {
		LEFT = 2000
	};
	struct vm_space *s;
	uint64_t nodes, i = 0;
	err_t err = OK;

	spaces_begin(128, 0, 1);
	before = machine_ledger();
	NEED(vm_space_new(&s) == OK);
	CHECK_EQ(vm_space_map(s, (struct vrange){ BASE, TIB(1) }, RW, 1), OK);
	CHECK_EQ(vm_space_map(s, (struct vrange){ BASE + 2 * TIB(1) + 3 * PAGE_SIZE, TIB(1) }, RW,
			      1),
		 OK);
	nodes = page_table_nodes(&s->table);
	CHECK(nodes <= 8);
	CHECK(hog_all_but(LEFT));
	for (; err == OK && i <= LEFT; i++)
		err = page_store(s, BASE + i * MIB(2), i + 1); /* one node per page */
	CHECK_EQ(err, ERR_NO_MEMORY);
	CHECK(i > LEFT / 4);
	for (uint64_t k = 0; k + 1 < i; k++)
		CHECK(page_shows(s, BASE + k * MIB(2), k + 1));
	CHECK_EQ(page_store(s, BASE, 5), OK);
	CHECK(page_shows(s, BASE + PAGE_SIZE, 0)); /* needs no new node */
	CHECK_EQ(vm_space_query(s, BASE + TIB(1) - PAGE_SIZE).kind, PT_ITEM_MARKER);
	CHECK_OWNERS(NULL);
	vm_space_clear(s);
	CHECK(space_is_bare(s));
	CHECK_EQ(vm_space_map(s, (struct vrange){ BASE, TIB(1) }, RW, 1), OK);
	CHECK_EQ(page_store(s, BASE + TIB(1) - PAGE_SIZE, 1), OK);
	hog_give_all();
	vm_space_put(s);
	CHECK_LEDGER(&before);
}

/* ---- forks ---- */

TEST(vm_space_fork_copies_on_the_first_write)
{
	struct vm_space *s, *child;
	uint64_t value = 0;
	paddr_t pa;

	begin();
	NEED(vm_space_new(&s) == OK);
	CHECK_EQ(vm_space_map(s, pages(0, PAGES), RW, 1), OK);
	CHECK_EQ(store(s, 1, 11), OK);
	CHECK_EQ(store(s, 2, 22), OK);
	CHECK_EQ(load(s, 3, &value), OK);
	NEED(vm_space_fork(s, &child) == OK);
	pa = item_at(s, 1).pa;
	CHECK_EQ(item_at(child, 1).pa.raw, pa.raw);
	CHECK_EQ(store(s, 1, 111), OK);
	CHECK(item_at(s, 1).pa.raw != pa.raw);
	CHECK(shows(child, 1, 11));
	CHECK_EQ(store(child, 1, 1111), OK); /* the only owner: reuse */
	CHECK_EQ(item_at(child, 1).pa.raw, pa.raw);
	CHECK_EQ(store(child, 3, 3333), OK);
	CHECK(shows(s, 3, 0));
	CHECK(shows(s, 1, 111));
	CHECK_OWNERS(NULL);
	vm_space_put(s);
	CHECK_EQ(store(child, 2, 2222), OK);
	vm_space_put(child);
	CHECK_LEDGER(&before);
}

TEST(vm_space_forks_of_forks_have_private_pages)
{
	enum {
		GENERATIONS = 4
	};
	struct vm_space *s[GENERATIONS];

	begin();
	NEED(vm_space_new(&s[0]) == OK);
	CHECK_EQ(vm_space_map(s[0], pages(0, LARGE + PAGES), RW, 2), OK);
	for (unsigned g = 0; g < GENERATIONS; g++) {
		if (g > 0)
			NEED(vm_space_fork(s[g - 1], &s[g]) == OK);
		/* generations 0 to i write page i, later generations do not */
		for (unsigned i = g; i < PAGES; i++) {
			CHECK_EQ(store(s[g], i, 100 * g + i), OK);
			CHECK_EQ(store(s[g], LARGE + i, 100 * g + i), OK);
		}
		CHECK_OWNERS(NULL);
	}
	for (unsigned g = 0; g < GENERATIONS; g++)
		for (unsigned i = 0; i < PAGES; i++) {
			unsigned by = i < g ? i : g;

			CHECK(shows(s[g], i, 100 * by + i));
			CHECK(shows(s[g], LARGE + i, 100 * by + i));
		}
	/* put the oldest first: the last space becomes the only owner of its pages */
	for (unsigned g = 0; g < GENERATIONS; g++) {
		for (unsigned later = g; later < GENERATIONS; later++)
			CHECK_EQ(store(s[later], later, 7000 + later), OK);
		for (unsigned later = g; later < GENERATIONS; later++)
			CHECK(shows(s[later], later, 7000 + later));
		CHECK_OWNERS(NULL);
		vm_space_put(s[g]);
	}
	CHECK_LEDGER(&before);
}

/* ---- large pages ---- */

TEST(vm_space_large_pages_are_mapped_where_they_fit)
{
	struct vm_space *s, *child;
	uint64_t value, done;

	begin();
	NEED(vm_space_new(&s) == OK);
	CHECK_EQ(vm_space_map(s, pages(1, 2 * LARGE), RW, 2), OK);
	CHECK_EQ(store(s, 5, 5), OK);
	CHECK_EQ(item_at(s, 5).level, 1);
	CHECK_EQ(store(s, 600, 600), OK);
	CHECK_EQ(item_at(s, 600).level, 2);
	NEED(vm_space_fork(s, &child) == OK);
	CHECK_EQ(store(child, 601, 601), OK);
	CHECK(shows(child, 600, 600));
	CHECK(shows(s, 601, 0));
	CHECK_EQ(vm_space_unmap(s, pages(700, 1), &done), OK);
	CHECK(shows(s, 600, 600));
	CHECK_EQ(load(s, 700, &value), ERR_NOT_FOUND);
	CHECK_EQ(item_at(s, 600).level, 1);
	CHECK_OWNERS(NULL);
	vm_space_put(child);
	vm_space_clear(s);
	CHECK(space_is_bare(s));
	vm_space_put(s);
	CHECK_LEDGER(&before);
}

/* A space with four fully written large pages, and a fork of it. */
static bool make_large_pair(struct vm_space **s, struct vm_space **child)
{
	if (vm_space_new(s) != OK || vm_space_map(*s, pages(0, 4 * LARGE), RW, 2) != OK)
		return false;
	for (unsigned i = 0; i < 4 * LARGE; i++)
		CHECK_EQ(store(*s, i, 1000 + i), OK);
	CHECK_EQ(item_at(*s, 0).level, 2);
	CHECK_EQ(item_at(*s, 4 * LARGE - 1).level, 2);
	return vm_space_fork(*s, child) == OK;
}

static void check_stored(struct vm_space *s, unsigned first, unsigned end)
{
	for (unsigned i = first; i < end; i++)
		CHECK(shows(s, i, 1000 + i));
}

TEST(vm_space_unmap_of_a_part_of_forked_large_pages_copies_nothing)
{
	enum {
		FIRST = LARGE / 2,
		END = 2 * LARGE + 5
	};
	struct vm_space *s, *child;
	uint64_t done, value;

	begin();
	NEED(make_large_pair(&s, &child));
	CHECK_EQ(vm_space_unmap(s, pages(FIRST, END - FIRST), &done), OK);
	CHECK_EQ(done, (END - FIRST) * PAGE_SIZE);
	CHECK_OWNERS(NULL);
	for (unsigned i = FIRST; i < END; i++)
		CHECK_EQ(load(s, i, &value), ERR_NOT_FOUND);
	check_stored(s, 0, FIRST);
	check_stored(s, END, 4 * LARGE);
	check_stored(child, 0, 4 * LARGE);
	CHECK_EQ(item_at(child, 0).level, 2);
	CHECK_EQ(store(s, 0, 5), OK);
	CHECK_EQ(store(child, LARGE, 6), OK); /* the child is the only owner now */
	CHECK(shows(child, 0, 1000));
	CHECK_OWNERS(NULL);
	vm_space_put(s);
	vm_space_put(child);
	CHECK_LEDGER(&before);
}

TEST(vm_space_protect_of_a_part_of_forked_large_pages_copies_nothing)
{
	enum {
		FIRST = LARGE + 3,
		N = 10
	}; /* both ends in one large page */
	struct vm_space *s, *child;
	uint64_t done;

	begin();
	NEED(make_large_pair(&s, &child));
	CHECK_EQ(vm_space_protect(child, pages(FIRST, N), RO, &done), OK);
	CHECK_OWNERS(NULL);
	check_stored(s, 0, 4 * LARGE);
	check_stored(child, 0, 4 * LARGE);
	for (unsigned i = FIRST - 1; i <= FIRST + N; i++) {
		bool is_inside = i >= FIRST && i < FIRST + N;

		CHECK_EQ(store(child, i, 2000 + i), is_inside ? ERR_DENIED : OK);
	}
	CHECK_EQ(item_at(s, FIRST).level, 2);
	check_stored(s, 0, 4 * LARGE);
	vm_space_put(s);
	/* pages without other owners are split without a copy */
	CHECK_EQ(vm_space_protect(child, pages(1, 1), RO, &done), OK);
	CHECK_EQ(store(child, 0, 1), OK);
	CHECK_EQ(store(child, 1, 1), ERR_DENIED);
	CHECK_OWNERS(NULL);
	vm_space_put(child);
	CHECK_LEDGER(&before);
}

/* Changes of a part of a 1 GiB page at BASE, whose page 70 was written, take two nodes for each
 * end. */
static void check_1_gib_parts(struct vm_space *s, uint64_t value)
{
	struct vrange part = { BASE + MIB(600), 3 * PAGE_SIZE };
	uint64_t done = 1;

	CHECK_EQ(item_at(s, 0).level, 3);
	CHECK_EQ(vm_space_protect(s, pages(70, 1), RO, &done), OK);
	CHECK_EQ(done, PAGE_SIZE);
	CHECK_EQ(item_at(s, 70).level, 1);
	CHECK_EQ(item_at(s, LARGE).level, 2);
	CHECK(shows(s, 70, value));
	CHECK_EQ(store(s, 70, 1), ERR_DENIED);
	CHECK_EQ(store(s, 71, 1), OK);
	CHECK_EQ(vm_space_unmap(s, part, &done), OK);
	CHECK_EQ(done, part.len);
	CHECK_EQ(vm_space_query(s, part.start).kind, PT_ITEM_ABSENT);
	CHECK_EQ(vm_space_query(s, part.start - PAGE_SIZE).kind, PT_ITEM_LEAF);
	CHECK_EQ(vm_space_query(s, part.start + part.len).kind, PT_ITEM_LEAF);
}

TEST(vm_space_1_gib_pages_change_in_parts)
{
	struct vm_space *s, *child;
	struct frame *f;
	uint64_t done;

	spaces_begin(MIB_OF_HOST, 3072, 1);
	before = machine_ledger();
	NEED(vm_space_new(&s) == OK);
	f = frame_alloc_block(FRAME_USER, ORDER_MAX);
	if (f == NULL || arch_pt_leaf_level_max() < 3) {
		test_skip("no block of 1 GiB is free");
		if (f != NULL)
			frame_put(f);
		vm_space_put(s);
		return;
	}
	/* a PROP_SHARED page */
	CHECK_EQ(vm_space_map_frame(s, BASE, f, RW), OK);
	CHECK_EQ(store(s, 70, 70), OK);
	check_1_gib_parts(s, 70);
	CHECK_OWNERS(NULL);
	CHECK_EQ(vm_space_unmap(s, (struct vrange){ BASE, GIB(1) }, &done), OK);
	/* an anonymous page */
	CHECK_EQ(vm_space_map(s, (struct vrange){ BASE, GIB(1) }, RW, 3), OK);
	CHECK(shows(s, 5, 0));
	CHECK_EQ(item_at(s, 5).level, 1);
	vm_space_clear(s);
	CHECK_EQ(vm_space_map(s, (struct vrange){ BASE, GIB(1) }, RW, 3), OK);
	CHECK_EQ(store(s, 70, 71), OK);
	CHECK(shows(s, 71, 0));
	CHECK_EQ(vm_space_fork(s, &child), OK);
	CHECK_EQ(store(child, 70, 72), OK); /* two nodes and 4 KiB */
	CHECK_EQ(item_at(child, 70).level, 1);
	CHECK_EQ(item_at(child, LARGE).level, 2);
	CHECK_OWNERS(NULL);
	vm_space_put(child);
	check_1_gib_parts(s, 71);
	CHECK_OWNERS(NULL);
	vm_space_put(s);
	CHECK_LEDGER(&before);
}

/* ---- shared frames (PROP_SHARED) ---- */

TEST(vm_space_frames_that_are_mapped_are_shared_with_forks)
{
	struct frame *f, *handle;
	struct vm_space *s, *child;
	uint64_t done;

	begin();
	f = frame_alloc(FRAME_USER);
	NEED(f != NULL && vm_space_new(&s) == OK);
	memset(arch_direct(frame_paddr(f)), 0, PAGE_SIZE);
	handle = frame_get(f);
	CHECK_EQ(vm_space_map_frame(s, page_at(1), f, RW), OK);
	CHECK_EQ(store(s, 1, 1), OK);
	NEED(vm_space_fork(s, &child) == OK);
	CHECK_EQ(frame_count(handle), 3);
	CHECK_EQ(store(child, 1, 2), OK);
	CHECK(shows(s, 1, 2));
	CHECK_EQ(vm_space_protect(child, pages(0, 3), RO, &done), OK);
	CHECK_EQ(store(child, 1, 3), ERR_DENIED);
	CHECK_EQ(store(s, 1, 4), OK);
	CHECK(shows(child, 1, 4));
	CHECK_EQ(vm_space_protect(child, pages(0, 3), RW, &done), OK);
	CHECK_EQ(store(child, 1, 5), OK); /* no copy-on-write despite other owners */
	CHECK(shows(s, 1, 5));
	CHECK_OWNERS((&(struct handles){ .frame = &handle, .frames = 1 }));
	CHECK_EQ(vm_space_unmap(s, pages(1, 1), &done), OK);
	CHECK(shows(child, 1, 5));
	CHECK_EQ(frame_count(handle), 2);
	vm_space_put(s);
	vm_space_put(child);
	CHECK_EQ(frame_count(handle), 1);
	frame_put(handle);
	CHECK_LEDGER(&before);
}

TEST(vm_space_map_frame_that_fails_leaves_the_count_to_the_caller)
{
	struct frame *small, *large, *odd;
	struct frame *all[3];
	struct vm_space *s;

	begin();
	small = all[0] = frame_alloc(FRAME_USER);
	large = all[1] = frame_alloc_block(FRAME_USER, CHUNK_ORDER);
	odd = all[2] = frame_alloc_block(FRAME_USER, 3);
	NEED(small != NULL && large != NULL && odd != NULL && vm_space_new(&s) == OK);
	CHECK_EQ(vm_space_map(s, pages(LARGE, 1), RW, 1), OK);
	picture_take(&picture, s);
	CHECK_EQ(vm_space_map_frame(s, page_at(LARGE), small, RW), ERR_IN_USE);
	CHECK_EQ(vm_space_map_frame(s, page_at(0) + 1, small, RW), ERR_BAD_RANGE);
	CHECK_EQ(vm_space_map_frame(s, 0, small, RW), ERR_BAD_RANGE);
	CHECK_EQ(vm_space_map_frame(s, page_at(0), small, PROP_WRITE), ERR_BAD_RANGE);
	CHECK_EQ(vm_space_map_frame(s, page_at(LARGE), large, RW), ERR_IN_USE);
	CHECK_EQ(vm_space_map_frame(s, page_at(1), large, RW), ERR_BAD_RANGE);
	CHECK_EQ(vm_space_map_frame(s, pt_half_bytes(s->table.levels) - PAGE_SIZE, large, RW),
		 ERR_BAD_RANGE);
	CHECK_EQ(vm_space_map_frame(s, page_at(0), odd, RW), ERR_BAD_RANGE);
	CHECK_PICTURE(&picture, s);
	CHECK_OWNERS((&(struct handles){ .frame = all, .frames = 3 }));
	vm_space_put(s);
	for (unsigned i = 0; i < 3; i++)
		frame_put(all[i]);
	CHECK_LEDGER(&before);
}

TEST(vm_space_blocks_with_other_owners_are_split_in_parts)
{
	struct frame *block, *handle;
	struct vm_space *s;
	uint64_t done = 1;

	begin();
	block = frame_alloc_block(FRAME_USER, CHUNK_ORDER);
	NEED(block != NULL && vm_space_new(&s) == OK);
	memset(arch_direct(frame_paddr(block)), 0, MIB(2));
	handle = frame_get(block);
	CHECK_EQ(vm_space_map_frame(s, page_at(LARGE), block, RW), OK);
	CHECK_EQ(vm_space_map(s, pages(0, LARGE), RW, 1), OK);
	CHECK_EQ(store(s, LARGE + 9, 9), OK);
	CHECK_EQ(vm_space_protect(s, pages(7, LARGE), RO, &done), OK);
	CHECK_EQ(store(s, LARGE + 6, 1), ERR_DENIED);
	CHECK_EQ(store(s, LARGE + 7, 1), OK);
	CHECK_OWNERS((&(struct handles){ .frame = &handle, .frames = 1 }));
	CHECK_EQ(vm_space_unmap(s, pages(LARGE + 1, 1), &done), OK);
	CHECK_OWNERS((&(struct handles){ .frame = &handle, .frames = 1 }));
	CHECK_EQ(frame_order(handle), CHUNK_ORDER); /* still one block for its other owner */
	frame_put(handle);
	CHECK(shows(s, LARGE + 9, 9));
	CHECK_EQ(store(s, LARGE + 1, 1), ERR_NOT_FOUND);
	CHECK_OWNERS(NULL);
	vm_space_put(s);
	CHECK_LEDGER(&before);
}
