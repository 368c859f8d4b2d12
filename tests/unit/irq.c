/* SPDX-License-Identifier: MIT */
/* Tests of kern/irq.c and kern/vector.c on the host's interrupt controller (arch/host/irq.c). */
#ifndef KEEL_TESTS
#include "kern/irq.h"

#include "arch/host/host.h"
#include "kern/completion.h"
#include "kern/cpu.h"
#include "kern/kthread.h"
#include "kern/vector.h"
#include "lib/print.h"
#include "lib/string.h"
#include "monitor/command.h"
#include "monitor/irq_report.h"
#include "tests/capture.h"
#include "tests/host_threads.h"
#include "tests/test.h"

enum {
	GSI = 20,
	SHARERS = 3,
	ROUNDS = 500,
	PATTERN_BYTES = 128,
	OPEN_MS = 5000, /* far more than a loaded machine needs */
	SPAWNED = 1,    /* stacks of spawn() */
};

/* A device that asserts a level until its handler acknowledges it. */
struct gadget {
	struct irq irq;
	uint32_t gsi;
	_Atomic bool wants;
	_Atomic unsigned calls, handled, threads, frees;
	_Atomic bool freed;
	unsigned wrong;
};

static enum irq_result gadget_interrupt(void *context)
{
	struct gadget *g = context;

	g->wrong += !arch_irq_is_off() || g->freed;
	g->calls++;
	if (!atomic_exchange(&g->wants, false))
		return IRQ_NONE;
	g->handled++;
	host_irq_deassert(g->gsi);
	return IRQ_HANDLED;
}

static void gadget_signal(struct gadget *g)
{
	atomic_store(&g->wants, true);
	host_irq_assert(g->gsi);
}

static void gadget_start(struct gadget *g)
{
	*g = (struct gadget){ .gsi = GSI };
}

static bool line_of(const char *name, struct irq_info *info)
{
	for (unsigned i = 0; i < IRQ_LINES_MAX; i++)
		if (irq_info_at(i, info) && strcmp(info->name, name) == 0)
			return true;
	return false;
}

/* Whether the output of a monitor command matches `glob`. */
static bool command_matches(const char *command, const char *glob)
{
	char line[PATTERN_BYTES];
	bool known = str_copy(line, command, sizeof(line));

	capture_begin();
	known = known && command_run(line);
	return str_glob(glob, capture_end()) && known;
}

TEST(irq_handler_gets_its_context_and_is_freed)
{
	struct gadget g;
	struct irq_info info;

	cpus_start(1);
	gadget_start(&g);
	NEED(irq_request(&g.irq, irq_wire(GSI, IRQ_EDGE_HIGH), "gadget", gadget_interrupt, &g) ==
	     OK);
	CHECK(host_irq_is_open(GSI));
	gadget_signal(&g);
	CHECK_EQ(g.handled, 1);
	gadget_signal(&g);
	CHECK_EQ(g.handled, 2);
	CHECK(line_of("gadget", &info) && info.gsi == GSI && info.count == 2 && info.handlers == 1);
	CHECK_EQ(vector_count(0), 1);
	irq_free(&g.irq);
	g.freed = true;
	CHECK(!host_irq_is_open(GSI));
	CHECK(!line_of("gadget", &info));
	CHECK_EQ(vector_count(0), 0);
	gadget_signal(&g);
	CHECK_EQ(g.calls, 2);
	CHECK_EQ(g.wrong, 0);
	cpus_stop();
}

