/* SPDX-License-Identifier: MIT */
/*
 * Order of two locations on three CPUs, while one of them changes the translation of one location.
 *
 *   CPU 0 changes the translation of X.  CPU 1 has the old one in its TLB and takes no interrupt.
 *   CPU 2 stores X = 2 as soon as it can, then Y = 1.  If CPU 1 loads Y = 1, it must load X = 2.
 *
 * The TLB of the host (arch/host/tlb.c) keeps what is not invalidated, so a new page that can be
 * written before CPU 1 has given up the old one is seen at once.
 */
#ifndef KEEL_TESTS
#include <sched.h>
#include <time.h>

#include "arch/host/host.h"
#include "kern/lock.h"
#include "lib/string.h"
#include "mm/pt/cpu_format.h"
#include "tests/host_workers.h"
#include "tests/machine.h"
#include "tests/spaces.h"
#include "tests/test.h"

enum {
	CPUS = 3,
	LEVELS = 4,
	MIB_OF_HOST = 256,
	TRIES = 100, /* of CPU 2 while CPU 1 has not answered the shootdown */
	WATCH_MAX_MS = 300,
	WAITS_MS = 30,
	NS_PER_MS = 1000000,
	OLD = 1,
	NEW = 2,
};
#define RW (PROP_READ | PROP_WRITE)
#define X  UINT64_C(0x20000000000)
#define Y  UINT64_C(0x30000000000)

static struct vm_space *sp;
static struct vrange at_x;

enum stage {
	PREPARING,
	READY,    /* CPU 2 has a page of its own at Y */
	WATCHING, /* CPU 1 has X in its TLB and interrupts off */
	WATCHED,
	CHANGED,
	STORED, /* CPU 2 has stored both */
};
static _Atomic enum stage changer_at, watcher_at, storer_at;
static _Atomic unsigned tries;
static uint64_t seen_y, seen_x, last_x; /* by CPU 1 */

/* What CPU 0 does to X, and how CPU 2 gets at X meanwhile; false: not yet. */
static void (*change)(void);
static bool (*reach_x)(uint64_t *pa);

static void wait_for(_Atomic enum stage *who, enum stage stage)
{
	while (atomic_load(who) < stage) {
		if (shootdown_pending())
			shootdown_serve();
		sched_yield();
	}
}

/* One instruction: through the TLB or by a walk, without a fault. */
static bool access_once(vaddr_t va, enum host_tlb_use use, uint64_t *pa)
{
	return host_tlb_access(va, LEVELS, use, pa);
}

static _Atomic uint64_t *word_at(uint64_t pa)
{
	return arch_direct(paddr(pa));
}

/* A load or a store with all faults that it takes. */
static uint64_t load(vaddr_t va)
{
	for (;;) {
		uintptr_t irq = arch_irq_save();
		uint64_t pa, value = 0;
		bool done = access_once(va, HOST_TLB_READ, &pa);

		if (done)
			value = atomic_load(word_at(pa));
		arch_irq_restore(irq);
		if (done)
			return value;
		CHECK_EQ(vm_space_handle_fault(sp, va, FAULT_READ), OK);
	}
}

static void store(vaddr_t va, uint64_t value)
{
	for (;;) {
		uintptr_t irq = arch_irq_save();
		uint64_t pa;
		bool done = access_once(va, HOST_TLB_WRITE, &pa);

		if (done)
			atomic_store(word_at(pa), value);
		arch_irq_restore(irq);
		if (done)
			return;
		CHECK_EQ(vm_space_handle_fault(sp, va, FAULT_WRITE), OK);
	}
}

static void *changer(void *arg)
{
	host_cpu_bind(((struct worker *)arg)->cpu);
	vm_space_activate(sp);
	wait_for(&watcher_at, WATCHING);
	change();
	atomic_store(&changer_at, CHANGED);
	wait_for(&storer_at, STORED);
	vm_space_activate(NULL);
	host_cpu_unbind();
	return NULL;
}

/* Load Y with interrupts off, until it is 1, or CPU 2 has had its chance while the shootdown waits
 * for this CPU. */
