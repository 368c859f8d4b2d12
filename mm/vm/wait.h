/* SPDX-License-Identifier: MIT */
/*
 * wait.h - waiting for what another thread does to memory: the end of a fork, a page that is being
 * brought.
 *
 * mm/ knows no threads.  The kernel that links it says once how a thread sleeps and is woken;
 * without that, and where interrupts are off, the CPU waits in a loop.  Several events may share a
 * key: a thread that is woken checks its own.
 *
 * Locking: none.  The waker makes the event visible (release) before vm_wait_over().
 */
#pragma once

#include "lib/types.h"

struct vm_waits {
	/* Sleep until is_over(what); called with interrupts on and no lock held, by a thread. */
	void (*wait)(const void *key, bool (*is_over)(const void *what), const void *what);
	/* Wake all that sleep for this key.  Any context. */
	void (*wake)(const void *key);
};

/* Once, at start-up.  `waits` lives on. */
void vm_set_waits(const struct vm_waits *waits);

/* Returns when is_over(what), an event that is announced for `key`.  No lock is held. */
void vm_wait_until(const void *key, bool (*is_over)(const void *what), const void *what);
/* One turn of a loop that waits for another CPU for a short time: serves its shootdowns. */
void vm_wait_turn(void);
/* An event of that key is over. */
void vm_wait_over(const void *key);
