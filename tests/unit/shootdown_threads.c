/* SPDX-License-Identifier: MIT */
/* Tests of kern/shootdown.c and mm/pt/batch.c with threads as CPUs; host only. */
#ifndef KEEL_TESTS
#include <sched.h>
#include <string.h>

#include "kern/shootdown.h"
#include "arch/host/host.h"
#include "mm/pt/cursor.h"
#include "tests/capture.h"
#include "tests/host_workers.h"
#include "tests/machine.h"
#include "tests/test.h"

enum {
	CPUS = 4,
	LEVELS = 4,
	ROUNDS = 1500,
	STORM_SHOOTDOWNS = 1500,
	STORM_LOCKS = 2,
	IDLE_ONE_IN = 4,
};
#define KERNEL_VA UINT64_C(0xffffc10000000000)
#define GOOD      UINT64_C(0x600d600d600d600d)
#define REUSED    UINT64_C(0xbadbadbadbadbad0)

static void idle_once(void)
{
	uintptr_t irq = arch_irq_save();

	tlb_idle_enter();
	arch_irq_restore(irq); /* instead of arch_idle(), which would wait for an interrupt */
	arch_relax();
	irq = arch_irq_save();
	tlb_idle_leave();
	arch_irq_restore(irq);
}

static uint64_t sum_of(size_t offset)
{
	uint64_t sum = 0;

	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		const uint8_t *stats = (const uint8_t *)per_cpu_ptr(shootdown_stats, cpu);

		sum += atomic_load((const _Atomic uint64_t *)(const void *)(stats + offset));
	}
	return sum;
}
#define SUM(member) sum_of(offsetof(struct shootdown_stats, member))

/* ---- a storm of shootdowns by lock holders ---- */

static _Atomic bool storm_lock[STORM_LOCKS];
static _Atomic unsigned storm_ready;

/* Waits like kern/lock.h: interrupts are off, and the mailbox is served. */
static void storm_wait(unsigned lock)
{
	while (atomic_exchange(&storm_lock[lock], true)) {
		if (shootdown_pending())
			shootdown_serve();
		arch_relax();
	}
}

static void *storm(void *arg)
{
	struct worker *w = arg;

	host_cpu_bind(w->cpu);
	atomic_fetch_add(&storm_ready, 1);
	while (atomic_load(&storm_ready) < CPUS)
		arch_relax();
	for (unsigned i = 0; i < STORM_SHOOTDOWNS; i++) {
		unsigned lock = (unsigned)(worker_random(w) % STORM_LOCKS);
		uintptr_t irq = arch_irq_save();
		struct tlb_pages f;

		tlb_pages_init(&f);
		for (uint64_t n = worker_random(w) % (TLB_PAGES_MAX + 4) + 1; n > 0; n--)
			tlb_pages_add(&f, KERNEL_VA + n * PAGE_SIZE, 1);
		storm_wait(lock);
		shootdown_run(&tlb_kernel_space, &f);
		atomic_store(&storm_lock[lock], false);
		arch_irq_restore(irq);
		if (worker_random(w) % IDLE_ONE_IN == 0)
			idle_once();
	}
	host_cpu_unbind();
	return NULL;
}

TEST(shootdown_storm_of_lock_holders_ends)
{
	struct worker w[CPUS];

	machine_start_simple(64, 0, CPUS);
	atomic_store(&storm_ready, 0);
	workers_start(w, 0, CPUS, storm);
	workers_join(w, CPUS);
	CHECK_EQ(SUM(requests), CPUS * STORM_SHOOTDOWNS);
	CHECK_EQ(SUM(served) + SUM(marks), CPUS * STORM_SHOOTDOWNS * (CPUS - 1));
	CHECK(SUM(ipis) <= SUM(served)); /* merged where an IPI is already in flight */
	for (unsigned cpu = 0; cpu < CPUS; cpu++)
		CHECK(!atomic_load(&per_cpu_ptr(shootdown_mail, cpu)->pending));
}

