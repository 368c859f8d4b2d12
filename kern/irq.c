/* SPDX-License-Identifier: MIT */
#include "kern/irq.h"

#include "kern/cpu.h"
#include "kern/kthread.h"
#include "kern/lock.h"
#include "kern/mutex.h"
#include "kern/percpu.h"
#include "kern/vector.h"
#include "lib/log.h"
#include "lib/panic.h"
#include "lib/string.h"

struct irq_line {
	struct spinlock lock;
	struct irq *handler[IRQ_SHARED_MAX]; /* (l) the first `handlers` */
	unsigned handlers;                   /* (l) 0: free */
	struct irq_source source;            /* (c) while in use */
	unsigned cpu, vector;                /* (c) while in use */
	_Atomic bool in_progress;            /* handlers are being called; set under the lock */
	unsigned threads;                    /* (l) woken and not returned, of a level */
	uint64_t uses;                       /* (l) ended ones: counts its last handlers */
	bool stuck;                          /* (l) masked until a handler comes or goes */
	_Atomic uint64_t count, unhandled;   /* (a) written by its CPU; unhandled: in a row */
};

LOCK_CLASS(lines_class, "interrupt lines", RANK_IRQ);
static struct irq_line lines[IRQ_LINES_MAX];
static bool lines_ready;

/* Serializes irq_request() and irq_free(). */
static struct mutex table_lock = MUTEX_INIT;

struct vector_table {
	_Atomic(struct irq_line *) line[ARCH_VECTORS];
};
static PER_CPU(struct vector_table, vector_table);
static PER_CPU(_Atomic uint64_t, irq_spurious);

static const struct irq_remapping *remapping;

static bool line_is_level(const struct irq_line *l)
{
	return l->source.msi == NULL && irq_is_level(l->source.trigger);
}

/* ---- dispatch ---- */

/* The handlers at this moment; they stay until in_progress is clear again.  None: the line was
 * freed, and perhaps given to another source, after it was found. */
static unsigned line_begin(struct irq_line *l, unsigned vector, struct irq *handler[IRQ_SHARED_MAX])
{
	unsigned n;

	spin_lock(&l->lock);
	n = l->cpu == arch_cpu_id() && l->vector == vector ? l->handlers : 0;
	if (n == 0) {
		spin_unlock(&l->lock);
		return 0;
	}
	memcpy(handler, l->handler, n * sizeof(handler[0]));
	/* relaxed: line_synchronize() takes the lock before it reads it */
	atomic_store_explicit(&l->in_progress, true, memory_order_relaxed);
	spin_unlock(&l->lock);
	return n;
}

/* A level stays masked while threads run; the thread is counted before it can return. */
static void line_wake(struct irq_line *l, struct irq *irq)
{
	ASSERT(irq->thread != NULL); /* only a threaded handler may ask for it */
	spin_lock(&l->lock);
	/* acq_rel pairs with irq_thread(): it sees what the handler stored */
	if (atomic_exchange_explicit(&irq->woken, 1, memory_order_acq_rel) == 0 &&
	    line_is_level(l) && l->threads++ == 0)
		arch_irq_mask(l->source.gsi);
	spin_unlock(&l->lock);
	thread_unpark(irq->thread);
}

static void line_count(struct irq_line *l, enum irq_result best)
{
	bool was_stuck;

	percpu_add(&l->count, 1);
	if (best != IRQ_NONE) {
		atomic_store_explicit(&l->unhandled, 0, memory_order_relaxed);
		return;
	}
	percpu_add(&l->unhandled, 1);
	if (percpu_read(&l->unhandled) < IRQ_UNHANDLED_MAX || l->source.msi != NULL)
		return;
	spin_lock(&l->lock);
	was_stuck = l->stuck;
	l->stuck = true;
	arch_irq_mask(l->source.gsi);
	spin_unlock(&l->lock);
	if (!was_stuck)
		log_err("irq", "GSI %u interrupted %d times and no handler recognised it: masked",
			l->source.gsi, IRQ_UNHANDLED_MAX);
}

void irq_dispatch(unsigned vector)
{
	/* acquire pairs with line_publish(): the line is complete */
	struct irq_line *l = atomic_load_explicit(&this_cpu_ptr(vector_table)->line[vector],
						  memory_order_acquire);
	struct irq *handler[IRQ_SHARED_MAX] __uninitialized;
	enum irq_result best = IRQ_NONE;
	unsigned n;

	if (l == NULL) {
		percpu_add(this_cpu_ptr(irq_spurious), 1);
		return;
	}
	n = line_begin(l, vector, handler);
	if (n == 0)
		return;
	for (unsigned i = 0; i < n; i++) {
		enum irq_result result = handler[i]->handler(handler[i]->context);

		if (result == IRQ_WAKE_THREAD)
			line_wake(l, handler[i]);
		best = result > best ? result : best;
	}
	line_count(l, best);
	/* release pairs with line_synchronize() */
	atomic_store_explicit(&l->in_progress, false, memory_order_release);
}

