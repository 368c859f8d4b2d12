/* SPDX-License-Identifier: MIT */
/* task.c - tasks as fibers; scheduling, interrupts, IPIs, spinning. */
#include "tests/explore/engine.h"

#include "kern/call.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#define EXPLORE_STACKS UINT64_C(0x300000000000)

enum {
	STEPS_MAX = 100000, /* of an execution: more is an endless loop */
	OPTIONS_MAX = TASKS_MAX + EXPLORE_CPUS,
	PHASE_TURN = 0,
	PHASE_MEMORY = 1,
	HISTORY_SPUN = 101,
	HISTORY_BEGAN,
	HISTORY_ENDED,
	HISTORY_PATIENT,
	HISTORY_STEP,
	HISTORY_HALTED,
	PATIENCE = 3000, /* iterations: some loops retry after many */
};

/* An IPI is modelled as an exchange of its CPU's word. */
static uint64_t call_box[EXPLORE_CPUS];

static jmp_buf prepared;

/* ---- fibers ---- */

static void begin_interrupt(struct task *t);
static void end_task(void) __noreturn;

static void body(struct task *t)
{
	if (_setjmp(t->base) == 0)
		_longjmp(prepared, 1);
	t = task_now();
	trace_event(NULL, "      (%s begins on cpu %u)", t->what.name, t->what.cpu);
	engine.inside = false;
	t->what.run(t->what.arg);
	engine.inside = true;
	end_task();
}

static void fiber_entry(unsigned number)
{
	body(&engine.task[number]);
	abort();
}

