/* SPDX-License-Identifier: MIT */
/*
 * engine.h - internals of the explorer.
 *
 *   memory.c    memory accesses: store buffers, order, undoing writes
 *   race.c      race detection: the last accesses to each byte, and their order
 *   search.c    depth-first search over choices; states seen before
 *   task.c      tasks as fibers, interrupts, IPIs, spinning, halting
 *   thread.c    keel's threads, which move from task to task
 *   trace.c     names of addresses, traces, schedules as text
 *   calls.c     entry points that compiled code calls for its accesses
 *   machine.c   the rest of the arch interface, and memory
 *   main.c      scenarios by name, bounds, limits, results
 *
 * Machine.  A CPU has a FIFO store buffer (Sewell et al.: x86-TSO, 2010).  An atomic store that is
 * not seq_cst enters it; an exchange, a seq_cst store or fence, an IPI and a full buffer empty it,
 * one entry at a time; a load sees its own CPU's newest entry.  When an entry leaves is a choice.
 * Plain stores do not enter: a CPU that could observe the delay would race with them.
 *
 * Order.  Vector clocks follow C11's happens-before: acquire and release, fences, release sequences
 * of C17 (read-modify-writes, and further stores of the same task).  A CPU's interrupt flag is a
 * lock that a handler takes.  Two plain accesses to a byte, or a plain and an atomic one, of which
 * one writes and neither happens before the other, are a race and a failure: so missing ordering is
 * found even where TSO hides it, and code between two atomic accesses may run in one step.
 *
 * Search.  Before each atomic access to a location that two tasks use (one of them writing), other
 * tasks may run: at no cost when the task cannot continue, otherwise for one preemption.  An
 * interrupt costs nothing.  Locations that turn out to be shared later restart the search.  Entries
 * of store buffers leave only before an access that could observe them, which is enough: all other
 * moments are equivalent to one of these.
 *
 * Spinning.  A task in arch_relax() blocks once an iteration of its loop was seen completely and
 * changed nothing, until a location that it read has another value.  When no other step is
 * possible, blocked tasks get some thousand more iterations, for loops that count; after that it is
 * a deadlock, which is a failure.  Time does not advance: no wait ends by its timeout.  A task in
 * arch_idle() blocks until an interrupt came.
 *
 * LIMIT: buffers have BUFFER_MAX entries; handlers are not interrupted; a weak exchange does not
 * fail spuriously; two states are considered equal when their 64-bit hashes are.
 *
 * A state is named by a 64-bit hash: each task's history (its steps, and what it read from which
 * write), the last write of each location, the store buffers.  Without races that determines memory
 * and tasks, so a state that was seen with the same task running and no more preemptions spent need
 * not be explored again (Musuvathi and Qadeer: Iterative context bounding, 2007, with the caching
 * of happens-before graphs of CHESS, 2008).
 */
#pragma once

#include <setjmp.h>

#include "arch/arch.h"
#include "tests/explore/explore.h"

enum {
	TASKS_MAX = 24, /* including IPI handlers */
	BUFFER_MAX = 8,
	WATCH_MAX = 64,
	STACK_BYTES = 65536,
	GRAIN = 4, /* bytes of a location */
	ACCESS_GRAINS = 8 / GRAIN,
	FAILURE_BYTES = 512,
	NO_TASK = -1,
};

/* A vector clock: the epoch of each task.  `of` orders CPUs: a handler comes after what its CPU
 * did before, and before what it does afterwards.  `strict` orders tasks of one CPU: only real
 * synchronisation counts, which is the interrupt flag or an atomic access. */
struct clock {
	uint32_t of[TASKS_MAX], strict[TASKS_MAX];
};

/* Four bytes that are accessed atomically. */
struct location {
	uintptr_t at;
	uint32_t execution; /* execution that the fields below belong to; older: initial values */
	uint64_t writer;    /* history of the last write; 0: the setup's */
	uint32_t readers, writers; /* sets of tasks of this search */
	struct clock release;
	int head; /* task that made the release, or NO_TASK */
};

