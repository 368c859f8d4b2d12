/* SPDX-License-Identifier: MIT */
/* Concurrency tests of objects on the host, with threads as CPUs. */
#ifndef KEEL_TESTS
#include <sched.h>
#include <time.h>

#include "arch/host/host.h"
#include "kern/lock.h"
#include "lib/string.h"
#include "mm/frame/epoch.h"
#include "tests/host_workers.h"
#include "tests/machine.h"
#include "tests/spaces.h"
#include "tests/test.h"

enum {
	CPUS = 4,
	MIB_OF_HOST = 256,
	PAGES = 24, /* of an object; page i of it is at page_at(i) */
	NODE = 512,
	ROUNDS = 400,
	STEPS = 3000,
	RW = PROP_READ | PROP_WRITE,
};

static struct vm_object *object;
static struct vm_space *shared;
static _Atomic uint32_t stop;

static void serve(void)
{
	if (shootdown_pending())
		shootdown_serve();
}

static void drain_all(void)
{
	epoch_barrier();
	for (host_cpu = CPUS - 1; host_cpu > 0; host_cpu--)
		pt_node_drain();
}

static void run(void *(*const part[CPUS])(void *))
{
	struct worker w[CPUS];
	lock_waiter_t waiter = lock_set_waiter(serve);

	atomic_store(&stop, 0);
	for (unsigned cpu = 0; cpu < CPUS; cpu++)
		workers_start(&w[cpu], cpu, 1, part[cpu]);
	workers_join(w, CPUS);
	(void)lock_set_waiter(waiter);
}

/* ---- O3: what lies behind the end is nowhere when the truncation has returned ---- */

/* The object has a page in each of NODES nodes, so that truncations and forks take a while. */
enum {
	NODES = 24,
	BYTES = NODES * NODE * PAGE_SIZE,
};

/* The first page behind n nodes that a space still maps, or UINT_MAX. */
static unsigned still_mapped(const struct vm_space *s, unsigned n)
{
	for (; n < NODES; n++)
		if (vm_space_query(s, page_at(n * NODE)).kind == PT_ITEM_LEAF)
			return n * NODE;
	return UINT32_MAX;
}

static void check_behind(unsigned n)
{
	struct vm_space *s;

	for (unsigned next = 0; (s = vm_space_from(next)) != NULL; vm_space_put(s)) {
		unsigned page = still_mapped(s, n);

		next = s->number + 1;
		if (page != UINT32_MAX)
			test_fail(__FILE__, __LINE__,
				  "space %u maps page %u of an object of %u pages", s->number, page,
				  n * NODE);
	}
	CHECK_EQ(page_table_next(&object->pages, n * NODE * PAGE_SIZE, BYTES), BYTES);
}

static void *truncate_at_random(void *arg)
{
	struct worker *w = arg;

	host_cpu_bind(w->cpu);
	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned n = (unsigned)(worker_random(w) % NODES);

		CHECK_EQ(vm_object_truncate(object, n * NODE * PAGE_SIZE), OK);
		check_behind(n);
		CHECK_EQ(vm_object_truncate(object, BYTES), OK);
	}
	atomic_store(&stop, 1);
	host_cpu_unbind();
	return NULL;
}

static void get_a_page(unsigned node)
{
	err_t why;
	struct frame *f = vm_object_page(object, node * NODE * PAGE_SIZE, &why);

	if (f != NULL)
		frame_put(f);
}

/* Faults in the space and in children that this CPU forks and keeps for a while. */
static void *fault_and_fork(void *arg)
{
	struct worker *w = arg;
	struct vm_space *child = NULL;

	host_cpu_bind(w->cpu);
	while (atomic_load(&stop) == 0) {
		struct vm_space *s = child != NULL && worker_random(w) % 2 == 0 ? child : shared;
		unsigned node = (unsigned)(worker_random(w) % NODES);
		err_t err = vm_space_handle_fault(s, page_at(node * NODE),
						  worker_random(w) % 2 == 0 ? FAULT_WRITE
									    : FAULT_READ);

		CHECK(err == OK || err == ERR_NOT_FOUND);
		get_a_page(node);
		if (worker_random(w) % 16 != 0)
			continue;
		if (child != NULL)
			vm_space_put(child);
		CHECK_EQ(vm_space_fork(s == child ? shared : s, &child), OK);
	}
	if (child != NULL)
		vm_space_put(child);
	host_cpu_unbind();
	return NULL;
}

