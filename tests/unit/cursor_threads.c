/* SPDX-License-Identifier: MIT */
/*
 * Tests of mm/pt/cursor.c with threads as CPUs, on the host only.
 *
 * All threads change random ranges of one table, and access its addresses through their simulated
 * TLBs.  The flat map stores the expected state of each page in plain memory; a thread reads and
 * writes only the cells of the range that it has locked.  If two threads locked the same page,
 * their cells would differ from the table, and TSan would report the race.
 */
#ifndef KEEL_TESTS
#include <pthread.h>
#include <sched.h>

#include "kern/shootdown.h"
#include "arch/host/host.h"
#include "kern/lock.h"
#include "mm/pt/cursor.h"
#include "mm/frame/epoch.h"
#include "tests/machine.h"
#include "tests/test.h"

enum {
	CPUS = 4,
	LEVELS = 4,
	SLOTS = 3, /* nodes of level 1 for all operations */
	SLOT_PAGES = PT_NODE_ENTRIES,
	PAGES = SLOTS * SLOT_PAGES,
	SLOTS_IN_FIRST = 2, /* the others are in another node of level 2 */
	ROUNDS = 700,
	ACCESSES = 12, /* by a thread between two cursors */
	MAPS_MAX = 16,
	SMALL = 8,
	MARKERS = 1 << 20,
	WATCHED = 64, /* pages checked not to be writable through any TLB */
};
#define BASE    (GIB(2) - SLOTS_IN_FIRST * PT_LARGE_BYTES)
#define FIXED   (BASE + SLOTS * PT_LARGE_BYTES) /* always mapped, to block[SLOTS] */
#define FRESH   UINT64_C(0x5eed5eed5eed5eed)    /* first word of a newly mapped page */
#define REUSED  UINT64_C(0xbadbadbadbadbad0)
#define WRITTEN UINT64_C(1) /* written words are odd, but never FRESH */

struct cell {
	enum pt_item_kind kind;
	bool tracked, writable;
	uint32_t marker;
	uint64_t pa;
};

struct worker {
	pthread_t thread;
	unsigned cpu;
	uint64_t random;
	struct cursor c;
	struct tlb_batch gone;
	unsigned page, pages;     /* the locked range */
	struct frame *out[PAGES]; /* unmapped; only the test's own count is left */
	const struct frame *node[SLOTS];
	unsigned outs, nodes;
	bool block_is_out; /* part of a block was unmapped: untracked, so it may be mapped again */
};

static struct page_table pt;
static struct tlb_space space;
static struct cell map[PAGES];
static struct frame *block[SLOTS + 1];
static struct worker workers[CPUS];
static unsigned first_op; /* operations before this one are not used */
static _Atomic unsigned wrong;
static _Atomic(const char *) what;
static _Atomic uint64_t reads, writes;

/* CHECK for use in any thread. */
#define EXPECT(x)                                                                                  \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			atomic_store(&what, #x);                                                   \
			atomic_fetch_add(&wrong, 1);                                               \
		}                                                                                  \
	} while (0)

static const struct page_prop writable = { PROP_READ | PROP_WRITE, MEM_WRITE_BACK };
static const struct page_prop read_only = { PROP_READ, MEM_WRITE_BACK };

static uint64_t worker_random(struct worker *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random;
}

static unsigned below(struct worker *w, unsigned n)
{
	return (unsigned)(worker_random(w) % n);
}

static vaddr_t va_of(unsigned page)
{
	return BASE + (vaddr_t)page * PAGE_SIZE;
}

static _Atomic uint64_t *word_of(uint64_t pa)
{
	return arch_direct(paddr(pa));
}

static uint64_t block_pa(unsigned slot)
{
	return frame_paddr(block[slot]).raw;
}

/* ---- memory accesses: translation and access are one step, as in an instruction ---- */

