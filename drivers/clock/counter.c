/* SPDX-License-Identifier: MIT */
#include "drivers/clock/counter.h"

#include "arch/arch.h"

enum {
	CALIBRATE_MS = 10,
	MS_PER_S = 1000,
	READS_MAX = 20000000, /* of a counter that moves too slowly to be one */
	STILL_MAX = 100000,   /* reads without a change before the counter counts as dead */
};

uint64_t counter_calibrate(const struct clock_counter *c)
{
	uint64_t want = c->hz * CALIBRATE_MS / MS_PER_S, seen = 0;
	uint64_t last = c->read(c) & c->mask, start = arch_ticks();
	unsigned still = 0;

	for (unsigned i = 0; i < READS_MAX && still < STILL_MAX; i++) {
		uint64_t now = c->read(c) & c->mask;
		uint64_t step = (now - last) & c->mask;

		still = step == 0 ? still + 1 : 0;
		seen += step;
		last = now;
		if (seen >= want)
			return (arch_ticks() - start) * want / seen / CALIBRATE_MS;
	}
	return 0;
}