/* ---- the stale-translation probe ---- */

static struct page_table pt;
static _Atomic bool over;
static _Atomic unsigned wrong;
static _Atomic uint64_t reads;
static unsigned idle_one_in; /* 0: readers do not idle */

/* Reads the page like an instruction: translation and read are atomic. */
static void probe(vaddr_t va)
{
	uintptr_t irq = arch_irq_save();
	uint64_t pa, word = GOOD;

	if (host_tlb_access(va, LEVELS, HOST_TLB_READ, &pa)) {
		word = atomic_load((_Atomic uint64_t *)arch_direct(paddr(pa)));
		atomic_fetch_add(&reads, 1);
	}
	arch_irq_restore(irq);
	if (word != GOOD)
		atomic_fetch_add(&wrong, 1);
}

static void *reader(void *arg)
{
	struct worker *w = arg;

	host_cpu_bind(w->cpu);
	arch_pt_activate(frame_paddr(pt.root));
	while (!atomic_load(&over)) {
		probe(KERNEL_VA);
		probe(KERNEL_VA + GIB(1));
		if (idle_one_in != 0 && worker_random(w) % idle_one_in == 0)
			idle_once();
		sched_yield();
	}
	host_cpu_unbind();
	return NULL;
}

static err_t map(vaddr_t va, struct frame *f)
{
	const struct page_prop prop = { PROP_READ | PROP_WRITE | PROP_GLOBAL, MEM_WRITE_BACK };
	struct cursor c;
	err_t err;

	atomic_store((_Atomic uint64_t *)arch_direct(frame_paddr(f)), GOOD);
	err = cursor_open(&c, &pt, (struct vrange){ va, PAGE_SIZE }, NULL);
	if (err != OK)
		return err;
	err = cursor_map(&c, f, prop);
	cursor_close(&c);
	return err;
}

static err_t unmap(vaddr_t va, struct tlb_batch *gone)
{
	struct cursor c;
	err_t err = cursor_open(&c, &pt, (struct vrange){ va, PAGE_SIZE }, gone);

	if (err != OK)
		return err;
	err = cursor_unmap(&c, PAGE_SIZE);
	cursor_close(&c);
	return err;
}

/* No CPU may reach what the batch frees; idle CPUs may still have translations of pages. */
static void check_every_tlb(const struct frame *f, const struct frame *const *nodes, unsigned n)
{
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		if (idle_one_in == 0 && host_tlb_has_page(cpu, frame_paddr(f).raw, PAGE_SIZE))
			atomic_fetch_add(&wrong, 1);
		for (unsigned i = 0; i < n; i++)
			if (host_tlb_has_table(cpu, frame_paddr(nodes[i]).raw))
				atomic_fetch_add(&wrong, 1);
	}
}

/* Maps, lets other CPUs read, unmaps, and reuses the frame. */
static err_t round_of(vaddr_t va)
{
	uint64_t seen = atomic_load(&reads);
	const struct frame *nodes[PT_LEVEL_MAX];
	struct frame *f = frame_alloc(FRAME_TEST);
	struct tlb_batch gone;
	unsigned n = 0;
	err_t err;

	if (f == NULL)
		return ERR_NO_MEMORY;
	(void)frame_get(f); /* the test's own reference, to use it after the shootdown */
	err = map(va, f);
	/* waits for the first read, later only for a while */
	for (unsigned i = 0; err == OK && (i < 100 || seen == 0) && atomic_load(&reads) == seen;
	     i++)
		sched_yield();
	tlb_batch_init(&gone, &tlb_kernel_space);
	if (err == OK)
		err = unmap(va, &gone);
	for (pfn_t dead = gone.dead; dead != PT_NODE_LAST; dead = pt_node_next_dead(nodes[n++]))
		nodes[n] = frame_of_slot(meta_slot_of(dead));
	tlb_batch_finish(&gone);
	check_every_tlb(f, nodes, n);
	atomic_store((_Atomic uint64_t *)arch_direct(frame_paddr(f)), REUSED);
	frame_put(f);
	return err;
}

