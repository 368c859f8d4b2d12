/* SPDX-License-Identifier: MIT */
#include "mm/pt/batch.h"

static void ignore(struct tlb_walker *w, const struct tlb_pages *pages)
{
	(void)w;
	(void)pages;
}

struct tlb_walker tlb_no_walker = { .invalidate = ignore };

void tlb_batch_finish_all(struct tlb_batch *b, void (*retire)(pfn_t first))
{
	pfn_t dead = b->dead;

	tlb_batch_invalidate(b);
	for (unsigned i = 0; i < b->runs; i++)
		frame_page_put(b->run[i].first, b->run[i].n, b->run[i].order);
	if (dead != PT_NODE_LAST)
		retire(dead);
	b->runs = 0;
	b->dead = PT_NODE_LAST;
}
