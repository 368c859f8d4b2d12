/* SPDX-License-Identifier: MIT */
#include "arch/timer.h"

#include "arch/cpu.h"
#include "arch/lock.h"
#include "arch/percpu.h"
#include "lib/panic.h"

struct timer_heap {
	struct spinlock lock;
	struct timer *root;
	size_t count;
	struct timer *running; /* whose handler runs: compared, never followed */
	uint64_t set;          /* what the machine's timer is set to */
};

LOCK_CLASS(timers_class, "timers of a CPU", RANK_TIMERS);
static PER_CPU(struct timer_heap, timers) = { .lock = SPINLOCK_INIT(&timers_class),
					      .set = ARCH_TIMER_NEVER };

/* ---- the heap ---- */

/* One heap of two, each of which may be none. */
static struct timer *meld(struct timer *a, struct timer *b)
{
	if (a == NULL || b == NULL)
		return a == NULL ? b : a;
	if (b->deadline < a->deadline) {
		struct timer *later = a;

		a = b;
		b = later;
	}
	b->prev = a;
	b->next = a->child;
	if (a->child != NULL)
		a->child->prev = b;
	a->child = b;
	return a;
}

/* One heap of a row of siblings: in pairs from the left, then all from the right. */
static struct timer *meld_row(struct timer *row)
{
	struct timer *pairs = NULL, *root = NULL;

	while (row != NULL) {
		struct timer *a = row, *b = a->next;

		row = b == NULL ? NULL : b->next;
		a->next = a->prev = NULL;
		if (b != NULL)
			b->next = b->prev = NULL;
		a = meld(a, b);
		a->next = pairs;
		pairs = a;
	}
	while (pairs != NULL) {
		struct timer *pair = pairs;

		pairs = pair->next;
		pair->next = NULL;
		root = meld(root, pair);
	}
	return root;
}

static void heap_insert(struct timer_heap *h, struct timer *t) __requires(h->lock)
{
	t->child = t->next = t->prev = NULL;
	t->pending = true;
	h->root = meld(h->root, t);
	h->count++;
}

static void heap_remove(struct timer_heap *h, struct timer *t) __requires(h->lock)
{
	struct timer *below = meld_row(t->child);

	if (t == h->root) {
		h->root = below;
	} else {
		if (t->prev->child == t)
			t->prev->child = t->next;
		else
			t->prev->next = t->next;
		if (t->next != NULL)
			t->next->prev = t->prev;
		h->root = meld(h->root, below);
	}
	t->child = t->next = t->prev = NULL;
	t->pending = false;
	h->count--;
}

/* The machine's timer follows the root.  On the heap's own CPU; not while a handler runs there,
 * after which it is done anyway. */
static void set_machine(struct timer_heap *h) __requires(h->lock)
{
	uint64_t deadline = h->root == NULL ? ARCH_TIMER_NEVER : h->root->deadline;

	if (h->running != NULL || deadline == h->set)
		return;
	h->set = deadline;
	arch_timer_set(deadline);
}

/* The heap where t was started last, locked; NULL: none.  Interrupts are off. */
static struct timer_heap *lock_home(struct timer *t) __no_tsa
{
	for (;;) {
		/* acquire: the heap is as its CPU set it up */
		struct timer_heap *h = atomic_load_explicit(&t->home, memory_order_acquire);

		if (h == NULL)
			return NULL;
		spin_lock(&h->lock);
		if (h == atomic_load_explicit(&t->home, memory_order_relaxed))
			return h;
		spin_unlock(&h->lock);
	}
}

enum found {
	WAS_PENDING = 1 << 0,
	RUNS = 1 << 1,
};

enum then {
	STAY,
	LEAVE,
};

/* Take t out of wherever it waits; what it was found doing at that instant.  LEAVE: it has no home
 * from then on, so that nobody who holds the old one's lock takes it for a timer there while it
 * goes into another heap.  Interrupts are off. */
static unsigned take_out(struct timer *t, enum then then) __no_tsa
{
	struct timer_heap *h = lock_home(t);
	unsigned found;

	if (h == NULL)
		return 0;
	found = (t->pending ? WAS_PENDING : 0) | (h->running == t ? RUNS : 0);
	if (t->pending)
		heap_remove(h, t);
	if (then == LEAVE)
		atomic_store_explicit(&t->home, NULL, memory_order_relaxed); /* the lock orders */
	/* another CPU's machine may go off once for nothing */
	if (h == this_cpu_ptr(timers))
		set_machine(h);
	spin_unlock(&h->lock);
	return found;
}

