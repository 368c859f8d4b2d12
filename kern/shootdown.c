/* SPDX-License-Identifier: MIT */
#include "kern/shootdown.h"

#include "lib/bits.h"
#include "lib/panic.h"
#include "lib/print.h"

enum {
	KERNEL_SPACE_ID = 1,
};

LOCK_CLASS(walkers_class, "walkers of a space", RANK_TLB_WALKERS);
struct tlb_space tlb_kernel_space = { .id = KERNEL_SPACE_ID,
				      .walkers_lock = SPINLOCK_INIT(&walkers_class) };
PER_CPU(struct shootdown_mail, shootdown_mail);
PER_CPU(_Atomic uint32_t, tlb_idle_state) = TLB_RUNNING;
PER_CPU(struct shootdown_stats, shootdown_stats);

/* A CPU's request to other CPUs; written by its own CPU, read by those whose mailbox has its
 * bit. */
struct request {
	const struct tlb_space *space;
	const struct tlb_pages *pages;
	uint64_t generation;          /* of the space, including this shootdown */
	_Atomic uint32_t outstanding; /* (a) acknowledgements */
} __aligned(64);
static PER_CPU(struct request, request);

/* A space of which this CPU may still cache translations. */
struct context {
	uint64_t id;         /* of the space; 0: unused */
	uint64_t generation; /* up to which it has invalidated */
};

/* Used only by its own CPU, interrupts off. */
struct residence {
	struct tlb_space *space; /* loaded */
	unsigned current;        /* its context */
	unsigned victim;         /* the next context to reuse */
	struct context context[TLB_CONTEXTS];
};
static PER_CPU(struct residence, residence) = { .space = &tlb_kernel_space };

static _Atomic uint64_t next_id = KERNEL_SPACE_ID + 1;
static uint64_t patience; /* in ticks; 0: SHOOTDOWN_PATIENCE_MS */

void tlb_space_init(struct tlb_space *space)
{
	*space = (struct tlb_space){
		/* relaxed: only uniqueness matters */
		.id = atomic_fetch_add_explicit(&next_id, 1, memory_order_relaxed)
	};
	spin_init(&space->walkers_lock, &walkers_class);
}

void shootdown_set_patience(uint64_t ticks)
{
	patience = ticks;
}

/* ---- invalidating, on this CPU ---- */

static void invalidate_pages(const struct tlb_pages *pages)
{
	for (unsigned i = 0; i < pages->n; i++)
		arch_tlb_invalidate_page(tlb_page_va(pages->page[i]));
	percpu_add(&this_cpu_ptr(shootdown_stats)->pages, pages->n);
}

/* Invalidates all translations of all spaces.  The generations stored in other contexts may then
 * be older than necessary, never too new. */
static void invalidate_all(struct residence *r)
{
	/* seq_cst: read before the invalidation, which covers all generations so far */
	r->context[r->current].generation = atomic_load_explicit(&r->space->generation,
								 memory_order_seq_cst);
	arch_tlb_invalidate_all();
	percpu_add(&this_cpu_ptr(shootdown_stats)->everything, 1);
}

static void invalidate_kernel(struct residence *r, const struct tlb_pages *pages)
{
	if (pages->n > TLB_PAGES_MAX) {
		invalidate_all(r);
		return;
	}
	invalidate_pages(pages);
	if (pages->reach == TLB_TABLES)
		for (unsigned i = 0; i < TLB_CONTEXTS; i++)
			if (i != r->current)
				r->context[i].id = 0;
}

/* Requests for one space may arrive in another order than their generations: only the next
 * generation can be invalidated page by page. */
static void invalidate_loaded(struct residence *r, const struct tlb_pages *pages,
			      uint64_t generation)
{
	struct context *c = &r->context[r->current];

	if (generation <= c->generation)
		return;
	if (generation == c->generation + 1 && pages->n <= TLB_PAGES_MAX) {
		invalidate_pages(pages);
		c->generation = generation;
		return;
	}
	/* seq_cst: as in invalidate_all() */
	c->generation = atomic_load_explicit(&r->space->generation, memory_order_seq_cst);
	arch_tlb_invalidate_context();
	percpu_add(&this_cpu_ptr(shootdown_stats)->everything, 1);
}

static void invalidate(const struct request *q)
{
	struct residence *r = this_cpu_ptr(residence);

	if (q->space == &tlb_kernel_space)
		invalidate_kernel(r, q->pages);
	else if (q->space == r->space)
		invalidate_loaded(r, q->pages, q->generation);
	/* else: cached at most under another context, whose generation is behind */
}

/* ---- serving ---- */

