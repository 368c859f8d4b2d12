/* SPDX-License-Identifier: MIT */
/*
 * Proof of the range arithmetic of the page-table engine (mm/pt/engine.h), in the CPU's instance:
 * which ranges are accepted, which node covers a range and which entries below overlap it (C5), the
 * position of the cursor (C1, C4), which page size fits, where large pages are split, and when a
 * change of rights makes a leaf writable.  Ranges are compared in 128 bits, where nothing wraps.
 *
 * By: words
 * Seconds: 20
 */
#include "mm/frame/frame_page.h"

/* The count of a frame is in memory, which claims cannot access.  Here the slot of a frame is its
 * address, and the parity of its number decides whether it has one owner or two, so the claims
 * cover both. */
static inline struct meta_slot *slot_at(paddr_t pa)
{
	return (struct meta_slot *)(uintptr_t)pa.raw;
}

static inline uint32_t owners_of(const struct frame *f)
{
	return 1 + (uint32_t)((uintptr_t)f / PAGE_SIZE % 2);
}

/* As frame_page_is_sole(). */
static inline bool is_sole_of(const struct frame *f, unsigned order)
{
	return order <= ORDER_MAX && owners_of(f) == 1;
}

/* The largest pages of the format. */
static inline unsigned largest_level(void)
{
	return PT_LEAF_LEVEL_MAX;
}

#define meta_slot_at            slot_at
#define frame_page_is_sole      is_sole_of
#define arch_pt_leaf_level_max largest_level
#include "mm/pt/cursor.c"
#include "mm/pt/page_table.c"

#include "tests/proof/words.h"

typedef unsigned __int128 exact_t;

#define SPACE_END ((exact_t)1 << 64)

static exact_t end_of(uint64_t start, uint64_t len)
{
	return (exact_t)start + len;
}

/* ---- ranges ---- */

CLAIM(range_is_pages_of_one_canonical_half, uint64_t start, uint64_t len, unsigned levels)
{
	GIVEN(levels == 4 || levels == 5);
	struct page_table pt = { .levels = levels };
	exact_t half = (exact_t)1 << (levels == 4 ? 47 : 56);
	bool pages = len != 0 && start % PAGE_SIZE == 0 && len % PAGE_SIZE == 0;
	bool low = end_of(start, len) <= half;
	bool high = start >= SPACE_END - half && end_of(start, len) <= SPACE_END;

	return page_table_range_ok(&pt, (struct vrange){ start, len }) == (pages && (low || high));
}

/* ---- the node that covers a range ---- */

/* The bytes that the 512 entries of a node cover. */
static exact_t node_bytes(unsigned level)
{
	return (exact_t)1 << (PT_PAGE_SHIFT + PT_INDEX_BITS * level);
}

/* Whether the node of `level` around start covers all of [start, end]. */
static bool node_has(unsigned level, uint64_t start, uint64_t end)
{
	exact_t first = start & ~(uint64_t)(node_bytes(level) - 1);

	return end < first + node_bytes(level);
}

static bool node_is_filled(unsigned level, uint64_t start, uint64_t end)
{
	return start % (uint64_t)node_bytes(level) == 0 &&
	       end - start == (uint64_t)node_bytes(level) - 1;
}

/* C5: any cursor that overlaps the range locks this node, or one on the path to it. */
CLAIM(level_that_covers_is_the_lowest, uint64_t start, uint64_t len, unsigned levels)
{
	GIVEN(levels == 4 || levels == 5);
	struct page_table pt = { .levels = levels };

	GIVEN(page_table_range_ok(&pt, (struct vrange){ start, len }));
	uint64_t end = start + len - 1;
	unsigned lowest = 1, level = levels == 4 ? level_that_covers(4, start, end)
						 : level_that_covers(5, start, end);

	for (unsigned l = 1; l < PT_LEVEL_MAX; l++)
		if (l == lowest && l < levels &&
		    (!node_has(l, start, end) || node_is_filled(l, start, end)))
			lowest = l + 1;
	return level == lowest && node_has(level, start, end);
}

