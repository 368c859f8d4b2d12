/* SPDX-License-Identifier: MIT */
/* memory.c - from what firmware reports to frames, kernel space, heap and address spaces. */
#include "arch/x86_64/boot_table.h"
#include "arch/x86_64/fault.h"
#include "arch/x86_64/smp.h"
#include "arch/x86_64/stacks.h"
#include "arch/x86_64/translate.h"
#include "boot/multiboot2.h"
#include "boot/pvh.h"
#include "boot/start/start.h"
#include "drivers/tty/console.h"
#include "kern/percpu.h"
#include "kern/thread.h"
#include "lib/bits.h"
#include "lib/log.h"
#include "lib/print.h"
#include "mm/frame/boot_alloc.h"
#include "mm/frame/regions.h"
#include "mm/heap/debug.h"
#include "mm/heap/heap.h"
#include "mm/kspace/kspace.h"
#include "mm/vm/space.h"
#include "monitor/acpi_report.h"
#include "monitor/frame_report.h"

enum {
	ACPI_TABLES_MAX = 128,
	/* and the kernel, the trampoline, the arena, VGA text */
	SPARE_SOURCES = ACPI_TABLES_MAX + CMDLINE_MEMMAP_MAX + 4,
};
/* Less does not fit the kernel, its metadata and a useful amount of free memory. */
#define MEMORY_MIN   MIB(16)
#define LOW_MEMORY   MIB(1)
#define FIRST_FRAMES (MIB(32) / PAGE_SIZE)

extern const uint8_t kernel_image_start[], kernel_image_end[];
extern const uint8_t text_start[], text_end[], rodata_start[], rodata_end[], data_start[];
extern const uint8_t symbols_start[];

static struct acpi_table acpi_tables[ACPI_TABLES_MAX];
struct start_state start_state = {
	.acpi = { .table = acpi_tables, .room = ACPI_TABLES_MAX },
	.clock_name = "a guess",
};

/* ---- what the firmware reports ---- */

/* Reads firmware memory through the linear map of the boot table, the only one so early. */
static const uint8_t *read_low(void *ctx, uint64_t pa, uint64_t len)
{
	(void)ctx;
	if (pa >= GIB(BOOT_MAP_GIB) || len > GIB(BOOT_MAP_GIB) - pa)
		return NULL;
	return arch_direct(paddr(pa));
}

/* A place for boot_info and the regions that every memory map entry calls usable. */
static struct boot_arena place_arena(const struct source_walk *walk, size_t bytes)
{
	uint64_t start;
	uint8_t *p;

	bytes += SPARE_SOURCES * sizeof(struct region);
	bytes += regions_bytes_needed(bytes / sizeof(struct region));
	bytes = align_up(bytes, PAGE_SIZE);
	if (source_find_gap(walk, align_up((uint64_t)kernel_image_end - KERNEL_VMA, PAGE_SIZE),
			    GIB(BOOT_MAP_GIB), bytes, &start) != OK &&
	    source_find_gap(walk, LOW_MEMORY, GIB(BOOT_MAP_GIB), bytes, &start) != OK)
		cannot_run("no usable memory for the boot information", "");
	p = arch_direct(paddr(start));
	return (struct boot_arena){ p, p + bytes };
}

/* The start page of the other CPUs.  Removed from the map before the first allocation. */
static void place_trampoline(const struct source_walk *walk)
{
	uint64_t start;

	if (source_find_gap(walk, PAGE_SIZE, LOW_MEMORY, SMP_TRAMPOLINE_BYTES, &start) == OK)
		start_state.trampoline = (struct prange){ paddr(start), SMP_TRAMPOLINE_BYTES };
}

static void read_multiboot2(uint64_t address, struct boot_arena *arena)
{
	const uint8_t *bytes = arch_direct(paddr(address));
	struct multiboot2 mb;
	const char *why;

	if (multiboot2_init(&mb, bytes, read_le32(bytes), address, KERNEL_VMA, &why) != OK)
		cannot_run("the Multiboot2 information is damaged: ", why);
	*arena = place_arena(&mb.walk, multiboot2_arena_bytes(&mb));
	place_trampoline(&mb.walk);
	if (multiboot2_parse(&mb, arena, SPARE_SOURCES, &start_state.boot_info) != OK)
		cannot_run("the Multiboot2 information does not fit", "");
}

