/* SPDX-License-Identifier: MIT */
/*
 * lock.h - a fair spinlock on top of the seam.
 *
 * A ticket lock: waiters enter in the order in which they came.  spin_lock_irq() is the form
 * for data that interrupt handlers share; it keeps interrupts off while the lock is held and
 * hands the old state to the unlock.  Never sleep, never wait for another CPU's interrupt
 * handler while holding one (finding MOI-04).
 *
 * Order of locks in keel, outermost first; a lock may be taken while one of those above it
 * is held, never the other way round:
 *   0  kernel space (mm/kspace.c)
 *   0  a size class of the heap (mm/slab.c): frames are neither had nor given back meanwhile
 *   1  section growth (mm/section.c)
 *   2  a CPU's depot of blocks (mm/frame_cache.c)
 *   3  a zone (mm/zone.c): nothing is taken while it is held
 *   4  the console (drivers/console.c): nothing is taken while it is held
 */
#pragma once

#include <stdatomic.h>

#include "arch/arch.h"

struct __capability("spinlock") spinlock
{
	_Atomic uint32_t next, owner;
};

#define SPINLOCK_INIT                                                                              \
	{                                                                                          \
		0, 0                                                                               \
	}

static inline void spin_init(struct spinlock *l)
{
	atomic_store_explicit(&l->next, 0, memory_order_relaxed); /* nobody shares it yet */
	atomic_store_explicit(&l->owner, 0, memory_order_relaxed);
}

static inline void spin_lock(struct spinlock *l) __acquires(*l) __no_tsa
{
	uint32_t ticket = atomic_fetch_add_explicit(&l->next, 1, memory_order_relaxed);

	/* acquire pairs with the release in spin_unlock() */
	while (atomic_load_explicit(&l->owner, memory_order_acquire) != ticket)
		arch_relax();
}

static inline bool spin_try_lock(struct spinlock *l)
	__tsa(try_acquire_capability(true, *l)) __no_tsa
{
	uint32_t owner = atomic_load_explicit(&l->owner, memory_order_relaxed);

	/* free when next = owner; acquire pairs with spin_unlock() */
	return atomic_compare_exchange_strong_explicit(&l->next, &owner, owner + 1,
						       memory_order_acquire, memory_order_relaxed);
}

static inline void spin_unlock(struct spinlock *l) __releases(*l) __no_tsa
{
	uint32_t owner = atomic_load_explicit(&l->owner, memory_order_relaxed); /* ours */

	atomic_store_explicit(&l->owner, owner + 1, memory_order_release);
}

static inline uintptr_t spin_lock_irq(struct spinlock *l) __acquires(*l) __no_tsa
{
	uintptr_t irq = arch_irq_save();

	spin_lock(l);
	return irq;
}

static inline void spin_unlock_irq(struct spinlock *l, uintptr_t irq) __releases(*l) __no_tsa
{
	spin_unlock(l);
	arch_irq_restore(irq);
}
