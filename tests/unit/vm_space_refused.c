/* SPDX-License-Identifier: MIT */
/* Tests of mm/vm/space.c with invalid ranges and rights: an error, and no change. */
#include "mm/vm/space.h"

#include "lib/bits.h"
#include "mm/pt/spot.h"
#include "tests/machine.h"
#include "tests/spaces.h"
#include "tests/test.h"

enum {
	RO = PROP_READ,
	RW = PROP_READ | PROP_WRITE,
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

static bool shows(struct vm_space *s, unsigned i, uint64_t value)
{
	return page_shows(s, page_at(i), value);
}

/* A space with one page of each kind. */
static struct vm_space *make_varied(void)
{
	struct vm_space *s;

	if (vm_space_new(&s) != OK)
		return NULL;
	CHECK_EQ(vm_space_map(s, pages(0, PAGES), RW, 1), OK);
	CHECK_EQ(vm_space_guard(s, pages(PAGES, 1)), OK);
	CHECK_EQ(vm_space_map(s, pages(LARGE, 2 * LARGE), RW, 2), OK);
	CHECK_EQ(store(s, 1, 1), OK);
	CHECK(shows(s, 2, 0));
	CHECK_EQ(store(s, LARGE + 1, 2), OK);
	return s;
}

/* All functions with a range argument refuse this range. */
static void check_refused(struct vm_space *s, struct vrange range, struct vm_object *o)
{
	uint64_t done = 1;

	CHECK_EQ(vm_space_map(s, range, RW, 1), ERR_BAD_RANGE);
	CHECK_EQ(vm_space_guard(s, range), ERR_BAD_RANGE);
	CHECK_EQ(vm_space_map_object(s, range, o, 0, RW), ERR_BAD_RANGE);
	CHECK_EQ(vm_space_unmap(s, range, &done), ERR_BAD_RANGE);
	CHECK_EQ(done, 0);
	done = 1;
	CHECK_EQ(vm_space_protect(s, range, RO, &done), ERR_BAD_RANGE);
	CHECK_EQ(done, 0);
}

TEST(vm_space_bad_ranges_are_refused)
{
	struct vm_space *s;
	struct vm_object *o;
	uint64_t half;

	begin();
	NEED((s = make_varied()) != NULL && vm_object_new(GIB(1), &o) == OK);
	half = pt_half_bytes(s->table.levels);
	picture_take(&picture, s);
	const struct vrange bad[] = {
		{ BASE + 1, PAGE_SIZE },
		{ BASE, PAGE_SIZE + 1 },
		{ BASE, 1 },
		{ BASE, 0 },
		{ 0, PAGE_SIZE },
		{ 0, half },
		{ BASE, UINT64_MAX },
		{ BASE, -BASE },
		{ BASE, -(uint64_t)PAGE_SIZE },
		{ BASE, half - BASE + PAGE_SIZE },
		{ half - PAGE_SIZE, 2 * PAGE_SIZE },
		{ half - PAGE_SIZE, PAGE_SIZE },
		{ half - 2 * PAGE_SIZE, 2 * PAGE_SIZE },
		{ half, PAGE_SIZE },
		{ -half - PAGE_SIZE, PAGE_SIZE },
		{ -half - PAGE_SIZE, 2 * PAGE_SIZE },
		{ -half, PAGE_SIZE },
		{ -(uint64_t)PAGE_SIZE, PAGE_SIZE },
		{ -(uint64_t)PAGE_SIZE, 3 * PAGE_SIZE },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		check_refused(s, bad[i], o);
		if (bad[i].start != BASE && bad[i].start != BASE + 1 &&
		    bad[i].start != half - 2 * PAGE_SIZE) {
			CHECK_EQ(vm_space_handle_fault(s, bad[i].start, FAULT_READ), ERR_NOT_FOUND);
			CHECK_EQ(vm_space_handle_fault(s, bad[i].start, FAULT_WRITE),
				 ERR_NOT_FOUND);
			CHECK_EQ(vm_space_query(s, bad[i].start).kind, PT_ITEM_ABSENT);
		}
	}
	CHECK_PICTURE(&picture, s);
	CHECK_OWNERS((&(struct handles){ .object = &o, .objects = 1 }));
	/* the last page of the user half but one is valid */
	CHECK_EQ(
		vm_space_map(s, (struct vrange){ half - 2 * PAGE_SIZE, PAGE_SIZE }, PROP_RIGHTS, 1),
		OK);
	CHECK_EQ(page_store(s, half - 2 * PAGE_SIZE, 5), OK);
	CHECK_EQ(vm_space_handle_fault(s, half - PAGE_SIZE, FAULT_EXECUTE), ERR_NOT_FOUND);
	CHECK_EQ(vm_space_map(s, (struct vrange){ PAGE_SIZE, PAGE_SIZE }, RW, 1), OK);
	CHECK_EQ(page_store(s, PAGE_SIZE, 5), OK);
	vm_space_put(s);
	vm_object_put(o);
	CHECK_LEDGER(&before);
}

TEST(vm_space_bad_rights_are_refused)
{
	static const unsigned bad[] = {
		PROP_WRITE,     PROP_EXECUTE,     PROP_WRITE | PROP_EXECUTE,
		RW | PROP_USER, RW | PROP_GLOBAL, RW | PROP_TRACKED,
		RW | PROP_COPY, RO | PROP_SHARED, RO | 1u << 16,
		RO | 1u << 31,
	};
	struct vm_space *s;
	uint64_t done;

	begin();
	NEED((s = make_varied()) != NULL);
	picture_take(&picture, s);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(vm_space_map(s, pages(100, 1), bad[i], 1), ERR_BAD_RANGE);
		done = 1;
		CHECK_EQ(vm_space_protect(s, pages(0, PAGES), bad[i], &done), ERR_BAD_RANGE);
		CHECK_EQ(done, 0);
	}
	CHECK_EQ(vm_space_map(s, pages(100, 1), RW, 0), ERR_BAD_RANGE);
	CHECK_EQ(vm_space_map(s, pages(100, 1), RW, PT_LEAF_LEVEL_MAX + 1), ERR_BAD_RANGE);
	CHECK_EQ(vm_space_map(s, pages(100, 1), RW, UINT32_MAX), ERR_BAD_RANGE);
	CHECK_PICTURE(&picture, s);
	vm_space_put(s);
	CHECK_LEDGER(&before);
}