TEST(irq_level_is_shared_and_an_edge_is_not)
{
	struct gadget g[SHARERS], other;

	cpus_start(1);
	for (unsigned i = 0; i < SHARERS; i++) {
		gadget_start(&g[i]);
		CHECK_EQ(irq_request(&g[i].irq, irq_wire(GSI, IRQ_LEVEL_LOW), "sharer",
				     gadget_interrupt, &g[i]),
			 OK);
	}
	gadget_start(&other);
	CHECK_EQ(irq_request(&other.irq, irq_wire(GSI, IRQ_LEVEL_HIGH), "other", gadget_interrupt,
			     &other),
		 ERR_IN_USE);
	gadget_signal(&g[1]);
	for (unsigned i = 0; i < SHARERS; i++) {
		CHECK_EQ(g[i].calls, 1);
		CHECK_EQ(g[i].handled, i == 1);
	}
	irq_free(&g[0].irq);
	g[0].freed = true;
	gadget_signal(&g[2]);
	CHECK_EQ(g[2].handled, 1);
	irq_free(&g[1].irq);
	CHECK(host_irq_is_open(GSI));
	irq_free(&g[2].irq);
	CHECK(!host_irq_is_open(GSI));
	for (unsigned i = 0; i < SHARERS; i++)
		CHECK_EQ(g[i].wrong, 0);
	NEED(irq_request(&g[0].irq, irq_wire(GSI, IRQ_EDGE_HIGH), "edge", gadget_interrupt,
			 &g[0]) == OK);
	CHECK_EQ(irq_request(&other.irq, irq_wire(GSI, IRQ_EDGE_HIGH), "other", gadget_interrupt,
			     &other),
		 ERR_IN_USE);
	irq_free(&g[0].irq);
	CHECK_EQ(irq_request(&other.irq, irq_wire(HOST_GSIS, IRQ_EDGE_HIGH), "none",
			     gadget_interrupt, &other),
		 ERR_NOT_FOUND);
	CHECK_EQ(vector_count(0), 0);
	cpus_stop();
}

TEST(irq_more_sharers_than_fit_are_refused)
{
	static struct gadget g[IRQ_SHARED_MAX + 1];

	cpus_start(1);
	for (unsigned i = 0; i <= IRQ_SHARED_MAX; i++) {
		gadget_start(&g[i]);
		CHECK_EQ(irq_request(&g[i].irq, irq_wire(GSI, IRQ_LEVEL_LOW), "sharer",
				     gadget_interrupt, &g[i]),
			 i < IRQ_SHARED_MAX ? OK : ERR_NO_MEMORY);
	}
	for (unsigned i = 0; i < IRQ_SHARED_MAX; i++)
		irq_free(&g[i].irq);
	cpus_stop();
}

/* ---- a device that is stuck ---- */

static enum irq_result never_mine(void *calls)
{
	if (++*(unsigned *)calls == 4 * IRQ_UNHANDLED_MAX)
		host_irq_deassert(GSI); /* a kernel that does not mask it would never return */
	return IRQ_NONE;
}

TEST(irq_level_that_no_handler_recognises_is_masked)
{
	struct irq irq;
	struct irq_info info;
	unsigned calls = 0;

	cpus_start(1);
	NEED(irq_request(&irq, irq_wire(GSI, IRQ_LEVEL_HIGH), "deaf", never_mine, &calls) == OK);
	capture_begin();
	host_irq_assert(GSI);
	(void)capture_end();
	CHECK_EQ(calls, IRQ_UNHANDLED_MAX);
	CHECK(str_glob("*no handler recognised it: masked*", capture_text()));
	CHECK(!host_irq_is_open(GSI));
	CHECK(line_of("deaf", &info) && info.masked);
	CHECK(command_matches("irqs", "*deaf (masked: no handler recognised it)\n*"));
	irq_free(&irq);
	host_irq_deassert(GSI);
	cpus_stop();
}

static void stick(uint32_t gsi)
{
	capture_begin();
	host_irq_assert(gsi);
	(void)capture_end();
	CHECK(!host_irq_is_open(gsi));
}

TEST(irq_level_that_was_masked_is_tried_again_with_other_handlers)
{
	struct irq deaf;
	struct irq_info info;
	struct gadget g;
	unsigned calls = 0;

	cpus_start(1);
	gadget_start(&g);
	NEED(irq_request(&deaf, irq_wire(GSI, IRQ_LEVEL_LOW), "deaf", never_mine, &calls) == OK);
	stick(GSI);
	g.wants = true; /* it was this device that asserted */
	NEED(irq_request(&g.irq, irq_wire(GSI, IRQ_LEVEL_LOW), "late", gadget_interrupt, &g) == OK);
	CHECK_EQ(g.handled, 1);
	CHECK(host_irq_is_open(GSI));
	stick(GSI); /* now it is the other one */
	CHECK_EQ(calls, 2 * IRQ_UNHANDLED_MAX + 1);
	host_irq_deassert(GSI);
	irq_free(&deaf);
	CHECK(host_irq_is_open(GSI));
	gadget_signal(&g);
	CHECK_EQ(g.handled, 2);
	CHECK(line_of("late", &info) && !info.masked && info.unhandled == 0);
	irq_free(&g.irq);
	CHECK(!host_irq_is_open(GSI));
	cpus_stop();
}

