/* SPDX-License-Identifier: MIT */
#include "monitor/fault_report.h"

#include "lib/bits.h"
#include "lib/print.h"
#include "lib/string.h"
#include "lib/symbols.h"
#include "mm/kspace/kspace.h"
#include "mm/pt/walk.h"
#include "mm/frame/regions.h"
#include "monitor/command.h"
#include "monitor/frame_report.h"
#include "monitor/vm_report.h"

enum {
	PLACE_BYTES = 96,
	OWNER_BYTES = 128,
	LINE_BYTES = 192,
};

static const char *const access_names[] = { "read of", "write to", "execution of" };

/* ---- the owner of a frame ---- */

/* The allocated head of the block that contains `pfn`, or NULL. */
static const struct meta_slot *head_of(pfn_t pfn)
{
	for (unsigned order = 0; order <= ORDER_MAX; order++) {
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
		print_to(text, size, "released, not claimed");
	else if (meta_state(slot).count == SLOT_DYING)
		print_to(text, size, "being freed");
	else
		print_to(text, size, "free, or allocated at boot");
}

void fault_describe_frame(uint64_t pa, char *text, size_t size)
{
	const struct region *regions, *r;
	size_t n;

	regions = report_regions(&n);
	r = n == 0 ? NULL : regions_find(regions, n, pa);
	if (r == NULL)
		print_to(text, size, "not in the memory map");
	else if (r->type == REGION_USABLE && pa < PHYS_LIMIT)
		describe_usable(paddr_to_pfn(paddr(pa)), text, size);
	else if (r->type == REGION_KERNEL)
		print_to(text, size, "kernel image");
	else
		print_to(text, size, "%s", region_type_name(r->type));
}

/* ---- the likely cause ---- */

static bool is_users(vaddr_t va)
{
	return va >> 63 == 0;
}

static const char *cause_absent(const struct fault *f, const char *place)
{
	static const struct {
		const char *place, *cause;
	} causes[] = {
		{ "the null page", "a null pointer was used" },
		{ "guard page below*stack*", "stack overflow" },
		{ "guard page above*stack*", "a write past the top of a stack" },
		{ "guard page below*", "an index or pointer ran below the start of an area" },
		{ "guard page above*", "an index or pointer ran past the end of an area" },
		{ "vmalloc area, not in use", "use after free, or a wild pointer" },
		{ "linear map*", "a physical address where no memory is mapped" },
		{ "MetaSlot*", "a frame number without metadata" },
		{ "kernel *", "a pointer into an unmapped page of the image" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(causes); i++)
		if (str_glob(causes[i].place, place))
			return causes[i].cause;
	return is_users(f->address) ? "a wild pointer into the user half, which is empty"
				    : "a wild pointer";
}

/* For an address in the loaded space: see fault_describe_users(). */
static const char *cause_in_space(const struct fault *f, const char *place)
{
	if (!f->user)
		return f->access == FAULT_EXECUTE
			       ? "the kernel jumped to a user address"
			       : "the kernel used a user address without arch_copy_*_user()";
	if (str_glob("*: guard", place))
		return "the program ran into a guard page";
	if (str_glob("*: nothing is mapped", place))
		return "the program used an address where nothing is mapped";
	if (str_glob("*, no right to *", place))
		return "the program has no right to this access";
	return "no memory was available for the page";
}

const char *fault_likely_cause(const struct fault *f, const char *place, uint64_t leaf)
{
	if (f->reserved)
		return "the page table is damaged: reserved bits are set";
	if (str_glob("space *", place))
		return cause_in_space(f, place);
	if (!pte_is_present(leaf) || !f->present)
		return f->access == FAULT_EXECUTE && f->address < PAGE_SIZE
			       ? "a null function pointer was called"
			       : cause_absent(f, place);
	if (f->access == FAULT_EXECUTE)
		return "a jump into data: a damaged function pointer or return address";
	if (f->access == FAULT_WRITE && (leaf & PTE_WRITE) == 0)
		return "code or constants were written to";
	return "the entry allows the access now: it has changed since, or the TLB is stale";
}

/* ---- the three lines ---- */

static void describe_kernels(vaddr_t va, char *text, size_t size)
{
	if (va < PAGE_SIZE)
		print_to(text, size, "the null page");
	else
		kspace_describe(va, text, size);
}

/* The meaning of the last entry of the walk in a user space; a damaged one reads as not present. */
static struct vm_meaning meaning_of(const struct pt_walk *w)
{
	pte_t pte = w->readable && w->last <= w->levels ? w->entry[w->last] : 0;
	struct pt_item item = { .kind = PT_ITEM_ABSENT };

	if (pte_is_marker(pte))
		item = (struct pt_item){ .kind = PT_ITEM_MARKER, .marker = pte_marker(pte) };
	else if (w->readable && pt_walk_leaf(w) != 0)
		item = (struct pt_item){ .kind = PT_ITEM_LEAF, .prop = pte_prop(pte) };
	return vm_meaning_of(&item);
}

static void describe_users(const struct pt_walk *w, char *text, size_t size)
{
	if (w->va < PAGE_SIZE)
		print_to(text, size, "the null page");
	else
		vm_describe(meaning_of(w), text, size);
}

void fault_describe_users(const struct fault *f, const struct pt_walk *w, unsigned space,
			  char *text, size_t size)
{
	static const struct {
		unsigned right;
		const char *missing;
	} needs[] = {
		[FAULT_READ] = { PROP_READ, "read" },
		[FAULT_WRITE] = { PROP_WRITE, "write" },
		[FAULT_EXECUTE] = { PROP_EXECUTE, "execute" },
	};
	struct vm_meaning m = meaning_of(w);
	char words[PLACE_BYTES / 2];

	describe_users(w, words, sizeof(words));
	if (m.what == VM_WHAT_NOTHING || m.what == VM_WHAT_GUARD ||
	    (m.rights & needs[f->access].right) != 0)
		print_to(text, size, "space %u: %s", space, words);
	else
		print_to(text, size, "space %u: %s, no right to %s", space, words,
			 needs[f->access].missing);
}

static void describe_place(const struct fault *f, const struct pt_walk *w, char *text, size_t size)
{
	const struct vm_space *s = vm_space_current();

	if (f->guarded != NULL)
		print_to(text, size, "guard page below the %s stack", f->guarded);
	else if (s != NULL && is_users(f->address) && f->address >= PAGE_SIZE)
		fault_describe_users(f, w, s->number, text, size);
	else
		describe_kernels(f->address, text, size);
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
	describe_place(f, &w, place, sizeof(place));
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

/* Prints the purpose of a kernel address, or the meaning of the entry of a user address. */
static void print_place(const struct vm_space *s, const struct pt_walk *w)
{
	char text[OWNER_BYTES], name[SYMBOL_TEXT_BYTES];

	if (s != NULL && is_users(w->va))
		describe_users(w, text, sizeof(text));
	else
		describe_kernels(w->va, text, sizeof(text));
	symbols_format(w->va, name, sizeof(name));
	print("%016lx %s: %s\n", w->va, name, text);
}

static void print_walk(const struct page_table *table, const struct vm_space *s, vaddr_t va)
{
	char text[OWNER_BYTES];
	struct pt_walk w;

	pt_walk_read(&w, frame_paddr(table->root), table->levels, va);
	print_place(s, &w);
	if (!pte_is_canonical(va, table->levels))
		return;
	pt_walk_print(&w);
	if (pt_walk_leaf(&w) == 0)
		return;
	fault_describe_frame(pt_walk_paddr(&w), text, sizeof(text));
	print("  physical %#lx, frame %#lx: %s\n", pt_walk_paddr(&w), pt_walk_paddr(&w) / PAGE_SIZE,
	      text);
}

COMMAND(pt, "[N] VA", "page-table walk of VA (hex, or a symbol), in space N; owner of its frame")
{
	struct vm_space *s = NULL;
	vaddr_t va;

	if (argc < 2 || argc > 3 || !command_address(argv[argc - 1], &va) ||
	    kspace_table()->root == NULL) {
		print("usage: pt [N] VA, as in `pt ffffffff80200000`, `pt zones` or `pt 2 "
		      "10000`\n");
		return;
	}
	if (argc == 3) {
		s = vm_report_find("pt", argv[1]);
		if (s == NULL)
			return;
	}
	print_walk(s == NULL ? kspace_table() : &s->table, s, va);
	if (s != NULL)
		vm_space_put(s);
}
