/* SPDX-License-Identifier: MIT */
/*
 * lock.h - a fair spinlock, lock classes and the lock order.
 *
 * A ticket lock: waiters enter in the order in which they came.  It is always held with interrupts
 * off, so a handler never waits for a lock of its own CPU, and a thread that holds one is never
 * switched out; no preemption count is needed.  spin_lock_irq() turns interrupts off and returns
 * the old state for the unlock; plain spin_lock() is for callers that have them off already.  While
 * holding one, never sleep and never wait for another CPU's interrupt handler (finding MOI-04):
 * that CPU may wait for this lock.  A CPU that waits for a lock serves requests of other CPUs in
 * its waiting loop: lock_wait_turn().
 *
 * Every lock has a class, which names it in messages and gives it its rank in the global lock
 * order, enum lock_rank.
 *
 * Invariants.  Debug builds check them at every operation; a violation is a panic that names the
 * locks and the places where they were taken:
 *   L1  a lock is taken and released with interrupts off
 *   L2  a CPU waits only for a lock of an inner rank than all that it holds; of one rank only where
 *       the class is ordered by address, and then for a higher address
 *   L3  no CPU waits for a lock that it holds
 *   L4  a lock is released by the CPU that holds it
 *   L5  at lock_check_none_held(), the CPU holds no spinlock
 * spin_try_lock() does not wait, so L2 and L3 do not apply to it.  A check runs before the lock
 * changes, and its panic prints with no lock taken by the check itself: the console's lock is the
 * innermost, and the console handles the case that this CPU holds it.
 *
 * Debug builds also record, per class: acquisitions, contended acquisitions, the longest hold and
 * the longest wait with their callers.  Release builds keep only the two counters of the ticket
 * lock and check nothing.
 *
 * Source: Mellor-Crummey and Scott 1991, section 2.2 (tickets).
 */
#pragma once

#include <stdatomic.h>

#include "arch/arch.h"

/* Outermost first.  The gaps leave room for new ranks. */
enum lock_rank {
	RANK_DRIVER_OUTERMOST = -64, /* RANK_DRIVER(0) */
	RANK_SPACES = 5,             /* mm/vm/space.c: the list of spaces */
	RANK_KERNEL_SPACE = 10, /* mm/kspace/kspace_impl.h: allocates table frames while held */
	RANK_HEAP_CLASS = 20,   /* mm/heap/slab.h: no frames are allocated or freed while held */
	RANK_SECTION = 30,      /* mm/frame/section.c: frees frames to zones while held */
	RANK_DEPOT = 40,        /* mm/frame/frame_cache.h: a CPU's depot of blocks */
	RANK_ZONE = 50,         /* mm/frame/zone.h */
	RANK_OBJECT = 55,       /* mm/vm/mapping.h: the mappings of an object */
	RANK_MAPPINGS = 57,     /* mm/vm/mapping.h: those of a space */
	RANK_WAIT_QUEUE = 60,   /* a wake-up then takes a run queue */
	RANK_THREADS = 65,      /* kern/thread.c: list of threads, exit and join */
	RANK_TIMERS = 70,
	RANK_RUN_QUEUE = 80,
	RANK_TLB_WALKERS = 85, /* kern/shootdown.h: the walkers of a space */
	RANK_RESOURCES = 90,   /* kern/ports.c: the claims */
	RANK_IRQ = 93,         /* kern/irq.c: a line, never held while a handler runs */
	RANK_IOAPIC = 95,      /* arch/x86_64/ioapic.c */
	RANK_CONSOLE = 100,    /* drivers/tty/console.c: innermost, prints under any lock */
};

/* The rank of a driver's lock, without an entry above: n in [0, 63], the smaller the outer.  All of
 * them are outer to the kernel's locks, so a driver may call the kernel while it holds one. */
#define RANK_DRIVER(n) ((enum lock_rank)(RANK_DRIVER_OUTERMOST + (n)))

/* Whether a CPU may hold two locks of a class at once. */
enum lock_nesting {
	LOCK_NESTS_NEVER,
	LOCK_NESTS_BY_ADDRESS, /* the lower address first */
};

/* A maximum time, and the code that took the lock.  (a) */
struct lock_record {
	_Atomic uint64_t ticks;
	_Atomic uintptr_t where; /* return address of the call */
};

/* A lock class, defined by LOCK_CLASS; never freed. */
struct lock_class {
	const char *name;
	enum lock_rank rank;
	enum lock_nesting nesting;
#ifdef KEEL_DEBUG
	/* (a), statistics: relaxed, they order nothing */
	_Atomic uint64_t acquisitions, contended;
	struct lock_record hold, wait; /* (n) to change */
	_Atomic unsigned recording; /* n: number of the CPU that writes a record, plus 1; 0: none */
	_Atomic bool listed;
	struct lock_class *next; /* (c) once it is listed */
#endif
};

#define LOCK_CLASS_(id, text, rank_, nests)                                                        \
	static struct lock_class id                                                                \
		__attribute__((unused)) = { .name = text, .rank = rank_, .nesting = nests }

/* Defines the class `id` with the name `text`; a CPU holds one lock of the class at a time. */
#define LOCK_CLASS(id, text, rank)            LOCK_CLASS_(id, text, rank, LOCK_NESTS_NEVER)
/* The same; a CPU may hold several of them, taken in address order. */
#define LOCK_CLASS_BY_ADDRESS(id, text, rank) LOCK_CLASS_(id, text, rank, LOCK_NESTS_BY_ADDRESS)

