/* SPDX-License-Identifier: MIT */
/*
 * batch.h - what was taken out of a page table, until no TLB can hold it any more.
 *
 * A batch collects the pages of one space whose entries changed and the frames and nodes that
 * were behind them.  tlb_batch_finish() first makes every CPU invalidate the pages
 * (kern/shootdown.h), then puts the frames and retires the nodes: a frame is never reused while a
 * TLB may still map it, nor a node while a CPU may still walk it or somebody look at it
 * (mm/frame/epoch.h).
 *
 *   struct tlb_batch gone;
 *   tlb_batch_init(&gone, &tlb_kernel_space);
 *   cursor_open(&c, &table, range, &gone); ... cursor_unmap(&c, len) ... cursor_close(&c);
 *   tlb_batch_finish(&gone);
 *
 * Memory that no count keeps (an untracked mapping) is its owner's to keep from others until the
 * batch is finished: who maps it again elsewhere finishes before he lets the range go.
 *
 * Pages are invalidated one by one, each by the size that it was mapped with (finding MOM-02: a
 * 2 MiB page is one shootdown, not 512), up to SHOOTDOWN_PAGES_MAX; above that everything is
 * invalidated at once.  When there is no room for more frames the batch finishes itself in between;
 * nodes, and trees of them with all that they own, need no room: they are linked through their
 * MetaSlots.
 *
 * Owned by its caller; no lock.  Finishing waits for other CPUs with interrupts off; locks and
 * cursors may be held, as whoever waits for them serves shootdowns.
 */
#pragma once

#include "kern/shootdown.h"
#include "mm/pt/node.h"

enum {
	TLB_RUNS_MAX = 24,
};

struct tlb_batch {
	struct shootdown shootdown;
	struct {
		struct frame *first; /* frames in a row, or one block */
		uint32_t n;
	} run[TLB_RUNS_MAX];
	unsigned runs;
	pfn_t dead; /* the first of the nodes, PT_NODE_LAST: none */
};

/* For what is taken out of the table of `space`. */
static inline void tlb_batch_init(struct tlb_batch *b, struct tlb_space *space)
{
	shootdown_init(&b->shootdown, space);
	b->runs = 0;
	b->dead = PT_NODE_LAST;
}

/* The translation of the page at va, whatever its size, is to be invalidated. */
static inline void tlb_batch_page(struct tlb_batch *b, vaddr_t va)
{
	shootdown_add_page(&b->shootdown, va);
}

/* Invalidate, then put.  The batch is empty and usable afterwards. */
void tlb_batch_finish(struct tlb_batch *b);

/* Whether no more runs of frames find room until the batch is finished. */
static inline bool tlb_batch_is_full(const struct tlb_batch *b)
{
	return b->runs == TLB_RUNS_MAX;
}

/* Put the n frames in a row from `first` on, or one block, after the shootdown.  It is not full. */
static inline void tlb_batch_run(struct tlb_batch *b, struct frame *first, uint32_t n)
{
	b->run[b->runs].first = first;
	b->run[b->runs++].n = n;
}

/* Retire a node, too, that the page of another one's invalidate has led to. */
static inline void tlb_batch_node_below(struct tlb_batch *b, struct frame *node) __takes(2)
{
	pt_node_kill(node, b->dead);
	b->dead = frame_pfn(node);
}

/* Retire a node to which the entry for va led, with all that its entries own, after the shootdown.
 * The caller holds it, and has killed the nodes below it and added the pages that they map. */
static inline void tlb_batch_node(struct tlb_batch *b, vaddr_t va, struct frame *node) __takes(3)
{
	shootdown_add_page(&b->shootdown, va);
	b->shootdown.reach = SHOOTDOWN_TABLES;
	tlb_batch_node_below(b, node);
}
