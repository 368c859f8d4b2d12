/* SPDX-License-Identifier: MIT */
#include "kern/lock.h"

#include "kern/percpu.h"
#include "lib/panic.h"
#include "lib/symbols.h"

static _Atomic(lock_waiter_t) waiter;

/* acq_rel: what the hook reads was written before it was set */
lock_waiter_t lock_set_waiter(lock_waiter_t serve)
{
	return atomic_exchange_explicit(&waiter, serve, memory_order_acq_rel);
}

void lock_wait_turn(void)
{
	/* acquire pairs with lock_set_waiter() */
	lock_waiter_t serve = atomic_load_explicit(&waiter, memory_order_acquire);

	arch_relax();
	if (serve != NULL)
		serve();
}

void lock_wait(struct spinlock *l, uint32_t ticket)
{
	while (!lock_is_turn(l, ticket))
		lock_wait_turn();
}

#ifdef KEEL_DEBUG

enum {
	/* beyond LOCKS_HELD_MAX, for spin_try_lock(): the console during a panic about the limit */
	LOCKS_TRIED_MAX = 2,
	HELD_ROOM = LOCKS_HELD_MAX + LOCKS_TRIED_MAX,
};

/* A held lock.  Stores the class too, as the lock's memory may be freed when it is abandoned. */
struct held {
	const struct spinlock *lock; /* NULL: an NMI interrupted its entry or removal */
	struct lock_class *class;
	uintptr_t where;
	uint64_t since; /* ticks */
};

/* Only its own CPU accesses this.  An NMI, which may print, can come anywhere:
 * depth is raised before an entry is written and lowered after the last is cleared. */
struct lock_cpu {
	_Atomic unsigned depth;
	struct held held[HELD_ROOM];
};

static PER_CPU(struct lock_cpu, lock_cpu);
static _Atomic(struct lock_class *) classes; /* linked by `next` */

/* The value of spinlock.holder when this CPU holds it. */
static unsigned own_mark(void)
{
	return arch_cpu_id() + 1;
}

static bool holds(const struct spinlock *l)
{
	/* relaxed: only this CPU stores its own mark */
	return atomic_load_explicit(&l->holder, memory_order_relaxed) == own_mark();
}

static unsigned depth_of(const struct lock_cpu *me)
{
	return atomic_load_explicit(&me->depth,
				    memory_order_relaxed); /* written by this CPU only */
}

