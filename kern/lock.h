/* SPDX-License-Identifier: MIT */
/*
 * lock.h - a fair spinlock, the classes of locks and their order.
 *
 * A ticket lock: waiters enter in the order in which they came.  It is always held with interrupts
 * off, so a handler never waits for what its own CPU holds, a thread that holds one is never
 * switched out, and no count of them is needed.  spin_lock_irq() turns interrupts off and hands
 * the old state to the unlock; plain spin_lock() is for who has them off already.  Never sleep
 * and never wait for another CPU's interrupt handler while holding one (finding MOI-04): that CPU
 * may wait for this lock.  What it is asked to do meanwhile, it does in its turns of waiting:
 * lock_wait_turn().
 *
 * Every lock has a class, which names it in messages and gives it its place in the one order of
 * locks, enum lock_rank.
 *
 * Invariants, which debug builds check at every turn and whose breach is a panic that names the
 * locks and the places where they were taken:
 *   L1  a lock is taken and released with interrupts off
 *   L2  a CPU waits only for a lock of an inner rank than all that it holds; of one rank only where
 *       the class is ordered by address, and then for a higher address
 *   L3  no CPU waits for a lock that it holds
 *   L4  a lock is released by the CPU that holds it
 *   L5  where lock_check_none_held() stands, the CPU holds none
 * spin_try_lock() does not wait and is no subject of L2 and L3.  A check comes before the lock
 * changes, and its panic prints with nothing taken by the check itself: the console's lock is the
 * innermost and the console knows what to do when this CPU has it.
 *
 * Debug builds count as well, for each class: acquisitions, those that had to wait, the longest
 * hold and the longest wait and whose; and for each CPU the longest interrupts-off time that
 * is known.  Release builds hold the two numbers of the ticket lock and check nothing.
 *
 * Source: Mellor-Crummey and Scott 1991, section 2.2 (tickets).
 */
#pragma once

#include <stdatomic.h>

#include "arch/arch.h"

/* Outermost first.  There are gaps for what comes between. */
enum lock_rank {
	RANK_SPACES = 5, /* mm/vm/space.c, mm/vm/object.c: lists and numbers */
	RANK_KERNEL_SPACE =
		10, /* mm/kspace/kspace_impl.h: has frames, for its tables, while it is held */
	RANK_HEAP_CLASS = 20, /* mm/heap/slab.h: frames are neither had nor given back meanwhile */
	RANK_SECTION = 30,    /* mm/frame/section.c: gives frames to zones while it is held */
	RANK_DEPOT = 40,      /* mm/frame/frame_cache.h: a CPU's depot of blocks */
	RANK_ZONE = 50,       /* mm/frame/zone.h */
	RANK_WAIT_QUEUE = 60, /* whoever wakes a thread goes on to a run queue */
	RANK_THREADS = 65,    /* kern/thread.c: the list of threads and their ends */
	RANK_TIMERS = 70,
	RANK_RUN_QUEUE = 80,
	RANK_REQUESTS = 90, /* arch/x86_64/call.c: a CPU can be asked whatever is held */
	RANK_IOAPIC = 95,   /* arch/x86_64/ioapic.c */
	RANK_CONSOLE = 100, /* drivers/tty/console.c: whatever is held, a line can be printed */
};

/* Whether two locks of a class may be held at once. */
enum lock_nesting {
	LOCK_NESTS_NEVER,
	LOCK_NESTS_BY_ADDRESS, /* the lower address first */
};

/* The longest of something, and the code that took the lock for it.  (a) */
struct lock_record {
	_Atomic uint64_t ticks;
	_Atomic uintptr_t where; /* the address behind the call */
};

/* What locks of one kind have in common; LOCK_CLASS makes one, and it lives for ever. */
struct lock_class {
	const char *name;
	enum lock_rank rank;
	enum lock_nesting nesting;
#ifdef KEEL_DEBUG
	/* (a), statistics: relaxed, as nothing is read by them */
	_Atomic uint64_t acquisitions, contended;
	struct lock_record hold, wait; /* (n) to change */
	_Atomic unsigned recording;    /* n: the CPU that writes a record, and 1; 0: none */
	_Atomic bool listed;
	struct lock_class *next; /* (c) once it is listed */
#endif
};

#define LOCK_CLASS_(id, text, rank_, nests)                                                        \
	static struct lock_class id                                                                \
		__attribute__((unused)) = { .name = text, .rank = rank_, .nesting = nests }

/* Define the class `id` of locks that are called `text`; of these a CPU holds one at a time. */
#define LOCK_CLASS(id, text, rank)            LOCK_CLASS_(id, text, rank, LOCK_NESTS_NEVER)
/* The same; a CPU may hold several of them, taken in the order of their addresses. */
#define LOCK_CLASS_BY_ADDRESS(id, text, rank) LOCK_CLASS_(id, text, rank, LOCK_NESTS_BY_ADDRESS)

struct __capability("spinlock") spinlock
{
	_Atomic uint32_t next, owner;
#ifdef KEEL_DEBUG
	struct lock_class *class;
	_Atomic unsigned holder; /* the CPU that holds it, and 1; 0: none */
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

/* A free lock of the class; nobody shares it yet. */
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

/* One turn of a loop that waits for a lock, interrupts off: a pause, and what others have asked
 * of this CPU meanwhile is done. */
void lock_wait_turn(void);

/* `serve` is called in each such turn, on the CPU that waits: it takes no lock and is quick.
 * NULL: nothing is.  Returns what was called before. */
typedef void (*lock_waiter_t)(void);
lock_waiter_t lock_set_waiter(lock_waiter_t serve);

/* Wait until it is the ticket's turn. */
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

/* The ticket lock with L1-L4 and statistics; the caller's address is the place of the lock. */
void lock_take_checked(struct spinlock *l);
bool lock_try_checked(struct spinlock *l);
void lock_release_checked(struct spinlock *l);

/* Panics when this CPU holds a lock (L5); `where` says in words who asks.  Interrupts off, or a
 * thread that stays on its CPU. */
void lock_check_none_held(const char *where);

/* This CPU invalidates the locks that it holds, which stay locked for ever: whoever would have
 * released them panicked, and what runs next begins anew.  To take one of them is still a panic
 * (L3). */
void lock_abandon_held(void);

/* Interrupts of this CPU, off now, were off for so long by the code at `where`. */
void lock_record_off(uint64_t ticks, uintptr_t where);

/* The longest interrupts-off time recorded on `cpu`, whose per-CPU area was prepared, and who
 * turned them off: an outermost lock, or lock_record_off()'s caller.  {0, 0}: none yet.  The two
 * are not read at once.
 */
void lock_longest_off(unsigned cpu, uint64_t *ticks, uintptr_t *where);
/* From now on anew. */
void lock_longest_off_reset(unsigned cpu);

/* Calls fn for each class of which a lock was ever taken; classes are never taken away. */
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

/* ---- what others use ---- */

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

/* Interrupts are off.  False: somebody has it, this CPU perhaps. */
static __forceinline bool spin_try_lock(struct spinlock *l)
	__tsa(try_acquire_capability(true, *l)) __no_tsa
{
#ifdef KEEL_DEBUG
	return lock_try_checked(l);
#else
	return lock_try(l);
#endif
}

/* Interrupts are off still. */
static __forceinline void spin_unlock(struct spinlock *l) __releases(*l) __no_tsa
{
#ifdef KEEL_DEBUG
	lock_release_checked(l);
#else
	lock_pass_on(l);
#endif
}

/* Returns the state of interrupts before, for the unlock. */
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