static void fibers_make(void)
{
	char *stacks = mmap((void *)EXPLORE_STACKS, TASKS_MAX * STACK_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (stacks == MAP_FAILED) {
		perror("explore: stacks");
		exit(1);
	}
	for (unsigned i = 0; i < TASKS_MAX; i++) {
		static ucontext_t context;

		engine.task[i].stack = stacks + i * STACK_BYTES;
		getcontext(&context);
		context.uc_stack.ss_sp = engine.task[i].stack;
		context.uc_stack.ss_size = STACK_BYTES;
		context.uc_link = NULL;
		makecontext(&context, (void (*)(void))fiber_entry, 1, i);
		if (_setjmp(prepared) == 0)
			setcontext(&context);
	}
}

static void switch_to(unsigned number)
{
	struct task *from = task_now(), *to = &engine.task[number];
	bool begins = to->state == TASK_READY;

	if (from->state != TASK_DONE && _setjmp(from->here) != 0)
		return;
	engine.current = (int)number;
	if (!begins)
		_longjmp(to->here, 1);
	to->state = TASK_RUNNING;
	to->history = mix(to->history, HISTORY_BEGAN);
	if (to->what.kind == EXPLORE_INTERRUPT)
		begin_interrupt(to);
	_longjmp(to->base, 1);
}

/* ---- interrupts ---- */

static void begin_interrupt(struct task *t)
{
	struct cpu *c = cpu_now();

	c->interrupt = engine.current;
	c->irq_off = true;
	memory_acquire_from(&c->irq_lock);
	t->history = mix(t->history, c->irq_history);
	for (unsigned i = 0; i < engine.tasks; i++) {
		const struct task *other = &engine.task[i];

		if (other->what.cpu != t->what.cpu || other == t || other->state == TASK_READY)
			continue;
		memory_continue(i, (unsigned)engine.current);
		if (other->what.kind == EXPLORE_THREAD)
			t->history = mix(t->history, other->history);
	}
}

/* Wakes a spinning thread that was interrupted: the handler's stores are in its own CPU's
 * buffer. */
static void end_interrupt(struct task *t)
{
	struct cpu *c = cpu_now();

	memory_release_to(&c->irq_lock);
	c->irq_off = false;
	c->interrupt = -1;
	c->irq_history = t->history;
	for (unsigned i = 0; i < engine.tasks; i++)
		if (engine.task[i].what.cpu == t->what.cpu && &engine.task[i] != t) {
			engine.task[i].woken = true;
			memory_continue((unsigned)engine.current, i);
		}
}

/* ---- scheduling ---- */

static bool enabled(unsigned number)
{
	const struct task *t = &engine.task[number];
	const struct cpu *c = &engine.cpu[t->what.cpu];

	if (t->state == TASK_DONE || (t->state == TASK_SPINNING && !memory_changed(t)) ||
	    (t->state == TASK_HALTED && !t->woken))
		return false;
	if (t->state == TASK_READY && t->what.kind == EXPLORE_INTERRUPT && c->irq_off)
		return false;
	return c->interrupt < 0 || c->interrupt == (int)number;
}

/* The task that runs without a preemption: the current one, or the one that its handler
 * interrupted; -1: none. */
static int preferred(void)
{
	const struct task *t = task_now();

	if (engine.current >= 0 && enabled((unsigned)engine.current))
		return engine.current;
	if (engine.current < 0 || t->what.kind != EXPLORE_INTERRUPT || t->state != TASK_DONE)
		return -1;
	for (unsigned i = 0; i < engine.tasks; i++)
		if (engine.task[i].what.cpu == t->what.cpu && engine.task[i].state != TASK_READY &&
		    engine.task[i].what.kind == EXPLORE_THREAD && enabled(i))
			return (int)i;
	return -1;
}

enum candidates {
	ALL_TASKS,
	INTERRUPTS, /* of this CPU, besides the current task */
};

static unsigned add_turns(struct option *o, enum candidates from)
{
	int first = preferred();
	unsigned n = 0, here = engine.current < 0 ? EXPLORE_CPUS : task_now()->what.cpu;

	if (first >= 0)
		o[n++] = (struct option){ OPTION_RUN, (uint8_t)first, 0 };
	for (unsigned i = 0; i < engine.tasks; i++) {
		const struct task *t = &engine.task[i];
		bool arrives = t->what.kind == EXPLORE_INTERRUPT && t->state == TASK_READY &&
			       t->what.cpu == here;

		if ((int)i == first || !enabled(i) || (from == INTERRUPTS && !arrives))
			continue;
		o[n++] = (struct option){ OPTION_RUN, (uint8_t)i, first >= 0 && !arrives };
	}
	return n;
}

/* When nothing else can happen, each spinning task runs one more iteration. */
static unsigned add_spinners(struct option *o)
{
	unsigned n = 0;

	for (unsigned i = 0; i < engine.tasks; i++) {
		const struct task *t = &engine.task[i];
		int interrupt = engine.cpu[t->what.cpu].interrupt;

		if (t->state == TASK_SPINNING && t->patient_at != engine.changes &&
		    (interrupt < 0 || interrupt == (int)i))
			o[n++] = (struct option){ OPTION_RUN, (uint8_t)i, 0 };
	}
	return n;
}

static unsigned add_commits(struct option *o, unsigned cpus)
{
	unsigned n = 0;

	for (unsigned k = 0; k < EXPLORE_CPUS; k++)
		if ((cpus >> k & 1) != 0)
			o[n++] = (struct option){ OPTION_COMMIT, (uint8_t)k, 0 };
	return n;
}

static bool all_done(void)
{
	for (unsigned i = 0; i < engine.tasks; i++)
		if (engine.task[i].state != TASK_DONE)
			return false;
	return true;
}

static void fail_stuck(void)
{
	char text[FAILURE_BYTES];
	int at = snprintf(text, sizeof(text), "deadlock, no task can continue:");

	for (unsigned i = 0; i < engine.tasks && at < (int)sizeof(text); i++) {
		const struct task *t = &engine.task[i];
		const struct cpu *c = &engine.cpu[t->what.cpu];

		if (t->state == TASK_DONE)
			continue;
		at += snprintf(text + at, sizeof(text) - (size_t)at, " %s on cpu %u (%s, %s)%s",
			       t->what.name, t->what.cpu,
			       t->state == TASK_READY    ? "not started"
			       : t->state == TASK_HALTED ? "halts"
							 : "spins",
			       c->irq_off ? "interrupts off" : "interrupts on",
			       t->watches == 0 || t->state != TASK_SPINNING ? "" : " watching");
		for (unsigned w = 0;
		     t->state == TASK_SPINNING && w < t->watches && at < (int)sizeof(text); w++)
			at += snprintf(text + at, sizeof(text) - (size_t)at, " %s",
				       trace_address(t->watch[w].location->at));
	}
	explore_fail("%s", text);
}

/* The possible next steps: tasks, and commits of stores that spinning tasks watch; if there are
 * none, any commit, and then another iteration of a spinning task. */
static unsigned add_all(struct option *o)
{
	unsigned n = add_turns(o, ALL_TASKS);

	n += add_commits(o + n, memory_wakers());
	n = n != 0 ? n : add_commits(o, memory_leftovers());
	return n != 0 ? n : add_spinners(o);
}

static void be_patient(struct task *t)
{
	if (t->state != TASK_SPINNING || memory_changed(t))
		return;
	t->patience = PATIENCE;
	t->patient_at = engine.changes;
	t->history = mix(t->history, HISTORY_PATIENT);
}

/* Switches to the chosen task; returns when the current task runs again. */
static void take_turns(enum candidates from)
{
	struct option o[OPTIONS_MAX];

	for (;;) {
		unsigned n = from == ALL_TASKS ? add_all(o) : add_turns(o, from), pick;

		if (n == 0 && all_done())
			task_end(NULL);
		if (n == 0)
			fail_stuck();
		pick = search_choose(o, n, PHASE_TURN);
		if (o[pick].kind == OPTION_COMMIT) {
			memory_commit_one(o[pick].number);
			continue;
		}
		be_patient(&engine.task[o[pick].number]);
		if (o[pick].number != engine.current)
			switch_to(o[pick].number);
		return;
	}
}

/* Lets buffered stores that the access could observe leave first. */
static void let_stores_leave(const struct access *a)
{
	struct option o[OPTIONS_MAX];
	unsigned n, pick;

	while ((n = add_commits(o, memory_conflicts(a))) != 0) {
		o[n] = (struct option){ OPTION_RUN, (uint8_t)engine.current, 0 };
		pick = search_choose(o, n + 1, PHASE_MEMORY);
		if (pick == n)
			return;
		memory_commit_one(o[pick].number);
	}
}

/* The current task reaches a scheduling point; its history distinguishes it from the last one. */
static void count_step(void)
{
	task_now()->history = mix(task_now()->history, HISTORY_STEP);
	if (++engine.step > STEPS_MAX)
		explore_fail("still running after %u steps", engine.step);
}

void task_point(const struct access *a)
{
	bool is_call = a->at - (uintptr_t)call_box < sizeof(call_box);

	count_step();
	if (memory_is_shared(a) || is_call)
		take_turns(ALL_TASKS);
	let_stores_leave(a);
}

static void end_task(void)
{
	struct task *t = task_now();

	t->state = TASK_DONE;
	t->history = mix(t->history, HISTORY_ENDED);
	trace_event(NULL, "      (%s is done)", t->what.name);
	if (t->what.kind == EXPLORE_INTERRUPT)
		end_interrupt(t);
	count_step();
	take_turns(ALL_TASKS);
	abort();
}

/* ---- executions ---- */

void task_prepare(const struct explore_scenario *s)
{
	if (engine.task[0].stack == NULL)
		fibers_make();
	engine.scenario = s;
}

/* Resets what is known of the last iteration. */
static void begin_turn(struct task *t)
{
	t->print = 0;
	t->watches = 0;
	t->watches_all = t->woken = t->wrote = false;
}

static void add_task(struct explore_task what)
{
	struct task *t = &engine.task[engine.tasks];

	if (engine.tasks == TASKS_MAX) {
		fprintf(stderr, "explore: too many tasks\n");
		exit(1);
	}
	t->what = what;
	t->state = TASK_READY;
	t->history = mix(engine.tasks, 0);
	t->clock = t->acquired = t->fenced = (struct clock){ .of = { 0 } };
	t->clock.of[engine.tasks] = t->clock.strict[engine.tasks] = 1;
	t->spun_at = NULL;
	t->patience = 0;
	t->patient_at = UINT32_MAX;
	t->last_print = 0;
	begin_turn(t);
	engine.tasks++;
}

void task_begin(void)
{
	engine.current = -1;
	engine.step = 0;
	engine.tasks = 0;
	for (unsigned i = 0; i < EXPLORE_TASKS && engine.scenario->task[i].run != NULL; i++)
		add_task(engine.scenario->task[i]);
	for (unsigned k = 0; k < EXPLORE_CPUS; k++) {
		engine.cpu[k].buffered = 0;
		engine.cpu[k].irq_off = false;
		engine.cpu[k].interrupt = -1;
		engine.cpu[k].irq_lock = (struct clock){ .of = { 0 } };
		engine.cpu[k].irq_history = 0;
	}
}

void task_run_all(void)
{
	struct option o[OPTIONS_MAX];
	unsigned n = add_turns(o, ALL_TASKS), pick = search_choose(o, n, PHASE_TURN);
	struct task *t = &engine.task[o[pick].number];

	engine.current = o[pick].number;
	t->state = TASK_RUNNING;
	t->history = mix(t->history, HISTORY_BEGAN);
	if (t->what.kind == EXPLORE_INTERRUPT)
		begin_interrupt(t);
	_longjmp(t->base, 1);
}

void task_end(const char *failure)
{
	engine.inside = true;
	snprintf(engine.failure, sizeof(engine.failure), "%s", failure == NULL ? "" : failure);
	_longjmp(engine.leave, 1);
}

void explore_fail(const char *format, ...)
{
	char text[FAILURE_BYTES];
	va_list args;

	engine.inside = true;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (!engine.set_up) {
		fprintf(stderr, "explore: the setup fails: %s\n", text);
		exit(1);
	}
	task_end(text);
}

/* ---- arch interface: this CPU ---- */

unsigned explore_cpu(void)
{
	return engine.current < 0 ? engine.as : task_now()->what.cpu;
}

void explore_as(unsigned cpu)
{
	engine.as = cpu;
}

uintptr_t explore_irq_save(void)
{
	struct cpu *c;

	if (!in_task())
		return 1;
	c = cpu_now();
	if (c->irq_off)
		return 0;
	engine.inside = true;
	c->irq_off = true;
	memory_acquire_from(&c->irq_lock);
	engine.inside = false;
	return 1;
}

bool explore_irq_is_off(void)
{
	return in_task() && cpu_now()->irq_off;
}

static bool interrupt_waits(void)
{
	for (unsigned i = 0; i < engine.tasks; i++)
		if (engine.task[i].what.kind == EXPLORE_INTERRUPT &&
		    engine.task[i].state == TASK_READY &&
		    engine.task[i].what.cpu == task_now()->what.cpu)
			return true;
	return false;
}

void explore_irq_restore(uintptr_t old)
{
	struct cpu *c;

	if (!in_task() || old == 0)
		return;
	c = cpu_now();
	if (!c->irq_off)
		return;
	engine.inside = true;
	memory_release_to(&c->irq_lock);
	c->irq_off = false;
	count_step();
	if (interrupt_waits())
		take_turns(INTERRUPTS);
	engine.inside = false;
}

/* Whether an iteration of the loop was seen completely and the next would be the same: the last
 * one started here too, and changed nothing or did the same as the one before. */
static bool turn_repeats(const struct task *t, const void *pc)
{
	return t->spun_at == pc && (!t->wrote || t->print == t->last_print) && !memory_changed(t);
}

void explore_relax(void)
{
	const void *pc = __builtin_return_address(0);
	struct task *t;

	if (!in_task())
		return;
	engine.inside = true;
	t = task_now();
	count_step();
	t->history = mix(t->history, HISTORY_SPUN);
	if (t->patience != 0) {
		t->patience--;
	} else if (turn_repeats(t, pc)) {
		t->state = TASK_SPINNING;
		trace_event(NULL, "      (%s spins)", t->what.name);
		take_turns(ALL_TASKS);
		t->state = TASK_RUNNING;
	}
	t->spun_at = pc;
	t->last_print = t->print;
	begin_turn(t);
	engine.inside = false;
}

void explore_halt(void)
{
	struct task *t;
	struct cpu *c;

	if (!in_task())
		return;
	engine.inside = true;
	t = task_now();
	c = cpu_now();
	memory_release_to(&c->irq_lock);
	c->irq_off = false;
	t->woken = false;
	t->state = TASK_HALTED;
	t->history = mix(t->history, HISTORY_HALTED);
	trace_event(NULL, "      (%s halts)", t->what.name);
	count_step();
	take_turns(ALL_TASKS);
	t->state = TASK_RUNNING;
	t->spun_at = NULL;
	begin_turn(t);
	c->irq_off = true;
	memory_acquire_from(&c->irq_lock);
	engine.inside = false;
}

bool explore_spins(unsigned task)
{
	return engine.task[task].state == TASK_SPINNING;
}

/* ---- IPIs ---- */

static uint64_t add(uint64_t old, uint64_t operand)
{
	return old + operand;
}

/* Merges the request into a pending one; true if there is one. */
static bool merge(unsigned cpu, void (*fn)(void *arg), void *arg)
{
	for (unsigned i = 0; i < engine.tasks; i++) {
		struct task *t = &engine.task[i];

		if (t->state != TASK_READY || t->what.kind != EXPLORE_INTERRUPT ||
		    t->what.cpu != cpu || t->what.run != fn || t->what.arg != arg)
			continue;
		t->history = mix(t->history, task_now()->history);
		memory_release_to(&t->clock);
		return true;
	}
	return false;
}

/* The sender's stores are visible to the handler: an IPI empties the store buffer like a locked
 * operation. */
static void post(unsigned cpu, void (*fn)(void *arg), void *arg, const void *pc)
{
	struct access a = { ACCESS_EXCHANGE, (uintptr_t)&call_box[cpu], 8, __ATOMIC_ACQ_REL, pc };
	struct task *t;

	memory_exchange(&a, add, 1);
	if (merge(cpu, fn, arg))
		return;
	t = &engine.task[engine.tasks];
	snprintf(t->call_name, sizeof(t->call_name), "%s", trace_address((uintptr_t)fn));
	add_task((struct explore_task){ t->call_name, fn, arg, cpu, EXPLORE_INTERRUPT });
	t->history = mix(t->history, task_now()->history);
	memory_release_to(&t->clock);
}

bool arch_cpu_is_stopped(unsigned cpu)
{
	(void)cpu;
	return false;
}

static void serve(void *unused)
{
	(void)unused;
	call_serve();
}

err_t arch_call_interrupt(unsigned cpu)
{
	unsigned self;
	uintptr_t irq;

	if (cpu >= EXPLORE_CPUS)
		return ERR_NOT_FOUND;
	if (in_task()) {
		engine.inside = true;
		post(cpu, serve, NULL, __builtin_return_address(0));
		engine.inside = false;
		return OK;
	}
	self = explore_cpu();
	irq = arch_irq_save();
	explore_as(cpu);
	call_serve();
	explore_as(self);
	arch_irq_restore(irq);
	return OK;
}
