/* SPDX-License-Identifier: MIT */
/* race.c - race detection; engine.h defines a race. */
#include "tests/explore/engine.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	GRANULES = 1 << 18, /* a power of two */
	GRANULE = 8,        /* bytes per granule */
	RECORDS_MAX = 1 << 20,
	NO_RECORD = -1,
};

struct record {
	uint8_t task, mask;
	bool writes, plain;
	uint32_t epoch;
	int next;
	const void *pc;
};

struct granule {
	uintptr_t at;
	uint32_t execution;
	int first;
};

static struct granule granules[GRANULES];
static unsigned granule_count;
static struct record records[RECORDS_MAX];
static int record_count;

static struct granule *granule_of(uintptr_t at)
{
	unsigned i = (unsigned)mix(at, 0) % GRANULES;

	while (granules[i].at != at && granules[i].at != 0)
		i = (i + 1) % GRANULES;
	if (granules[i].at == 0) {
		if (++granule_count > GRANULES / 2) {
			fprintf(stderr, "explore: too much memory is used\n");
			exit(1);
		}
		granules[i].at = at;
	}
	if (granules[i].execution != engine.execution) {
		granules[i].execution = engine.execution;
		granules[i].first = NO_RECORD;
	}
	return &granules[i];
}

static const char *access_name(const struct record *r)
{
	if (r->plain)
		return r->writes ? "writes" : "reads";
	return r->writes ? "atomically writes" : "atomically reads";
}

static void fail(const struct record *was, const struct record *now, uintptr_t granule)
{
	unsigned at = (unsigned)__builtin_ctz(was->mask & now->mask);
	char place[128], first[128], second[128];

	snprintf(place, sizeof(place), "%s", trace_address(granule + at));
	snprintf(first, sizeof(first), "%s", trace_address((uintptr_t)was->pc));
	snprintf(second, sizeof(second), "%s", trace_address((uintptr_t)now->pc));
	explore_fail("race on %s: %s %s it in %s and %s %s it in %s, neither before the other",
		     place, engine.task[was->task].what.name, access_name(was), first,
		     engine.task[now->task].what.name, access_name(now), second);
}

static bool conflict(const struct record *was, const struct record *now)
{
	const struct task *t = task_now();
	bool one_cpu = engine.task[was->task].what.cpu == t->what.cpu;

	return (was->mask & now->mask) != 0 && was->task != now->task &&
	       (was->writes || now->writes) && (was->plain || now->plain) &&
	       (one_cpu ? t->clock.strict : t->clock.of)[was->task] < was->epoch;
}

static void granule_access(uintptr_t at, struct record now)
{
	struct granule *g = granule_of(at);
	struct record *same = NULL;

	for (int i = g->first; i != NO_RECORD; i = records[i].next) {
		struct record *r = &records[i];

		if (conflict(r, &now))
			fail(r, &now, at);
		if (r->task == now.task && r->mask == now.mask && r->writes == now.writes &&
		    r->plain == now.plain)
			same = r;
	}
	if (same != NULL) {
		same->epoch = now.epoch;
		same->pc = now.pc;
		return;
	}
	if (record_count == RECORDS_MAX) {
		fprintf(stderr, "explore: an execution uses too much memory\n");
		exit(1);
	}
	now.next = g->first;
	g->first = record_count;
	records[record_count++] = now;
}

void race_check(uintptr_t at, size_t size, struct race_access a)
{
	struct record now = {
		.task = (uint8_t)engine.current,
		.writes = a.writes,
		.plain = a.plain,
		.epoch = task_now()->clock.of[engine.current],
		.pc = a.pc,
	};
	uintptr_t end = at + size;

	while (at < end) {
		uintptr_t granule = at & ~(uintptr_t)(GRANULE - 1);
		uintptr_t stop = granule + GRANULE < end ? granule + GRANULE : end;

		now.mask = (uint8_t)(((1u << (stop - at)) - 1) << (at - granule));
		granule_access(granule, now);
		at = stop;
	}
}

void race_begin(void)
{
	record_count = 0;
}
