/* SPDX-License-Identifier: MIT */
/* hooks.c - every call from a lower layer into a higher one, in one table. */
#include "boot/start/start.h"
#include "kern/shootdown.h"
#include "kern/thread.h"
#include "kern/timer.h"
#include "kern/wait_key.h"
#include "mm/kspace/kspace.h"
#include "monitor/fault_report.h"

/* A CPU that waits for a lock serves TLB shootdowns. */
static void serve_while_waiting(void)
{
	if (shootdown_pending())
		shootdown_serve();
}

const struct start_hooks start_hooks = {
	.panic = start_panic,                     /* lib/panic.h -> monitor */
	.explain_fault = fault_report,            /* arch/x86_64/fault.h -> monitor */
	.resolve_fault = start_resolve_fault,     /* arch/x86_64/fault.h -> mm/vm */
	.refuse_user = start_refuse_user,         /* arch/x86_64/fault.h -> kern/thread.h */
	.timer_due = timer_interrupt,             /* arch/x86_64/apic_timer.h -> kern/timer.h */
	.after_interrupt = thread_preempt,        /* arch/x86_64/trap.h -> kern/thread.h */
	.lock_wait = serve_while_waiting,         /* kern/lock.h -> kern/shootdown.h */
	.switch_space = thread_set_space,         /* mm/vm/space.h -> kern/thread.h */
	.waits = { wait_for_key, wait_wake_key }, /* mm/vm/wait.h -> kern/wait_key.h */
	.stacks = { kspace_stack_alloc, kspace_stack_free }, /* kern/kthread.h -> mm/kspace */
};
