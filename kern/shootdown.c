/* SPDX-License-Identifier: MIT */
#include "kern/shootdown.h"

#include "lib/bits.h"
#include "lib/panic.h"
#include "lib/print.h"

enum {
	KERNEL_SPACE_ID = 1,
};

struct tlb_space tlb_kernel_space = { .id = KERNEL_SPACE_ID };
PER_CPU(struct shootdown_mail, shootdown_mail);
PER_CPU(_Atomic uint32_t, tlb_idle_state) = TLB_RUNNING;
PER_CPU(struct shootdown_stats, shootdown_stats);

/* What a CPU asks of others; written by itself, read by those whose mailbox has its bit. */
struct request {
	const struct shootdown *what;
	uint64_t generation;          /* of the space, with this shootdown */
	_Atomic uint32_t outstanding; /* (a) acknowledgements */
} __aligned(64);
static PER_CPU(struct request, request);

/* A space whose translations this CPU may still have. */
struct context {
	uint64_t id;         /* of the space; 0: nothing */
	uint64_t generation; /* up to which it has invalidated */
};

/* The owner's alone, interrupts off. */
struct residence {
	struct tlb_space *space; /* loaded */
	unsigned current;        /* its context */
	unsigned victim;         /* the next to be given to another space */
	struct context context[TLB_CONTEXTS];
};
static PER_CPU(struct residence, residence) = { .space = &tlb_kernel_space };

static _Atomic uint64_t next_id = KERNEL_SPACE_ID + 1;
static uint64_t patience; /* in ticks; 0: as the header says */

void tlb_space_init(struct tlb_space *space)
{
	*space = (struct tlb_space){
		/* relaxed: the number alone matters */
		.id = atomic_fetch_add_explicit(&next_id, 1, memory_order_relaxed)
	};
}

void shootdown_set_patience(uint64_t ticks)
{
	patience = ticks;
}

/* ---- invalidating, on this CPU ---- */

static void invalidate_pages(const struct shootdown *f)
{
	for (unsigned i = 0; i < f->pages; i++)
		arch_tlb_invalidate_page(f->page[i]);
	percpu_add(&this_cpu_ptr(shootdown_stats)->pages, f->pages);
}

/* Everything of every space.  What contexts remember is then true, or older than it need be. */
static void invalidate_all(struct residence *r)
{
	/* seq_cst: read before the shootdown, which covers all that was counted so far */
	r->context[r->current].generation = atomic_load_explicit(&r->space->generation,
								 memory_order_seq_cst);
	arch_tlb_invalidate_all();
	percpu_add(&this_cpu_ptr(shootdown_stats)->everything, 1);
}

static void invalidate_kernel(struct residence *r, const struct shootdown *f)
{
	if (f->pages > SHOOTDOWN_PAGES_MAX) {
		invalidate_all(r);
		return;
	}
	invalidate_pages(f);
	if (f->reach == SHOOTDOWN_TABLES)
		for (unsigned i = 0; i < TLB_CONTEXTS; i++)
			if (i != r->current)
				r->context[i].id = 0;
}

/* Requests of one space may come in another order than their generations: only the one that is next
 * can be done page by page. */
static void invalidate_loaded(struct residence *r, const struct shootdown *f, uint64_t generation)
{
	struct context *c = &r->context[r->current];

	if (generation <= c->generation)
		return;
	if (generation == c->generation + 1 && f->pages <= SHOOTDOWN_PAGES_MAX) {
		invalidate_pages(f);
		c->generation = generation;
		return;
	}
	/* seq_cst: as in invalidate_all() */
	c->generation = atomic_load_explicit(&f->space->generation, memory_order_seq_cst);
	arch_tlb_invalidate_context();
	percpu_add(&this_cpu_ptr(shootdown_stats)->everything, 1);
}

static void invalidate(const struct shootdown *f, uint64_t generation)
{
	struct residence *r = this_cpu_ptr(residence);

	if (f->space == &tlb_kernel_space)
		invalidate_kernel(r, f);
	else if (f->space == r->space)
		invalidate_loaded(r, f, generation);
	/* else: kept under a context at most, whose generation is behind */
}

