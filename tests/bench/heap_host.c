/* SPDX-License-Identifier: MIT */
/*
 * heap_host.c - plug-in of keel's heap for the shared heap bench.
 *
 * Memory is a simulated machine of HEAP_MIB in one region; the footprint is the memory that the
 * heap has allocated from the frame allocator.  The harness' bench_cpu is host_cpu under another
 * name, as in frames_host.c; the CPUs are not bound to threads, since no thread drains while two
 * run.
 *
 * An object is freed by its pointer alone, as by free(): the size that the harness passes is not
 * used.
 */
#include <stdio.h>
#include <stdlib.h>

#include "arch/host/host.h"
#include <heap_ops.h>
#include "mm/heap/heap.h"
#include "tests/machine.h"
#include "tests/test.h"

#define HEAP_MIB 2048

void test_fail(const char *file, int line, const char *format, ...)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, format);
	exit(1);
}

static int init(unsigned cpus)
{
	host_machine_init();
	machine_start_simple(HEAP_MIB, 0, cpus);
	return heap_init(cpus) == OK ? 0 : -1;
}

static void *take(size_t size)
{
	return heap_alloc_any(size);
}

static void give(void *object, size_t size)
{
	(void)size;
	heap_free(object);
}

static size_t footprint(void)
{
	struct heap_stats t = heap_stats();

	return (t.slab_frames + t.large_frames + t.cpu_frames) * PAGE_SIZE;
}

static const struct heap_ops operations = {
	.name = "keel",
	.init = init,
	.alloc = take,
	.free = give,
	.footprint = footprint,
};

const struct heap_ops *heap_ops_get(void)
{
	return &operations;
}
