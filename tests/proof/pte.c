/* SPDX-License-Identifier: MIT */
/*
 * Proof of arch/x86_64/pte.h against the layout of the SDM (3A 4.5, tables 4-15 to 4-20, written
 * here as bit numbers): an entry encodes what it was made from, for keel and for the CPU.
 *
 * By: words
 * Seconds: 2
 */
#include "arch/x86_64/pte.h"
#include "mm/frame/page.h"
#include "tests/proof/words.h"

static bool bit(pte_t pte, unsigned number)
{
	return (pte >> number & 1) != 0;
}

static bool is_level(unsigned level, unsigned min, unsigned max)
{
	return level >= min && level <= max;
}

/* Bits 51:12, the address in an entry. */
static uint64_t address_of(pte_t pte)
{
	return pte & UINT64_C(0x000ffffffffff000);
}

/* Each flag of enum prop_flags. */
#define ALL_FLAGS (2 * PROP_PINNED - 1)

/* Valid arguments of pte_make_leaf(). */
static bool is_leaf_at(uint64_t pa, uint8_t type, unsigned level)
{
	return is_level(level, 1, PT_LEAF_LEVEL_MAX) && type < MEM_TYPES && address_of(pa) == pa &&
	       pa % pte_span(level) == 0;
}

/* The memory type that the CPU reads out of MSR 277h (SDM 3A 11.12.3, table 11-11). */
static unsigned pat_of(pte_t pte, unsigned level)
{
	unsigned pat_bit = bit(pte, level == 1 ? 7 : 12);
	unsigned entry = 4 * pat_bit + 2 * bit(pte, 4) + bit(pte, 3);

	return (unsigned)(PAT_VALUE >> 8 * entry & 0xff);
}

enum {
	PAT_UC = 0x00, /* SDM 3A table 11-10 */
	PAT_WC = 0x01,
	PAT_WB = 0x06,
	PAT_UC_MINUS = 0x07,
};

/* Present and readable are the same on x86. */
CLAIM(leaf_says_what_it_was_made_from, uint64_t pa, uint16_t flags, uint8_t type, unsigned level)
{
	GIVEN(is_leaf_at(pa, type, level) && (flags & PROP_READ) != 0 && flags <= ALL_FLAGS);
	pte_t pte = pte_make_leaf(pa, (struct page_prop){ flags, type }, level);

	return pte_paddr(pte) == pa && pte_prop(pte).flags == flags && pte_prop(pte).type == type &&
	       pte_is_present(pte) && !pte_is_marker(pte) && pte_is_leaf(pte, level);
}

CLAIM(leaf_tells_the_cpu_the_same, uint64_t pa, uint16_t flags, uint8_t type, unsigned level)
{
	GIVEN(is_leaf_at(pa, type, level));
	pte_t pte = pte_make_leaf(pa, (struct page_prop){ flags, type }, level);

	if ((flags & PROP_READ) == 0)
		return !bit(pte, 0) && bit(pte, 8) && pte != PTE_BUSY && !pte_is_marker(pte) &&
		       address_of(pte) == pa;
	return bit(pte, 0) && bit(pte, 1) == ((flags & PROP_WRITE) != 0) &&
	       bit(pte, 2) == ((flags & PROP_USER) != 0) &&
	       bit(pte, 5) == ((flags & PROP_ACCESSED) != 0) &&
	       bit(pte, 6) == ((flags & PROP_DIRTY) != 0) &&
	       bit(pte, 8) == ((flags & PROP_GLOBAL) != 0) &&
	       bit(pte, 63) == ((flags & PROP_EXECUTE) == 0) && (level == 1 || bit(pte, 7)) &&
	       (pte >> 56 & 0x7f) == 0 && address_of(pte) == pa;
}

