/* SPDX-License-Identifier: MIT */
/*
 * host_workers.h - pthreads of the host's tests that are CPUs, each with random numbers of its own.
 *
 * A worker's function gets its struct worker, and calls host_cpu_bind() where it wants to be that
 * CPU.  Its seed comes from the test's, so that only the schedule differs from run to run.
 *
 * Called by the thread of the test alone.
 */
#pragma once

#include <pthread.h>

#include "lib/types.h"

struct worker {
	pthread_t thread;
	unsigned cpu;
	uint64_t random; /* state of test_random_of() */
};

uint64_t worker_random(struct worker *w);

/* fn(&w[i]) runs on n threads, for the CPUs from `first` on. */
void workers_start(struct worker *w, unsigned first, unsigned n, void *(*fn)(void *));
/* Returns when they have ended; the caller is CPU 0 again. */
void workers_join(struct worker *w, unsigned n);
