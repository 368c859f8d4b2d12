/* SPDX-License-Identifier: MIT */
/* memory.c - memory accesses; engine.h defines the machine and the order. */
#include "tests/explore/engine.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	LOCATIONS = 1 << 15, /* powers of two */
	UNDO_MAX = 1 << 20,
	SET_MAX = 128,
};

struct engine engine = { .current = -1 };

extern char __start_explore_model[] __attribute__((weak));
extern char __stop_explore_model[] __attribute__((weak));

/* ---- bytes ---- */

static uint64_t bytes_read(uintptr_t at, unsigned size)
{
	switch (size) {
	case 1: return *(volatile uint8_t *)at;
	case 2: return *(volatile uint16_t *)at;
	case 4: return *(volatile uint32_t *)at;
	default: return *(volatile uint64_t *)at;
	}
}

static void bytes_write(uintptr_t at, unsigned size, uint64_t value)
{
	switch (size) {
	case 1: *(volatile uint8_t *)at = (uint8_t)value; break;
	case 2: *(volatile uint16_t *)at = (uint16_t)value; break;
	case 4: *(volatile uint32_t *)at = (uint32_t)value; break;
	default: *(volatile uint64_t *)at = value; break;
	}
}

/* ---- undo ---- */

struct undo {
	uintptr_t at;
	uint64_t old;
	uint8_t size;
};

static struct undo undo[UNDO_MAX];
static unsigned undos, setup_undos;

static void undo_record(uintptr_t at, unsigned size)
{
	if (undos == UNDO_MAX) {
		fprintf(stderr, "explore: an execution writes too much\n");
		exit(1);
	}
	undo[undos++] = (struct undo){ at, bytes_read(at, size), (uint8_t)size };
}

static void undo_record_range(uintptr_t at, size_t size)
{
	while (size > 0) {
		unsigned n = size >= 8 ? 8 : size >= 4 ? 4 : size >= 2 ? 2 : 1;

		undo_record(at, n);
		at += n;
		size -= n;
	}
}

void memory_keep(void)
{
	setup_undos = undos;
}

void memory_undo(enum undo_what what)
{
	while (undos > (what == UNDO_EXECUTION ? setup_undos : 0)) {
		undos--;
		bytes_write(undo[undos].at, undo[undos].size, undo[undos].old);
	}
}

/* ---- locations ---- */

static struct location locations[LOCATIONS];
static unsigned location_count;

static struct location *location_of(uintptr_t at)
{
	uintptr_t grain = at & ~(uintptr_t)(GRAIN - 1);
	unsigned i = (unsigned)mix(grain, 0) % LOCATIONS;

	while (locations[i].at != grain && locations[i].at != 0)
		i = (i + 1) % LOCATIONS;
	if (locations[i].at == 0) {
		if (++location_count > LOCATIONS / 2) {
			fprintf(stderr, "explore: too many locations\n");
			exit(1);
		}
		locations[i].at = grain;
	}
	if (locations[i].execution != engine.execution) {
		locations[i].execution = engine.execution;
		locations[i].writer = 0;
		locations[i].release = (struct clock){ .of = { 0 } };
		locations[i].head = NO_TASK;
	}
	return &locations[i];
}

static unsigned grains_of(uintptr_t at, unsigned size)
{
	return (unsigned)((at + size - 1) / GRAIN - at / GRAIN + 1);
}

void memory_drop(void)
{
	for (unsigned i = 0; i < LOCATIONS; i++)
		locations[i] = (struct location){ .at = 0 };
	location_count = 0;
}

static bool is_shared(const struct location *l)
{
	uint32_t all = l->readers | l->writers;

	return l->writers != 0 && (all & (all - 1)) != 0;
}

