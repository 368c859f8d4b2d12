/* SPDX-License-Identifier: MIT */
/* thread.c - creation, exit and waiting of threads. */
#include "kern/thread_impl.h"
#include "lib/panic.h"
#include "lib/print.h"
#include "lib/string.h"

enum wake {
	WAKE_NONE,
	WAKE_TOKEN,  /* the next park returns at once */
	WAKE_PARKED, /* the next unpark makes it ready */
};

/* Protects the list of all threads and the variables below; outer to the run queue locks. */
LOCK_CLASS(registry_class, "list of threads", RANK_THREADS);
static struct spinlock registry = SPINLOCK_INIT(&registry_class);
static struct list all;       /* every thread, in order of creation */
static struct list ended;     /* detached ones, for thread_wait_ended() */
static struct thread *reaper; /* the thread that waits there */
static paddr_t kernel_root;   /* (c) once it is set */

/* ---- waiting ---- */

/* The running thread; asserts that it may wait: T6. */
static struct thread *self_to_wait(uintptr_t irq)
{
	struct thread *self = this_cpu(scheduler).current;

	ASSERT(arch_irq_was_on(irq) && self != this_cpu(scheduler).idle);
	return self;
}

/* Returns whether it waited; if not, the token was already set. */
static bool park(void)
{
	uintptr_t irq = arch_irq_save();
	struct thread *self = self_to_wait(irq);
	unsigned wake = WAKE_NONE;
	bool waited;

	set_state(self, THREAD_PARKED); /* before another CPU can make it ready */
	/* acquire pairs with thread_unpark(), whose caller changed what this thread waits for */
	waited = atomic_compare_exchange_strong_explicit(
		&self->wake, &wake, WAKE_PARKED, memory_order_acq_rel, memory_order_relaxed);
	if (waited) {
		thread_block();
	} else {
		(void)atomic_exchange_explicit(&self->wake, WAKE_NONE, memory_order_acquire);
		set_state(self, THREAD_RUNNING);
	}
	arch_irq_restore(irq);
	return waited;
}

void thread_park(void)
{
	(void)park();
}

void thread_unpark(struct thread *t)
{
	uintptr_t irq = arch_irq_save();
	unsigned wake = atomic_load_explicit(&t->wake, memory_order_relaxed);

	/* Writes the token even if it is already set: release, for what the caller changed
	 * since. */
	while (!atomic_compare_exchange_weak_explicit(&t->wake, &wake,
						      wake == WAKE_PARKED ? WAKE_NONE : WAKE_TOKEN,
						      memory_order_acq_rel, memory_order_relaxed))
		;
	if (wake == WAKE_PARKED)
		thread_enqueue(t);
	arch_irq_restore(irq);
}

static void unpark(void *t)
{
	thread_unpark(t);
}

/* Returns whether it may have consumed another thread's token: the timer did not fire, or its
 * token and the other one came before the wait and were merged.  Otherwise the two came one
 * after the other, and the second is still set. */
static bool park_until(uint64_t deadline)
{
	struct thread *self = thread_self();
	bool waited;

	timer_start(&self->timer, deadline, unpark, self);
	waited = park();
	return timer_cancel_wait(&self->timer) || !waited;
}

void thread_park_until(uint64_t deadline)
{
	(void)park_until(deadline);
}

void thread_sleep(unsigned ms)
{
	uint64_t deadline = arch_ticks() + ms * arch_ticks_per_ms();
	bool took = false;

	while (arch_ticks() < deadline)
		took |= park_until(deadline);
	if (took)
		thread_unpark(thread_self());
}

/* ---- creation and exit ---- */

struct thread *thread_self(void)
{
	uintptr_t irq = arch_irq_save();
	struct thread *self = this_cpu(scheduler).current;

	arch_irq_restore(irq);
	return self;
}

void thread_set_kernel_root(paddr_t root)
{
	kernel_root = root;
}