TEST(vm_space_overlaps_are_refused_and_change_nothing)
{
	struct vm_space *s;
	struct vm_object *o;
	uint64_t nodes;

	begin();
	NEED((s = make_varied()) != NULL && vm_object_new(GIB(1), &o) == OK);
	picture_take(&picture, s);
	nodes = page_table_nodes(&s->table);
	const struct vrange bad[] = {
		pages(0, 1),
		pages(0, 4 * LARGE),
		pages(PAGES, 1),
		pages(PAGES + 1, LARGE),
		pages(3 * LARGE - 1, LARGE),
		{ PAGE_SIZE, BASE },
		{ BASE - GIB(1), GIB(3) },
		{ BASE - GIB(700) - PAGE_SIZE, TIB(1) },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_EQ(vm_space_map(s, bad[i], RW, 3), ERR_IN_USE);
		CHECK_EQ(vm_space_guard(s, bad[i]), ERR_IN_USE);
		CHECK_PICTURE(&picture, s);
		CHECK_EQ(page_table_nodes(&s->table), nodes);
	}
	CHECK_EQ(vm_space_map_object(s, pages(0, LARGE), o, 0, RW), ERR_IN_USE);
	CHECK_PICTURE(&picture, s);
	vm_space_put(s);
	vm_object_put(o);
	CHECK_LEDGER(&before);
}

/* ---- no access, and rights that cannot be added ---- */

static err_t protect(struct vm_space *s, unsigned first, unsigned n, unsigned rights)
{
	uint64_t done;

	return vm_space_protect(s, pages(first, n), rights, &done);
}

TEST(vm_space_page_without_access_keeps_its_content)
{
	struct vm_space *s, *child;
	struct pt_item item;

	begin();
	NEED((s = make_varied()) != NULL);
	CHECK_EQ(protect(s, 0, PAGES, 0), OK);
	CHECK_EQ(protect(s, LARGE, LARGE, 0), OK); /* a large page */
	for (unsigned i = 0; i < 3; i++) {         /* a marker, a page, the zero page */
		CHECK_EQ(vm_space_handle_fault(s, page_at(i), FAULT_READ), ERR_DENIED);
		CHECK_EQ(vm_space_handle_fault(s, page_at(i), FAULT_WRITE), ERR_DENIED);
		CHECK_EQ(vm_space_handle_fault(s, page_at(i), FAULT_EXECUTE), ERR_DENIED);
	}
	item = vm_space_query(s, page_at(1));
	CHECK(item.kind == PT_ITEM_LEAF && (item.prop.flags & PROP_RIGHTS) == 0);
	CHECK_EQ(vm_space_handle_fault(s, page_at(LARGE + 1), FAULT_READ), ERR_DENIED);
	CHECK(vm_space_check(s) == NULL);
	NEED(vm_space_fork(s, &child) == OK);
	CHECK_OWNERS(NULL);
	CHECK_EQ(protect(child, 0, PAGES, RW), OK);
	CHECK(shows(child, 0, 0) && shows(child, 1, 1) && shows(child, 2, 0));
	CHECK_EQ(store(child, 1, 7), OK); /* a copy */
	CHECK_EQ(protect(s, LARGE + 1, 1, RO), OK);
	CHECK(shows(s, LARGE + 1, 2));
	CHECK_EQ(vm_space_handle_fault(s, page_at(LARGE + 2), FAULT_READ), ERR_DENIED);
	CHECK_EQ(protect(s, 0, PAGES, RO), OK);
	CHECK(shows(s, 1, 1));
	CHECK_OWNERS(NULL);
	vm_space_put(s); /* with pages that could not be read */
	vm_space_put(child);
	CHECK_LEDGER(&before);
}

