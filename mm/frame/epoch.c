/* SPDX-License-Identifier: MIT */
#include "mm/frame/epoch.h"

#include "kern/call.h"
#include "kern/cpu.h"
#include "kern/percpu.h"
#include "lib/panic.h"

enum {
	NEST_BITS = 8,
	NEST_MASK = (1 << NEST_BITS) - 1,
	ADVANCES_TO_FREE = 2,
};

/* Retired objects and frames, oldest first.  Head and tail are valid when the count is not 0. */
struct queue {
	uint32_t objects, frames;
	struct epoch_entry *first, *last;
	pfn_t first_frame, last_frame;
};

struct limbo_list {
	uint64_t epoch; /* in which its objects were retired */
	struct queue queue;
};

/* Private to the owner CPU, interrupts off. */
struct limbo {
	struct limbo_list list[EPOCH_LISTS];
	struct queue safe; /* may be freed */
	unsigned since_advance;
	bool is_freeing; /* inside free_some(): a nested epoch_retire() only queues */
};

/* (a) epoch << NEST_BITS | depth; depth 0: outside.  Written by its owner. */
struct reader {
	_Atomic uint64_t word;
} __aligned(64);

static PER_CPU(struct reader, reader);
static PER_CPU(struct limbo, limbo);
PER_CPU(struct epoch_stats, epoch_stats);
static _Atomic uint64_t epoch __aligned(64);
static void (*frame_free[FRAME_KINDS])(struct frame *f);

/* ---- readers ---- */

/* An interrupt handler that enters and exits in between restores the word that it found. */
void epoch_enter(void)
{
	_Atomic uint64_t *word = &this_cpu_ptr(reader)->word;
	uint64_t old = atomic_load_explicit(word, memory_order_relaxed); /* own */

	DASSERT((old & NEST_MASK) != NEST_MASK);
	if ((old & NEST_MASK) != 0) {
		atomic_store_explicit(word, old + 1, memory_order_relaxed); /* inside already */
		return;
	}
	/* acquire: objects freed before this epoch are not found.  seq_cst: the full barrier */
	(void)atomic_exchange_explicit(
		word, atomic_load_explicit(&epoch, memory_order_acquire) << NEST_BITS | 1,
		memory_order_seq_cst);
}

void epoch_exit(void)
{
	_Atomic uint64_t *word = &this_cpu_ptr(reader)->word;
	uint64_t old = atomic_load_explicit(word, memory_order_relaxed); /* own */

	DASSERT((old & NEST_MASK) != 0);
	/* release pairs with try_advance(): the reads of the section happen before */
	atomic_store_explicit(word, (old & NEST_MASK) == 1 ? 0 : old - 1, memory_order_release);
}

bool epoch_is_inside(void)
{
	return (atomic_load_explicit(&this_cpu_ptr(reader)->word, memory_order_relaxed) &
		NEST_MASK) != 0;
}

/* ---- the epoch ---- */

uint64_t epoch_current(void)
{
	return atomic_load_explicit(&epoch, memory_order_acquire);
}

/* Scans the words of all CPUs once.  False: a reader is inside in an older epoch (D1). */
static bool try_advance(void)
{
	uint64_t now = atomic_load_explicit(&epoch, memory_order_seq_cst);

	for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
		/* acquire pairs with epoch_exit(); seq_cst: after the epoch */
		uint64_t word = atomic_load_explicit(&per_cpu_ptr(reader, cpu)->word,
						     memory_order_seq_cst);

		if ((word & NEST_MASK) != 0 && word >> NEST_BITS != now) {
			percpu_add(&this_cpu_ptr(epoch_stats)->blocked, 1);
			return false;
		}
	}
	/* release publishes what the loads above acquired; of two CPUs that race, one advances the
	 * epoch and the other fails the exchange */
	if (atomic_compare_exchange_strong_explicit(&epoch, &now, now + 1, memory_order_seq_cst,
						    memory_order_acquire))
		percpu_add(&this_cpu_ptr(epoch_stats)->advances, 1);
	return true;
}

/* ---- queues ---- */

static uint32_t waiting(const struct queue *q)
{
	return q->objects + q->frames;
}

static void push_object(struct queue *q, struct epoch_entry *d)
{
	d->next = NULL;
	if (q->objects++ == 0)
		q->first = d;
	else
		q->last->next = d;
	q->last = d;
}

/* relaxed: late readers only test it for 0 */
static void link_frame(pfn_t pfn, pfn_t next)
{
	atomic_store_explicit(&meta_slot_of(pfn)->u.retired.next, next, memory_order_relaxed);
}

static pfn_t frame_link(pfn_t pfn)
{
	return atomic_load_explicit(&meta_slot_of(pfn)->u.retired.next, memory_order_relaxed);
}

static void push_frames(struct queue *q, const struct epoch_list *list)
{
	link_frame(list->last, PFN_NONE);
	if (q->frames == 0)
		q->first_frame = list->first;
	else
		link_frame(q->last_frame, list->first);
	q->last_frame = list->last;
	q->frames += list->frames;
}

/* Moves all of `from` to the end of `to`. */
static void append(struct queue *to, struct queue *from)
{
	if (from->objects != 0) {
		if (to->objects == 0)
			to->first = from->first;
		else
			to->last->next = from->first;
		to->last = from->last;
	}
	if (from->frames != 0) {
		if (to->frames == 0)
			to->first_frame = from->first_frame;
		else
			link_frame(to->last_frame, from->first_frame);
		to->last_frame = from->last_frame;
	}
	to->objects += from->objects;
	to->frames += from->frames;
	*from = (struct queue){ 0 };
}

/* ---- freeing ---- */

