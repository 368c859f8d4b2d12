/* SPDX-License-Identifier: MIT */
/* cpus.c - threads, and the other CPUs. */
#include "arch/x86_64/smp.h"
#include "arch/x86_64/stacks.h"
#include "arch/x86_64/trap.h"
#include "boot/start/start.h"
#include "kern/cpu.h"
#include "kern/lock.h"
#include "kern/percpu.h"
#include "kern/shootdown.h"
#include "kern/thread.h"
#include "lib/bits.h"
#include "lib/print.h"
#include "mm/frame/section.h"
#include "mm/frame/frame_cache.h"
#include "mm/heap/heap.h"
#include "mm/kspace/kspace.h"
#include "kern/kthread.h"

unsigned start_cpus_max(void)
{
	uint64_t n = min_u64(start_state.topology.cpus, start_state.options.cpus_max);

	return start_state.trampoline.len == 0 ? 1 : (unsigned)n;
}

/* The top of a stack, or NULL. */
static void *new_stack(size_t bytes, const char *owner)
{
	uint8_t *stack = kspace_stack_alloc(bytes, owner);

	return stack == NULL ? NULL : stack + bytes;
}

static void free_stack(const void *top, size_t bytes)
{
	if (top != NULL)
		kspace_stack_free((uint8_t *)(uintptr_t)top - bytes);
}

/* All of the memory or none. */
static bool get_cpu_memory(struct smp_memory *m)
{
	*m = (struct smp_memory){
		.area = heap_alloc_aligned(percpu_bytes(), PERCPU_ALIGN),
		.stack_top = new_stack(KERNEL_STACK_BYTES, "idle thread"),
		.stacks = { new_stack(IST_STACK_BYTES, "double faults"),
			    new_stack(IST_STACK_BYTES, "NMIs"),
			    new_stack(IST_STACK_BYTES, "machine checks") },
	};
	if (m->area != NULL && m->stack_top != NULL && m->stacks.double_fault != NULL &&
	    m->stacks.nmi != NULL && m->stacks.machine_check != NULL)
		return true;
	heap_free(m->area);
	free_stack(m->stack_top, KERNEL_STACK_BYTES);
	free_stack(m->stacks.double_fault, IST_STACK_BYTES);
	free_stack(m->stacks.nmi, IST_STACK_BYTES);
	free_stack(m->stacks.machine_check, IST_STACK_BYTES);
	return false;
}

static void run_cpu(void) __noreturn;
static void run_cpu(void)
{
	frame_cache_join();
	start_cpu_maintenance();
	thread_start_cpu();
	(void)cpu_count_one_more();
	tlb_cpu_join();
	thread_idle_loop();
}

void start_threads(void)
{
	kthread_set_stacks(&start_hooks.stacks);
	if (kthread_init() != OK)
		cannot_run("no memory for threads", "");
	trap_set_after(start_hooks.after_interrupt);
}

/* The template of per-CPU variables was copied for the last time (document 001). */
static void hide_template(void)
{
	err_t err = OK;

	for (vaddr_t va = (vaddr_t)__start_percpu; va < (vaddr_t)__stop_percpu && err == OK;
	     va += PAGE_SIZE)
		err = kspace_exclude_page(va);
	if (err != OK)
		warn("the template of per-CPU variables stays readable: %s", err_name(err));
}

void start_cpus(void)
{
	const struct smp_plan plan = {
		.apic_ids = start_state.topology.apic_id,
		.count = start_state.topology.cpus,
		.cpus_max = start_cpus_max(),
		.trampoline = start_state.trampoline.start,
		.hang = start_state.options.cpu_hang,
		.get_memory = get_cpu_memory,
		.run = run_cpu,
	};

	(void)lock_set_waiter(start_hooks.lock_wait); /* until now no call was served */
	if (start_state.trampoline.len == 0 && start_state.topology.cpus > 1)
		warn("no usable memory below 1 MiB: the other CPUs cannot be started");
	if ((plan.cpus_max == 1 || smp_start(&plan)) && start_state.trampoline.len != 0 &&
	    section_adopt(start_state.trampoline) != OK)
		warn("the trampoline's frames cannot be given back");
	hide_template();
}