void thread_set_space(struct tlb_space *space, paddr_t root)
{
	uintptr_t irq = arch_irq_save();
	struct thread *self = this_cpu(scheduler).current;

	if (self != NULL) { /* else this CPU has no threads yet */
		self->space = space;
		self->root = root;
	}
	tlb_switch_to(space, root);
	arch_irq_restore(irq);
}

/* Initialises everything but the stack. */
static void init(struct thread *t, const char *name)
{
	uintptr_t irq;

	*t = (struct thread){ .space = &tlb_kernel_space, .root = kernel_root };
	print_to(t->name, sizeof(t->name), "%s", name);
	for (unsigned i = 0; i < CPU_SET_WORDS; i++)
		atomic_store_explicit(&t->affinity.word[i], UINT64_MAX, memory_order_relaxed);
	irq = spin_lock_irq(&registry);
	list_push_back(&all, &t->all);
	spin_unlock_irq(&registry, irq);
}

/* Entry point of every created thread. */
static void begin(void *arg)
{
	struct thread *t = arg;

	thread_finish_switch();
	arch_irq_on();
	t->fn(t->arg);
	thread_exit();
}

struct thread *thread_create(void *memory, size_t bytes, const char *name, void (*fn)(void *arg),
			     void *arg)
{
	uintptr_t top = ((uintptr_t)memory + bytes - sizeof(struct thread)) &
			-(uintptr_t)THREAD_ALIGN;
	struct thread *t = (struct thread *)top;

	ASSERT(bytes > sizeof(struct thread) + THREAD_ALIGN);
	init(t, name);
	t->fn = fn;
	t->arg = arg;
	t->stack = memory;
	t->sp = arch_thread_prepare(memory, top - (uintptr_t)memory, begin, t);
	return t;
}

void thread_start(struct thread *t)
{
	uintptr_t irq = arch_irq_save();

	ASSERT(state_of(t) == THREAD_NEW);
	atomic_store_explicit(&t->cpu, arch_cpu_id(), memory_order_relaxed);
	thread_enqueue(t);
	arch_irq_restore(irq);
}

void thread_start_detached(struct thread *t)
{
	t->detached = true;
	thread_start(t);
}

void thread_exit(void)
{
	(void)self_to_wait(arch_irq_save());
	set_state(this_cpu(scheduler).current, THREAD_ENDED);
	thread_block();
	panic("a thread that has ended runs");
}

void thread_bury(struct thread *t)
{
	spin_lock(&registry);
	t->gone = true;
	atomic_store_explicit(&t->on_cpu, false, memory_order_relaxed); /* ordered by the lock */
	if (t->detached)
		list_push_back(&ended, &t->queue);
	/* under the lock: the joiner may free t and exit itself as soon as it has taken the lock */
	if (t->detached && reaper != NULL)
		thread_unpark(reaper);
	else if (t->joiner != NULL)
		thread_unpark(t->joiner);
	spin_unlock(&registry);
}

/* t is off all lists; the caller may free its memory afterwards. */
static void release_stack(struct thread *t)
{
	arch_thread_release(t->sp);
}

void thread_join(struct thread *t)
{
	uintptr_t irq = spin_lock_irq(&registry);

	ASSERT(!t->detached && t->joiner == NULL);
	t->joiner = thread_self();
	while (!t->gone) {
		spin_unlock_irq(&registry, irq);
		thread_park();
		irq = spin_lock_irq(&registry);
	}
	list_remove(&all, &t->all);
	spin_unlock_irq(&registry, irq);
	release_stack(t);
}

struct thread *thread_wait_ended(void)
{
	uintptr_t irq = spin_lock_irq(&registry);
	struct thread *t;

	reaper = thread_self();
	while (list_is_empty(&ended)) {
		spin_unlock_irq(&registry, irq);
		thread_park();
		irq = spin_lock_irq(&registry);
	}
	t = list_entry(list_pop_front(&ended), struct thread, queue);
	list_remove(&all, &t->all);
	spin_unlock_irq(&registry, irq);
	release_stack(t);
	return t;
}

/* ---- affinity ---- */