/* Objects retired at least two advances before `now` are safe to free: D2. */
static void collect_safe(struct limbo *h, uint64_t now)
{
	for (unsigned i = 0; i < EPOCH_LISTS; i++) {
		struct limbo_list *b = &h->list[i];

		if (waiting(&b->queue) != 0 && b->epoch + ADVANCES_TO_FREE <= now)
			append(&h->safe, &b->queue);
	}
}

void epoch_set_frame_free(enum frame_kind kind, void (*fn)(struct frame *f))
{
	frame_free[kind] = fn;
}

static void free_frame(struct frame *f)
{
	void (*fn)(struct frame * f) = frame_free[frame_kind_of(f)];

	if (fn != NULL)
		fn(f);
	else
		frame_put(f);
}

static void free_one(struct queue *q)
{
	if (q->objects != 0) {
		struct epoch_entry *d = q->first;

		q->first = d->next;
		q->objects--;
		d->fn(d);
	} else {
		pfn_t pfn = q->first_frame;

		q->first_frame = frame_link(pfn);
		q->frames--;
		free_frame(frame_of_slot(meta_slot_of(pfn)));
	}
}

static void free_some(struct limbo *h, unsigned max)
{
	_Atomic uint64_t *freed;
	unsigned n;

	if (h->is_freeing)
		return;
	h->is_freeing = true;
	for (n = 0; n < max && waiting(&h->safe) != 0; n++)
		free_one(&h->safe);
	h->is_freeing = false;
	/* release pairs with epoch_barrier(): the objects are freed before they are counted */
	freed = &this_cpu_ptr(epoch_stats)->freed;
	atomic_store_explicit(freed, atomic_load_explicit(freed, memory_order_relaxed) + n,
			      memory_order_release);
}

/* ---- retiring ---- */

/* Returns the limbo list for n objects that this CPU retires now; interrupts are off. */
static struct queue *limbo_list_open(struct limbo *h, uint32_t n)
{
	struct limbo_list *b;
	uint64_t now;

	/* seq_cst: the full barrier between the removal and the read of the epoch */
	(void)atomic_fetch_add_explicit(&this_cpu_ptr(epoch_stats)->retired, n,
					memory_order_seq_cst);
	now = atomic_load_explicit(&epoch, memory_order_seq_cst);
	collect_safe(h, now);
	b = &h->list[now % EPOCH_LISTS];
	b->epoch = now; /* D3: empty, or of this epoch */
	return &b->queue;
}

static void after_retiring(struct limbo *h, uint32_t n)
{
	h->since_advance += n;
	if (h->since_advance >= EPOCH_ADVANCE_EVERY) {
		h->since_advance = 0;
		(void)try_advance();
	}
	free_some(h, EPOCH_FREES * n);
}

void epoch_retire(struct epoch_entry *d, void (*fn)(struct epoch_entry *d))
{
	uintptr_t irq = arch_irq_save();
	struct limbo *h = this_cpu_ptr(limbo);

	d->fn = fn;
	push_object(limbo_list_open(h, 1), d);
	after_retiring(h, 1);
	arch_irq_restore(irq);
}

void epoch_list_retire(struct epoch_list *list)
{
	uintptr_t irq = arch_irq_save();
	struct limbo *h = this_cpu_ptr(limbo);
	uint32_t n = list->frames;

	if (n != 0) {
		push_frames(limbo_list_open(h, n), list);
		after_retiring(h, n);
		list->frames = 0;
	}
	arch_irq_restore(irq);
}

void epoch_list_add(struct epoch_list *list, struct frame *f)
{
	DASSERT(frame_count(f) == 1);
	if (list->frames == 0)
		list->first = frame_pfn(f);
	else
		link_frame(list->last, frame_pfn(f));
	list->last = frame_pfn(f);
	if (++list->frames == EPOCH_LIST_MAX)
		epoch_list_retire(list);
}

void epoch_retire_frame(struct frame *f)
{
	struct epoch_list list = { 0 };

	epoch_list_add(&list, f);
	epoch_list_retire(&list);
}

/* ---- polling ---- */

uint64_t epoch_backlog(unsigned cpu)
{
	const struct epoch_stats *t = per_cpu_ptr(epoch_stats, cpu);
	/* acquire: read before `retired`, so that it is never larger */
	uint64_t freed = atomic_load_explicit(&t->freed, memory_order_acquire);

	return atomic_load_explicit(&t->retired, memory_order_relaxed) - freed;
}

bool epoch_poll(void)
{
	uintptr_t irq = arch_irq_save();
	struct limbo *h = this_cpu_ptr(limbo);
	bool left;

	if (epoch_backlog(arch_cpu_id()) != 0) {
		for (unsigned i = 0; i < ADVANCES_TO_FREE && try_advance(); i++)
			;
		collect_safe(h, epoch_current());
		free_some(h, EPOCH_POLL_FREES);
	}
	left = epoch_backlog(arch_cpu_id()) != 0;
	arch_irq_restore(irq);
	return left;
}

static void poll(void *unused)
{
	(void)unused;
	(void)epoch_poll();
}

static PER_CPU(struct call, poll_call) = CALL_INIT(poll, NULL);

/* Calls only CPUs that have something to free: a CPU that has nothing may be busy with interrupts
 * off for any time. */
void epoch_barrier(void)
{
	ASSERT(!epoch_is_inside());
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
		const struct epoch_stats *t = per_cpu_ptr(epoch_stats, cpu);
		uint64_t wanted = atomic_load_explicit(&t->retired, memory_order_relaxed);

		/* acquire pairs with free_some() */
		while (atomic_load_explicit(&t->freed, memory_order_acquire) < wanted) {
			if (call_on_cpu(cpu, per_cpu_ptr(poll_call, cpu)) != OK)
				break; /* a panic stopped it */
			arch_relax();
		}
	}
}