/* No handler that was removed before runs any more. */
static void line_synchronize(const struct irq_line *l)
{
	/* acquire pairs with irq_dispatch() */
	while (atomic_load_explicit(&l->in_progress, memory_order_acquire))
		lock_wait_turn(); /* the handler may wait for this CPU's part of a shootdown */
}

/* After the handlers changed: another one may recognise the interrupt, or the device that was stuck
 * is gone.  Calls of the handlers before must not mask it any more. */
static void line_retry(struct irq_line *l)
{
	uintptr_t irq;

	line_synchronize(l);
	irq = spin_lock_irq(&l->lock);
	if (l->stuck && l->handlers != 0) {
		l->stuck = false;
		/* relaxed: if its CPU counts meanwhile, the wire is masked sooner */
		atomic_store_explicit(&l->unhandled, 0, memory_order_relaxed);
		if (l->threads == 0)
			arch_irq_unmask(l->source.gsi);
	}
	spin_unlock_irq(&l->lock, irq);
}

/* ---- threads ---- */

/* The line may be free by now, or another driver's. */
static void thread_returned(const struct irq *irq)
{
	struct irq_line *l = irq->line;
	uintptr_t flags = spin_lock_irq(&l->lock);

	if (irq->use == l->uses && line_is_level(l) && --l->threads == 0 && !l->stuck)
		arch_irq_unmask(l->source.gsi);
	spin_unlock_irq(&l->lock, flags);
}

static void irq_thread(void *handle)
{
	struct irq *irq = handle;

	for (;;) {
		/* acq_rel pairs with line_wake() */
		if (atomic_exchange_explicit(&irq->woken, 0, memory_order_acq_rel) != 0) {
			irq->thread_fn(irq->context);
			thread_returned(irq);
		} else if (atomic_load_explicit(&irq->stopping, memory_order_acquire)) {
			return;
		} else {
			thread_park();
		}
	}
}

/* ---- lines ---- */

static void lines_init(void) __requires(table_lock)
{
	for (unsigned i = 0; !lines_ready && i < IRQ_LINES_MAX; i++)
		spin_init(&lines[i].lock, &lines_class);
	lines_ready = true;
}

static bool same_source(const struct irq_line *l, const struct irq_source *s)
{
	if (l->handlers == 0 || (l->source.msi == NULL) != (s->msi == NULL))
		return false;
	if (s->msi == NULL)
		return l->source.gsi == s->gsi;
	return l->cpu == s->msi->cpu && l->vector == s->msi->vector + s->index;
}

/* The line of the source, or a free one with no handlers; NULL: all are in use. */
static struct irq_line *line_find(const struct irq_source *s) __requires(table_lock)
{
	struct irq_line *free = NULL;

	lines_init();
	for (unsigned i = 0; i < IRQ_LINES_MAX; i++) {
		if (same_source(&lines[i], s))
			return &lines[i];
		if (free == NULL && lines[i].handlers == 0)
			free = &lines[i];
	}
	return free;
}

static void line_publish(struct irq_line *l, struct irq_line *value)
{
	/* release pairs with irq_dispatch() */
	atomic_store_explicit(&per_cpu_ptr(vector_table, l->cpu)->line[l->vector], value,
			      memory_order_release);
}

/* Vector and route of a line that gets its first handler; a wire stays masked. */
static err_t line_start(struct irq_line *l, const struct irq_source *s) __requires(table_lock)
{
	unsigned cpu, vector;
	uintptr_t irq;
	err_t err = OK;

	if (s->msi != NULL) {
		cpu = s->msi->cpu;
		vector = s->msi->vector + s->index;
	} else {
		err = vector_alloc(1, &cpu, &vector);
		if (err != OK)
			return err;
		err = arch_irq_route(s->gsi, s->trigger, cpu, vector);
		if (err != OK)
			vector_free(cpu, vector, 1);
	}
	if (err != OK)
		return err;
	irq = spin_lock_irq(&l->lock);
	l->source = *s;
	l->cpu = cpu;
	l->vector = vector;
	l->threads = 0;
	l->stuck = false;
	l->count = l->unhandled = 0;
	spin_unlock_irq(&l->lock, irq);
	return OK;
}

static err_t line_may_add(const struct irq_line *l, const struct irq_source *s)
{
	if (l->handlers == 0)
		return OK;
	if (s->msi != NULL || l->source.trigger != s->trigger || !irq_is_level(s->trigger))
		return ERR_IN_USE;
	return l->handlers == IRQ_SHARED_MAX ? ERR_NO_MEMORY : OK;
}

static err_t line_add(struct irq *irq, const struct irq_source *s) __requires(table_lock)
{
	struct irq_line *l = line_find(s);
	err_t err = l == NULL ? ERR_NO_MEMORY : line_may_add(l, s);
	uintptr_t flags;
	bool first;

	if (err == OK && l->handlers == 0)
		err = line_start(l, s);
	if (err != OK)
		return err;
	irq->line = l;
	flags = spin_lock_irq(&l->lock);
	irq->use = l->uses;
	first = l->handlers == 0;
	l->handler[l->handlers++] = irq;
	spin_unlock_irq(&l->lock, flags);
	if (first) {
		line_publish(l, l);
		if (s->msi == NULL)
			arch_irq_unmask(s->gsi);
	} else {
		line_retry(l);
	}
	return OK;
}