/* Bits 55:52 and 11:9, which the CPU ignores. */
CLAIM(leaf_tells_keel_the_rest, uint64_t pa, uint16_t flags, uint8_t type, unsigned level)
{
	GIVEN(is_leaf_at(pa, type, level));
	pte_t pte = pte_make_leaf(pa, (struct page_prop){ flags, type }, level);

	return bit(pte, 9) == ((flags & PROP_TRACKED) != 0) &&
	       bit(pte, 10) == ((flags & PROP_COPY) != 0) &&
	       bit(pte, 11) == ((flags & PROP_SHARED) != 0) &&
	       bit(pte, 52) == ((flags & PROP_FORKED) != 0) &&
	       bit(pte, 53) == ((flags & PROP_DENY_WRITE) != 0) &&
	       bit(pte, 54) == ((flags & PROP_DENY_EXECUTE) != 0) &&
	       bit(pte, 55) == ((flags & PROP_PINNED) != 0);
}

CLAIM(leaf_has_the_memory_type, uint64_t pa, uint16_t flags, uint8_t type, unsigned level)
{
	GIVEN(is_leaf_at(pa, type, level));
	unsigned pat = pat_of(pte_make_leaf(pa, (struct page_prop){ flags, type }, level), level);

	return type == MEM_WRITE_BACK        ? pat == PAT_WB
	       : type == MEM_WRITE_COMBINING ? pat == PAT_WC
					     : pat == PAT_UC;
}

/* For any leaf, even one that keel did not make: a type that keel does not use reads as uncached. */
CLAIM(type_is_never_told_as_more_cached, uint64_t pte, unsigned level)
{
	GIVEN(is_level(level, 1, PT_LEAF_LEVEL_MAX));
	unsigned pat = pat_of(pte, level);

	switch (pte_mem_type(pte)) {
	case MEM_WRITE_BACK: return pat == PAT_WB;
	case MEM_WRITE_COMBINING: return pat == PAT_WC;
	case MEM_UNCACHED: return pat == PAT_UC || pat == PAT_UC_MINUS;
	default: return WRONG;
	}
}

/* For any entry: bit 7 means a page at levels 2 and 3 only. */
CLAIM(leaf_is_what_the_cpu_takes_for_one, uint64_t pte, unsigned level)
{
	GIVEN(is_level(level, 1, PT_LEVEL_MAX));
	return pte_is_leaf(pte, level) == (level == 1 || (level <= 3 && bit(pte, 7)));
}

CLAIM(table_leads_to_its_node, uint64_t pa, unsigned level)
{
	GIVEN(is_level(level, 2, PT_LEVEL_MAX) && address_of(pa) == pa);
	pte_t pte = pte_make_table(pa);

	return pte_paddr(pte) == pa && pte_is_present(pte) && !pte_is_leaf(pte, level) &&
	       !pte_is_marker(pte) && bit(pte, 0) && bit(pte, 1) && bit(pte, 2) && !bit(pte, 7) &&
	       !bit(pte, 63) && (pte & PTE_TRACKED) == 0;
}

/* A change of rights preserves address, tracked, shared, forked and the accessed and dirty bits. */
CLAIM(new_rights_move_nothing, uint64_t pa, uint16_t flags, uint8_t type, uint16_t other,
      uint8_t other_type, unsigned level, bool accessed, bool dirty)
{
	uint16_t kept = PROP_ACCESSED | PROP_DIRTY | PROP_TRACKED | PROP_SHARED | PROP_FORKED |
			PROP_DENY_WRITE | PROP_DENY_EXECUTE | PROP_PINNED;

	GIVEN(is_leaf_at(pa, type, level) && other_type < MEM_TYPES && (other & kept) == 0 &&
	      (other & PROP_READ) != 0 && other <= ALL_FLAGS);
	pte_t old = pte_make_leaf(pa, (struct page_prop){ flags, type }, level) |
		    (accessed ? PTE_ACCESSED : 0) | (dirty ? PTE_DIRTY : 0);
	pte_t new = (old & PTE_KEPT) |
		    pte_make_leaf(0, (struct page_prop){ other, other_type }, level);
	struct page_prop now = pte_prop(new);

	return pte_paddr(new) == pa && bit(new, 5) == bit(old, 5) && bit(new, 6) == bit(old, 6) &&
	       bit(new, 9) == bit(old, 9) && bit(new, 11) == bit(old, 11) &&
	       bit(new, 52) == bit(old, 52) && bit(new, 0) && pte_is_leaf(new, level) &&
	       now.type == other_type &&
	       ((now.flags ^ other) & ~(kept | PROP_READ)) == 0;
}

