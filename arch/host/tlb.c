/* SPDX-License-Identifier: MIT */
/* tlb.c - the TLB of each simulated CPU, so that tests detect stale translations. */
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "arch/arch.h"
#include "arch/host/host.h"

enum {
	PAGES_MAX = 64,
	TABLES_MAX = 16,
};

struct page_entry {
	bool valid, global;
	bool writable; /* and the entry is known to be dirty, else a write walks again */
	unsigned context;
	vaddr_t va;
	uint64_t pa, span;
};

/* Maps [va, va + span) to the table of `level` at pa. */
struct table_entry {
	bool valid;
	unsigned context, level;
	vaddr_t va;
	uint64_t pa;
};

/* The lock protects against readers on other threads; it is held with interrupts off. */
struct tlb {
	pthread_mutex_t lock;
	uint64_t root; /* of the table that is walked */
	unsigned context;
	unsigned next_page, next_table; /* to be replaced when all are in use */
	struct page_entry page[PAGES_MAX];
	struct table_entry table[TABLES_MAX];
};

static struct tlb tlbs[ARCH_MAX_CPUS];
_Thread_local struct host_tlb_log host_tlb_log;
unsigned host_tlb_contexts;
bool host_tlb_broadcasts, host_tlb_is_slow;

static struct tlb *tlb_lock(unsigned cpu, uintptr_t *irq)
{
	*irq = arch_irq_save();
	pthread_mutex_lock(&tlbs[cpu].lock);
	return &tlbs[cpu];
}

static void tlb_unlock(struct tlb *t, uintptr_t irq)
{
	pthread_mutex_unlock(&t->lock);
	arch_irq_restore(irq);
}

void host_tlb_reset(void)
{
	for (unsigned i = 0; i < ARCH_MAX_CPUS; i++) {
		memset(&tlbs[i], 0, sizeof(tlbs[i]));
		pthread_mutex_init(&tlbs[i].lock, NULL);
	}
	host_tlb_contexts = 0;
	host_tlb_broadcasts = host_tlb_is_slow = false;
}

/* ---- the walk ---- */

static bool covers(vaddr_t start, uint64_t span, vaddr_t va)
{
	return va - start < span;
}

static const pte_t dirty_and_writable = PTE_WRITE | PTE_DIRTY;

static void remember_page(struct tlb *t, vaddr_t va, pte_t pte, unsigned level)
{
	uint64_t span = pte_span(level);

	t->page[t->next_page++ % PAGES_MAX] = (struct page_entry){
		.valid = true,
		.global = (pte & PTE_GLOBAL) != 0,
		.writable = (pte & dirty_and_writable) == dirty_and_writable,
		.context = t->context,
		.va = va & -span,
		.pa = pte_paddr(pte),
		.span = span,
	};
}

static void remember_table(struct tlb *t, vaddr_t va, uint64_t pa, unsigned level)
{
	t->table[t->next_table++ % TABLES_MAX] = (struct table_entry){
		true, t->context, level, va & -pte_span(level + 1), pa,
	};
}

/* The lowest cached table for va, or the root. */
static uint64_t walk_start(const struct tlb *t, vaddr_t va, unsigned *level)
{
	uint64_t pa = t->root;

	for (unsigned i = 0; i < TABLES_MAX; i++) {
		const struct table_entry *e = &t->table[i];

		if (e->valid && e->context == t->context && e->level < *level &&
		    covers(e->va, pte_span(e->level + 1), va)) {
			*level = e->level;
			pa = e->pa;
		}
	}
	return pa;
}

static bool allows(pte_t pte, unsigned level, enum host_tlb_use use)
{
	return pte_is_present(pte) &&
	       (use == HOST_TLB_READ || !pte_is_leaf(pte, level) || (pte & PTE_WRITE) != 0);
}

/* The entry at `at` with its accessed bit set, and the dirty one for a write to its page; or as it
 * is when that is not allowed. */
static pte_t visit(_Atomic pte_t *at, unsigned level, enum host_tlb_use use)
{
	pte_t pte = atomic_load_explicit(at, memory_order_acquire), marked;

	do {
		if (!allows(pte, level, use))
			return pte;
		marked = pte | PTE_ACCESSED;
		if (use == HOST_TLB_WRITE && pte_is_leaf(pte, level))
			marked |= PTE_DIRTY;
	} while (!atomic_compare_exchange_weak_explicit(at, &pte, marked, memory_order_acq_rel,
							memory_order_acquire));
	return marked;
}

static bool walk(struct tlb *t, vaddr_t va, unsigned level, enum host_tlb_use use, uint64_t *pa)
{
	uint64_t table = walk_start(t, va, &level);

	for (;; level--) {
		_Atomic pte_t *entries = arch_direct(paddr(table));
		pte_t pte = visit(&entries[pte_index(va, level)], level, use);

		if (!allows(pte, level, use))
			return false;
		if (pte_is_leaf(pte, level)) {
			remember_page(t, va, pte, level);
			*pa = pte_paddr(pte) + va % pte_span(level);
			return true;
		}
		table = pte_paddr(pte);
		remember_table(t, va, table, level - 1);
	}
}

/* The cached page of va.  A write drops a page that is read-only or whose entry is not dirty (SDM
 * 3A 4.8, 4.10.2.1). */
static const struct page_entry *find_page(struct tlb *t, vaddr_t va, enum host_tlb_use use)
{
	for (unsigned i = 0; i < PAGES_MAX; i++) {
		struct page_entry *e = &t->page[i];

		if (!e->valid || (!e->global && e->context != t->context) ||
		    !covers(e->va, e->span, va))
			continue;
		if (use == HOST_TLB_READ || e->writable)
			return e;
		e->valid = false;
	}
	return NULL;
}

