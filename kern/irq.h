/* SPDX-License-Identifier: MIT */
/*
 * irq.h - device interrupts and their handlers.
 *
 * A driver registers a handler with a context for a source of interrupts: a wire (GSI), or one
 * message of a block of MSI vectors.  The handle is a struct irq of the driver's, so registration
 * allocates nothing but, for a threaded handler, the thread.
 *
 *   err = irq_request(&d->irq, irq_wire(gsi, IRQ_LEVEL_LOW), "disk", disk_interrupt, d);
 *   ...
 *   irq_free(&d->irq);          after this disk_interrupt() runs nowhere and will not run again
 *
 * Handlers run with interrupts off on one CPU, the one that the source was given.  A handler says
 * whether its device had interrupted (IRQ_HANDLED) or not (IRQ_NONE), or that its thread is to run
 * (IRQ_WAKE_THREAD).  Drivers may share a wire that is level-triggered, if all of them ask for the
 * same trigger; each handler is called.  A level-triggered wire stays masked until all threads that
 * its handlers woke have returned.
 *
 * A wire that interrupts IRQ_UNHANDLED_MAX times in a row without a handler that recognises it is
 * masked with a warning: a device that is stuck costs a bounded time.  It is unmasked when another
 * handler is registered for it or one of several is freed, and the count starts again.
 *
 * Invariants:
 *   Q1  a line that is in use has at least one handler, and its vector of its CPU leads to it
 *   Q2  a handler is called only between irq_request() and irq_free(), never on two CPUs at once
 *   Q3  a source has one line; a wire's handlers agree on the trigger
 *
 * MSI messages are composed by the machine, or by a hook that interrupt remapping installs
 * (VT-d 5.1).
 *
 * Locking: a mutex for the table of lines, so that the search for a vector on all CPUs and the wait
 * for a handler leave interrupts on; a spinlock for each line, held for a few steps and never while
 * a handler runs, so handlers take locks of any rank that allows interrupts.  irq_request() and
 * irq_free(): threads, interrupts on, no spinlock held, not from a handler or a handler's thread.
 */
#pragma once

#include "arch/irq.h"
#include "kern/thread.h"
#include "lib/err.h"
#include "lib/list.h"

enum {
	IRQ_LINES_MAX = 256,
	IRQ_SHARED_MAX = 8, /* handlers of one wire */
	IRQ_UNHANDLED_MAX = 10000,
};

enum irq_result {
	IRQ_NONE, /* not this device */
	IRQ_HANDLED,
	IRQ_WAKE_THREAD, /* of irq_request_threaded() */
};

typedef enum irq_result (*irq_handler_t)(void *context);

/* A block of messages of one device: `count` vectors from `vector` on, on `cpu`. */
struct irq_msi {
	unsigned cpu, vector, count;
	uint32_t requester; /* segment << 16 | bus << 8 | device << 3 | function, for remapping */
};

/* Where an interrupt comes from. */
struct irq_source {
	const struct irq_msi *msi; /* NULL: a wire; stays until irq_free() */
	unsigned index;            /* of the message */
	uint32_t gsi;
	enum irq_trigger trigger;
};

static inline struct irq_source irq_wire(uint32_t gsi, enum irq_trigger trigger)
{
	return (struct irq_source){ .gsi = gsi, .trigger = trigger };
}

static inline struct irq_source irq_message(const struct irq_msi *msi, unsigned index)
{
	return (struct irq_source){ .msi = msi, .index = index };
}

struct irq_line;

/* A registered handler; its memory is the driver's until irq_free() has returned. */
struct irq {
	struct irq_line *line;
	uint64_t use; /* of the line, which is free or another driver's when its number differs */
	irq_handler_t handler;
	void (*thread_fn)(void *context);
	void *context;
	const char *name; /* stays */
	struct thread *thread;
	_Atomic uint32_t woken; /* the thread is to run */
	_Atomic bool stopping;
};

/* Call handler(context) on each interrupt of the source.  ERR_NOT_FOUND: no controller has the
 * wire, no CPU can be reached by it, or the block has no such message.  ERR_IN_USE: the message has
 * a handler, or the wire has and cannot be shared.  ERR_NO_MEMORY: no vector or line is left, or
 * the wire has IRQ_SHARED_MAX. */
err_t irq_request(struct irq *irq, struct irq_source source, const char *name,
		  irq_handler_t handler, void *context);

/* The same with a thread of its own, which calls thread_fn(context) after each IRQ_WAKE_THREAD,
 * with interrupts on; it may sleep.  ERR_NO_MEMORY: no thread. */
err_t irq_request_threaded(struct irq *irq, struct irq_source source, const char *name,
			   irq_handler_t handler, void (*thread_fn)(void *context), void *context);

/* The handler, and its thread, run nowhere any more when this returns.  The last one of a wire
 * masks it. */
void irq_free(struct irq *irq);

/* ---- messages ---- */

/* A block of `count` messages (a power of two up to 32) for the device with that requester id.
 * ERR_NO_MEMORY: no CPU has so many vectors left in a row. */
err_t irq_msi_alloc(struct irq_msi *msi, unsigned count, uint32_t requester);
/* No message of it has a handler. */
void irq_msi_free(struct irq_msi *msi);

/* What the device writes for message `index`; of a block for multi-message MSI, message 0's data
 * with the index in its low bits.  ERR_NOT_FOUND: a message cannot name that CPU. */
err_t irq_msi_message(const struct irq_msi *msi, unsigned index, struct msi_message *out);

/* Interrupt remapping composes messages instead of the machine from now on; `map` as
 * irq_msi_message(), `unmap` before the block is freed.  NULL: the machine again. */
struct irq_remapping {
	err_t (*map)(const struct irq_msi *msi, unsigned index, struct msi_message *out);
	void (*unmap)(const struct irq_msi *msi);
};
void irq_set_remapping(const struct irq_remapping *remapping);

/* ---- for the machine ---- */

/* A device vector came to this CPU; interrupts are off.  A vector that leads to no line is counted
 * and otherwise ignored. */
void irq_dispatch(unsigned vector);

/* ---- for the monitor ---- */

struct irq_info {
	bool is_message;
	uint32_t gsi;
	enum irq_trigger trigger;
	unsigned cpu, vector, handlers;
	const char *name; /* of the first handler */
	uint64_t count, unhandled;
	bool masked; /* because no handler recognised it */
};
/* The index-th entry of the table of lines; false: it is not in use.  index < IRQ_LINES_MAX. */
bool irq_info_at(unsigned index, struct irq_info *out);

/* Vectors that came and led to no line, on all CPUs. */
uint64_t irq_spurious_count(void);
