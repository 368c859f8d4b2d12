/* SPDX-License-Identifier: MIT */
#include "mm/pt/walk.h"

#include "lib/print.h"
#include "lib/string.h"
#include "mm/frame/page.h"

enum {
	ENTRY_WORDS_BYTES = 96,
};

static const char *const table_names[PT_LEVEL_MAX + 1] = {
	"?", "PT", "PD", "PDPT", "PML4", "PML5"
};
static const char *const page_names[PT_LEAF_LEVEL_MAX + 1] = { "?", "4 KiB", "2 MiB", "1 GiB" };

/* Read the entry at a physical address; false: there is no memory that keel manages. */
static bool read_entry(uint64_t at, pte_t *out)
{
	return at < PHYS_LIMIT && arch_paddr_ok(paddr(at)) &&
	       arch_probe_read64((vaddr_t)arch_direct(paddr(at)), out) == OK;
}

void pt_walk_read(struct pt_walk *w, paddr_t root, unsigned levels, vaddr_t va)
{
	uint64_t table = root.raw;

	*w = (struct pt_walk){ .va = va, .levels = levels, .last = levels + 1, .readable = true };
	for (unsigned level = levels; level >= 1; level--) {
		uint64_t at = table + pte_index(va, level) * sizeof(pte_t);
		pte_t pte;

		if (!read_entry(at, &pte)) {
			w->readable = false;
			return;
		}
		w->at[level] = at;
		w->entry[level] = pte;
		w->last = level;
		if (!pte_is_present(pte) || pte_is_leaf(pte, level))
			return;
		table = pte_paddr(pte);
	}
}

pte_t pt_walk_leaf(const struct pt_walk *w)
{
	pte_t pte = w->last <= w->levels ? w->entry[w->last] : 0;

	return pte_is_present(pte) && pte_is_leaf(pte, w->last) ? pte : 0;
}

uint64_t pt_walk_paddr(const struct pt_walk *w)
{
	uint64_t within = pte_span(w->last) - 1;

	return (pte_paddr(pt_walk_leaf(w)) & ~within) | (w->va & within);
}

static void leaf_words(pte_t pte, char *text, size_t size)
{
	struct page_prop p = pte_prop(pte);

	print_to(text, size, "present, read%s%s%s%s%s",
		 (p.flags & PROP_WRITE) != 0 ? ", write" : "",
		 (p.flags & PROP_EXECUTE) != 0 ? ", execute" : "",
		 (p.flags & PROP_USER) != 0 ? ", user" : "", p.type == MEM_WRITE_BACK ? "" : ", ",
		 p.type == MEM_WRITE_BACK ? "" : mem_type_name((enum mem_type)p.type));
}

/* Describe the last entry of the walk. */
static void end_words(const struct pt_walk *w, char *text, size_t size)
{
	pte_t pte = w->last <= w->levels ? w->entry[w->last] : 0;

	if (!w->readable)
		print_to(text, size, "leads to unreadable memory: the table is damaged");
	else if (pte_is_marker(pte))
		print_to(text, size, "not present, marker %#x", pte_marker(pte));
	else if (pte_is_held(pte))
		print_to(text, size, "not present, the page is kept without access");
	else if (!pte_is_present(pte))
		print_to(text, size, "not present");
	else
		leaf_words(pte, text, size);
}

void pt_walk_line(const struct pt_walk *w, char *text, size_t size)
{
	char end[ENTRY_WORDS_BYTES];
	size_t n = 0;

	for (unsigned level = w->levels; level >= w->last && level >= 1 && n < size; level--)
		n += print_to(text + n, size - n, "%s%s[%u]", level == w->levels ? "" : " -> ",
			      table_names[level], pte_index(w->va, level));
	end_words(w, end, sizeof(end));
	if (n < size)
		print_to(text + n, size - n, " %s", end);
}

static void print_leaf(pte_t pte, unsigned level)
{
	struct page_prop p = pte_prop(pte);
	char words[ENTRY_WORDS_BYTES];

	leaf_words(pte, words, sizeof(words));
	print("%s page, frame %#lx, %s%s%s%s%s\n", page_names[level], pte_paddr(pte) / PAGE_SIZE,
	      words, (p.flags & PROP_GLOBAL) != 0 ? ", global" : "",
	      (p.flags & PROP_ACCESSED) != 0 ? ", accessed" : "",
	      (p.flags & PROP_DIRTY) != 0 ? ", dirty" : "",
	      (p.flags & PROP_TRACKED) != 0 ? ", owns a count of its frame" : "");
}

void pt_walk_print(const struct pt_walk *w)
{
	for (unsigned level = w->levels; level >= w->last && level >= 1; level--) {
		pte_t pte = w->entry[level];

		print("  %s[%u] at %#lx = %016lx: ", table_names[level], pte_index(w->va, level),
		      w->at[level], pte);
		if (pte_is_marker(pte))
			print("not present, marker %#x\n", pte_marker(pte));
		else if (pte_is_held(pte))
			print("not present, frame %#lx is kept without access\n",
			      pte_paddr(pte) / PAGE_SIZE);
		else if (!pte_is_present(pte))
			print("not present\n");
		else if (pte_is_leaf(pte, level))
			print_leaf(pte, level);
		else
			print("table in frame %#lx\n", pte_paddr(pte) / PAGE_SIZE);
	}
	if (!w->readable)
		print("  the last entry leads to unreadable memory: the table is damaged\n");
}
