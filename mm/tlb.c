/* SPDX-License-Identifier: MIT */
#include "mm/tlb.h"

void tlb_batch_finish(struct tlb_batch *b)
{
	pfn_t dead = b->dead;

	flush_run(&b->flush);
	for (unsigned i = 0; i < b->runs; i++)
		frame_put_run(b->run[i].first, b->run[i].n);
	while (dead != PT_NODE_LAST) {
		struct frame *node = frame_of_slot(meta_slot_of(dead));

		dead = pt_node_next_dead(node);
		pt_node_retire(node);
	}
	tlb_batch_init(b, b->flush.space);
}
