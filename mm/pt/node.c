/* SPDX-License-Identifier: MIT */
#include "mm/pt/node.h"

#include "kern/lock.h"
#include "kern/percpu.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "mm/pt/cpu_format.h"
#include "mm/pt/engine_node.h"

enum {
	POOL_MAX = 64, /* more than one advance of the epoch frees at once */
};

static unsigned fail_step;

void pt_node_inject_failure(unsigned nth)
{
	fail_step = nth;
}

/* Zeroed frames of kind FRAME_PAGE_TABLE, count 1.  Used by its CPU only, with interrupts off. */
struct pool {
	unsigned count;
	struct frame *node[POOL_MAX];
} __aligned(64);

static PER_CPU(struct pool, pool);

__owns static struct frame *pool_take(void)
{
	uintptr_t irq = arch_irq_save();
	struct pool *p = this_cpu_ptr(pool);
	struct frame *node = p->count == 0 ? NULL : p->node[--p->count];

	arch_irq_restore(irq);
	return node;
}

static bool pool_give(struct frame *node)
{
	uintptr_t irq = arch_irq_save();
	struct pool *p = this_cpu_ptr(pool);
	bool fits = p->count < POOL_MAX;

	if (fits)
		p->node[p->count++] = node;
	arch_irq_restore(irq);
	return fits;
}

__owns static struct frame *zeroed_frame(void)
{
	struct frame *node = pool_take();

	if (node != NULL)
		return node;
	node = frame_alloc(FRAME_PAGE_TABLE);
	if (node != NULL)
		memset(arch_direct(frame_paddr(node)), 0, PAGE_SIZE);
	return node;
}

static bool fails_now(void)
{
	return fail_step != 0 && --fail_step == 0;
}

static struct frame *become_node(struct frame *node, unsigned level)
{
	if (node == NULL)
		return NULL;
	frame_slot(node)->u.word = 0;
	frame_slot(node)->u.node.level = (uint8_t)level;
	return node;
}

struct frame *pt_node_alloc(unsigned level)
{
	return become_node(fails_now() ? NULL : zeroed_frame(), level);
}

struct frame *pt_node_alloc_unwritten(unsigned level)
{
	return become_node(fails_now() ? NULL : frame_alloc(FRAME_PAGE_TABLE), level);
}

void pt_node_put_empty(struct frame *node)
{
	DASSERT(pt_node_children(node) == 0 && frame_count(node) == 1);
	if (!pool_give(node))
		frame_put(node);
}

void pt_node_drain(void)
{
	struct frame *node;

	while ((node = pool_take()) != NULL)
		frame_put(node);
}

/* ---- locks ---- */

void pt_node_lock_child(struct frame *node)
{
	while (!pt_node_try_lock(node)) {
		ASSERT(!pt_node_is_own(node));
		lock_wait_turn();
	}
}

/* ---- the engine's instance ---- */

void pt_node_retire(pfn_t first)
{
	engine_retire(&cpu_format, first);
}

static void drop_node(struct meta_slot *slot, pfn_t pfn)
{
	(void)slot;
	engine_drop_node(&cpu_format, frame_of_slot(meta_slot_of(pfn)));
}

/* Free a retired node after its grace period: an empty node is all zeros, so the pool keeps it. */
static void free_retired(struct frame *node)
{
	if (pt_node_children(node) == 0)
		pt_node_put_empty(node);
	else
		frame_put(node);
}

void pt_node_init(void)
{
	epoch_set_frame_free(FRAME_PAGE_TABLE, free_retired);
	frame_set_on_drop(FRAME_PAGE_TABLE, drop_node);
}

const char *pt_node_check(const struct frame *node)
{
	return engine_check_node(&cpu_format, node);
}
