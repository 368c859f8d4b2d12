/* SPDX-License-Identifier: MIT */
#include "kern/kthread.h"

#include "lib/panic.h"

static struct kthread_stacks stacks; /* (c) after kthread_set_stacks() */

void kthread_set_stacks(const struct kthread_stacks *allocator)
{
	stacks = *allocator;
}

/* NULL: no memory. */
static struct thread *new_thread(const char *name, void (*fn)(void *arg), void *arg)
{
	void *stack = stacks.alloc(KTHREAD_STACK_BYTES, name);

	return stack == NULL ? NULL : thread_create(stack, KTHREAD_STACK_BYTES, name, fn, arg);
}

err_t kthread_create(const char *name, void (*fn)(void *arg), void *arg, struct thread **out)
{
	struct thread *t = new_thread(name, fn, arg);

	if (t == NULL)
		return ERR_NO_MEMORY;
	*out = t;
	thread_start(t);
	return OK;
}

err_t kthread_create_on(unsigned cpu, const char *name, void (*fn)(void *arg), void *arg,
			struct thread **out)
{
	struct cpu_set only = { 0 };
	struct thread *t;
	err_t err;

	if (cpu >= cpu_count())
		return ERR_NOT_FOUND;
	t = new_thread(name, fn, arg);
	if (t == NULL)
		return ERR_NO_MEMORY;
	cpu_set_add(&only, cpu);
	err = thread_set_affinity(t, &only);
	ASSERT(err == OK); /* an online CPU stays online */
	*out = t;
	thread_start(t);
	return OK;
}

err_t kthread_create_detached(const char *name, void (*fn)(void *arg), void *arg)
{
	struct thread *t = new_thread(name, fn, arg);

	if (t == NULL)
		return ERR_NO_MEMORY;
	thread_start_detached(t);
	return OK;
}

void kthread_join(struct thread *t)
{
	void *stack = t->stack;

	thread_join(t);
	stacks.free(stack);
}

static void reap(void *unused)
{
	(void)unused;
	for (;;)
		stacks.free(thread_wait_ended()->stack);
}

err_t kthread_init(void)
{
	void *idle = stacks.alloc(KTHREAD_STACK_BYTES, "idle of CPU 0");

	if (idle == NULL)
		return ERR_NO_MEMORY;
	thread_start_main(idle, KTHREAD_STACK_BYTES);
	return kthread_create_detached("reaper", reap, NULL);
}
