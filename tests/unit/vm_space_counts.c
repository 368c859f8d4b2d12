/* SPDX-License-Identifier: MIT */
/* Counts that a program can drive to their limit: an error, and nothing is changed. */
#include "kern/percpu.h"
#include "tests/machine.h"
#include "tests/spaces.h"
#include "tests/test.h"

enum {
	MIB_OF_HOST = 64,
	GUARDS = 40,
};
#define RW (PROP_READ | PROP_WRITE)

static struct ledger before;
static struct vm_space *s;

static void begin(void)
{
	spaces_begin(MIB_OF_HOST, 0, 1);
	before = machine_ledger();
	NEED(vm_space_new(&s) == OK);
}

static void end(void)
{
	CHECK(vm_space_check(s) == NULL);
	CHECK_OWNERS(NULL);
	vm_space_put(s);
	CHECK_LEDGER(&before);
}

static _Atomic uint64_t *state_at(vaddr_t va)
{
	struct pt_item item = vm_space_query(s, va);

	return &meta_slot_at(paddr(align_down(item.pa.raw + (va - item.start), PAGE_SIZE)))->state;
}

/* A fork of the space, one of whose pages has as many owners as can be counted. */
static void check_fork_is_refused(vaddr_t full)
{
	static struct picture picture;
	_Atomic uint64_t *state = state_at(full);
	struct vm_space *child;

	picture_take(&picture, s);
	atomic_fetch_add(state, SLOT_COUNT_MAX - 1);
	CHECK_EQ(vm_space_fork(s, &child), ERR_OVERFLOW);
	atomic_fetch_sub(state, SLOT_COUNT_MAX - 1);
	CHECK_PICTURE(&picture, s);
	CHECK_OWNERS(NULL);
	CHECK_EQ(vm_space_fork(s, &child), OK);
	vm_space_put(child);
}

TEST(vm_space_fork_of_a_page_with_all_owners_is_refused)
{
	begin();
	CHECK_EQ(vm_space_map(s, pages(0, 700), RW, 1), OK);
	for (unsigned i = 0; i < 700; i++)
		CHECK_EQ(page_store(s, page_at(i), i), OK);
	check_fork_is_refused(page_at(0)); /* a whole node is copied */
	check_fork_is_refused(page_at(300));
	check_fork_is_refused(page_at(699)); /* a part of a node */
	end();
}

TEST(vm_space_fork_of_a_large_page_with_all_owners_is_refused)
{
	struct vm_space *child;

	begin();
	CHECK_EQ(vm_space_map(s, pages(0, PT_ENTRIES), RW, 2), OK);
	CHECK_EQ(page_store(s, page_at(5), 5), OK);
	CHECK_EQ(vm_space_query(s, BASE).level, 2);
	check_fork_is_refused(page_at(0));
	/* the same, of memory that another space has divided: the last part is full */
	CHECK_EQ(vm_space_fork(s, &child), OK);
	CHECK_EQ(page_store(child, page_at(7), 7), OK);
	CHECK_EQ(vm_space_query(s, BASE).level, 2);
	vm_space_put(child);
	check_fork_is_refused(page_at(PT_ENTRIES - 1));
	end();
}

TEST(vm_space_fault_of_an_objects_page_with_all_owners_is_refused)
{
	struct vm_object *o;
	_Atomic uint64_t *state;

	begin();
	NEED(vm_object_new(PAGE_SIZE, &o) == OK);
	CHECK_EQ(vm_space_map_object(s, pages(0, 1), o, 0, RW), OK);
	CHECK_EQ(vm_space_map_object(s, pages(1, 1), o, 0, RW), OK);
	CHECK_EQ(vm_space_handle_fault(s, page_at(0), FAULT_READ), OK);
	state = state_at(page_at(0));
	atomic_fetch_add(state, SLOT_COUNT_MAX - 2);
	CHECK_EQ(vm_space_handle_fault(s, page_at(1), FAULT_READ), ERR_OVERFLOW);
	atomic_fetch_sub(state, SLOT_COUNT_MAX - 2);
	CHECK_EQ(vm_space_handle_fault(s, page_at(1), FAULT_READ), OK);
	vm_object_put(o);
	end();
}

/* An add that found the maximum is taken back later: a put in between is one. */
TEST(frame_put_beside_a_get_that_is_refused)
{
	_Atomic uint64_t *state;

	begin();
	CHECK_EQ(vm_space_map(s, pages(0, 1), RW, 1), OK);
	CHECK_EQ(page_store(s, page_at(0), 1), OK);
	state = state_at(page_at(0));
	atomic_fetch_add(state, SLOT_COUNT_MAX); /* one too many, for a moment */
	frame_put(frame_of_slot(meta_slot_at(vm_space_query(s, page_at(0)).pa)));
	CHECK_EQ((uint32_t)atomic_load(state), SLOT_COUNT_MAX);
	atomic_fetch_sub(state, SLOT_COUNT_MAX - 1);
	end();
}

static uint64_t shootdowns(void)
{
	return atomic_load(&this_cpu_ptr(shootdown_stats)->requests);
}

TEST(vm_space_fork_runs_one_shootdown_and_none_without_rights)
{
	struct vm_space *child;
	uint64_t was;

	begin();
	for (unsigned i = 0; i < GUARDS; i++)
		CHECK_EQ(vm_space_guard(s, (struct vrange){ BASE + i * MIB(64), PAGE_SIZE }), OK);
	CHECK_EQ(vm_space_map(s, (struct vrange){ BASE + MIB(8), PAGE_SIZE }, RW, 1), OK);
	CHECK_EQ(vm_space_handle_fault(s, BASE + MIB(8), FAULT_READ), OK); /* the zero page */
	was = shootdowns();
	CHECK_EQ(vm_space_fork(s, &child), OK);
	CHECK_EQ(shootdowns(), was);
	vm_space_put(child);
	for (unsigned i = 0; i < GUARDS; i++) {
		struct vrange range = { BASE + i * MIB(64) + MIB(16), PAGE_SIZE };

		CHECK_EQ(vm_space_map(s, range, RW, 1), OK);
		CHECK_EQ(page_store(s, range.start, i), OK);
	}
	was = shootdowns();
	CHECK_EQ(vm_space_fork(s, &child), OK);
	CHECK_EQ(shootdowns(), was + 1);
	was = shootdowns();
	vm_space_put(child);
	CHECK_EQ(vm_space_fork(s, &child), OK); /* the rights are gone already */
	CHECK_EQ(shootdowns(), was);
	vm_space_put(child);
	end();
}
