/* SPDX-License-Identifier: MIT */
/*
 * tlb.h - what was taken out of a page table, until no TLB can hold it any more.
 *
 * A batch collects the pages whose entries changed and the frames and nodes that were behind
 * them.  tlb_batch_finish() first makes every CPU forget the pages, then puts the frames: a
 * frame is never reused while a TLB may still map it.
 *
 *   struct tlb_batch gone;
 *   tlb_batch_init(&gone);
 *   ... cursor_unmap(&c, len, &gone) ...
 *   cursor_close(&c);
 *   tlb_batch_finish(&gone);
 *
 * Pages are flushed one by one, each by the size that it was mapped with (finding MOM-02: a
 * 2 MiB page is one flush, not 512), up to TLB_PAGES_MOST; above that everything is flushed at
 * once.  A full batch finishes itself in between.
 *
 * Owned by its caller; no lock.  There is one CPU so far; the shootdown of others finds its
 * place in flush().
 */
#pragma once

#include "mm/frame.h"

enum {
	TLB_PAGES_MOST = 32, /* above: one flush of everything is cheaper */
	TLB_RUNS_MOST = 24,
	TLB_NODES_MOST = 16,
};

struct tlb_batch {
	vaddr_t page[TLB_PAGES_MOST];
	struct {
		struct frame *first; /* frames in a row, or one block */
		uint32_t n;
	} run[TLB_RUNS_MOST];
	struct frame *node[TLB_NODES_MOST];
	unsigned pages; /* TLB_PAGES_MOST + 1: everything */
	unsigned runs, nodes;
};

static inline void tlb_batch_init(struct tlb_batch *b)
{
	b->pages = b->runs = b->nodes = 0;
}

/* The translation of the page at va, whatever its size, is to be forgotten. */
static inline void tlb_batch_page(struct tlb_batch *b, vaddr_t va)
{
	if (b->pages < TLB_PAGES_MOST)
		b->page[b->pages++] = va;
	else
		b->pages = TLB_PAGES_MOST + 1;
}

/* Flush, then put.  The batch is empty and usable afterwards. */
void tlb_batch_finish(struct tlb_batch *b);

/* Put the n frames in a row from `first` on, or one block, after the flush. */
static inline void tlb_batch_run(struct tlb_batch *b, struct frame *first, uint32_t n)
{
	if (unlikely(b->runs == TLB_RUNS_MOST))
		tlb_batch_finish(b);
	b->run[b->runs].first = first;
	b->run[b->runs++].n = n;
}

/* Put an empty page-table node after the flush. */
static inline void tlb_batch_node(struct tlb_batch *b, struct frame *node) __takes(2)
{
	if (unlikely(b->nodes == TLB_NODES_MOST))
		tlb_batch_finish(b);
	b->node[b->nodes++] = node;
}