struct buffered {
	uintptr_t at;
	unsigned size;
	uint64_t value;
	uint64_t history;
	struct clock release;
	int head;
};

struct cpu {
	struct buffered buffer[BUFFER_MAX];
	unsigned buffered;
	bool irq_off;
	int interrupt;         /* task number of the running handler, or -1 */
	struct clock irq_lock; /* released when interrupts are turned on, acquired when off */
	uint64_t irq_history;  /* of the last handler */
};

/* A location read by a spin loop; the loop repeats itself while all values stay the same. */
struct watch {
	const struct location *location;
	uint32_t value;
};

enum task_state {
	TASK_READY, /* not started */
	TASK_RUNNING,
	TASK_HALTED,   /* until its CPU gets an interrupt */
	TASK_SPINNING, /* an iteration changed nothing; until a location that it read changes */
	TASK_DONE,
};

struct task {
	struct explore_task what;
	char call_name[32];
	enum task_state state;
	uint64_t history;
	struct clock clock;    /* what happened before its next step */
	struct clock acquired; /* by relaxed loads, for an acquire fence */
	struct clock fenced;   /* at its last release fence */
	struct watch watch[WATCH_MAX];
	unsigned watches;
	bool watches_all; /* watches all memory: the array was full */
	bool woken;
	/* since its last spin iteration, and of the one before */
	const void *spun_at;
	bool wrote;
	uint64_t print, last_print;
	unsigned patience;   /* iterations that it may run though nothing changes */
	uint32_t patient_at; /* value of engine.changes then */
	uint32_t changes_seen;
	jmp_buf base, here;
	char *stack;
};

/* A memory access that a task is about to perform. */
enum access_kind {
	ACCESS_LOAD,
	ACCESS_STORE,    /* into the store buffer */
	ACCESS_EXCHANGE, /* empties the buffer, then reads and writes memory */
	ACCESS_FENCE,    /* empties the buffer */
};

struct access {
	enum access_kind kind;
	uintptr_t at; /* 0: no location */
	unsigned size;
	int order; /* C11 memory order */
	const void *pc;
};

struct engine {
	const struct explore_scenario *scenario;
	struct task task[TASKS_MAX];
	unsigned tasks;
	struct cpu cpu[EXPLORE_CPUS];
	int current;  /* task number; -1: none, a setup or check runs */
	unsigned as;  /* the CPU of a setup or check */
	bool inside;  /* the explorer's own code or a setup runs */
	bool all;     /* explore known states again */
	bool set_up;  /* the scenario's setup is done */
	bool naming;  /* resolve addresses to names */
	bool tracing; /* print a trace */
	uint32_t execution;
	uint32_t changes;   /* changes of memory in this execution */
	unsigned step;      /* in this execution */
	uint64_t signature; /* sum over locations and buffers */
	jmp_buf leave;      /* jump target that ends an execution */
	char failure[FAILURE_BYTES];
};
extern struct engine engine;

static inline struct task *task_now(void)
{
	return &engine.task[engine.current];
}

static inline struct cpu *cpu_now(void)
{
	return &engine.cpu[task_now()->what.cpu];
}

static inline bool in_task(void)
{
	return !engine.inside && engine.current >= 0;
}