static uint64_t watch_y(void)
{
	const struct timespec ms = { 0, NS_PER_MS };
	unsigned limit = UINT32_MAX;

	for (unsigned i = 0; i < WATCH_MAX_MS && atomic_load(&tries) < limit; i++) {
		uint64_t pa;

		if (access_once(Y, HOST_TLB_READ, &pa) && atomic_load(word_at(pa)) == 1)
			return 1;
		if (shootdown_pending() && limit == UINT32_MAX)
			limit = atomic_load(&tries) + TRIES;
		nanosleep(&ms, NULL);
	}
	return 0;
}

static void *watcher(void *arg)
{
	uint64_t pa;
	uintptr_t irq;

	host_cpu_bind(((struct worker *)arg)->cpu);
	vm_space_activate(sp);
	wait_for(&storer_at, READY);
	CHECK_EQ(load(Y), 0);
	CHECK_EQ(load(X), OLD);
	irq = arch_irq_save();
	atomic_store(&watcher_at, WATCHING);
	seen_y = watch_y();
	seen_x = access_once(X, HOST_TLB_READ, &pa) ? atomic_load(word_at(pa)) : NEW;
	arch_irq_restore(irq);
	atomic_store(&watcher_at, WATCHED);
	wait_for(&storer_at, STORED);
	last_x = load(X);
	vm_space_activate(NULL);
	host_cpu_unbind();
	return NULL;
}

static void *storer(void *arg)
{
	uint64_t pa;

	host_cpu_bind(((struct worker *)arg)->cpu);
	vm_space_activate(sp);
	store(Y, 0);
	atomic_store(&storer_at, READY);
	wait_for(&watcher_at, WATCHING);
	for (; !reach_x(&pa); atomic_fetch_add(&tries, 1))
		sched_yield();
	atomic_store(word_at(pa), NEW);
	store(Y, 1);
	wait_for(&changer_at, CHANGED);
	atomic_store(&storer_at, STORED);
	vm_space_activate(NULL);
	host_cpu_unbind();
	return NULL;
}

static void serve(void)
{
	if (shootdown_pending())
		shootdown_serve();
}

static void check_order(void (*changes)(void), bool (*reaches)(uint64_t *pa))
{
	static void *(*const role[CPUS])(void *) = { changer, watcher, storer };
	struct worker w[CPUS];
	lock_waiter_t waiter = lock_set_waiter(serve);

	change = changes;
	reach_x = reaches;
	atomic_store(&tries, 0);
	atomic_store(&changer_at, PREPARING);
	atomic_store(&watcher_at, PREPARING);
	atomic_store(&storer_at, PREPARING);
	for (unsigned i = 0; i < CPUS; i++)
		workers_start(&w[i], i, 1, role[i]);
	workers_join(w, CPUS);
	(void)lock_set_waiter(waiter);
	if (seen_y == 1 && seen_x != NEW)
		test_fail(__FILE__, __LINE__, "CPU 1 loaded Y = 1, then X = %lu", seen_x);
	CHECK_EQ(last_x, NEW);
}

/* X is `bytes` of memory in pages of up to `largest`, with OLD in it; Y is a page with 0. */
static void begin(uint64_t bytes, unsigned largest)
{
	spaces_begin(MIB_OF_HOST, 0, CPUS);
	at_x = (struct vrange){ X, bytes };
	NEED(vm_space_new(&sp) == OK);
	CHECK_EQ(vm_space_map(sp, at_x, RW, largest), OK);
	CHECK_EQ(vm_space_map(sp, (struct vrange){ Y, PAGE_SIZE }, RW, 1), OK);
	vm_space_activate(sp);
	store(X, OLD);
	store(Y, 0);
	vm_space_activate(NULL);
}

static void end(struct vm_space *child)
{
	if (child != NULL)
		vm_space_put(child);
	CHECK(vm_space_check(sp) == NULL);
	vm_space_put(sp);
}

/* ---- changes ---- */

static void write_to_x(void)
{
	CHECK_EQ(vm_space_handle_fault(sp, X, FAULT_WRITE), OK);
}

