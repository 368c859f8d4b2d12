/* SPDX-License-Identifier: MIT */
/*
 * start.h - what the files of start-up share.
 *
 * main.c has the order of the steps and nothing else; each step lives in the file of its subject
 * and either succeeds or calls cannot_run().  hooks.c has the one table of calls from a lower layer
 * into a higher one.
 *
 * Locking: none.  Everything here is written by the first CPU before the others run, and constant
 * afterwards.
 */
#pragma once

#include "arch/fault.h"
#include "boot/acpi.h"
#include "boot/cmdline.h"
#include "boot/topology.h"
#include "kern/kthread.h"
#include "mm/vm/wait.h"

struct start_state {
	struct boot_info boot_info;
	struct cmdline options;
	struct acpi acpi;
	struct topology topology;
	struct region *regions;
	size_t region_count;
	struct prange screen;     /* memory of the framebuffer or VGA text; length 0: none */
	struct prange trampoline; /* below 1 MiB, for smp_start(); length 0: none */
	const char *clock_name;   /* the counter that arch_ticks() was calibrated against */
	uint64_t entered, ready;  /* TSC at kernel_main() and when frames became available */
	uint64_t console;         /* of the ticks between them, those spent in output */
};
extern struct start_state start_state;

/* Print why keel cannot run on this machine, and stop. */
void cannot_run(const char *why, const char *detail) __noreturn;

/* ---- memory.c ---- */

struct boot_arena;
void start_read_boot_info(uint32_t protocol, uint64_t address, struct boot_arena *arena);
void start_read_acpi(void);
void start_make_regions(struct boot_arena *arena);
void start_frames(void);
void start_kernel_space(void);
void start_heap(void);
void start_spaces(void);
void start_add_source(uint64_t start, uint64_t end, enum region_type type);

/* Uncached registers of `len` bytes, or NULL with a warning that names `what`. */
void *start_map_registers(uint64_t pa, size_t len, const char *what);

/* ---- clocks.c ---- */

void start_clock(void);
void start_timer(void);
/* This CPU's periodic maintenance: age the heap's magazines, free retired objects. */
void start_cpu_maintenance(void);

/* ---- cpus.c ---- */

enum {
	KERNEL_STACK_BYTES = 64 * 1024,
};
void start_threads(void);
void start_cpus(void);
/* CPUs that may run: each has caches of its own, so the number is needed early. */
unsigned start_cpus_max(void);

/* ---- console.c ---- */

void start_console(void);
/* Show the screen through the boot page table, where that reaches it, so that early messages are
 * visible. */
void start_screen_early(void);
void start_screen(void);
void start_input(void);

/* ---- devices.c ---- */

void start_interrupt_controllers(void);
/* Puts the devices that firmware describes on their bus; threads run. */
void start_devices(void);

/* ---- faults.c: the targets of hooks ---- */

void start_panic(const char *message);
err_t start_resolve_fault(vaddr_t va, enum fault_access access);
void start_refuse_user(const struct fault *f, err_t why) __noreturn;

/* ---- hooks.c ---- */

/* Calls from a lower layer into a higher one.  Each is installed by the step that makes its target
 * ready; nothing else installs a hook. */
struct start_hooks {
	void (*panic)(const char *message);
	void (*explain_fault)(const struct fault *f, char *summary, size_t size);
	err_t (*resolve_fault)(vaddr_t va, enum fault_access access);
	void (*refuse_user)(const struct fault *f, err_t why) __noreturn;
	void (*timer_due)(void);
	void (*after_interrupt)(void);
	void (*lock_wait)(void);
	struct kthread_stacks stacks;
	void (*switch_space)(struct tlb_space *space, paddr_t root);
	struct vm_waits waits;
};
extern const struct start_hooks start_hooks;
