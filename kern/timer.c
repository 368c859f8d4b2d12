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
	_Atomic(struct timer *) running; /* its handler runs: compared, never dereferenced */
	uint64_t set;                    /* deadline that the hardware timer is set to */
};

LOCK_CLASS(timers_class, "timers of a CPU", RANK_TIMERS);
static PER_CPU(struct timer_heap, timers) = { .lock = SPINLOCK_INIT(&timers_class),
					      .set = ARCH_TIMER_NEVER };

/* ---- the heap ---- */

/* Merges two heaps, each of which may be empty. */
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

/* Merges a list of siblings into one heap: in pairs from the left, then all from the right. */
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

/* Written under the lock; timer_cancel_wait() reads it without. */
static void set_running(struct timer_heap *h, struct timer *t)
{
	atomic_store_explicit(&h->running, t, memory_order_release);
}

static struct timer *running(const struct timer_heap *h)
{
	/* acquire: the handler's stores are visible */
	return atomic_load_explicit(&h->running, memory_order_acquire);
}

/* Sets the hardware timer to the root's deadline.  On the heap's own CPU.  Does nothing while a
 * handler runs there: timer_interrupt() does it afterwards. */
static void set_machine(struct timer_heap *h) __requires(h->lock)
{
	uint64_t deadline = h->root == NULL ? ARCH_TIMER_NEVER : h->root->deadline;

	if (running(h) != NULL || deadline == h->set)
		return;
	h->set = deadline;
	arch_timer_set(deadline);
}

/* Locks and returns the heap where t was started last; NULL: none.  Interrupts are off. */
static struct timer_heap *lock_home(struct timer *t) __no_tsa
{
	for (;;) {
		/* acquire: sees the heap as its CPU initialised it */
		struct timer_heap *h = atomic_load_explicit(&t->home, memory_order_acquire);

		if (h == NULL)
			return NULL;
		spin_lock(&h->lock);
		if (h == atomic_load_explicit(&t->home, memory_order_relaxed))
			return h;
		spin_unlock(&h->lock);
	}
}

/* Removes t from its heap.  True: it was pending.  *runs is the heap of the CPU that runs its
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
	/* another CPU's hardware timer may fire once spuriously */
	if (h == this_cpu_ptr(timers))
		set_machine(h);
	spin_unlock(&h->lock);
	return waits;
}

/* Removes t from its heap, and locks and returns the heap to start it in: this CPU's, or, while
 * its handler runs, that of the CPU that runs it, where timer_cancel() detects the running
 * handler.  Interrupts are off. */
static struct timer_heap *lock_new_home(struct timer *t) __no_tsa
{
	struct timer_heap *own = this_cpu_ptr(timers), *h = lock_home(t);

	if (h != NULL) {
		if (t->pending)
			heap_remove(h, t);
		if (h == own || running(h) == t)
			return h;
		/* so that no holder of the old heap's lock finds it there; ordered by the lock */
		atomic_store_explicit(&t->home, NULL, memory_order_relaxed);
		spin_unlock(&h->lock);
	}
	spin_lock(&own->lock);
	return own;
}

/* ---- public interface ---- */

void timer_start(struct timer *t, uint64_t deadline, void (*fn)(void *arg), void *arg) __no_tsa
{
	uintptr_t irq = arch_irq_save();
	struct timer_heap *h = lock_new_home(t);

	t->deadline = deadline;
	t->fn = fn;
	t->arg = arg;
	atomic_store_explicit(&t->home, h, memory_order_release); /* lock_home() */
	heap_insert(h, t);
	set_machine(h); /* another CPU's heap: the end of the running handler does it */
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

	/* in each iteration: the handler may have restarted it */
	do {
		uintptr_t irq = arch_irq_save();

		waited |= take_out(t, &runs);
		ASSERT(runs != this_cpu_ptr(timers)); /* would wait for itself */
		arch_irq_restore(irq);
		while (runs != NULL && running(runs) == t)
			arch_relax();
	} while (runs != NULL);
	return waited;
}

/* ---- the interrupt ---- */

void timer_interrupt(void)
{
	struct timer_heap *h = this_cpu_ptr(timers);
	uint64_t now = arch_ticks();

	spin_lock(&h->lock);
	h->set = ARCH_TIMER_NEVER; /* one-shot: it has fired */
	for (unsigned i = 0; i < TIMER_BATCH && h->root != NULL && h->root->deadline <= now; i++) {
		struct timer *t = h->root;
		void (*fn)(void *arg) = t->fn;
		void *arg = t->arg;

		heap_remove(h, t);
		set_running(h, t);
		spin_unlock(&h->lock);
		fn(arg); /* t may be freed now */
		spin_lock(&h->lock);
		set_running(h, NULL);
	}
	set_machine(h);
	spin_unlock(&h->lock);
}

/* ---- invariants ---- */

/* The successor of t in a preorder walk of the heap; NULL: the end. */
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
			return "H1: a timer is due before its parent";
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