static void unmap_x(void)
{
	uint64_t done;

	CHECK_EQ(vm_space_unmap(sp, at_x, &done), OK);
}

static void replace_x(void)
{
	struct page_prop rw = { RW | PROP_USER | PROP_TRACKED | PROP_ACCESSED, MEM_WRITE_BACK };
	struct frame *f = frame_alloc(FRAME_USER);
	struct tlb_batch gone;
	struct cursor c;

	NEED(f != NULL);
	memcpy(arch_direct(frame_paddr(f)), arch_direct(vm_space_query(sp, X).pa), PAGE_SIZE);
	tlb_batch_init(&gone, &sp->tlb);
	CHECK_EQ(cursor_open(&c, &sp->table, at_x, &gone), OK);
	CHECK_EQ(cursor_replace(&c, frame_into_raw(f), rw, 1), OK);
	cursor_close(&c);
	tlb_batch_finish(&gone);
}

/* ---- ways to X ---- */

static bool when_it_is_writable(uint64_t *pa)
{
	return access_once(X, HOST_TLB_WRITE, pa);
}

static bool when_it_can_be_mapped(uint64_t *pa)
{
	if (vm_space_map(sp, at_x, RW, 1) != OK)
		return false;
	CHECK_EQ(vm_space_handle_fault(sp, X, FAULT_WRITE), OK);
	return access_once(X, HOST_TLB_WRITE, pa);
}

/* ---- forks ---- */

enum {
	FORKS = 60,
	PIECES = 6, /* of a fork, that lie between X and Y */
};
static _Atomic bool stop;

/* Stores n to X, then to Y, which a fork copies later, or earlier. */
static void *stores_in_order(void *arg)
{
	host_cpu_bind(((struct worker *)arg)->cpu);
	vm_space_activate(sp);
	for (uint64_t n = 1; !atomic_load(&stop); n++) {
		store(X, n);
		store(Y, n);
	}
	vm_space_activate(NULL);
	host_cpu_unbind();
	return NULL;
}

static uint64_t read_of(struct vm_space *s, vaddr_t va)
{
	uint64_t value = 0;
	struct pt_item item = vm_space_query(s, va);

	CHECK(item.kind == PT_ITEM_LEAF);
	if (item.kind == PT_ITEM_LEAF)
		value = *(volatile uint64_t *)arch_direct(item.pa);
	return value;
}

/* What a child has at the two places, one of which is copied first. */
static void check_children(vaddr_t first, vaddr_t second)
{
	for (unsigned i = 0; i < FORKS; i++) {
		struct vm_space *child;
		uint64_t x, y;

		NEED(vm_space_fork(sp, &child) == OK);
		x = read_of(child, first);
		y = read_of(child, second);
		if (y > x || x > y + 1) {
			test_fail(__FILE__, __LINE__, "fork %u: the child has %lu, then %lu", i, x,
				  y);
			i = FORKS;
		}
		vm_space_put(child);
	}
}

/* A child has the parent's memory as it was at one moment, although another thread runs on. */
TEST(vm_space_order_of_what_a_fork_copies)
{
	struct worker w;
	lock_waiter_t waiter;

	begin(PAGE_SIZE, 1);
	for (unsigned i = 1; i < PIECES; i++) {
		struct vrange range = { X + i * MIB(64), MIB(8) };

		CHECK_EQ(vm_space_map(sp, range, RW, 1), OK);
		vm_space_activate(sp);
		for (vaddr_t va = range.start; va < range.start + range.len; va += PAGE_SIZE)
			store(va, 1);
		vm_space_activate(NULL);
	}
	vm_space_activate(sp);
	store(X, 0);
	vm_space_activate(NULL);
	waiter = lock_set_waiter(serve);
	atomic_store(&stop, false);
	workers_start(&w, 1, 1, stores_in_order);
	check_children(X, Y);
	atomic_store(&stop, true);
	workers_join(&w, 1);
	(void)lock_set_waiter(waiter);
	end(NULL);
}

