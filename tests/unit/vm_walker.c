/* SPDX-License-Identifier: MIT */
/*
 * Tests of walkers of a space that are no CPUs: what one remembers is right after every operation
 * on the space, if it drops what it is told to, and nothing more.
 */
#ifndef KEEL_TESTS
#include "arch/host/host.h"
#endif
#include "lib/bits.h"
#include "lib/string.h"
#include "tests/machine.h"
#include "tests/spaces.h"
#include "tests/test.h"
#include "tests/walker.h"

enum {
	PAGES = 2 * PT_NODE_ENTRIES,
	RUN_MAX = 40,
	RW = PROP_READ | PROP_WRITE,
#ifdef KEEL_TESTS
	STEPS = 100,
#else
	STEPS = 2000,
#endif
};

/* A walker that remembers each page by itself. */
struct model_walker {
	struct tlb_walker walker;
	struct vm_space *space;
	struct {
		uint64_t pa;
		bool reads, writes;
	} page[PAGES];
	unsigned requests, tables; /* how often it was told; that tables went */
	vaddr_t copied;            /* not 0: see told_of_copy() */
};

static struct model_walker model;
static struct ledger before;

/* As long as the walker can read the old page, no CPU can write to the new one. */
static void told_of_copy(const struct model_walker *m)
{
	struct pt_item now = vm_space_query(m->space, m->copied);
	unsigned page = (unsigned)((m->copied - BASE) / PAGE_SIZE);

	if (m->page[page].reads && now.kind == PT_ITEM_LEAF && now.pa.raw != m->page[page].pa)
		CHECK((now.prop.flags & PROP_WRITE) == 0);
}

static void invalidate(struct tlb_walker *w, const struct tlb_pages *list)
{
	struct model_walker *m = container_of(w, struct model_walker, walker);

	CHECK(arch_irq_is_off());
	m->requests++;
	m->tables += list->reach == TLB_TABLES;
	if (m->copied != 0)
		told_of_copy(m);
	for (unsigned i = 0; i < PAGES; i++)
		if (walker_is_told(list, page_at(i)))
			m->page[i].reads = false;
}

#ifndef KEEL_TESTS
static bool broadcasts;
#endif

static void begin(void)
{
	spaces_begin(64, 0, 1);
#ifndef KEEL_TESTS
	host_tlb_broadcasts = broadcasts;
#endif
	before = machine_ledger();
	model = (struct model_walker){ .walker = { .invalidate = invalidate } };
	NEED(vm_space_new(&model.space) == OK);
	vm_space_add_walker(model.space, &model.walker);
}

static void end(void)
{
	vm_space_remove_walker(model.space, &model.walker);
	vm_space_put(model.space);
	CHECK_LEDGER(&before);
}

/* The walker uses every page: false if what it remembers is not what is mapped. */
static bool use_all(void)
{
	for (unsigned i = 0; i < PAGES; i++) {
		struct pt_item is = vm_space_query(model.space, page_at(i));
		uint64_t pa = is.pa.raw + (page_at(i) - is.start);
		bool reads = is.kind == PT_ITEM_LEAF && (is.prop.flags & PROP_READ) != 0;
		bool writes = reads && (is.prop.flags & PROP_WRITE) != 0;

		if (model.page[i].reads &&
		    (!reads || model.page[i].pa != pa || (model.page[i].writes && !writes))) {
			test_fail(__FILE__, __LINE__,
				  "page %u: the walker has %lx%s, mapped is %lx%s (SEED=%lu)", i,
				  model.page[i].pa, model.page[i].writes ? ", writable" : "", pa,
				  !reads   ? ", without access"
				  : writes ? ", writable"
					   : "",
				  test_seed());
			return false;
		}
		model.page[i].pa = pa;
		model.page[i].reads = reads;
		model.page[i].writes = writes;
	}
	return true;
}

static bool is_gone(unsigned page)
{
	return !model.page[page].reads;
}

