/* SPDX-License-Identifier: MIT */
#include "mm/kspace/kthread.h"

#include "lib/panic.h"
#include "mm/kspace/kspace.h"

/* NULL: no memory. */
static struct thread *new_thread(const char *name, void (*fn)(void *arg), void *arg)
{
	void *stack = kspace_stack_alloc(KTHREAD_STACK_BYTES);

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
	kspace_stack_free(stack);
}

static void reap(void *unused)
{
	(void)unused;
	for (;;)
		kspace_stack_free(thread_wait_ended()->stack);
}

err_t kthread_init(void)
{
	void *idle = kspace_stack_alloc(KTHREAD_STACK_BYTES);

	if (idle == NULL)
		return ERR_NO_MEMORY;
	thread_start_main(idle, KTHREAD_STACK_BYTES);
	return kthread_create_detached("reaper", reap, NULL);
}
