/* SPDX-License-Identifier: MIT */
#include "kern/work.h"

#include "kern/kthread.h"
#include "lib/panic.h"

LOCK_CLASS(work_class, "work queues", RANK_WAIT_QUEUE);
LOCK_CLASS(work_waiters_class, "waiters for work queues", RANK_WAIT_QUEUE);

/* The oldest work, taken out; NULL: there is none. */
static struct work *work_take(struct work_queue *q)
{
	uintptr_t irq = spin_lock_irq(&q->idle.lock);
	struct list_node *n = list_pop_front(&q->works);
	struct work *w = list_entry_or_null(n, struct work, link);

	if (w != NULL)
		w->queued = false;
	spin_unlock_irq(&q->idle.lock, irq);
	return w;
}

static void work_finished(struct work_queue *q)
{
	uintptr_t irq = spin_lock_irq(&q->idle.lock);

	q->finished++;
	spin_unlock_irq(&q->idle.lock, irq);
	(void)wait_wake_all(&q->waiters);
}

static bool work_is_stopping(struct work_queue *q)
{
	uintptr_t irq = spin_lock_irq(&q->idle.lock);
	bool stopping = q->stopping;

	spin_unlock_irq(&q->idle.lock, irq);
	return stopping;
}

static void work_thread(void *queue)
{
	struct work_queue *q = queue;
	struct work *w = NULL;

	for (;;) {
		wait_until(&q->idle, (w = work_take(q)) != NULL || work_is_stopping(q));
		if (w == NULL)
			return;
		w->fn(w); /* which may free w */
		work_finished(q);
	}
}

err_t work_queue_start(struct work_queue *q, const char *name)
{
	*q = (struct work_queue){ .thread = NULL };
	wait_queue_init(&q->idle, &work_class);
	wait_queue_init(&q->waiters, &work_waiters_class);
	return kthread_create(name, work_thread, q, &q->thread);
}

void work_queue_stop(struct work_queue *q)
{
	uintptr_t irq = spin_lock_irq(&q->idle.lock);

	q->stopping = true;
	spin_unlock_irq(&q->idle.lock, irq);
	(void)wait_wake_all(&q->idle);
	kthread_join(q->thread);
}

void work_submit(struct work_queue *q, struct work *w)
{
	uintptr_t irq = spin_lock_irq(&q->idle.lock);
	bool added = !w->queued;

	if (added) {
		w->queued = true;
		list_push_back(&q->works, &w->link);
		q->submitted++;
	}
	spin_unlock_irq(&q->idle.lock, irq);
	if (added)
		(void)wait_wake_one(&q->idle);
}

static bool work_has_finished(struct work_queue *q, uint64_t wanted)
{
	uintptr_t irq = spin_lock_irq(&q->idle.lock);
	bool finished = q->finished >= wanted;

	spin_unlock_irq(&q->idle.lock, irq);
	return finished;
}

void work_wait(struct work_queue *q)
{
	uintptr_t irq = spin_lock_irq(&q->idle.lock);
	uint64_t wanted = q->submitted;

	ASSERT(thread_self() != q->thread);
	spin_unlock_irq(&q->idle.lock, irq);
	wait_until(&q->waiters, work_has_finished(q, wanted));
}
