/* SPDX-License-Identifier: MIT */
/*
 * thread.h - threads of the kernel: a small preemptible scheduler.
 *
 * A thread is a stack with a struct at its top, in memory that its creator gives.  Each CPU has a
 * run queue; threads in it take turns, first come, first served.  A turn ends when the thread
 * waits, yields or ends, or when somebody waits for the CPU and the turn has lasted
 * THREAD_SLICE_MS: the slice is a timer that is armed only then, so a CPU with one thread, or none,
 * gets no interrupts from here.  A CPU without work takes threads from other CPUs' queues, and
 * halts in its idle thread when there are none.
 *
 * Waiting is by a token.  thread_park() waits for the token and consumes it; thread_unpark() leaves
 * it, or wakes the thread if it waits already.  So a wake-up that comes before the wait is not
 * lost; two of them are one.  A park may return for a token that was meant for an earlier wait:
 * whoever parks does so in a loop around a condition (kern/wait_queue.h does).
 *
 * A thread that is woken goes to the queue of the CPU that it ran on last, while it may still be on
 * that CPU's stack pointer; `on_cpu` says so, and nobody but that CPU takes it until the switch
 * away from it is complete.
 *
 * Invariants; thread_check() looks at T1 to T4:
 *   T1  a thread in a run queue is ready; it is in one queue, that of its `cpu`
 *   T2  a queue's count is its length, and its links agree in both directions
 *   T3  a CPU's queue holds only threads that may run there, and no idle thread
 *   T4  the thread that runs on a CPU is on_cpu and in no queue
 *   T5  a CPU that halts was announced as idle before it looked at every queue for the last time;
 *       who makes a thread ready puts it into its queue before looking for an idle CPU to wake
 *   T6  nobody who holds a spinlock waits: waiting asserts that interrupts are on, and spinlocks
 * are held with interrupts off
 *
 * There is no count of reasons against preemption: code that must stay on its CPU, or be alone
 * there, has interrupts off.
 *
 * Locking: a lock per run queue, and one over the list of threads and their ends; the second is the
 * outer one.  Wait queues are outside both.  A thread's memory is its creator's again when
 * thread_join() returned.
 */
#pragma once

#include <stdatomic.h>

#include "kern/cpu.h"
#include "kern/shootdown.h"
#include "kern/timer.h"

enum {
	THREAD_SLICE_MS = 10,
	THREAD_NAME_BYTES = 16, /* with the end */
	THREAD_ALIGN = 64,
};

enum thread_state {
	THREAD_NEW,     /* not started */
	THREAD_READY,   /* in a run queue */
	THREAD_RUNNING, /* on its cpu */
	THREAD_PARKED,  /* waits, or is an idle thread that has nothing to do */
	THREAD_ENDED,
};

struct thread {
	struct thread *next, *prev; /* in a run queue; in the list of those that ended */
	struct thread *all_next, *all_prev;
	void *sp;                  /* while it is not on_cpu: arch_thread_switch() */
	_Atomic bool on_cpu;       /* its stack is in use */
	_Atomic unsigned wake;     /* the token */
	_Atomic unsigned state;    /* enum thread_state */
	_Atomic unsigned cpu;      /* where it runs, ran last or is queued */
	_Atomic uint64_t switches; /* to it */
	_Atomic uint64_t ticks;    /* that it had, without the present turn */
	_Atomic uint64_t since;    /* when the present turn began */
	struct cpu_set affinity;   /* changed by itself, or before its start */
	struct tlb_space *space;   /* changed by itself */
	paddr_t root;              /* of the table of `space` */
	struct timer timer;        /* of thread_park_until() */
	void (*fn)(void *arg);
	void *arg;
	void *stack; /* its memory; NULL: the stack that a CPU came with */
	struct thread *joiner;
	bool gone, detached; /* gone: off its stack for ever */
	char name[THREAD_NAME_BYTES];
};

/* ---- CPUs ---- */

/* Where the table of the kernel's space is; before any thread works in another. */
void thread_set_kernel_root(paddr_t root);

/* Once, on the first CPU, with its timer ready: the running code is the thread "main" from now on,
 * and memory of `bytes` at `stack` serves the CPU's idle thread.  The host: a fresh machine. */
void thread_start_main(void *stack, size_t bytes);

/* On every other CPU: the running code is that CPU's idle thread, and calls thread_idle_loop()
 * next. Before cpu_count_one_more(). */
void thread_start_cpu(void);

/* An idle thread's life: run what is ready here, take from others, or halt.  One turn of it may be
 * had alone; interrupts are on. */
void thread_idle_loop(void) __noreturn;
void thread_idle_once(void);

/* At the end of an interrupt whose interrupted code had interrupts on; they are off.  Returns when
 * it is the interrupted thread's turn again, perhaps on another CPU. */
void thread_preempt(void);

/* ---- a thread's life ---- */

/* A thread that will run fn(arg), in memory of `bytes` at `memory`, which holds its stack and the
 * struct that is returned.  It may run on any CPU.  The name is copied, and cut. */
struct thread *thread_create(void *memory, size_t bytes, const char *name, void (*fn)(void *arg),
			     void *arg);

/* Let it run; somebody will join it / thread_wait_ended() will return it.  Any context. */
void thread_start(struct thread *t);
void thread_start_detached(struct thread *t);

/* End the running thread; returning from fn does the same.  Not for main and idle threads. */
void thread_exit(void) __noreturn;

/* Wait until it has ended; then its memory is the caller's again.  One thread joins another. */
void thread_join(struct thread *t);

/* Wait until a detached thread has ended; its memory is the caller's.  One thread does this. */
struct thread *thread_wait_ended(void);

/* ---- the running thread ---- */

/* NULL: this CPU has no threads yet. */
struct thread *thread_self(void);

/* Whoever waits for this CPU goes first. */
void thread_yield(void);

/* Wait for the token; also until a time, in ticks, at the longest. */
void thread_park(void);
void thread_park_until(uint64_t deadline);

/* Wait at least so long.  A token that comes meanwhile is kept. */
void thread_sleep(unsigned ms);

/* Run on this CPU alone from now on.  ERR_NOT_FOUND: it does not run. */
err_t thread_pin(unsigned cpu);

/* Work in another address space from now on, wherever it runs: its table is at `root`.  Until then
 * a thread works in the kernel's. */
void thread_set_space(struct tlb_space *space, paddr_t root);

/* ---- others ---- */

/* Give it the token.  Any context; the thread must not be gone. */
void thread_unpark(struct thread *t);

/* CPUs that a thread may run on: its own, or one's that was not started yet.  ERR_NOT_FOUND: none
 * of them runs. */
err_t thread_set_affinity(struct thread *t, const struct cpu_set *cpus);

/* ---- for the monitor and tests ---- */

struct thread_info {
	char name[THREAD_NAME_BYTES];
	enum thread_state state;
	unsigned cpu;
	uint64_t affinity[CPU_SET_WORDS];
	uint64_t switches, ticks; /* with the present turn */
};

/* The index-th thread, in the order of their creation; false: there are not so many. */
bool thread_info_at(unsigned index, struct thread_info *out);
unsigned thread_count(void);

/* T1 to T4; T4 of this CPU.  NULL, or which one is broken and how. */
__must_check const char *thread_check(void);
