/* SPDX-License-Identifier: MIT */
/*
 * shootdown.h - requests to other CPUs to invalidate translations.
 *
 * A shootdown names an address space and pages of it, or everything of it.  shootdown_run() returns
 * when no CPU can use an old translation of them any more; until then the frames behind them must
 * not be given to anybody (mm/pt/batch.h does both in the right order).
 *
 *    initiator                                         target
 *    change the entries
 *    write its own request, one per CPU
 *    (B) full barrier: the generation is counted up
 *    read who has the space loaded
 *    put its own bit into the mailbox of each ------>  shootdown_serve(), from the IPI, a lock's
 *    send an IPI to those without one                waiting loop or its own waiting loop:
 *    invalidate by itself                                    take all bits of the mailbox
 *    wait, and serve its own mailbox meanwhile           invalidate what each asks for
 *    <---------------------------------------------      acknowledge each: one less outstanding
 *
 * Invariants:
 *   T1  a target invalidates first and acknowledges then (release; the initiator's acquire pairs)
 *   T2  a request is not changed while an acknowledgement of it is outstanding: its initiator waits
 *       with interrupts off, so a CPU has one request at a time
 *   T3  whoever waits for another CPU with interrupts off, be it for acknowledgements or for
 *       a lock, serves its mailbox in each turn.  So two initiators never wait for each other,
 *       nor an initiator that holds a lock for one that waits for it.  The rest of the kernel
 *       keeps its interrupts off for a bounded time
 *   T4  a bit in a mailbox is followed by `pending`, and whoever found `pending` clear ipis; so a
 *       bit is never left without an IPI that comes after it
 *   T5  a CPU that is in idle state invalidates everything before it touches memory that may be
 *       unmapped, if one mark was left
 *   T6  no table of the kernel's space is given back while a CPU starts, from its first walk of
 *       them until it is counted.  Who starts CPUs sees to that: one at a time, by a CPU that
 *       waits for the count meanwhile, while no thread has anything to unmap
 *
 * The race that decides (Dekker's: each side stores, then looks at what the other stored).
 *
 *   Loading a space              (L1) set the own bit in space.loaded     full barrier
 *                                (L2) read space.generation; load the table, walk it
 *   against                      (I1) store the entry, (B) generation + 1 full barrier
 *                                (I2) read space.loaded
 *     Either I2 sees the bit, and the CPU is asked; or L1 came after I2, so L2 comes after B: the
 *     walks see the new entry, and a context kept from before is behind the new generation and is
 *     invalidated.
 *   Leaving a space              (U1) load the other table                (U2) clear the own bit
 *     In this order: a CPU that is not in the set does not walk the table any more.  What it keeps
 *     under a context number is behind the generation when it comes back.
 *   Leaving idle                 (W1) exchange the state with RUNNING     full barrier
 *                                (W2) invalidate everything if a mark was found; touch memory
 *   against                      (I1), (B), (I3) IDLE becomes MARKED by compare-and-swap
 *     If I3 came first, W1 finds the mark and W2 invalidates after I1.  If W1 came first, I3 fails
 * and the CPU is asked like any other; what it touches until it is served are translations from
 *     before I1, for which the initiator waits.
 *   Being counted (kern/cpu.h)   (S1) count + 1                           full barrier
 *                                (S2) tlb_cpu_join(): invalidate everything
 *     as the first case, for the kernel's space, which every CPU that is counted has loaded.
 *     S2 mends pages that went before S1, when nobody asked this CPU: until then it touches
 *     nothing that is ever unmapped.  It would come too late for a table (see below), hence T6.
 *     LIMIT: a CPU that answers after it was given up walks the tables until it halts, and is
 *     never asked.
 *
 * Idle CPUs are marked when pages go, but asked when tables go: a CPU walks tables without any
 * instruction that needs them, from the upper-level entries that it remembers, and sets accessed
 * bits in what it finds there (SDM 3A 4.10.2.3, 4.10.3.1), so a table that was reused as something
 * else would be written to.  Stale translations of pages are harmless while no instruction uses
 * them; that is all that an idle CPU promises.
 *
 * Contexts: where the machine can keep translations of several tables apart (PCID), a CPU remembers
 * the few spaces that it had loaded lately, each with the generation up to which it has
 * invalidated. It need not be asked about those that are not loaded.  The kernel's pages are
 * global, so one shootdown reaches them in all contexts; upper-level entries are not, so all other
 * contexts end when a table of the kernel's space goes.
 *
 * Where the machine itself can broadcast, nobody is asked.
 *
 * Locking: none; a CPU's part is its own, with interrupts off, but for what is marked (a).  Any
 * context but NMI and machine check.  Sources: Black et al., ASPLOS 1989; SDM 3A 4.10.4, 4.10.5.
 */
#pragma once

#include "kern/cpu.h"
#include "kern/percpu.h"

enum {
	SHOOTDOWN_PAGES_MAX = 32, /* above: one shootdown of everything is cheaper */
	SHOOTDOWN_ALL = SHOOTDOWN_PAGES_MAX + 1,
	TLB_CONTEXTS = 6, /* spaces that a CPU remembers */
};

