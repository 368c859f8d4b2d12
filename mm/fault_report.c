/* SPDX-License-Identifier: MIT */
#include "mm/fault_report.h"

#include "lib/bits.h"
#include "lib/command.h"
#include "lib/print.h"
#include "lib/string.h"
#include "lib/symbols.h"
#include "mm/kspace.h"
#include "mm/pt_walk.h"
#include "mm/regions.h"
#include "mm/report.h"

enum {
	PLACE_BYTES = 96,
	OWNER_BYTES = 128,
	LINE_BYTES = 192,
};

static const char *const access_names[] = { "read of", "write to", "execution of" };

/* ---- who owns the frame ---- */

/* The counted head of the block that has `pfn` in it, or NULL. */
static const struct meta_slot *head_of(pfn_t pfn)
{
	for (unsigned order = 0; order <= ORDER_MOST; order++) {
		pfn_t head = pfn & ~((UINT32_C(1) << order) - 1);
		const struct meta_slot *slot = section_slot(pfn_to_paddr(head));
		struct slot_state s;

		if (slot == NULL)
			return NULL;
		s = meta_state(slot);
		if ((slot_is_counted(s) || s.count == SLOT_UNIQUE) && s.order >= order)
			return slot;
	}
	return NULL;
}

static void describe_slot(const struct meta_slot *slot, char *text, size_t size)
{
	struct slot_state s = meta_state(slot);
	const char *kind = frame_kind_name((enum frame_kind)s.kind);

	if (s.count == SLOT_UNIQUE)
		print_to(text, size, "%s, one exclusive owner, order %u", kind, s.order);
	else
		print_to(text, size, "%s, count %u, order %u", kind, s.count, s.order);
}

static void describe_usable(pfn_t pfn, char *text, size_t size)
{
	const struct meta_slot *slot = section_slot(pfn_to_paddr(pfn));
	const struct meta_slot *head = slot == NULL ? NULL : head_of(pfn);

	if (slot == NULL)
		print_to(text, size, "usable, its metadata does not exist yet");
	else if (head != NULL)
		describe_slot(head, text, size);
	else if (meta_state(slot).count == SLOT_UNUSED)
		print_to(text, size, "released, nobody has claimed it");
	else if (meta_state(slot).count == SLOT_DYING)
		print_to(text, size, "being given back");
	else
		print_to(text, size, "free, or the kernel's own since boot");
}

void fault_describe_frame(uint64_t pa, char *text, size_t size)
{
	const struct region *regions, *r;
	size_t n;

	regions = report_regions(&n);
	r = n == 0 ? NULL : regions_find(regions, n, pa);
	if (r == NULL)
		print_to(text, size, "no memory: nothing in the map mentions it");
	else if (r->type == REGION_USABLE && pa < PHYS_LIMIT)
		describe_usable(paddr_to_pfn(paddr(pa)), text, size);
	else if (r->type == REGION_KERNEL)
		print_to(text, size, "kernel image");
	else
		print_to(text, size, "%s", region_type_name(r->type));
}

/* ---- why ---- */

