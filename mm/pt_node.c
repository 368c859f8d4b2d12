/* SPDX-License-Identifier: MIT */
#include "mm/pt_node.h"

#include "arch/lock.h"
#include "arch/percpu.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "mm/defer.h"

enum {
	POOL_MOST = 64, /* more than an advance of epochs frees at once */
};

static unsigned fail_step;

void pt_node_inject_failure(unsigned nth)
{
	fail_step = nth;
}

/* Zeroed frames of kind FRAME_PAGE_TABLE, count 1.  The owner's, with interrupts off. */
struct pool {
	unsigned count;
	struct frame *node[POOL_MOST];
} __aligned(64);

static PER_CPU(struct pool, pool);

static struct frame *pool_take(void)
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
	bool fits = p->count < POOL_MOST;

	if (fits)
		p->node[p->count++] = node;
	arch_irq_restore(irq);
	return fits;
}

static struct frame *zeroed_frame(void)
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

#ifdef KEEL_DEBUG
void pt_node_check_release(const struct frame *node)
{
	unsigned level = pt_node_level(node);

	for (unsigned i = 0; level > 1 && i < PT_NODE_ENTRIES; i++) {
		const struct frame *child = pt_node_child(pt_node_get(node, i), level);

		if (child != NULL && pt_node_is_own(child))
			panic("page table: a node of level %u is let go before one below it",
			      level);
	}
}
#endif

/* ---- the end of nodes ---- */

/* Tracked leaves that stand in a row, frame behind frame, are put together. */
struct row {
	struct frame *first;
	uint32_t frames;
};

static void row_finish(struct row *row)
{
	if (row->frames != 0)
		frame_put_run(row->first, row->frames);
	row->frames = 0;
}

static void row_add(struct row *row, struct frame *f, unsigned level)
{
	if (row->frames != 0 && level == 1 && frame_pfn(f) == frame_pfn(row->first) + row->frames) {
		row->frames++;
		return;
	}
	row_finish(row);
	*row = (struct row){ f, 1 };
}

/* What the node's entries own goes, and it joins the list.  Depth: a node's children are one level
 * lower, so at most PT_LEVEL_MOST calls deep. */
static void empty_dead(struct frame *node, struct defer_list *list)
{
	unsigned level = pt_node_level(node), left = pt_node_children(node);
	int emptied = (int)left;
	struct row row = { NULL, 0 };

	DASSERT(atomic_load_explicit(&frame_slot(node)->u.node.dead, memory_order_relaxed) != 0);
	for (unsigned i = 0; left > 0 && i < PT_NODE_ENTRIES; i++) {
		pte_t pte = pt_node_get(node, i);
		struct frame *child = pt_node_child(pte, level);

		if (pte == 0)
			continue;
		/* no CPU walks it, so nothing comes between; who looks late sees either */
		atomic_store_explicit(&pt_node_entries(node)[i], 0, memory_order_relaxed);
		left--;
		if (child != NULL)
			empty_dead(child, list);
		else if (pte_is_present(pte) && (pte & PTE_TRACKED) != 0)
			row_add(&row, pt_node_leaf_frame(pte), level);
	}
	row_finish(&row);
	if (emptied != 0)
		pt_node_count(node, -emptied);
	defer_list_add(list, node);
}

void pt_node_retire(pfn_t first)
{
	struct defer_list list = { 0 };

	while (first != PT_NODE_LAST) {
		struct frame *node = frame_of_slot(meta_slot_of(first));

		first = pt_node_next_dead(node);
		empty_dead(node, &list);
	}
	defer_list_retire(&list);
}

/* What an entry owns goes with it. */
static void drop_entry(pte_t pte, unsigned level)
{
	struct frame *child = pt_node_child(pte, level);

	if (child == NULL && pte_is_present(pte) && (pte & PTE_TRACKED) != 0)
		child = pt_node_leaf_frame(pte);
	if (child != NULL)
		frame_put(child);
}

/* Depth: a node's children are one level lower, so at most PT_LEVEL_MOST calls deep. */
static void drop_node(struct meta_slot *slot, pfn_t pfn)
{
	const struct frame *node = frame_of_slot(meta_slot_of(pfn));
	unsigned left = pt_node_children(node);

	for (unsigned i = 0; left > 0 && i < PT_NODE_ENTRIES; i++) {
		pte_t pte = pt_node_get(node, i);

		if (pte == 0)
			continue;
		drop_entry(pte, slot->u.node.level);
		left--;
	}
}

void pt_node_init(void)
{
	frame_set_on_drop(FRAME_PAGE_TABLE, drop_node);
}

const char *pt_node_check(const struct frame *node)
{
	unsigned level = pt_node_level(node), entries = 0;

	for (unsigned i = 0; i < PT_NODE_ENTRIES; i++) {
		pte_t pte = pt_node_get(node, i);
		const struct frame *child = pt_node_child(pte, level);

		entries += pte != 0;
		if (child != NULL &&
		    (frame_kind_of(child) != FRAME_PAGE_TABLE || pt_node_level(child) != level - 1))
			return "N2: an entry leads to something that is no node of the next level";
		if (child != NULL && atomic_load_explicit(&frame_slot(child)->u.node.dead,
							  memory_order_relaxed) != 0)
			return "N4: an entry leads to a dead node";
		if (child == NULL && pte_is_present(pte) && (pte & PTE_TRACKED) != 0) {
			const struct meta_slot *slot = section_slot(paddr(pte_paddr(pte)));

			if (slot == NULL || !slot_is_counted(meta_state(slot)))
				return "N3: a tracked leaf leads to a frame without a count";
		}
	}
	return entries == pt_node_children(node) ? NULL : "N1: the child count is wrong";
}