bool memory_is_shared(const struct access *a)
{
	uint32_t me = UINT32_C(1) << engine.current;
	bool shared = false, grew = false;

	for (unsigned i = 0; a->at != 0 && i < grains_of(a->at, a->size); i++) {
		struct location *l = location_of(a->at + i * GRAIN);
		bool before = is_shared(l);

		l->readers |= me;
		if (a->kind != ACCESS_LOAD)
			l->writers |= me;
		shared |= is_shared(l);
		grew |= is_shared(l) && !before;
	}
	if (grew)
		search_again();
	return shared;
}

/* ---- plain accesses ---- */

static bool is_model(uintptr_t at)
{
	return at >= (uintptr_t)__start_explore_model && at < (uintptr_t)__stop_explore_model;
}

void memory_plain(uintptr_t at, size_t size, enum plain_kind kind, const void *pc)
{
	const struct task *t;
	const struct cpu *c;

	if (engine.current < 0) {
		if (kind == PLAIN_WRITE)
			undo_record_range(at, size);
		return;
	}
	t = task_now();
	if (at - (uintptr_t)t->stack < STACK_BYTES)
		return;
	if (kind == PLAIN_WRITE) {
		undo_record_range(at, size);
		task_now()->wrote = true;
	}
	if (is_model(at))
		return;
	/* a plain access to a location that this CPU stored to atomically before: keep the order */
	c = cpu_now();
	for (unsigned i = 0; i < c->buffered; i++)
		if (c->buffer[i].at < at + size && at < c->buffer[i].at + c->buffer[i].size)
			while (c->buffered != 0)
				memory_commit_one(t->what.cpu);
	race_check(at, size, (struct race_access){ kind == PLAIN_WRITE, true, pc });
}

/* ---- order ---- */

static void clock_tick(unsigned task)
{
	engine.task[task].clock.of[task]++;
	engine.task[task].clock.strict[task]++;
}

void memory_continue(unsigned first, unsigned second)
{
	const struct clock *before = &engine.task[first].clock;
	struct clock *c = &engine.task[second].clock;

	for (unsigned i = 0; i < TASKS_MAX; i++)
		c->of[i] = c->of[i] > before->of[i] ? c->of[i] : before->of[i];
	clock_tick(first);
}

void memory_release_to(struct clock *lock)
{
	clock_join(lock, &task_now()->clock);
	clock_tick((unsigned)engine.current);
}

void memory_acquire_from(const struct clock *lock)
{
	clock_join(&task_now()->clock, lock);
}

static bool acquires(int order)
{
	return order == __ATOMIC_ACQUIRE || order == __ATOMIC_CONSUME ||
	       order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

static bool releases(int order)
{
	return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

static void order_read(const struct location *l, int order)
{
	struct task *t = task_now();

	clock_join(acquires(order) ? &t->clock : &t->acquired, &l->release);
}

/* The clock that a write releases, in addition to that of the write before it; a release ends
 * the writer's epoch. */
static struct clock order_write(int order)
{
	struct task *t = task_now();
	struct clock c = releases(order) ? t->clock : t->fenced;

	if (releases(order))
		clock_tick((unsigned)engine.current);
	return c;
}

/* A relaxed store continues the release sequence of the same task. */
static void continue_release(struct buffered *b)
{
	const struct cpu *c = cpu_now();
	const struct location *l = location_of(b->at);
	const struct clock *before = l->head == engine.current ? &l->release : NULL;

	for (unsigned i = 0; i < c->buffered; i++)
		if (c->buffer[i].at == b->at)
			before = c->buffer[i].head == engine.current ? &c->buffer[i].release : NULL;
	b->head = before == NULL ? NO_TASK : engine.current;
	if (before != NULL)
		clock_join(&b->release, before);
}

/* ---- writes that reach memory ---- */

static uint64_t location_term(const struct location *l)
{
	return l->writer == 0 ? 0 : mix(l->at, l->writer);
}

static void reach_memory(uintptr_t at, unsigned size, uint64_t value, uint64_t history)
{
	undo_record(at, size);
	engine.changes += bytes_read(at, size) != value;
	bytes_write(at, size, value);
	for (unsigned i = 0; i < grains_of(at, size); i++) {
		struct location *l = location_of(at + i * GRAIN);

		engine.signature -= location_term(l);
		l->writer = size < GRAIN ? mix(history, l->writer) : history;
		engine.signature += location_term(l);
	}
}

void memory_commit_one(unsigned cpu)
{
	struct cpu *c = &engine.cpu[cpu];
	struct buffered b = c->buffer[0];

	for (unsigned i = 1; i < c->buffered; i++)
		c->buffer[i - 1] = c->buffer[i];
	c->buffered--;
	engine.signature -= mix(cpu + 1, b.history);
	reach_memory(b.at, b.size, b.value, b.history);
	for (unsigned i = 0; i < grains_of(b.at, b.size); i++) {
		location_of(b.at + i * GRAIN)->release = b.release;
		location_of(b.at + i * GRAIN)->head = b.head;
	}
	trace_event(NULL, "      (cpu %u: the store of %#lx to %s reaches memory)", cpu, b.value,
		    trace_address(b.at));
}

static void commit_own(void)
{
	while (cpu_now()->buffered != 0)
		memory_commit_one(task_now()->what.cpu);
}

/* ---- stores that may leave the buffers ---- */

struct set {
	uintptr_t grain[SET_MAX];
	unsigned n;
};

static bool set_has(const struct set *s, uintptr_t at, unsigned size)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->grain[i] >= at / GRAIN && s->grain[i] <= (at + size - 1) / GRAIN)
			return true;
	return false;
}