TEST(vm_walker_is_told_of_unmap_protect_copy_and_fork)
{
	struct vm_space *child;
	uint64_t done;

	begin();
	CHECK_EQ(vm_space_map(model.space, pages(0, 8), RW, 1), OK);
	for (unsigned i = 0; i < 8; i++)
		CHECK_EQ(page_store(model.space, page_at(i), i), OK);
	CHECK_EQ(model.requests, 0); /* nothing was taken away */
	CHECK(use_all());
	CHECK_EQ(vm_space_protect(model.space, pages(0, 2), PROP_READ, &done), OK);
	CHECK(is_gone(0) && is_gone(1) && !is_gone(2));
	CHECK(use_all());
	CHECK_EQ(vm_space_unmap(model.space, pages(1, 2), &done), OK);
	CHECK(!is_gone(0) && is_gone(1) && is_gone(2) && !is_gone(3));
	CHECK_EQ(model.requests, 2);
	CHECK(use_all());
	NEED(vm_space_fork(model.space, &child) == OK);
	CHECK(is_gone(3)); /* its write right went */
	CHECK(use_all());
	model.copied = page_at(3);
	CHECK_EQ(page_store(model.space, page_at(3), 9), OK);
	CHECK(is_gone(3) && !is_gone(4));
	model.copied = 0;
	CHECK(use_all());
	CHECK(page_shows(child, page_at(3), 3));
	vm_space_put(child);
	CHECK_EQ(model.tables, 0);
	CHECK_EQ(vm_space_unmap(model.space, pages(0, PAGES), &done), OK);
	CHECK(model.tables > 0); /* it may remember the way to pages */
	CHECK(use_all());
	end();
}

TEST(vm_walker_is_told_of_truncation_split_and_collapse)
{
	struct vm_object *o;
	uint64_t done;

	begin();
	NEED(vm_object_new(2 * PAGE_SIZE, &o) == OK);
	CHECK_EQ(vm_space_map_object(model.space, pages(0, 2), o, 0, RW), OK);
	CHECK_EQ(page_store(model.space, page_at(0), 1), OK);
	CHECK_EQ(page_store(model.space, page_at(1), 1), OK);
	CHECK(use_all());
	CHECK_EQ(vm_object_truncate(o, PAGE_SIZE), OK);
	CHECK(!is_gone(0) && is_gone(1));
	CHECK(use_all());
	CHECK_EQ(vm_space_map(model.space, pages(PT_NODE_ENTRIES, PT_NODE_ENTRIES), RW, 2), OK);
	CHECK_EQ(page_store(model.space, page_at(PT_NODE_ENTRIES), 1), OK);
	CHECK(use_all());
	if (vm_space_query(model.space, page_at(PT_NODE_ENTRIES)).level == 2) {
		CHECK_EQ(vm_space_protect(model.space, pages(PT_NODE_ENTRIES + 1, 1), PROP_READ,
					  &done),
			 OK); /* split before it is made again in parts */
		CHECK(is_gone(PT_NODE_ENTRIES) && is_gone(PAGES - 1));
		CHECK(use_all());
		CHECK_EQ(vm_space_protect(model.space, pages(PT_NODE_ENTRIES + 1, 1), RW, &done),
			 OK);
		CHECK(use_all());
		CHECK_EQ(vm_space_collapse(model.space, pages(PT_NODE_ENTRIES, PT_NODE_ENTRIES),
					   &done),
			 OK);
		CHECK(is_gone(PAGES - 1) && done == 1);
		CHECK(use_all());
	} else {
		test_diag("no block of 2 MiB is free");
	}
	vm_object_put(o);
	end();
}

/* ---- a walker that copies: the protocol of tlb_space_add_walker() ---- */

