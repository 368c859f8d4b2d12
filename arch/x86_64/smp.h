/* SPDX-License-Identifier: MIT */
/*
 * smp.h - start and stop of the other CPUs.
 *
 * Each is started by INIT, 10 ms later STARTUP, and STARTUP again if it has not answered after
 * 300 us (SDM 3A 8.4.4.1); one after the other, with a bounded wait for its answer.  It begins in
 * real mode in the trampoline page (trampoline.S), enters long mode on a table whose root is below
 * 4 GiB, and continues in ap_main() with a stack and per-CPU variables that were ready before it
 * was started.  The list of identifiers must name no CPU twice (boot/topology.h names each once):
 * smp_start() does not check whether a CPU already runs.
 *
 * A CPU that does not answer in time gets an INIT and is left out.  If it starts late nevertheless,
 * it finds that another CPU or none is being started, and halts; the trampoline stays in memory for
 * that case.  One compare-and-swap decides whether an answer came in time.
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

/* Memory that a CPU needs before its start and never returns. */
struct smp_memory {
	void *area;      /* percpu_bytes() at PERCPU_ALIGN */
	void *stack_top; /* of its idle thread */
	struct trap_stacks stacks;
};

struct smp_plan {
	const uint32_t *apic_ids; /* each once; the first CPU's may be among them */
	unsigned count;           /* of identifiers */
	unsigned cpus_max;        /* to run in the end */
	paddr_t trampoline;       /* SMP_TRAMPOLINE_PAGES below 1 MiB, 0: there are none */
	uint32_t hang;            /* tests: the CPU with this identifier hangs; else SMP_NO_APIC */
	/* Memory for one more CPU; false: none is left, and no further CPU is started. */
	bool (*get_memory)(struct smp_memory *m);
	/* Called on the new CPU after the machine's set-up, with interrupts off: gets it ready for
	 * work and calls cpu_count_one_more(). */
	void (*run)(void) __noreturn;
};
#define SMP_NO_APIC UINT32_MAX

/* Size of the trampoline's memory, to reserve it; page-aligned. */
#define SMP_TRAMPOLINE_BYTES (SMP_TRAMPOLINE_PAGES * UINT64_C(4096))

/* Start the CPUs; prints a line for each that is left out.  Returns whether the trampoline's memory
 * can be reused. */
bool smp_start(const struct smp_plan *plan);

/* The first CPU is number 0 with this APIC: before smp_start(). */
void smp_init_first(void);

/* The local APIC of a CPU that runs. */
uint32_t smp_apic_id(unsigned cpu);

/* For a panic: stop all other CPUs and print where they were.  Returns only on the first CPU that
 * calls it. */
void smp_stop_others(void);
/* Whether that was called; for the NMI handler, which then never returns. */
bool smp_is_stopping(void);
void smp_stop_here(const struct trap_frame *f) __noreturn;
