/* SPDX-License-Identifier: MIT */
/*
 * engine_change.h - part of mm/pt/engine.h: unmap, protect and reuse.
 */
#pragma once

#include "mm/pt/engine_split.h"

/* Descend to the highest entry for va that is empty or lies wholly in [va, va + len), even if it
 * leads to a table.  A leaf or marker that reaches out of [va, va + len) is split. */
static err_t descend_splitting(const struct pt_format *fmt, const struct cursor *c, uint64_t len,
			       struct pt_path *p)
{
	p->level = c->level;
	p->node[p->level] = c->node;
	for (;;) {
		pte_t pte = pt_node_get(pt_path_node(p), pte_index(c->va, p->level));
		uint64_t span = pte_span(p->level);
		struct frame *child = pt_child(fmt, pte, p->level);
		err_t err;

		if (pte == 0 || (c->va % span == 0 && span <= len))
			return OK;
		if (child != NULL) {
			p->node[--p->level] = child;
			continue;
		}
		err = pt_path_split(fmt, c, p);
		if (err != OK)
			return err;
	}
}

static __forceinline err_t engine_split(const struct pt_format *fmt, struct cursor *c)
{
	struct pt_path p __uninitialized;

	if (c->done)
		return OK;
	for (pt_path_descend(fmt, c, 1, &p);;) {
		pte_t pte = pt_node_get(pt_path_node(&p), pte_index(c->va, p.level));
		err_t err;

		if (pte == 0 || c->va % pte_span(p.level) == 0)
			return OK;
		err = pt_path_split(fmt, c, &p);
		if (err != OK)
			return err;
	}
}

static __forceinline err_t engine_split_page(const struct pt_format *fmt, struct cursor *c)
{
	struct pt_path p __uninitialized;

	pt_path_descend(fmt, c, 1, &p);
	if (p.level == 1 ||
	    !pt_is_present(fmt, pt_node_get(pt_path_node(&p), pte_index(c->va, p.level))))
		return ERR_IN_USE;
	return pt_path_split(fmt, c, &p);
}

/* Bytes from va to the end of the entry, at most len. */
static uint64_t step_over(vaddr_t va, unsigned level, uint64_t len)
{
	return min_u64(pte_span(level) - va % pte_span(level), len);
}

/* ---- unmap ---- */

/* Tracked leaves of one node whose pages are contiguous: bytes [start, end), empty when equal. */
struct leaf_run {
	uint64_t start, end;
};

static void run_finish(const struct pt_format *fmt, const struct leaf_run *run, unsigned level,
		       struct tlb_batch *gone)
{
	if (run->start != run->end)
		batch_run(fmt, gone, frame_of_slot(meta_slot_of(paddr_to_pfn(paddr(run->start)))),
			  (uint32_t)((run->end - run->start) / pte_span(level)), level);
}

/* Add the page of a tracked leaf to the run, or start a new run. */
static inline void run_add(const struct pt_format *fmt, struct leaf_run *run, uint64_t pa,
			   unsigned level, struct tlb_batch *gone)
{
	if (likely(pa == run->end)) {
		run->end += pte_span(level);
		return;
	}
	run_finish(fmt, run, level, gone);
	*run = (struct leaf_run){ pa, pa + pte_span(level) };
}

/* Clear entries of the node that p ends in, from va on; returns the bytes that were covered. */
static uint64_t clear_node(const struct pt_format *fmt, struct cursor *c, const struct pt_path *p,
			   uint64_t len)
{
	_Atomic pte_t *entry = pt_node_entries(pt_path_node(p));
	uint64_t span = pte_span(p->level), passed = 0;
	struct leaf_run run = { 0, 0 };
	int emptied = 0;

	for (unsigned i = pte_index(c->va, p->level); i < PT_NODE_ENTRIES && len - passed >= span;
	     i++, passed += span) {
		pte_t pte = atomic_load_explicit(&entry[i], memory_order_relaxed);
		struct frame *child = pt_child(fmt, pte, p->level);

		if (pte == 0)
			continue;
		if (child != NULL && p->level > c->pt->keep)
			break; /* a kept node: the caller descends into it */
		emptied++;
		if (!pt_is_present(fmt, pte)) {
			atomic_store_explicit(&entry[i], 0, memory_order_relaxed);
			continue;
		}
		/* exchange: the CPU may set the accessed and dirty bits until now */
		pte = atomic_exchange_explicit(&entry[i], 0, memory_order_acq_rel);
		pt_wrote(fmt, c->pt, &entry[i], 1); /* at once: run_add() may finish the batch */
		if (child != NULL) {
			kill_below(fmt, child, p->level - 1, c->va + passed, c->gone);
			tlb_batch_node(c->gone, c->va + passed, p->level, child);
			continue;
		}
		tlb_batch_page(c->gone, c->va + passed, p->level);
		if ((pte & fmt->tracked) != 0)
			run_add(fmt, &run, pt_paddr(fmt, pte), p->level, c->gone);
	}
	run_finish(fmt, &run, p->level, c->gone);
	pt_node_count(pt_path_node(p), -emptied);
	return passed;
}