static void access_page(struct worker *w, vaddr_t va)
{
	enum host_tlb_use use = below(w, 2) == 0 ? HOST_TLB_READ : HOST_TLB_WRITE;
	uint64_t word = FRESH, pa, value = worker_random(w) | WRITTEN;
	uintptr_t irq = arch_irq_save();
	bool done = host_tlb_access(va, LEVELS, use, &pa);

	if (done && use == HOST_TLB_READ)
		word = atomic_load(word_of(pa));
	else if (done)
		word = atomic_exchange(word_of(pa), value == FRESH ? WRITTEN : value);
	arch_irq_restore(irq);
	EXPECT(word == FRESH || (word & WRITTEN) != 0);
	atomic_fetch_add(use == HOST_TLB_READ ? &reads : &writes, done);
}

/* A page that stays mapped is always found, even while it is split or collapsed. */
static void lookup(struct worker *w)
{
	unsigned page = below(w, SLOT_PAGES);
	vaddr_t va = FIXED + (vaddr_t)page * PAGE_SIZE;
	struct pt_item item = page_table_query(&pt, va);

	EXPECT(item.kind == PT_ITEM_LEAF &&
	       item.pa.raw + (va - item.start) == block_pa(SLOTS) + (uint64_t)page * PAGE_SIZE);
	(void)page_table_query(&pt, va_of(below(w, PAGES)));
}

static void access_some(struct worker *w)
{
	for (unsigned i = 0; i < ACCESSES; i++) {
		lookup(w);
		access_page(w, below(w, SMALL) == 0
				       ? FIXED + (vaddr_t)below(w, SLOT_PAGES) * PAGE_SIZE
				       : va_of(below(w, PAGES)));
	}
}

/* ---- unmapping ---- */

static void clear_cell(struct worker *w, struct cell *cell)
{
	if (cell->kind == PT_ITEM_LEAF && cell->tracked)
		w->out[w->outs++] = frame_of_slot(meta_slot_of(paddr_to_pfn(paddr(cell->pa))));
	else if (cell->kind == PT_ITEM_LEAF)
		w->block_is_out = true;
	*cell = (struct cell){ .kind = PT_ITEM_ABSENT };
}

/* Finish the batch, check that no TLB has the unmapped frames and nodes, and reuse the frames. */
static void finish(struct worker *w)
{
	w->nodes = 0;
	for (pfn_t dead = w->gone.dead; dead != PT_NODE_LAST && w->nodes < SLOTS; w->nodes++) {
		w->node[w->nodes] = frame_of_slot(meta_slot_of(dead));
		dead = pt_node_next_dead(w->node[w->nodes]);
	}
	epoch_enter(); /* keeps the nodes from being freed while they are checked */
	tlb_batch_finish(&w->gone);
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		for (unsigned i = 0; i < w->outs; i++)
			EXPECT(!host_tlb_has_page(cpu, frame_paddr(w->out[i]).raw, PAGE_SIZE));
		for (unsigned i = 0; i < w->nodes; i++)
			EXPECT(!host_tlb_has_table(cpu, frame_paddr(w->node[i]).raw));
	}
	epoch_exit();
	for (unsigned i = 0; i < w->outs; i++) {
		atomic_store(word_of(frame_paddr(w->out[i]).raw), REUSED);
		frame_put(w->out[i]);
	}
	w->outs = 0;
}

/* ---- the flat map ---- */

/* The word is read first, as a write follows its dirty bit. */
static void verify_page(struct worker *w, unsigned page)
{
	const struct cell *cell = &map[page];
	uint64_t word = cell->kind == PT_ITEM_LEAF ? atomic_load(word_of(cell->pa)) : FRESH;
	struct pt_item item;

	EXPECT(cursor_jump(&w->c, va_of(page)) == OK);
	item = cursor_query(&w->c);
	EXPECT(item.kind == cell->kind);
	if (item.kind == PT_ITEM_MARKER)
		EXPECT(item.marker == cell->marker);
	if (item.kind != PT_ITEM_LEAF)
		return;
	EXPECT(item.pa.raw == cell->pa);
	EXPECT(((item.prop.flags & PROP_WRITE) != 0) == cell->writable);
	EXPECT(((item.prop.flags & PROP_TRACKED) != 0) == cell->tracked);
	EXPECT(word == FRESH || (item.prop.flags & PROP_DIRTY) != 0);
}

