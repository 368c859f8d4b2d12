/* SPDX-License-Identifier: MIT */
#include "kern/mutex.h"

#include "lib/panic.h"

struct lock_class mutex_lock_class = { .name = "mutexes", .rank = RANK_WAIT_QUEUE };

struct mutex_waiter {
	struct list_node link;
	struct thread *thread;
};

void mutex_init(struct mutex *m)
{
	*m = (struct mutex)MUTEX_INIT;
}

bool mutex_try_lock(struct mutex *m) __no_tsa
{
	uintptr_t irq = spin_lock_irq(&m->lock);
	bool free = m->owner == NULL;

	if (free)
		m->owner = thread_self();
	spin_unlock_irq(&m->lock, irq);
	return free;
}

bool mutex_is_mine(struct mutex *m)
{
	uintptr_t irq = spin_lock_irq(&m->lock);
	bool mine = m->owner == thread_self();

	spin_unlock_irq(&m->lock, irq);
	return mine;
}

void mutex_lock(struct mutex *m) __no_tsa
{
	struct mutex_waiter w = { .thread = thread_self() };
	uintptr_t irq = spin_lock_irq(&m->lock);
	bool mine = m->owner == NULL;

	if (m->owner != NULL && m->owner == w.thread) {
		spin_unlock_irq(&m->lock, irq);
		panic("a thread locks a mutex that it holds");
	}
	if (mine)
		m->owner = w.thread;
	else
		list_push_back(&m->waiters, &w.link);
	spin_unlock_irq(&m->lock, irq);
	while (!mine) {
		thread_park(); /* may return for another token */
		mine = mutex_is_mine(m);
	}
}

void mutex_unlock(struct mutex *m) __no_tsa
{
	uintptr_t irq = spin_lock_irq(&m->lock);
	bool mine = m->owner == thread_self();
	struct list_node *first = mine ? list_pop_front(&m->waiters) : NULL;

	if (mine)
		m->owner = first == NULL ? NULL
					 : list_entry(first, struct mutex_waiter, link)->thread;
	if (first != NULL)
		thread_unpark(m->owner); /* under the lock: it cannot return and end before */
	spin_unlock_irq(&m->lock, irq);
	if (!mine)
		panic("a thread unlocks a mutex that it does not hold");
}