static void *map_and_unmap(void *arg)
{
	struct worker *w = arg;

	host_cpu_bind(w->cpu);
	while (atomic_load(&stop) == 0) {
		unsigned first = NODE * (unsigned)(worker_random(w) % NODES),
			 n = NODE * (1 + (unsigned)(worker_random(w) % (NODES - first / NODE)));
		unsigned how = RW | (worker_random(w) % 2 == 0 ? (unsigned)VM_COPY : 0);
		uint64_t done;
		err_t err;

		CHECK_EQ(vm_space_unmap(shared, pages(first, n), &done), OK);
		err = vm_space_map_object(shared, pages(first, n), object, first * PAGE_SIZE, how);
		CHECK(err == OK || err == ERR_BAD_RANGE);
	}
	host_cpu_unbind();
	return NULL;
}

TEST(vm_object_truncations_beside_faults_forks_and_maps)
{
	void *(*const parts[CPUS])(void *) = { truncate_at_random, fault_and_fork, fault_and_fork,
					       map_and_unmap };
	struct ledger before;

	spaces_begin(MIB_OF_HOST, 0, CPUS);
	before = machine_ledger();
	NEED(vm_object_new(BYTES, &object) == OK && vm_space_new(&shared) == OK);
	NEED(vm_space_map_object(shared, pages(0, NODES * NODE), object, 0, RW) == OK);
	run(parts);
	CHECK_OWNERS((&(struct handles){ .object = &object, .objects = 1 }));
	vm_space_put(shared);
	CHECK_EQ(atomic_load(&object->users), 1);
	vm_object_put(object);
	drain_all();
	CHECK_LEDGER(&before);
}

/* ---- a range that shows something else when the truncation comes to it ---- */

enum {
	LAST = NODES * NODE - 1,
	CUTS = 2000,
	TURNS_MAX = 40,
};

static struct vm_object *other;
static uint64_t other_offset;

enum cut {
	CUT_ENDED,
	CUT_MAY_BEGIN,
	CUT_BEGINS,
};
static _Atomic uint32_t cut;

static void *cut_to_one_page(void *arg)
{
	host_cpu_bind(((struct worker *)arg)->cpu);
	for (unsigned i = 0; i < CUTS; i++) {
		while (atomic_load(&cut) != CUT_MAY_BEGIN)
			sched_yield();
		atomic_store(&cut, CUT_BEGINS);
		CHECK_EQ(vm_object_truncate(object, PAGE_SIZE), OK);
		CHECK_EQ(vm_object_truncate(object, (LAST + 1) * PAGE_SIZE), OK);
		atomic_store(&cut, CUT_ENDED);
	}
	atomic_store(&stop, 1);
	host_cpu_unbind();
	return NULL;
}

/* One mapping, of which a cut comes to the last page late: pages before it leave the space first.
 */
static void map_all_again(void)
{
	uint64_t done;

	CHECK_EQ(vm_space_unmap(shared, pages(0, LAST + 1), &done), OK);
	CHECK_EQ(vm_space_map_object(shared, pages(0, LAST + 1), object, 0, RW), OK);
	for (unsigned n = 0; n < NODES - 1; n++)
		CHECK_EQ(vm_space_handle_fault(shared, page_at(n * NODE + 1), FAULT_READ), OK);
	atomic_store(&cut, CUT_MAY_BEGIN);
}

static void *exchange_the_last_page(void *arg)
{
	struct worker *w = arg;

	host_cpu_bind(w->cpu);
	for (uint64_t value = 1; atomic_load(&stop) == 0; value++) {
		uint64_t done;

		map_all_again();
		while (atomic_load(&cut) == CUT_MAY_BEGIN && atomic_load(&stop) == 0)
			arch_relax();
		for (uint64_t turns = worker_random(w) % TURNS_MAX; turns > 0; turns--)
			arch_relax();
		CHECK_EQ(vm_space_unmap(shared, pages(LAST, 1), &done), OK);
		CHECK_EQ(vm_space_map_object(shared, pages(LAST, 1), other, other_offset,
					     RW | VM_COPY),
			 OK);
		CHECK_EQ(page_store(shared, page_at(LAST), value), OK);
		while (atomic_load(&cut) == CUT_BEGINS)
			sched_yield();
		CHECK(page_shows(shared, page_at(LAST), value));
	}
	host_cpu_unbind();
	return NULL;
}