static void verify(struct worker *w)
{
	for (unsigned i = 0; i < w->pages; i++)
		verify_page(w, w->page + i);
}

/* ---- operations on the locked range ---- */

static void op_unmap(struct worker *w)
{
	EXPECT(cursor_jump(&w->c, va_of(w->page)) == OK);
	EXPECT(cursor_unmap(&w->c, cursor_left(&w->c)) == OK);
	for (unsigned i = 0; i < w->pages; i++)
		clear_cell(w, &map[w->page + i]);
}

static void op_marker(struct worker *w)
{
	uint32_t marker = below(w, MARKERS);

	op_unmap(w);
	EXPECT(cursor_jump(&w->c, va_of(w->page)) == OK);
	EXPECT(cursor_set_marker(&w->c, cursor_left(&w->c), marker) == OK);
	for (unsigned i = 0; i < w->pages; i++)
		map[w->page + i] = (struct cell){ .kind = PT_ITEM_MARKER, .marker = marker };
}

/* A new frame with two counts; one belongs to the test. */
static struct frame *fresh_frame(void)
{
	struct frame *f = frame_alloc(FRAME_TEST);

	EXPECT(f != NULL);
	if (f == NULL)
		return NULL;
	atomic_store(word_of(frame_paddr(f).raw), FRESH);
	return frame_get(f);
}

static void drop(struct frame *f)
{
	frame_put(f);
	frame_put(f);
}

static void op_map(struct worker *w)
{
	unsigned first = below(w, w->pages);

	for (unsigned i = first; i < w->pages && i < first + MAPS_MAX; i++) {
		struct cell *cell = &map[w->page + i];
		struct frame *f = fresh_frame();
		err_t err;

		if (f == NULL)
			return;
		EXPECT(cursor_jump(&w->c, va_of(w->page + i)) == OK);
		err = cursor_map(&w->c, f, writable);
		EXPECT(err == (cell->kind == PT_ITEM_ABSENT ? OK : ERR_IN_USE));
		if (err == OK)
			*cell = (struct cell){ PT_ITEM_LEAF, true, true, 0, frame_paddr(f).raw };
		else
			drop(f);
	}
}

static void op_replace(struct worker *w)
{
	unsigned page = w->page + below(w, w->pages);
	struct page_prop prop = writable;
	struct frame *f = fresh_frame();
	bool may_be_large = map[page].kind == PT_ITEM_LEAF && !map[page].tracked;
	err_t err;

	if (f == NULL)
		return;
	prop.flags |= PROP_TRACKED;
	EXPECT(cursor_jump(&w->c, va_of(page)) == OK);
	err = cursor_replace(&w->c, frame_paddr(f), prop, 1);
	EXPECT(err == OK || (err == ERR_IN_USE && may_be_large));
	if (err != OK) {
		drop(f);
		return;
	}
	clear_cell(w, &map[page]);
	map[page] = (struct cell){ PT_ITEM_LEAF, true, true, 0, frame_paddr(f).raw };
}

/* After the shootdown no TLB lets a CPU write to read-only pages. */
static void check_read_only(struct worker *w)
{
	for (unsigned i = 0; i < w->pages && i < WATCHED; i++)
		for (unsigned cpu = 0; cpu < CPUS; cpu++)
			if (map[w->page + i].kind == PT_ITEM_LEAF)
				EXPECT(!host_tlb_may_write(cpu, map[w->page + i].pa));
}

