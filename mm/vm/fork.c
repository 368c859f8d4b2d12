/* SPDX-License-Identifier: MIT */
/* fork.c - copy a space, and keep changes, truncations and forks of it apart. */
#include "mm/vm/fault.h"
#include "mm/vm/space_impl.h"
#include "mm/vm/wait.h"

/* The pages of the child whose frames devices use for the parent: the child gets its own copy.  The
 * shootdown is over, so their contents are those of the fork. */
static err_t copy_pinned(struct vm_space *child)
{
	vaddr_t va = child->start;
	err_t err = OK;

	while (err == OK && (va = page_table_next(&child->table, va, child->end)) < child->end) {
		struct pt_item item = page_table_query(&child->table, va);

		/* the fork has left the mark in the leaves of pages that are pinned */
		if (item.kind == PT_ITEM_LEAF && item.level == 1 &&
		    (item.prop.flags & PROP_PINNED) != 0)
			err = vm_fault_unshare(child, va);
		va = item.start + item.len;
	}
	return err;
}

/* Copy all ranges, piece by piece.  Pieces that are unlocked keep write rights in TLBs until the
 * one shootdown at the end. */
static err_t fork_pieces(struct vm_space *s, struct vm_space *child, bool *met_pinned)
{
	struct tlb_batch gone __uninitialized;
	vaddr_t va = s->start, end = s->end;
	err_t err = OK;

	tlb_batch_init(&gone, &s->tlb);
	tlb_batch_reserve(&gone); /* writers wait for the end of the fork */
	while (err == OK && (va = page_table_next(&s->table, va, end)) < end) {
		struct cursor c __uninitialized;
		uint64_t piece = vm_space_piece(s, va, end - va);

		err = cursor_open(&c, &s->table, (struct vrange){ va, piece }, &gone);
		if (err != OK)
			break;
		err = cursor_fork(&c, &child->table);
		*met_pinned = *met_pinned || c.met_pinned;
		cursor_close(&c);
		va += piece;
	}
	/* another fork may have removed rights that this one has found removed */
	if (atomic_load_explicit(&s->forks, memory_order_seq_cst) > 1)
		tlb_batch_all_pages(&gone);
	tlb_batch_finish(&gone);
	return err;
}

/* ---- forks and truncations ---- */

static bool is_not_forking(const void *s)
{
	return !vm_space_is_forking(s);
}

void vm_space_begin_truncation(struct vm_space *s)
{
	/* seq_cst: then the forks are read; a fork does it the other way round */
	atomic_fetch_add_explicit(&s->truncations, 1, memory_order_seq_cst);
	if (atomic_load_explicit(&s->forks, memory_order_seq_cst) != 0)
		vm_space_wait_for_fork(s);
}

void vm_space_end_truncation(struct vm_space *s)
{
	/* release: a fork that begins now sees what was taken */
	atomic_fetch_sub_explicit(&s->truncations, 1, memory_order_release);
	vm_wait_over(s);
}

void vm_space_wait_for_fork(const struct vm_space *s)
{
	vm_wait_until(s, is_not_forking, s);
}

static bool is_not_truncated(const void *space)
{
	const struct vm_space *s = space;

	/* acquire pairs with vm_space_end_truncation() */
	return atomic_load_explicit(&s->truncations, memory_order_acquire) == 0;
}

static void end_fork(struct vm_space *s)
{
	/* release: for those who find no fork in progress */
	atomic_fetch_sub_explicit(&s->forks, 1, memory_order_release);
	vm_wait_over(s);
}

/* Dekker: a truncation counts itself, then reads the forks. */
static void begin_fork(struct vm_space *s)
{
	for (;;) {
		vm_wait_until(s, is_not_truncated, s);
		/* seq_cst: before the first node is locked; see vm_space_is_forking() */
		atomic_fetch_add_explicit(&s->forks, 1, memory_order_seq_cst);
		if (atomic_load_explicit(&s->truncations, memory_order_seq_cst) == 0)
			return;
		end_fork(s);
	}
}

err_t vm_space_fork(struct vm_space *s, struct vm_space **out)
{
	struct vm_space *child;
	bool met_pinned = false;
	err_t err = vm_space_create(&child);

	if (err != OK)
		return err;
	vm_stat_add(&this_cpu_ptr(vm_stats)->forks);
	child->start = s->start;
	begin_fork(s);
	/* so the table and the mappings agree, and no map is copied in part */
	vm_space_wait_for_changes(s);
	err = fork_pieces(s, child, &met_pinned);
	if (err == OK)
		err = vm_mappings_copy(child, s);
	if (err == OK && met_pinned)
		err = copy_pinned(child);
	end_fork(s); /* the shootdown is over */
	if (err != OK) {
		vm_space_put(child); /* a truncation of an object may hold a count */
		return err;
	}
	vm_space_publish(child);
	*out = child;
	return OK;
}