/* The step of lock_below() from a node of `level` to its child: within the child, an address is
 * between the new ends exactly if it is between the old ones.  Bits above the node are ignored. */
CLAIM(ends_below_are_the_same_range, uint64_t start, uint64_t end, uint64_t va, unsigned level)
{
	GIVEN(level >= 2 && level <= PT_LEVEL_MAX);
	uint64_t node = ~(uint64_t)0 >> (64 - PT_PAGE_SHIFT - PT_INDEX_BITS * level);
	uint64_t child = pte_span(level) - 1;

	GIVEN((start & node) <= (end & node));
	unsigned i = pte_index(va, level);
	bool is_locked = i >= pte_index(start, level) && i <= pte_index(end, level);
	uint64_t first = first_below(start, i, level) & child;
	uint64_t last = last_below(end, i, level) & child;
	bool inside = (start & node) <= (va & node) && (va & node) <= (end & node);

	return inside == (is_locked && first <= (va & child) && (va & child) <= last) &&
	       (!is_locked || first <= last);
}

/* ---- the cursor ---- */

/* C1 of an open cursor with `left` bytes left.  cursor_open() accepts ranges in one half only. */
static bool stands(const struct cursor *c, uint64_t left)
{
	if (c->start % PAGE_SIZE != 0 || c->end % PAGE_SIZE != PAGE_SIZE - 1 || c->start > c->end ||
	    c->start >> 63 != c->end >> 63)
		return false;
	if (c->done)
		return left == 0 && c->va == c->end + 1;
	return c->va % PAGE_SIZE == 0 && c->start <= c->va && c->va <= c->end && left != 0 &&
	       left - 1 == c->end - c->va;
}

static struct cursor cursor_at(uint64_t start, uint64_t end, uint64_t va, bool done)
{
	return (struct cursor){ .start = start, .end = end, .va = va, .done = done };
}

CLAIM(cursor_opens_at_the_start, uint64_t start, uint64_t len, unsigned levels)
{
	GIVEN(levels == 4 || levels == 5);
	struct page_table pt = { .levels = levels };
	struct cursor c;

	GIVEN(page_table_range_ok(&pt, (struct vrange){ start, len }));
	stand_at_start(&c, (struct vrange){ start, len });
	return stands(&c, len) && cursor_left(&c) == len && c.va == start && !c.done;
}

CLAIM(cursor_left_is_what_is_left, uint64_t start, uint64_t end, uint64_t va, bool done)
{
	struct cursor c = cursor_at(start, end, va, done);

	GIVEN(stands(&c, cursor_left(&c)));
	return cursor_left(&c) % PAGE_SIZE == 0 && (cursor_left(&c) == 0) == c.done;
}

/* va advances by exactly `len` bytes: not beyond the end, page-aligned. */
CLAIM(cursor_moves_by_the_length, uint64_t start, uint64_t end, uint64_t va, uint64_t len)
{
	struct cursor c = cursor_at(start, end, va, false);

	GIVEN(stands(&c, cursor_left(&c)) && len % PAGE_SIZE == 0 && len < cursor_left(&c));
	cursor_move(&c, len);
	return c.va == va + len && c.va >= va && c.va <= end && c.va % PAGE_SIZE == 0 && !c.done &&
	       c.start == start && c.end == end;
}

CLAIM(cursor_move_stops_at_the_end, uint64_t start, uint64_t end, uint64_t va, bool done,
      uint64_t len)
{
	struct cursor c = cursor_at(start, end, va, done);

	GIVEN(stands(&c, cursor_left(&c)) && len % PAGE_SIZE == 0 && len >= cursor_left(&c));
	cursor_move(&c, len);
	return c.va == end + 1 && c.done && c.start == start && c.end == end && stands(&c, 0);
}

