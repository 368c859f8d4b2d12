/* SPDX-License-Identifier: MIT */
/*
 * host_workers.h - host tests: pthreads that act as CPUs, each with its own random numbers.
 *
 * A worker's function gets its struct worker, and calls host_cpu_bind() to become that CPU.  Its
 * seed derives from the test's, so that only the schedule differs from run to run.
 *
 * Called only by the test's own thread.
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

/* Runs fn(&w[i]) on n threads, as the CPUs from `first` on. */
void workers_start(struct worker *w, unsigned first, unsigned n, void *(*fn)(void *));
/* Waits until they have ended; the caller is CPU 0 again. */
void workers_join(struct worker *w, unsigned n);
