/* SPDX-License-Identifier: MIT */
#include "kern/wait_key.h"

#include "kern/wait_queue.h"

enum {
	KEY_BITS = 4,
	QUEUES = 1 << KEY_BITS,
};

LOCK_CLASS(keys_class, "waiters by key", RANK_WAIT_QUEUE);
static struct wait_queue queues[QUEUES] = { [0 ... QUEUES - 1] = WAIT_QUEUE_INIT(&keys_class) };

/* Knuth, The Art of Computer Programming 3, 6.4: multiplicative hashing. */
static struct wait_queue *queue_of(const void *key)
{
	return &queues[(uintptr_t)key * UINT64_C(0x9e3779b97f4a7c15) >> (64 - KEY_BITS)];
}

void wait_for_key(const void *key, bool (*is_over)(const void *what), const void *what)
{
	wait_until(queue_of(key), is_over(what));
}

void wait_wake_key(const void *key)
{
	wait_wake_all(queue_of(key));
}
