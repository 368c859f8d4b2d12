/* SPDX-License-Identifier: MIT */
/*
 * shootdown.h - TLB shootdown: invalidate translations on other CPUs.
 *
 * A shootdown names an address space and pages of it, or all of it.  When shootdown_run() returns,
 * no CPU can use an old translation of them any more; until then the frames behind them must not be
 * freed or reused (mm/pt/batch.h does both in the right order).
 *
 *    initiator                                         target
 *    change the entries
 *    write its own request, one per CPU
 *    (B) full barrier: increment the generation
 *    read which CPUs have the space loaded
 *    set its own bit in the mailbox of each ------->  shootdown_serve(), from the IPI, a lock's
 *    send an IPI where none is pending                waiting loop or its own waiting loop:
 *    invalidate its own TLB                               take all bits of the mailbox
 *    wait, and serve its own mailbox meanwhile            invalidate what each request names
 *    <----------------------------------------------      acknowledge each: decrement outstanding
 *
 * Invariants:
 *   T1  a target invalidates before it acknowledges (release; the initiator's acquire pairs)
 *   T2  a request does not change while an acknowledgement of it is outstanding: its initiator
 *       waits with interrupts off, so a CPU has one request at a time
 *   T3  a CPU that waits for another CPU with interrupts off, for acknowledgements or for a lock,
 *       serves its mailbox in each iteration.  So two initiators never deadlock, nor an initiator
 *       that holds a lock and a target that waits for that lock.  The rest of the kernel keeps
 *       interrupts off for a bounded time
 *   T4  an initiator sets its bit in a mailbox, then `pending`, and sends an IPI if `pending` was
 *       clear; so every bit is followed by an IPI
 *   T5  a CPU that leaves the idle state marked invalidates everything before it touches memory
 *       that may be unmapped
 *   T6  no table of the kernel's space is freed while a CPU starts, from its first walk of them
 *       until it is counted.  The code that starts CPUs ensures that: one at a time, by a CPU that
 *       waits for the count meanwhile, while no thread has anything to unmap
 *
 * The critical race is Dekker's: each side stores, then loads what the other side stored.
 *
 *   Loading a space              (L1) set the own bit in space.loaded     full barrier
 *                                (L2) read space.generation; load the table, walk it
 *   against                      (I1) store the entry, (B) generation + 1 full barrier
 *                                (I2) read space.loaded
 *     Either I2 sees the bit, and the CPU gets a request; or L1 came after I2, so L2 comes after B:
 *     the walks see the new entry, and a context kept from before is behind the new generation and
 *     is invalidated.
 *     A walker that is added sets space.walkers in the place of the bit; I2 reads that, too.
 *   Leaving a space              (U1) load the other table                (U2) clear the own bit
 *     In this order: a CPU that is not in the set does not walk the table any more.  What it caches
 *     under a PCID is behind the generation when it loads the space again.
 *   Leaving idle                 (W1) exchange the state with RUNNING     full barrier
 *                                (W2) if it was MARKED invalidate everything; touch memory
 *   against                      (I1), (B), (I3) IDLE becomes MARKED by compare-and-swap
 *     If I3 came first, W1 finds the mark and W2 invalidates after I1.  If W1 came first, I3 fails
 *     and the CPU gets a request like any other; until it serves it, it may use translations from
 *     before I1, for which the initiator waits.
 *   Being counted (kern/cpu.h)   (S1) count + 1                           full barrier
 *                                (S2) tlb_cpu_join(): invalidate everything
 *     As the first case, for the kernel's space, which every counted CPU has loaded.  S2 covers
 *     pages that were unmapped before S1, when this CPU got no requests: until then it touches
 *     nothing that is ever unmapped.  It would be too late for a table (see below), hence T6.
 *     LIMIT: a CPU that answers after its start timed out walks the tables until it halts, and
 *     never gets a request.
 *
 * Idle CPUs are only marked when pages are unmapped, but get a request when tables are freed: a CPU
 * walks tables speculatively, without any instruction that needs them, from its paging-structure
 * caches, and sets accessed bits in what it finds there (SDM 3A 4.10.2.3, 4.10.3.1), so a table
 * that was reused as something else would be written to.  Stale translations of pages are harmless
 * while no instruction uses them, and an idle CPU guarantees no more than that.
 *
 * Contexts: with PCIDs, a CPU keeps translations of the few spaces that it loaded most recently,
 * each with the generation up to which it has invalidated.  It gets no requests for spaces that are
 * not loaded.  The kernel's pages are global, so one shootdown reaches them in all contexts;
 * paging-structure cache entries are not global, so freeing a table of the kernel's space drops all
 * other contexts.
 *
 * Where the hardware can broadcast invalidations, no requests are sent.
 *
 * Locking: none; per-CPU state is used by its own CPU with interrupts off, except for what is
 * marked (a).  Any context but NMI and machine check.  Sources: Black et al., ASPLOS 1989; SDM 3A
 * 4.10.4, 4.10.5.
 */
#pragma once

#include "kern/cpu.h"
#include "kern/lock.h"
#include "kern/percpu.h"
#include "kern/tlb_pages.h"

enum {
	TLB_CONTEXTS = 6, /* spaces per CPU with cached translations */
};

/* TLB state of an address space. */
struct tlb_space {
	struct tlb_walker cpus; /* (c) those that load it */
	struct cpu_set loaded;  /* (a) CPUs that walk its table; unused for the kernel's space */
	_Atomic uint64_t generation; /* (a) shootdowns so far */
	uint64_t id;                 /* (c) never reused; 0: none */
	struct spinlock walkers_lock;
	struct tlb_walker *_Atomic walkers; /* written under the lock: others, see below */
};

