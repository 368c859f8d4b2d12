/* SPDX-License-Identifier: MIT */
/* thread_switch.c - run queues, slices, switches and idle CPUs. */
#include "kern/call.h"
#include "kern/shootdown.h"
#include "kern/thread_impl.h"
#include "lib/panic.h"

enum {
	CPU_NONE = ARCH_MAX_CPUS,
};

LOCK_CLASS(queues_class, "run queue of a CPU", RANK_RUN_QUEUE);
PER_CPU(struct scheduler, scheduler) = { .queue = { .lock = SPINLOCK_INIT(&queues_class) } };

static struct cpu_set idle_cpus; /* halted or about to halt */

static void resched(void *unused);
static PER_CPU(struct call, resched_call) = CALL_INIT(resched, NULL);

/* ---- run queues ---- */

static unsigned queue_count(const struct run_queue *q)
{
	return atomic_load_explicit(&q->count, memory_order_relaxed);
}

static void queue_append(struct run_queue *q, struct thread *t) __requires(q->lock)
{
	set_state(t, THREAD_READY);
	list_push_back(&q->threads, &t->queue);
	atomic_store_explicit(&q->count, queue_count(q) + 1, memory_order_relaxed);
}

static void queue_remove(struct run_queue *q, struct thread *t) __requires(q->lock)
{
	list_remove(&q->threads, &t->queue);
	atomic_store_explicit(&q->count, queue_count(q) - 1, memory_order_relaxed);
}

/* Removes and returns the first thread that may run on `cpu` and whose stack no other CPU is
 * using; NULL: none.  *busy: there was one that is about to leave its stack. */
static struct thread *queue_take(struct run_queue *q, unsigned cpu, const struct thread *self,
				 bool *busy)
{
	struct thread *t = NULL;

	spin_lock(&q->lock);
	list_for_each (n, &q->threads) {
		struct thread *candidate = list_entry(n, struct thread, queue);

		if (!cpu_set_has(&candidate->affinity, cpu))
			continue;
		/* acquire pairs with thread_finish_switch(): its sp is visible */
		if (candidate == self ||
		    !atomic_load_explicit(&candidate->on_cpu, memory_order_acquire)) {
			t = candidate;
			break;
		}
		*busy = true;
	}
	if (t != NULL) {
		queue_remove(q, t);
		atomic_store_explicit(&t->on_cpu, true, memory_order_relaxed);
		atomic_store_explicit(&t->cpu, cpu, memory_order_relaxed);
	}
	spin_unlock(&q->lock);
	return t;
}

/* ---- placement ---- */

/* Claims an idle CPU, which the caller must wake, and removes it from the set; false: it is not
 * idle, or another CPU claimed it first. */
static bool claim_idle(unsigned cpu)
{
	uint64_t bit = UINT64_C(1) << cpu % CPU_SET_WORD_BITS;

	return cpu_set_has(&idle_cpus, cpu) &&
	       (atomic_fetch_and_explicit(&idle_cpus.word[cpu / CPU_SET_WORD_BITS], ~bit,
					  memory_order_seq_cst) &
		bit) != 0;
}

/* Claims an idle CPU that may run t, preferably `home`, or returns CPU_NONE.  T5: t is already
 * in its queue. */
static unsigned claim_idle_for(const struct thread *t, unsigned home)
{
	/* a CPU that announces itself as idle after this sees t in its queue */
	atomic_thread_fence(memory_order_seq_cst);
	if (claim_idle(home))
		return home;
	for (unsigned i = 0; i < CPU_SET_WORDS; i++) {
		uint64_t some = atomic_load_explicit(&idle_cpus.word[i], memory_order_seq_cst) &
				atomic_load_explicit(&t->affinity.word[i], memory_order_relaxed);

		for (; some != 0; some &= some - 1) {
			unsigned cpu = i * CPU_SET_WORD_BITS + (unsigned)__builtin_ctzll(some);

			if (claim_idle(cpu))
				return cpu;
		}
	}
	return CPU_NONE;
}

/* A CPU that a panic has stopped ignores this, hence no error. */
static void resched_cpu(unsigned cpu)
{
	err_t err = call_on_cpu(cpu, per_cpu_ptr(resched_call, cpu));

	(void)err;
}

/* The CPU to queue t on: its last one, or else the first that it may run on. */
static unsigned home_of(const struct thread *t)
{
	unsigned cpu = atomic_load_explicit(&t->cpu, memory_order_relaxed);

	if (cpu_set_has(&t->affinity, cpu))
		return cpu;
	for (cpu = 0; cpu < cpu_count(); cpu++)
		if (cpu_set_has(&t->affinity, cpu))
			return cpu;
	panic("thread %s may run on no CPU", t->name);
}