static void *nothing(void *arg)
{
	(void)arg;
	return NULL;
}

static void cut_beside_exchanges(void)
{
	void *(*const parts[CPUS])(void *) = { cut_to_one_page, exchange_the_last_page, nothing,
					       nothing };

	atomic_store(&cut, CUT_ENDED);
	run(parts);
	CHECK_OWNERS((&(struct handles){ .object = (struct vm_object *const[]){ object, other },
					 .objects = other == object ? 1 : 2 }));
	vm_space_put(shared);
}

TEST(vm_object_truncation_passes_what_another_object_shows)
{
	spaces_begin(MIB_OF_HOST, 0, CPUS);
	NEED(vm_object_new((LAST + 1) * PAGE_SIZE, &object) == OK &&
	     vm_object_new(2 * PAGE_SIZE, &other) == OK && vm_space_new(&shared) == OK);
	other_offset = PAGE_SIZE; /* the object's is cut */
	cut_beside_exchanges();
	vm_object_put(object);
	vm_object_put(other);
}

/* What the truncation leaves, copied where pages were that it takes. */
TEST(vm_object_truncation_passes_copies_of_what_stays)
{
	spaces_begin(MIB_OF_HOST, 0, CPUS);
	NEED(vm_object_new((LAST + 1) * PAGE_SIZE, &object) == OK && vm_space_new(&shared) == OK);
	other = object;
	other_offset = 0;
	cut_beside_exchanges();
	vm_object_put(object);
}

/* ---- an unmap that a truncation overtakes ---- */

static _Atomic uint32_t has_translation, truncated;
static bool could_write;

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void *unmap_it(void *arg)
{
	uint64_t done;

	host_cpu_bind(((struct worker *)arg)->cpu);
	while (atomic_load(&has_translation) == 0)
		sched_yield();
	CHECK_EQ(vm_space_unmap(shared, pages(0, 1), &done), OK);
	atomic_store(&stop, 1);
	host_cpu_unbind();
	return NULL;
}

/* Takes no interrupt for a while, so the unmap waits for this CPU. */
static void *keep_the_translation(void *arg)
{
	uint64_t pa;
	uintptr_t irq;

	host_cpu_bind(((struct worker *)arg)->cpu);
	vm_space_activate(shared);
	CHECK_EQ(vm_space_handle_fault(shared, page_at(0), FAULT_WRITE), OK);
	irq = arch_irq_save();
	CHECK(host_tlb_access(page_at(0), arch_pt_levels(), HOST_TLB_WRITE, &pa));
	atomic_store(&has_translation, 1);
	for (double start = seconds(); atomic_load(&truncated) == 0 && seconds() - start < 0.2;)
		sched_yield();
	could_write = atomic_load(&truncated) != 0 &&
		      host_tlb_access(page_at(0), arch_pt_levels(), HOST_TLB_WRITE, &pa);
	arch_irq_restore(irq);
	while (atomic_load(&stop) == 0 || atomic_load(&truncated) == 0)
		serve();
	vm_space_activate(NULL);
	host_cpu_unbind();
	return NULL;
}

static void *truncate_it(void *arg)
{
	host_cpu_bind(((struct worker *)arg)->cpu);
	while (vm_mappings_exist(&shared->mappings))
		sched_yield();
	CHECK_EQ(vm_object_truncate(object, 0), OK);
	atomic_store(&truncated, 1);
	host_cpu_unbind();
	return NULL;
}

TEST(vm_object_truncation_returns_when_no_cpu_can_write)
{
	void *(*const parts[CPUS])(void *) = { unmap_it, keep_the_translation, truncate_it,
					       nothing };

	spaces_begin(MIB_OF_HOST, 0, CPUS);
	atomic_store(&has_translation, 0);
	atomic_store(&truncated, 0);
	could_write = false;
	NEED(vm_object_new(PAGE_SIZE, &object) == OK && vm_space_new(&shared) == OK);
	NEED(vm_space_map_object(shared, pages(0, 1), object, 0, RW) == OK);
	run(parts);
	CHECK(!could_write);
	vm_space_put(shared);
	vm_object_put(object);
}

/* ---- a pager that several CPUs wait for ---- */

static _Atomic uint32_t filling[PAGES], fills, truncations;