static unsigned invalidate_for(uint64_t word[CPU_SET_WORDS])
{
	unsigned initiators = 0, pages = 0;

	for (unsigned w = 0; w < CPU_SET_WORDS; w++)
		for (uint64_t left = word[w]; left != 0; left &= left - 1) {
			unsigned cpu = w * CPU_SET_WORD_BITS + bits_lowest(left);

			initiators++;
			pages += per_cpu_ptr(request, cpu)->pages->n;
		}
	if (initiators > 1 && pages > TLB_PAGES_MAX) {
		invalidate_all(this_cpu_ptr(residence));
		return initiators;
	}
	for (unsigned w = 0; w < CPU_SET_WORDS; w++)
		for (uint64_t left = word[w]; left != 0; left &= left - 1) {
			unsigned cpu = w * CPU_SET_WORD_BITS + bits_lowest(left);

			invalidate(per_cpu_ptr(request, cpu));
		}
	return initiators;
}

static void acknowledge(uint64_t word[CPU_SET_WORDS])
{
	for (unsigned w = 0; w < CPU_SET_WORDS; w++)
		for (uint64_t left = word[w]; left != 0; left &= left - 1) {
			unsigned cpu = w * CPU_SET_WORD_BITS + bits_lowest(left);

			/* release pairs with the acquire in wait_for_all(): T1 */
			atomic_fetch_sub_explicit(&per_cpu_ptr(request, cpu)->outstanding, 1,
						  memory_order_release);
		}
}

void shootdown_serve(void)
{
	uintptr_t irq = arch_irq_save();
	struct shootdown_mail *mail = this_cpu_ptr(shootdown_mail);
	uint64_t word[CPU_SET_WORDS];

	/* the request may lie where a page was remapped while this CPU was idle */
	tlb_idle_leave();
	/* full barrier: a bit whose setter saw `pending` set is taken below */
	if (atomic_exchange_explicit(&mail->pending, 0, memory_order_seq_cst) != 0) {
		for (unsigned w = 0; w < CPU_SET_WORDS; w++)
			/* acquire pairs with cpu_set_add() in send_request() */
			word[w] = atomic_exchange_explicit(&mail->from.word[w], 0,
							   memory_order_acq_rel);
		percpu_add(&this_cpu_ptr(shootdown_stats)->served, invalidate_for(word));
		acknowledge(word);
	}
	arch_irq_restore(irq);
}

/* ---- initiator ---- */

/* seq_cst throughout: after the barrier (B) of shootdown_run(). */
static bool mark_if_idle(_Atomic uint32_t *state)
{
	uint32_t seen = atomic_load_explicit(state, memory_order_seq_cst);

	while (seen == TLB_IDLE)
		if (atomic_compare_exchange_weak_explicit(
			    state, &seen, TLB_MARKED, memory_order_seq_cst, memory_order_seq_cst))
			return true;
	return seen == TLB_MARKED;
}

/* Withdraws the request from a CPU that a panic stopped and that accesses nothing any more.
 * Returns the number of acknowledgements still to come from it: 1 if it took the request before
 * it stopped, else 0. */
static __cold unsigned cancel_request(unsigned cpu)
{
	_Atomic uint64_t *word =
		&per_cpu_ptr(shootdown_mail, cpu)->from.word[arch_cpu_id() / CPU_SET_WORD_BITS];
	uint64_t bit = UINT64_C(1) << arch_cpu_id() % CPU_SET_WORD_BITS;

	return (atomic_fetch_and_explicit(word, ~bit, memory_order_acq_rel) & bit) != 0 ? 0 : 1;
}

/* Sends this CPU's request to `cpu`.  Returns the number of acknowledgements to expect. */
static unsigned send_request(unsigned cpu, enum tlb_reach reach)
{
	struct shootdown_stats *stats = this_cpu_ptr(shootdown_stats);
	struct shootdown_mail *mail = per_cpu_ptr(shootdown_mail, cpu);

	if (reach == TLB_LEAVES && mark_if_idle(per_cpu_ptr(tlb_idle_state, cpu))) {
		percpu_add(&stats->marks, 1);
		return 0;
	}
	cpu_set_add(&mail->from, arch_cpu_id());
	/* seq_cst: after the bit; the CPU that finds 0 sends the IPI (T4) */
	if (atomic_exchange_explicit(&mail->pending, 1, memory_order_seq_cst) == 0) {
		percpu_add(&stats->ipis, 1);
		if (arch_call_interrupt(cpu) != OK) {
			/* so that the next initiator also tries to send an IPI */
			atomic_store_explicit(&mail->pending, 0, memory_order_relaxed);
			return cancel_request(cpu);
		}
	}
	return 1;
}

