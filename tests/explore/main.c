/* SPDX-License-Identifier: MIT */
/*
 * main.c - explore [GLOBS]: scenarios by name, results as KTAP.
 *
 * SEED=text  follow one schedule, as a failure prints it, and print a trace
 * LIMIT=n    max executions of a scenario
 * BOUND=n    max preemptions, instead of the scenarios' own
 * ALL=1      explore known states again: takes long, and must find as many states
 */
#include "tests/explore/engine.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/panic.h"
#include "lib/string.h"

enum {
	LIMIT = 150000,
	GLOB_BYTES = 128,
};

extern const struct explore_scenario __start_explore[], __stop_explore[];

struct stats {
	unsigned passed, failed;
};

static bool matches(const char *globs, const char *name)
{
	char glob[GLOB_BYTES];

	for (;;) {
		const char *comma = strchr(globs, ',');
		size_t n = comma == NULL ? strlen(globs) : (size_t)(comma - globs);

		snprintf(glob, sizeof(glob), "%.*s", (int)n, globs);
		if (str_glob(glob, name))
			return true;
		if (comma == NULL)
			return false;
		globs = comma + 1;
	}
}

static uint64_t number_of(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);

	return text == NULL || *text == '\0' ? otherwise : strtoull(text, NULL, 0);
}

static void fail_by_panic(const char *message)
{
	explore_fail("panic: %s", message);
}

static void prepare(const struct explore_scenario *s)
{
	memory_drop();
	trace_drop_names();
	machine_reset();
	task_prepare(s);
	engine.current = -1;
	engine.as = 0;
	engine.set_up = engine.inside = false;
	if (s->setup != NULL)
		s->setup();
	engine.set_up = engine.inside = true;
	memory_keep();
}

static unsigned cpus_of(const struct explore_scenario *s)
{
	unsigned cpus = 0;

	for (unsigned i = 0; i < EXPLORE_TASKS && s->task[i].run != NULL; i++)
		if (s->task[i].cpu >= cpus)
			cpus = s->task[i].cpu + 1;
	return cpus;
}

static bool failure_has(const char *text)
{
	char glob[GLOB_BYTES];

	snprintf(glob, sizeof(glob), "*%s*", text);
	return str_glob(glob, engine.failure);
}

/* Whether the failure is the one that the scenario must find; prints any other. */
static bool failure_is_wanted(const struct explore_scenario *s, const struct search_result *r)
{
	bool wanted = search_replay(s, r->schedule, REPLAY_QUIETLY) && s->must_find != NULL &&
		      failure_has(s->must_find);

	if (wanted)
		return true;
	(void)search_replay(s, r->schedule, REPLAY_TRACED);
	printf("# %s\n# make explore T=%s SEED=%s, %u preemptions\n", engine.failure, s->name,
	       r->schedule, r->bound);
	return false;
}

static bool explore(const struct explore_scenario *s)
{
	static const char *const ends[] = { "complete", "limit hit", "failed" };
	uint64_t bound = number_of("BOUND", s->bound == 0 ? EXPLORE_BOUND : s->bound);
	struct search_result r = search_run(s, (unsigned)bound, number_of("LIMIT", LIMIT));
	bool good = r.end == SEARCH_FAILED ? failure_is_wanted(s, &r) : s->must_find == NULL;

	if (r.end != SEARCH_FAILED && !good)
		printf("# the scenario has a bug that was not found: %s\n", s->must_find);
	printf("# explored (%u CPUs, bound %u, %lu executions, %lu states, %s)\n", cpus_of(s),
	       r.bound, r.executions, r.states,
	       r.end == SEARCH_FAILED && good ? "found the expected failure" : ends[r.end]);
	return good;
}

/* Runs one schedule of it; true if it does not fail. */
static bool replay(const struct explore_scenario *s, const char *schedule)
{
	bool fails = search_replay(s, schedule, REPLAY_TRACED);

	printf("# %s\n", fails ? engine.failure : "this schedule does not fail");
	return !fails;
}

/* The schedule in SEED, or NULL: the plain numbers of other test programs are not schedules. */
static const char *schedule_given(void)
{
	const char *seed = getenv("SEED");
	const char *s = seed;

	while (s != NULL && *s >= '0' && *s <= '9')
		s++;
	return s == NULL || *s == '\0' ? NULL : seed;
}

static void run(const struct explore_scenario *s, unsigned number, struct stats *t)
{
	const char *schedule = schedule_given();
	bool good;

	prepare(s);
	good = schedule != NULL ? replay(s, schedule) : explore(s);
	memory_undo(UNDO_SETUP);
	t->passed += good;
	t->failed += !good;
	printf("%s %u %s\n", good ? "ok" : "not ok", number, s->name);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const char *globs = argc > 1 ? argv[1] : "*";
	struct stats t = { 0 };
	unsigned count = 0, number = 0;

	engine.inside = true;
	engine.all = number_of("ALL", 0) != 0;
	trace_init();
	panic_set_handler(fail_by_panic);
	for (const struct explore_scenario *s = __start_explore; s < __stop_explore; s++)
		count += matches(globs, s->name);
	printf("KTAP version 1\n1..%u\n", count);
	for (const struct explore_scenario *s = __start_explore; s < __stop_explore; s++)
		if (matches(globs, s->name))
			run(s, ++number, &t);
	printf("%u passed, %u failed, 0 skipped\n", t.passed, t.failed);
	return t.failed == 0 && t.passed != 0 ? 0 : 1;
}