/* ---- owners ---- */

void timer_start(struct timer *t, uint64_t deadline, void (*fn)(void *arg), void *arg)
{
	uintptr_t irq = arch_irq_save();
	struct timer_heap *h = this_cpu_ptr(timers);

	(void)take_out(t, LEAVE);
	spin_lock(&h->lock);
	t->deadline = deadline;
	t->fn = fn;
	t->arg = arg;
	atomic_store_explicit(&t->home, h, memory_order_release); /* lock_home() */
	heap_insert(h, t);
	set_machine(h);
	spin_unlock(&h->lock);
	arch_irq_restore(irq);
}

void timer_again(struct timer *t, uint64_t period)
{
	uint64_t deadline = t->deadline + period, now = arch_ticks();

	if (deadline <= now)
		deadline += ((now - deadline) / period + 1) * period;
	timer_start(t, deadline, t->fn, t->arg);
}

bool timer_cancel(struct timer *t)
{
	uintptr_t irq = arch_irq_save();
	unsigned found = take_out(t, STAY);

	arch_irq_restore(irq);
	return (found & WAS_PENDING) != 0;
}

bool timer_cancel_wait(struct timer *t)
{
	unsigned found, all = 0;

	do {
		uintptr_t irq = arch_irq_save();

		/* in each turn anew: the handler may have started it again */
		found = take_out(t, STAY);
		/* or it would wait for itself */
		ASSERT((found & RUNS) == 0 ||
		       atomic_load_explicit(&t->home, memory_order_relaxed) !=
			       this_cpu_ptr(timers));
		arch_irq_restore(irq);
		all |= found;
		if ((found & RUNS) != 0)
			arch_relax();
	} while ((found & RUNS) != 0);
	return (all & WAS_PENDING) != 0;
}

/* ---- the machine ---- */

void timer_interrupt(void)
{
	struct timer_heap *h = this_cpu_ptr(timers);
	uint64_t now = arch_ticks();

	spin_lock(&h->lock);
	h->set = ARCH_TIMER_NEVER; /* it went off */
	for (unsigned i = 0; i < TIMER_BATCH && h->root != NULL && h->root->deadline <= now; i++) {
		struct timer *t = h->root;
		void (*fn)(void *arg) = t->fn;
		void *arg = t->arg;

		heap_remove(h, t);
		h->running = t;
		spin_unlock(&h->lock);
		fn(arg); /* t may be gone now */
		spin_lock(&h->lock);
		h->running = NULL;
	}
	set_machine(h);
	spin_unlock(&h->lock);
}

/* ---- invariants ---- */

/* The one after t when a heap is walked from the top, children first; NULL: the end. */
static const struct timer *after(const struct timer *t)
{
	if (t->child != NULL)
		return t->child;
	while (t->next == NULL && t->prev != NULL) {
		while (t->prev->child != t)
			t = t->prev;
		t = t->prev;
	}
	return t->next;
}

static const char *check_timer(const struct timer_heap *h, const struct timer *t)
{
	if (t->child != NULL && t->child->prev != t)
		return "H2: a child does not point to its parent";
	if (t->next != NULL && t->next->prev != t)
		return "H2: a sibling does not point back";
	for (const struct timer *c = t->child; c != NULL; c = c->next)
		if (c->deadline < t->deadline)
			return "H1: a timer is due before the one above it";
	if (!t->pending || atomic_load_explicit(&t->home, memory_order_relaxed) != h)
		return "H4: a timer in a heap is not pending there";
	return NULL;
}

static const char *check_heap(const struct timer_heap *h)
{
	const char *why = NULL;
	size_t n = 0;

	for (const struct timer *t = h->root; t != NULL && why == NULL; t = after(t)) {
		why = check_timer(h, t);
		if (++n > h->count)
			break;
	}
	return why == NULL && n != h->count ? "H3: the count is not the number of timers" : why;
}

const char *timer_check(void)
{
	const char *why = NULL;

	for (unsigned cpu = 0; cpu < cpu_count() && why == NULL; cpu++) {
		struct timer_heap *h = per_cpu_ptr(timers, cpu);
		uintptr_t irq = spin_lock_irq(&h->lock);

		why = check_heap(h);
		spin_unlock_irq(&h->lock, irq);
	}
	return why;
}
