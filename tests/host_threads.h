/* SPDX-License-Identifier: MIT */
/*
 * host_threads.h - host tests: CPUs that run threads.
 *
 * CPUs are pthreads, each with an idle loop, and threads are contexts that run on them.  The test
 * itself is the thread "main", pinned to CPU 0.  Threads may be preempted anywhere and continue on
 * another CPU, so they must not call the C library.
 *
 * Called only by the test's own thread.
 */
#pragma once

#include "kern/thread.h"

enum {
	CPUS = 4, /* max */
	STACK_BYTES = 64 * 1024,
	STACKS = 24,
};
extern uint8_t stacks[STACKS][STACK_BYTES];

/* Starts a machine with n CPUs. */
void cpus_start(unsigned n);
/* Stops the machine; fails the test unless every thread has ended and all invariants hold. */
void cpus_stop(void);

/* Starts a thread on the i-th stack, on any CPU or on `cpu`. */
struct thread *spawn(unsigned i, void (*fn)(void *arg), void *arg);
struct thread *spawn_on(unsigned cpu, unsigned i, void (*fn)(void *arg), void *arg);