/* Word w of the set of CPUs that have the space loaded. */
static uint64_t targets(const struct tlb_space *space, unsigned w, unsigned running)
{
	unsigned first = w * CPU_SET_WORD_BITS;

	if (space != &tlb_kernel_space)
		return atomic_load_explicit(&space->loaded.word[w], memory_order_seq_cst);
	if (running <= first)
		return 0;
	return running - first >= CPU_SET_WORD_BITS ? UINT64_MAX
						    : (UINT64_C(1) << (running - first)) - 1;
}

static void send_requests(struct request *r)
{
	unsigned self = arch_cpu_id(), asked = 0, running = cpu_count();

	/* wraps below 0 until the sum is added; relaxed: the mailbox bits that publish it follow */
	atomic_store_explicit(&r->outstanding, 0, memory_order_relaxed);
	/* a CPU that is not counted yet loads no space: S1 */
	for (unsigned w = 0; w * CPU_SET_WORD_BITS < running; w++)
		for (uint64_t left = targets(r->space, w, running); left != 0; left &= left - 1) {
			unsigned cpu = w * CPU_SET_WORD_BITS + bits_lowest(left);

			if (cpu != self)
				asked += send_request(cpu, r->pages->reach);
		}
	/* relaxed: wait_for_all() reads it with acquire */
	atomic_fetch_add_explicit(&r->outstanding, asked, memory_order_relaxed);
}

/* Reports the CPUs that have not taken this CPU's bit and sends them another IPI; a CPU that has
 * taken it is processing the request.  A CPU that was stopped after its IPI is no longer waited
 * for. */
static __cold void report_unresponsive(struct request *r)
{
	bool named = false;

	for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
		if (!cpu_set_has(&per_cpu_ptr(shootdown_mail, cpu)->from, arch_cpu_id()))
			continue;
		if (arch_call_interrupt(cpu) == OK)
			warn("CPU %u does not answer a TLB shootdown of CPU %u", cpu,
			     arch_cpu_id());
		else if (cancel_request(cpu) == 0)
			atomic_fetch_sub_explicit(&r->outstanding, 1, memory_order_relaxed);
		named = true;
	}
	if (!named)
		warn("a TLB shootdown of CPU %u has %u acknowledgements outstanding", arch_cpu_id(),
		     atomic_load_explicit(&r->outstanding, memory_order_relaxed));
}

static void wait_for_all(struct request *r)
{
	_Atomic uint64_t *longest = &this_cpu_ptr(shootdown_stats)->longest;
	uint64_t start, waited = 0, limit = patience;

	/* acquire: as below */
	if (atomic_load_explicit(&r->outstanding, memory_order_acquire) == 0)
		return;
	start = arch_ticks();
	if (limit == 0)
		limit = SHOOTDOWN_PATIENCE_MS * arch_ticks_per_ms();
	/* acquire pairs with acknowledge(): T1 */
	while (atomic_load_explicit(&r->outstanding, memory_order_acquire) != 0) {
		if (shootdown_pending())
			shootdown_serve(); /* T3 */
		arch_relax();
		waited = arch_ticks() - start;
		if (unlikely(waited > limit)) {
			limit = 2 * waited;
			report_unresponsive(r);
		}
	}
	if (waited > atomic_load_explicit(longest, memory_order_relaxed))
		atomic_store_explicit(longest, waited, memory_order_relaxed); /* statistics */
}

static void broadcast(const struct tlb_pages *pages)
{
	if (pages->n > TLB_PAGES_MAX)
		arch_tlb_broadcast_all();
	else
		for (unsigned i = 0; i < pages->n; i++)
			arch_tlb_broadcast_page(tlb_page_va(pages->page[i]));
	arch_tlb_broadcast_wait();
}

/* I2 for walkers that are no CPUs. */
static __noinline void tell_walkers(struct tlb_space *space, const struct tlb_pages *pages)
{
	struct tlb_walker *w;

	spin_lock(&space->walkers_lock);
	/* relaxed: written under the lock */
	w = atomic_load_explicit(&space->walkers, memory_order_relaxed);
	for (; w != NULL; w = w->next)
		w->invalidate(w, pages);
	spin_unlock(&space->walkers_lock);
}

