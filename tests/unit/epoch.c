/* SPDX-License-Identifier: MIT */
/* Deterministic tests of mm/frame/epoch.c; epoch_threads.c runs CPUs concurrently. */
#include "mm/frame/epoch.h"

#include "kern/cpu.h"
#include "kern/percpu.h"
#include "mm/pt/node.h"
#include "tests/machine.h"
#ifndef KEEL_TESTS
#include "arch/host/host.h"
#endif
#include "tests/test.h"

enum {
	CPUS = 4,
	OBJECTS = 8 * EPOCH_BACKLOG_MAX,
	POLLS = 10,
	MANY = 100000,
};

struct thing {
	struct epoch_entry retired;
	bool freed;
};
static struct thing things[OBJECTS];
static unsigned frees;

static void free_thing(struct epoch_entry *d)
{
	struct thing *t = container_of(d, struct thing, retired);

	CHECK(!t->freed);
	t->freed = true;
	frees++;
}

static void retire(unsigned i)
{
	things[i].freed = false;
	epoch_retire(&things[i].retired, free_thing);
}

static void begin(void)
{
#ifndef KEEL_TESTS
	machine_start_simple(64, 0, CPUS);
#endif
	epoch_barrier();
	frees = 0;
}

static void poll_often(void)
{
	for (unsigned i = 0; i < POLLS; i++)
		(void)epoch_poll();
}

TEST(epoch_frees_when_no_reader_is_inside)
{
	begin();
	retire(0);
	CHECK(!things[0].freed);
	epoch_barrier();
	CHECK(things[0].freed);
	CHECK_EQ(frees, 1);
	CHECK_EQ(epoch_backlog(arch_cpu_id()), 0);
}

TEST(epoch_keeps_what_its_own_reader_may_see)
{
	uintptr_t irq;

	begin();
	irq = arch_irq_save();
	epoch_enter();
	retire(0);
	poll_often();
	CHECK(!things[0].freed && epoch_is_inside());
	epoch_enter(); /* nests */
	epoch_exit();
	poll_often();
	CHECK(!things[0].freed && epoch_is_inside());
	epoch_exit();
	CHECK(!epoch_is_inside());
	arch_irq_restore(irq);
	epoch_barrier();
	CHECK(things[0].freed);
}

TEST(epoch_frees_each_object_once)
{
	begin();
	for (unsigned i = 0; i < OBJECTS; i++)
		retire(i);
	epoch_barrier();
	CHECK_EQ(frees, OBJECTS);
	for (unsigned i = 0; i < OBJECTS; i++)
		CHECK(things[i].freed);
}

TEST(epoch_frees_in_small_steps_and_keeps_up)
{
	uint64_t max = 0;
	uintptr_t irq;

	begin();
	irq = arch_irq_save();
	for (unsigned i = 0; i < MANY; i++) {
		unsigned before = frees;

		retire(i % OBJECTS);
		CHECK(frees - before <= EPOCH_FREES);
		max = max_u64(max, epoch_backlog(arch_cpu_id()));
	}
	arch_irq_restore(irq);
#ifndef KEEL_TESTS
	CHECK(max <= EPOCH_BACKLOG_MAX); /* not in the kernel: its other CPUs may be inside */
#endif
	test_diag("largest backlog %lu, limit %u", max, EPOCH_BACKLOG_MAX);
	epoch_barrier();
	CHECK_EQ(frees, MANY);
}

/* ---- free functions that retire other objects ---- */

static void free_and_retire(struct epoch_entry *d)
{
	free_thing(d);
	if (frees < OBJECTS)
		epoch_retire(&things[frees].retired, free_and_retire);
}

TEST(epoch_of_a_chain_that_retires_itself_ends)
{
	begin();
	for (unsigned i = 0; i < OBJECTS; i++)
		things[i].freed = false;
	epoch_retire(&things[0].retired, free_and_retire);
	for (unsigned i = 0; i < OBJECTS; i++)
		epoch_barrier();
	CHECK_EQ(frees, OBJECTS);
}

static unsigned depth, deepest;

