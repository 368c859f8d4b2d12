/* SPDX-License-Identifier: MIT */
/*
 * engine.h - the explorer's inside.
 *
 *   memory.c    what an access does: store buffers, order, taking writes back
 *   race.c      who accessed which bytes, and whether in order
 *   search.c    whose turn it is: choices, depth first; what was seen before
 *   task.c      tasks as fibers, interrupts, ipis, spinning, halting
 *   thread.c    threads of keel's, which go from task to task
 *   trace.c     names of addresses, what happened in words, schedules as text
 *   calls.c     what compiled code calls for its accesses
 *   machine.c   the rest of the seam, and a machine to play with
 *   main.c      scenarios by name, bounds, limits, results
 *
 * Machine.  A CPU has a FIFO store buffer (Sewell et al.: x86-TSO, 2010).  An atomic store that is
 * not seq_cst enters it; an exchange, a seq_cst store or fence, an IPI and a full buffer empty it,
 * one entry at a time; a load sees its own CPU's newest entry.  When an entry leaves is a choice.
 * Plain stores do not enter: whoever could tell would have raced with them.
 *
 * Order.  Vector clocks follow C11's happens-before: acquire and release, fences, release
 * sequences of C17 (read-modify-writes, and further stores of the same task).  A CPU's interrupt
 * flag is a lock that a handler takes.  Two plain accesses to a byte, or a plain and an atomic one,
 * of which one writes and neither happens before the other, are a race and a failure: so missing
 * orders are found that a TSO machine would forgive, and code between two atomic accesses may run
 * in one step.
 *
 * Search.  Before each atomic access to a location that two tasks use (one of them writing) the
 * others may come: for free when the task could not go on, or for one preemption.  An interrupt is
 * free.  Locations that turn out to be shared later start the search again.  Entries of store
 * buffers leave before an access that could tell, and not at other times, which is enough: all
 * other moments are equivalent to one of these.
 *
 * Spinning.  A task in arch_relax() rests once a turn of its loop was seen whole and did nothing,
 * until something that it looked at has another value.  When nothing else is left to happen those
 * who rest get some thousand turns more, for loops that count; after that nobody can go on, which
 * is a failure.  Time stands still: no wait ends by its limit.  A task in arch_idle() rests until
 * an interrupt came.
 *
 * LIMIT: buffers have BUFFER_MAX entries; handlers are not interrupted; a weak exchange does not
 * fail without a reason; two states are taken for one when their 64 bits agree.
 *
 * A state is named by 64 bits: each task's history (its steps, and what it read
 * from which write), the last write
 * of each location, what is in the buffers.  Without races that determines memory and tasks, so a
 * state which was seen with the same task running and no more preemptions spent need not be
 * looked at again (Musuvathi and Qadeer: Iterative context bounding, 2007, with the caching of
 * happens-before graphs of CHESS, 2008).
 */
#pragma once

#include <setjmp.h>

#include "arch/arch.h"
#include "tests/explore/explore.h"

enum {
	TASKS_MAX = 24, /* with handlers of ipis */
	BUFFER_MAX = 8,
	WATCH_MAX = 64,
	STACK_BYTES = 65536,
	GRAIN = 4, /* bytes of a location */
	ACCESS_GRAINS = 8 / GRAIN,
	FAILURE_BYTES = 512,
	NOBODY = -1,
};

/* What is known of each task, as a count of its epochs.  `of` holds between CPUs: a handler comes
 * after what its CPU did before, and before what it does then.  `strict` holds between tasks of one
 * CPU: only what kept them apart counts, which is the interrupt flag or an atomic access. */
struct clock {
	uint32_t of[TASKS_MAX], strict[TASKS_MAX];
};

/* Four bytes that are accessed atomically. */
struct location {
	uintptr_t at;
	uint32_t execution;        /* of which the rest is; older: as at the start */
	uint64_t writer;           /* history of the write that it holds; 0: the setup's */
	uint32_t readers, writers; /* tasks of this search, as sets */
	struct clock release;
	int head; /* task whose release it is, or NOBODY */
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
	int interrupt;         /* task number of the handler that runs, or -1 */
	struct clock irq_lock; /* released when interrupts go on, acquired when off */
	uint64_t irq_history;  /* of the last handler */
};

/* A loop that finds the same values again does the same again. */
struct watch {
	const struct location *location;
	uint32_t value;
};

enum task_state {
	TASK_READY, /* not begun */
	TASK_RUNNING,
	TASK_HALTED,   /* until an interrupt has come to its CPU */
	TASK_SPINNING, /* a turn did nothing and would again, until something it looked at changes
			*/
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
	bool watches_all; /* of all memory: there was no room */
	bool woken;
	/* since its last turn of a spin loop, and of the turn before */
	const void *spun_at;
	bool wrote;
	uint64_t print, last_print;
	unsigned patience;   /* turns that it is given though nothing changes */
	uint32_t patient_at; /* engine.changes when that was */
	uint32_t changes_seen;
	jmp_buf base, here;
	char *stack;
};