static void op_protect(struct worker *w)
{
	bool may_write = below(w, 2) == 0;
	struct pt_change change = { may_write ? writable : read_only, UINT32_MAX, 0 };

	EXPECT(cursor_jump(&w->c, va_of(w->page)) == OK);
	EXPECT(cursor_protect(&w->c, cursor_left(&w->c), &change) == OK);
	for (unsigned i = 0; i < w->pages; i++)
		map[w->page + i].writable = map[w->page + i].kind == PT_ITEM_LEAF && may_write;
	if (may_write)
		return;
	finish(w);
	check_read_only(w);
}

static void op_split(struct worker *w)
{
	EXPECT(cursor_jump(&w->c, va_of(w->page + below(w, w->pages))) == OK);
	EXPECT(cursor_split(&w->c) == OK);
}

/* The slot that lies wholly in the locked range, or SLOTS. */
static unsigned whole_slot(const struct worker *w)
{
	unsigned slot = (w->page + SLOT_PAGES - 1) / SLOT_PAGES;

	return slot < SLOTS && (slot + 1) * SLOT_PAGES <= w->page + w->pages ? slot : SLOTS;
}

/* Map the slot's block, with pages of `level`. */
static void map_block(struct worker *w, unsigned slot, unsigned level)
{
	struct cell *cell = &map[slot * SLOT_PAGES];
	uint64_t pa = block_pa(slot);

	EXPECT(cursor_jump(&w->c, va_of(slot * SLOT_PAGES)) == OK);
	EXPECT(cursor_unmap(&w->c, PT_LARGE_BYTES) == OK);
	for (unsigned i = 0; i < SLOT_PAGES; i++)
		clear_cell(w, &cell[i]);
	finish(w);
	for (unsigned i = 0; i < SLOT_PAGES; i++, pa += PAGE_SIZE) {
		atomic_store(word_of(pa), FRESH);
		cell[i] = (struct cell){ PT_ITEM_LEAF, false, true, 0, pa };
	}
	EXPECT(cursor_jump(&w->c, va_of(slot * SLOT_PAGES)) == OK);
	EXPECT(cursor_map_pa(&w->c, paddr(block_pa(slot)), PT_LARGE_BYTES, writable, level) == OK);
}

static void op_block(struct worker *w)
{
	unsigned slot = whole_slot(w);

	if (slot < SLOTS)
		map_block(w, slot, 1 + below(w, 2));
}

static bool can_collapse(unsigned slot)
{
	const struct cell *cell = &map[slot * SLOT_PAGES];

	for (unsigned i = 0; i < SLOT_PAGES; i++)
		if (cell[i].kind != PT_ITEM_LEAF || cell[i].writable != cell[0].writable ||
		    cell[i].pa != block_pa(slot) + (uint64_t)i * PAGE_SIZE)
			return false;
	return true;
}

static void op_collapse(struct worker *w)
{
	unsigned slot = whole_slot(w);
	err_t err;

	if (slot == SLOTS)
		return;
	EXPECT(cursor_jump(&w->c, va_of(slot * SLOT_PAGES)) == OK);
	err = cursor_collapse(&w->c, 2);
	EXPECT(err == ERR_IN_USE || (err == OK && can_collapse(slot)));
}

enum {
	KEEPING_OPS = 6, /* operations from here on keep mapped pages mapped */
};
static void (*const ops[])(struct worker *w) = {
	op_unmap,   op_marker, op_map,     op_map,     op_map,      op_block,
	op_replace, op_split,  op_protect, op_protect, op_collapse,
};

/* ---- rounds ---- */

