/* SPDX-License-Identifier: MIT */
/*
 * tlb.c - a simulated TLB with an entry for each of two pages and each context, for scenarios.
 *
 * An entry is one atomic word, so that the explorer sees every fill and invalidation: the frame, 0
 * for none, and the number of instructions that ended walks.  A walk fills it only if there was no
 * such instruction since the walk began: one that invalidates, or that loads a table, waits for
 * walks in progress.  They are serialising (SDM 3A 8.3), as the exchanges here are.
 */
#include "tests/explore/scenario/tlb.h"

#include "arch/arch.h"

enum {
	TIMES_SHIFT = 32,
};
#define FRAME_MASK ((UINT64_C(1) << TIMES_SHIFT) - 1)
#define ONE_TIME   (UINT64_C(1) << TIMES_SHIFT)

static _Atomic uint64_t held[EXPLORE_CPUS][TLB_SLOTS][TLB_PAGES];
static _Atomic uint64_t root[EXPLORE_CPUS];
static _Atomic uint32_t current[EXPLORE_CPUS]; /* context */
unsigned explore_tlb_contexts;

static _Atomic uint64_t *slot_of(unsigned cpu, unsigned page)
{
	return &held[cpu][atomic_load_explicit(&current[cpu], memory_order_relaxed)][page];
}

bool tlb_walk(unsigned cpu, uint64_t table, unsigned page, const _Atomic uint64_t *entry)
{
	_Atomic uint64_t *slot = slot_of(cpu, page);
	uint64_t before = atomic_load_explicit(slot, memory_order_relaxed), frame;

	if (atomic_load_explicit(&root[cpu], memory_order_relaxed) != table)
		return false;
	frame = atomic_load_explicit(entry, memory_order_relaxed);
	return atomic_compare_exchange_strong_explicit(slot, &before,
						       (before & ~FRAME_MASK) | frame,
						       memory_order_relaxed, memory_order_relaxed);
}

uint64_t tlb_access(unsigned page, const _Atomic uint64_t *entry)
{
	uint64_t frame = FRAME_MASK &
			 atomic_load_explicit(slot_of(arch_cpu_id(), page), memory_order_relaxed);

	return frame != 0 ? frame : atomic_load_explicit(entry, memory_order_relaxed);
}

void tlb_fill(unsigned page, uint64_t frame)
{
	atomic_store_explicit(slot_of(arch_cpu_id(), page), frame, memory_order_relaxed);
}

uint64_t tlb_root(unsigned cpu)
{
	return atomic_load_explicit(&root[cpu], memory_order_relaxed);
}

EXPLORE_UNSEEN uint64_t tlb_peek(unsigned cpu, unsigned page)
{
	return held[cpu][current[cpu]][page] & FRAME_MASK;
}

/* Ends walks in progress; keeps what is held if `keep` is FRAME_MASK, drops it if 0. */
static void end_walks(_Atomic uint64_t *slot, uint64_t keep)
{
	uint64_t before = atomic_load_explicit(slot, memory_order_relaxed);

	while (!atomic_compare_exchange_strong_explicit(
		slot, &before, ((before & ~FRAME_MASK) + ONE_TIME) | (before & keep),
		memory_order_relaxed, memory_order_relaxed))
		;
}

void explore_tlb_invalidate_page(vaddr_t va)
{
	end_walks(slot_of(arch_cpu_id(), (unsigned)(va / PT_PAGE_BYTES) % TLB_PAGES), 0);
}

void arch_tlb_invalidate_context(void)
{
	for (unsigned page = 0; page < TLB_PAGES; page++)
		end_walks(slot_of(arch_cpu_id(), page), 0);
}

void arch_tlb_invalidate_all(void)
{
	for (unsigned context = 0; context <= explore_tlb_contexts; context++)
		for (unsigned page = 0; page < TLB_PAGES; page++)
			end_walks(&held[arch_cpu_id()][context][page], 0);
}

void arch_pt_switch(paddr_t table, unsigned context, enum arch_tlb_past past)
{
	for (unsigned page = 0; page < TLB_PAGES; page++)
		end_walks(slot_of(arch_cpu_id(), page), explore_tlb_contexts == 0 ? 0 : FRAME_MASK);
	atomic_exchange_explicit(&root[arch_cpu_id()], table.raw, memory_order_seq_cst);
	atomic_store_explicit(&current[arch_cpu_id()], context, memory_order_relaxed);
	if (past == ARCH_TLB_INVALIDATE || explore_tlb_contexts == 0)
		arch_tlb_invalidate_context();
}

void arch_pt_activate(paddr_t table)
{
	arch_pt_switch(table, 0, ARCH_TLB_INVALIDATE);
}
