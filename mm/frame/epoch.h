/* SPDX-License-Identifier: MIT */
/*
 * epoch.h - epoch-based reclamation: frees memory that other CPUs may still read without a lock.
 *
 * A reader is a CPU between epoch_enter() and epoch_exit().  An object removed from a structure is
 * retired with epoch_retire() or epoch_retire_frame(): it is freed when every reader that may have
 * found it has left.  The list link is in the object, so retiring allocates nothing.
 *
 *   epoch_enter();                              remove the object from the structure;
 *   p = load(&head); ... read *p ...            epoch_retire(&p->retired, free_p);
 *   epoch_exit();
 *
 * A global epoch counts up.  A reader publishes the epoch in its CPU's word.  A CPU advances the
 * epoch after it has read the words of all CPUs and found each outside or inside in the current
 * epoch.  A CPU keeps the objects that it retired on one limbo list per epoch.
 *
 * Invariants:
 *   D1  the epoch advances only when no reader is inside in an older one
 *   D2  an object retired in epoch r is freed in epoch r + 2 or later
 *   D3  a CPU has limbo lists of three epochs at most: when it opens the fourth, the first is free
 *   D4  one retire call frees at most EPOCH_FREES objects for each that it retires, retires at most
 *       EPOCH_LIST_MAX at once, and scans the readers' words at most once; a CPU that retires frees
 *       more than it adds, so that its backlog does not grow
 *
 * Why two advances are enough.  A reader R that can find the object has published its epoch and
 * executed the full barrier of epoch_enter() before the object was removed; otherwise R would have
 * seen the removal, since the retiring CPU has a full barrier between the removal and its read of
 * the epoch.  Let e be the epoch at R's barrier.  The tag r was read later, so r >= e.  One
 * advance, to e + 1, can still happen: by a CPU that scanned before the barrier, or because R
 * published e itself.  The next advance needs a scan that starts at epoch e + 1, after the barrier,
 * and finds R in an older epoch (R may even have published one older than e, which only blocks
 * earlier).  So the epoch stays below r + 2 while R is inside.
 *
 * Progress: a CPU that is idle, halted or in an endless loop is outside and blocks nothing.  A
 * reader that stays inside blocks the frees of all CPUs, so readers are short, have interrupts off
 * or are pinned, and do not wait.  While no reader stays inside for longer than EPOCH_ADVANCE_EVERY
 * retirements of a CPU, that CPU has at most EPOCH_BACKLOG_MAX objects retired and not freed: those
 * of three epochs and one that is being freed, each as many as are retired between two scans.  A
 * CPU that stops retiring keeps them until its epoch_poll(), from its timer or before it idles.
 *
 * The link of a retired frame overlays the lock of a page-table node in its MetaSlot; children,
 * level and dead mark keep their values for late readers.  The link is never 0, so a late reader
 * sees the lock as held: it must recheck the dead mark in each iteration of its wait, and must not
 * write to a lock that is held.
 *
 * Locking: none; a CPU's limbo lists are private to it, with interrupts off.  Any context but NMI
 * and machine check.  The barriers are locked instructions (kern/cpu.h).  Source: Fraser, Practical
 * lock-freedom, 2004, section 5.2.3.
 */
#pragma once

#include "mm/frame/frame.h"

enum {
	EPOCH_LISTS = 3,
	EPOCH_FREES = 2, /* objects freed per object retired */
	EPOCH_LIST_MAX = 16,
	EPOCH_ADVANCE_EVERY = 32, /* retirements of a CPU between two scans */
	EPOCH_BACKLOG_MAX = (EPOCH_LISTS + 1) * (EPOCH_ADVANCE_EVERY + EPOCH_LIST_MAX),
	EPOCH_POLL_FREES = 64,
};

struct epoch_entry {
	struct epoch_entry *next;
	void (*fn)(struct epoch_entry *d);
};

/* Read-side critical section of this CPU.  Nests, also in an interrupt handler.  Interrupts are off
 * or the thread is pinned to its CPU. */
void epoch_enter(void);
void epoch_exit(void);
/* Whether this CPU is inside a read-side critical section. */
bool epoch_is_inside(void);

/* Calls fn(d) on this CPU, with interrupts off, once no reader can hold a pointer to d; the caller
 * has removed d from all structures.  fn is short; it may retire other objects. */
void epoch_retire(struct epoch_entry *d, void (*fn)(struct epoch_entry *d));

/* The same for a frame or block; consumes its only count.  It is freed by frame_put(), or by the
 * function that epoch_set_frame_free() set for its kind. */
void epoch_retire_frame(struct frame *f) __takes(1);

/* Frees retired frames of this kind by fn, which consumes the count, instead of frame_put().  Call
 * at start-up, before the first such frame is retired. */
void epoch_set_frame_free(enum frame_kind kind, void (*fn)(struct frame *f));

/* Frames to retire together, linked through their MetaSlots; all zero: empty.  Late readers see the
 * link of a frame from epoch_list_add() on, as that of a retired frame. */
struct epoch_list {
	pfn_t first, last;
	uint32_t frames;
};

/* Adds a frame, consuming its only count; retires the list when it reaches EPOCH_LIST_MAX. */
void epoch_list_add(struct epoch_list *list, struct frame *f) __takes(2);
/* Retires all frames of the list. */
void epoch_list_retire(struct epoch_list *list);

/* For the timer and before idling: tries to advance the epoch and frees up to EPOCH_POLL_FREES of
 * this CPU's objects.  Returns whether some are left. */
bool epoch_poll(void);

/* Waits until each CPU has freed as many objects as it had retired at the call.  For tests and
 * out-of-memory paths: interrupts are on, no lock is held, and this CPU is outside. */
void epoch_barrier(void);

/* (a): relaxed; each CPU writes only its own. */
struct epoch_stats {
	_Atomic uint64_t retired, freed;
	_Atomic uint64_t advances; /* of the epoch, by this CPU */
	_Atomic uint64_t blocked;  /* scans that found a reader in an older epoch */
};
extern struct epoch_stats epoch_stats; /* PER_CPU */
uint64_t epoch_current(void);
/* Objects retired by that CPU and not yet freed; exact for the calling CPU. */
uint64_t epoch_backlog(unsigned cpu);