static void choose_range(struct worker *w)
{
	switch (below(w, 4)) {
	case 0: /* a slot, or two */
		w->pages = (1 + below(w, 2)) * SLOT_PAGES;
		w->page = below(w, (PAGES - w->pages) / SLOT_PAGES + 1) * SLOT_PAGES;
		break;
	case 1: /* across the end of a slot */
		w->pages = 2 + below(w, SMALL);
		w->page = (1 + below(w, SLOTS - 1)) * SLOT_PAGES - 1;
		break;
	default:
		w->pages = 1 + below(w, SMALL);
		w->page = below(w, SLOTS) * SLOT_PAGES + below(w, 2 * SMALL);
	}
}

static void change_window(struct worker *w)
{
	struct vrange r;

	choose_range(w);
	r = (struct vrange){ va_of(w->page), (uint64_t)w->pages * PAGE_SIZE };
	EXPECT(cursor_open(&w->c, &pt, r, &w->gone) == OK);
	verify(w);
	ops[first_op + below(w, sizeof(ops) / sizeof(ops[0]) - first_op)](w);
	verify(w);
	if (w->block_is_out) /* shootdown before another thread can map it: see mm/pt/batch.h */
		finish(w);
	w->block_is_out = false;
	cursor_close(&w->c);
	finish(w);
}

/* Split or collapse the page that is always mapped. */
static void change_fixed(struct worker *w)
{
	struct vrange r = { FIXED, PT_LARGE_BYTES };
	err_t err;

	EXPECT(cursor_open(&w->c, &pt, r, &w->gone) == OK);
	if (below(w, 2) == 0) {
		err = cursor_collapse(&w->c, 2);
		EXPECT(err == OK || err == ERR_IN_USE);
	} else {
		EXPECT(cursor_jump(&w->c, FIXED + PAGE_SIZE) == OK);
		EXPECT(cursor_split(&w->c) == OK);
	}
	cursor_close(&w->c);
	finish(w);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	uintptr_t irq;

	host_cpu_bind(w->cpu);
	irq = arch_irq_save();
	tlb_switch_to(&space, frame_paddr(pt.root));
	arch_irq_restore(irq);
	tlb_batch_init(&w->gone, &space);
	for (unsigned i = 0; i < ROUNDS && atomic_load(&wrong) == 0; i++) {
		access_some(w);
		if (below(w, SMALL) == 0)
			change_fixed(w);
		else
			change_window(w);
	}
	while (epoch_poll())
		sched_yield(); /* other CPUs are inside epoch_enter() */
	pt_node_drain();
	host_cpu_unbind();
	return NULL;
}

/* ---- set-up and the tests ---- */

static void begin(void)
{
	host_tlb_is_slow = true;
	tlb_space_init(&space);
	atomic_store(&wrong, 0);
	atomic_store(&what, "");
	atomic_store(&reads, 0);
	atomic_store(&writes, 0);
	for (unsigned i = 0; i < PAGES; i++)
		map[i] = (struct cell){ .kind = PT_ITEM_ABSENT };
	for (unsigned i = 0; i < CPUS; i++)
		workers[i] = (struct worker){ .cpu = i, .random = test_random() | 1 };
	tlb_batch_init(&workers[0].gone, &space);
}

static void alloc_blocks(void)
{
	for (unsigned i = 0; i <= SLOTS; i++) {
		block[i] = frame_alloc_block(FRAME_TEST, PT_INDEX_BITS);
		NEED(block[i] != NULL);
		for (unsigned k = 0; k < SLOT_PAGES; k++)
			atomic_store(word_of(block_pa(i) + k * PAGE_SIZE), FRESH);
	}
}

static void map_fixed(void)
{
	struct cursor c;

	CHECK_EQ(cursor_open(&c, &pt, (struct vrange){ FIXED, PT_LARGE_BYTES }, NULL), OK);
	CHECK_EQ(cursor_map_pa(&c, paddr(block_pa(SLOTS)), PT_LARGE_BYTES, writable, 2), OK);
	cursor_close(&c);
}

