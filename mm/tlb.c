/* SPDX-License-Identifier: MIT */
#include "mm/tlb.h"

static void flush(const struct tlb_batch *b)
{
	if (b->pages > TLB_PAGES_MOST) {
		arch_tlb_flush_all();
		return;
	}
	for (unsigned i = 0; i < b->pages; i++)
		arch_tlb_flush_page(b->page[i]);
}

void tlb_batch_frame(struct tlb_batch *b, struct frame *f)
{
	if (b->frames == TLB_FRAMES_MOST)
		tlb_batch_finish(b);
	b->frame[b->frames++] = f;
}

void tlb_batch_finish(struct tlb_batch *b)
{
	flush(b);
	frame_put_bulk(b->frame, b->frames);
	tlb_batch_init(b);
}
