/* SPDX-License-Identifier: MIT */
/*
 * host_threads.h - CPUs of the host's tests that run threads.
 *
 * CPUs are pthreads, each with an idle loop, and threads are contexts that they carry.  The test
 * itself is the thread "main", pinned to CPU 0.  Threads may be preempted anywhere and come back on
 * another CPU, so they use nothing of the C library.
 *
 * Called by the thread of the test alone.
 */
#pragma once

#include "kern/thread.h"

enum {
	CPUS = 4, /* at most */
	STACK_BYTES = 64 * 1024,
	STACKS = 24,
};
extern uint8_t stacks[STACKS][STACK_BYTES];

/* A machine of n CPUs. */
void cpus_start(unsigned n);
/* Fails the test unless every thread has ended and all invariants hold. */
void cpus_stop(void);

/* A thread on the i-th stack, running; on whatever CPU, or on that one. */
struct thread *spawn(unsigned i, void (*fn)(void *arg), void *arg);
struct thread *spawn_on(unsigned cpu, unsigned i, void (*fn)(void *arg), void *arg);