/* An entry made from the decoded fields of another one has the same bits. */
CLAIM(leaf_made_again_is_the_same, uint64_t pa, uint16_t flags, uint8_t type, unsigned level)
{
	GIVEN(is_leaf_at(pa, type, level));
	pte_t pte = pte_make_leaf(pa, (struct page_prop){ flags, type }, level);

	return pte_make_leaf(pte_paddr(pte), pte_prop(pte), level) == pte;
}

/* L1TF: a CPU that speculates with the address of a non-present entry, at any level and page size,
 * accesses the last 2 GiB of its physical addresses, however many bits of them it uses; from 44 bits
 * on that is beyond all memory that keel manages. */
CLAIM(marker_names_no_memory, uint32_t marker, unsigned level, unsigned bits)
{
	GIVEN(marker >> PT_MARKER_BITS == 0 && is_level(level, 1, PT_LEAF_LEVEL_MAX) && bits >= 36 &&
	      bits <= 52);
	pte_t pte = pte_make_marker(marker);
	uint64_t seen = address_of(pte) & ((UINT64_C(1) << bits) - 1) & ~(pte_span(level) - 1);

	return !bit(pte, 0) && seen >= (UINT64_C(1) << bits) - GIB(2) &&
	       (bits < 44 || seen >= PHYS_LIMIT);
}

CLAIM(marker_says_what_it_was_made_from, uint32_t marker)
{
	GIVEN(marker >> PT_MARKER_BITS == 0);
	pte_t pte = pte_make_marker(marker);

	return pte_is_marker(pte) && !pte_is_present(pte) && pte_marker(pte) == marker && pte != 0 &&
	       pte != PTE_BUSY && !pte_is_marker(PTE_BUSY) && !pte_is_held(pte) && !pte_is_marker(0) && !pte_is_present(0);
}

/* ---- indices and spans ---- */

CLAIM(span_of_each_level, unsigned level)
{
	GIVEN(is_level(level, 1, PT_LEVEL_MAX));
	return pte_span(1) == PT_PAGE_BYTES && pte_span(2) == PT_LARGE_BYTES &&
	       pte_span(3) == PT_HUGE_BYTES &&
	       (level == 1 || pte_span(level) == pte_span(level - 1) * PT_ENTRIES);
}

CLAIM(index_is_the_field_of_the_address, uint64_t va, unsigned level)
{
	GIVEN(is_level(level, 1, PT_LEVEL_MAX));
	return pte_index(va, level) < PT_ENTRIES &&
	       pte_index(va, level) == (va / pte_span(level)) % PT_ENTRIES &&
	       pte_index(va, 1) == (va >> 12 & 0x1ff) && pte_index(va, 2) == (va >> 21 & 0x1ff) &&
	       pte_index(va, 3) == (va >> 30 & 0x1ff) && pte_index(va, 4) == (va >> 39 & 0x1ff) &&
	       pte_index(va, 5) == (va >> 48 & 0x1ff);
}

/* Addresses share an entry exactly if they lie between the same two multiples of the span. */
CLAIM(entry_covers_its_span, uint64_t a, uint64_t b, unsigned level)
{
	GIVEN(is_level(level, 1, PT_LEVEL_MAX) && a >> 57 == b >> 57);
	bool same = true;

	for (unsigned l = 1; l <= PT_LEVEL_MAX; l++)
		same = same && (l < level || pte_index(a, l) == pte_index(b, l));
	return same == (a - a % pte_span(level) == b - b % pte_span(level));
}

CLAIM(canonical_is_two_halves, uint64_t va, unsigned levels)
{
	GIVEN(levels == 4 || levels == 5);
	uint64_t half = UINT64_C(1) << (levels == 4 ? 47 : 56);

	return pte_is_canonical(va, levels) == (va < half || va >= 0 - half);
}
