/* SPDX-License-Identifier: MIT */
/*
 * explore.h - what a scenario of `make explore` says.
 *
 * A scenario is a few tasks on a few simulated CPUs over keel's own code.  The explorer runs them
 * in every order that differs by at most `bound` preemptions, with interrupts at every
 * point where they are on, and with every delay that the store buffers of x86 allow.  See
 * tests/explore/engine.h for what that means exactly.
 *
 * Scenario files and keel's sources are compiled for a race detector, and the explorer is what
 * they then call: every access to memory is seen, the atomic ones are where CPUs change turns.
 * What setup() and the tasks write is taken back after each execution, so setup() runs once.
 *
 * Model variables (who owns what, how often something happened) are marked EXPLORE_MODEL: their
 * accesses are the test's own, no races.
 */
#pragma once

#include "lib/types.h"

enum {
	EXPLORE_TASKS = 8,
	EXPLORE_CPUS = 4,
};

enum explore_kind {
	EXPLORE_THREAD,    /* one for each CPU at most */
	EXPLORE_INTERRUPT, /* begins once, at any point of its CPU when interrupts are on there */
};

struct explore_task {
	const char *name;
	void (*run)(void *arg);
	void *arg;
	unsigned cpu;
	enum explore_kind kind;
};

struct explore_scenario {
	const char *name;
	/* Before the first execution: bring the state up.  Nothing runs beside it. */
	void (*setup)(void);
	/* After each execution, all store buffers empty and nothing else running.  NULL: none. */
	void (*check)(void);
	/* NULL, or a part of the failure that must be found: a bug which is in the scenario. */
	const char *must_find;
	/* Preemptions; 0: EXPLORE_BOUND. */
	unsigned bound;
	struct explore_task task[EXPLORE_TASKS];
};

enum {
	EXPLORE_BOUND = 3,
};

#define EXPLORE(scenario, ...)                                                                     \
	static const struct explore_scenario explore_##scenario __used_in("explore")               \
		__attribute__((aligned(8))) = { .name = #scenario, __VA_ARGS__ }

#define EXPLORE_MODEL __attribute__((section("explore_model")))

/* A function whose accesses the explorer does not see: it looks at memory as it is. */
#define EXPLORE_UNSEEN __attribute__((noinline, no_sanitize("thread")))

/* Whether that task of the scenario spins at this moment. */
bool explore_spins(unsigned task);

/* This execution has shown a mistake; does not return. */
void explore_fail(const char *format, ...) __printf(1, 2) __noreturn;

#define EXPLORE_CHECK(x) ((x) ? (void)0 : explore_fail("%s:%d: not so: %s", __FILE__, __LINE__, #x))

/* Give addresses a name in traces: [at, at + bytes), in units of `unit` bytes. */
void explore_name(const char *name, const void *at, size_t bytes, size_t unit);

/* In a setup or check: from here on as that CPU.  Each begins as CPU 0. */
void explore_as(unsigned cpu);

/* A machine of `kib` KiB of usable memory from 1 MiB on, frames ready, caches for `cpus`. */
void explore_machine(uint64_t kib, unsigned cpus);
/* For a check: nobody has a frame that was not had after explore_machine_mark(), zones and the
 * audit agree. */
void explore_machine_mark(void);
void explore_machine_check(void);

/* Who owns a frame, said where it was had and before it is given back; fails when two do. */
void explore_frame_had(uint32_t pfn, unsigned order);
void explore_frame_gone(uint32_t pfn, unsigned order);