/* The kernel's half, which every counted CPU has loaded. */
extern struct tlb_space tlb_kernel_space;

/* Initialises a space that no CPU has loaded. */
void tlb_space_init(struct tlb_space *space);

/* Invalidates the pages, which are the space's, on all CPUs and by its other walkers, and returns
 * when they have acknowledged.  Does nothing if there are no pages.  Runs with interrupts off; the
 * caller may hold locks.  A CPU that does not answer for SHOOTDOWN_PATIENCE_MS is reported and sent
 * another IPI, and the wait goes on; a CPU that a panic stopped is skipped. */
void shootdown_run(struct tlb_space *space, const struct tlb_pages *pages);
enum {
	SHOOTDOWN_PATIENCE_MS = 1000,
};

/* Call w->invalidate(): out of line, so that page tables of CPUs have no indirect call. */
void tlb_walker_invalidate(struct tlb_walker *w, const struct tlb_pages *pages);

/* The same for the walkers of any table. */
static inline void tlb_invalidate(struct tlb_walker *w, const struct tlb_pages *pages)
{
	if (w->invalidate != NULL)
		tlb_walker_invalidate(w, pages);
	else
		shootdown_run(container_of(w, struct tlb_space, cpus), pages);
}

/* ---- walkers of a space that are no CPUs ---- */

/* From here on the walker may use the table of the space, and is told what leaves it or loses
 * rights, by unmap, protect, copy-on-write, fork, split or anything else, when a CPU is told: no
 * CPU writes through a new translation while the walker can use an old one.  Translations that are
 * added, or get rights, are not told.  The kernel's half of the space is not told either.
 *
 * A walker that has a table of its own, and copies translations into it, reads space->generation
 * first, then the translation; it stores its copy under a lock that its invalidate() takes, and
 * only if the generation is still the same.
 *
 * Any context that may take a spinlock; not from invalidate(). */
void tlb_space_add_walker(struct tlb_space *space, struct tlb_walker *w);
/* The walker does not use the table any more.  When this returns, no CPU is in its invalidate(). */
void tlb_space_remove_walker(struct tlb_space *space, struct tlb_walker *w);

/* ---- target side ---- */

/* A CPU's mailbox, written by other CPUs. */
struct shootdown_mail {
	struct cpu_set from;      /* (a) CPUs with a request for this CPU */
	_Atomic uint32_t pending; /* (a) not 0: there are requests, and an IPI is in flight */
} __aligned(64);
extern struct shootdown_mail shootdown_mail; /* PER_CPU */

/* Whether a request is pending for this CPU; interrupts off. */
static inline bool shootdown_pending(void)
{
	/* relaxed: shootdown_serve() checks again */
	return atomic_load_explicit(&this_cpu_ptr(shootdown_mail)->pending, memory_order_relaxed) !=
	       0;
}

/* Serves requests of other CPUs: short, takes no lock.  Leaves the idle state
 * (tlb_idle_leave()). */
void shootdown_serve(void);

/* ---- the loaded space ---- */

/* Loads `root`, the root table of `space`, on this CPU.  Interrupts off. */
void tlb_switch_to(struct tlb_space *space, paddr_t root);

/* The space whose table this CPU walks.  Interrupts off, or a thread that has a space. */
struct tlb_space *tlb_loaded_space(void);

/* Called by a CPU that has just been counted, before anything else. */
static inline void tlb_cpu_join(void)
{
	arch_tlb_invalidate_all();
}

/* ---- idle ---- */

enum tlb_idle {
	TLB_RUNNING,
	TLB_IDLE,   /* may be marked instead of sent a request */
	TLB_MARKED, /* must invalidate everything when it leaves idle */
};
extern _Atomic uint32_t tlb_idle_state; /* PER_CPU, enum tlb_idle, (a) */

/* From here to tlb_idle_leave() this CPU accesses only code, stack and per-CPU data, which are
 * never unmapped.  Interrupts off. */
void tlb_idle_enter(void);
void tlb_idle_leave_slow(void);

/* Called before anything else after idling, and at the entry of every interrupt that may have
 * ended it; does nothing when the CPU was not idle.  Interrupts off. */
static inline void tlb_idle_leave(void)
{
	/* relaxed: other CPUs only change TLB_IDLE into TLB_MARKED */
	if (atomic_load_explicit(this_cpu_ptr(tlb_idle_state), memory_order_relaxed) != TLB_RUNNING)
		tlb_idle_leave_slow();
}

/* ---- stats ---- */

/* (a): relaxed, each CPU writes its own. */
struct shootdown_stats {
	_Atomic uint64_t requests, ipis, marks; /* sent to other CPUs */
	_Atomic uint64_t served;                /* requests of other CPUs */
	_Atomic uint64_t pages, everything; /* invalidated on this CPU: single pages, everything */
	_Atomic uint64_t switches, kept;    /* of the space; those that kept a valid context */
	_Atomic uint64_t longest;           /* longest wait for acknowledgements, in ticks */
};
extern struct shootdown_stats shootdown_stats; /* PER_CPU */

/* Tests: sets how long a wait lasts before it warns, in ticks; 0: SHOOTDOWN_PATIENCE_MS. */
void shootdown_set_patience(uint64_t ticks);