/* What a task is about to do to memory. */
enum access_kind {
	ACCESS_LOAD,
	ACCESS_STORE,    /* into the buffer */
	ACCESS_EXCHANGE, /* empties the buffer, then reads and writes memory */
	ACCESS_FENCE,    /* empties the buffer */
};

struct access {
	enum access_kind kind;
	uintptr_t at; /* 0: no location of its own */
	unsigned size;
	int order; /* of C11 */
	const void *pc;
};

struct engine {
	const struct explore_scenario *scenario;
	struct task task[TASKS_MAX];
	unsigned tasks;
	struct cpu cpu[EXPLORE_CPUS];
	int current;  /* task number; -1: none, a setup or check is */
	unsigned as;  /* the CPU of a setup or check */
	bool inside;  /* the explorer's own code runs, or a setup */
	bool all;     /* known states are looked at again */
	bool set_up;  /* the scenario is; false: its setup runs */
	bool naming;  /* addresses get names */
	bool tracing; /* and what happens is told */
	uint32_t execution;
	uint32_t changes;   /* of memory, in this execution */
	unsigned step;      /* in this execution */
	uint64_t signature; /* sum over locations and buffers */
	jmp_buf leave;      /* an execution ends here */
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

/* Good bits of two words: the finalizer of splitmix64 over both. */
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

/* The current task's access: waits for its turn, then does it.  A store's and exchange's `value` is
 * made by fn(old, operand). */
uint64_t memory_load(const struct access *a);
void memory_store(const struct access *a, uint64_t value);
uint64_t memory_exchange(const struct access *a, uint64_t (*fn)(uint64_t old, uint64_t operand),
			 uint64_t operand);
/* Exchanges when memory is *expected, which then is what was found; true when it did. */
bool memory_compare_exchange(const struct access *a, uint64_t *expected, uint64_t value, int fails);
void memory_fence(const struct access *a);

/* A plain access of the current task, or of nobody: races, and taking back. */
enum plain_kind {
	PLAIN_READ,
	PLAIN_WRITE,
};
void memory_plain(uintptr_t at, size_t size, enum plain_kind kind, const void *pc);

/* The oldest entry of the CPU's buffer reaches memory. */
void memory_commit_one(unsigned cpu);
/* Each CPU of which an entry may leave before `a`, as a set. */
unsigned memory_conflicts(const struct access *a);
/* The same for what spinning tasks look at, and when no task is left. */
unsigned memory_wakers(void);
unsigned memory_leftovers(void);
/* Whether a watched location has another value. */
bool memory_changed(const struct task *t);
/* Whether more than one task uses the location, one of them writing; records that this one does. */
bool memory_is_shared(const struct access *a);

/* The second task goes on on the CPU that ran the first. */
void memory_continue(unsigned first, unsigned second);
/* A release or acquire of the current task by a lock that is no memory. */
void memory_release_to(struct clock *lock);
void memory_acquire_from(const struct clock *lock);
void memory_begin(void); /* an execution */
void memory_keep(void);  /* what was written until now is the setup's */
enum undo_what {
	UNDO_EXECUTION,
	UNDO_SETUP, /* too */
};
void memory_undo(enum undo_what what);
void memory_drop(void); /* a scenario: what is shared */

/* ---- race.c ---- */

struct race_access {
	bool writes, plain;
	const void *pc;
};
/* The current task accesses [at, at + size): fails when it races with what another did. */
void race_check(uintptr_t at, size_t size, struct race_access a);
void race_begin(void); /* an execution */

/* ---- search.c ---- */

enum option_kind {
	OPTION_RUN = 't',
	OPTION_COMMIT = 'f',
};

struct option {
	enum option_kind kind;
	uint8_t who; /* task or CPU */
	uint8_t cost;
};

/* The next choice among n >= 1.  Does not return when what follows was seen before. */
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
/* Run one schedule; engine.failure names addresses then.  False: it does not fail. */
enum replay {
	REPLAY_QUIETLY,
	REPLAY_TELLING,
};
bool search_replay(const struct explore_scenario *s, const char *schedule, enum replay how);
/* Locations became shared: all begins again.  Returns when a given schedule is followed. */
void search_again(void);

/* ---- task.c ---- */

void task_prepare(const struct explore_scenario *s); /* once for each scenario */
void task_begin(void);                               /* an execution */
/* Run until all are done; returns through engine.leave. */
void task_run_all(void) __noreturn;
/* The current task is about to do `a`: others may come first. */
void task_point(const struct access *a);
void task_end(const char *failure) __noreturn; /* NULL: well */

/* ---- machine.c ---- */

void machine_reset(void); /* memory as at power-on */

/* ---- trace.c ---- */

void trace_init(void);
void trace_event(const void *pc, const char *format, ...) __printf(2, 3);
/* "zones+0x10" */
const char *trace_address(uintptr_t at);
void trace_drop_names(void);