/* ---- threads ---- */

static void *stack_alloc(size_t bytes, const char *owner)
{
	static unsigned next;

	(void)owner;
	CHECK(bytes <= STACK_BYTES);
	return stacks[SPAWNED + next++ % (STACKS - SPAWNED)];
}

static void stack_free(void *stack)
{
	(void)stack;
}

static const struct kthread_stacks test_stacks = { stack_alloc, stack_free };

static struct completion served;

static enum irq_result wake_thread(void *context)
{
	struct gadget *g = context;

	g->calls++;
	return g->wants ? IRQ_WAKE_THREAD : IRQ_NONE;
}

/* The wire is masked while it runs, although it is still asserted at its beginning. */
static void gadget_thread(void *context)
{
	struct gadget *g = context;

	g->wrong += arch_irq_is_off() || host_irq_is_open(GSI);
	thread_yield();
	atomic_store(&g->wants, false);
	host_irq_deassert(GSI);
	g->threads++;
	complete(&served);
}

static bool becomes_open(uint32_t gsi)
{
	uint64_t end = arch_ticks() + OPEN_MS * arch_ticks_per_ms();

	while (!host_irq_is_open(gsi) && arch_ticks() < end)
		thread_yield();
	return host_irq_is_open(gsi);
}

TEST(irq_level_is_masked_while_its_thread_runs)
{
	struct gadget g;

	cpus_start(2);
	kthread_set_stacks(&test_stacks);
	gadget_start(&g);
	NEED(irq_request_threaded(&g.irq, irq_wire(GSI, IRQ_LEVEL_LOW), "threaded", wake_thread,
				  gadget_thread, &g) == OK);
	for (unsigned i = 1; i <= 10; i++) {
		completion_init(&served);
		gadget_signal(&g);
		completion_wait(&served);
		NEED(becomes_open(GSI));
		CHECK_EQ(g.threads, i);
		CHECK_EQ(g.calls, i); /* not again and again meanwhile */
	}
	irq_free(&g.irq);
	CHECK_EQ(g.wrong, 0);
	cpus_stop();
}

/* ---- threads that outlive their handler ---- */

/* The first device's thread goes on until it is told to end. */
static struct completion may_end;

static void linger(void *context)
{
	gadget_thread(context);
	completion_wait(&may_end);
}

static void free_gadget(void *gadget)
{
	irq_free(&((struct gadget *)gadget)->irq);
}

/* The line goes to another driver while a thread of the driver before it still runs. */
TEST(irq_thread_that_ends_late_leaves_the_next_user_of_its_line_alone)
{
	struct gadget old, next;
	struct irq_info info;
	struct thread *t;

	cpus_start(2);
	kthread_set_stacks(&test_stacks);
	gadget_start(&old);
	gadget_start(&next);
	completion_init(&served);
	completion_init(&may_end);
	NEED(irq_request_threaded(&old.irq, irq_wire(GSI, IRQ_LEVEL_LOW), "old", wake_thread,
				  linger, &old) == OK);
	gadget_signal(&old);
	completion_wait(&served);
	t = spawn(0, free_gadget, &old);
	while (line_of("old", &info))
		thread_yield();
	NEED(irq_request_threaded(&next.irq, irq_wire(GSI, IRQ_LEVEL_LOW), "next", wake_thread,
				  gadget_thread, &next) == OK);
	complete(&may_end);
	thread_join(t);
	for (unsigned i = 1; i <= 2; i++) {
		completion_init(&served);
		gadget_signal(&next);
		completion_wait(&served);
		while (!host_irq_is_open(GSI))
			thread_yield();
		CHECK_EQ(next.threads, i);
		CHECK_EQ(next.calls, i);
	}
	irq_free(&next.irq);
	CHECK_EQ(old.wrong + next.wrong, 0);
	cpus_stop();
}

/* ---- freeing while interrupts come ---- */

enum {
	SLOW_TURNS = 4000,
	WAIT_TURNS = 20000,
};
static _Atomic bool over;

/* Long enough that irq_free() often meets it. */
static enum irq_result slow_interrupt(void *context)
{
	struct gadget *g = context;
	unsigned frees = atomic_load(&g->frees);
	enum irq_result result = gadget_interrupt(context);