CLAIM(cursor_jumps_inside_its_range, uint64_t start, uint64_t end, uint64_t va, bool done,
      uint64_t to)
{
	struct cursor c = cursor_at(start, end, va, done);

	GIVEN(stands(&c, cursor_left(&c)));
	bool inside = to >= start && to <= end && to % PAGE_SIZE == 0;

	if (cursor_jump(&c, to) != OK)
		return !inside && c.va == va && c.done == done;
	return inside && c.va == to && !c.done && stands(&c, cursor_left(&c));
}

/* ---- page sizes ---- */

static bool fits(uint64_t va, uint64_t pa, uint64_t len, unsigned level)
{
	return va % pte_span(level) == 0 && pa % pte_span(level) == 0 && pte_span(level) <= len;
}

CLAIM(level_is_the_largest_that_fits, uint64_t va, uint64_t pa, uint64_t len, unsigned max)
{
	GIVEN(max >= 1 && max <= PT_LEVEL_MAX && fits(va, pa, len, 1));
#define LEVEL(n) level_that_fits(va, pa, len, n)
	unsigned level = FOR_1_TO_5(max, LEVEL), largest = 1;

	for (unsigned l = 2; l <= PT_LEVEL_MAX; l++)
		largest = l <= max && fits(va, pa, len, l) ? l : largest;
	return level == largest;
}

/* A page is mapped or replaced only where it is aligned and lies in the range. */
CLAIM(page_that_fits_lies_in_the_range, uint64_t start, uint64_t end, uint64_t va, bool done,
      unsigned level)
{
	struct cursor c = cursor_at(start, end, va, done);

	GIVEN(stands(&c, cursor_left(&c)) && level <= PT_LEVEL_MAX);
	bool whole = level >= 1 && level <= arch_pt_leaf_level_max() && !done &&
		     va % pte_span(level) == 0 &&
		     end_of(va, pte_span(level)) <= end_of(end, 1);

	return page_fits(&cpu_format, &c, level) == whole;
}

CLAIM(level_of_an_order_has_its_frames, unsigned order)
{
	unsigned level = level_of_order(order);
	bool is_page = order == 0 || order == CHUNK_ORDER || order == SECTION_ORDER;

	return is_page ? pte_span(level) == (uint64_t)PAGE_SIZE << order : level == 0;
}

CLAIM(item_is_the_entry_around_the_address, uint64_t va, unsigned level)
{
	GIVEN(level >= 1 && level <= PT_LEVEL_MAX);
	struct pt_item item = pt_item_of(&cpu_format, 0, level, va);

	return item.kind == PT_ITEM_ABSENT && item.start <= va && va - item.start < item.len &&
	       item.len == pte_span(level) && item.start % pte_span(level) == 0;
}

/* To the end of the entry or of the length, whichever is first; more than 0 bytes. */
CLAIM(step_over_ends_at_the_entry, uint64_t va, unsigned level, uint64_t len)
{
	GIVEN(level >= 1 && level <= PT_LEVEL_MAX && len > 0 && len % PAGE_SIZE == 0 &&
	      va % PAGE_SIZE == 0);
	uint64_t step = step_over(va, level, len), rest = pte_span(level) - va % pte_span(level);

	return step > 0 && step <= len && step <= rest && (step == len || step == rest) &&
	       step % PAGE_SIZE == 0;
}

/* ---- contiguous leaves ---- */

static bool is_leaf_at(uint64_t pa, uint8_t type, unsigned level)
{
	return level >= 1 && level <= PT_LEAF_LEVEL_MAX && type < MEM_TYPES &&
	       (pa & UINT64_C(0x000ffffffffff000)) == pa && pa % pte_span(level) == 0;
}