struct __capability("spinlock") spinlock
{
	_Atomic uint32_t next, owner;
#ifdef KEEL_DEBUG
	struct lock_class *class;
	_Atomic unsigned holder; /* number of the CPU that holds it, plus 1; 0: none */
#endif
};

#ifdef KEEL_DEBUG
#define SPINLOCK_INIT(lock_class)                                                                  \
	{                                                                                          \
		.class = (lock_class)                                                              \
	}
#else
#define SPINLOCK_INIT(lock_class)                                                                  \
	{                                                                                          \
		0                                                                                  \
	}
#endif

/* Initialises a free lock of the class, before any other CPU can reach it. */
static inline void spin_init(struct spinlock *l, struct lock_class *class)
{
	atomic_store_explicit(&l->next, 0, memory_order_relaxed);
	atomic_store_explicit(&l->owner, 0, memory_order_relaxed);
#ifdef KEEL_DEBUG
	l->class = class;
	atomic_store_explicit(&l->holder, 0, memory_order_relaxed);
#else
	(void)class;
#endif
}

/* ---- waiting ---- */

/* One iteration of a lock's waiting loop, interrupts off: a pause, then serves requests of other
 * CPUs. */
void lock_wait_turn(void);

/* Sets the hook that each such iteration calls on the waiting CPU: it takes no lock and is
 * short.  NULL: no hook.  Returns the previous hook. */
typedef void (*lock_waiter_t)(void);
lock_waiter_t lock_set_waiter(lock_waiter_t serve);

/* Waits until the lock serves this ticket. */
void lock_wait(struct spinlock *l, uint32_t ticket) __cold;

/* ---- the ticket lock itself ---- */

static inline uint32_t lock_draw(struct spinlock *l)
{
	return atomic_fetch_add_explicit(&l->next, 1, memory_order_relaxed);
}

/* acquire pairs with the release in lock_pass_on() */
static inline bool lock_is_turn(const struct spinlock *l, uint32_t ticket)
{
	return atomic_load_explicit(&l->owner, memory_order_acquire) == ticket;
}

static inline bool lock_try(struct spinlock *l)
{
	/* acquire pairs with lock_pass_on(), which released `owner`, not `next` */
	uint32_t owner = atomic_load_explicit(&l->owner, memory_order_acquire);

	/* free when next = owner */
	return atomic_compare_exchange_strong_explicit(&l->next, &owner, owner + 1,
						       memory_order_relaxed, memory_order_relaxed);
}

static inline void lock_pass_on(struct spinlock *l)
{
	uint32_t owner = atomic_load_explicit(&l->owner, memory_order_relaxed); /* ours */

	atomic_store_explicit(&l->owner, owner + 1, memory_order_release);
}

/* ---- checks and statistics of debug builds ---- */

#ifdef KEEL_DEBUG

enum {
	LOCKS_HELD_MAX = 8, /* by a CPU */
};

/* The ticket lock with checks of L1-L4 and statistics; records the caller's address. */
void lock_take_checked(struct spinlock *l);
bool lock_try_checked(struct spinlock *l);
void lock_release_checked(struct spinlock *l);

/* Panics when this CPU holds a lock (L5); `where` describes the caller in the message.
 * Interrupts off, or a thread that stays on its CPU. */
void lock_check_none_held(const char *where);

/* Drops this CPU's record of the locks that it holds, which stay locked for ever: the code that
 * would have released them panicked, and the code that runs next starts with none.  Taking one
 * of them is still a panic (L3). */
void lock_abandon_held(void);

/* Calls fn for each class of which a lock was ever taken; classes are never removed. */
void lock_each_class(void (*fn)(const struct lock_class *c, void *arg), void *arg);

#else

static inline void lock_check_none_held(const char *where)
{
	(void)where;
}

static inline void lock_abandon_held(void)
{
}

#endif

/* ---- public interface ---- */

/* Interrupts are off. */
static __forceinline void spin_lock(struct spinlock *l) __acquires(*l) __no_tsa
{
#ifdef KEEL_DEBUG
	lock_take_checked(l);
#else
	uint32_t ticket = lock_draw(l);

	if (unlikely(!lock_is_turn(l, ticket)))
		lock_wait(l, ticket);
#endif
}

/* Interrupts are off.  False: the lock is held, possibly by this CPU. */
static __forceinline bool spin_try_lock(struct spinlock *l)
	__tsa(try_acquire_capability(true, *l)) __no_tsa
{
#ifdef KEEL_DEBUG
	return lock_try_checked(l);
#else
	return lock_try(l);
#endif
}

/* Interrupts are still off. */
static __forceinline void spin_unlock(struct spinlock *l) __releases(*l) __no_tsa
{
#ifdef KEEL_DEBUG
	lock_release_checked(l);
#else
	lock_pass_on(l);
#endif
}

/* Returns the previous interrupt state, for the unlock. */
static __forceinline uintptr_t spin_lock_irq(struct spinlock *l) __acquires(*l) __no_tsa
{
	uintptr_t irq = arch_irq_save();

	spin_lock(l);
	return irq;
}

static __forceinline void spin_unlock_irq(struct spinlock *l, uintptr_t irq) __releases(*l) __no_tsa
{
	spin_unlock(l);
	arch_irq_restore(irq);
}
