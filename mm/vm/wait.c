/* SPDX-License-Identifier: MIT */
#include "mm/vm/wait.h"

#include "arch/arch.h"
#include "kern/lock.h"

static const struct vm_waits *waits; /* (c) after start-up */

void vm_set_waits(const struct vm_waits *w)
{
	waits = w;
}

void vm_wait_turn(void)
{
	uintptr_t irq = arch_irq_save();

	lock_wait_turn();
	arch_irq_restore(irq);
}

void vm_wait_until(const void *key, bool (*is_over)(const void *what), const void *what)
{
	if (waits != NULL && !arch_irq_is_off()) {
		waits->wait(key, is_over, what);
		return;
	}
	while (!is_over(what))
		vm_wait_turn();
}

void vm_wait_over(const void *key)
{
	if (waits != NULL)
		waits->wake(key);
}