void thread_enqueue(struct thread *t)
{
	unsigned home = home_of(t), target;
	struct run_queue *q = &per_cpu_ptr(scheduler, home)->queue;
	bool first;

	spin_lock(&q->lock);
	atomic_store_explicit(&t->cpu, home, memory_order_relaxed);
	queue_append(q, t);
	first = queue_count(q) == 1;
	target = claim_idle_for(t, home);
	spin_unlock(&q->lock);
	if (target != CPU_NONE)
		resched_cpu(target); /* it takes t, or another queued thread */
	if (first && target != home)
		resched_cpu(home); /* the thread that runs there now needs a slice */
}

/* ---- slices ---- */

static void slice_over(void *arg);

static void arm_slice(struct scheduler *s)
{
	uint64_t since = atomic_load_explicit(&s->current->since, memory_order_relaxed);

	if (s->armed)
		return;
	s->armed = true;
	timer_start(&s->slice, since + THREAD_SLICE_MS * arch_ticks_per_ms(), slice_over, s);
}

/* The timer is not rearmed at every switch, so it may expire early in a later turn. */
static void slice_over(void *arg)
{
	struct scheduler *s = arg;
	uint64_t since = atomic_load_explicit(&s->current->since, memory_order_relaxed);

	s->armed = false;
	if (s->current == s->idle || queue_count(&s->queue) == 0)
		return;
	if (arch_ticks() - since >= THREAD_SLICE_MS * arch_ticks_per_ms())
		s->preempt = true;
	else
		arm_slice(s);
}

/* Runs on a CPU by IPI when a thread was queued on it, or when it is idle and a thread is queued
 * elsewhere; the interrupt itself ends a halt. */
static void resched(void *unused)
{
	struct scheduler *s = this_cpu_ptr(scheduler);

	(void)unused;
	if (s->current != NULL && s->current != s->idle && queue_count(&s->queue) != 0)
		arm_slice(s);
}

/* ---- switching ---- */

/* Not inlined, so that the compiler keeps no per-CPU address from before the switch. */
void thread_finish_switch(void)
{
	struct thread *left = this_cpu(scheduler).previous;

	if (state_of(left) == THREAD_ENDED)
		thread_bury(left);
	else
		/* release pairs with queue_take(): the CPU that takes it sees its sp */
		atomic_store_explicit(&left->on_cpu, false, memory_order_release);
}

/* Switches to `next`, which was removed from its queue or is the idle thread.  Interrupts are
 * off, no lock is held.  All switches go through here.  Stacks lie in the kernel's half, which
 * is mapped in every space. */
static void switch_to(struct thread *next)
{
	struct scheduler *s = this_cpu_ptr(scheduler);
	struct thread *self = s->current;
	uint64_t now = arch_ticks();

	lock_check_none_held("a switch of threads");
	/* written only by its own CPU; read by the monitor */
	atomic_store_explicit(&self->ticks,
			      atomic_load_explicit(&self->ticks, memory_order_relaxed) + now -
				      atomic_load_explicit(&self->since, memory_order_relaxed),
			      memory_order_relaxed);
	atomic_store_explicit(&next->since, now, memory_order_relaxed);
	set_state(next, THREAD_RUNNING);
	s->current = next;
	s->preempt = false;
	if (next != s->idle && queue_count(&s->queue) != 0)
		arm_slice(s);
	if (next == self)
		return;
	atomic_fetch_add_explicit(&next->switches, 1, memory_order_relaxed);
	atomic_store_explicit(&next->on_cpu, true, memory_order_relaxed);
	s->previous = self;
	if (unlikely(next->space != self->space))
		tlb_switch_to(next->space, next->root);
	arch_thread_switch(&self->sp, next->sp);
	thread_finish_switch();
}

void thread_block(void)
{
	struct scheduler *s = this_cpu_ptr(scheduler);
	bool busy = false;
	struct thread *next = queue_take(&s->queue, arch_cpu_id(), s->current, &busy);

	switch_to(next != NULL ? next : s->idle);
}

void thread_requeue(void)
{
	struct scheduler *s = this_cpu_ptr(scheduler);
	struct thread *self = s->current, *next;
	bool busy = false;
	unsigned target;

	if (!cpu_set_has(&self->affinity, arch_cpu_id())) {
		thread_enqueue(self); /* no CPU takes it before the switch is complete */
		thread_block();
		return;
	}
	spin_lock(&s->queue.lock);
	queue_append(&s->queue, self);
	spin_unlock(&s->queue.lock);
	next = queue_take(&s->queue, arch_cpu_id(), self, &busy);
	ASSERT(next != NULL);
	target = next == self ? CPU_NONE : claim_idle_for(self, arch_cpu_id());
	if (target != CPU_NONE)
		resched_cpu(target);
	switch_to(next);
}