bool host_tlb_access(vaddr_t va, unsigned levels, enum host_tlb_use use, uint64_t *pa)
{
	uintptr_t irq;
	struct tlb *t = tlb_lock(host_cpu, &irq);
	const struct page_entry *e = find_page(t, va, use);
	bool found = e != NULL;

	if (found)
		*pa = e->pa + (va - e->va);
	else
		found = walk(t, va, levels, use, pa);
	tlb_unlock(t, irq);
	return found;
}

bool host_tlb_has_page(unsigned cpu, uint64_t pa, uint64_t len)
{
	uintptr_t irq;
	struct tlb *t = tlb_lock(cpu, &irq);
	bool found = false;

	for (unsigned i = 0; i < PAGES_MAX; i++) {
		const struct page_entry *e = &t->page[i];

		found = found || (e->valid && e->pa < pa + len && pa < e->pa + e->span);
	}
	tlb_unlock(t, irq);
	return found;
}

bool host_tlb_may_write(unsigned cpu, uint64_t pa)
{
	uintptr_t irq;
	struct tlb *t = tlb_lock(cpu, &irq);
	bool found = false;

	for (unsigned i = 0; i < PAGES_MAX; i++) {
		const struct page_entry *e = &t->page[i];

		found = found || (e->valid && e->writable && covers(e->pa, e->span, pa));
	}
	tlb_unlock(t, irq);
	return found;
}

bool host_tlb_has_table(unsigned cpu, uint64_t pa)
{
	uintptr_t irq;
	struct tlb *t = tlb_lock(cpu, &irq);
	bool found = t->root == pa;

	for (unsigned i = 0; i < TABLES_MAX; i++)
		found = found || (t->table[i].valid && t->table[i].pa == pa);
	tlb_unlock(t, irq);
	return found;
}

uint64_t host_tlb_root(void)
{
	return tlbs[host_cpu].root;
}

/* ---- invalidating ---- */

static struct tlb *own_tlb_lock(uintptr_t *irq)
{
	if (host_tlb_is_slow)
		sched_yield();
	return tlb_lock(host_cpu, irq);
}

enum reach {
	ONE_CONTEXT, /* the current one */
	ALL_CONTEXTS,
};

static void invalidate_tables(struct tlb *t, enum reach reach)
{
	for (unsigned i = 0; i < TABLES_MAX; i++)
		if (reach == ALL_CONTEXTS || t->table[i].context == t->context)
			t->table[i].valid = false;
}

static void invalidate_page(struct tlb *t, vaddr_t va, enum reach reach)
{
	for (unsigned i = 0; i < PAGES_MAX; i++) {
		struct page_entry *e = &t->page[i];

		if (covers(e->va, e->span, va) &&
		    (reach == ALL_CONTEXTS || e->global || e->context == t->context))
			e->valid = false;
	}
	invalidate_tables(t, reach);
}

static void invalidate_context(struct tlb *t)
{
	for (unsigned i = 0; i < PAGES_MAX; i++)
		if (!t->page[i].global && t->page[i].context == t->context)
			t->page[i].valid = false;
	invalidate_tables(t, ONE_CONTEXT);
}

static void invalidate_all(struct tlb *t)
{
	for (unsigned i = 0; i < PAGES_MAX; i++)
		t->page[i].valid = false;
	invalidate_tables(t, ALL_CONTEXTS);
}

void host_tlb_invalidate_page(vaddr_t va)
{
	uintptr_t irq;
	struct tlb *t = own_tlb_lock(&irq);

	invalidate_page(t, va, ONE_CONTEXT);
	if (host_tlb_log.pages < HOST_TLB_LOG)
		host_tlb_log.page[host_tlb_log.pages] = va;
	host_tlb_log.pages++;
	tlb_unlock(t, irq);
}

void arch_tlb_invalidate_context(void)
{
	uintptr_t irq;
	struct tlb *t = own_tlb_lock(&irq);

	invalidate_context(t);
	host_tlb_log.contexts++;
	tlb_unlock(t, irq);
}

void arch_tlb_invalidate_all(void)
{
	uintptr_t irq;
	struct tlb *t = own_tlb_lock(&irq);

	invalidate_all(t);
	host_tlb_log.alls++;
	tlb_unlock(t, irq);
}

void arch_tlb_broadcast_page(vaddr_t va)
{
	for (unsigned cpu = 0; cpu < ARCH_MAX_CPUS; cpu++) {
		uintptr_t irq;
		struct tlb *t = tlb_lock(cpu, &irq);

		invalidate_page(t, va, ALL_CONTEXTS);
		tlb_unlock(t, irq);
	}
	host_tlb_log.broadcasts++;
}

void arch_tlb_broadcast_all(void)
{
	for (unsigned cpu = 0; cpu < ARCH_MAX_CPUS; cpu++) {
		uintptr_t irq;
		struct tlb *t = tlb_lock(cpu, &irq);

		invalidate_all(t);
		tlb_unlock(t, irq);
	}
	host_tlb_log.broadcasts++;
}

void arch_tlb_broadcast_wait(void)
{
	/* nothing is pending: the broadcasts above were synchronous */
}

void arch_pt_switch(paddr_t root, unsigned context, enum arch_tlb_past past)
{
	uintptr_t irq;
	struct tlb *t = tlb_lock(host_cpu, &irq);

	t->root = root.raw;
	t->context = context;
	if (past == ARCH_TLB_INVALIDATE)
		invalidate_context(t);
	tlb_unlock(t, irq);
}

void arch_pt_activate(paddr_t root)
{
	arch_pt_switch(root, 0, ARCH_TLB_INVALIDATE);
	arch_tlb_invalidate_all();
}