static void free_and_retire_another(struct epoch_entry *d)
{
	unsigned i = (unsigned)(container_of(d, struct thing, retired) - things);

	free_thing(d);
	depth++;
	deepest = depth > deepest ? depth : deepest;
	if (i < OBJECTS / 2)
		epoch_retire(&things[OBJECTS / 2 + i].retired, free_and_retire_another);
	depth--;
}

TEST(epoch_frees_no_deeper_than_one_call)
{
	uintptr_t irq;

	begin();
	depth = deepest = 0;
	for (unsigned i = 0; i < OBJECTS; i++)
		things[i].freed = false;
	irq = arch_irq_save();
	epoch_enter(); /* so that many become safe at once */
	for (unsigned i = 0; i < OBJECTS / 2; i++)
		epoch_retire(&things[i].retired, free_and_retire_another);
	epoch_exit();
	arch_irq_restore(irq);
	while (frees < OBJECTS)
		epoch_barrier();
	CHECK_EQ(deepest, 1);
}

/* ---- frames ---- */

TEST(epoch_puts_frames_and_nodes)
{
	struct ledger before;
	struct frame *f, *node, *block;

	begin();
	before = machine_ledger();
	f = frame_alloc(FRAME_TEST);
	block = frame_alloc_block(FRAME_TEST, 3);
	node = pt_node_alloc(2);
	NEED(f != NULL && block != NULL && node != NULL);
	frame_slot(node)->u.node.dead = 1;
	epoch_retire_frame(f);
	epoch_retire_frame(node);
	epoch_retire_frame(block);
	CHECK_EQ(frame_count(f), 1);
	CHECK_EQ(pt_node_level(node), 2); /* for late readers */
	CHECK_EQ(frame_slot(node)->u.node.dead, 1);
	CHECK(frame_slot(node)->u.node.lock != 0);
	epoch_barrier();
	CHECK_LEDGER(&before);
}

#ifndef KEEL_TESTS
static void enter_as(unsigned cpu)
{
	unsigned self = host_cpu;

	host_cpu = cpu;
	epoch_enter();
	host_cpu = self;
}

static void exit_as(unsigned cpu)
{
	unsigned self = host_cpu;

	host_cpu = cpu;
	epoch_exit();
	host_cpu = self;
}

TEST(epoch_waits_for_a_reader_of_another_cpu)
{
	begin();
	enter_as(1);
	retire(0);
	poll_often();
	CHECK(!things[0].freed);
	CHECK(atomic_load(&this_cpu_ptr(epoch_stats)->blocked) > 0);
	exit_as(1);
	poll_often();
	CHECK(things[0].freed);
}

TEST(epoch_frees_no_advance_too_early)
{
	uint64_t epoch;

	begin();
	epoch = epoch_current();
	enter_as(1); /* finds the object */
	retire(0);
	poll_often();
	CHECK_EQ(epoch_current(), epoch + 1); /* one advance is possible, and no more */
	CHECK(!things[0].freed);
	exit_as(1);
	enter_as(2); /* too late to find it */
	poll_often();
	CHECK_EQ(epoch_current(), epoch + 2);
	CHECK(things[0].freed);
	exit_as(2);
}

TEST(epoch_advances_while_some_reader_is_always_inside)
{
	begin();
	enter_as(1);
	for (unsigned i = 0; i < OBJECTS; i++) {
		retire(i);
		enter_as(1 + (i + 1) % 2);
		exit_as(1 + i % 2);
	}
	CHECK(epoch_backlog(0) <= EPOCH_BACKLOG_MAX);
	exit_as(1 + OBJECTS % 2);
	epoch_barrier();
	CHECK_EQ(frees, OBJECTS);
}

TEST(epoch_of_a_cpu_that_stopped_is_polled_by_it)
{
	begin();
	host_cpu = 2;
	retire(0);
	host_cpu = 0;
	poll_often();
	CHECK(!things[0].freed); /* a CPU frees its own */
	CHECK_EQ(epoch_backlog(2), 1);
	host_cpu = 2;
	CHECK(!epoch_poll());
	host_cpu = 0;
	CHECK(things[0].freed);
}
#endif