void thread_preempt(void)
{
	struct scheduler *s = this_cpu_ptr(scheduler);

	if (s->preempt && s->current != s->idle)
		thread_requeue();
}

void thread_yield(void)
{
	uintptr_t irq = arch_irq_save();

	thread_requeue();
	arch_irq_restore(irq);
}

/* ---- idle ---- */

/* Takes a thread to run on this CPU from its own queue or another's; NULL: none.  *busy: there
 * will be one soon. */
static struct thread *find_work(bool *busy)
{
	unsigned me = arch_cpu_id(), n = cpu_count();

	*busy = false;
	for (unsigned i = 0; i < n; i++) {
		struct run_queue *q = &per_cpu_ptr(scheduler, (me + i) % n)->queue;
		struct thread *t = queue_count(q) == 0 ? NULL : queue_take(q, me, NULL, busy);

		if (t != NULL)
			return t;
	}
	return NULL;
}

/* Halts until an interrupt; page shootdowns only mark this CPU meanwhile. */
static void wait_for_interrupt(void)
{
	tlb_idle_enter();
	arch_idle();
	tlb_idle_leave();
}

void thread_idle_once(void)
{
	uintptr_t irq = arch_irq_save();
	unsigned me = arch_cpu_id();
	bool busy;
	struct thread *next = find_work(&busy);

	if (next == NULL && !busy) {
		cpu_set_add(&idle_cpus, me); /* a full barrier: T5 */
		next = find_work(&busy);
		if (next == NULL && !busy)
			wait_for_interrupt();
		cpu_set_remove(&idle_cpus, me);
	}
	if (next != NULL) {
		set_state(this_cpu(scheduler).idle, THREAD_PARKED);
		switch_to(next);
	}
	arch_irq_restore(irq);
	if (busy)
		arch_relax();
}

void thread_idle_loop(void)
{
	for (;;)
		thread_idle_once();
}

void thread_idle_main(void *unused)
{
	(void)unused;
	thread_idle_loop();
}

void thread_clear_idle_cpus(void)
{
	for (unsigned i = 0; i < CPU_SET_WORDS; i++)
		atomic_store_explicit(&idle_cpus.word[i], 0, memory_order_relaxed);
}

/* ---- invariants ---- */

static const char *check_queued(const struct scheduler *s, const struct thread *t, unsigned cpu)
{
	if (state_of(t) != THREAD_READY ||
	    atomic_load_explicit(&t->cpu, memory_order_relaxed) != cpu)
		return "T1: a thread in a run queue is not ready, or belongs to another CPU";
	if (!cpu_set_has(&t->affinity, cpu) || t == s->idle)
		return "T3: a thread is queued on a CPU where it may not run";
	return NULL;
}

static const char *check_queue(const struct scheduler *s, unsigned cpu)
{
	const char *why = NULL;
	unsigned n = 0;

	if (!list_check(&s->queue.threads, queue_count(&s->queue)))
		return "T2: the links of a run queue do not agree, or there are more than its "
		       "count";
	list_for_each (node, &s->queue.threads) {
		n++;
		if (why == NULL)
			why = check_queued(s, list_entry(node, struct thread, queue), cpu);
	}
	return why == NULL && n != queue_count(&s->queue) ? "T2: the count is not the length" : why;
}

static const char *check_current(const struct scheduler *s)
{
	const struct thread *self = s->current;

	if (!atomic_load_explicit(&self->on_cpu, memory_order_relaxed) ||
	    atomic_load_explicit(&self->cpu, memory_order_relaxed) != arch_cpu_id())
		return "T4: the running thread is not on this CPU";
	return state_of(self) != THREAD_RUNNING ? "T4: the running thread is not running" : NULL;
}

const char *thread_check(void)
{
	uintptr_t irq = arch_irq_save();
	const char *why = check_current(this_cpu_ptr(scheduler));

	for (unsigned cpu = 0; cpu < cpu_count() && why == NULL; cpu++) {
		struct scheduler *s = per_cpu_ptr(scheduler, cpu);

		spin_lock(&s->queue.lock);
		why = check_queue(s, cpu);
		spin_unlock(&s->queue.lock);
	}
	arch_irq_restore(irq);
	return why;
}
