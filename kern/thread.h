/* SPDX-License-Identifier: MIT */
/*
 * thread.h - kernel threads and a small preemptive scheduler.
 *
 * A thread is a stack with a struct at its top, in memory supplied by its creator.  Each CPU has a
 * FIFO run queue, scheduled round-robin.  A turn ends when the thread waits, yields or ends, or
 * when another thread is queued on the CPU and the turn has lasted THREAD_SLICE_MS: the slice timer
 * is armed only then, so a CPU with one thread, or none, gets no interrupts from the scheduler.  A
 * CPU without work steals threads from other CPUs' queues, and halts in its idle thread when there
 * are none.
 *
 * Waiting uses a token.  thread_park() waits for the token and consumes it; thread_unpark() sets
 * it, or wakes the thread if it already waits.  So a wake-up that comes before the wait is not
 * lost; two of them count as one.  A park may return for a token that was meant for an earlier
 * wait: call it in a loop around a condition (kern/wait_queue.h does).
 *
 * A woken thread goes to the queue of the CPU that it ran on last, while that CPU may still be
 * using its stack; `on_cpu` is set then, and no other CPU takes the thread until the switch away
 * from it is complete.
 *
 * Invariants; thread_check() checks T1 to T4:
 *   T1  a thread in a run queue is ready; it is in one queue, that of its `cpu`
 *   T2  a queue's count is its length, and its links agree in both directions
 *   T3  a CPU's queue holds only threads that may run there, and no idle thread
 *   T4  the thread that runs on a CPU is on_cpu and in no queue
 *   T5  a CPU announces itself as idle before it checks every queue for the last time and halts; a
 *       waker puts a thread into its queue before it searches for an idle CPU to wake
 *   T6  no thread waits while holding a spinlock: waiting asserts that interrupts are on, and
 *       spinlocks are held with interrupts off
 *
 * There is no preemption count: code that must stay on its CPU, or must not be interrupted there,
 * turns interrupts off.
 *
 * Locking: a lock per run queue, and one for the list of threads and their ends; the second is the
 * outer one.  Locks of wait queues are outside both.  A thread's memory belongs to its creator
 * again when thread_join() has returned.
 */
#pragma once

#include <stdatomic.h>

#include "kern/cpu.h"
#include "kern/shootdown.h"
#include "kern/timer.h"
#include "lib/list.h"

enum {
	THREAD_SLICE_MS = 10,
	THREAD_NAME_BYTES = 16, /* with the terminator */
	THREAD_ALIGN = 64,
};

enum thread_state {
	THREAD_NEW,     /* not started */
	THREAD_READY,   /* in a run queue */
	THREAD_RUNNING, /* on its cpu */
	THREAD_PARKED,  /* waits, or is an idle thread that is not running */
	THREAD_ENDED,
};

struct thread {
	struct list_node queue;    /* in a run queue, or in the list of ended detached threads */
	struct list_node all;      /* in the list of all threads */
	void *sp;                  /* saved stack pointer while not on_cpu: arch_thread_switch() */
	_Atomic bool on_cpu;       /* its stack is in use */
	_Atomic unsigned wake;     /* the token */
	_Atomic unsigned state;    /* enum thread_state */
	_Atomic unsigned cpu;      /* where it runs, ran last or is queued */
	_Atomic uint64_t switches; /* number of switches to it */
	_Atomic uint64_t ticks;    /* CPU time used, without the current turn */
	_Atomic uint64_t since;    /* start of the current turn */
	struct cpu_set affinity;   /* changed by the thread itself, or before its start */
	struct tlb_space *space;   /* changed by the thread itself */
	paddr_t root;              /* of the table of `space` */
	struct timer timer;        /* of thread_park_until() */
	void (*fn)(void *arg);
	void *arg;
	void *stack; /* its memory; NULL: a CPU's boot stack */
	struct thread *joiner;
	bool gone, detached; /* gone: its stack is no longer in use */
	char name[THREAD_NAME_BYTES];
};

/* ---- CPUs ---- */

/* Sets the root table of the kernel's space; before any thread uses another space. */
void thread_set_kernel_root(paddr_t root);

/* Called once, on the first CPU, with its timer ready: the running code becomes the thread
 * "main", and the `bytes` of memory at `stack` become the stack of the CPU's idle thread.  Host
 * tests: resets the scheduler. */
void thread_start_main(void *stack, size_t bytes);

/* On every other CPU: the running code becomes that CPU's idle thread, and calls
 * thread_idle_loop() next.  Before cpu_count_one_more(). */
void thread_start_cpu(void);

/* The idle loop: runs threads that are ready here, steals from other CPUs, or halts.
 * thread_idle_once() is one iteration; interrupts are on. */
void thread_idle_loop(void) __noreturn;
void thread_idle_once(void);

/* At the end of an interrupt that interrupted code with interrupts on; they are off.  Switches
 * threads if the slice is over; returns when the interrupted thread runs again, perhaps on
 * another CPU. */
void thread_preempt(void);

/* ---- creation and exit ---- */

/* Creates a thread that will run fn(arg).  The `bytes` at `memory` hold its stack and the
 * returned struct.  It may run on any CPU.  The name is copied and truncated. */
struct thread *thread_create(void *memory, size_t bytes, const char *name, void (*fn)(void *arg),
			     void *arg);

/* Starts it; it must be joined / thread_wait_ended() will return it.  Any context. */
void thread_start(struct thread *t);
void thread_start_detached(struct thread *t);

/* Ends the running thread; returning from fn does the same.  Not for main and idle threads. */
void thread_exit(void) __noreturn;

/* Waits until it has ended; then the caller may free its memory.  Only one thread may join it. */
void thread_join(struct thread *t);

/* Waits until a detached thread has ended; the caller may free its memory.  Only one thread may
 * call this. */
struct thread *thread_wait_ended(void);

/* ---- the running thread ---- */

/* NULL: the scheduler has not started on this CPU. */
struct thread *thread_self(void);

/* Runs the other ready threads of this CPU first. */
void thread_yield(void);

/* Waits for the token; the second at most until `deadline`, in ticks. */
void thread_park(void);
void thread_park_until(uint64_t deadline);

/* Sleeps at least `ms`.  A token that arrives meanwhile is kept. */
void thread_sleep(unsigned ms);

/* Restricts the running thread to `cpu`.  ERR_NOT_FOUND: that CPU is not online. */
err_t thread_pin(unsigned cpu);

/* Switches the running thread to another address space, whose root table is `root`; it keeps it
 * on every CPU.  A new thread uses the kernel's space. */
void thread_set_space(struct tlb_space *space, paddr_t root);

/* ---- other threads ---- */

/* Sets the token.  Any context; the thread must not be gone. */
void thread_unpark(struct thread *t);

/* Sets the CPUs that a thread may run on: of the running thread, or of one that was not started
 * yet.  ERR_NOT_FOUND: none of them is online. */
err_t thread_set_affinity(struct thread *t, const struct cpu_set *cpus);

/* ---- for the monitor and tests ---- */

struct thread_info {
	char name[THREAD_NAME_BYTES];
	enum thread_state state;
	unsigned cpu;
	uint64_t affinity[CPU_SET_WORDS];
	uint64_t switches, ticks; /* with the current turn */
};

/* Describes the index-th thread, in order of creation; false: there are fewer threads. */
bool thread_info_at(unsigned index, struct thread_info *out);
unsigned thread_count(void);

/* Checks T1 to T4; T4 only of this CPU.  Returns NULL, or a text with the violated invariant. */
__must_check const char *thread_check(void);
