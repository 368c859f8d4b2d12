/* SPDX-License-Identifier: MIT */
#include "arch/x86_64/ipi.h"

#include "kern/call.h"
#include "kern/cpu.h"
#include "arch/x86_64/apic.h"
#include "arch/x86_64/smp.h"
#include "arch/x86_64/trap.h"
#include "lib/print.h"

enum {
	SEND_TRIES = 100, /* of a millisecond each */
};

static void ipi_trap(struct trap_frame *frame)
{
	(void)frame;
	apic_end_of_interrupt(); /* first: a call that is posted from now on sends another IPI */
	call_serve();
}

void ipi_init(void)
{
	trap_set_handler(VECTOR_CALL, "call", ipi_trap);
}

bool arch_cpu_is_stopped(unsigned cpu)
{
	return cpu != arch_cpu_id() && smp_is_stopping();
}

err_t arch_call_interrupt(unsigned cpu)
{
	unsigned tries = SEND_TRIES;

	if (cpu >= cpu_count() || smp_is_stopping())
		return ERR_NOT_FOUND;
	while (apic_send(smp_apic_id(cpu), VECTOR_CALL) != OK)
		if (--tries == 0) {
			warn("CPU %u cannot be interrupted: its local APIC accepts no IPI", cpu);
			break;
		}
	return OK;
}
