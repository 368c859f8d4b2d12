/* SPDX-License-Identifier: MIT */
/* Tests of arch/x86_64/irq_off.h: the time with interrupts off is measured from its first place to
 * its last, and said with both. */
#include "arch/arch.h"
#include "lib/string.h"
#include "lib/symbols.h"
#include "tests/test.h"

#ifdef KEEL_IRQ_OFF

enum {
	LONG = 200000, /* ticks */
};

static void spin(uint64_t ticks)
{
	uint64_t start = arch_ticks();

	while (arch_ticks() - start < ticks)
		arch_relax();
}

static bool is_within(uintptr_t place, const char *function)
{
	struct symbol s;

	return symbols_find(place - 1, &s) && strcmp(s.name, function) == 0;
}

/* The longest time that began in that function, or 0. */
static uint64_t longest_from(const char *function)
{
	struct arch_irq_off site;
	uint64_t ticks = 0;

	for (unsigned i = 0; arch_irq_off_site(i, &site); i++)
		if (is_within(site.from, function) && site.ticks > ticks)
			ticks = site.ticks;
	return ticks;
}

static __noinline uint64_t long_irq_off(void)
{
	uint64_t start = arch_ticks();
	uintptr_t irq = arch_irq_save(), inner;

	spin(LONG);
	inner = arch_irq_save();
	arch_irq_restore(inner); /* they stay off */
	spin(LONG);
	arch_irq_restore(irq);
	return arch_ticks() - start;
}

TEST(irq_off_time_is_measured_as_a_whole)
{
	uint64_t most = long_irq_off();

	CHECK(longest_from("long_irq_off") >= 2 * LONG);
	CHECK(longest_from("long_irq_off") <= most);
}

static __noinline void with_a_pause(void)
{
	uintptr_t irq = arch_irq_save();

	spin(LONG);
	arch_irq_on();
	(void)arch_irq_save();
	spin(LONG);
	arch_irq_restore(irq);
}

/* Not below two, as the host may stop this CPU for longer. */
TEST(irq_off_time_ends_where_interrupts_come_on)
{
	struct arch_irq_off site;
	unsigned sites = 0;

	with_a_pause();
	for (unsigned i = 0; arch_irq_off_site(i, &site); i++)
		sites += is_within(site.from, "with_a_pause") && is_within(site.to, "with_a_pause");
	CHECK_EQ(sites, 2);
}

#endif