/* Descend into nodes that are kept although the whole of them is unmapped. */
static void enter_kept_node(const struct pt_format *fmt, const struct cursor *c, struct pt_path *p)
{
	while (p->level > c->pt->keep) {
		pte_t pte = pt_node_get(pt_path_node(p), pte_index(c->va, p->level));
		struct frame *child = pt_child(fmt, pte, p->level);

		if (child == NULL)
			return;
		p->node[--p->level] = child;
	}
}

static __forceinline err_t engine_unmap(const struct pt_format *fmt, struct cursor *c, uint64_t len)
{
	if (len % PAGE_SIZE != 0 || len > cursor_left(c))
		return ERR_BAD_RANGE;
	while (len > 0) {
		struct pt_path p __uninitialized;
		err_t err = descend_splitting(fmt, c, len, &p);
		uint64_t done = 0;

		if (err != OK)
			return err;
		enter_kept_node(fmt, c, &p);
		if (c->va % pte_span(p.level) == 0)
			done = clear_node(fmt, c, &p, len);
		if (done == 0)
			done = step_over(c->va, p.level, len);
		pt_path_prune(fmt, c, &p);
		cursor_move(c, done);
		len -= done;
	}
	return OK;
}

/* ---- protect ---- */

/* New rights of the leaves of one level. */
struct rights {
	pte_t new;          /* bits to set if a write needs no copy */
	pte_t copy_instead; /* bits to flip if it does */
	pte_t denied;       /* a leaf with any of these bits cannot get the rights */
	unsigned level;
};

static struct rights rights_of(const struct pt_format *fmt, const struct page_table *pt,
			       struct page_prop prop, unsigned level)
{
	struct rights r = { .level = level };

	if ((prop.flags & PROP_WRITE) != 0 && (prop.flags & PROP_COPY) != 0)
		r.copy_instead = fmt->write | fmt->copy;
	if ((prop.flags & PROP_WRITE) != 0)
		prop.flags &= (uint16_t)~PROP_COPY;
	r.denied = ((prop.flags & PROP_WRITE) != 0 ? fmt->deny_write : 0) |
		   ((prop.flags & PROP_EXECUTE) != 0 ? fmt->deny_execute : 0);
	prop.flags &= (uint16_t) ~(PROP_ACCESSED | PROP_DIRTY | PROP_TRACKED | PROP_SHARED |
				   PROP_FORKED | PROP_DENY_WRITE | PROP_DENY_EXECUTE | PROP_PINNED);
	r.new = fmt->make_leaf(pt, 0, prop, level);
	return r;
}

static inline pte_t with_rights(const struct pt_format *fmt, pte_t pte, const struct rights *r)
{
	pte_t new = (pte & fmt->kept) | r->new;

	if (likely((pte & fmt->forked) == 0) || r->copy_instead == 0)
		return new;
	return pt_is_sole_owner(fmt, pte, r->level) ? new & ~fmt->forked : new ^ r->copy_instead;
}

/* Leaves that are not simply given the new rights. */
static __forceinline pte_t pt_special_bits(const struct pt_format *fmt)
{
	return fmt->forked | fmt->deny_write | fmt->deny_execute;
}

/* Returns whether the leaf changes.  One atomic XOR flips the bits that differ: the CPU does not
 * set these, and no other CPU writes the entry while the node is locked. */
static inline bool change_leaf(_Atomic pte_t *entry, pte_t pte, pte_t new)
{
	if (pte == new)
		return false;
	(void)atomic_fetch_xor_explicit(entry, pte ^ new, memory_order_acq_rel);
	return true;
}

/* What a protect asks for, and the bits of markers that exclude it. */
struct new_rights {
	const struct page_table *pt;
	const struct pt_change *change;
	uint32_t marker_denied;
};

/* ERR_DENIED: the marker excludes the change. */
static err_t change_marker(const struct pt_format *fmt, _Atomic pte_t *entry, pte_t pte,
			   const struct new_rights *to)
{
	uint32_t marker = fmt->marker(pte);

	if ((marker & to->marker_denied) != 0)
		return ERR_DENIED;
	marker = (marker & to->change->marker_keep) | to->change->marker_set;
	atomic_store_explicit(entry, fmt->make_marker(marker), memory_order_relaxed);
	return OK;
}

/* Change up to n entries of a node of `level`, starting with the one for va, and stop at an entry
 * that leads to a table; *covered is their number.  `gone` is NULL if the whole space is
 * invalidated anyway.  ERR_DENIED: the next entry cannot get the rights. */