void shootdown_run(struct tlb_space *space, const struct tlb_pages *pages)
{
	uintptr_t irq;
	struct request *r;

	if (pages->n == 0)
		return;
	irq = arch_irq_save();
	r = this_cpu_ptr(request);
	percpu_add(&this_cpu_ptr(shootdown_stats)->requests, 1);
	r->space = space;
	r->pages = pages;
	/* (B) */
	r->generation = 1 + atomic_fetch_add_explicit(&space->generation, 1, memory_order_seq_cst);
	if (arch_tlb_can_broadcast()) {
		broadcast(pages);
	} else if (space == &tlb_kernel_space && cpu_count() == 1) {
		/* a CPU that is counted later invalidates everything: S2 */
		invalidate(r);
	} else {
		send_requests(r);
		invalidate(r);
		wait_for_all(r);
	}
	/* seq_cst: after (B) */
	if (unlikely(atomic_load_explicit(&space->walkers, memory_order_seq_cst) != NULL))
		tell_walkers(space, pages);
	arch_irq_restore(irq);
}

/* ---- walkers that are no CPUs ---- */

void tlb_walker_invalidate(struct tlb_walker *w, const struct tlb_pages *pages)
{
	w->invalidate(w, pages);
}

void tlb_space_add_walker(struct tlb_space *space, struct tlb_walker *w)
{
	uintptr_t irq = spin_lock_irq(&space->walkers_lock);

	w->next = atomic_load_explicit(&space->walkers, memory_order_relaxed);
	/* L1, full barrier: what the walker reads from now on is new, or it is told */
	(void)atomic_exchange_explicit(&space->walkers, w, memory_order_seq_cst);
	spin_unlock_irq(&space->walkers_lock, irq);
}

void tlb_space_remove_walker(struct tlb_space *space, struct tlb_walker *w)
{
	uintptr_t irq = spin_lock_irq(&space->walkers_lock);
	struct tlb_walker *at = atomic_load_explicit(&space->walkers, memory_order_relaxed);

	if (at == w) {
		atomic_store_explicit(&space->walkers, w->next, memory_order_relaxed);
	} else {
		while (at != NULL && at->next != w)
			at = at->next;
		ASSERT(at != NULL);
		at->next = w->next;
	}
	spin_unlock_irq(&space->walkers_lock, irq);
}

/* ---- the loaded space ---- */

/* Makes the space's context the current one on this CPU.  Returns whether translations cached
 * under it are still valid. */
static enum arch_tlb_past choose_context(struct residence *r, const struct tlb_space *space,
					 uint64_t generation)
{
	unsigned count = arch_tlb_contexts() < TLB_CONTEXTS ? arch_tlb_contexts() : TLB_CONTEXTS;

	for (unsigned i = 0; i < count; i++) {
		struct context *c = &r->context[i];

		if (c->id != space->id)
			continue;
		r->current = i;
		/* a broadcast has reached all contexts, so none is behind */
		if (c->generation == generation || arch_tlb_can_broadcast())
			return ARCH_TLB_KEEP;
		c->generation = generation;
		return ARCH_TLB_INVALIDATE;
	}
	r->current = count == 0 ? 0 : r->victim++ % count;
	r->context[r->current] = (struct context){ space->id, generation };
	return ARCH_TLB_INVALIDATE;
}

void tlb_switch_to(struct tlb_space *space, paddr_t root)
{
	struct residence *r = this_cpu_ptr(residence);
	struct tlb_space *old = r->space;
	enum arch_tlb_past past;

	if (space == old)
		return;
	if (space != &tlb_kernel_space)
		cpu_set_add(&space->loaded, arch_cpu_id()); /* L1 */
	/* L2 */
	past = choose_context(r, space,
			      atomic_load_explicit(&space->generation, memory_order_seq_cst));
	r->space = space;
	arch_pt_switch(root, arch_tlb_contexts() == 0 ? 0 : r->current + 1, past); /* U1 */
	if (old != &tlb_kernel_space)
		cpu_set_remove(&old->loaded, arch_cpu_id()); /* U2 */
	percpu_add(&this_cpu_ptr(shootdown_stats)->switches, 1);
	percpu_add(&this_cpu_ptr(shootdown_stats)->kept, past == ARCH_TLB_KEEP);
}

struct tlb_space *tlb_loaded_space(void)
{
	return this_cpu(residence).space;
}

/* ---- idle ---- */

void tlb_idle_enter(void)
{
	/* release: earlier accesses are complete when an initiator sees the state */
	atomic_store_explicit(this_cpu_ptr(tlb_idle_state), TLB_IDLE, memory_order_release);
}

void tlb_idle_leave_slow(void)
{
	/* W1, full barrier */
	if (atomic_exchange_explicit(this_cpu_ptr(tlb_idle_state), TLB_RUNNING,
				     memory_order_seq_cst) == TLB_MARKED)
		invalidate_all(this_cpu_ptr(residence)); /* W2 */
}
