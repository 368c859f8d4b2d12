/* SPDX-License-Identifier: MIT */
/*
 * kernel_space.c - bench of kmalloc, vmalloc and ioremap in the kernel, in TSC ticks (measure.h).
 *
 * The monitor's `benchspace`.  Names and loops are the peer's: 301 samples each, memory is not
 * touched.
 */
#include "arch/arch.h"
#include "lib/panic.h"
#include "mm/heap/heap.h"
#include "mm/kspace/kspace.h"
#include "monitor/command.h"
#include "tests/bench/measure.h"

enum {
	SPACE_SAMPLES = 301,
	BURST_OBJECTS = 4096,
	BURST_SAMPLES = 5,
};
#define DEVICE GIB(3) /* not memory on any machine that this runs on */

static void *area;
static void *objects[BURST_OBJECTS];

static __forceinline void object_take(unsigned bytes)
{
	objects[0] = heap_alloc(bytes);
}

static __forceinline void object_give(unsigned bytes)
{
	(void)bytes;
	heap_free(objects[0]);
}

static __forceinline void objects_take(unsigned bytes)
{
	for (unsigned i = 0; i < BURST_OBJECTS; i++)
		objects[i] = heap_alloc(bytes);
}

static __forceinline void objects_give(unsigned bytes)
{
	(void)bytes;
	for (unsigned i = 0; i < BURST_OBJECTS; i++)
		heap_free(objects[i]);
}

static __forceinline void area_take(unsigned kib)
{
	area = vmalloc(KIB(kib));
	if (area == NULL)
		panic("bench: memory has run out");
}

static __forceinline void area_give(unsigned kib)
{
	(void)kib;
	vfree(area);
}

static __forceinline void window_take(unsigned kib)
{
	if (kspace_map_mmio(paddr(DEVICE), KIB(kib), MEM_UNCACHED, "test", &area) != OK)
		panic("bench: the device cannot be mapped");
}

static __forceinline void window_give(unsigned kib)
{
	(void)kib;
	kspace_unmap_mmio(area);
}

COMMAND(benchspace, "", "ticks of heap, vmalloc and ioremap operations")
{
	uintptr_t irq;

	irq = arch_irq_save(); /* no interrupts during the measurement */
	measure_overhead();
	measure("kmalloc", 64, SAMPLES, 1, nothing, object_take, object_give);
	measure("kfree", 64, SAMPLES, 1, object_take, object_give, nothing);
	measure("kmalloc", 1024, SAMPLES, 1, nothing, object_take, object_give);
	measure("kfree", 1024, SAMPLES, 1, object_take, object_give, nothing);
	measure("burst4096_kmalloc", 64, BURST_SAMPLES, BURST_OBJECTS, nothing, objects_take,
		objects_give);
	measure("burst4096_kfree", 64, BURST_SAMPLES, BURST_OBJECTS, objects_take, objects_give,
		nothing);
	measure("vmalloc_kib", 4, SPACE_SAMPLES, 1, nothing, area_take, area_give);
	measure("vfree_kib", 4, SPACE_SAMPLES, 1, area_take, area_give, nothing);
	measure("vmalloc_kib", 1024, SPACE_SAMPLES, 1, nothing, area_take, area_give);
	measure("vfree_kib", 1024, SPACE_SAMPLES, 1, area_take, area_give, nothing);
	measure("ioremap_kib", 4, SPACE_SAMPLES, 1, nothing, window_take, window_give);
	measure("iounmap_kib", 4, SPACE_SAMPLES, 1, window_take, window_give, nothing);
	measure("ioremap_kib", 1024, SPACE_SAMPLES, 1, nothing, window_take, window_give);
	measure("iounmap_kib", 1024, SPACE_SAMPLES, 1, window_take, window_give, nothing);
	arch_irq_restore(irq);
}