static void read_pvh(uint64_t address, struct boot_arena *arena)
{
	const char *why;
	struct pvh pvh;

	if (pvh_init(&pvh, read_low, NULL, address, &why) != OK)
		cannot_run("the PVH start info is damaged: ", why);
	*arena = place_arena(&pvh.walk, pvh_arena_bytes(&pvh));
	place_trampoline(&pvh.walk);
	if (pvh_parse(&pvh, arena, SPARE_SOURCES, &start_state.boot_info) != OK)
		cannot_run("the PVH start info does not fit", "");
}

void start_add_source(uint64_t start, uint64_t end, enum region_type type)
{
	boot_info_add_source(&start_state.boot_info, &(struct region){ start, end, type });
}

void start_read_boot_info(uint32_t protocol, uint64_t address, struct boot_arena *arena)
{
	if (protocol == BOOT_PVH)
		read_pvh(address, arena);
	else
		read_multiboot2(address, arena);
	start_add_source((uint64_t)kernel_image_start - KERNEL_VMA,
			 (uint64_t)kernel_image_end - KERNEL_VMA, REGION_KERNEL);
	start_add_source(start_state.trampoline.start.raw,
			 start_state.trampoline.start.raw + start_state.trampoline.len,
			 REGION_KERNEL);
	cmdline_parse(start_state.boot_info.cmdline, &start_state.options);
	log_set_level(start_state.options.log_level);
	cmdline_apply_memory(&start_state.options, &start_state.boot_info);
}

void start_read_acpi(void)
{
	(void)acpi_report_set(&start_state.acpi);
	if (start_state.boot_info.rsdp_length == 0) {
		warn("no ACPI: the firmware gave no RSDP");
		return;
	}
	/* it warns; ACPI is optional */
	(void)acpi_discover(&start_state.acpi, start_state.boot_info.rsdp,
			    start_state.boot_info.rsdp_length, read_low, NULL);
	for (size_t i = 0; i < start_state.acpi.count; i++) {
		struct region r = acpi_table_region(&start_state.acpi.table[i]);

		if (r.start < r.end)
			boot_info_add_source(&start_state.boot_info, &r);
	}
}

static bool has_ram(void *ctx, uint64_t start, uint64_t end)
{
	(void)ctx;
	return regions_have_ram(start_state.regions, start_state.region_count, start, end);
}

void start_make_regions(struct boot_arena *arena)
{
	uint64_t end = arch_direct_to_paddr(arena->end).raw;
	void *memory;

	/* the whole arena stays: boot_info and the regions live in it */
	start_add_source(arch_direct_to_paddr(start_state.boot_info.sources).raw, end,
			 REGION_BOOT_INFO);
	memory = boot_arena_take(arena, regions_bytes_needed(start_state.boot_info.source_count));
	if (memory == NULL)
		cannot_run("the memory map does not fit", "");
	start_state.region_count = regions_build(start_state.boot_info.sources,
						 start_state.boot_info.source_count, memory,
						 &start_state.regions);
	boot_table_refine(has_ram, NULL);
	report_set_regions(start_state.regions, start_state.region_count);
}

/* ---- from regions to frames ---- */

static void need_memory(void)
{
	uint64_t usable = regions_bytes(start_state.regions, start_state.region_count,
					REGION_USABLE);

	if (usable >= MEMORY_MIN)
		return;
	print("keel: cannot run here: %lu MiB of memory are needed, %lu KiB are usable\n",
	      MEMORY_MIN >> 20, usable >> 10);
	arch_exit(ARCH_EXIT_FAIL);
}

static void copy_acpi(void)
{
	size_t bytes = acpi_copy_size(&start_state.acpi);
	void *copy = bytes == 0 ? NULL : boot_alloc(bytes, sizeof(uint64_t));

	if (bytes != 0 && (copy == NULL || acpi_copy(&start_state.acpi, copy, bytes) != OK))
		cannot_run("no memory for the ACPI tables", "");
}

