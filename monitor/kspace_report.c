/* SPDX-License-Identifier: MIT */
/*
 * kspace_report.c - the monitor's `kspace`, `vmalloc`, `mmio` and `hole`.
 */
#include "kern/ports.h"
#include "lib/print.h"
#include "lib/string.h"
#include "mm/kspace/kspace.h"
#include "monitor/command.h"

enum {
	TEXT_BYTES = 96,
};

/* ---- kspace: adjacent ranges with the same rights and type are joined ---- */

struct joined {
	vaddr_t start, end;
	struct page_prop prop;
	uint64_t pages[PT_LEAF_LEVEL_MAX + 1]; /* by level */
	unsigned violations;
};

static unsigned level_of(uint64_t len)
{
	unsigned level = 1;

	while (level < PT_LEAF_LEVEL_MAX && pte_span(level) < len)
		level++;
	return level;
}

static void print_joined(struct joined *j)
{
	const uint16_t both = PROP_WRITE | PROP_EXECUTE;
	char place[TEXT_BYTES];

	if (j->end == j->start)
		return;
	kspace_describe(j->start, place, sizeof(place));
	print("%016lx-%016lx %c%c%c%c %-15s", j->start, j->end,
	      (j->prop.flags & PROP_READ) != 0 ? 'r' : '-',
	      (j->prop.flags & PROP_WRITE) != 0 ? 'w' : '-',
	      (j->prop.flags & PROP_EXECUTE) != 0 ? 'x' : '-',
	      (j->prop.flags & PROP_GLOBAL) != 0 ? 'g' : '-',
	      mem_type_name((enum mem_type)j->prop.type));
	print(" %lu x 4K %lu x 2M %lu x 1G  %s\n", j->pages[1], j->pages[2], j->pages[3], place);
	if ((j->prop.flags & both) == both)
		print("*** W^X VIOLATION: the range above is writable and executable ***\n");
}

static void join(void *ctx, const struct pt_item *item)
{
	struct joined *j = ctx;

	if (item->kind != PT_ITEM_LEAF)
		return;
	if (j->end != item->start || !page_prop_same_rights(j->prop, item->prop)) {
		print_joined(j);
		*j = (struct joined){ .start = item->start,
				      .end = item->start,
				      .prop = item->prop };
	}
	j->end = item->start + item->len;
	j->pages[level_of(item->len)]++;
}

COMMAND(kspace, "", "kernel address space: ranges, rights, types, page sizes")
{
	struct kspace_stats t = kspace_stats();
	struct joined j = { 0 };
	const char *wrong;

	wrong = kspace_each(join, &j);
	print_joined(&j);
	print("%lu tables; %lu areas of %lu pages; %lu MMIO windows\n", t.nodes, t.areas, t.pages,
	      t.windows);
	if (wrong != NULL)
		print("*** %s ***\n", wrong);
}

/* ---- vmalloc, mmio ---- */

static void print_area(void *ctx, const struct pt_item *item)
{
	char text[TEXT_BYTES];

	(void)ctx;
	if (item->kind != PT_ITEM_MARKER)
		return;
	kspace_describe(item->start + item->len, text, sizeof(text));
	print("%016lx  %s\n", item->start + item->len, text);
}

COMMAND(vmalloc, "", "areas: memory, stacks and windows, each above its guard page")
{
	(void)kspace_each(print_area, NULL); /* `kspace` reports violations */
}

COMMAND(mmio, "", "device windows: physical, virtual, type, users, owner")
{
	struct kspace_window w;

	for (unsigned i = 0; i < kspace_windows_max(); i++)
		if (kspace_window_at(i, &w))
			print("%#014lx + %#lx at %016lx %s, %u user%s, %s\n", w.pa, w.len, w.va,
			      mem_type_name(w.type), w.count, w.count == 1 ? "" : "s", w.owner);
}

COMMAND(ports, "", "I/O ports: which driver claimed them")
{
	struct port_claim c;

	for (unsigned i = 0; ports_claim_at(i, &c); i++)
		print("%04x-%04x  %s\n", c.first, c.first + c.count - 1, c.owner);
}

/* ---- hole: unmap a page of the kernel image and map it again ---- */

static uint8_t hole_page[PAGE_SIZE] __attribute__((aligned(4096)));

static void show_read(const char *when)
{
	uint64_t value;
	err_t err = arch_probe_read64((vaddr_t)hole_page, &value);

	if (err == OK)
		print("hole: %s, reading gives %#lx\n", when, value);
	else
		print("hole: %s, reading faults: %s\n", when,
		      "the page is not present; the exception table resumed the reader");
}

bool kspace_hole_demo(void)
{
	vaddr_t va = (vaddr_t)hole_page;
	_Atomic uint64_t *word = (void *)hole_page; /* relaxed: each access reaches the page */
	struct frame *fresh = frame_alloc(FRAME_KERNEL);
	struct pt_item old;
	uint64_t value;
	bool faulted, wrote;
	err_t err;

	if (fresh == NULL)
		return false;
	atomic_store_explicit(word, 0x0123456789abcdef, memory_order_relaxed);
	err = kspace_image_page_take(va, &old);
	if (err != OK) {
		frame_put(fresh);
		return false;
	}
	print("hole: page %#lx of the kernel's data, frame %#lx, is unmapped\n", va, old.pa.raw);
	show_read("without a frame");
	faulted = arch_probe_read64(va, &value) != OK;
	err = kspace_image_page_put(va, frame_paddr(fresh), old.prop);
	print("hole: a fresh frame, %#lx, is mapped there\n", frame_paddr(fresh).raw);
	atomic_store_explicit(word, 42, memory_order_relaxed);
	show_read("with 42 written");
	wrote = err == OK && atomic_load_explicit(word, memory_order_relaxed) == 42;
	err = kspace_image_page_take(va, &(struct pt_item){ 0 });
	if (err == OK)
		err = kspace_image_page_put(va, old.pa, old.prop);
	frame_put(fresh);
	show_read("with the old frame back");
	return err == OK && faulted && wrote &&
	       atomic_load_explicit(word, memory_order_relaxed) == 0x0123456789abcdef;
}

COMMAND(hole, "", "unmap a page of the kernel image, take the fault, map it again")
{
	print("hole: %s\n", kspace_hole_demo() ? "all mappings are restored" : "FAILED");
}
