/* SPDX-License-Identifier: MIT */
/*
 * wait_key.h - threads that wait for an event which has a key but no wait queue of its own.
 *
 * Keys share a table of wait queues by their hash, as in Linux' wait_on_bit(): a wake-up wakes all
 * waiters of the queue, and those whose event is not over wait again.  For rare events of many
 * objects.
 *
 * Locking: that of kern/wait_queue.h.
 */
#pragma once

#include "lib/types.h"

/* Blocks the running thread until is_over(what); interrupts are on. */
void wait_for_key(const void *key, bool (*is_over)(const void *what), const void *what);
/* After an event of that key is over.  Any context; the key is not dereferenced. */
void wait_wake_key(const void *key);