void start_frames(void)
{
	need_memory();
	if (boot_alloc_init(start_state.regions, start_state.region_count, LOW_MEMORY,
			    GIB(BOOT_MAP_GIB)) != OK)
		cannot_run("no usable memory between 1 MiB and 4 GiB", "");
	copy_acpi();
	if (section_init(start_state.regions, start_state.region_count) != OK ||
	    section_populate_first(FIRST_FRAMES) != OK || frame_cache_init(start_cpus_max()) != OK)
		cannot_run("no memory for the metadata of the first frames", "");
	section_open(boot_alloc_retire());
	frame_cache_open();
	start_state.ready = rdtsc();
	start_state.console = console_ticks();
}

/* ---- the kernel's own address space ---- */

#ifdef KEEL_TESTS
void ktest_check_boot_table(void);

/* The suite reads the boot page table while it is in use. */
static void check_boot_table(void)
{
	ktest_check_boot_table();
}
#else
static void check_boot_table(void)
{
}
#endif

static vaddr_t page_end(const uint8_t *end)
{
	return (vaddr_t)align_up((uint64_t)end, PAGE_SIZE);
}

void start_kernel_space(void)
{
	static const struct kspace_layout layout = {
		.direct = DIRECT_BASE,
		.meta = META_BASE,
		.vmalloc = VMALLOC_BASE,
		.vmalloc_len = GIB(VMALLOC_GIB),
		.image = KERNEL_VMA,
		.image_offset = KERNEL_VMA,
	};
	const struct kspace_section sections[] = {
		{ (vaddr_t)text_start, page_end(text_end), PROP_READ | PROP_EXECUTE, "text" },
		{ (vaddr_t)rodata_start, page_end(rodata_end), PROP_READ, "read-only data" },
		{ (vaddr_t)data_start, (vaddr_t)__start_percpu, PROP_READ | PROP_WRITE, "data" },
		{ (vaddr_t)__start_percpu, (vaddr_t)symbols_start, PROP_READ,
		  "template of per-CPU variables" },
		{ (vaddr_t)symbols_start, (vaddr_t)kernel_image_end, PROP_READ, "symbols" },
	};
	err_t err = kspace_build(&layout, sections, ARRAY_SIZE(sections), start_state.regions,
				 start_state.region_count);

	for (unsigned i = 0; err == OK && boot_stack_guards[i] != 0; i++)
		err = kspace_exclude_page(boot_stack_guards[i]);
	if (err != OK)
		cannot_run("no memory for the kernel's address space", "");
	check_boot_table();
	translate_init();
	console_hide_screen();
	kspace_activate();
	fault_set_explainer(start_hooks.explain_fault);
	thread_set_kernel_root(frame_paddr(kspace_table()->root));
	if (section_adopt(boot_table_frames()) != OK)
		warn("the boot page table's frames cannot be freed");
}

void start_heap(void)
{
	unsigned flags = start_state.options.page_owner ? HEAP_DEBUG_OWNER : 0,
		 more = HEAP_DEBUG_ALL;

	if (heap_init(start_cpus_max()) != OK)
		cannot_run("no memory for the heap", "");
	if (start_state.options.has_slub_debug && start_state.options.slub_debug[0] != '\0' &&
	    !heap_debug_parse(start_state.options.slub_debug, &more))
		warn("command line: slub_debug=%s has no known letter",
		     start_state.options.slub_debug);
	else if (start_state.options.has_slub_debug)
		flags |= more;
	if (flags != 0)
		heap_set_debug(flags);
}

/* Uncached registers of `len` bytes, or NULL with a warning. */
void *start_map_registers(uint64_t pa, size_t len, const char *what)
{
	void *p = NULL;
	err_t err = pa == 0 ? ERR_NOT_FOUND
			    : kspace_map_mmio(paddr(pa), len, MEM_UNCACHED, what, &p);

	if (err != OK && pa != 0)
		warn("%s at %#lx cannot be mapped: %s", what, pa, err_name(err));
	return p;
}

void start_spaces(void)
{
	if (vm_space_init(kspace_table()) != OK)
		cannot_run("no memory for the zero page", "");
	fault_set_resolver(start_hooks.resolve_fault);
	fault_set_refuser(start_hooks.refuse_user);
	vm_space_set_switch(start_hooks.switch_space);
	vm_set_waits(&start_hooks.waits);
}
