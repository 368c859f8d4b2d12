/* SPDX-License-Identifier: MIT */
#include "kern/vector.h"

#include "kern/cpu.h"
#include "kern/mutex.h"
#include "kern/percpu.h"
#include "lib/bits.h"
#include "lib/panic.h"

struct vectors {
	bool used[ARCH_VECTORS];
	unsigned count;
};
static PER_CPU(struct vectors, vectors); /* (l), of all CPUs */

static struct mutex lock = MUTEX_INIT;

static bool block_is_free(const struct vectors *v, unsigned first, unsigned count)
{
	for (unsigned i = first; i < first + count; i++)
		if (v->used[i])
			return false;
	return true;
}

/* The first free block; 0: there is none. */
static unsigned find_block(const struct vectors *v, unsigned count)
{
	for (unsigned first = (unsigned)align_up(ARCH_VECTOR_FIRST, count);
	     first + count - 1 <= ARCH_VECTOR_LAST; first += count)
		if (block_is_free(v, first, count))
			return first;
	return 0;
}

static void mark(struct vectors *v, unsigned first, unsigned count)
{
	for (unsigned i = first; i < first + count; i++)
		v->used[i] = true;
	v->count += count;
}

err_t vector_alloc(unsigned count, unsigned *cpu, unsigned *first)
{
	struct vectors *best = NULL;

	if (!bits_is_pow2(count) || count > VECTOR_BLOCK_MAX)
		return ERR_BAD_RANGE;
	mutex_lock(&lock);
	for (unsigned i = 0; i < cpu_count(); i++) {
		struct vectors *v = per_cpu_ptr(vectors, i);
		unsigned found;

		if (best != NULL && v->count >= best->count)
			continue;
		found = find_block(v, count);
		if (found == 0)
			continue;
		best = v;
		*cpu = i;
		*first = found;
	}
	if (best != NULL)
		mark(best, *first, count);
	mutex_unlock(&lock);
	return best == NULL ? ERR_NO_MEMORY : OK;
}

void vector_free(unsigned cpu, unsigned first, unsigned count)
{
	struct vectors *v = per_cpu_ptr(vectors, cpu);

	mutex_lock(&lock);
	for (unsigned i = first; i < first + count; i++) {
		ASSERT(i < ARCH_VECTORS && v->used[i]);
		v->used[i] = false;
	}
	v->count -= count;
	mutex_unlock(&lock);
}

unsigned vector_count(unsigned cpu)
{
	unsigned n;

	mutex_lock(&lock);
	n = per_cpu_ptr(vectors, cpu)->count;
	mutex_unlock(&lock);
	return n;
}
