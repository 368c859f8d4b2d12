/* SPDX-License-Identifier: MIT */
/* runner.c - the part of the test runner shared by the host and the kernel. */
#include "tests/test.h"

#include "kern/lock.h"
#include "lib/string.h"

extern const struct test __start_tests[], __stop_tests[];

static bool failed, skipped;
static char skip_reason[128];
static uint64_t seed = 1, random_state;

void test_fail(const char *file, int line, const char *format, ...)
{
	va_list args;

	failed = true;
	print("# %s:%d: ", file, line);
	va_start(args, format);
	print_va(print_sink_now(), format, args);
	va_end(args);
	print("\n");
}

void test_skip(const char *format, ...)
{
	va_list args;

	skipped = true;
	va_start(args, format);
	print_to_va(skip_reason, sizeof(skip_reason), format, args);
	va_end(args);
}

void test_diag(const char *format, ...)
{
	va_list args;

	print("# ");
	va_start(args, format);
	print_va(print_sink_now(), format, args);
	va_end(args);
	print("\n");
}

uint64_t test_seed(void)
{
	return seed;
}

void test_reseed(uint64_t new_seed)
{
	seed = new_seed;
	random_state = new_seed * 0x9e3779b97f4a7c15u + 1;
}

/* xorshift64*: Vigna 2016. */
uint64_t test_random(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * 0x2545f4914f6cdd1du;
}

uint64_t test_random_below(uint64_t n)
{
	return test_random() % n;
}

/* Whether the name matches one of the comma-separated globs. */
static bool matches(const char *globs, const char *name)
{
	char glob[128];

	for (;;) {
		const char *comma = strchr(globs, ',');
		size_t n = comma == NULL ? strlen(globs) : (size_t)(comma - globs);

		n = n < sizeof(glob) - 1 ? n : sizeof(glob) - 1;
		memcpy(glob, globs, n);
		glob[n] = '\0';
		if (str_glob(glob, name))
			return true;
		if (comma == NULL)
			return false;
		globs = comma + 1;
	}
}

static void run_one(const struct test *t, unsigned number, struct test_stats *stats)
{
	failed = skipped = false;
	test_reseed(seed);
	t->run();
	lock_check_none_held(t->name);
	if (failed) {
		stats->failed++;
		print("not ok %u %s # %s, SEED=%lu\n", number, t->name, t->file, seed);
	} else if (skipped) {
		stats->skipped++;
		print("ok %u %s # SKIP %s\n", number, t->name, skip_reason);
	} else {
		stats->passed++;
		print("ok %u %s\n", number, t->name);
	}
}

struct test_stats test_run_all(const char *globs)
{
	struct test_stats stats = { 0 };
	unsigned count = 0, number = 0;

	for (const struct test *t = __start_tests; t < __stop_tests; t++)
		count += matches(globs, t->name);
	print("KTAP version 1\n1..%u\n", count);
	for (const struct test *t = __start_tests; t < __stop_tests; t++)
		if (matches(globs, t->name))
			run_one(t, ++number, &stats);
	test_at_end();
	print("%u passed, %u failed, %u skipped\n", stats.passed, stats.failed, stats.skipped);
	return stats;
}
