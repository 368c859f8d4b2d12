/* SPDX-License-Identifier: MIT */
/* ktest.c - the kernel's part of the test runner, and the monitor's `test`. */
#include "arch/arch.h"
#include "kern/cpu.h"
#include "kern/thread.h"
#include "lib/panic.h"
#include "lib/print.h"
#include "lib/string.h"
#include "lib/symbols.h"
#include "monitor/command.h"
#include "monitor/cpu_report.h"
#include "tests/test.h"

void ktest_exit(const char *globs, uint64_t seed) __noreturn;

/* For __builtin_setjmp: frame pointer, resume address, stack pointer and two spare words. */
static void *panic_return[5];
static const char *panic_text;
static bool panic_matched;

static void catch_panic(const char *message)
{
	const char *m = message;

	panic_matched = false;
	for (; *m != '\0' && !panic_matched; m++)
		panic_matched = strncmp(m, panic_text, strlen(panic_text)) == 0;
	__builtin_longjmp(panic_return, 1);
}

static __noinline void run_guarded(void (*fn)(void *arg), void *arg)
{
	if (__builtin_setjmp(panic_return) == 0)
		fn(arg);
}

bool test_panics(void (*fn)(void *arg), void *arg, const char *text)
{
	panic_handler_t old = panic_set_handler(catch_panic);
	bool was_off = arch_irq_is_off();

	panic_text = text;
	panic_matched = false;
	run_guarded(fn, arg);
	panic_set_handler(old);
	arch_irq_off_restart();
	if (!was_off)
		arch_irq_on();
	return panic_matched;
}

const uint8_t *test_data(const char *path, size_t *len)
{
	(void)path;
	*len = 0;
	return NULL;
}

const char *test_data_list(const char *folder)
{
	(void)folder;
	return NULL;
}

/* For tools/bound.py: each pair of places. */
static void print_irq_off_sites(void)
{
	struct arch_irq_off site;

	for (unsigned i = 0; arch_irq_off_site(i, &site); i++) {
		char from[SYMBOL_TEXT_BYTES], to[SYMBOL_TEXT_BYTES];

		symbols_format_return(site.from, from, sizeof(from));
		symbols_format_return(site.to, to, sizeof(to));
		print("# irq-off %lu %s %s\n", site.ticks, from, to);
	}
}

void test_at_end(void)
{
	print_irq_off_sites();
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
		char text[CPU_OFF_TEXT_BYTES];

		cpu_describe_longest_off(cpu, text, sizeof(text));
		test_diag("CPU %u: interrupts off for at most %s", cpu, text);
	}
}

void ktest_exit(const char *globs, uint64_t seed)
{
	struct test_stats t;

	/* so that a test stays on the CPU that it reads; the first CPU is always online */
	(void)thread_pin(0);
	test_reseed(seed);
	t = test_run_all(globs[0] == '\0' ? "*" : globs);
	arch_exit(t.failed == 0 ? ARCH_EXIT_PASS : ARCH_EXIT_FAIL);
}

COMMAND(test, "[GLOB]", "run the in-kernel tests that match")
{
	test_reseed(test_seed());
	(void)test_run_all(argc > 1 ? argv[1] : "*");
}
