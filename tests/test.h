/* SPDX-License-Identifier: MIT */
/*
 * test.h - unit tests that run on the host and in the kernel.
 *
 *   TEST(zone_merges_to_the_top)
 *   {
 *           CHECK_EQ(zone_free_frames(&z), 512);
 *   }
 *
 * TEST puts a record into the section `tests`; the host's main (tests/host_main.c) and the kernel's
 * runner (tests/kernel/ktest.c) walk the section, so a test file only needs to be linked.  A name
 * reads like a sentence; a test of an audit finding starts with `audit_` and its identifier:
 * audit_mem_01_overlaps_are_merged.  Order differs between compilers: tests must not depend on each
 * other.
 *
 * A failed CHECK records the failure and continues; a failed NEED returns from the test.
 * test_panics() runs code that must panic with a message that contains a text.
 */
#pragma once

#include "lib/bits.h"
#include "lib/print.h"
#include "lib/types.h"

struct test {
	const char *name;
	const char *file;
	void (*run)(void);
};

#define TEST(test_name)                                                                            \
	static void test_name(void);                                                               \
	static const struct test test_record_##test_name __used_in("tests")                        \
		__attribute__((aligned(8))) = { #test_name, __FILE__, test_name };                 \
	static void test_name(void)

void test_fail(const char *file, int line, const char *format, ...) __printf(3, 4);

/* Reports why a test does not apply here; the test then returns. */
void test_skip(const char *format, ...) __printf(1, 2);

/* Prints a diagnostic line ("# ..."). */
void test_diag(const char *format, ...) __printf(1, 2);

/* Deterministic random numbers; the seed is printed by the runner and set with SEED=. */
uint64_t test_random(void);
uint64_t test_random_below(uint64_t n); /* n > 0 */

/* For concurrent threads with their own generators: returns the next number, which is also the
 * next state.  Never 0.  xorshift64: Marsaglia 2003. */
static inline uint64_t test_random_of(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}
uint64_t test_seed(void);
void test_reseed(uint64_t seed);

/* Reads a whole file of shared test data, by its path below the data folder; NULL when the
 * folder or the file does not exist.  The bytes stay until the process ends.  Host only. */
const uint8_t *test_data(const char *path, size_t *len);
/* The names in a folder of the data, '\n' separated; NULL when it does not exist.  Host only. */
const char *test_data_list(const char *folder);

/* Runs fn(arg); returns true when it ended in a panic whose message contains `text`.  fn must
 * hold no lock when it panics. */
bool test_panics(void (*fn)(void *arg), void *arg, const char *text);

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x))                                                                          \
			test_fail(__FILE__, __LINE__, "%s", #x);                                   \
	} while (0)

#define NEED(x)                                                                                    \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			test_fail(__FILE__, __LINE__, "%s", #x);                                   \
			return;                                                                    \
		}                                                                                  \
	} while (0)

#define CHECK_EQ(a, b)                                                                             \
	do {                                                                                       \
		uint64_t check_a_ = (uint64_t)(a), check_b_ = (uint64_t)(b);                       \
		if (check_a_ != check_b_)                                                          \
			test_fail(__FILE__, __LINE__, "%s = %#lx, expected %s = %#lx", #a,         \
				  check_a_, #b, check_b_);                                         \
	} while (0)

#define CHECK_STR(a, b)                                                                            \
	do {                                                                                       \
		const char *check_a_ = (a), *check_b_ = (b);                                       \
		if (strcmp(check_a_, check_b_) != 0)                                               \
			test_fail(__FILE__, __LINE__, "%s = \"%s\", expected \"%s\"", #a,          \
				  check_a_, check_b_);                                             \
	} while (0)

/* The runner: runs every test whose name matches a glob of the comma-separated list, prints KTAP
 * 1, and counts. */
struct test_stats {
	unsigned passed, failed, skipped;
};
struct test_stats test_run_all(const char *globs);

/* Supplied by the host and the kernel: prints diagnostics about all tests, before the summary. */
void test_at_end(void);
