/* SPDX-License-Identifier: MIT */
#include "kern/wait_queue.h"

void wait_queue_init(struct wait_queue *q, struct lock_class *class)
{
	spin_init(&q->lock, class);
	q->first = q->last = NULL;
}

static void append(struct wait_queue *q, struct waiter *w) __requires(q->lock)
{
	w->next = NULL;
	w->prev = q->last;
	if (q->last == NULL)
		q->first = w;
	else
		q->last->next = w;
	q->last = w;
	w->queued = true;
}

static void take_out(struct wait_queue *q, struct waiter *w) __requires(q->lock)
{
	if (w->prev == NULL)
		q->first = w->next;
	else
		w->prev->next = w->next;
	if (w->next == NULL)
		q->last = w->prev;
	else
		w->next->prev = w->prev;
	w->queued = false;
}

void wait_begin(struct wait_queue *q, struct waiter *w)
{
	uintptr_t irq = spin_lock_irq(&q->lock);

	if (!w->queued)
		append(q, w);
	spin_unlock_irq(&q->lock, irq);
}

void wait_end(struct wait_queue *q, struct waiter *w)
{
	uintptr_t irq = spin_lock_irq(&q->lock);

	if (w->queued)
		take_out(q, w);
	spin_unlock_irq(&q->lock, irq);
}

/* Under the lock: waiter and thread exist until wait_end() has taken it. */
static void wake_first(struct wait_queue *q) __requires(q->lock)
{
	struct waiter *w = q->first;

	take_out(q, w);
	thread_unpark(w->thread);
}

bool wait_wake_one(struct wait_queue *q)
{
	uintptr_t irq = spin_lock_irq(&q->lock);
	bool any = q->first != NULL;

	if (any)
		wake_first(q);
	spin_unlock_irq(&q->lock, irq);
	return any;
}

bool wait_wake_all(struct wait_queue *q)
{
	uintptr_t irq = spin_lock_irq(&q->lock);
	bool any = q->first != NULL;

	while (q->first != NULL)
		wake_first(q);
	spin_unlock_irq(&q->lock, irq);
	return any;
}