TEST(vm_space_shared_memory_gets_no_right_that_it_was_not_given)
{
	struct frame *f, *handle;
	struct vm_object *o;
	struct vm_space *s, *child;
	uint64_t done;

	begin();
	NEED(vm_space_new(&s) == OK && vm_object_new(4 * PAGE_SIZE, &o) == OK);
	f = frame_alloc(FRAME_USER);
	NEED(f != NULL);
	handle = frame_get(f);
	CHECK_EQ(vm_space_map(s, pages(0, 1), RO, 1), OK);
	CHECK_EQ(vm_space_map_object(s, pages(4, 4), o, 0, RO), OK);
	CHECK_EQ(vm_space_map_frame(s, page_at(8), f, RO), OK);
	CHECK(vm_space_handle_fault(s, page_at(5), FAULT_READ) == OK); /* a leaf, and markers */
	CHECK_EQ(vm_space_fork(s, &child), OK);
	for (unsigned i = 4; i <= 8; i++) {
		CHECK_EQ(protect(s, i, 1, RW), ERR_DENIED);
		CHECK_EQ(protect(s, i, 1, RO | PROP_EXECUTE), ERR_DENIED);
		CHECK_EQ(vm_space_handle_fault(s, page_at(i), FAULT_WRITE), ERR_DENIED);
		CHECK_EQ(protect(child, i, 1, RW), ERR_DENIED);
		CHECK_EQ(protect(s, i, 1, 0), OK);
		CHECK_EQ(protect(s, i, 1, RW), ERR_DENIED);
		CHECK_EQ(protect(s, i, 1, RO), OK);
	}
	CHECK_EQ(vm_space_protect(s, pages(0, 9), RW, &done), ERR_DENIED);
	CHECK_EQ(done, 4 * PAGE_SIZE); /* the page that may, and three that are absent */
	CHECK_EQ(store(s, 0, 1), OK);
	vm_space_put(child);
	vm_space_put(s);
	vm_object_put(o);
	frame_put(handle);
	CHECK_LEDGER(&before);
}

TEST(vm_space_page_0_is_for_spaces_that_ask_for_it)
{
	struct vm_space *s, *child;
	struct vrange first = { 0, 2 * PAGE_SIZE };
	uint64_t done;

	begin();
	NEED(vm_space_new(&s) == OK);
	vm_space_allow_page_0(s);
	CHECK_EQ(vm_space_map(s, first, RW, 1), OK);
	CHECK_EQ(page_store(s, 0, 3), OK);
	CHECK(vm_space_check(s) == NULL);
	NEED(vm_space_fork(s, &child) == OK);
	CHECK(page_shows(child, 0, 3));
	CHECK_EQ(page_store(child, 0, 4), OK);
	CHECK_EQ(vm_space_protect(child, first, RO, &done), OK);
	CHECK_EQ(vm_space_handle_fault(child, 0, FAULT_WRITE), ERR_DENIED);
	vm_space_clear(child);
	CHECK(space_is_bare(child));
	CHECK_EQ(vm_space_unmap(s, (struct vrange){ 0, PAGE_SIZE }, &done), OK);
	CHECK_EQ(vm_space_handle_fault(s, 0, FAULT_READ), ERR_NOT_FOUND);
	vm_space_put(child);
	vm_space_put(s);
	CHECK_LEDGER(&before);
}

/* The refusal does not wait for the nodes of what is mapped there: here this CPU has one locked. */
TEST(vm_space_map_over_something_locks_no_node)
{
	struct vm_space *s;
	struct pt_spot spot;
	uintptr_t irq;

	begin();
	NEED(vm_space_new(&s) == OK);
	for (unsigned i = 1; i < PAGES; i++)
		CHECK_EQ(vm_space_map(s, pages(i * LARGE, 1), RW, 1), OK);
	irq = arch_irq_save();
	pt_spot_lock(&spot, &s->table, page_at(3 * LARGE));
	CHECK_EQ(vm_space_map(s, pages(0, PAGES * LARGE), RW, 1), ERR_IN_USE);
	CHECK_EQ(vm_space_guard(s, pages(LARGE, PAGES * LARGE)), ERR_IN_USE);
	pt_spot_unlock(&spot);
	arch_irq_restore(irq);
	CHECK_EQ(vm_space_map(s, pages(0, LARGE), RW, 1), OK); /* before what is mapped */
	vm_space_put(s);
	CHECK_LEDGER(&before);
}
