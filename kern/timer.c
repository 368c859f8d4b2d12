/* SPDX-License-Identifier: MIT */
#include "kern/timer.h"

#include "kern/cpu.h"
#include "kern/lock.h"
#include "kern/percpu.h"
#include "lib/panic.h"

struct timer_heap {
	struct spinlock lock;
	struct timer *root;
	size_t count;
	_Atomic(struct timer *) running; /* whose handler runs: compared, never followed */
	uint64_t set;                    /* what the machine's timer is set to */
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

/* Written under the lock; who waits for a handler looks without it. */
static void set_running(struct timer_heap *h, struct timer *t)
{
	atomic_store_explicit(&h->running, t, memory_order_release);
}

static struct timer *running(const struct timer_heap *h)
{
	/* acquire: what the handler did is done */
	return atomic_load_explicit(&h->running, memory_order_acquire);
}

/* The machine's timer follows the root.  On the heap's own CPU; not while a handler runs there,
 * after which it is done anyway. */
static void set_machine(struct timer_heap *h) __requires(h->lock)
{
	uint64_t deadline = h->root == NULL ? ARCH_TIMER_NEVER : h->root->deadline;

	if (running(h) != NULL || deadline == h->set)
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

/* Take t out of wherever it waits.  True: it did.  *runs is the heap of the CPU that runs its
 * handler, or NULL.  Interrupts are off. */
static bool take_out(struct timer *t, struct timer_heap **runs) __no_tsa
{
	struct timer_heap *h = lock_home(t);
	bool waits;

	*runs = NULL;
	if (h == NULL)
		return false;
	if (running(h) == t)
		*runs = h;
	waits = t->pending;
	if (waits)
		heap_remove(h, t);
	/* another CPU's machine may go off once for nothing */
	if (h == this_cpu_ptr(timers))
		set_machine(h);
	spin_unlock(&h->lock);
	return waits;
}

/* Take t out, and lock the heap that it goes to: this CPU's; but while its handler runs it stays
 * with the CPU that runs it, where who cancels it finds that out.  Interrupts are off. */
static struct timer_heap *lock_new_home(struct timer *t) __no_tsa
{
	struct timer_heap *own = this_cpu_ptr(timers), *h = lock_home(t);

	if (h != NULL) {
		if (t->pending)
			heap_remove(h, t);
		if (h == own || running(h) == t)
			return h;
		/* so that nobody who holds the old one's lock takes it for a timer there; the lock
		 * orders */
		atomic_store_explicit(&t->home, NULL, memory_order_relaxed);
		spin_unlock(&h->lock);
	}
	spin_lock(&own->lock);
	return own;
}

/* ---- owners ---- */

void timer_start(struct timer *t, uint64_t deadline, void (*fn)(void *arg), void *arg) __no_tsa
{
	uintptr_t irq = arch_irq_save();
	struct timer_heap *h = lock_new_home(t);

	t->deadline = deadline;
	t->fn = fn;
	t->arg = arg;
	atomic_store_explicit(&t->home, h, memory_order_release); /* lock_home() */
	heap_insert(h, t);
	set_machine(h); /* another CPU's waits for its handler */
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
	struct timer_heap *runs;
	bool waited = take_out(t, &runs);

	arch_irq_restore(irq);
	return waited;
}

bool timer_cancel_wait(struct timer *t)
{
	struct timer_heap *runs;
	bool waited = false;

	/* in each turn anew: the handler may have started it again */
	do {
		uintptr_t irq = arch_irq_save();

		waited |= take_out(t, &runs);
		ASSERT(runs != this_cpu_ptr(timers)); /* it would wait for itself */
		arch_irq_restore(irq);
		while (runs != NULL && running(runs) == t)
			arch_relax();
	} while (runs != NULL);
	return waited;
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
		set_running(h, t);
		spin_unlock(&h->lock);
		fn(arg); /* t may be gone now */
		spin_lock(&h->lock);
		set_running(h, NULL);
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
