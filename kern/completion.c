/* SPDX-License-Identifier: MIT */
#include "kern/completion.h"

struct lock_class completion_lock_class = { .name = "completions", .rank = RANK_WAIT_QUEUE };

void completion_init(struct completion *c)
{
	*c = (struct completion)COMPLETION_INIT;
}

void complete(struct completion *c)
{
	uintptr_t irq = spin_lock_irq(&c->queue.lock);

	/* release pairs with completion_is_done(); under the lock: see completion.h */
	atomic_store_explicit(&c->done, 1, memory_order_release);
	wait_wake_all_locked(&c->queue);
	spin_unlock_irq(&c->queue.lock, irq);
}

void completion_wait(struct completion *c)
{
	wait_until(&c->queue, completion_is_done(c));
}

err_t completion_wait_until(struct completion *c, uint64_t deadline)
{
	struct waiter w = { .thread = thread_self() };
	bool done;

	for (;;) {
		wait_begin(&c->queue, &w);
		done = completion_is_done(c);
		if (done || arch_ticks() >= deadline)
			break;
		thread_park_until(deadline);
	}
	wait_end(&c->queue, &w);
	return done ? OK : ERR_TIMED_OUT;
}
