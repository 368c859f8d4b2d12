/* SPDX-License-Identifier: MIT */
/*
 * explore.h - the interface of scenarios for `make explore`.
 *
 * A scenario is a few tasks on a few simulated CPUs that call keel's code.  The explorer runs them
 * in every order with at most `bound` preemptions, with interrupts at every point where they are
 * on, and with every delay that the store buffers of x86 allow.  tests/explore/engine.h defines
 * that exactly.
 *
 * Scenario files and keel's sources are compiled with -fsanitize=thread, and the explorer supplies
 * the functions that the instrumented code calls: it sees every access to memory, and switches CPUs
 * at atomic ones.  Writes of setup() and the tasks are undone after each execution, so setup() runs
 * once.
 *
 * Model variables (owners, counters of the test) are marked EXPLORE_MODEL: accesses to them belong
 * to the test and are never races.
 */
#pragma once

#include "lib/types.h"

enum {
	EXPLORE_TASKS = 8,
	EXPLORE_CPUS = 4,
};

enum explore_kind {
	EXPLORE_THREAD,    /* at most one per CPU */
	EXPLORE_INTERRUPT, /* runs once, at any point of its CPU where interrupts are on */
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
	/* Runs before the first execution: initialises the state.  Nothing runs concurrently. */
	void (*setup)(void);
	/* Runs after each execution, with all store buffers empty and nothing else running.
	 * NULL: none. */
	void (*check)(void);
	/* NULL, or a part of the failure that must be found: the scenario has a bug on purpose. */
	const char *must_find;
	/* Max preemptions; 0: EXPLORE_BOUND. */
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

/* A function whose accesses are not instrumented: it reads memory directly. */
#define EXPLORE_UNSEEN __attribute__((noinline, no_sanitize("thread")))

/* Whether that task of the scenario is spinning. */
bool explore_spins(unsigned task);

/* Fails this execution; does not return. */
void explore_fail(const char *format, ...) __printf(1, 2) __noreturn;

#define EXPLORE_CHECK(x)                                                                           \
	((x) ? (void)0 : explore_fail("%s:%d: check failed: %s", __FILE__, __LINE__, #x))

/* Names addresses in traces: [at, at + bytes), in units of `unit` bytes. */
void explore_name(const char *name, const void *at, size_t bytes, size_t unit);

/* In a setup or check: continues as that CPU.  Each starts as CPU 0. */
void explore_as(unsigned cpu);

/* Sets up a machine with `kib` KiB of usable memory from 1 MiB on, frames initialised, caches
 * for `cpus` CPUs. */
void explore_machine(uint64_t kib, unsigned cpus);
/* In a check: no frame is allocated beyond those at explore_machine_mark(), zones and the audit
 * agree. */
void explore_machine_mark(void);
void explore_machine_check(void);

/* Record the owner of a frame, after its allocation and before it is freed; fail when two own
 * it. */
void explore_frame_allocated(uint32_t pfn, unsigned order);
void explore_frame_freed(uint32_t pfn, unsigned order);
