/* SPDX-License-Identifier: MIT */
/*
 * smp.h - the other CPUs: how they are started and stopped.
 *
 * Each is started by INIT, 10 ms later STARTUP, and STARTUP again if it has not answered after
 * 300 us (SDM 3A 8.4.4.1); one after the other, with a bounded wait for its answer.  It begins in
 * real mode in the trampoline page (trampoline.S), walks a table whose root lies below 4 GiB up to
 * long mode, and goes on in ap_main() on a stack and with per-CPU variables that were ready
 * before it was woken.  That no CPU is woken twice is up to who made the list of identifiers
 * (boot/topology.h names each once): here nobody asks whether one runs already.
 *
 * A CPU that does not answer in time is told to wait again (INIT) and left out.  Should it come
 * late all the same it finds that another is wanted by now, or nobody, and halts; the trampoline
 * stays in memory for that case.  Whether an answer came in time is decided by one
 * compare-and-swap.
 *
 * Locking: none; smp_start() is called once, on the first CPU, while no thread has kernel memory to
 * unmap (T6 of kern/shootdown.h).
 */
#pragma once

#include "arch/arch.h"
#include "arch/x86_64/trap.h"

enum {
	SMP_TRAMPOLINE_PAGES = 6, /* code; tables of five levels */
};

/* What a CPU needs before it is woken; the memory is its for ever. */
struct smp_memory {
	void *area;      /* percpu_bytes() at PERCPU_ALIGN */
	void *stack_top; /* of its idle thread */
	struct trap_stacks stacks;
};

struct smp_plan {
	const uint32_t *apic_ids; /* each CPU's once; the first CPU's may be among them */
	unsigned count;           /* of identifiers */
	unsigned cpus_max;        /* to run in the end */
	paddr_t trampoline;       /* SMP_TRAMPOLINE_PAGES below 1 MiB, 0: there are none */
	uint32_t hang; /* tests: the CPU with this identifier is told to hang; else SMP_NOBODY */
	/* Memory for one more CPU; false: there is none, and no further one is started. */
	bool (*get_memory)(struct smp_memory *m);
	/* What a CPU does when the machine's part is set up, with interrupts off: it makes itself
	 * ready for work and calls cpu_count_one_more(). */
	void (*run)(void) __noreturn;
};
#define SMP_NOBODY UINT32_MAX

/* The memory of the trampoline, for who reserves it: page-aligned. */
#define SMP_TRAMPOLINE_BYTES (SMP_TRAMPOLINE_PAGES * UINT64_C(4096))

/* Start them; says a line for each that is left out.  Returns whether the trampoline's memory can
 * be used for something else. */
bool smp_start(const struct smp_plan *plan);

/* The first CPU is number 0 with this APIC: before smp_start(). */
void smp_init_first(void);

/* The local APIC of a CPU that runs. */
uint32_t smp_apic_id(unsigned cpu);

/* For a panic: all the others stop where they are, and say where they were.  Only the first
 * CPU that calls it comes back from it. */
void smp_stop_others(void);
/* Whether that was called; for the NMI's handler, which never returns then. */
bool smp_is_stopping(void);
void smp_stop_here(const struct trap_frame *f) __noreturn;