static void set_add(struct set *s, uintptr_t at, unsigned size)
{
	for (uintptr_t g = at / GRAIN; g <= (at + size - 1) / GRAIN; g++)
		if (!set_has(s, g * GRAIN, 1) && s->n < SET_MAX)
			s->grain[s->n++] = g;
}

/* CPUs with an entry in the set; adds the entries that must leave before such an entry. */
static unsigned set_close(struct set *s)
{
	unsigned before, cpus = 0;

	do {
		before = s->n;
		for (unsigned k = 0; k < EXPLORE_CPUS; k++) {
			const struct cpu *c = &engine.cpu[k];
			int last = (int)c->buffered - 1;

			while (last >= 0 && !set_has(s, c->buffer[last].at, c->buffer[last].size))
				last--;
			if (last >= 0)
				cpus |= 1u << k;
			for (; last >= 0; last--)
				set_add(s, c->buffer[last].at, c->buffer[last].size);
		}
	} while (s->n != before);
	return cpus;
}

static bool buffers_are_empty(void)
{
	for (unsigned k = 0; k < EXPLORE_CPUS; k++)
		if (engine.cpu[k].buffered != 0)
			return false;
	return true;
}

/* Whether the CPU's own buffer holds every byte. */
static bool is_forwarded(const struct cpu *c, uintptr_t at, unsigned size)
{
	for (unsigned i = 0; i < c->buffered; i++)
		if (c->buffer[i].at <= at && at + size <= c->buffer[i].at + c->buffer[i].size)
			return true;
	return false;
}

unsigned memory_conflicts(const struct access *a)
{
	const struct cpu *c = cpu_now();
	unsigned self = 1u << task_now()->what.cpu, cpus;
	struct set s = { .n = 0 };

	if (buffers_are_empty() || a->kind == ACCESS_STORE ||
	    (a->kind == ACCESS_LOAD && is_forwarded(c, a->at, a->size)))
		return 0;
	if (a->at != 0)
		set_add(&s, a->at, a->size);
	for (unsigned i = 0; a->kind != ACCESS_LOAD && i < c->buffered; i++)
		set_add(&s, c->buffer[i].at, c->buffer[i].size);
	cpus = set_close(&s);
	return cpus == self ? 0 : cpus;
}

/* Skips a task's own stores: it has already read them, so committing them would not end its
 * spinning. */
