/* SPDX-License-Identifier: MIT */
/*
 * thread.c - arch threads: contexts with their own stacks, which run in the task of their current
 * CPU.
 *
 * To the explorer, leaving a context is a write and switching to it is a read: so a CPU that takes
 * a thread before the old CPU is off its stack is a race.
 */
#include "tests/explore/engine.h"

#include <stdlib.h>
#include <ucontext.h>

/* At the top of a new thread's stack, never overwritten: each execution starts there. */
struct start {
	jmp_buf context; /* must be first: saved stack pointers point to it */
	void (*fn)(void *arg);
	void *arg;
};

static jmp_buf prepared;

static void first(unsigned high, unsigned low)
{
	struct start *s = (struct start *)((uintptr_t)high << 32 | low);

	if (_setjmp(s->context) == 0)
		_longjmp(prepared, 1);
	engine.inside = false;
	s->fn(s->arg);
	abort();
}

void *arch_thread_prepare(void *stack, size_t bytes, void (*fn)(void *arg), void *arg)
{
	uintptr_t at = ((uintptr_t)stack + bytes - sizeof(struct start)) & ~(uintptr_t)63;
	struct start *s = (struct start *)at;
	static ucontext_t context;

	s->fn = fn;
	s->arg = arg;
	getcontext(&context);
	context.uc_stack.ss_sp = stack;
	context.uc_stack.ss_size = at - (uintptr_t)stack;
	context.uc_link = NULL;
	makecontext(&context, (void (*)(void))first, 2, (unsigned)(at >> 32), (unsigned)at);
	if (_setjmp(prepared) == 0)
		setcontext(&context);
	return s;
}

void arch_thread_switch(void **old_sp, void *new_sp)
{
	const void *pc = __builtin_return_address(0);
	jmp_buf here;

	engine.inside = true;
	memory_plain((uintptr_t)old_sp, sizeof(*old_sp), PLAIN_WRITE, pc);
	memory_plain((uintptr_t)here, sizeof(here), PLAIN_WRITE, pc);
	memory_plain((uintptr_t)new_sp, sizeof(here), PLAIN_READ, pc);
	/* cppcheck-suppress autoVariables ; it is used before this returns */
	*old_sp = here;
	if (_setjmp(here) == 0)
		_longjmp(*(jmp_buf *)new_sp, 1);
	engine.inside = false;
}

void arch_thread_release(void *sp)
{
	(void)sp;
}
