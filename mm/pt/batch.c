/* SPDX-License-Identifier: MIT */
#include "mm/pt/batch.h"

void tlb_batch_finish_all(struct tlb_batch *b)
{
	pfn_t dead = b->dead;

	tlb_batch_invalidate(b);
	for (unsigned i = 0; i < b->runs; i++)
		frame_page_put(b->run[i].first, b->run[i].n, b->run[i].order);
	if (dead != PT_NODE_LAST)
		pt_node_retire(dead);
	b->runs = 0;
	b->dead = PT_NODE_LAST;
}
