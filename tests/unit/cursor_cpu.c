/* SPDX-License-Identifier: MIT */
/* Tests of mm/pt/cursor*.c against a CPU that sets accessed and dirty bits: a host thread. */
#ifndef KEEL_TESTS
#include <pthread.h>

#include "mm/pt/cursor.h"
#include "mm/pt/cpu_format.h"
#include "tests/machine.h"
#include "tests/test.h"

enum {
	ROUNDS = 3000,
	DELAY_MAX = 2000, /* turns */
};
#define BASE TIB(1)

static struct page_table pt;

/* A CPU that writes through the translation of the large page: it sets accessed and dirty bits in
 * the entry that it has read. */
static struct cpu {
	_Atomic(_Atomic pte_t *) entry; /* NULL: the write is done */
	_Atomic unsigned delay;
	_Atomic bool stop;
	bool wrote; /* to the large page */
} cpu;

static void *cpu_writes(void *unused)
{
	(void)unused;
	while (!atomic_load(&cpu.stop)) {
		_Atomic pte_t *entry = atomic_load(&cpu.entry);
		pte_t pte;

		if (entry == NULL)
			continue;
		for (unsigned turns = atomic_load(&cpu.delay); turns > 0; turns--)
			atomic_signal_fence(memory_order_seq_cst);
		pte = atomic_load(entry);
		cpu.wrote = pte_is_leaf(pte, 2) &&
			    atomic_compare_exchange_strong(entry, &pte,
							   pte | PTE_ACCESSED | PTE_DIRTY);
		atomic_store(&cpu.entry, NULL);
	}
	return NULL;
}

static _Atomic pte_t *entry_of_level_2(void)
{
	struct frame *node = pt.root;

	for (unsigned level = pt.levels; level > 2; level--)
		node = pt_node_child(pt_node_get(node, pte_index(BASE, level)), level);
	return &pt_node_entries(node)[pte_index(BASE, 2)];
}

/* Returns whether the write came before the split. */
static bool split_while_it_writes(void)
{
	struct page_prop rw = { PROP_READ | PROP_WRITE, MEM_WRITE_BACK };
	struct tlb_batch gone;
	struct cursor c;
	bool is_dirty = true;

	tlb_batch_init(&gone, &tlb_kernel_space);
	CHECK_EQ(cursor_open(&c, &pt, (struct vrange){ BASE, MIB(2) }, &gone), OK);
	CHECK_EQ(cursor_map_pa(&c, paddr(GIB(8)), MIB(2), rw, 2), OK);
	CHECK_EQ(cursor_jump(&c, BASE + PAGE_SIZE), OK);
	atomic_store(&cpu.delay, (unsigned)test_random_below(DELAY_MAX));
	atomic_store(&cpu.entry, entry_of_level_2());
	CHECK_EQ(cursor_split(&c), OK);
	while (atomic_load(&cpu.entry) != NULL)
		;
	for (unsigned i = 0; i < PT_NODE_ENTRIES; i++)
		if ((page_table_query(&pt, BASE + i * PAGE_SIZE).prop.flags & PROP_DIRTY) == 0)
			is_dirty = false;
	if (cpu.wrote && !is_dirty)
		test_fail(__FILE__, __LINE__, "a dirty bit that the CPU set was lost");
	CHECK_EQ(cursor_jump(&c, BASE), OK);
	CHECK_EQ(cursor_unmap(&c, MIB(2)), OK);
	cursor_close(&c);
	tlb_batch_finish(&gone);
	return cpu.wrote;
}

TEST(cursor_split_keeps_what_the_cpu_sets_meanwhile)
{
	struct ledger before;
	pthread_t thread;
	unsigned wrote = 0;

	machine_start_simple(256, 0, 1);
	pt_node_inject_failure(0);
	before = machine_ledger();
	NEED(page_table_init(&pt, 4) == OK);
	cpu = (struct cpu){ .stop = false };
	NEED(pthread_create(&thread, NULL, cpu_writes, NULL) == 0);
	for (unsigned i = 0; i < ROUNDS; i++)
		wrote += split_while_it_writes();
	atomic_store(&cpu.stop, true);
	pthread_join(thread, NULL);
	test_diag("%u of %u writes came before the split", wrote, ROUNDS);
	page_table_destroy(&pt);
	CHECK_LEDGER(&before);
}
#endif
