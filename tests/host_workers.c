/* SPDX-License-Identifier: MIT */
#include "tests/host_workers.h"

#include "arch/arch.h"
#include "tests/test.h"

uint64_t worker_random(struct worker *w)
{
	return test_random_of(&w->random);
}

void workers_start(struct worker *w, unsigned first, unsigned n, void *(*fn)(void *))
{
	for (unsigned i = 0; i < n; i++) {
		w[i] = (struct worker){ .cpu = first + i, .random = test_random() | 1 };
		pthread_create(&w[i].thread, NULL, fn, &w[i]);
	}
}

void workers_join(struct worker *w, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		pthread_join(w[i].thread, NULL);
	host_cpu = 0;
}