/* fill_node() adds the span to an entry to get the next one. */
CLAIM(next_leaf_is_a_span_further, uint64_t pa, uint16_t flags, uint8_t type, unsigned level)
{
	struct page_prop prop = { flags, type };

	GIVEN(is_leaf_at(pa, type, level) && is_leaf_at(pa + pte_span(level), type, level) &&
	      pa + pte_span(level) > pa);
	return pte_make_leaf(pa, prop, level) + pte_span(level) ==
	       pte_make_leaf(pa + pte_span(level), prop, level);
}

/* pt_path_split(): each address keeps its translation and its rights. */
CLAIM(split_leaf_moves_nothing, uint64_t pa, uint16_t flags, uint8_t type, unsigned level,
      uint64_t va)
{
	GIVEN(level >= 2 && is_leaf_at(pa, type, level));
	pte_t old = pte_make_leaf(pa, (struct page_prop){ flags, type }, level), new;
	uint64_t span = pte_span(level - 1);

	new = pte_make_leaf(pte_paddr(old) + pte_index(va, level - 1) * span, pte_prop(old),
			    level - 1);
	return pte_paddr(new) + va % span == pte_paddr(old) + va % pte_span(level) &&
	       page_prop_equal(pte_prop(new), pte_prop(old)) && pte_is_leaf(new, level - 1);
}

/* ---- rights ---- */

static bool has(uint64_t word, uint64_t bits)
{
	return (word & bits) != 0;
}

static bool is_leaf(pte_t pte, unsigned level)
{
	return level >= 1 && level <= PT_LEAF_LEVEL_MAX && pte_is_present(pte) &&
	       pte_is_leaf(pte, level);
}

static bool is_sole_owner(pte_t pte)
{
	return has(pte, PTE_TRACKED) && owners_of(pt_node_leaf_frame(pte)) == 1;
}

/* With PROP_WRITE and PROP_COPY, a leaf that was never forked, or is the only owner of its frame, is
 * writable at once; a forked leaf that may have other owners is copied first. */
CLAIM(rights_to_write_are_the_only_owners, uint64_t pte, uint16_t flags, uint8_t type,
      unsigned level)
{
	GIVEN(is_leaf(pte, level) && type < MEM_TYPES);
	struct rights r = rights_of(&cpu_format, NULL, (struct page_prop){ flags, type }, level);
	pte_t new = with_rights(&cpu_format, pte, &r);
	bool write = has(flags, PROP_WRITE), copy = has(flags, PROP_COPY);
	bool at_once = !copy || !has(pte, PTE_FORKED) || is_sole_owner(pte);

	return has(new, PTE_WRITE) == (write && at_once) &&
	       has(new, PTE_COPY) == (copy && !(write && at_once));
}

/* PROP_FORKED stays until the leaf becomes writable as the only owner of its frame. */
CLAIM(rights_remember_the_fork_of_what_others_own, uint64_t pte, uint16_t flags, uint8_t type,
      unsigned level)
{
	GIVEN(is_leaf(pte, level) && type < MEM_TYPES);
	struct rights r = rights_of(&cpu_format, NULL, (struct page_prop){ flags, type }, level);
	pte_t new = with_rights(&cpu_format, pte, &r);
	bool asked = has(flags, PROP_WRITE) && has(flags, PROP_COPY);

	return has(new, PTE_FORKED) == (has(pte, PTE_FORKED) && !(asked && is_sole_owner(pte)));
}

CLAIM(rights_are_those_asked_for, uint64_t pte, uint16_t flags, uint8_t type, unsigned level)
{
	uint16_t asked = PROP_USER | PROP_GLOBAL | PROP_EXECUTE;

	GIVEN(is_leaf(pte, level) && type < MEM_TYPES && (flags & PROP_READ) != 0);
	struct rights r = rights_of(&cpu_format, NULL, (struct page_prop){ flags, type }, level);
	pte_t new = with_rights(&cpu_format, pte, &r);

	return is_leaf(new, level) && ((pte ^ new) & PTE_KEPT & ~PTE_FORKED) == 0 &&
	       ((pte_prop(new).flags ^ flags) & asked) == 0 && pte_prop(new).type == type;
}