static err_t fill(struct vm_object *o, uint64_t offset, void *page)
{
	unsigned i = (unsigned)(offset / PAGE_SIZE);

	(void)o;
	CHECK(!arch_irq_is_off());
	((uint32_t *)page)[0] = i;
	((uint32_t *)page)[1] = atomic_load(&truncations);
	sched_yield();
	return atomic_fetch_add(&fills, 1) % 2 == 0 && i % 5 == 4 ? ERR_IO : OK;
}

/* One thread at a time brings a page. */
static err_t fill_alone(struct vm_object *o, uint64_t offset, void *page)
{
	err_t err;

	CHECK_EQ(atomic_exchange(&filling[offset / PAGE_SIZE], 1), 0);
	err = fill(o, offset, page);
	CHECK_EQ(atomic_exchange(&filling[offset / PAGE_SIZE], 0), 1);
	return err;
}

static const struct vm_pager pager = { fill }, lone_pager = { fill_alone };

static void *touch_all(void *arg)
{
	struct worker *w = arg;

	host_cpu_bind(w->cpu);
	for (unsigned i = 0; i < STEPS; i++) {
		vaddr_t va = page_at((unsigned)(worker_random(w) % PAGES));
		err_t err = vm_space_handle_fault(shared, va, FAULT_READ);

		CHECK(err == OK || err == ERR_IO);
		if (err == OK) /* it was not begun before the page went */
			CHECK_EQ(((uint32_t *)arch_direct(vm_space_query(shared, va).pa))[1],
				 atomic_load(&truncations));
		if (i % 16 == 15) { /* pages go, and are brought again */
			CHECK_EQ(vm_object_truncate(object, 0), OK);
			atomic_fetch_add(&truncations, 1);
			CHECK_EQ(vm_object_truncate(object, PAGES * PAGE_SIZE), OK);
		}
		serve();
	}
	host_cpu_unbind();
	return NULL;
}

static void *touch(void *arg)
{
	struct worker *w = arg;

	host_cpu_bind(w->cpu);
	for (unsigned i = 0; i < STEPS; i++) {
		vaddr_t va = page_at((unsigned)(worker_random(w) % PAGES));
		err_t err = vm_space_handle_fault(shared, va, FAULT_READ);

		CHECK(err == OK || err == ERR_IO || err == ERR_NOT_FOUND);
		serve();
	}
	host_cpu_unbind();
	return NULL;
}

TEST(vm_object_pager_fills_a_page_for_all_that_wait)
{
	void *(*const parts[CPUS])(void *) = { touch, touch, touch, touch };
	struct ledger before;

	spaces_begin(MIB_OF_HOST, 0, CPUS);
	before = machine_ledger();
	atomic_store(&fills, 0);
	NEED(vm_object_new_paged(PAGES * PAGE_SIZE, &lone_pager, NULL, &object) == OK);
	NEED(vm_space_new(&shared) == OK);
	NEED(vm_space_map_object(shared, pages(0, PAGES), object, 0, RW) == OK);
	run(parts);
	CHECK(atomic_load(&fills) >= PAGES - 5);
	for (unsigned i = 0; i < PAGES; i++) {
		struct pt_item item = vm_space_query(shared, page_at(i));

		if (item.kind == PT_ITEM_LEAF)
			CHECK_EQ(*(uint32_t *)arch_direct(item.pa), i);
	}
	CHECK_OWNERS((&(struct handles){ .object = &object, .objects = 1 }));
	vm_space_put(shared);
	vm_object_put(object);
	drain_all();
	CHECK_LEDGER(&before);
}

TEST(vm_object_pages_that_are_brought_beside_truncations)
{
	void *(*const parts[CPUS])(void *) = { touch_all, touch, touch, touch };
	struct ledger before;

	spaces_begin(MIB_OF_HOST, 0, CPUS);
	before = machine_ledger();
	NEED(vm_object_new_paged(PAGES * PAGE_SIZE, &pager, NULL, &object) == OK);
	NEED(vm_space_new(&shared) == OK);
	NEED(vm_space_map_object(shared, pages(0, PAGES), object, 0, RW) == OK);
	run(parts);
	CHECK_OWNERS((&(struct handles){ .object = &object, .objects = 1 }));
	vm_space_put(shared);
	vm_object_put(object);
	drain_all();
	CHECK_LEDGER(&before);
}
#endif
