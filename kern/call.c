/* SPDX-License-Identifier: MIT */
#include "kern/call.h"

#include "kern/cpu.h"
#include "kern/lock.h"
#include "kern/percpu.h"
#include "kern/shootdown.h"
#include "lib/log.h"
#include "lib/panic.h"

/* Newest first; NULL: empty. */
static PER_CPU(_Atomic(struct call *), calls);

/* P2: acquire pairs with the exchange of the latest poster. */
static void call_run(struct call *c)
{
	(void)atomic_exchange_explicit(&c->queued, 0, memory_order_acq_rel);
	c->fn(c->arg);
}

/* Whether the list was empty. */
static bool call_push(_Atomic(struct call *) *list, struct call *c)
{
	struct call *first = atomic_load_explicit(list, memory_order_relaxed);

	do
		c->next = first;
	while (!atomic_compare_exchange_weak_explicit(list, &first, c, memory_order_release,
						      memory_order_relaxed));
	return first == NULL;
}

err_t call_on_cpu(unsigned cpu, struct call *c)
{
	uintptr_t irq;
	err_t err = OK;

	if (cpu >= cpu_count() || arch_cpu_is_stopped(cpu))
		return ERR_NOT_FOUND;
	irq = arch_irq_save();
	if (cpu == arch_cpu_id())
		c->fn(c->arg);
	else if (atomic_exchange_explicit(&c->queued, 1, memory_order_acq_rel) == 0 &&
		 call_push(per_cpu_ptr(calls, cpu), c))
		err = arch_call_interrupt(cpu); /* P3 */
	arch_irq_restore(irq);
	return err;
}

static struct call *call_reverse(struct call *c)
{
	struct call *before = NULL;

	while (c != NULL) {
		struct call *next = c->next;

		c->next = before;
		before = c;
		c = next;
	}
	return before;
}

void call_serve(void)
{
	struct call *c;

	if (shootdown_pending())
		shootdown_serve();
	/* acquire pairs with call_push(): the calls and their links are visible */
	c = call_reverse(atomic_exchange_explicit(this_cpu_ptr(calls), NULL, memory_order_acquire));
	while (c != NULL) {
		struct call *next = c->next; /* it may be posted again as soon as it runs */

		call_run(c);
		c = next;
	}
}

/* ---- all CPUs ---- */

/* The request of the caller that has `busy`. */
static struct {
	_Atomic uint32_t busy;
	void (*fn)(void *arg);
	void *arg;
	_Atomic uint32_t outstanding; /* CPUs that have not returned from fn */
} everywhere;

/* Who turns it into NOT_WANTED accounts for the CPU: the CPU itself when it has run the request, or
 * the caller that gives up waiting for it; a CPU that comes later runs nothing. */
enum {
	NOT_WANTED,
	WANTED, /* not begun */
	RUNNING,
};
static PER_CPU(_Atomic uint32_t, everywhere_wanted);

static bool everywhere_change(unsigned cpu, uint32_t from, uint32_t to)
{
	/* acquire pairs with the store in call_on_cpus_wait(): the request is visible */
	return atomic_compare_exchange_strong_explicit(per_cpu_ptr(everywhere_wanted, cpu), &from,
						       to, memory_order_acquire,
						       memory_order_relaxed);
}

static void everywhere_done(void)
{
	/* release pairs with wait_for_all() */
	atomic_fetch_sub_explicit(&everywhere.outstanding, 1, memory_order_release);
}

static void run_everywhere(void *unused)
{
	(void)unused;
	if (!everywhere_change(arch_cpu_id(), WANTED, RUNNING))
		return;
	everywhere.fn(everywhere.arg);
	if (everywhere_change(arch_cpu_id(), RUNNING, NOT_WANTED))
		everywhere_done();
}

static PER_CPU(struct call, everywhere_call) = CALL_INIT(run_everywhere, NULL);

/* CPUs that have not begun, or that stopped within fn, are left out from now on; returns how
 * many. */
static __cold unsigned leave_out_silent(unsigned cpus)
{
	unsigned left_out = 0;

	for (unsigned cpu = 0; cpu < cpus; cpu++) {
		bool stopped = arch_cpu_is_stopped(cpu);

		if (!everywhere_change(cpu, WANTED, NOT_WANTED) &&
		    !(stopped && everywhere_change(cpu, RUNNING, NOT_WANTED)))
			continue;
		if (!stopped)
			log_limited(LOG_WARNING, "call",
				    "CPU %u does not answer; going on without it", cpu);
		everywhere_done();
		left_out++;
	}
	return left_out;
}

/* Returns how many CPUs were left out. */
static unsigned wait_for_all(unsigned cpus)
{
	uint64_t start = arch_ticks();
	unsigned left_out = 0;

	/* acquire pairs with everywhere_done() */
	while (atomic_load_explicit(&everywhere.outstanding, memory_order_acquire) != 0) {
		arch_relax();
		if (unlikely(arch_ticks() - start > CALL_PATIENCE_MS * arch_ticks_per_ms()))
			left_out += leave_out_silent(cpus);
	}
	return left_out;
}

unsigned call_on_cpus_wait(void (*fn)(void *arg), void *arg)
{
	unsigned cpus = cpu_count(), left_out = 0;

	ASSERT(!arch_irq_is_off()); /* so this CPU runs the calls of others while it waits */
	/* acquire and release: one caller after the other */
	while (atomic_exchange_explicit(&everywhere.busy, 1, memory_order_acquire) != 0)
		arch_relax();
	everywhere.fn = fn;
	everywhere.arg = arg;
	/* relaxed: the stores below order it */
	atomic_store_explicit(&everywhere.outstanding, cpus, memory_order_relaxed);
	for (unsigned cpu = 0; cpu < cpus; cpu++) {
		/* release: a late CPU that finds it sees this request */
		atomic_store_explicit(per_cpu_ptr(everywhere_wanted, cpu), WANTED,
				      memory_order_release);
		if (call_on_cpu(cpu, per_cpu_ptr(everywhere_call, cpu)) != OK &&
		    everywhere_change(cpu, WANTED, NOT_WANTED)) {
			everywhere_done();
			left_out++;
		}
	}
	left_out += wait_for_all(cpus);
	atomic_store_explicit(&everywhere.busy, 0, memory_order_release);
	return cpus - left_out;
}
