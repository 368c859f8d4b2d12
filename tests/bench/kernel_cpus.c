/* SPDX-License-Identifier: MIT */
/*
 * kernel_cpus.c - scalability benches: several CPUs run the same load at once.
 *
 * The monitor's `benchcpus LOAD FIRST LAST` runs a fixed number of operations on each of these
 * CPUs, all at once, and prints how many.  It reads no clock: tools/bench.py on the host reads the
 * CPU time of the virtual CPUs before and after, so that other work on that host does not count.
 * The loads share no data besides the kernel's own; faults are taken in one address space, each CPU
 * in its own range.
 *
 * `benchshootdown idle|busy` unmaps a page while the other CPUs halt or run, and prints the ticks
 * (measure.h) and the number of shootdown requests, IPIs and CPUs marked instead of interrupted.
 */
#include "arch/arch.h"
#include "kern/cpu.h"
#include "kern/shootdown.h"
#include "lib/panic.h"
#include "lib/print.h"
#include "lib/string.h"
#include "mm/frame/frame.h"
#include "mm/heap/heap.h"
#include "mm/kspace/kspace.h"
#include "kern/kthread.h"
#include "mm/vm/space.h"
#include "monitor/command.h"
#include "tests/bench/measure.h"

enum {
	OBJECT_BYTES = 64,
	BLOCK_ORDER = 5,
	SHOOTDOWN_SAMPLES = 101,
	AREA_KIB = 4,
	RW = PROP_READ | PROP_WRITE,
};
/* Range that each CPU faults in, in the common space. */
#define FAULT_BASE       UINT64_C(0x10000000000)
#define FAULT_BYTES      MIB(32)
#define FAULT_OPERATIONS (6 * FAULT_BYTES / PAGE_SIZE)

/* Threads of one command; their common start and end. */
static struct thread *threads[ARCH_MAX_CPUS];
static _Atomic unsigned arrived, awaited;
static _Atomic bool stop;
static struct vm_space *space;

static void must(err_t err)
{
	if (err != OK)
		panic("bench: %s", err_name(err));
}

/* ---- scaling ---- */

static void frame_pairs(unsigned operations)
{
	for (unsigned i = 0; i < operations; i++) {
		struct frame *f = frame_alloc(FRAME_TEST);

		if (f == NULL)
			panic("bench: memory has run out");
		frame_put(f);
	}
}

static void heap_pairs(unsigned operations)
{
	for (unsigned i = 0; i < operations; i++) {
		void *p = heap_alloc(OBJECT_BYTES);

		if (p == NULL)
			panic("bench: memory has run out");
		heap_free(p);
	}
}

static void block_pairs(unsigned operations)
{
	for (unsigned i = 0; i < operations; i++) {
		struct frame *f = frame_alloc_block(FRAME_TEST, BLOCK_ORDER);

		if (f == NULL)
			panic("bench: memory has run out");
		frame_put(f);
	}
}

/* Takes a real page fault, by a write. */
static void write_page(vaddr_t va)
{
	if (arch_copy_to_user(va, &va, sizeof(va)).done != sizeof(va))
		panic("bench: %#lx cannot be written", va);
}

/* Calls the kernel's fault handling without a CPU exception. */
static void resolve_page(vaddr_t va)
{
	must(vm_space_handle_fault(space, va, FAULT_WRITE));
}

/* One operation per page: map, fault in and unmap. */
static __forceinline void fault_pages_by(void (*fault)(vaddr_t va), unsigned operations)
{
	struct vrange own = { FAULT_BASE + arch_cpu_id() * FAULT_BYTES, FAULT_BYTES };

	vm_space_activate(space);
	for (unsigned n = 0; n < operations; n += FAULT_BYTES / PAGE_SIZE) {
		uint64_t done;

		must(vm_space_map(space, own, RW, 1));
		for (vaddr_t va = own.start; va < own.start + own.len; va += PAGE_SIZE)
			fault(va);
		must(vm_space_unmap(space, own, &done));
	}
	vm_space_activate(NULL);
}

static void fault_pages(unsigned operations)
{
	fault_pages_by(write_page, operations);
}

static void resolve_pages(unsigned operations)
{
	fault_pages_by(resolve_page, operations);
}

/* The CPU's part of a fault: no space is active, so the handler ends the copy at once. */
static void raise_faults(unsigned operations)
{
	for (unsigned i = 0; i < operations; i++)
		if (arch_copy_to_user(FAULT_BASE, &i, sizeof(i)).done != 0)
			panic("bench: a page where there is no space");
}

/* Baseline without shared data: two CPUs slow each other down only by the host.  Clears as much
 * memory as the faults do. */
