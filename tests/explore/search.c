/* SPDX-License-Identifier: MIT */
/* search.c - depth-first search over choices, with a cache of states; given schedules. */
#include "tests/explore/engine.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	DEPTH_MAX = 1 << 18,  /* choices of an execution */
	STEPS_RECORDED = 256, /* choices of an execution that are not the first option */
	SEEN_FIRST = 1 << 16,
};

struct choice {
	uint8_t options, pick;
};

/* A choice that was not the first option: the nth choice of a step, from 0. */
struct deviation {
	unsigned step, nth;
	char letter;
	unsigned number;
};

struct seen {
	uint64_t key;
	uint8_t used;
};

static struct {
	struct choice choice[DEPTH_MAX];
	unsigned depth, length; /* choices made in this execution; choices that are fixed */
	unsigned bound, used;   /* preemptions */
	bool again, pruned;
	unsigned step, nth; /* of the current choice */
	struct deviation taken[STEPS_RECORDED];
	unsigned takens;
	/* a schedule to follow */
	bool following;
	struct deviation given[STEPS_RECORDED];
	unsigned givens, next;
	/* open addressing, key 0: free */
	struct seen *seen;
	uint64_t room, states;
} search;

/* ---- states seen ---- */

static struct seen *seen_find(uint64_t key)
{
	uint64_t i = key & (search.room - 1);

	while (search.seen[i].key != key && search.seen[i].key != 0)
		i = (i + 1) & (search.room - 1);
	return &search.seen[i];
}

static void seen_clear(void)
{
	free(search.seen);
	search.room = SEEN_FIRST;
	search.states = 0;
	search.seen = calloc(search.room, sizeof(struct seen));
}

static void seen_grow(void)
{
	struct seen *old = search.seen;
	uint64_t room = search.room;

	search.room *= 2;
	search.seen = calloc(search.room, sizeof(struct seen));
	if (search.seen == NULL) {
		fprintf(stderr, "explore: no memory for states\n");
		exit(1);
	}
	for (uint64_t i = 0; i < room; i++)
		if (old[i].key != 0)
			*seen_find(old[i].key) = old[i];
	free(old);
}

static uint64_t state_key(unsigned phase)
{
	uint64_t key = mix(engine.signature, (uint64_t)(engine.current + 1) << 8 | phase);

	for (unsigned i = 0; i < engine.tasks; i++)
		key = mix(key, engine.task[i].history);
	return key == 0 ? 1 : key;
}

/* Whether this state was seen with no more preemptions spent; records it if not. */
static bool seen_before(unsigned phase)
{
	uint64_t key = state_key(phase);
	struct seen *s = seen_find(key);

	if (s->key == key && s->used <= search.used)
		return !engine.all;
	if (s->key == 0) {
		s->key = key;
		search.states++;
	}
	s->used = (uint8_t)search.used;
	if (search.states > search.room / 2)
		seen_grow();
	return false;
}

/* ---- schedules as text: "17t1,25.2f0": at step 17 task 1, at step 25, thirdly, CPU 0's buffer
 * ---- */

static char option_letter(const struct option *o, unsigned phase)
{
	if (phase == 0)
		return (char)o->kind;
	return o->kind == OPTION_RUN ? 'w' : 'g'; /* stores wait, or proceed */
}

static void record_taken(const struct option *o, unsigned phase)
{
	if (search.takens < STEPS_RECORDED)
		search.taken[search.takens++] = (struct deviation){ search.step, search.nth,
								    option_letter(o, phase),
								    o->number };
}

static void schedule_print(char *to, size_t room)
{
	size_t at = 0;

	snprintf(to, room, "-");
	for (unsigned i = 0; i < search.takens && at < room; i++) {
		const struct deviation *d = &search.taken[i];

		at += (size_t)snprintf(to + at, room - at, "%s%u", i == 0 ? "" : ",", d->step);
		if (d->nth != 0 && at < room)
			at += (size_t)snprintf(to + at, room - at, ".%u", d->nth);
		if (at < room)
			at += (size_t)snprintf(to + at, room - at, "%c%u", d->letter, d->number);
	}
}

/* Parses one deviation at the start of the text; returns its end, or NULL. */
static const char *deviation_read(const char *text, struct deviation *d)
{
	int used = 0;

	*d = (struct deviation){ .step = 0 };
	if (sscanf(text, "%u%n", &d->step, &used) != 1)
		return NULL;
	text += used;
	if (*text == '.' && sscanf(text, ".%u%n", &d->nth, &used) == 1)
		text += used;
	if (sscanf(text, "%c%u%n", &d->letter, &d->number, &used) != 2)
		return NULL;
	text += used;
	return *text == ',' ? text + 1 : text;
}