	for (unsigned i = 0; i < SLOW_TURNS; i++)
		arch_relax();
	g->wrong += atomic_load(&g->frees) != frees;
	return result;
}

static void signal_on_and_on(void *gadget)
{
	while (!atomic_load(&over))
		gadget_signal(gadget);
}

TEST(irq_handler_never_runs_after_it_was_freed)
{
	static struct gadget g;
	struct thread *t;
	unsigned calls = 0, wrong = 0, cpu, first;

	cpus_start(3);
	NEED(vector_alloc(VECTOR_BLOCK_MAX, &cpu, &first) == OK && cpu == 0);
	gadget_start(&g); /* on another CPU, which has more vectors left */
	atomic_store(&over, false);
	t = spawn_on(2, 0, signal_on_and_on, &g);
	for (unsigned i = 0; i < ROUNDS; i++) {
		g.freed = false;
		CHECK_EQ(irq_request(&g.irq, irq_wire(GSI, IRQ_LEVEL_HIGH), "busy", slow_interrupt,
				     &g),
			 OK);
		for (unsigned turn = 0; g.calls == calls && turn < WAIT_TURNS; turn++)
			arch_relax();
		irq_free(&g.irq); /* in the middle of the handler, mostly */
		g.freed = true;
		g.frees++;
		calls = g.calls;
		arch_relax();
		wrong += calls != g.calls;
	}
	atomic_store(&over, true);
	thread_join(t);
	vector_free(cpu, first, VECTOR_BLOCK_MAX);
	CHECK_EQ(g.wrong + wrong, 0);
	test_diag("%u calls", calls);
	cpus_stop();
}

/* ---- messages ---- */

static enum irq_result count_message(void *counter)
{
	(*(_Atomic unsigned *)counter)++;
	return IRQ_HANDLED;
}

TEST(irq_messages_of_a_block_have_handlers_of_their_own)
{
	static _Atomic unsigned counts[4];
	struct irq_msi msi;
	struct msi_message m;
	struct irq irq[4], second;

	cpus_start(2);
	NEED(irq_msi_alloc(&msi, 4, 0x10) == OK);
	CHECK_EQ(msi.vector % 4, 0);
	for (unsigned i = 0; i < 4; i++) {
		counts[i] = 0;
		CHECK_EQ(irq_request(&irq[i], irq_message(&msi, i), "message", count_message,
				     &counts[i]),
			 OK);
	}
	CHECK_EQ(irq_request(&second, irq_message(&msi, 2), "second", count_message, &counts[2]),
		 ERR_IN_USE);
	CHECK_EQ(irq_request(&second, irq_message(&msi, 4), "second", count_message, &counts[2]),
		 ERR_NOT_FOUND);
	CHECK_EQ(irq_msi_message(&msi, 0, &m), OK);
	for (unsigned i = 0; i < 4; i++)
		for (unsigned n = 0; n <= i; n++) {
			host_msi_write(m.address, m.data | i);
			while (counts[i] != n + 1)
				arch_relax();
		}
	for (unsigned i = 0; i < 4; i++)
		irq_free(&irq[i]);
	irq_msi_free(&msi);
	CHECK_EQ(vector_count(0) + vector_count(1), 0);
	cpus_stop();
}

static unsigned mapped, unmapped;

static err_t remap_map(const struct irq_msi *msi, unsigned index, struct msi_message *out)
{
	mapped++;
	*out = (struct msi_message){ msi->requester, index };
	return OK;
}

static void remap_unmap(const struct irq_msi *msi)
{
	unmapped += msi->count;
}

TEST(irq_remapping_composes_messages)
{
	static const struct irq_remapping remapping = { remap_map, remap_unmap };
	struct irq_msi msi;
	struct msi_message m;

	cpus_start(1);
	mapped = unmapped = 0;
	irq_set_remapping(&remapping);
	CHECK_EQ(irq_msi_alloc(&msi, 2, 0x1234), OK);
	CHECK_EQ(irq_msi_message(&msi, 1, &m), OK);
	CHECK(m.address == 0x1234 && m.data == 1);
	irq_msi_free(&msi);
	CHECK_EQ(mapped, 1);
	CHECK_EQ(unmapped, 2);
	irq_set_remapping(NULL);
	cpus_stop();
}

