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
	TLB_FRAMES_MOST = 64,
};

struct tlb_batch {
	vaddr_t page[TLB_PAGES_MOST];
	struct frame *frame[TLB_FRAMES_MOST];
	unsigned pages; /* TLB_PAGES_MOST + 1: everything */
	unsigned frames;
};

static inline void tlb_batch_init(struct tlb_batch *b)
{
	b->pages = b->frames = 0;
}

/* The translation of the page at va, whatever its size, is to be forgotten. */
static inline void tlb_batch_page(struct tlb_batch *b, vaddr_t va)
{
	if (b->pages < TLB_PAGES_MOST)
		b->page[b->pages++] = va;
	else
		b->pages = TLB_PAGES_MOST + 1;
}

/* Put `f`, a frame, block or node, after the flush. */
void tlb_batch_frame(struct tlb_batch *b, struct frame *f) __takes(2);

/* Flush, then put.  The batch is empty and usable afterwards. */
void tlb_batch_finish(struct tlb_batch *b);