static void lock_window(struct worker *w)
{
	w->page = 0;
	w->pages = PAGES;
	CHECK_EQ(cursor_open(&w->c, &pt, (struct vrange){ BASE, PAGES * PAGE_SIZE }, &w->gone), OK);
}

static void unlock_range(struct worker *w)
{
	cursor_close(&w->c);
	finish(w);
}

static void fill_window(void)
{
	lock_window(&workers[0]);
	for (unsigned slot = 0; slot < SLOTS; slot++)
		map_block(&workers[0], slot, 1);
	unlock_range(&workers[0]);
}

static void empty_window(void)
{
	lock_window(&workers[0]);
	verify(&workers[0]);
	op_unmap(&workers[0]);
	unlock_range(&workers[0]);
}

static void run_threads(void)
{
	lock_waiter_t before = lock_set_waiter(shootdown_serve);

	for (unsigned i = 0; i < CPUS; i++)
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	for (unsigned i = 0; i < CPUS; i++)
		pthread_join(workers[i].thread, NULL);
	host_cpu = 0;
	(void)lock_set_waiter(before);
	if (atomic_load(&wrong) != 0)
		test_diag("failed: %s", atomic_load(&what));
	CHECK_EQ(atomic_load(&wrong), 0);
	CHECK(atomic_load(&reads) > 0 && atomic_load(&writes) > 0);
}

static void run(unsigned first)
{
	struct ledger before;

	machine_start_simple(64, 0, CPUS);
	before = machine_ledger();
	begin();
	first_op = first;
	alloc_blocks();
	NEED(page_table_init(&pt, LEVELS) == OK);
	map_fixed();
	if (first == KEEPING_OPS)
		fill_window();
	run_threads();
	CHECK(page_table_check(&pt) == NULL);
	empty_window();
	CHECK(page_table_check(&pt) == NULL);
	page_table_destroy(&pt);
	for (unsigned i = 0; i <= SLOTS; i++)
		frame_put(block[i]);
	CHECK_LEDGER(&before);
}

/* The CPU has a small page in its TLB before the collapse, not after it; its dirty bit stays. */
static void collapse_beside(unsigned cpu)
{
	const vaddr_t va = FIXED + SMALL * PAGE_SIZE;
	struct worker *w = &workers[0];
	uint64_t pa;

	CHECK_EQ(cursor_open(&w->c, &pt, (struct vrange){ FIXED, PT_LARGE_BYTES }, &w->gone), OK);
	CHECK_EQ(cursor_jump(&w->c, va), OK);
	CHECK_EQ(cursor_split(&w->c), OK);
	host_cpu = cpu;
	tlb_switch_to(&space, frame_paddr(pt.root));
	CHECK(host_tlb_access(va, LEVELS, HOST_TLB_WRITE, &pa));
	host_cpu = 0;
	CHECK(host_tlb_has_page(cpu, pa, PAGE_SIZE));
	CHECK_EQ(cursor_jump(&w->c, FIXED), OK);
	CHECK_EQ(cursor_collapse(&w->c, 2), OK);
	CHECK(!host_tlb_has_page(cpu, pa, PAGE_SIZE));
	CHECK_EQ(cursor_jump(&w->c, va), OK);
	CHECK((cursor_query(&w->c).prop.flags & PROP_DIRTY) != 0);
	unlock_range(w);
}

TEST(cursor_collapse_is_invalidated_for_every_part)
{
	machine_start_simple(64, 0, CPUS);
	begin();
	alloc_blocks();
	NEED(page_table_init(&pt, LEVELS) == OK);
	map_fixed();
	for (unsigned cpu = 0; cpu < CPUS; cpu++)
		collapse_beside(cpu);
	page_table_destroy(&pt);
}

TEST(cursor_threads_agree_with_a_flat_map)
{
	run(0);
}

/* All pages stay mapped, so nearly every access is to a page whose rights or frame change. */
TEST(cursor_threads_write_while_rights_change)
{
	run(KEEPING_OPS);
}
#endif
