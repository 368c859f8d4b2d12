/* SPDX-License-Identifier: MIT */
/*
 * epoch.h - epoch-based reclamation: memory that other CPUs may still look at without a lock.
 *
 * A reader is a CPU between epoch_enter() and epoch_exit().  What was taken out of a structure is
 * retired with epoch_retire() or epoch_retire_frame(): it is freed when every reader that may have
 * found it there has left.  A retired object links itself, so retiring allocates nothing.
 *
 *   epoch_enter();                              take the object out of the structure;
 *   p = load(&head); ... look at *p ...         epoch_retire(&p->retired, free_p);
 *   epoch_exit();
 *
 * A global epoch counts up.  A reader publishes the epoch in its CPU's word; who wants to advance
 * the epoch looks at the words of all CPUs, and may if each is outside or inside in the current
 * epoch. A CPU keeps what it retired on a limbo list for each epoch.
 *
 * Invariants:
 *   D1  the epoch advances only when no reader is inside in an older one
 *   D2  what was retired in epoch r is freed in epoch r + 2 or later
 *   D3  a CPU has limbo lists of three epochs at most: when it comes to the fourth, the first is
 * free D4  one call frees at most EPOCH_FREES objects for each that it retires, EPOCH_LIST_MAX at
 *       once at most, and looks at the words once at most; whoever
 *       retires frees more than it adds, so that the rest does not grow
 *
 * Why two advances are enough.  A reader R that can find the object has published its epoch, with
 * the full barrier of epoch_enter() behind it, before the object was taken out, or it would have
 * seen that it is out: the retirer has a full barrier between taking out and reading the epoch. Let
 * e be the epoch at R's barrier.  The tag r was read later, so r >= e.  One advance, to e + 1, can
 * still happen: by somebody who looked before the barrier, or because R published e itself.  The
 * next would be by somebody who began to look at epoch e + 1, after the barrier, and finds R in an
 * older one (R may even have published one older than e, which only blocks earlier).  So the epoch
 * is below r
 * + 2 while R is inside.
 *
 * Progress: a CPU that is idle, halted or in an endless loop is outside and blocks nothing.  A
 * reader that stays inside blocks everybody's frees, so readers are short, have interrupts off or
 * are pinned, and do not wait.  While none stays inside for longer than EPOCH_ADVANCE_EVERY
 * retirements of a CPU, that CPU has at most EPOCH_BACKLOG_MAX objects retired and not freed:
 * those of three epochs and one that is being freed, each as long as it takes to the next look.  A
 * CPU that retires no more keeps them until its epoch_poll(), from its timer or before it idles.
 *
 * The link of a frame is in the word of its MetaSlot where a page-table node has its lock;
 * children, level and dead mark stay what they were for late readers.  The link is never 0, so to a
 * reader that comes late to the lock it looks taken: it must look at the dead mark again in each
 * turn of its wait, and must not change a lock that is taken.
 *
 * Locking: none; a CPU's limbo lists are its own, with interrupts off.  Any context but NMI and
 * machine check.  The barriers are locked instructions (kern/cpu.h).  Source: Fraser, Practical
 * lock-freedom, 2004, section 5.2.3.
 */
#pragma once

#include "mm/frame/frame.h"

enum {
	EPOCH_LISTS = 3,
	EPOCH_FREES = 2, /* for one that is retired */
	EPOCH_LIST_MAX = 16,
	EPOCH_ADVANCE_EVERY = 32, /* retirements of a CPU */
	EPOCH_BACKLOG_MAX = (EPOCH_LISTS + 1) * (EPOCH_ADVANCE_EVERY + EPOCH_LIST_MAX),
	EPOCH_POLL_FREES = 64,
};

struct epoch_entry {
	struct epoch_entry *next;
	void (*fn)(struct epoch_entry *d);
};

/* This CPU looks at shared structures from here to epoch_exit().  Nests; an interrupt handler may
 * do the same in between.  Interrupts are off, or the thread stays on its CPU. */
void epoch_enter(void);
void epoch_exit(void);
/* Whether this CPU is inside. */
bool epoch_is_inside(void);

/* Call fn(d), on this CPU, with interrupts off, when nobody can look at d any more; d has been
 * taken out of everything.  fn is quick; it may retire others. */
void epoch_retire(struct epoch_entry *d, void (*fn)(struct epoch_entry *d));

/* The same, of a frame or block whose only count is handed over: frame_put() then, or what
 * epoch_set_frame_free() says for its kind. */
void epoch_retire_frame(struct frame *f) __takes(1);

/* Frames of this kind are freed by fn, which takes the count, instead of frame_put().  At start-up,
 * before the first is retired. */
void epoch_set_frame_free(enum frame_kind kind, void (*fn)(struct frame *f));

/* Frames that are retired together, linked through their MetaSlots; zeros: none.  Their links show
 * from the first call on, as those of retired ones do. */
struct epoch_list {
	pfn_t first, last;
	uint32_t frames;
};

/* One more; a list that is long is retired.  As epoch_retire_frame(). */
void epoch_list_add(struct epoch_list *list, struct frame *f) __takes(2);
/* All of the list. */
void epoch_list_retire(struct epoch_list *list);

/* For the timer and before idling: look, and free up to EPOCH_POLL_FREES of this CPU's objects.
 * Whether some are left. */
bool epoch_poll(void);

/* Wait until each CPU has freed as many objects as it had retired.  For tests and for who runs out
 * of memory: interrupts are on, no lock is held, and this CPU is outside. */
void epoch_barrier(void);

/* (a): relaxed, each CPU writes its own. */
struct epoch_stats {
	_Atomic uint64_t retired, freed;
	_Atomic uint64_t advances; /* of the epoch, by this CPU */
	_Atomic uint64_t blocked;  /* looks that found a reader in the way */
};
extern struct epoch_stats epoch_stats; /* PER_CPU */
uint64_t epoch_current(void);
/* Retired by that CPU and not freed; exact of one's own. */
uint64_t epoch_backlog(unsigned cpu);
