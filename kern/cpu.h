/* SPDX-License-Identifier: MIT */
/*
 * cpu.h - which CPUs run, and sets of them.
 *
 * CPUs that run have the numbers 0 .. cpu_count() - 1, in the order in which they came; a CPU that
 * never answers gets none.  The count only grows, and a CPU is counted when it can be asked for
 * anything: its area, tables, timer and idle thread are there.
 *
 * A set is a bitmap that any CPU may change one bit of at a time; reading a whole set is
 * reading its words one by one.
 */
#pragma once

#include <stdatomic.h>

#include "arch/arch.h"

enum {
	CPU_SET_WORD_BITS = 64,
	CPU_SET_WORDS = ARCH_MAX_CPUS / CPU_SET_WORD_BITS,
};

struct cpu_set {
	_Atomic uint64_t word[CPU_SET_WORDS];
};

extern _Atomic unsigned cpu_running;

/* At least 1.  Acquire: what a CPU set up before it was counted is seen. */
static inline unsigned cpu_count(void)
{
	return atomic_load_explicit(&cpu_running, memory_order_acquire);
}

/* The next CPU runs; called by itself, with everything set up.  Returns its number. */
unsigned cpu_count_one_more(void);

/* A fresh machine with `n` CPUs that run: the host's tests. */
void cpu_set_count(unsigned n);

/* Both are full barriers: what was stored before is visible before the bit changes, and what is
 * loaded after is loaded after. */
static inline void cpu_set_add(struct cpu_set *s, unsigned cpu)
{
	atomic_fetch_or_explicit(&s->word[cpu / CPU_SET_WORD_BITS],
				 UINT64_C(1) << cpu % CPU_SET_WORD_BITS, memory_order_seq_cst);
}

static inline void cpu_set_remove(struct cpu_set *s, unsigned cpu)
{
	atomic_fetch_and_explicit(&s->word[cpu / CPU_SET_WORD_BITS],
				  ~(UINT64_C(1) << cpu % CPU_SET_WORD_BITS), memory_order_seq_cst);
}

static inline bool cpu_set_has(const struct cpu_set *s, unsigned cpu)
{
	return (atomic_load_explicit(&s->word[cpu / CPU_SET_WORD_BITS], memory_order_acquire) >>
			cpu % CPU_SET_WORD_BITS &
		1) != 0;
}
