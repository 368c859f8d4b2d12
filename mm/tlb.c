/* SPDX-License-Identifier: MIT */
#include "mm/tlb.h"

#include "mm/pt_node.h"

void tlb_batch_finish(struct tlb_batch *b)
{
	flush_run(&b->flush);
	for (unsigned i = 0; i < b->runs; i++)
		frame_put_run(b->run[i].first, b->run[i].n);
	for (unsigned i = 0; i < b->nodes; i++)
		pt_node_put_empty(b->node[i]);
	tlb_batch_init(b, b->flush.space);
}