static void line_drop(struct irq_line *l, const struct irq *irq) __requires(table_lock)
{
	uintptr_t flags = spin_lock_irq(&l->lock);
	unsigned i = 0;

	while (i < l->handlers && l->handler[i] != irq)
		i++;
	ASSERT(i < l->handlers);
	l->handler[i] = l->handler[--l->handlers];
	spin_unlock_irq(&l->lock, flags);
}

/* No thread unmasks the wire from now on. */
static void line_end_use(struct irq_line *l) __requires(table_lock)
{
	uintptr_t irq = spin_lock_irq(&l->lock);

	l->uses++;
	if (l->source.msi == NULL)
		arch_irq_unroute(l->source.gsi);
	spin_unlock_irq(&l->lock, irq);
}

/* The wire is masked and the vector leads nowhere before the last handler goes: Q1. */
static void line_remove(struct irq_line *l, const struct irq *irq) __requires(table_lock)
{
	bool last = l->handlers == 1;

	if (last) {
		line_end_use(l);
		line_publish(l, NULL);
	}
	line_drop(l, irq);
	line_retry(l);
	if (last && l->source.msi == NULL)
		vector_free(l->cpu, l->vector, 1);
}

/* ---- requests ---- */

static void irq_stop_thread(struct irq *irq)
{
	if (irq->thread == NULL)
		return;
	/* release pairs with irq_thread() */
	atomic_store_explicit(&irq->stopping, true, memory_order_release);
	thread_unpark(irq->thread);
	kthread_join(irq->thread);
}

err_t irq_request_threaded(struct irq *irq, struct irq_source source, const char *name,
			   irq_handler_t handler, void (*thread_fn)(void *context), void *context)
{
	err_t err;

	if (source.msi != NULL && source.index >= source.msi->count)
		return ERR_NOT_FOUND;
	*irq = (struct irq){
		.handler = handler, .thread_fn = thread_fn, .context = context, .name = name
	};
	if (thread_fn != NULL && kthread_create(name, irq_thread, irq, &irq->thread) != OK)
		return ERR_NO_MEMORY;
	mutex_lock(&table_lock);
	err = line_add(irq, &source);
	mutex_unlock(&table_lock);
	if (err != OK)
		irq_stop_thread(irq);
	return err;
}

err_t irq_request(struct irq *irq, struct irq_source source, const char *name,
		  irq_handler_t handler, void *context)
{
	return irq_request_threaded(irq, source, name, handler, NULL, context);
}

void irq_free(struct irq *irq)
{
	mutex_lock(&table_lock);
	line_remove(irq->line, irq);
	mutex_unlock(&table_lock);
	irq_stop_thread(irq);
}

/* ---- messages ---- */

err_t irq_msi_alloc(struct irq_msi *msi, unsigned count, uint32_t requester)
{
	*msi = (struct irq_msi){ .count = count, .requester = requester };
	return vector_alloc(count, &msi->cpu, &msi->vector);
}

void irq_msi_free(struct irq_msi *msi)
{
	for (unsigned i = 0; i < msi->count; i++)
		ASSERT(atomic_load_explicit(
			       &per_cpu_ptr(vector_table, msi->cpu)->line[msi->vector + i],
			       memory_order_relaxed) == NULL);
	if (remapping != NULL)
		remapping->unmap(msi);
	vector_free(msi->cpu, msi->vector, msi->count);
}

err_t irq_msi_message(const struct irq_msi *msi, unsigned index, struct msi_message *out)
{
	ASSERT(index < msi->count);
	if (remapping != NULL)
		return remapping->map(msi, index, out);
	return arch_msi_compose(msi->cpu, msi->vector + index, out);
}

void irq_set_remapping(const struct irq_remapping *new_remapping)
{
	remapping = new_remapping;
}

/* ---- for the monitor ---- */

bool irq_info_at(unsigned index, struct irq_info *out)
{
	struct irq_line *l = &lines[index];
	uintptr_t irq;
	bool used;

	if (!lines_ready)
		return false;
	irq = spin_lock_irq(&l->lock);
	used = l->handlers != 0;
	if (used)
		*out = (struct irq_info){
			.is_message = l->source.msi != NULL,
			.gsi = l->source.gsi,
			.trigger = l->source.trigger,
			.cpu = l->cpu,
			.vector = l->vector,
			.handlers = l->handlers,
			.name = l->handler[0]->name,
			.count = percpu_read(&l->count),
			.unhandled = percpu_read(&l->unhandled),
			.masked = l->stuck,
		};
	spin_unlock_irq(&l->lock, irq);
	return used;
}

uint64_t irq_spurious_count(void)
{
	uint64_t n = 0;

	for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
		n += percpu_read(per_cpu_ptr(irq_spurious, cpu));
	return n;
}