static void add_watched(struct set *s, const struct task *t)
{
	for (unsigned w = 0; w < t->watches; w++)
		if (!is_forwarded(&engine.cpu[t->what.cpu], t->watch[w].location->at, GRAIN))
			set_add(s, t->watch[w].location->at, GRAIN);
}

unsigned memory_wakers(void)
{
	struct set s = { .n = 0 };
	bool any = false;

	if (buffers_are_empty())
		return 0;
	for (unsigned i = 0; i < engine.tasks; i++) {
		const struct task *t = &engine.task[i];

		if (t->state == TASK_SPINNING)
			add_watched(&s, t);
		any |= t->state == TASK_SPINNING && t->watches_all;
	}
	return any ? memory_leftovers() : s.n == 0 ? 0 : set_close(&s);
}

unsigned memory_leftovers(void)
{
	unsigned cpus = 0;

	for (unsigned k = 0; k < EXPLORE_CPUS; k++)
		if (engine.cpu[k].buffered != 0)
			cpus |= 1u << k;
	for (unsigned k = 0; k < EXPLORE_CPUS; k++) {
		struct set s = { .n = 0 };

		for (unsigned i = 0; i < engine.cpu[k].buffered; i++)
			set_add(&s, engine.cpu[k].buffer[i].at, engine.cpu[k].buffer[i].size);
		if ((set_close(&s) & ~(1u << k)) != 0)
			return cpus;
	}
	return cpus & -cpus; /* the order does not matter */
}

/* ---- spinning ---- */

static uint32_t value_of(const struct location *l)
{
	return (uint32_t)bytes_read(l->at, GRAIN);
}

static struct watch *watch_of(struct task *t, const struct location *l)
{
	for (unsigned w = 0; w < t->watches; w++)
		if (t->watch[w].location == l)
			return &t->watch[w];
	return NULL;
}

/* A task that reads another value than before in the same iteration has seen a change: the
 * iteration does not count as unchanged. */
static void find_changes(const struct access *a)
{
	struct task *t = task_now();

	for (unsigned i = 0; i < grains_of(a->at, a->size); i++) {
		const struct location *l = location_of(a->at + i * GRAIN);
		const struct watch *w = watch_of(t, l);

		t->woken |= w != NULL && w->value != value_of(l);
	}
}

static void watch(const struct access *a)
{
	struct task *t = task_now();

	t->print = mix(t->print, bytes_read(a->at, a->size));
	for (unsigned i = 0; i < grains_of(a->at, a->size); i++) {
		const struct location *l = location_of(a->at + i * GRAIN);
		struct watch *w = watch_of(t, l);

		if (w == NULL && t->watches == WATCH_MAX) {
			t->watches_all = true;
			continue;
		}
		w = w != NULL ? w : &t->watch[t->watches++];
		*w = (struct watch){ l, value_of(l) };
	}
	t->changes_seen = engine.changes;
}

bool memory_changed(const struct task *t)
{
	for (unsigned i = 0; i < t->watches; i++)
		if (value_of(t->watch[i].location) != t->watch[i].value)
			return true;
	return t->woken || (t->watches_all && t->changes_seen != engine.changes);
}

/* ---- accesses ---- */

static void record_atomic(const struct access *a)
{
	race_check(a->at, a->size, (struct race_access){ a->kind != ACCESS_LOAD, false, a->pc });
}

/* Memory as this CPU sees it. */
static uint64_t view(const struct access *a)
{
	const struct cpu *c = cpu_now();
	uint64_t value = bytes_read(a->at, a->size);
	uint8_t *bytes = (uint8_t *)&value;

	for (unsigned i = 0; i < c->buffered; i++) {
		const struct buffered *b = &c->buffer[i];

		for (unsigned k = 0; k < b->size; k++)
			if (b->at + k >= a->at && b->at + k < a->at + a->size)
				bytes[b->at + k - a->at] = (uint8_t)(b->value >> 8 * k);
	}
	return value;
}

