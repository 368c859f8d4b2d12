/* SPDX-License-Identifier: MIT */
#include "kern/work.h"

#include "kern/kthread.h"
#include "lib/panic.h"

LOCK_CLASS(work_class, "work queues", RANK_WAIT_QUEUE);
LOCK_CLASS(work_waiters_class, "waiters for work queues", RANK_WAIT_QUEUE);

/* Whether the thread has something to do: run *out, the oldest work, taken out; or end, when there
 * is none and there will be none, which is decided in one step. */
static bool work_take(struct work_queue *q, struct work **out)
{
	uintptr_t irq = spin_lock_irq(&q->idle.lock);
	struct list_node *n = list_pop_front(&q->works);
	struct work *w = list_entry_or_null(n, struct work, link);
	bool stopping = q->stopping;

	if (w != NULL)
		w->queued = false;
	spin_unlock_irq(&q->idle.lock, irq);
	*out = w;
	return w != NULL || stopping;
}

static void work_finished(struct work_queue *q)
{
	uintptr_t irq = spin_lock_irq(&q->idle.lock);

	q->finished++;
	spin_unlock_irq(&q->idle.lock, irq);
	(void)wait_wake_all(&q->waiters);
}

static void work_thread(void *queue)
{
	struct work_queue *q = queue;
	struct work *w = NULL;

	for (;;) {
		wait_until(&q->idle, work_take(q, &w));
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

	if (!w->queued) {
		w->queued = true;
		list_push_back(&q->works, &w->link);
		q->submitted++;
		wait_wake_all_locked(&q->idle); /* the queue may end as soon as w has run */
	}
	spin_unlock_irq(&q->idle.lock, irq);
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