static void own_pages(unsigned operations)
{
	struct frame *block[FAULT_BYTES / MIB(2)];
	unsigned n = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(block); i++) {
		block[i] = frame_alloc_block(FRAME_TEST, PT_INDEX_BITS);
		if (block[i] == NULL)
			panic("bench: memory has run out");
	}
	while (n < operations)
		for (unsigned i = 0; i < FAULT_BYTES / PAGE_SIZE; i++, n++)
			memset(arch_direct(paddr(frame_paddr(block[i / PT_ENTRIES]).raw +
						 i % PT_ENTRIES * PAGE_SIZE)),
			       0, PAGE_SIZE);
	for (unsigned i = 0; i < ARRAY_SIZE(block); i++)
		frame_put(block[i]);
}

static void no_operation(unsigned operations)
{
	(void)operations;
}

static const struct load {
	const char *name;
	void (*run)(unsigned operations);
	unsigned operations;
} loads[] = {
	{ "none", no_operation, 0 }, /* overhead of the command itself */
	{ "alone", own_pages, FAULT_OPERATIONS },
	{ "frame", frame_pairs, 1000000 },
	{ "heap", heap_pairs, 1500000 },
	{ "order5", block_pairs, 500000 },
	{ "fault", fault_pages, FAULT_OPERATIONS }, /* one page per operation */
	{ "resolve", resolve_pages, FAULT_OPERATIONS },
	{ "raise", raise_faults, 100000 },
};

static void run_load(void *index)
{
	const struct load *load = &loads[(uintptr_t)index];

	arrived++;
	while (arrived < awaited)
		arch_relax();
	load->run(load->operations);
}

/* Starts a thread that runs fn(arg) on each of the CPUs [first, end). */
static void start_threads(unsigned first, unsigned end, void (*fn)(void *arg), void *arg)
{
	arrived = 0;
	awaited = end - first;
	for (unsigned cpu = first; cpu < end; cpu++)
		if (kthread_create_on(cpu, "bench", fn, arg, &threads[cpu]) != OK)
			panic("bench: no memory for a thread");
}

static void join_threads(unsigned first, unsigned end)
{
	for (unsigned cpu = first; cpu < end; cpu++)
		kthread_join(threads[cpu]);
}

COMMAND(benchcpus, "none|alone|frame|heap|order5|fault|resolve|raise FIRST LAST",
	"run a load on CPUs FIRST to LAST at once")
{
	uint64_t first = 0, last = 0;

	if (argc < 4 || str_to_size(argv[2], &first) == NULL ||
	    str_to_size(argv[3], &last) == NULL || first > last || last >= cpu_count()) {
		print("benchcpus: a load and two CPUs below %u are needed\n", cpu_count());
		return;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(loads); i++) {
		if (strcmp(argv[1], loads[i].name) != 0)
			continue;
		must(vm_space_new(&space));
		start_threads((unsigned)first, (unsigned)last + 1, run_load, (void *)(uintptr_t)i);
		join_threads((unsigned)first, (unsigned)last + 1);
		vm_space_put(space);
		print("CPUS %s operations=%u cpus=%lu\n", loads[i].name, loads[i].operations,
		      last - first + 1);
	}
}

/* ---- shootdowns ---- */

static void *area;

static __forceinline void area_take(unsigned kib)
{
	area = vmalloc(KIB(kib));
	if (area == NULL)
		panic("bench: memory has run out");
	*(volatile uint8_t *)area = 0;
}

static __forceinline void area_give(unsigned kib)
{
	(void)kib;
	vfree(area);
}

static void run_shootdowns(void *unused)
{
	const struct shootdown_stats *t = per_cpu_ptr(shootdown_stats, 0);
	uint64_t requests, ipis, marks;

	(void)unused;
	measure_overhead();
	measure("map_kib", AREA_KIB, SHOOTDOWN_SAMPLES, 1, nothing, area_take, area_give);
	requests = percpu_read(&t->requests);
	ipis = percpu_read(&t->ipis);
	marks = percpu_read(&t->marks);
	measure("unmap_kib", AREA_KIB, SHOOTDOWN_SAMPLES, 1, area_take, area_give, nothing);
	print("SHOOTDOWN cpus=%u operations=%u requests=%lu ipis=%lu marks=%lu\n", cpu_count(),
	      SHOOTDOWN_SAMPLES, percpu_read(&t->requests) - requests, percpu_read(&t->ipis) - ipis,
	      percpu_read(&t->marks) - marks);
}

static void be_busy(void *unused)
{
	(void)unused;
	arrived++;
	while (!stop)
		arch_relax();
}

COMMAND(benchshootdown, "idle|busy", "unmap a page while the other CPUs halt or run")
{
	unsigned cpus = cpu_count();
	bool busy = argc > 1 && strcmp(argv[1], "busy") == 0;

	stop = false;
	if (busy)
		start_threads(1, cpus, be_busy, NULL);
	while (busy && arrived < cpus - 1)
		thread_yield();
	if (kthread_create_on(0, "bench", run_shootdowns, NULL, &threads[0]) != OK)
		panic("bench: no memory for a thread");
	kthread_join(threads[0]);
	stop = true;
	if (busy)
		join_threads(1, cpus);
}
