/* SPDX-License-Identifier: MIT */
/* Tests of mm/vm/space.c with invalid ranges and rights: an error, and no change. */
#include "mm/vm/space.h"

#include "lib/bits.h"
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
		    bad[i].start != half - PAGE_SIZE) {
			CHECK_EQ(vm_space_handle_fault(s, bad[i].start, FAULT_READ), ERR_NOT_FOUND);
			CHECK_EQ(vm_space_handle_fault(s, bad[i].start, FAULT_WRITE),
				 ERR_NOT_FOUND);
			CHECK_EQ(vm_space_query(s, bad[i].start).kind, PT_ITEM_ABSENT);
		}
	}
	CHECK_PICTURE(&picture, s);
	CHECK_OWNERS((&(struct handles){ .object = &o, .objects = 1 }));
	/* the last page of the user half is valid */
	CHECK_EQ(vm_space_map(s, (struct vrange){ half - PAGE_SIZE, PAGE_SIZE }, RW, 1), OK);
	CHECK_EQ(page_store(s, half - PAGE_SIZE, 5), OK);
	CHECK_EQ(vm_space_map(s, (struct vrange){ PAGE_SIZE, PAGE_SIZE }, RW, 1), OK);
	CHECK_EQ(page_store(s, PAGE_SIZE, 5), OK);
	vm_space_put(s);
	vm_object_put(o);
	CHECK_LEDGER(&before);
}

TEST(vm_space_bad_rights_are_refused)
{
	static const unsigned bad[] = {
		0,
		PROP_WRITE,
		PROP_EXECUTE,
		PROP_WRITE | PROP_EXECUTE,
		RW | PROP_USER,
		RW | PROP_GLOBAL,
		RW | PROP_TRACKED,
		RW | PROP_COPY,
		RO | PROP_SHARED,
		RO | 1u << 16,
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