static void run_probe(unsigned rounds)
{
	struct worker w[CPUS - 1];
	struct frame *neighbour;
	struct ledger before;

	machine_start_simple(64, 0, CPUS);
	before = machine_ledger();
	host_tlb_is_slow = true;
	NEED(page_table_init(&pt, LEVELS) == OK);
	neighbour = frame_alloc(FRAME_TEST);
	NEED(neighbour != NULL);
	CHECK_EQ(map(KERNEL_VA + PAGE_SIZE, neighbour), OK); /* keeps the tables */
	atomic_store(&over, false);
	atomic_store(&wrong, 0);
	atomic_store(&reads, 0);
	host_cpu_bind(0);
	workers_start(w, 1, CPUS - 1, reader);
	for (unsigned i = 0; i < rounds && atomic_load(&wrong) == 0; i++)
		CHECK_EQ(round_of(i % 2 == 0 ? KERNEL_VA : KERNEL_VA + GIB(1)), OK);
	atomic_store(&over, true);
	workers_join(w, CPUS - 1);
	host_cpu_unbind();
	CHECK_EQ(atomic_load(&wrong), 0);
	page_table_destroy(&pt);
	CHECK_LEDGER(&before);
}

TEST(shootdown_probe_never_reads_a_frame_that_was_reused)
{
	idle_one_in = 0;
	run_probe(ROUNDS);
}

TEST(shootdown_probe_of_cpus_that_idle_never_reads_a_frame_that_was_reused)
{
	idle_one_in = IDLE_ONE_IN;
	run_probe(ROUNDS);
}

/* ---- a CPU that does not answer ---- */

static _Atomic bool is_deaf;
static bool stops_then; /* when it was reported */

static void *deaf_until_it_was_named(void *arg)
{
	struct worker *w = arg;
	unsigned before = warn_count();
	uintptr_t irq;

	host_cpu_bind(w->cpu);
	irq = arch_irq_save();
	atomic_store(&is_deaf, true);
	while (warn_count() == before)
		arch_relax();
	if (stops_then) {
		host_cpu_stop(w->cpu);
		while (!atomic_load(&over))
			arch_relax();
	}
	arch_irq_restore(irq); /* the IPI arrives */
	host_cpu_unbind();
	return NULL;
}

/* Runs a shootdown while CPU 2 has interrupts off. */
static void shootdown_beside_a_deaf_cpu(void)
{
	struct worker w;
	struct tlb_pages f;

	machine_start_simple(64, 0, CPUS);
	shootdown_set_patience(1);
	atomic_store(&is_deaf, false);
	atomic_store(&over, false);
	workers_start(&w, 2, 1, deaf_until_it_was_named);
	while (!atomic_load(&is_deaf))
		arch_relax();
	tlb_pages_init(&f);
	tlb_pages_add(&f, KERNEL_VA, 1);
	capture_begin();
	shootdown_run(&tlb_kernel_space, &f);
	(void)capture_end();
	atomic_store(&over, true);
	workers_join(&w, 1);
	shootdown_set_patience(0);
	CHECK(strstr(capture_text(), "CPU 2 does not answer a TLB shootdown of CPU 0") != NULL);
}

TEST(shootdown_names_a_cpu_that_does_not_answer_and_waits_on)
{
	stops_then = false;
	shootdown_beside_a_deaf_cpu();
	CHECK_EQ(atomic_load(&per_cpu_ptr(shootdown_stats, 2)->served), 1);
}

TEST(shootdown_waits_no_longer_for_a_cpu_that_is_stopped_meanwhile)
{
	stops_then = true;
	shootdown_beside_a_deaf_cpu();
	CHECK_EQ(atomic_load(&per_cpu_ptr(shootdown_stats, 2)->served), 0);
	CHECK(!cpu_set_has(&per_cpu_ptr(shootdown_mail, 2)->from, 0));
}
#endif
