/* SPDX-License-Identifier: MIT */
#include "tests/explore/scenario/table.h"

#include "kern/cpu.h"
#include "kern/lock.h"
#include "lib/bits.h"
#include "lib/panic.h"
#include "mm/frame/epoch.h"

enum {
	MACHINE_KIB = 8192,
	FRAMES_MAX = 1 << 14,
	NODES_EACH = 6, /* in the pool of each CPU */
	POLLS_MAX = 4,  /* until all is freed, once all readers have left */
};
#define FIRST_PA GIB(1) /* outside of the memory of the machine: untracked pages */

struct page_table table;
static struct tlb_space unloaded_space;
static struct tlb_space *space;
static struct tlb_batch gone[EXPLORE_CPUS];

/* The model: the range that each CPU has locked. */
struct locked {
	bool held;
	vaddr_t start, end;
};
EXPLORE_MODEL static struct locked locks[EXPLORE_CPUS];

static const struct page_prop prop = { PROP_READ | PROP_WRITE, MEM_WRITE_BACK };

paddr_t table_pa(unsigned page)
{
	return paddr(FIRST_PA + (uint64_t)page * PAGE_SIZE);
}

void table_fill(unsigned page, unsigned n, unsigned level)
{
	struct vrange r = { (vaddr_t)page * PAGE_SIZE, (uint64_t)n * PAGE_SIZE };
	struct cursor c;
	err_t err = cursor_open(&c, &table, r, NULL);

	if (err == OK) {
		err = cursor_map_pa(&c, table_pa(page), r.len, prop, level);
		cursor_close(&c);
	}
	if (err != OK)
		explore_fail("pages cannot be mapped: %s", err_name(err));
}

static void fill_pool(unsigned cpu)
{
	struct frame *node[NODES_EACH];

	explore_as(cpu);
	for (unsigned i = 0; i < NODES_EACH; i++) {
		node[i] = pt_node_alloc(1);
		if (node[i] == NULL)
			explore_fail("no memory for nodes");
	}
	for (unsigned i = NODES_EACH; i-- > 0;)
		pt_node_put_empty(node[i]);
	explore_as(0);
}

void table_setup(unsigned cpus)
{
	err_t err;

	explore_machine(MACHINE_KIB, cpus);
	explore_machine_mark();
	cpu_set_count(cpus);
	lock_set_waiter(shootdown_serve);
	tlb_space_init(&unloaded_space);
	space = &unloaded_space;
	err = page_table_init(&table, TABLE_LEVELS);
	if (err != OK)
		explore_fail("no table: %s", err_name(err));
	for (unsigned cpu = 0; cpu < cpus; cpu++)
		fill_pool(cpu);
}

void table_load_everywhere(void)
{
	space = &tlb_kernel_space;
}

/* ---- reading memory unseen by the explorer ----
 *
 * Not by atomic loads, which clang instruments in EXPLORE_UNSEEN functions, too. */

EXPLORE_UNSEEN static uint64_t raw_u64(const void *at)
{
	return *(const volatile uint64_t *)at;
}

EXPLORE_UNSEEN static uint32_t raw_u32(const void *at)
{
	return *(const volatile uint32_t *)at;
}

EXPLORE_UNSEEN static uint8_t raw_u8(const void *at)
{
	return *(const volatile uint8_t *)at;
}

EXPLORE_UNSEEN static struct slot_state state_of(const struct meta_slot *slot)
{
	union slot_word w = { .word = raw_u64(&slot->state) };

	return w.state;
}

static bool is_dead(const struct meta_slot *slot)
{
	return raw_u8(&slot->u.node.dead) != 0;
}

/* ---- locking ---- */

static void check_alone(unsigned self)
{
	for (unsigned cpu = 0; cpu < EXPLORE_CPUS; cpu++)
		if (cpu != self && locks[cpu].held && locks[cpu].start <= locks[self].end &&
		    locks[self].start <= locks[cpu].end)
			explore_fail("CPUs %u and %u have locked overlapping ranges", self, cpu);
}

/* Whether the cursor's node is wrong: dead, of another level, or above a lower node that covers the
 * range.  Reads memory unseen. */
EXPLORE_UNSEEN static bool has_lower(const struct cursor *c)
{
	const struct meta_slot *slot = frame_slot(c->node);
	pte_t pte = raw_u64(&pt_node_entries(c->node)[pte_index(c->start, c->level)]);

	if (is_dead(slot) || raw_u8(&slot->u.node.level) != c->level)
		return true;
	return c->level > 1 && pte_is_present(pte) && !pte_is_leaf(pte, c->level) &&
	       c->start / pte_span(c->level) == c->end / pte_span(c->level) &&
	       c->end - c->start != pte_span(c->level) - 1;
}