/* What an address space is for the TLB. */
struct tlb_space {
	struct cpu_set loaded;       /* (a) CPUs that walk its table; not used of the kernel's */
	_Atomic uint64_t generation; /* (a) shootdowns so far */
	uint64_t id;                 /* (c) never given to another space; 0: none */
};

/* The kernel's half, which every CPU that is counted has loaded. */
extern struct tlb_space tlb_kernel_space;

/* A new space that no CPU has loaded. */
void tlb_space_init(struct tlb_space *space);

/* What becomes of the tables that led to the pages. */
enum shootdown_reach {
	SHOOTDOWN_PAGES,  /* they stay: idle CPUs are marked */
	SHOOTDOWN_TABLES, /* some are given back: idle CPUs are asked too */
};

/* What is to be invalidated.  A page is one entry, whatever its size; SHOOTDOWN_ALL in `pages`
 * means all of the space. */
struct shootdown {
	struct tlb_space *space;
	unsigned pages;
	enum shootdown_reach reach;
	vaddr_t page[SHOOTDOWN_PAGES_MAX];
};

static inline void shootdown_init(struct shootdown *f, struct tlb_space *space)
{
	f->space = space;
	f->pages = 0;
	f->reach = SHOOTDOWN_PAGES;
}

static inline void shootdown_add_page(struct shootdown *f, vaddr_t va)
{
	if (f->pages < SHOOTDOWN_PAGES_MAX)
		f->page[f->pages++] = va;
	else
		f->pages = SHOOTDOWN_ALL;
}

/* All CPUs invalidate it; returns when they have.  Nothing happens without a page.  Interrupts are
 * off meanwhile; locks may be held.  A CPU that does not answer for SHOOTDOWN_PATIENCE_MS is named,
 * sent another IPI and waited for; one that a panic stopped is not. */
void shootdown_run(const struct shootdown *f);
enum {
	SHOOTDOWN_PATIENCE_MS = 1000,
};

/* ---- the other side ---- */

/* Other CPUs write here. */
struct shootdown_mail {
	struct cpu_set from;      /* (a) CPUs whose requests wait for this one */
	_Atomic uint32_t pending; /* (a) not 0: some wait, and an IPI is on its way */
} __aligned(64);
extern struct shootdown_mail shootdown_mail; /* PER_CPU */

/* Whether a request waits for this CPU; interrupts off. */
static inline bool shootdown_pending(void)
{
	/* relaxed: shootdown_serve() looks again */
	return atomic_load_explicit(&this_cpu_ptr(shootdown_mail)->pending, memory_order_relaxed) !=
	       0;
}

/* Do what others ask of this CPU: short, takes no lock.  Ends idling (tlb_idle_leave()). */
void shootdown_serve(void);

/* ---- which space ---- */

/* This CPU walks `root`, the table of `space`, from now on.  Interrupts off. */
void tlb_switch_to(struct tlb_space *space, paddr_t root);

/* The space whose table this CPU walks.  Interrupts off, or a thread that has a space. */
struct tlb_space *tlb_loaded_space(void);

/* This CPU has just been counted; before it does anything else. */
static inline void tlb_cpu_join(void)
{
	arch_tlb_invalidate_all();
}

/* ---- idle ---- */

enum tlb_idle {
	TLB_RUNNING,
	TLB_IDLE,   /* may be marked instead of asked */
	TLB_MARKED, /* invalidates everything before it goes on */
};
extern _Atomic uint32_t tlb_idle_state; /* PER_CPU, enum tlb_idle, (a) */

/* From here to tlb_idle_leave() this CPU touches nothing but code, stack and per-CPU data, which
 * are never unmapped.  Interrupts off. */
void tlb_idle_enter(void);
void tlb_idle_leave_slow(void);

/* Before anything else after idling, and in the entry of every interrupt that may have ended it;
 * does nothing when the CPU was not idle.  Interrupts off. */
static inline void tlb_idle_leave(void)
{
	/* relaxed: others only change TLB_IDLE into TLB_MARKED */
	if (atomic_load_explicit(this_cpu_ptr(tlb_idle_state), memory_order_relaxed) != TLB_RUNNING)
		tlb_idle_leave_slow();
}

/* ---- stats ---- */

/* (a): relaxed, each CPU writes its own. */
struct shootdown_stats {
	_Atomic uint64_t requests, ipis, marks; /* of this CPU to others */
	_Atomic uint64_t served;                /* of others */
	_Atomic uint64_t pages, everything;     /* invalidated here: one by one, all at once */
	_Atomic uint64_t switches, kept;        /* of spaces; those that found their context */
	_Atomic uint64_t longest;               /* wait, in ticks */
};
extern struct shootdown_stats shootdown_stats; /* PER_CPU */

/* Tests: how long a wait takes before it warns, in ticks; 0: SHOOTDOWN_PATIENCE_MS. */
void shootdown_set_patience(uint64_t ticks);
