/* SPDX-License-Identifier: MIT */
#include "mm/pt/batch.h"

void tlb_batch_finish(struct tlb_batch *b)
{
	pfn_t dead = b->dead;

	tlb_batch_invalidate(b);
	for (unsigned i = 0; i < b->runs; i++)
		frame_put_run(b->run[i].first, b->run[i].n);
	if (dead != PT_NODE_LAST)
		pt_node_retire(dead);
	tlb_batch_init(b, b->shootdown.space);
}