static bool schedule_read(const char *text)
{
	search.givens = search.next = 0;
	if (text[0] == '-' && text[1] == '\0')
		return true;
	while (text != NULL && *text != '\0' && search.givens < STEPS_RECORDED)
		text = deviation_read(text, &search.given[search.givens++]);
	return text != NULL;
}

/* Numbers the current choice. */
static void count_choice(void)
{
	search.nth = search.step == engine.step ? search.nth + 1 : 0;
	search.step = engine.step;
}

static unsigned follow(const struct option *options, unsigned n, unsigned phase)
{
	const struct deviation *d = &search.given[search.next];

	if (search.next == search.givens || d->step != search.step || d->nth != search.nth)
		return 0;
	for (unsigned i = 0; i < n; i++)
		if (option_letter(&options[i], phase) == d->letter &&
		    options[i].number == d->number) {
			search.next++;
			return i;
		}
	return 0;
}

/* ---- choices ---- */

static void leave_pruned(void)
{
	search.pruned = true;
	task_end(NULL);
}

static unsigned within_bound(const struct option *options, unsigned n, unsigned *index)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < n; i++)
		if (search.used + options[i].cost <= search.bound)
			index[kept++] = i;
	return kept;
}

unsigned search_choose(const struct option *options, unsigned n, unsigned phase)
{
	unsigned index[TASKS_MAX + EXPLORE_CPUS + 1], kept, pick = 0;

	if (n > 1)
		count_choice();
	if (search.following)
		return n > 1 ? follow(options, n, phase) : 0;
	kept = within_bound(options, n, index);
	if (kept == 1)
		return index[0];
	if (search.depth < search.length) {
		pick = search.choice[search.depth].pick;
	} else {
		if (seen_before(phase))
			leave_pruned();
		if (search.depth == DEPTH_MAX)
			explore_fail("still running after %u choices", search.depth);
		search.choice[search.depth] = (struct choice){ (uint8_t)kept, 0 };
		search.length = search.depth + 1;
	}
	search.depth++;
	search.used += options[index[pick]].cost;
	if (index[pick] != 0)
		record_taken(&options[index[pick]], phase);
	return index[pick];
}

void search_again(void)
{
	if (!search.following) {
		search.again = true;
		leave_pruned();
	}
}

/* ---- executions ---- */

static void check_end(const struct explore_scenario *s)
{
	if (_setjmp(engine.leave) != 0)
		return;
	engine.current = -1;
	engine.as = 0;
	engine.inside = false;
	s->check();
	engine.inside = true;
}

/* True: it failed. */
static bool execute(const struct explore_scenario *s)
{
	search.depth = search.used = search.takens = 0;
	search.step = UINT32_MAX;
	search.again = search.pruned = false;
	engine.failure[0] = '\0';
	memory_begin();
	task_begin();
	if (_setjmp(engine.leave) == 0)
		task_run_all();
	engine.current = -1;
	if (!search.pruned && engine.failure[0] == '\0' && s->check != NULL)
		check_end(s);
	engine.current = -1;
	memory_undo(UNDO_EXECUTION);
	return engine.failure[0] != '\0';
}

static bool next_choice(void)
{
	while (search.length > 0 && search.choice[search.length - 1].pick + 1 >=
					    search.choice[search.length - 1].options)
		search.length--;
	if (search.length == 0)
		return false;
	search.choice[search.length - 1].pick++;
	return true;
}

/* Searches all schedules with at most `bound` preemptions. */
static void search_bound(const struct explore_scenario *s, unsigned bound, uint64_t limit,
			 struct search_result *r)
{
	bool more = true;

	search.bound = r->bound = bound;
	search.length = 0;
	seen_clear();
	r->end = SEARCH_COMPLETE;
	while (more) {
		if (r->executions == limit) {
			r->end = SEARCH_LIMIT;
			break;
		}
		r->executions++;
		if (execute(s)) {
			r->end = SEARCH_FAILED;
			schedule_print(r->schedule, sizeof(r->schedule));
			break;
		}
		if (search.again) {
			search.length = 0;
			seen_clear();
			continue;
		}
		more = next_choice();
	}
	r->states = search.states;
}

struct search_result search_run(const struct explore_scenario *s, unsigned bound, uint64_t limit)
{
	struct search_result r = { .executions = 0 };

	search.following = false;
	for (unsigned b = 0; b <= bound; b++) {
		search_bound(s, b, limit, &r);
		if (r.end != SEARCH_COMPLETE)
			break;
	}
	return r;
}

bool search_replay(const struct explore_scenario *s, const char *schedule, enum replay how)
{
	bool failed;

	if (!schedule_read(schedule)) {
		fprintf(stderr, "explore: '%s' is not a schedule\n", schedule);
		exit(1);
	}
	search.following = engine.naming = true;
	engine.tracing = how == REPLAY_TRACED;
	failed = execute(s);
	search.following = engine.naming = engine.tracing = false;
	return failed;
}