static void check_late_copy(void)
{
	uint64_t generation, done;
	struct pt_item item;

	begin();
	CHECK_EQ(vm_space_map(model.space, pages(0, 1), RW, 1), OK);
	CHECK_EQ(page_store(model.space, page_at(0), 1), OK);
	generation = atomic_load(&model.space->tlb.generation);
	item = vm_space_query(model.space, page_at(0));
	CHECK_EQ(item.kind, PT_ITEM_LEAF);
	CHECK_EQ(vm_space_unmap(model.space, pages(0, 1), &done), OK); /* by another CPU */
	CHECK_EQ(model.requests, 1);
	CHECK(atomic_load(&model.space->tlb.generation) != generation);
	end();
}

TEST(vm_walker_that_copies_sees_that_it_is_late)
{
	check_late_copy();
#ifndef KEEL_TESTS
	broadcasts = true; /* no CPU gets a request, but walkers do */
	check_late_copy();
	broadcasts = false;
#endif
}

/* ---- any operation ---- */

static void some_step(struct vm_space **child)
{
	unsigned first = (unsigned)test_random_below(PAGES);
	unsigned n = 1 + (unsigned)test_random_below(RUN_MAX);
	struct vm_space *s = model.space;
	uint64_t done;
	err_t err = OK;

	if (test_random_below(6) == 0) {
		first = (unsigned)align_down(first, PT_NODE_ENTRIES);
		n = PT_NODE_ENTRIES;
	}
	n = n < PAGES - first ? n : PAGES - first;
	switch (test_random_below(6)) {
	case 0:
		err = vm_space_map(s, pages(first, n), RW, 1 + (unsigned)test_random_below(2));
		break;
	case 1: err = vm_space_unmap(s, pages(first, n), &done); break;
	case 2:
		err = vm_space_protect(s, pages(first, n),
				       test_random_below(2) == 0 ? PROP_READ : (unsigned)RW, &done);
		break;
	case 3:
		if (*child != NULL)
			vm_space_put(*child);
		*child = NULL;
		if (test_random_below(2) == 0)
			err = vm_space_fork(s, child);
		break;
	case 4: err = vm_space_collapse(s, pages(0, PAGES), &done); break;
	default:
		for (unsigned i = first; i < first + n; i++) {
			err = vm_space_handle_fault(s, page_at(i),
						    test_random_below(2) == 0 ? FAULT_READ
									      : FAULT_WRITE);
			CHECK(err == OK || err == ERR_NOT_FOUND || err == ERR_DENIED);
		}
		err = OK;
	}
	CHECK(err == OK || err == ERR_IN_USE);
}

TEST(vm_walker_remembers_nothing_wrong_after_any_operation)
{
	struct vm_space *child = NULL;

	begin();
	for (unsigned i = 0; i < STEPS && use_all(); i++)
		some_step(&child);
	CHECK(use_all());
	if (child != NULL)
		vm_space_put(child);
	test_diag("%u requests, of them %u about tables", model.requests, model.tables);
	end();
}

/* ---- several ---- */

TEST(vm_walker_that_is_removed_is_not_told)
{
	static struct model_walker second;
	uint64_t done;

	begin();
	second = (struct model_walker){ .walker = { .invalidate = invalidate },
					.space = model.space };
	vm_space_add_walker(model.space, &second.walker);
	CHECK_EQ(vm_space_map(model.space, pages(0, 3), RW, 1), OK);
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(page_store(model.space, page_at(i), i), OK);
	CHECK_EQ(vm_space_unmap(model.space, pages(0, 1), &done), OK);
	CHECK_EQ(model.requests, 1);
	CHECK_EQ(second.requests, 1);
	vm_space_remove_walker(model.space, &model.walker); /* not the first of the list */
	CHECK_EQ(vm_space_unmap(model.space, pages(1, 1), &done), OK);
	CHECK_EQ(model.requests, 1);
	CHECK_EQ(second.requests, 2);
	vm_space_remove_walker(model.space, &second.walker);
	CHECK_EQ(vm_space_unmap(model.space, pages(2, 1), &done), OK);
	CHECK_EQ(second.requests, 2);
	vm_space_add_walker(model.space, &model.walker);
	end();
}
