/* SPDX-License-Identifier: MIT */
#include "mm/tlb.h"

#include "mm/pt_node.h"

static void flush(const struct tlb_batch *b)
{
	if (b->pages > TLB_PAGES_MOST) {
		arch_tlb_flush_all();
		return;
	}
	for (unsigned i = 0; i < b->pages; i++)
		arch_tlb_flush_page(b->page[i]);
}

void tlb_batch_finish(struct tlb_batch *b)
{
	flush(b);
	for (unsigned i = 0; i < b->runs; i++)
		frame_put_run(b->run[i].first, b->run[i].n);
	for (unsigned i = 0; i < b->nodes; i++)
		pt_node_put_empty(b->node[i]);
	tlb_batch_init(b);
}
