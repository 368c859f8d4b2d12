/* SPDX-License-Identifier: MIT */
/* lock_report.c - the monitor's `locks`: lock statistics of debug builds, by class. */
#include "kern/lock.h"
#include "lib/print.h"
#include "lib/symbols.h"
#include "monitor/command.h"

#ifdef KEEL_DEBUG

static void print_record(const char *what, const struct lock_record *r)
{
	uint64_t ticks = atomic_load_explicit(&r->ticks, memory_order_relaxed);
	char at[SYMBOL_TEXT_BYTES];

	if (ticks == 0)
		return;
	symbols_format_return(atomic_load_explicit(&r->where, memory_order_relaxed), at,
			      sizeof(at));
	print("    longest %s %lu us, %s\n", what, ticks_to_us(ticks), at);
}

static void print_class(const struct lock_class *c, void *arg)
{
	(void)arg;
	print("%s, rank %u: taken %lu times, waited for %lu times\n", c->name, (unsigned)c->rank,
	      atomic_load_explicit(&c->acquisitions, memory_order_relaxed),
	      atomic_load_explicit(&c->contended, memory_order_relaxed));
	print_record("hold", &c->hold);
	print_record("wait", &c->wait);
}

COMMAND(locks, "", "acquisitions and contention of each lock class, longest hold and wait")
{
	lock_each_class(print_class, NULL);
}

#else

COMMAND(locks, "", "lock statistics, in debug builds")
{
	print("lock statistics need a debug build (make MODE=debug)\n");
}

#endif