void table_lock(struct cursor *c, unsigned page, unsigned n)
{
	struct vrange r = { (vaddr_t)page * PAGE_SIZE, (uint64_t)n * PAGE_SIZE };
	unsigned self = arch_cpu_id();

	tlb_batch_init(&gone[self], space);
	if (cursor_open(c, &table, r, &gone[self]) != OK)
		explore_fail("the range is refused");
	locks[self] = (struct locked){ true, c->start, c->end };
	check_alone(self);
	EXPLORE_CHECK(!has_lower(c));
	table_verify();
}

void table_release(struct cursor *c)
{
	unsigned self = arch_cpu_id();

	table_verify();
	check_alone(self);
	locks[self].held = false;
	cursor_close(c);
}

void table_finish(void)
{
	tlb_batch_finish(&gone[arch_cpu_id()]);
	table_verify();
}

void table_map(unsigned page)
{
	struct cursor c;

	table_lock(&c, page, 1);
	EXPLORE_CHECK(cursor_map_pa(&c, table_pa(page), PAGE_SIZE, prop, 1) == OK);
	table_release(&c);
	table_finish();
}

void table_unmap(unsigned page)
{
	struct cursor c;
	struct pt_item item;

	table_lock(&c, page, 1);
	item = cursor_query(&c);
	EXPLORE_CHECK(item.kind == PT_ITEM_LEAF && item.pa.raw == table_pa(page).raw);
	EXPLORE_CHECK(cursor_unmap(&c, PAGE_SIZE) == OK);
	table_release(&c);
	table_finish();
}

/* ---- checking ---- */

static uint16_t owners[FRAMES_MAX];

EXPLORE_UNSEEN static const struct meta_slot *slot_behind(pte_t pte)
{
	uint64_t pfn = pte_paddr(pte) / PAGE_SIZE;

	if (pfn >= FRAMES_MAX)
		explore_fail("an entry %#lx leads out of memory", pte);
	owners[pfn]++;
	return meta_slot_of((pfn_t)pfn);
}

EXPLORE_UNSEEN static void check_counts(const struct meta_slot *slot)
{
	struct slot_state state = state_of(slot);
	uint16_t n = owners[meta_pfn_of(slot)];

	if (state.count > SLOT_COUNT_MAX || state.count < n)
		explore_fail("frame %#x has count %#x and %u owners", meta_pfn_of(slot),
			     state.count, n);
}

/* Recursion depth: one level per call. */
EXPLORE_UNSEEN static void search_below(const pte_t *entries, unsigned level)
{
	for (unsigned i = 0; i < PT_NODE_ENTRIES; i++) {
		pte_t pte = entries[i];
		const struct meta_slot *slot;

		if ((pte & PTE_PRESENT) == 0)
			continue;
		if (pte_is_leaf(pte, level)) {
			if ((pte & PTE_TRACKED) != 0)
				check_counts(slot_behind(pte));
			continue;
		}
		slot = slot_behind(pte);
		if (state_of(slot).kind != FRAME_PAGE_TABLE ||
		    raw_u8(&slot->u.node.level) != level - 1 || is_dead(slot))
			explore_fail("an entry of level %u leads to no live node", level);
		check_counts(slot);
		search_below(arch_direct(paddr(pte_paddr(pte))), level - 1);
	}
}

EXPLORE_UNSEEN void table_verify(void)
{
	for (unsigned i = 0; i < FRAMES_MAX; i++)
		owners[i] = 0;
	search_below(arch_direct(frame_paddr(table.root)), table.levels);
}

/* ---- quiescent ---- */

EXPLORE_UNSEEN static void check_equal(const pte_t *entries, unsigned level)
{
	for (unsigned i = 0; i < PT_NODE_ENTRIES; i++) {
		pte_t pte = entries[i];
		const struct meta_slot *slot = meta_slot_of((pfn_t)(pte_paddr(pte) / PAGE_SIZE));
		bool is_node = pte_is_present(pte) && !pte_is_leaf(pte, level);

		if (!is_node && (pte & (PTE_PRESENT | PTE_TRACKED)) != (PTE_PRESENT | PTE_TRACKED))
			continue;
		if (state_of(slot).count != owners[meta_pfn_of(slot)])
			explore_fail("frame %#x has count %u and %u owners", meta_pfn_of(slot),
				     state_of(slot).count, owners[meta_pfn_of(slot)]);
		if (is_node && raw_u32(&slot->u.node.lock) != PT_NODE_FREE)
			explore_fail("node %#x is still locked", meta_pfn_of(slot));
		if (is_node)
			check_equal(arch_direct(paddr(pte_paddr(pte))), level - 1);
	}
}

void table_check(void)
{
	const char *wrong;

	table_verify();
	check_equal(arch_direct(frame_paddr(table.root)), table.levels);
	wrong = page_table_check(&table);
	if (wrong != NULL)
		explore_fail("%s", wrong);
	for (unsigned i = 0; i < POLLS_MAX; i++)
		for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
			explore_as(cpu);
			(void)epoch_poll();
		}
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
		if (epoch_backlog(cpu) != 0)
			explore_fail("%lu nodes are never freed", epoch_backlog(cpu));
	explore_as(0);
	page_table_destroy(&table);
	explore_machine_check();
}