static _Atomic bool wrote;

static void *forks_once(void *arg)
{
	struct vm_space *child;

	host_cpu_bind(((struct worker *)arg)->cpu);
	CHECK_EQ(vm_space_fork(sp, &child), OK);
	CHECK_EQ(read_of(child, X), OLD);
	vm_space_put(child);
	host_cpu_unbind();
	return NULL;
}

static void *writes_to_x(void *arg)
{
	host_cpu_bind(((struct worker *)arg)->cpu);
	CHECK_EQ(page_store(sp, X, NEW), OK);
	atomic_store(&wrote, true);
	host_cpu_unbind();
	return NULL;
}

/* A fork is held up at Y, behind X. */
TEST(vm_space_write_waits_for_the_end_of_a_fork)
{
	const struct timespec ms = { 0, NS_PER_MS };
	struct worker w[2];
	struct tlb_batch gone;
	struct cursor c;

	begin(PAGE_SIZE, 1);
	atomic_store(&wrote, false);
	tlb_batch_init(&gone, &sp->tlb);
	NEED(cursor_open(&c, &sp->table, (struct vrange){ Y, PAGE_SIZE }, &gone) == OK);
	workers_start(&w[0], 1, 1, forks_once);
	while ((vm_space_query(sp, X).prop.flags & PROP_COPY) == 0)
		sched_yield();
	workers_start(&w[1], 2, 1, writes_to_x);
	for (unsigned i = 0; i < WAITS_MS; i++)
		nanosleep(&ms, NULL);
	CHECK(!atomic_load(&wrote));
	cursor_close(&c);
	tlb_batch_finish(&gone);
	workers_join(w, 2);
	CHECK(atomic_load(&wrote));
	end(NULL);
}

/* vm_space_find() shows a child when it has all of the parent's pages, or not at all. */
static _Atomic uint64_t incomplete;

static void *searches_for_children(void *arg)
{
	unsigned next = sp->number + 1;

	host_cpu_bind(((struct worker *)arg)->cpu);
	while (!atomic_load(&stop)) {
		struct vm_space *child = vm_space_from(next);

		if (child == NULL)
			continue;
		next = child->number + 1;
		if (vm_space_query(child, Y).kind != PT_ITEM_LEAF)
			atomic_fetch_add(&incomplete, 1);
		vm_space_put(child);
	}
	host_cpu_unbind();
	return NULL;
}

TEST(vm_space_find_shows_no_child_that_is_being_made)
{
	struct worker w;
	lock_waiter_t waiter;

	begin(MIB(8), 1);
	vm_space_activate(sp);
	for (vaddr_t va = X; va < X + MIB(8); va += PAGE_SIZE)
		store(va, 1);
	vm_space_activate(NULL);
	waiter = lock_set_waiter(serve);
	atomic_store(&stop, false);
	atomic_store(&incomplete, 0);
	workers_start(&w, 1, 1, searches_for_children);
	for (unsigned i = 0; i < FORKS; i++) {
		struct vm_space *child;

		NEED(vm_space_fork(sp, &child) == OK);
		vm_space_put(child);
	}
	atomic_store(&stop, true);
	workers_join(&w, 1);
	(void)lock_set_waiter(waiter);
	CHECK_EQ(atomic_load(&incomplete), 0);
	end(NULL);
}

/* ---- tests ---- */

static void check_copy(uint64_t bytes, unsigned largest)
{
	struct vm_space *child;

	begin(bytes, largest);
	CHECK_EQ(vm_space_query(sp, X).level, largest);
	NEED(vm_space_fork(sp, &child) == OK);
	check_order(write_to_x, when_it_is_writable);
	end(child);
}

TEST(vm_space_order_of_a_copied_page)
{
	check_copy(PAGE_SIZE, 1);
}

TEST(vm_space_order_of_a_copied_large_page)
{
	check_copy(PT_LARGE_BYTES, 2);
}