TEST(irq_vector_without_a_line_is_counted)
{
	uint64_t before;

	cpus_start(1);
	before = irq_spurious_count();
	host_msi_write(UINT64_C(0xfee00000), ARCH_VECTOR_LAST);
	CHECK_EQ(irq_spurious_count(), before + 1);
	cpus_stop();
}

/* ---- reports ---- */

TEST(irq_report_lists_vectors_and_lines)
{
	struct irq_info info;
	char row[PATTERN_BYTES];
	struct irq_msi msi;
	struct irq message;
	struct gadget g;
	_Atomic unsigned messages = 0;
	struct msi_message m;

	cpus_start(1);
	gadget_start(&g);
	NEED(irq_request(&g.irq, irq_wire(GSI, IRQ_LEVEL_LOW), "gadget", gadget_interrupt, &g) ==
	     OK);
	NEED(irq_msi_alloc(&msi, 1, 0x10) == OK);
	NEED(irq_request(&message, irq_message(&msi, 0), "message", count_message, &messages) ==
	     OK);
	NEED(irq_msi_message(&msi, 0, &m) == OK);
	gadget_signal(&g);
	gadget_signal(&g);
	host_msi_write(m.address, m.data);
	NEED(line_of("gadget", &info));
	print_to(row, sizeof(row), "*%#4x device *2\n*", info.vector);
	CHECK(command_matches("irqs", row));
	print_to(row, sizeof(row), "*\nGSI 20 *0 *%#4x  level low *1 *2 *0  gadget\n*",
		 info.vector);
	CHECK(command_matches("irqs", row));
	print_to(row, sizeof(row), "*\nMSI *0 *%#4x  message *1 *1 *0  message\n*", msi.vector);
	CHECK(command_matches("irqs", row));
	CHECK(command_matches("cpus", "CPU *APIC *\n *0 *0 *0 *3\nCPU  off*"));
	CHECK_STR(irq_handler_name(0, info.vector), "gadget");
	CHECK_STR(irq_handler_name(1, info.vector), "device");
	CHECK_STR(irq_handler_name(0, ARCH_VECTOR_LAST + 1), "no handler");
	irq_free(&g.irq);
	irq_free(&message);
	irq_msi_free(&msi);
	CHECK(!command_matches("irqs", "*gadget*"));
	cpus_stop();
}

TEST(backtrace_report_names_a_machine_without_backtraces)
{
	CHECK(command_matches("bt", "bt: this machine has no backtraces\n"));
}

/* ---- vectors ---- */

enum {
	VECTORS = ARCH_VECTOR_LAST - ARCH_VECTOR_FIRST + 1,
};

TEST(vectors_are_unique_aligned_and_spread_over_cpus)
{
	static bool used[CPUS][ARCH_VECTORS];
	unsigned cpu, first, singles = 0;

	memset(used, 0, sizeof(used));
	cpus_start(2);
	CHECK_EQ(vector_alloc(3, &cpu, &first), ERR_BAD_RANGE);
	CHECK_EQ(vector_alloc(0, &cpu, &first), ERR_BAD_RANGE);
	CHECK_EQ(vector_alloc(2 * VECTOR_BLOCK_MAX, &cpu, &first), ERR_BAD_RANGE);
	for (unsigned count = VECTOR_BLOCK_MAX; count != 0; count /= 2)
		for (unsigned i = 0; i < 2; i++) {
			NEED(vector_alloc(count, &cpu, &first) == OK);
			CHECK_EQ(first % count, 0);
			for (unsigned v = first; v < first + count; v++) {
				CHECK(v >= ARCH_VECTOR_FIRST && v <= ARCH_VECTOR_LAST);
				CHECK(!used[cpu][v]);
				used[cpu][v] = true;
			}
		}
	CHECK_EQ(vector_count(0), vector_count(1));
	while (vector_alloc(1, &cpu, &first) == OK) {
		CHECK(!used[cpu][first]);
		used[cpu][first] = true;
		singles++;
	}
	CHECK_EQ(singles + 2 * (2 * VECTOR_BLOCK_MAX - 1), 2 * VECTORS);
	for (unsigned c = 0; c < 2; c++)
		for (unsigned v = ARCH_VECTOR_FIRST; v <= ARCH_VECTOR_LAST; v++)
			vector_free(c, v, 1);
	CHECK_EQ(vector_count(0) + vector_count(1), 0);
	cpus_stop();
}
#endif
