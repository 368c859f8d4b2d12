/* SPDX-License-Identifier: MIT */
/*
 * cpu.h - the online CPUs, and sets of CPUs.
 *
 * Online CPUs have the numbers 0 .. cpu_count() - 1, in the order in which they came up; a CPU that
 * never answers gets no number.  The count only grows.  A CPU is counted when it can serve
 * requests: its per-CPU area, descriptor tables, timer and idle thread are set up.
 *
 * A set is a bitmap.  Any CPU may change one bit at a time; a whole set is read word by word.
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

/* At least 1.  Acquire: what a CPU set up before it was counted is visible. */
static inline unsigned cpu_count(void)
{
	return atomic_load_explicit(&cpu_running, memory_order_acquire);
}

/* Counts the calling CPU as online, after it has set up everything.  Returns its number. */
unsigned cpu_count_one_more(void);

/* Host tests: start with `n` CPUs online. */
void cpu_set_count(unsigned n);

/* Both are full barriers: earlier stores are visible before the bit changes, and later loads
 * execute after it. */
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