/* ---- serving ---- */

static unsigned invalidate_for(uint64_t word[CPU_SET_WORDS])
{
	unsigned initiators = 0, pages = 0;

	for (unsigned w = 0; w < CPU_SET_WORDS; w++)
		for (uint64_t left = word[w]; left != 0; left &= left - 1) {
			unsigned cpu = w * CPU_SET_WORD_BITS + bits_lowest(left);

			initiators++;
			pages += per_cpu_ptr(request, cpu)->what->pages;
		}
	if (initiators > 1 && pages > SHOOTDOWN_PAGES_MAX) {
		invalidate_all(this_cpu_ptr(residence));
		return initiators;
	}
	for (unsigned w = 0; w < CPU_SET_WORDS; w++)
		for (uint64_t left = word[w]; left != 0; left &= left - 1) {
			unsigned cpu = w * CPU_SET_WORD_BITS + bits_lowest(left);
			const struct request *r = per_cpu_ptr(request, cpu);

			invalidate(r->what, r->generation);
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

	tlb_idle_leave(); /* what a request says may lie where a page was unmapped */
	/* full barrier: a bit whose setter saw the old value is taken below */
	if (atomic_exchange_explicit(&mail->pending, 0, memory_order_seq_cst) != 0) {
		for (unsigned w = 0; w < CPU_SET_WORDS; w++)
			/* acquire pairs with cpu_set_add() in ask(): the request is seen */
			word[w] = atomic_exchange_explicit(&mail->from.word[w], 0,
							   memory_order_acq_rel);
		percpu_add(&this_cpu_ptr(shootdown_stats)->served, invalidate_for(word));
		acknowledge(word);
	}
	arch_irq_restore(irq);
}

static void serve_call(void *arg)
{
	(void)arg;
	shootdown_serve();
}

/* ---- asking ---- */

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

/* A panic stopped that CPU: it touches nothing any more, and nobody waits for it.  The
 * acknowledgements that will come from it all the same, as it took the request before. */
static __cold unsigned take_back(unsigned cpu)
{
	_Atomic uint64_t *word =
		&per_cpu_ptr(shootdown_mail, cpu)->from.word[arch_cpu_id() / CPU_SET_WORD_BITS];
	uint64_t bit = UINT64_C(1) << arch_cpu_id() % CPU_SET_WORD_BITS;

	return (atomic_fetch_and_explicit(word, ~bit, memory_order_acq_rel) & bit) != 0 ? 0 : 1;
}

/* Acknowledgements that will come from that CPU. */
static unsigned ask(unsigned cpu, enum shootdown_reach reach)
{
	struct shootdown_stats *stats = this_cpu_ptr(shootdown_stats);
	struct shootdown_mail *mail = per_cpu_ptr(shootdown_mail, cpu);

	if (reach == SHOOTDOWN_PAGES && mark_if_idle(per_cpu_ptr(tlb_idle_state, cpu))) {
		percpu_add(&stats->marks, 1);
		return 0;
	}
	cpu_set_add(&mail->from, arch_cpu_id());
	/* seq_cst: after the bit; whoever found 0 ipis (T4) */
	if (atomic_exchange_explicit(&mail->pending, 1, memory_order_seq_cst) == 0) {
		percpu_add(&stats->ipis, 1);
		if (call_on_cpu(cpu, serve_call, NULL) != OK) {
			/* whoever comes next is to see the same */
			atomic_store_explicit(&mail->pending, 0, memory_order_relaxed);
			return take_back(cpu);
		}
	}
	return 1;
}

/* CPUs of a word of the set that have the space loaded. */
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

static void ask_all(struct request *r)
{
	unsigned self = arch_cpu_id(), asked = 0, running = cpu_count();

	/* counts below 0 until the sum is known; relaxed: the bits that lead here follow */
	atomic_store_explicit(&r->outstanding, 0, memory_order_relaxed);
	for (unsigned w = 0; w < CPU_SET_WORDS; w++)
		for (uint64_t left = targets(r->what->space, w, running); left != 0;
		     left &= left - 1) {
			unsigned cpu = w * CPU_SET_WORD_BITS + bits_lowest(left);

			if (cpu != self)
				asked += ask(cpu, r->what->reach);
		}
	/* relaxed: the wait looks with acquire */
	atomic_fetch_add_explicit(&r->outstanding, asked, memory_order_relaxed);
}

/* Those that have not taken this CPU's bit, which get another IPI; one that has is at it.  A CPU
 * that was stopped after its IPI is waited for no longer. */
static __cold void name_the_silent(struct request *r)
{
	bool named = false;

	for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
		if (!cpu_set_has(&per_cpu_ptr(shootdown_mail, cpu)->from, arch_cpu_id()))
			continue;
		if (call_on_cpu(cpu, serve_call, NULL) == OK)
			warn("CPU %u does not answer a TLB shootdown of CPU %u", cpu,
			     arch_cpu_id());
		else if (take_back(cpu) == 0)
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
			name_the_silent(r);
		}
	}
	if (waited > atomic_load_explicit(longest, memory_order_relaxed))
		atomic_store_explicit(longest, waited, memory_order_relaxed); /* statistics */
}

