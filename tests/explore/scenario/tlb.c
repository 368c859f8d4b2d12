/* SPDX-License-Identifier: MIT */
/*
 * tlb.c - a simulated TLB with one entry per CPU, for scenarios.
 *
 * It is one atomic word, so that the explorer sees every fill and invalidation: the page, 0 for
 * none, and the number of invalidations.  A walk fills it only if there was no invalidation since
 * the walk began: an instruction that invalidates waits for walks in progress.  Such
 * instructions, and those that load a table, are serialising (SDM 3A 8.3), as the exchanges here
 * are.
 */
#include "tests/explore/scenario/tlb.h"

#include "arch/arch.h"

enum {
	TIMES_SHIFT = 32,
};
#define PAGE_MASK ((UINT64_C(1) << TIMES_SHIFT) - 1)

static _Atomic uint64_t held[EXPLORE_CPUS];
static _Atomic uint64_t root[EXPLORE_CPUS];

void tlb_walk(unsigned cpu, uint64_t table, const _Atomic uint64_t *entry)
{
	uint64_t before = atomic_load_explicit(&held[cpu], memory_order_relaxed), page;

	if (atomic_load_explicit(&root[cpu], memory_order_relaxed) != table)
		return;
	page = atomic_load_explicit(entry, memory_order_relaxed);
	atomic_compare_exchange_strong_explicit(&held[cpu], &before, (before & ~PAGE_MASK) | page,
						memory_order_relaxed, memory_order_relaxed);
}

uint64_t tlb_access(const _Atomic uint64_t *entry)
{
	uint64_t page = PAGE_MASK &
			atomic_load_explicit(&held[arch_cpu_id()], memory_order_relaxed);

	return page != 0 ? page : atomic_load_explicit(entry, memory_order_relaxed);
}

EXPLORE_UNSEEN uint64_t tlb_peek(unsigned cpu)
{
	return held[cpu] & PAGE_MASK;
}

static void invalidate(void)
{
	_Atomic uint64_t *h = &held[arch_cpu_id()];
	uint64_t before = atomic_load_explicit(h, memory_order_relaxed);

	while (!atomic_compare_exchange_strong_explicit(h, &before,
							(before & ~PAGE_MASK) + PAGE_MASK + 1,
							memory_order_relaxed, memory_order_relaxed))
		;
}

void explore_tlb_invalidate_page(vaddr_t va)
{
	(void)va;
	invalidate();
}

void arch_tlb_invalidate_context(void)
{
	invalidate();
}

void arch_tlb_invalidate_all(void)
{
	invalidate();
}

void arch_pt_switch(paddr_t table, unsigned context, enum arch_tlb_past past)
{
	(void)context;
	(void)past;
	atomic_exchange_explicit(&root[arch_cpu_id()], table.raw, memory_order_seq_cst);
	invalidate();
}

void arch_pt_activate(paddr_t table)
{
	arch_pt_switch(table, 0, ARCH_TLB_INVALIDATE);
}
