/* SPDX-License-Identifier: MIT */
/* heap_report.c - the monitor's `heap`, `slab` and `leaks`. */
#include "lib/print.h"
#include "lib/string.h"
#include "mm/heap/heap.h"
#include "mm/heap/debug.h"
#include "monitor/command.h"

static void print_class(unsigned number)
{
	struct heap_class_stats t = heap_class_stats(number);

	if (t.slabs != 0)
		print("%6zu %10lu %10lu %9lu %9lu %8lu %7lu\n", heap_class_size(number),
		      t.allocated, t.in_slabs, t.in_magazines, t.in_depot, t.slabs, t.empty);
}

COMMAND(heap, "", "objects of each size class, and the frames that the heap holds")
{
	struct heap_stats t = heap_stats();
	const unsigned kib = PAGE_SIZE / 1024;

	print("  size  allocated   in slabs magazines     depot    slabs   empty\n");
	for (unsigned i = 1; i < HEAP_CLASSES; i++)
		print_class(i);
	print("heap: %lu objects, %lu KiB; %lu KiB in slabs, %lu KiB in large objects\n",
	      t.allocated, t.allocated_bytes / 1024, t.slab_frames * kib, t.large_frames * kib);
}

COMMAND(slab, "SIZE", "the size class that serves SIZE bytes")
{
	struct heap_shape s;
	uint64_t size;
	unsigned number;

	if (argc != 2 || str_to_size(argv[1], &size) == NULL ||
	    (number = heap_class_of(size)) == HEAP_CLASS_NONE) {
		print("slab: a size from 1 to %u is needed\n", HEAP_SMALL_MAX);
		return;
	}
	s = heap_shape_of(number);
	print("slab: %u bytes, %u objects a frame, the first at %u; tags %s\n", s.size, s.objects,
	      heap_shape_offset(&s, s.lead),
	      heap_shape_tags_in_slot(&s) ? "in the MetaSlot" : "in the frame");
	print("  size  allocated   in slabs magazines     depot    slabs   empty\n");
	print_class(number);
}

COMMAND(leaks, "", "allocated heap objects by call site (needs page_owner=on or slub_debug=U)")
{
	heap_debug_leaks();
}
