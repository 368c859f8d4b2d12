/* SPDX-License-Identifier: MIT */
/*
 * batch.h - TLB shootdown batch: pages to invalidate, and frames and nodes to free afterwards.
 *
 * A batch collects the pages of one space whose entries changed and the frames and nodes that
 * these entries led to.  It is finished in two phases, in this order:
 *
 *   - invalidate: every walker gives up its translations of the pages, while the range is still
 *     locked: tlb_batch_invalidate(), called by cursor_close().  CPUs do so by a shootdown
 *     (kern/shootdown.h), IOMMUs by their own commands (struct tlb_walker)
 *   - release: the frames are put and the nodes retired, with nothing locked: tlb_batch_finish()
 *
 * The rule of the first phase.  As long as a CPU can use an old translation of a page, no CPU can
 * write through a new one of that page.  So an operation that replaces a translation invalidates
 * before it gives the write right, and a range is unlocked, and can be mapped again, only when all
 * CPUs have given up what was mapped there.  Otherwise two CPUs that run one program would read
 * and write two different pages at one address.
 *
 * The rule of the second.  A frame is never reused while a TLB may still map it, nor a node while a
 * CPU may still walk it or a lockless reader may still read it (mm/frame/epoch.h).
 *
 *   struct tlb_batch gone;
 *   tlb_batch_init(&gone, &tlb_kernel_space);
 *   cursor_open(&c, &table, range, &gone); ... cursor_unmap(&c, len) ... cursor_close(&c);
 *   tlb_batch_finish(&gone);
 *
 * In the kernel's space the owner of an area keeps its addresses reserved until the batch is
 * finished (mm/kspace/kspace.h), so cursor_close() leaves both phases to tlb_batch_finish(), and
 * one shootdown serves both.  Empty nodes that cursor_close() unlinks after it has unlocked the
 * range are invalidated in the second phase, too: they translate nothing.
 *
 * Untracked mappings hold no reference: the owner of the memory must not reuse it until the batch
 * has finished.
 *
 * Pages are invalidated one by one, each by the size that it was mapped with (finding MOM-02: a
 * 2 MiB page is one invalidation, not 512), up to TLB_PAGES_MAX; above that the whole
 * space is invalidated.  When the array of frame runs is full, the batch finishes early; nodes, and
 * subtrees of them with all that they own, take no array entry: they are linked through their
 * MetaSlots.
 *
 * Owned by its caller; no lock.  Finishing waits for other CPUs with interrupts off; the caller may
 * hold locks and open cursors, as CPUs that wait for these serve shootdowns.
 */
#pragma once

#include "kern/shootdown.h"
#include "mm/frame/frame_page.h"
#include "mm/pt/node.h"

enum {
	TLB_RUNS_MAX = 24,
};

struct tlb_batch {
	struct tlb_walker *walker; /* of the table */
	struct tlb_pages pages;
	struct {
		struct frame *first;
		uint32_t n; /* contiguous pages of this order */
		unsigned order;
	} run[TLB_RUNS_MAX];
	unsigned runs;
	bool is_reserved; /* the first phase may follow the unlocking */
	pfn_t dead;       /* head of the list of nodes to retire; PT_NODE_LAST: empty */
};

/* Of a table that nothing walks: a record of pages, as that of an object. */
extern struct tlb_walker tlb_no_walker;

/* An empty batch for a table that `walker` walks. */
static inline void tlb_batch_init_for(struct tlb_batch *b, struct tlb_walker *walker)
{
	b->walker = walker;
	tlb_pages_init(&b->pages);
	b->runs = 0;
	b->dead = PT_NODE_LAST;
	b->is_reserved = walker == &tlb_kernel_space.cpus;
}

/* An empty batch for the table of `space`. */
static inline void tlb_batch_init(struct tlb_batch *b, struct tlb_space *space)
{
	tlb_batch_init_for(b, &space->cpus);
}

/* Adds the page at va, to which an entry of `level` led, to the first phase. */
static inline void tlb_batch_page(struct tlb_batch *b, vaddr_t va, unsigned level)
{
	tlb_pages_add(&b->pages, va, level);
}

/* Adds all pages. */
static inline void tlb_batch_all_pages(struct tlb_batch *b)
{
	b->pages.n = TLB_PAGES_ALL;
}

static inline bool tlb_batch_has_all_pages(const struct tlb_batch *b)
{
	return b->pages.n == TLB_PAGES_ALL;
}

/* The caller keeps others out of the ranges until it has finished the batch, so that one shootdown
 * serves several of them. */
static inline void tlb_batch_reserve(struct tlb_batch *b)
{
	b->is_reserved = true;
}

/* The first phase, if there are pages.  The caller holds the lock of the range. */
static inline void tlb_batch_invalidate(struct tlb_batch *b)
{
	if (b->pages.n == 0)
		return;
	tlb_invalidate(b->walker, &b->pages);
	tlb_pages_init(&b->pages);
}

/* Before the range is unlocked: the first phase, unless the range stays reserved. */
static inline void tlb_batch_unlock(struct tlb_batch *b)
{
	if (!b->is_reserved)
		tlb_batch_invalidate(b);
}

/* tlb_batch_finish_by() of a batch that is not empty. */
void tlb_batch_finish_all(struct tlb_batch *b, void (*retire)(pfn_t first));

/* Both phases, the first one for what was added since it ran.  The batch is empty and usable
 * afterwards.  `retire` is that of the table's format (mm/pt/format.h). */
static inline void tlb_batch_finish_by(struct tlb_batch *b, void (*retire)(pfn_t first))
{
	if ((b->pages.n | b->runs) != 0 || b->dead != PT_NODE_LAST)
		tlb_batch_finish_all(b, retire);
}

/* For a CPUs' table. */
static inline void tlb_batch_finish(struct tlb_batch *b)
{
	tlb_batch_finish_by(b, pt_node_retire);
}

/* Whether no more runs of frames fit until the batch is finished. */
static inline bool tlb_batch_is_full(const struct tlb_batch *b)
{
	return b->runs == TLB_RUNS_MAX;
}

/* Put what leaves of n contiguous pages of 2^order frames own (mm/frame/frame_page.h), after the
 * shootdown.  The batch must not be full. */
static inline void tlb_batch_run(struct tlb_batch *b, struct frame *first, uint32_t n,
				 unsigned order) __takes(2)
{
	b->run[b->runs].first = first;
	b->run[b->runs].n = n;
	b->run[b->runs++].order = order;
}

/* Retire a node below one that was added with tlb_batch_node(): the shootdown of that node's page
 * covers this one too. */
static inline void tlb_batch_node_below(struct tlb_batch *b, struct frame *node) __takes(2)
{
	pt_node_kill(node, b->dead);
	b->dead = frame_pfn(node);
}

/* Retire a node to which the entry of `level` for va led, with all that its entries own, after the
 * shootdown.  The caller holds its lock, has marked the nodes below it dead (pt_node_kill()) and
 * has added the pages that they map. */
static inline void tlb_batch_node(struct tlb_batch *b, vaddr_t va, unsigned level,
				  struct frame *node) __takes(4)
{
	tlb_pages_add(&b->pages, va, level);
	b->pages.reach = TLB_TABLES;
	tlb_batch_node_below(b, node);
}
