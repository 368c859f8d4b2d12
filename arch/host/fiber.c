/* SPDX-License-Identifier: MIT */
/*
 * fiber.c - the seam's threads in a Linux process: contexts on stacks, run by the pthreads that
 * are CPUs.  Every switch is reported to the sanitizers.
 *
 * arch_thread_switch() saves its state on the old stack; the current stack of a CPU is a
 * thread-local of that CPU.  Thread-locals are not used across a switch within a function, since
 * the function may return on another CPU.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#include "arch/arch.h"
#include "arch/host/host.h"
#include "arch/host/sanitizer.h"

struct stack {
	void *bottom;
	size_t bytes;
	void *tsan;
};

struct fiber {
	ucontext_t context;
	struct stack stack;
	void (*fn)(void *arg); /* of a context that never ran */
	void *arg;
};

static _Thread_local struct stack running;
bool host_switch_is_slow;

/* The stack that this CPU is on. */
static __noinline struct stack running_stack(void)
{
	if (running.bottom == NULL) {
		pthread_attr_t attributes;

		if (pthread_getattr_np(pthread_self(), &attributes) != 0 ||
		    pthread_attr_getstack(&attributes, &running.bottom, &running.bytes) != 0) {
			perror("stack");
			exit(1);
		}
		pthread_attr_destroy(&attributes);
		running.tsan = host_tsan_current();
	}
	return running;
}

/* Called first on the new stack. */
static __noinline void arrive(const struct stack *s, void *fake)
{
	host_asan_finish_switch(fake);
	running = *s;
#ifdef HOST_TSAN
	host_irq_suspect(); /* a signal waits with the stack on which it came */
#endif
}

static void first(unsigned high, unsigned low)
{
	struct fiber *f = (struct fiber *)((uintptr_t)high << 32 | low);

	arrive(&f->stack, NULL);
	f->fn(f->arg);
	abort();
}

void *arch_thread_prepare(void *stack, size_t bytes, void (*fn)(void *arg), void *arg)
{
	uintptr_t at = ((uintptr_t)stack + bytes - sizeof(struct fiber)) & ~(uintptr_t)63;
	struct fiber *f = (struct fiber *)at;

	host_asan_unpoison(stack, bytes);
	if (getcontext(&f->context) != 0)
		abort();
	f->context.uc_stack.ss_sp = stack;
	f->context.uc_stack.ss_size = at - (uintptr_t)stack;
	f->context.uc_link = NULL;
	f->stack = (struct stack){ stack, bytes, host_tsan_create() };
	f->fn = fn;
	f->arg = arg;
	makecontext(&f->context, (void (*)(void))first, 2, (unsigned)(at >> 32), (unsigned)at);
	return f;
}

void arch_thread_switch(void **old_sp, void *new_sp)
{
	struct fiber here = { .stack = running_stack() }, *next = new_sp;
	volatile bool back = false;
	void *fake = NULL;

	/* cppcheck-suppress autoVariables ; it is used before this returns */
	*old_sp = &here;
	if (host_switch_is_slow)
		sched_yield();
	host_asan_start_switch(&fake, next->stack.bottom, next->stack.bytes);
	if (getcontext(&here.context) != 0)
		abort();
	if (!back) {
		back = true;
		host_tsan_switch(next->stack.tsan);
		setcontext(&next->context);
		abort();
	}
	arrive(&here.stack, fake);
}

void arch_thread_release(void *sp)
{
	struct stack s = ((struct fiber *)sp)->stack;

	host_tsan_destroy(s.tsan);
	host_asan_unpoison(s.bottom, s.bytes);
}