/* Hash of two words: the finalizer of splitmix64 over both. */
static inline uint64_t mix(uint64_t a, uint64_t b)
{
	uint64_t z = a * 0x9e3779b97f4a7c15u + b + 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static inline void clock_join(struct clock *to, const struct clock *from)
{
	for (unsigned i = 0; i < TASKS_MAX; i++) {
		to->of[i] = to->of[i] > from->of[i] ? to->of[i] : from->of[i];
		to->strict[i] = to->strict[i] > from->strict[i] ? to->strict[i] : from->strict[i];
	}
}

/* ---- memory.c ---- */

/* An access of the current task: waits until the task is scheduled, then performs it.  The value
 * of a store or exchange is fn(old, operand). */
uint64_t memory_load(const struct access *a);
void memory_store(const struct access *a, uint64_t value);
uint64_t memory_exchange(const struct access *a, uint64_t (*fn)(uint64_t old, uint64_t operand),
			 uint64_t operand);
/* Exchanges if memory equals *expected; stores the value found in *expected; true if it
 * exchanged. */
bool memory_compare_exchange(const struct access *a, uint64_t *expected, uint64_t value, int fails);
void memory_fence(const struct access *a);

/* A plain access of the current task, or outside of tasks: checks for races, records for undo. */
enum plain_kind {
	PLAIN_READ,
	PLAIN_WRITE,
};
void memory_plain(uintptr_t at, size_t size, enum plain_kind kind, const void *pc);

/* Writes the oldest entry of the CPU's store buffer to memory. */
void memory_commit_one(unsigned cpu);
/* The set of CPUs of which a buffered store may reach memory before `a`. */
unsigned memory_conflicts(const struct access *a);
/* The same for locations that spinning tasks watch, and when no task can run. */
unsigned memory_wakers(void);
unsigned memory_leftovers(void);
/* Whether a watched location has another value. */
bool memory_changed(const struct task *t);
/* Whether more than one task uses the location, one of them writing; records that this one does. */
bool memory_is_shared(const struct access *a);

/* The second task continues on the CPU that ran the first. */
void memory_continue(unsigned first, unsigned second);
/* A release or acquire by the current task on a lock that is not in memory. */
void memory_release_to(struct clock *lock);
void memory_acquire_from(const struct clock *lock);
void memory_begin(void); /* starts an execution */
void memory_keep(void);  /* marks all writes so far as the setup's */
enum undo_what {
	UNDO_EXECUTION,
	UNDO_SETUP, /* the execution and the setup */
};
void memory_undo(enum undo_what what);
void memory_drop(void); /* drops what is known about shared locations */

/* ---- race.c ---- */

struct race_access {
	bool writes, plain;
	const void *pc;
};
/* Checks an access of the current task to [at, at + size): fails if it races with another
 * task's. */
void race_check(uintptr_t at, size_t size, struct race_access a);
void race_begin(void); /* starts an execution */

/* ---- search.c ---- */

enum option_kind {
	OPTION_RUN = 't',
	OPTION_COMMIT = 'f',
};

struct option {
	enum option_kind kind;
	uint8_t number; /* task or CPU */
	uint8_t cost;
};

/* Makes the next choice among n >= 1.  Does not return if the state was seen before. */
unsigned search_choose(const struct option *options, unsigned n, unsigned phase);

enum search_end {
	SEARCH_COMPLETE,
	SEARCH_LIMIT,
	SEARCH_FAILED,
};

struct search_result {
	enum search_end end;
	unsigned bound; /* of the failure, or the last one */
	uint64_t executions, states;
	char schedule[1024];
};
struct search_result search_run(const struct explore_scenario *s, unsigned bound, uint64_t limit);
/* Runs one schedule, with addresses by name in engine.failure.  False: it does not fail. */
enum replay {
	REPLAY_QUIETLY,
	REPLAY_TRACED,
};
bool search_replay(const struct explore_scenario *s, const char *schedule, enum replay how);
/* Restarts the search because locations became shared.  Returns when a given schedule is
 * followed. */
void search_again(void);

/* ---- task.c ---- */

void task_prepare(const struct explore_scenario *s); /* once for each scenario */
void task_begin(void);                               /* starts an execution */
/* Runs until all tasks are done; returns through engine.leave. */
void task_run_all(void) __noreturn;
/* The current task is about to perform `a`: other tasks may run first. */
void task_point(const struct access *a);
void task_end(const char *failure) __noreturn; /* NULL: success */

/* ---- machine.c ---- */

void machine_reset(void); /* clears memory */

/* ---- trace.c ---- */

void trace_init(void);
void trace_event(const void *pc, const char *format, ...) __printf(2, 3);
/* "zones+0x10" */
const char *trace_address(uintptr_t at);
void trace_drop_names(void);
