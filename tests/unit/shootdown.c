/* SPDX-License-Identifier: MIT */
/* Tests of kern/shootdown.c and mm/pt/batch.c: one thread acts as every CPU of a simulated
 * machine, so that the test orders every step.  shootdown_threads.c runs CPUs concurrently. */
#include "kern/shootdown.h"

#include "tests/test.h"

/* Requests served by other CPUs, plus marks set for idle ones. */
static uint64_t served_by_others(void)
{
	uint64_t n = 0;

	for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
		if (cpu != arch_cpu_id())
			n += atomic_load(&per_cpu_ptr(shootdown_stats, cpu)->served);
	return n + atomic_load(&this_cpu_ptr(shootdown_stats)->marks);
}

static void check_reaches_every_cpu(void)
{
	uint64_t before = served_by_others();
	struct tlb_pages f;

	tlb_pages_init(&f);
	tlb_pages_add(&f, (vaddr_t)&f & -(vaddr_t)PT_PAGE_BYTES, 1);
	shootdown_run(&tlb_kernel_space, &f);
	CHECK(served_by_others() - before >= cpu_count() - 1);
}

#ifdef KEEL_TESTS
TEST(shootdown_reaches_every_cpu)
{
	if (cpu_count() == 1)
		test_skip("there is one CPU");
	for (unsigned i = 0; i < 1000; i++)
		check_reaches_every_cpu();
}
#else
#include "arch/host/host.h"
#include "mm/pt/cursor.h"
#include "tests/machine.h"

enum {
	CPUS = 4,
	LEVELS = 4,
};
#define KERNEL_VA         UINT64_C(0xffffc10000000000)
#define USER_VA           UINT64_C(0x0000400000000000)

static const struct page_prop kernel_rw = { PROP_READ | PROP_WRITE | PROP_GLOBAL, MEM_WRITE_BACK };
static const struct page_prop user_rw = { PROP_READ | PROP_WRITE | PROP_USER, MEM_WRITE_BACK };
static struct page_table pt;
static struct ledger before;
static unsigned dropped;

static void begin(void)
{
	machine_start_simple(64, 0, CPUS);
	before = machine_ledger();
	CHECK_EQ(page_table_init(&pt, LEVELS), OK);
	for (unsigned cpu = CPUS; cpu-- > 0;) {
		host_cpu = cpu;
		arch_pt_activate(frame_paddr(pt.root));
	}
}

static void end(void)
{
	host_cpu = 0;
	page_table_destroy(&pt);
	CHECK_LEDGER(&before);
}

/* Maps a new frame at `va`; returns its physical address. */
static uint64_t map(vaddr_t va, struct page_prop prop)
{
	struct frame *f = frame_alloc(FRAME_TEST);
	struct cursor c;

	CHECK(f != NULL);
	CHECK_EQ(cursor_open(&c, &pt, (struct vrange){ va, PAGE_SIZE }, NULL), OK);
	CHECK_EQ(cursor_map(&c, f, prop), OK);
	cursor_close(&c);
	return frame_paddr(f).raw;
}

static void unmap(vaddr_t va, uint64_t pages, struct tlb_batch *gone)
{
	struct cursor c;

	CHECK_EQ(cursor_open(&c, &pt, (struct vrange){ va, pages * PAGE_SIZE }, gone), OK);
	CHECK_EQ(cursor_unmap(&c, pages * PAGE_SIZE), OK);
	cursor_close(&c);
}

static bool reach(unsigned cpu, vaddr_t va, uint64_t *pa)
{
	unsigned self = host_cpu;
	bool ok;

	host_cpu = cpu;
	ok = host_tlb_access(va, LEVELS, HOST_TLB_READ, pa);
	host_cpu = self;
	return ok;
}

static bool can_access(unsigned cpu, vaddr_t va)
{
	uint64_t pa;

	return reach(cpu, va, &pa);
}

static void switch_to(unsigned cpu, struct tlb_space *space)
{
	unsigned self = host_cpu;

	host_cpu = cpu;
	tlb_switch_to(space, frame_paddr(pt.root));
	host_cpu = self;
}

static uint64_t stat_of(unsigned cpu, size_t offset)
{
	const uint8_t *stats = (const uint8_t *)per_cpu_ptr(shootdown_stats, cpu);

	return atomic_load((const _Atomic uint64_t *)(const void *)(stats + offset));
}
#define STAT(cpu, member) stat_of(cpu, offsetof(struct shootdown_stats, member))