static const char *cause_absent(const struct fault *f, const char *place)
{
	static const struct {
		const char *place, *cause;
	} causes[] = {
		{ "the null page", "a null pointer was used" },
		{ "guard page below*stack*", "stack overflow" },
		{ "guard page above*stack*", "something wrote past the first byte of a stack" },
		{ "guard page below*", "an index or pointer ran below the start of an area" },
		{ "guard page above*", "an index or pointer ran past the end of an area" },
		{ "vmalloc area, not in use", "used after it was freed, or a wild pointer" },
		{ "linear map*", "a physical address where no memory is mapped" },
		{ "MetaSlot*", "the number of a frame that has no metadata" },
		{ "kernel *", "a pointer into a part of the image that is left out" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(causes); i++)
		if (str_glob(causes[i].place, place))
			return causes[i].cause;
	return f->address >> 63 == 0 ? "a wild pointer: the lower half is user mode's, and empty"
				     : "a wild pointer";
}

const char *fault_likely_cause(const struct fault *f, const char *place, uint64_t leaf)
{
	if (f->reserved)
		return "the page table is damaged: reserved bits are set";
	if (!pte_is_present(leaf) || !f->present)
		return f->access == FAULT_EXECUTE && f->address < PAGE_SIZE
			       ? "a null function pointer was called"
			       : cause_absent(f, place);
	if (f->access == FAULT_EXECUTE)
		return "a jump into data: a damaged function pointer or return address";
	if (f->access == FAULT_WRITE && (leaf & PTE_WRITE) == 0)
		return "code or constants were written to";
	return "the page allows it by now: it was changed meanwhile, or the TLB is stale";
}

/* ---- the three lines ---- */

static void describe_place(const struct fault *f, char *text, size_t size)
{
	if (f->guarded != NULL)
		print_to(text, size, "guard page below the %s stack", f->guarded);
	else if (f->address < PAGE_SIZE)
		print_to(text, size, "the null page");
	else
		kspace_describe(f->address, text, size);
}

static const char *rights(pte_t leaf)
{
	if (!pte_is_present(leaf))
		return "not mapped";
	if ((leaf & PTE_NX) == 0)
		return (leaf & PTE_WRITE) != 0 ? "writable and executable"
					       : "read-only and executable";
	return (leaf & PTE_WRITE) != 0 ? "writable" : "read-only";
}

static void print_owner(const struct pt_walk *w, const char *cause)
{
	char owner[OWNER_BYTES];

	if (pt_walk_leaf(w) == 0) {
		print("keel:   no frame; likely cause: %s\n", cause);
		return;
	}
	fault_describe_frame(pt_walk_paddr(w), owner, sizeof(owner));
	print("keel:   frame %#lx: %s; likely cause: %s\n", pt_walk_paddr(w) / PAGE_SIZE, owner,
	      cause);
}

void fault_report(const struct fault *f, char *summary, size_t size)
{
	char place[PLACE_BYTES], by[SYMBOL_TEXT_BYTES], at[SYMBOL_TEXT_BYTES], line[LINE_BYTES];
	const char *cause;
	struct pt_walk w;

	pt_walk_read(&w, f->root, f->levels, f->address);
	describe_place(f, place, sizeof(place));
	symbols_format(f->ip, by, sizeof(by));
	symbols_format(f->address, at, sizeof(at));
	cause = fault_likely_cause(f, place, pt_walk_leaf(&w));
	print("keel: page fault: %s %016lx (%s%s%s, %s) by instruction at %016lx %s\n",
	      access_names[f->access], f->address, place, at[0] == '?' ? "" : ", ",
	      at[0] == '?' ? "" : at, rights(pt_walk_leaf(&w)), f->ip, by);
	pt_walk_line(&w, line, sizeof(line));
	print("keel:   walk: %s\n", line);
	print_owner(&w, cause);
	if (f->guarded != NULL)
		return;
	if (strcmp(cause, "stack overflow") == 0)
		print_to(summary, size, "stack overflow: %#lx lies in the %s", f->address, place);
	else
		print_to(summary, size, "%s %#lx: %s", access_names[f->access], f->address, cause);
}

/* ---- the monitor ---- */

COMMAND(pt, "VA|NAME", "the walk of an address (hexadecimal, or a symbol), and who owns its frame")
{
	const struct page_table *table = kspace_table();
	struct fault f = { 0 };
	char text[OWNER_BYTES], name[SYMBOL_TEXT_BYTES];
	struct pt_walk w;

	if (argc != 2 || !command_address(argv[1], &f.address) || table->root == NULL) {
		print("usage: pt VA, as in `pt ffffffff80200000` or `pt zones`\n");
		return;
	}
	describe_place(&f, text, sizeof(text));
	symbols_format(f.address, name, sizeof(name));
	print("%016lx %s: %s\n", f.address, name, text);
	if (!pte_is_canonical(f.address, table->levels))
		return;
	pt_walk_read(&w, frame_paddr(table->root), table->levels, f.address);
	pt_walk_print(&w);
	if (pt_walk_leaf(&w) == 0)
		return;
	fault_describe_frame(pt_walk_paddr(&w), text, sizeof(text));
	print("  physical %#lx, frame %#lx: %s\n", pt_walk_paddr(&w), pt_walk_paddr(&w) / PAGE_SIZE,
	      text);
}