static void set_depth(struct lock_cpu *me, unsigned depth)
{
	/* program order is enough for an NMI on this CPU */
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(&me->depth, depth, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}

/* ---- violations ---- */

static void panic_about(const char *what, const struct lock_class *class,
			uintptr_t where) __noreturn __cold;
static void panic_about(const char *what, const struct lock_class *class, uintptr_t where)
{
	char at[SYMBOL_TEXT_BYTES];

	symbols_format_return(where, at, sizeof(at));
	panic("lock: \"%s\" %s, at %s", class->name, what, at);
}

static void panic_about_two(const char *what, const struct lock_class *class, uintptr_t where,
			    const struct held *h) __noreturn __cold;
static void panic_about_two(const char *what, const struct lock_class *class, uintptr_t where,
			    const struct held *h)
{
	char at[SYMBOL_TEXT_BYTES], since[SYMBOL_TEXT_BYTES];

	symbols_format_return(where, at, sizeof(at));
	symbols_format_return(h->where, since, sizeof(since));
	panic("lock: \"%s\" taken at %s %s \"%s\", taken at %s", class->name, at, what,
	      h->class->name, since);
}

static void panic_again(const struct spinlock *l, uintptr_t where) __noreturn __cold;
static void panic_again(const struct spinlock *l, uintptr_t where)
{
	struct lock_cpu *me = this_cpu_ptr(lock_cpu);

	for (unsigned i = 0; i < depth_of(me); i++)
		if (me->held[i].lock == l)
			panic_about_two("again: this CPU holds", l->class, where, &me->held[i]);
	panic_about("taken again: this CPU panicked with it", l->class, where);
}

static bool may_nest(const struct held *outer, const struct spinlock *inner)
{
	if (outer->class->rank != inner->class->rank)
		return outer->class->rank < inner->class->rank;
	return outer->class == inner->class && outer->class->nesting == LOCK_NESTS_BY_ADDRESS &&
	       outer->lock < inner;
}

/* L1, for both spin_lock() and spin_try_lock(). */
static void check_context(const struct spinlock *l, uintptr_t where)
{
	if (l->class == NULL)
		panic("lock: %p was not initialised", (const void *)l);
	if (!arch_irq_is_off())
		panic_about("taken with interrupts on", l->class, where);
}

/* L2 and L3, for spin_lock(), which may wait. */
static void check_order(const struct spinlock *l, uintptr_t where)
{
	struct lock_cpu *me = this_cpu_ptr(lock_cpu);

	if (holds(l))
		panic_again(l, where);
	for (unsigned i = 0; i < depth_of(me); i++)
		if (me->held[i].lock != NULL && !may_nest(&me->held[i], l))
			panic_about_two("out of order: this CPU holds", l->class, where,
					&me->held[i]);
	if (depth_of(me) >= LOCKS_HELD_MAX)
		panic_about("is one lock too many for this CPU", l->class, where);
}

void lock_check_none_held(const char *where)
{
	struct lock_cpu *me = this_cpu_ptr(lock_cpu);
	char at[SYMBOL_TEXT_BYTES];

	if (depth_of(me) == 0)
		return;
	symbols_format_return(me->held[0].where, at, sizeof(at));
	panic("lock: \"%s\", taken at %s, is held at %s", me->held[0].class->name, at, where);
}

void lock_abandon_held(void)
{
	set_depth(this_cpu_ptr(lock_cpu), 0);
}

/* ---- statistics ---- */

static void list_class(struct lock_class *c)
{
	struct lock_class *head;

	if (likely(atomic_load_explicit(&c->listed, memory_order_relaxed)) ||
	    atomic_exchange_explicit(&c->listed, true, memory_order_relaxed))
		return;
	head = atomic_load_explicit(&classes, memory_order_relaxed);
	do {
		c->next = head; /* release pairs with lock_each_class() */
	} while (!atomic_compare_exchange_weak_explicit(&classes, &head, c, memory_order_release,
							memory_order_relaxed));
}

void lock_each_class(void (*fn)(const struct lock_class *c, void *arg), void *arg)
{
	/* acquire pairs with list_class() */
	struct lock_class *c = atomic_load_explicit(&classes, memory_order_acquire);

	for (; c != NULL; c = c->next)
		fn(c, arg);
}

/* The caller is the only writer of the record. */
static void write_record(struct lock_record *r, uint64_t ticks, uintptr_t where)
{
	if (ticks <= atomic_load_explicit(&r->ticks, memory_order_relaxed))
		return;
	atomic_store_explicit(&r->where, where, memory_order_relaxed);
	atomic_store_explicit(&r->ticks, ticks, memory_order_relaxed);
}

/* Interrupts are off.  CPUs may hold different locks of a class: `recording` keeps the two words
 * of a record consistent.  An NMI that interrupts its own CPU's update skips its own. */
static void record_longest(struct lock_class *c, struct lock_record *r, uint64_t ticks,
			   uintptr_t where)
{
	unsigned recording = 0;

	if (ticks <= atomic_load_explicit(&r->ticks, memory_order_relaxed))
		return;
	/* acquire pairs with the release below */
	while (!atomic_compare_exchange_weak_explicit(&c->recording, &recording, own_mark(),
						      memory_order_acquire, memory_order_relaxed)) {
		if (recording == own_mark())
			return;
		recording = 0;
		arch_relax();
	}
	write_record(r, ticks, where);
	atomic_store_explicit(&c->recording, 0, memory_order_release);
}

/* ---- taking and releasing ---- */

static void enter(struct spinlock *l, uintptr_t where)
{
	struct lock_cpu *me = this_cpu_ptr(lock_cpu);
	unsigned depth = depth_of(me);
	uint64_t now = arch_ticks();

	set_depth(me, depth + 1);
	me->held[depth] = (struct held){ l, l->class, where, now };
	atomic_store_explicit(&l->holder, own_mark(), memory_order_relaxed);
	atomic_fetch_add_explicit(&l->class->acquisitions, 1, memory_order_relaxed);
	list_class(l->class);
}

/* Removes the lock from the held stack, not necessarily from its top; an abandoned lock is not
 * on it. */
static struct held leave(struct spinlock *l)
{
	struct lock_cpu *me = this_cpu_ptr(lock_cpu);
	unsigned depth = depth_of(me), i = depth;
	struct held h = { .class = NULL };

	while (i > 0 && me->held[i - 1].lock != l)
		i--;
	if (i > 0) {
		h = me->held[i - 1];
		for (; i < depth; i++)
			me->held[i - 1] = me->held[i];
		me->held[depth - 1].lock = NULL;
		set_depth(me, depth - 1);
	}
	atomic_store_explicit(&l->holder, 0, memory_order_relaxed);
	return h;
}

void lock_take_checked(struct spinlock *l)
{
	uintptr_t where = (uintptr_t)__builtin_return_address(0);
	uint64_t start;
	uint32_t ticket;

	check_context(l, where);
	check_order(l, where);
	ticket = lock_draw(l);
	if (!lock_is_turn(l, ticket)) {
		start = arch_ticks();
		lock_wait(l, ticket);
		atomic_fetch_add_explicit(&l->class->contended, 1, memory_order_relaxed);
		record_longest(l->class, &l->class->wait, arch_ticks() - start, where);
	}
	enter(l, where);
}

bool lock_try_checked(struct spinlock *l)
{
	uintptr_t where = (uintptr_t)__builtin_return_address(0);

	check_context(l, where);
	if (depth_of(this_cpu_ptr(lock_cpu)) == HELD_ROOM || !lock_try(l))
		return false;
	enter(l, where);
	return true;
}

void lock_release_checked(struct spinlock *l)
{
	uintptr_t where = (uintptr_t)__builtin_return_address(0);
	struct held h;
	uint64_t now;

	if (!arch_irq_is_off())
		panic_about("released with interrupts on", l->class, where);
	if (!holds(l))
		panic_about("released by a CPU that does not hold it", l->class, where);
	h = leave(l);
	now = arch_ticks();
	lock_pass_on(l); /* the lock's memory may be freed from here on */
	if (h.class == NULL)
		return;
	record_longest(h.class, &h.class->hold, now - h.since, h.where);
}

#endif
