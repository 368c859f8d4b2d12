/* SPDX-License-Identifier: MIT */
#include "arch/x86_64/call.h"

#include "kern/cpu.h"
#include "kern/lock.h"
#include "kern/percpu.h"
#include "arch/x86_64/apic.h"
#include "arch/x86_64/smp.h"
#include "arch/x86_64/trap.h"
#include "lib/print.h"
#include "lib/string.h"

enum {
	REQUESTS_MAX = 16,
	SEND_TRIES = 100, /* of a millisecond each */
};

struct request {
	void (*fn)(void *arg);
	void *arg;
};

struct requests {
	struct spinlock lock;
	unsigned count;                    /* (l) */
	struct request list[REQUESTS_MAX]; /* (l) */
};
LOCK_CLASS(requests_class, "requests of a CPU", RANK_REQUESTS);
static PER_CPU(struct requests, requests) = { .lock = SPINLOCK_INIT(&requests_class) };

static void call_trap(struct trap_frame *frame)
{
	struct requests *r = this_cpu_ptr(requests);
	struct request todo[REQUESTS_MAX] __uninitialized;
	unsigned n;

	(void)frame;
	apic_end_of_interrupt();
	spin_lock(&r->lock);
	n = r->count;
	memcpy(todo, r->list, n * sizeof(todo[0]));
	r->count = 0;
	spin_unlock(&r->lock);
	for (unsigned i = 0; i < n; i++)
		todo[i].fn(todo[i].arg);
}

void call_init(void)
{
	trap_set_handler(VECTOR_CALL, "call", call_trap);
}

static bool is_waiting(const struct requests *r, void (*fn)(void *arg), const void *arg)
{
	for (unsigned i = 0; i < r->count; i++)
		if (r->list[i].fn == fn && r->list[i].arg == arg)
			return true;
	return false;
}

/* Whether there is room. */
static bool add(struct requests *r, void (*fn)(void *arg), void *arg)
{
	bool fits;

	spin_lock(&r->lock);
	fits = is_waiting(r, fn, arg);
	if (!fits && r->count < REQUESTS_MAX) {
		r->list[r->count++] = (struct request){ fn, arg };
		fits = true;
	}
	spin_unlock(&r->lock);
	return fits;
}

/* A local APIC that does not get rid of an interrupt is broken: said, and then the request waits
 * for the next one. */
static void send(unsigned cpu)
{
	unsigned tries = SEND_TRIES;

	while (apic_send(smp_apic_id(cpu), VECTOR_CALL) != OK) {
		if (--tries == 0) {
			warn("CPU %u cannot be interrupted", cpu);
			return;
		}
	}
}

err_t call_on_cpu(unsigned cpu, void (*fn)(void *arg), void *arg)
{
	uintptr_t irq = arch_irq_save();
	err_t err = OK;

	if (cpu == arch_cpu_id()) {
		fn(arg);
	} else if (cpu >= cpu_count() || smp_is_stopping()) {
		err = ERR_NOT_FOUND;
	} else {
		while (!add(per_cpu_ptr(requests, cpu), fn, arg))
			arch_relax();
		send(cpu);
	}
	arch_irq_restore(irq);
	return err;
}
