/* SPDX-License-Identifier: MIT */
#include "lib/log.h"

#include "lib/bits.h"

enum {
	US_PER_S = 1000000,
	US_IN_MS = 1000,
};

static unsigned shown = LOG_LEVEL_DEFAULT;
static uint64_t (*clock_us)(void);
static struct print_sink *quiet_sink;

void log_set_level(unsigned level)
{
	shown = level;
}

unsigned log_level(void)
{
	return shown;
}

void log_set_clock(uint64_t (*us)(void))
{
	clock_us = us;
}

void log_set_quiet_sink(struct print_sink *sink)
{
	quiet_sink = sink;
}

static uint64_t now_us(void)
{
	return clock_us == NULL ? 0 : clock_us();
}

void log_at(enum log_level level, const char *subsystem, const char *format, ...)
{
	struct print_sink *sink = level < shown ? print_sink_now() : quiet_sink;
	char line[LOG_LINE_BYTES];
	uint64_t us = now_us();
	va_list args;
	size_t n;

	if (sink == NULL)
		return;
	n = print_to(line, sizeof(line), "keel: [%5lu.%06lu] %s: ", us / US_PER_S, us % US_PER_S,
		     subsystem);
	n = min_u64(n, sizeof(line) - 1);
	va_start(args, format);
	n += print_to_va(line + n, sizeof(line) - n, format, args);
	va_end(args);
	n = min_u64(n, sizeof(line) - 2);
	line[n++] = '\n';
	sink->write(sink, line, n);
}

/* Two CPUs that come at once may let one message more pass; nothing is lost by that. */
bool log_limit_passes(struct log_limit *l, enum log_level level, const char *subsystem)
{
	uint64_t now = now_us() / US_IN_MS;
	uint32_t missed = 0;

	/* relaxed: statistics */
	if (atomic_load_explicit(&l->count, memory_order_relaxed) == 0 ||
	    now - atomic_load_explicit(&l->since, memory_order_relaxed) >= LOG_INTERVAL_MS) {
		uint32_t before = atomic_exchange_explicit(&l->count, 0, memory_order_relaxed);

		missed = before > LOG_BURST ? before - LOG_BURST : 0;
		atomic_store_explicit(&l->since, now, memory_order_relaxed);
	}
	if (missed != 0)
		log_at(level, subsystem, "%u messages like the next were not printed", missed);
	return atomic_fetch_add_explicit(&l->count, 1, memory_order_relaxed) < LOG_BURST;
}