/* Adds the writes that are read to the history. */
static void read_history(const struct access *a, int order)
{
	struct task *t = task_now();

	for (unsigned i = 0; i < grains_of(a->at, a->size); i++) {
		struct location *l = location_of(a->at + i * GRAIN);

		t->history = mix(t->history, l->writer);
		order_read(l, order);
	}
}

uint64_t memory_load(const struct access *a)
{
	struct task *t = task_now();
	uint64_t value;

	task_point(a);
	record_atomic(a);
	value = view(a);
	if (is_forwarded(cpu_now(), a->at, a->size)) {
		t->history = mix(t->history, ACCESS_LOAD + 1);
	} else {
		read_history(a, a->order);
		find_changes(a);
		watch(a);
	}
	trace_event(a->pc, "reads %#lx from %s", value, trace_address(a->at));
	return value;
}

void memory_store(const struct access *a, uint64_t value)
{
	struct task *t = task_now();
	struct cpu *c = cpu_now();
	struct buffered b;

	task_point(a);
	record_atomic(a);
	if (c->buffered == BUFFER_MAX)
		memory_commit_one(t->what.cpu);
	t->history = mix(t->history, ACCESS_STORE + 1);
	t->wrote = true;
	b = (struct buffered){ a->at,         a->size, value, t->history, order_write(a->order),
			       engine.current };
	if (!releases(a->order))
		continue_release(&b);
	c->buffer[c->buffered++] = b;
	engine.signature += mix(t->what.cpu + 1, t->history);
	trace_event(a->pc, "stores %#lx to %s", value, trace_address(a->at));
}

/* The write of an exchange continues the release sequence before it. */
static void write_exchanged(const struct access *a, uint64_t value)
{
	struct clock release = order_write(a->order);

	task_now()->wrote |= bytes_read(a->at, a->size) != value;
	reach_memory(a->at, a->size, value, task_now()->history);
	for (unsigned i = 0; i < grains_of(a->at, a->size); i++) {
		struct location *l = location_of(a->at + i * GRAIN);

		clock_join(&l->release, &release);
		l->head = releases(a->order) ? engine.current : l->head;
	}
}

uint64_t memory_exchange(const struct access *a, uint64_t (*fn)(uint64_t old, uint64_t operand),
			 uint64_t operand)
{
	uint64_t old, value;

	task_point(a);
	record_atomic(a);
	find_changes(a);
	commit_own();
	old = bytes_read(a->at, a->size);
	value = fn(old, operand);
	read_history(a, a->order);
	write_exchanged(a, value);
	watch(a);
	trace_event(a->pc, "exchanges %#lx for %#lx in %s", old, value, trace_address(a->at));
	return old;
}

bool memory_compare_exchange(const struct access *a, uint64_t *expected, uint64_t value, int fails)
{
	uint64_t mask = a->size == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * a->size) - 1;
	uint64_t old;
	bool same;

	task_point(a);
	record_atomic(a);
	find_changes(a);
	commit_own();
	old = bytes_read(a->at, a->size);
	same = old == (*expected & mask);
	read_history(a, same ? a->order : fails);
	if (same)
		write_exchanged(a, value);
	watch(a);
	trace_event(a->pc, same ? "exchanges %#lx for %#lx in %s" : "finds %#lx, not %#lx, in %s",
		    old, same ? value : *expected & mask, trace_address(a->at));
	*expected = old;
	return same;
}

void memory_fence(const struct access *a)
{
	struct task *t = task_now();

	if (a->order == __ATOMIC_SEQ_CST) {
		task_point(a);
		commit_own();
		trace_event(a->pc, "fence");
	}
	if (acquires(a->order))
		clock_join(&t->clock, &t->acquired);
	if (releases(a->order)) {
		t->fenced = t->clock;
		clock_tick((unsigned)engine.current);
	}
}

void memory_begin(void)
{
	engine.execution++;
	engine.signature = 0;
	engine.changes = 0;
	race_begin();
}