TEST(host_tlb_keeps_stale_translations)
{
	_Atomic pte_t *top;
	uint64_t pa, old;
	pte_t entry;

	begin();
	old = map(KERNEL_VA, kernel_rw);
	CHECK(reach(1, KERNEL_VA + 5, &pa));
	CHECK_EQ(pa, old + 5);
	CHECK(host_tlb_has_page(1, old, PAGE_SIZE) && !host_tlb_has_page(0, old, PAGE_SIZE));
	CHECK(host_tlb_has_table(1, frame_paddr(pt.root).raw));
	top = (_Atomic pte_t *)arch_direct(frame_paddr(pt.root)) + pte_index(KERNEL_VA, LEVELS);
	entry = atomic_exchange(top, 0);
	CHECK(can_access(1, KERNEL_VA) && !can_access(0, KERNEL_VA));
	atomic_store(top, entry);
	end();
}

TEST(shootdown_reaches_every_cpu)
{
	begin();
	check_reaches_every_cpu();
	CHECK_EQ(STAT(0, requests), 1);
	CHECK_EQ(STAT(0, ipis), CPUS - 1);
	for (unsigned cpu = 0; cpu < CPUS; cpu++)
		CHECK_EQ(STAT(cpu, pages), 1);
	end();
}

/* Called when a frame is freed: no CPU can reach it any more. */
static void check_out_of_reach(struct meta_slot *slot, pfn_t pfn)
{
	(void)slot;
	dropped++;
	for (unsigned cpu = 0; cpu < CPUS; cpu++)
		CHECK(!host_tlb_has_page(cpu, pfn_to_paddr(pfn).raw, PAGE_SIZE));
}

TEST(tlb_batch_frees_after_every_cpu_invalidated)
{
	struct tlb_batch gone;
	uint64_t pa;

	begin();
	pa = map(KERNEL_VA, kernel_rw);
	for (unsigned cpu = 0; cpu < CPUS; cpu++)
		CHECK(can_access(cpu, KERNEL_VA));
	tlb_batch_init(&gone, &tlb_kernel_space);
	unmap(KERNEL_VA, 1, &gone);
	for (unsigned cpu = 0; cpu < CPUS; cpu++)
		CHECK(can_access(cpu, KERNEL_VA)); /* stale, and the frame is not free */
	CHECK_EQ(frame_count(frame_of_slot(section_slot(paddr(pa)))), 1);
	dropped = 0;
	frame_set_on_drop(FRAME_TEST, check_out_of_reach);
	tlb_batch_finish(&gone);
	frame_set_on_drop(FRAME_TEST, NULL);
	CHECK_EQ(dropped, 1);
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		CHECK(!host_tlb_has_page(cpu, pa, PAGE_SIZE));
		CHECK(!can_access(cpu, KERNEL_VA));
	}
	end();
}

TEST(shootdown_of_many_pages_is_one_of_everything)
{
	struct tlb_pages f;

	begin();
	tlb_pages_init(&f);
	for (unsigned i = 0; i < TLB_PAGES_MAX; i++)
		tlb_pages_add(&f, KERNEL_VA + i * PAGE_SIZE, 1);
	shootdown_run(&tlb_kernel_space, &f);
	CHECK_EQ(STAT(1, pages), TLB_PAGES_MAX);
	CHECK_EQ(STAT(1, everything), 0);
	tlb_pages_add(&f, KERNEL_VA, 1);
	shootdown_run(&tlb_kernel_space, &f);
	CHECK_EQ(STAT(1, pages), TLB_PAGES_MAX);
	CHECK_EQ(STAT(1, everything), 1);
	end();
}

TEST(shootdown_without_pages_sends_no_request)
{
	struct tlb_pages f;

	begin();
	tlb_pages_init(&f);
	shootdown_run(&tlb_kernel_space, &f);
	CHECK_EQ(STAT(0, requests), 0);
	CHECK_EQ(STAT(1, served), 0);
	end();
}

TEST(shootdown_of_a_space_reaches_cpus_that_have_it_loaded)
{
	struct tlb_space space;
	struct tlb_pages f;
	uint64_t pa;

	begin();
	tlb_space_init(&space);
	CHECK(space.id > tlb_kernel_space.id);
	pa = map(USER_VA, user_rw);
	switch_to(1, &space);
	switch_to(2, &space);
	CHECK(can_access(1, USER_VA) && can_access(2, USER_VA));
	switch_to(2, &tlb_kernel_space);
	CHECK(!host_tlb_has_page(2, pa, PAGE_SIZE));
	tlb_pages_init(&f);
	tlb_pages_add(&f, USER_VA, 1);
	shootdown_run(&space, &f);
	CHECK_EQ(STAT(0, ipis), 1);
	CHECK_EQ(STAT(1, served), 1);
	CHECK_EQ(STAT(2, served), 0);
	CHECK(!host_tlb_has_page(1, pa, PAGE_SIZE));
	end();
}

