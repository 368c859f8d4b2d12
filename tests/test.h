/* SPDX-License-Identifier: MIT */
/*
 * test.h - one idiom, two homes.
 *
 *   TEST(zone_merges_to_the_top)
 *   {
 *           CHECK_EQ(zone_free_frames(&z), 512);
 *   }
 *
 * TEST puts a record into the section `tests`; the host's main (tests/host_main.c)
 * and the kernel's runner (tests/kernel/ktest.c) walk the section, so a test file is linked
 * into either without being named anywhere.  A name is a sentence; a test of an audit
 * finding starts with `audit_` and its identifier: audit_mem_01_overlaps_are_merged.
 * Order differs between compilers: no test may depend on another.
 *
 * A failed CHECK records the failure and goes on; a failed NEED leaves the test.
 * test_panics() runs what must end in a panic whose message holds a text.
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

/* Say why a test does not apply here, then return from it. */
void test_skip(const char *format, ...) __printf(1, 2);

/* A line of diagnosis in the log ("# ..."). */
void test_diag(const char *format, ...) __printf(1, 2);

/* Deterministic random numbers; the seed is printed by the runner and set with SEED=. */
uint64_t test_random(void);
uint64_t test_random_below(uint64_t n); /* n > 0 */

/* For who has a generator of its own, threads that run side by side: the next number, which is also
 * the next state.  Never 0.  xorshift64: Marsaglia 2003. */
static inline uint64_t test_random_of(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}
uint64_t test_seed(void);
void test_reseed(uint64_t seed);

/* A file of shared test data, read whole, by its path below the data folder; NULL when the
 * folder or the file is not there.  The bytes live until the process ends.  Host only. */
const uint8_t *test_data(const char *path, size_t *len);
/* The names in a folder of the data, '\n' separated; NULL when it is not there.  Host only. */
const char *test_data_list(const char *folder);

/* Run fn(arg) and return true when it ended in a panic whose message contains `text`.
 * No lock may be held by fn when it panics. */
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

/* The runner, shared by both homes: run every test whose name matches a glob of the
 * comma-separated list, print KTAP 1, and count. */
struct test_stats {
	unsigned passed, failed, skipped;
};
struct test_stats test_run_all(const char *globs);

/* Supplied by each machine: markers about all tests together, before their sum. */
void test_at_end(void);