err_t thread_set_affinity(struct thread *t, const struct cpu_set *cpus)
{
	bool any = false;

	for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
		any |= cpu_set_has(cpus, cpu);
	if (!any)
		return ERR_NOT_FOUND;
	ASSERT(t == thread_self() || state_of(t) == THREAD_NEW);
	for (unsigned i = 0; i < CPU_SET_WORDS; i++)
		atomic_store_explicit(&t->affinity.word[i],
				      atomic_load_explicit(&cpus->word[i], memory_order_relaxed),
				      memory_order_relaxed);
	if (t == thread_self())
		thread_yield(); /* migrates if it may not run here */
	return OK;
}

err_t thread_pin(unsigned cpu)
{
	struct cpu_set only = { 0 };

	if (cpu >= cpu_count())
		return ERR_NOT_FOUND;
	cpu_set_add(&only, cpu);
	return thread_set_affinity(thread_self(), &only);
}

/* ---- CPUs ---- */

/* Makes the running code the thread s->own. */
static void adopt(struct scheduler *s, const char *name)
{
	init(&s->own, name);
	atomic_store_explicit(&s->own.on_cpu, true, memory_order_relaxed);
	atomic_store_explicit(&s->own.cpu, arch_cpu_id(), memory_order_relaxed);
	atomic_store_explicit(&s->own.since, arch_ticks(), memory_order_relaxed);
	set_state(&s->own, THREAD_RUNNING);
	s->current = &s->own;
}

static void keep_here(struct scheduler *s)
{
	for (unsigned i = 0; i < CPU_SET_WORDS; i++)
		atomic_store_explicit(&s->idle->affinity.word[i], 0, memory_order_relaxed);
	cpu_set_add(&s->idle->affinity, arch_cpu_id());
	atomic_store_explicit(&s->idle->cpu, arch_cpu_id(), memory_order_relaxed);
}

void thread_start_main(void *stack, size_t bytes)
{
	uintptr_t irq = arch_irq_save();
	struct scheduler *s = this_cpu_ptr(scheduler);

	all = ended = (struct list){ NULL, NULL };
	reaper = NULL;
	thread_clear_idle_cpus();
	s->idle = thread_create(stack, bytes, "idle", thread_idle_main, NULL);
	set_state(s->idle, THREAD_PARKED);
	keep_here(s);
	adopt(s, "main");
	arch_irq_restore(irq);
}

void thread_start_cpu(void)
{
	uintptr_t irq = arch_irq_save();
	struct scheduler *s = this_cpu_ptr(scheduler);

	adopt(s, "idle");
	s->idle = &s->own;
	keep_here(s);
	arch_irq_restore(irq);
}

/* ---- information ---- */

static void describe(const struct thread *t, struct thread_info *out)
{
	uint64_t since = atomic_load_explicit(&t->since, memory_order_relaxed);

	*out = (struct thread_info){
		.state = state_of(t),
		.cpu = atomic_load_explicit(&t->cpu, memory_order_relaxed),
		.switches = atomic_load_explicit(&t->switches, memory_order_relaxed),
		.ticks = atomic_load_explicit(&t->ticks, memory_order_relaxed),
	};
	memcpy(out->name, t->name, sizeof(out->name));
	for (unsigned i = 0; i < CPU_SET_WORDS; i++)
		out->affinity[i] = atomic_load_explicit(&t->affinity.word[i], memory_order_relaxed);
	/* it may stop running meanwhile: for display only */
	if (out->state == THREAD_RUNNING && arch_ticks() > since)
		out->ticks += arch_ticks() - since;
}

bool thread_info_at(unsigned index, struct thread_info *out)
{
	uintptr_t irq = spin_lock_irq(&registry);
	const struct list_node *n = all.first;

	while (n != NULL && index-- > 0)
		n = n->next;
	if (n != NULL)
		describe(list_entry(n, struct thread, all), out);
	spin_unlock_irq(&registry, irq);
	return n != NULL;
}

unsigned thread_count(void)
{
	uintptr_t irq = spin_lock_irq(&registry);
	unsigned n = 0;

	list_for_each (t, &all)
		n++;
	spin_unlock_irq(&registry, irq);
	return n;
}