static void unmap_and_finish(vaddr_t va)
{
	struct tlb_batch gone;

	tlb_batch_init(&gone, &tlb_kernel_space);
	unmap(va, 1, &gone);
	tlb_batch_finish(&gone);
}

/* CPU 1 falls idle with a translation, which CPU 0 then unmaps; returns the page's address. */
static uint64_t unmap_beside_an_idle_cpu(void)
{
	uint64_t pa = map(KERNEL_VA, kernel_rw);

	(void)map(KERNEL_VA + PAGE_SIZE, kernel_rw); /* so that the table stays */
	host_cpu = 1;
	CHECK(can_access(1, KERNEL_VA));
	tlb_idle_enter();
	host_cpu = 0;
	unmap_and_finish(KERNEL_VA);
	return pa;
}

TEST(shootdown_marks_an_idle_cpu_which_invalidates_before_it_goes_on)
{
	uint64_t pa;

	begin();
	pa = unmap_beside_an_idle_cpu();
	CHECK_EQ(STAT(0, marks), 1);
	CHECK_EQ(STAT(0, ipis), CPUS - 2);
	CHECK_EQ(STAT(1, served), 0);
	CHECK(host_tlb_has_page(1, pa, PAGE_SIZE));
	check_reaches_every_cpu(); /* an existing mark is enough */
	CHECK_EQ(STAT(0, marks), 2);
	host_cpu = 1;
	tlb_idle_leave();
	CHECK(!host_tlb_has_page(1, pa, PAGE_SIZE));
	CHECK_EQ(STAT(1, everything), 1);
	tlb_idle_leave();
	tlb_idle_enter();
	tlb_idle_leave();
	CHECK_EQ(STAT(1, everything), 1); /* no mark, nothing to invalidate */
	host_cpu = 0;
	check_reaches_every_cpu();
	CHECK_EQ(STAT(1, served), 1);
	end();
}

TEST(shootdown_of_tables_reaches_idle_cpus)
{
	struct tlb_batch gone;
	uint64_t node;

	begin();
	(void)map(KERNEL_VA, kernel_rw);
	CHECK(can_access(1, KERNEL_VA));
	node = frame_paddr(pt.root).raw;
	for (unsigned level = LEVELS; level > 1; level--) {
		const _Atomic pte_t *entries = arch_direct(paddr(node));

		node = pte_paddr(atomic_load(&entries[pte_index(KERNEL_VA, level)]));
	}
	CHECK(host_tlb_has_table(1, node));
	host_cpu = 1;
	tlb_idle_enter();
	host_cpu = 0;
	tlb_batch_init(&gone, &tlb_kernel_space);
	unmap(KERNEL_VA, 1, &gone);
	tlb_batch_finish(&gone);
	CHECK(!host_tlb_has_table(1, node));
	CHECK_EQ(STAT(0, marks), 0);
	CHECK_EQ(STAT(1, served), 1);
	end();
}

/* The request lies on the initiator's stack, where something else was mapped when the CPU fell
 * idle. */
TEST(shootdown_of_tables_finds_an_idle_cpu_without_old_translations)
{
	struct tlb_pages f;
	uint64_t pa;

	begin();
	pa = unmap_beside_an_idle_cpu();
	CHECK(host_tlb_has_page(1, pa, PAGE_SIZE)); /* marked */
	tlb_pages_init(&f);
	tlb_pages_add(&f, KERNEL_VA + GIB(1), 1);
	f.reach = TLB_TABLES;
	shootdown_run(&tlb_kernel_space, &f);
	CHECK_EQ(STAT(1, served), 1);
	CHECK(!host_tlb_has_page(1, pa, PAGE_SIZE));
	host_cpu = 1;
	CHECK(atomic_load(this_cpu_ptr(tlb_idle_state)) == TLB_RUNNING);
	host_cpu = 0;
	end();
}

TEST(shootdown_does_not_wait_for_a_cpu_that_a_panic_stopped)
{
	struct tlb_pages f;

	begin();
	host_cpu_stop(2);
	tlb_pages_init(&f);
	tlb_pages_add(&f, KERNEL_VA, 1);
	for (unsigned i = 0; i < 2; i++) {
		shootdown_run(&tlb_kernel_space, &f);
		CHECK(!cpu_set_has(&per_cpu_ptr(shootdown_mail, 2)->from, 0));
		CHECK(!atomic_load(&per_cpu_ptr(shootdown_mail, 2)->pending));
	}
	CHECK_EQ(STAT(1, served), 2);
	end();
}

