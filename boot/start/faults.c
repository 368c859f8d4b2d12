/* SPDX-License-Identifier: MIT */
/* faults.c - the panic handler, and the resolver of page faults in the user half. */
#include "arch/x86_64/backtrace.h"
#include "arch/x86_64/cpu.h"
#include "arch/x86_64/fault.h"
#include "arch/x86_64/smp.h"
#include "arch/x86_64/stacks.h"
#include "boot/start/start.h"
#include "kern/lock.h"
#include "kern/thread.h"
#include "lib/print.h"
#include "mm/vm/space.h"
#include "monitor/monitor.h"

static bool panicking; /* from the message of a panic to the prompt or the end */

static void panic_monitor(void *arg)
{
	(void)arg;
	panicking = false;
	fault_settled();
	lock_abandon_held();
	monitor_run("");
}

/* The prompt after a panic runs on the boot stack, which is unused by then, as the stack that
 * panicked may be damaged; a panic there restarts the prompt.  Interrupts stay off. */
void start_panic(const char *message)
{
	static const char nested[] = "\nkeel: panic: within a panic; halted\n";
	uint64_t start = arch_ticks();

	(void)message;
	interrupts_off();
	if (!panicking) {
		panicking = true;
		smp_stop_others();
		backtrace_print_panic();
	} else if (!start_state.options.has_ktest) {
		arch_console_write(nested, sizeof(nested) - 1); /* print() itself may panic */
		halt_for_ever();
	}
	if (start_state.options.has_ktest)
		arch_exit(ARCH_EXIT_FAIL);
	if (start_state.options.panic_seconds != 0) {
		while (arch_ticks() - start <
		       start_state.options.panic_seconds * 1000 * arch_ticks_per_ms())
			arch_relax();
		arch_exit(ARCH_EXIT_REBOOT);
	}
	run_on_stack(boot_stacks.boot + sizeof(boot_stacks.boot), panic_monitor, NULL);
}

/* An access to the space that the CPU has loaded. */
err_t start_resolve_fault(vaddr_t va, enum fault_access access)
{
	struct vm_space *s = vm_space_current();

	return s == NULL ? ERR_NOT_FOUND : vm_space_handle_fault(s, va, access);
}

/* There are no signals: the thread ends, and the kernel goes on. */
void start_refuse_user(const struct fault *f, err_t why)
{
	static const char *const access_names[] = { "read", "write", "execution" };

	warn("thread %s ends: %s of %#lx at %#lx refused: %s", thread_self()->name,
	     access_names[f->access], f->address, f->ip, err_name(why));
	thread_exit();
}