static void broadcast(const struct shootdown *f)
{
	if (f->pages > SHOOTDOWN_PAGES_MAX)
		arch_tlb_broadcast_all();
	else
		for (unsigned i = 0; i < f->pages; i++)
			arch_tlb_broadcast_page(f->page[i]);
	arch_tlb_broadcast_wait();
}

void shootdown_run(const struct shootdown *f)
{
	uintptr_t irq;
	struct request *r;

	if (f->pages == 0)
		return;
	irq = arch_irq_save();
	r = this_cpu_ptr(request);
	percpu_add(&this_cpu_ptr(shootdown_stats)->requests, 1);
	r->what = f;
	/* (B) in both cases; a broadcast reaches all contexts, none of them is behind */
	r->generation = 1 + atomic_fetch_add_explicit(&f->space->generation,
						      arch_tlb_can_broadcast() ? 0 : 1,
						      memory_order_seq_cst);
	if (arch_tlb_can_broadcast()) {
		broadcast(f);
	} else if (f->space == &tlb_kernel_space && cpu_count() == 1) {
		invalidate(f,
			   r->generation); /* whoever is counted later invalidates everything: S2 */
	} else {
		ask_all(r);
		invalidate(f, r->generation);
		wait_for_all(r);
	}
	arch_irq_restore(irq);
}

/* ---- which space ---- */

/* The space's context on this CPU becomes the current one.  Whether what is remembered under it is
 * true. */
static enum arch_tlb_past choose_context(struct residence *r, const struct tlb_space *space,
					 uint64_t generation)
{
	unsigned most = arch_tlb_contexts() < TLB_CONTEXTS ? arch_tlb_contexts() : TLB_CONTEXTS;

	for (unsigned i = 0; i < most; i++) {
		struct context *c = &r->context[i];

		if (c->id != space->id)
			continue;
		r->current = i;
		if (c->generation == generation)
			return ARCH_TLB_KEEP;
		c->generation = generation;
		return ARCH_TLB_INVALIDATE;
	}
	r->current = most == 0 ? 0 : r->victim++ % most;
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
	/* release: what ran before is over when an initiator sees the state */
	atomic_store_explicit(this_cpu_ptr(tlb_idle_state), TLB_IDLE, memory_order_release);
}

void tlb_idle_leave_slow(void)
{
	/* W1, full barrier */
	if (atomic_exchange_explicit(this_cpu_ptr(tlb_idle_state), TLB_RUNNING,
				     memory_order_seq_cst) == TLB_MARKED)
		invalidate_all(this_cpu_ptr(residence)); /* W2 */
}