/* ---- contexts ---- */

TEST(shootdown_context_is_kept_over_a_switch)
{
	struct tlb_space a, b;
	uint64_t pa;

	begin();
	host_tlb_contexts = CPUS;
	tlb_space_init(&a);
	tlb_space_init(&b);
	pa = map(USER_VA, user_rw);
	switch_to(1, &a);
	CHECK(can_access(1, USER_VA));
	switch_to(1, &b);
	CHECK(host_tlb_has_page(1, pa, PAGE_SIZE));
	switch_to(1, &a);
	CHECK(host_tlb_has_page(1, pa, PAGE_SIZE));
	CHECK_EQ(STAT(1, kept), 1);
	CHECK(!cpu_set_has(&b.loaded, 1) && cpu_set_has(&a.loaded, 1));
	end();
}

TEST(shootdown_context_that_is_behind_is_invalidated_when_it_comes_back)
{
	struct tlb_space a, b;
	struct tlb_pages f;
	uint64_t pa;

	begin();
	host_tlb_contexts = CPUS;
	tlb_space_init(&a);
	tlb_space_init(&b);
	pa = map(USER_VA, user_rw);
	switch_to(1, &a);
	CHECK(can_access(1, USER_VA));
	switch_to(1, &b);
	tlb_pages_init(&f);
	tlb_pages_add(&f, USER_VA, 1);
	shootdown_run(&a, &f);
	CHECK_EQ(STAT(0, ipis), 0); /* no CPU has it loaded */
	CHECK(host_tlb_has_page(1, pa, PAGE_SIZE));
	switch_to(1, &a);
	CHECK(!host_tlb_has_page(1, pa, PAGE_SIZE));
	CHECK_EQ(STAT(1, kept), 0);
	end();
}

TEST(shootdown_context_goes_to_another_space_when_all_are_used)
{
	struct tlb_space space[TLB_CONTEXTS + 2];
	uint64_t pa;

	begin();
	host_tlb_contexts = 2 * TLB_CONTEXTS;
	pa = map(USER_VA, user_rw);
	for (unsigned i = 0; i < ARRAY_SIZE(space); i++) {
		tlb_space_init(&space[i]);
		switch_to(1, &space[i]);
		if (i == 0)
			CHECK(can_access(1, USER_VA));
		CHECK_EQ(host_tlb_has_page(1, pa, PAGE_SIZE), i < TLB_CONTEXTS);
	}
	switch_to(1, &space[0]);
	CHECK_EQ(STAT(1, kept), 0);
	end();
}

TEST(shootdown_of_a_kernel_table_drops_other_contexts)
{
	struct tlb_space a, b;
	struct tlb_batch gone;

	begin();
	host_tlb_contexts = CPUS;
	tlb_space_init(&a);
	tlb_space_init(&b);
	(void)map(KERNEL_VA, kernel_rw);
	switch_to(1, &a);
	CHECK(can_access(1, KERNEL_VA));
	switch_to(1, &b);
	tlb_batch_init(&gone, &tlb_kernel_space);
	unmap(KERNEL_VA, 1, &gone);
	tlb_batch_finish(&gone);
	switch_to(1, &a);
	CHECK_EQ(STAT(1, kept), 0);
	CHECK(!can_access(1, KERNEL_VA));
	end();
}

/* ---- broadcast ---- */

TEST(shootdown_by_broadcast_sends_no_request)
{
	struct tlb_batch gone;
	struct tlb_space a, b;
	uint64_t pa;

	begin();
	host_tlb_contexts = CPUS;
	host_tlb_broadcasts = true;
	tlb_space_init(&a);
	tlb_space_init(&b);
	pa = map(USER_VA, user_rw);
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		switch_to(cpu, &a);
		CHECK(can_access(cpu, USER_VA));
		switch_to(cpu, &b);
	}
	host_tlb_log.broadcasts = 0;
	tlb_batch_init(&gone, &a);
	unmap(USER_VA, 1, &gone);
	tlb_batch_finish(&gone);
	CHECK(host_tlb_log.broadcasts > 0);
	CHECK_EQ(STAT(0, ipis), 0);
	for (unsigned cpu = 0; cpu < CPUS; cpu++)
		CHECK(!host_tlb_has_page(cpu, pa, PAGE_SIZE));
	switch_to(1, &a);
	CHECK_EQ(STAT(1, kept), 1); /* its generation is not behind */
	end();
}
#endif
