/* SPDX-License-Identifier: MIT */
#include "kern/wait_queue.h"

void wait_queue_init(struct wait_queue *q, struct lock_class *class)
{
	spin_init(&q->lock, class);
	q->waiters = (struct list){ NULL, NULL };
}

static void wait_queue_append(struct wait_queue *q, struct waiter *w) __requires(q->lock)
{
	list_push_back(&q->waiters, &w->link);
	w->queued = true;
}

static void wait_queue_remove(struct wait_queue *q, struct waiter *w) __requires(q->lock)
{
	list_remove(&q->waiters, &w->link);
	w->queued = false;
}

void wait_begin(struct wait_queue *q, struct waiter *w)
{
	uintptr_t irq = spin_lock_irq(&q->lock);

	if (!w->queued)
		wait_queue_append(q, w);
	spin_unlock_irq(&q->lock, irq);
}

/* Under the lock: waiter and thread exist until wait_end() has taken it. */
static void wake_first(struct wait_queue *q) __requires(q->lock)
{
	struct waiter *w = list_entry(q->waiters.first, struct waiter, link);

	wait_queue_remove(q, w);
	thread_unpark(w->thread);
}

void wait_end(struct wait_queue *q, struct waiter *w)
{
	uintptr_t irq = spin_lock_irq(&q->lock);

	if (w->queued)
		wait_queue_remove(q, w);
	else if (!list_is_empty(&q->waiters))
		wake_first(q); /* a wake-up that this waiter did not need */
	spin_unlock_irq(&q->lock, irq);
}

bool wait_wake_one(struct wait_queue *q)
{
	uintptr_t irq = spin_lock_irq(&q->lock);
	bool any = !list_is_empty(&q->waiters);

	if (any)
		wake_first(q);
	spin_unlock_irq(&q->lock, irq);
	return any;
}

void wait_wake_all_locked(struct wait_queue *q)
{
	while (!list_is_empty(&q->waiters))
		wake_first(q);
}

bool wait_wake_all(struct wait_queue *q)
{
	uintptr_t irq = spin_lock_irq(&q->lock);
	bool any = !list_is_empty(&q->waiters);

	wait_wake_all_locked(q);
	spin_unlock_irq(&q->lock, irq);
	return any;
}