static __forceinline err_t protect_entries(const struct pt_format *fmt, _Atomic pte_t *entry,
					   unsigned n, unsigned level, vaddr_t va,
					   const struct new_rights *to, struct tlb_batch *gone,
					   unsigned *covered)
{
	const struct rights r = rights_of(fmt, to->pt, to->change->prop, level);
	_Atomic pte_t *first = entry, *end = entry + n;
	err_t err = OK;

	for (; entry < end; entry++) {
		pte_t pte = atomic_load_explicit(entry, memory_order_relaxed);
		pte_t new = (pte & fmt->kept) | r.new;

		if (unlikely(!pt_is_present(fmt, pte))) {
			if (pt_is_marker(fmt, pte))
				err = change_marker(fmt, entry, pte, to);
			if (err != OK)
				break;
			continue;
		}
		if (level > 1 && pt_is_table(fmt, pte))
			break;
		if (unlikely((pte & pt_special_bits(fmt)) != 0)) {
			if ((pte & r.denied) != 0) {
				err = ERR_DENIED;
				break;
			}
			new = with_rights(fmt, pte, &r);
		}
		if (change_leaf(entry, pte, new) && gone != NULL)
			tlb_batch_page(gone, va + (uint64_t)(entry - first) * pte_span(level),
				       level);
	}
	pt_wrote(fmt, to->pt, first, (unsigned)(entry - first));
	*covered = (unsigned)(entry - first);
	return err;
}

/* Whether n entries of the node are more pages than are invalidated one by one, judged by the child
 * count, without reading the entries. */
static bool fills_the_batch(const struct cursor *c, const struct frame *node, unsigned n)
{
	unsigned empty = PT_NODE_ENTRIES - pt_node_children(node);

	return tlb_batch_has_all_pages(c->gone) || n > empty + TLB_PAGES_MAX;
}

/* Change entries of the node that p ends in, from va up to the next table; *done is the bytes that
 * were covered. */
static err_t protect_node(const struct pt_format *fmt, struct cursor *c, const struct pt_path *p,
			  uint64_t len, const struct new_rights *to, uint64_t *done)
{
	unsigned index = pte_index(c->va, p->level), level = p->level, covered;
	_Atomic pte_t *entry = &pt_node_entries(pt_path_node(p))[index];
	uint64_t n = min_u64(PT_NODE_ENTRIES - index, len / pte_span(level));
	err_t err;

	DASSERT(index + n <= PT_NODE_ENTRIES);
	if (level > 1) {
		err = protect_entries(fmt, entry, (unsigned)n, level, c->va, to, c->gone, &covered);
	} else if (!fills_the_batch(c, pt_path_node(p), (unsigned)n)) {
		err = protect_entries(fmt, entry, (unsigned)n, 1, c->va, to, c->gone, &covered);
	} else {
		tlb_batch_all_pages(c->gone);
		err = protect_entries(fmt, entry, (unsigned)n, 1, c->va, to, NULL, &covered);
	}
	*done = covered * pte_span(level);
	return err;
}

/* Descend to the entry for va that is not a table; an entry that does not lie wholly in
 * [va, va + len) is split until it does. */
static err_t descend_to_whole(const struct pt_format *fmt, const struct cursor *c, uint64_t len,
			      struct pt_path *p)
{
	for (pt_path_descend(fmt, c, 1, p);;) {
		pte_t pte = pt_node_get(pt_path_node(p), pte_index(c->va, p->level));
		uint64_t span = pte_span(p->level);
		err_t err;

		if (pte == 0 || (c->va % span == 0 && span <= len))
			return OK;
		err = pt_path_split(fmt, c, p);
		if (err != OK)
			return err;
	}
}

static __forceinline err_t engine_protect_unless(const struct pt_format *fmt, struct cursor *c,
						 uint64_t len, const struct pt_change *change,
						 uint32_t marker_denied)
{
	const struct new_rights to = { c->pt, change, marker_denied };

	if (len % PAGE_SIZE != 0 || len > cursor_left(c))
		return ERR_BAD_RANGE;
	while (len > 0) {
		struct pt_path p __uninitialized;
		err_t err = descend_to_whole(fmt, c, len, &p);
		uint64_t done = 0;

		if (err != OK)
			return err;
		if (c->va % pte_span(p.level) == 0)
			err = protect_node(fmt, c, &p, len, &to, &done);
		if (done == 0 && err == OK)
			done = step_over(c->va, p.level, len);
		cursor_move(c, done);
		if (err != OK)
			return err;
		len -= done;
	}
	return OK;
}

static __forceinline err_t engine_protect(const struct pt_format *fmt, struct cursor *c,
					  uint64_t len, const struct pt_change *change)
{
	return engine_protect_unless(fmt, c, len, change, 0);
}

static __forceinline err_t engine_reuse(const struct pt_format *fmt, struct cursor *c)
{
	struct pt_path p __uninitialized;
	unsigned index;
	pte_t pte;

	pt_path_descend(fmt, c, 1, &p);
	index = pte_index(c->va, p.level);
	pte = pt_node_get(pt_path_node(&p), index);
	if (!pt_is_present(fmt, pte) || (pte & pt_forked_bits(fmt)) != (fmt->copy | fmt->forked) ||
	    !pt_is_sole_owner(fmt, pte, p.level))
		return ERR_IN_USE;
	/* atomic: the CPU may set the accessed and dirty bits meanwhile */
	(void)atomic_fetch_xor_explicit(&pt_node_entries(pt_path_node(&p))[index],
					pt_forked_bits(fmt), memory_order_acq_rel);
	return OK;
}
