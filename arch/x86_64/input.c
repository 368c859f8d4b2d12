/* SPDX-License-Identifier: MIT */
#include "arch/x86_64/input.h"

#include <stdatomic.h>

static void (*_Atomic listener)(void);
static enum arch_input input_mode = ARCH_INPUT_POLL;

void input_came(void)
{
	/* acquire pairs with arch_input_listen(): what the listener needs is there */
	void (*came)(void) = atomic_load_explicit(&listener, memory_order_acquire);

	if (came != NULL)
		came();
}

void input_set_mode(enum arch_input mode)
{
	input_mode = mode;
}

enum arch_input arch_input_listen(void (*came)(void))
{
	atomic_store_explicit(&listener, came, memory_order_release);
	return input_mode;
}