/* Fault-around and the zero page: CPU 1 has read the zero page, the writer gets a page. */
TEST(vm_space_order_of_the_zero_page)
{
	begin(PAGE_SIZE, 1);
	unmap_x();
	CHECK_EQ(vm_space_map(sp, at_x, RW, 1), OK);
	*(uint64_t *)arch_direct(paddr(vm_zero_page().raw)) = OLD; /* so that it can be told */
	check_order(write_to_x, when_it_is_writable);
	*(uint64_t *)arch_direct(paddr(vm_zero_page().raw)) = 0;
	end(NULL);
}

/* The same where a large page comes in the place of pages that were only read. */
TEST(vm_space_order_of_zero_pages_that_become_a_large_page)
{
	begin(PT_LARGE_BYTES, 2);
	unmap_x();
	CHECK_EQ(vm_space_map(sp, at_x, RW, 2), OK);
	*(uint64_t *)arch_direct(paddr(vm_zero_page().raw)) = OLD; /* so that it can be told */
	check_order(write_to_x, when_it_is_writable);
	*(uint64_t *)arch_direct(paddr(vm_zero_page().raw)) = 0;
	CHECK_EQ(vm_space_query(sp, X).level, 2);
	end(NULL);
}

TEST(cursor_replace_writes_when_no_cpu_can_read_the_old_page)
{
	uint64_t done;

	begin(PAGE_SIZE, 1);
	CHECK_EQ(vm_space_protect(sp, at_x, PROP_READ, &done), OK);
	check_order(replace_x, when_it_is_writable);
	end(NULL);
}

TEST(vm_space_order_of_an_unmapped_page)
{
	begin(PAGE_SIZE, 1);
	check_order(unmap_x, when_it_can_be_mapped);
	end(NULL);
}

TEST(vm_space_order_of_an_unmapped_large_page)
{
	begin(PT_LARGE_BYTES, 2);
	check_order(unmap_x, when_it_can_be_mapped);
	end(NULL);
}

/* More pages than are invalidated one by one, and a node that goes. */
TEST(vm_space_order_of_an_unmapped_range)
{
	begin(MIB(4), 1);
	check_order(unmap_x, when_it_can_be_mapped);
	end(NULL);
}
/* ---- splits ---- */

static pte_t entry_of_level_2(vaddr_t va)
{
	struct frame *node = sp->table.root;

	for (unsigned level = LEVELS; level > 2; level--)
		node = pt_node_child(pt_node_get_unlocked(node, pte_index(va, level)), level);
	return pt_node_get_unlocked(node, pte_index(va, 2));
}

static void *has_the_large_page(void *arg)
{
	uintptr_t irq;
	pte_t seen;

	host_cpu_bind(((struct worker *)arg)->cpu);
	vm_space_activate(sp);
	CHECK_EQ(load(X), OLD);
	irq = arch_irq_save();
	atomic_store(&watcher_at, WATCHING);
	while (!shootdown_pending())
		sched_yield();
	seen = entry_of_level_2(X);
	CHECK(!pte_is_present(seen) && seen != 0);
	arch_irq_restore(irq);
	wait_for(&changer_at, CHANGED);
	CHECK_EQ(load(X), OLD);
	vm_space_activate(NULL);
	host_cpu_unbind();
	return NULL;
}

/* No small page exists while a CPU has the large one, and a lookup without a lock finds the page
 * all the time. */
TEST(vm_space_order_of_a_split)
{
	struct worker w;
	lock_waiter_t waiter = lock_set_waiter(serve);
	uint64_t done;

	begin(PT_LARGE_BYTES, 2);
	atomic_store(&watcher_at, PREPARING);
	atomic_store(&changer_at, PREPARING);
	workers_start(&w, 1, 1, has_the_large_page);
	wait_for(&watcher_at, WATCHING);
	CHECK_EQ(vm_space_protect(sp, (struct vrange){ X + MIB(1), PAGE_SIZE }, PROP_READ, &done),
		 OK);
	atomic_store(&changer_at, CHANGED);
	workers_join(&w, 1);
	(void)lock_set_waiter(waiter);
	CHECK_EQ(vm_space_query(sp, X).level, 1);
	end(NULL);
}
#endif
