/* SPDX-License-Identifier: MIT */
/*
 * main.c - the composition root: the one file that sees every layer, and the order of start-up.
 *
 * kernel_main() is the table of contents.  Each step below it either succeeds or says in one line
 * why keel cannot run here, and stops.
 */
#include "kern/cpu.h"
#include "kern/shootdown.h"
#include "kern/lock.h"
#include "kern/percpu.h"
#include "kern/timer.h"
#include "arch/x86_64/apic.h"
#include "arch/x86_64/apic_timer.h"
#include "arch/x86_64/backtrace.h"
#include "arch/x86_64/boot_table.h"
#include "arch/x86_64/clock.h"
#include "arch/x86_64/exit.h"
#include "arch/x86_64/fault.h"
#include "arch/x86_64/input.h"
#include "arch/x86_64/ioapic.h"
#include "arch/x86_64/keyboard.h"
#include "arch/x86_64/call.h"
#include "arch/x86_64/percpu.h"
#include "arch/x86_64/serial.h"
#include "arch/x86_64/smp.h"
#include "arch/x86_64/stacks.h"
#include "arch/x86_64/translate.h"
#include "arch/x86_64/trap.h"
#include "boot/acpi.h"
#include "boot/cmdline.h"
#include "boot/multiboot2.h"
#include "boot/pvh.h"
#include "boot/topology.h"
#include "drivers/tty/console.h"
#include "monitor/monitor.h"
#include "drivers/tty/vga_text.h"
#include "lib/bits.h"
#include "lib/command.h"
#include "lib/panic.h"
#include "lib/print.h"
#include "lib/string.h"
#include "lib/symbols.h"
#include "mm/frame/boot_alloc.h"
#include "mm/frame/epoch.h"
#include "monitor/fault_report.h"
#include "mm/heap/heap.h"
#include "mm/heap/debug.h"
#include "mm/kspace/kspace.h"
#include "mm/kspace/kthread.h"
#include "monitor/frame_report.h"
#include "mm/frame/regions.h"
#include "mm/vm/space.h"

enum {
	ACPI_TABLES_MAX = 128,
	/* and the kernel, the trampoline, the arena, VGA text */
	SPARE_SOURCES = ACPI_TABLES_MAX + CMDLINE_MEMMAP_MAX + 4,
	HPET_BYTES = 1024,
	CPU_MAINTENANCE_MS = 100,
	KERNEL_STACK_BYTES = 64 * 1024,
};
/* Below: the map may hold it, but the kernel, its metadata and something to allocate do not fit. */
#define MEMORY_MIN   MIB(16)
#define LOW_MEMORY   MIB(1)
#define FIRST_FRAMES (MIB(32) / PAGE_SIZE)

extern const uint8_t kernel_image_start[], kernel_image_end[];
extern const uint8_t text_start[], text_end[], rodata_start[], rodata_end[], data_start[];
extern const uint8_t symbols_start[], symbols_end[];
void kernel_main(uint32_t protocol, uint64_t info_address);

static struct boot_info boot_info;
static struct cmdline options;
static struct acpi_table acpi_tables[ACPI_TABLES_MAX];
static struct acpi acpi = { .table = acpi_tables, .room = ACPI_TABLES_MAX };
static struct region *regions;
static size_t region_count;
static struct topology topology;
static struct prange screen;     /* its memory; length 0: there is none */
static struct prange trampoline; /* below 1 MiB, for smp_start(); length 0: no room */
static struct {
	uint64_t entered, ready; /* TSC at kernel_main() and when frames were available */
	uint64_t console;        /* of the ticks between them, those that output took */
} stamps;

/* ---- console and the end ---- */

static bool panicking; /* from the message of a panic to the prompt or the end */

static void panic_monitor(void *arg)
{
	(void)arg;
	panicking = false;
	fault_settled();
	lock_abandon_held();
	monitor_run("");
}

/* The prompt after a panic is on the boot stack, which nobody needs any more, whatever became of
 * the stack that panicked; a panic from there begins it anew.  Interrupts stay off. */
static void on_panic(const char *message)
{
	static const char nested[] = "\nkeel: panic: within a panic; halted\n";
	uint64_t start = arch_ticks();

	(void)message;
	interrupts_off();
	if (!panicking) {
		panicking = true;
		smp_stop_others();
		backtrace_print_panic();
	} else if (!options.has_ktest) {
		arch_console_write(nested, sizeof(nested) - 1); /* print() may be what panics */
		halt_for_ever();
	}
	if (options.has_ktest)
		arch_exit(ARCH_EXIT_FAIL);
	if (options.panic_seconds != 0) {
		while (arch_ticks() - start < options.panic_seconds * 1000 * arch_ticks_per_ms())
			arch_relax();
		arch_exit(ARCH_EXIT_REBOOT);
	}
	run_on_stack(boot_stacks.boot + sizeof(boot_stacks.boot), panic_monitor, NULL);
}

static void cannot_run(const char *why, const char *detail) __noreturn;
static void cannot_run(const char *why, const char *detail)
{
	print("keel: cannot run here: %s%s\n", why, detail);
	arch_exit(ARCH_EXIT_FAIL);
}

/* ---- what the firmware says ---- */

/* The linear map of the boot table, which is all there is to read firmware memory by. */
static const uint8_t *read_low(void *ctx, uint64_t pa, uint64_t len)
{
	(void)ctx;
	if (pa >= GIB(BOOT_MAP_GIB) || len > GIB(BOOT_MAP_GIB) - pa)
		return NULL;
	return arch_direct(paddr(pa));
}

/* A place for boot_info and the regions, somewhere that everybody calls usable. */
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

/* Where further CPUs begin.  Taken out of the map before anybody allocates. */
static void place_trampoline(const struct source_walk *walk)
{
	uint64_t start;

	if (source_find_gap(walk, PAGE_SIZE, LOW_MEMORY, SMP_TRAMPOLINE_BYTES, &start) == OK)
		trampoline = (struct prange){ paddr(start), SMP_TRAMPOLINE_BYTES };
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
	if (multiboot2_parse(&mb, arena, SPARE_SOURCES, &boot_info) != OK)
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
	if (pvh_parse(&pvh, arena, SPARE_SOURCES, &boot_info) != OK)
		cannot_run("the PVH start info does not fit", "");
}

static void add_source(uint64_t start, uint64_t end, enum region_type type)
{
	boot_info_add_source(&boot_info, &(struct region){ start, end, type });
}

static void read_boot_info(uint32_t protocol, uint64_t address, struct boot_arena *arena)
{
	if (protocol == BOOT_PVH)
		read_pvh(address, arena);
	else
		read_multiboot2(address, arena);
	add_source((uint64_t)kernel_image_start - KERNEL_VMA,
		   (uint64_t)kernel_image_end - KERNEL_VMA, REGION_KERNEL);
	add_source(trampoline.start.raw, trampoline.start.raw + trampoline.len, REGION_KERNEL);
	cmdline_parse(boot_info.cmdline, &options);
	cmdline_apply_memory(&options, &boot_info);
}

/* Through the boot table where that reaches, so that what goes wrong early can be read. */
static void show_screen(void)
{
	struct boot_framebuffer b = boot_info.framebuffer;

	if (b.address == 0 && !boot_info.has_efi_map) {
		b = vga_text_standard();
		add_source(b.address, b.address + b.pitch * b.height, REGION_FRAMEBUFFER);
	}
	if (console_find_screen(&b, &screen) == OK && /* else it has said why */
	    screen.start.raw + screen.len <= GIB(BOOT_MAP_GIB) &&
	    !boot_info_has_memory(&boot_info, screen))
		console_show_screen(arch_direct(screen.start));
}

static void read_acpi(void)
{
	if (boot_info.rsdp_length == 0) {
		warn("no ACPI: the firmware gave no RSDP");
		return;
	}
	/* it warns; none is fine */
	(void)acpi_discover(&acpi, boot_info.rsdp, boot_info.rsdp_length, read_low, NULL);
	for (size_t i = 0; i < acpi.count; i++) {
		struct region r = acpi_table_region(&acpi.table[i]);

		if (r.start < r.end)
			boot_info_add_source(&boot_info, &r);
	}
}

/* Each CPU that may run has caches of its own, so their number is needed early. */
static unsigned cpus_max(void)
{
	uint64_t n = min_u64(topology.cpus, options.cpus_max);

	return trampoline.len == 0 ? 1 : (unsigned)n;
}

static bool region_has_memory(void *ctx, uint64_t start, uint64_t end)
{
	(void)ctx;
	return regions_have_memory(regions, region_count, start, end);
}

static void make_regions(struct boot_arena *arena)
{
	uint64_t end = arch_direct_to_paddr(arena->end).raw;
	void *memory;

	/* the whole arena, from its beginning, stays: boot_info and the regions live in it */
	add_source(arch_direct_to_paddr(boot_info.sources).raw, end, REGION_BOOT_INFO);
	memory = boot_arena_take(arena, regions_bytes_needed(boot_info.source_count));
	if (memory == NULL)
		cannot_run("the memory map does not fit", "");
	region_count = regions_build(boot_info.sources, boot_info.source_count, memory, &regions);
	boot_table_refine(region_has_memory, NULL);
	report_set_regions(regions, region_count);
}

/* ---- from regions to frames ---- */

static void need_memory(void)
{
	uint64_t usable = regions_bytes(regions, region_count, REGION_USABLE);

	if (usable >= MEMORY_MIN)
		return;
	print("keel: cannot run here: %lu MiB of memory are needed, %lu KiB are usable\n",
	      MEMORY_MIN >> 20, usable >> 10);
	arch_exit(ARCH_EXIT_FAIL);
}

static void copy_acpi(void)
{
	size_t bytes = acpi_copy_size(&acpi);
	void *copy = bytes == 0 ? NULL : boot_alloc(bytes, sizeof(uint64_t));

	if (bytes != 0 && (copy == NULL || acpi_copy(&acpi, copy, bytes) != OK))
		cannot_run("no memory for the ACPI tables", "");
}

static void start_frames(void)
{
	need_memory();
	if (boot_alloc_init(regions, region_count, LOW_MEMORY, GIB(BOOT_MAP_GIB)) != OK)
		cannot_run("no usable memory between 1 MiB and 4 GiB", "");
	copy_acpi();
	if (section_init(regions, region_count) != OK ||
	    section_populate_first(FIRST_FRAMES) != OK || frame_cache_init(cpus_max()) != OK)
		cannot_run("no memory for the metadata of the first frames", "");
	section_open(boot_alloc_retire());
	frame_cache_open();
	stamps.ready = rdtsc();
	stamps.console = console_ticks();
}

#ifdef KEEL_TESTS
void ktest_exit(const char *globs, uint64_t seed) __noreturn;
void ktest_check_boot_table(void);

static void run_tests(void)
{
	if (options.has_ktest)
		ktest_exit(options.ktest, options.seed);
}

static void check_boot_table(void)
{
	ktest_check_boot_table();
}
#else
static void run_tests(void)
{
	if (options.has_ktest)
		cannot_run("ktest= was asked for, but this kernel was built without tests", "");
}

static void check_boot_table(void)
{
}
#endif

/* ---- the kernel's own address space ---- */

static vaddr_t page_end(const uint8_t *end)
{
	return (vaddr_t)align_up((uint64_t)end, PAGE_SIZE);
}

static void build_kernel_space(void)
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
	err_t err = kspace_build(&layout, sections, ARRAY_SIZE(sections), regions, region_count);

	for (unsigned i = 0; err == OK && boot_stack_guards[i] != 0; i++)
		err = kspace_exclude_page(boot_stack_guards[i]);
	if (err != OK)
		cannot_run("no memory for the kernel's address space", "");
	check_boot_table();
	translate_init();
	console_hide_screen();
	kspace_activate();
	fault_set_explainer(fault_report);
	thread_set_kernel_root(frame_paddr(kspace_table()->root));
	if (section_adopt(boot_table_frames()) != OK)
		warn("the boot page table's frames cannot be given back");
}

/* An access to the space that the CPU has loaded. */
static bool resolve_fault(vaddr_t va, enum fault_access access)
{
	struct vm_space *s = vm_space_current();

	return s != NULL && vm_space_handle_fault(s, va, access) == OK;
}

static void start_spaces(void)
{
	if (vm_space_init(kspace_table()) != OK)
		cannot_run("no memory for a page of zeros", "");
	fault_set_resolver(resolve_fault);
}

static void start_heap(void)
{
	unsigned flags = options.page_owner ? HEAP_DEBUG_OWNER : 0, more = HEAP_DEBUG_ALL;

	if (heap_init(cpus_max()) != OK)
		cannot_run("no memory for the heap", "");
	if (options.has_slub_debug && options.slub_debug[0] != '\0' &&
	    !heap_debug_parse(options.slub_debug, &more))
		warn("command line: slub_debug=%s has no letter that means anything",
		     options.slub_debug);
	else if (options.has_slub_debug)
		flags |= more;
	if (flags != 0)
		heap_set_debug(flags);
}

/* Uncached registers of `len` bytes, or NULL with a line. */
static void *map_registers(uint64_t pa, size_t len, const char *what)
{
	void *p = NULL;
	err_t err = pa == 0 ? ERR_NOT_FOUND : kspace_map_mmio(paddr(pa), len, MEM_UNCACHED, &p);

	if (err != OK && pa != 0)
		warn("%s at %#lx cannot be mapped: %s", what, pa, err_name(err));
	return p;
}

static void map_screen(void)
{
	void *p = NULL;
	err_t err;

	if (screen.len == 0)
		return;
	err = kspace_map_mmio(screen.start, screen.len, MEM_WRITE_COMBINING, &p);
	if (err == OK)
		console_show_screen(p);
	else
		warn("no screen: %#lx cannot be mapped: %s", screen.start.raw, err_name(err));
}

/* ---- clocks ---- */

static void start_clock(void)
{
	struct clock_sources sources = { 0 };
	struct exit_ports ports = { 0 };
	const struct acpi_table *t = acpi_find(&acpi, ACPI_HPET);
	struct acpi_hpet hpet;
	struct acpi_fadt fadt;

	if (t != NULL && acpi_hpet_read(t, &hpet) == OK && hpet.base.space == ACPI_SPACE_MEMORY)
		sources.hpet = map_registers(hpet.base.address, HPET_BYTES, "HPET");
	t = acpi_find(&acpi, ACPI_FADT);
	if (t != NULL && acpi_fadt_read(t, &fadt) == OK) {
		if (fadt.pm_timer.space == ACPI_SPACE_IO)
			sources.pm_timer_port = fadt.pm_timer.address;
		sources.pm_timer_bits = fadt.pm_timer_32 ? 32 : 24;
		if (fadt.reset_supported && fadt.reset.space == ACPI_SPACE_IO)
			ports = (struct exit_ports){ (uint16_t)fadt.reset.address,
						     fadt.reset_value };
	}
	clock_init(&sources);
	exit_init(&ports);
}

/* What each CPU does from time to time: give idle magazines back, and what it retired. */
static PER_CPU(struct timer, maintenance_timer);

static void cpu_maintenance(void *timer)
{
	heap_age();
	(void)epoch_poll(); /* the rest waits for the next time */
	timer_again(timer, CPU_MAINTENANCE_MS * arch_ticks_per_ms());
}

static void start_cpu_maintenance(void)
{
	struct timer *timer = this_cpu_ptr(maintenance_timer);

	timer_start(timer, arch_ticks(), cpu_maintenance, timer);
}

static void start_timer(void)
{
	err_t err = apic_init(map_registers(apic_page_address(), PAGE_SIZE, "local APIC"));

	smp_init_first();
	if (err == OK)
		err = apic_timer_init(timer_interrupt);
	if (err == OK)
		input_set_mode(ARCH_INPUT_SLEEP);
	else
		warn("no timer interrupt: the local APIC says %s", err_name(err));
	start_cpu_maintenance();
	interrupts_on();
}

static void start_ioapics(void)
{
	for (unsigned i = 0; i < topology.ioapics; i++) {
		const struct topology_ioapic *io = &topology.ioapic[i];
		void *registers = map_registers(io->address, IOAPIC_BYTES, "IOAPIC");

		if (registers != NULL && ioapic_add(registers, io->gsi_base) != OK)
			warn("the MADT has an IOAPIC at %#lx, but nothing answers there",
			     io->address);
	}
}

/* ---- the other CPUs ---- */

/* The top of a stack, or NULL. */
static void *new_stack(size_t bytes)
{
	uint8_t *stack = kspace_stack_alloc(bytes);

	return stack == NULL ? NULL : stack + bytes;
}

static void free_stack(const void *top, size_t bytes)
{
	if (top != NULL)
		kspace_stack_free((uint8_t *)(uintptr_t)top - bytes);
}

/* All of it; else nothing is kept. */
static bool get_cpu_memory(struct smp_memory *m)
{
	*m = (struct smp_memory){
		.area = heap_alloc_aligned(percpu_bytes(), PERCPU_ALIGN),
		.stack_top = new_stack(KERNEL_STACK_BYTES),
		.stacks = { new_stack(IST_STACK_BYTES), new_stack(IST_STACK_BYTES),
			    new_stack(IST_STACK_BYTES) },
	};
	if (m->area != NULL && m->stack_top != NULL && m->stacks.double_fault != NULL &&
	    m->stacks.nmi != NULL && m->stacks.machine_check != NULL)
		return true;
	heap_free(m->area);
	free_stack(m->stack_top, KERNEL_STACK_BYTES);
	free_stack(m->stacks.double_fault, IST_STACK_BYTES);
	free_stack(m->stacks.nmi, IST_STACK_BYTES);
	free_stack(m->stacks.machine_check, IST_STACK_BYTES);
	return false;
}

static void run_cpu(void) __noreturn;
static void run_cpu(void)
{
	frame_cache_join();
	start_cpu_maintenance();
	thread_start_cpu();
	(void)cpu_count_one_more();
	tlb_cpu_join();
	thread_idle_loop();
}

static void start_threads(void)
{
	if (kthread_init() != OK)
		cannot_run("no memory for threads", "");
	trap_set_after(thread_preempt);
}

/* The template of per-CPU variables was copied for the last time (document 001). */
static void hide_template(void)
{
	err_t err = OK;

	for (vaddr_t va = (vaddr_t)__start_percpu; va < (vaddr_t)__stop_percpu && err == OK;
	     va += PAGE_SIZE)
		err = kspace_exclude_page(va);
	if (err != OK)
		warn("the template of per-CPU variables stays readable: %s", err_name(err));
}

/* Whoever waits for a lock answers what other CPUs ask meanwhile. */
static void serve_while_waiting(void)
{
	if (shootdown_pending())
		shootdown_serve();
}

static void start_cpus(void)
{
	const struct smp_plan plan = {
		.apic_ids = topology.apic_id,
		.count = topology.cpus,
		.cpus_max = cpus_max(),
		.trampoline = trampoline.start,
		.hang = options.cpu_hang,
		.get_memory = get_cpu_memory,
		.run = run_cpu,
	};

	(void)lock_set_waiter(serve_while_waiting); /* before that: nobody */
	if (trampoline.len == 0 && topology.cpus > 1)
		warn("no usable memory below 1 MiB: the other CPUs cannot be started");
	if ((plan.cpus_max == 1 || smp_start(&plan)) && trampoline.len != 0 &&
	    section_adopt(trampoline) != OK)
		warn("the trampoline's frames cannot be given back");
	hide_template();
}

/* ---- keys ---- */

/* Whether interrupts of that ISA line come to input_came(). */
static bool route_isa(unsigned line, const char *name)
{
	const struct topology_isa *isa = &topology.isa[line];
	unsigned wire = isa->low ? IOAPIC_LOW : IOAPIC_EDGE_HIGH;

	return !isa->level && ioapic_route(isa->gsi, wire, apic_id(), name, input_came) == OK;
}

/* Enable interrupts for the devices present; poll if one cannot be routed. */
static void start_input(void)
{
	bool serial = serial_is_present(), keyboard = acpi_may_have_i8042(&acpi);
	bool serial_routed = serial && route_isa(SERIAL_ISA_LINE, "serial port");
	bool keyboard_routed = keyboard && route_isa(KEYBOARD_ISA_LINE, "keyboard");

	if (serial_routed)
		serial_interrupt_on();
	if (keyboard)
		keyboard_init(keyboard_routed ? KEYBOARD_INTERRUPTS : KEYBOARD_POLLED);
	if (serial_routed == serial && keyboard_routed == keyboard)
		input_set_mode(ARCH_INPUT_CALLS);
}

/* ---- the first screen ---- */

static void report(void)
{
	print("keel: started by %s, %u levels of paging, %s\n",
	      boot_info.loader[0] != '\0' ? boot_info.loader : "an unnamed loader",
	      boot_table_levels(), boot_info.has_efi_map ? "UEFI" : "BIOS");
	print("keel: command line: %s\n", boot_info.cmdline);
	print("keel: %zu memory map entries, %zu regions, %lu MiB usable\n",
	      boot_info.source_count, region_count,
	      regions_bytes(regions, region_count, REGION_USABLE) >> 20);
	print("keel: %zu modules, %zu ACPI tables\n", boot_info.module_count, acpi.count);
	print("keel: clock %lu kHz by %s, timers by %s\n", arch_ticks_per_ms(), clock_source_name(),
	      apic_timer_mode_name());
	print("keel: %u CPUs, %s, %u inputs of IOAPICs, up to %d frames cached for each CPU\n",
	      cpu_count(), apic_is_x2apic() ? "x2APIC" : "xAPIC", ioapic_inputs(), HOT_MAX);
	print("keel: %lu MiB available, %lu KiB allocated at boot\n",
	      frame_available() * PAGE_SIZE >> 20, boot_alloc_used() >> 10);
	print("keel: ready after %lu ticks, %lu of them for the console\n",
	      stamps.ready - stamps.entered, stamps.console);
}

COMMAND(acpi, "", "the firmware's tables, one line per entry")
{
	for (size_t i = 0; i < acpi.count; i++)
		acpi_print(&acpi.table[i]);
}

/* The rest of start-up, on a stack of kernel space. */
static void start_on_kernel_stack(void *arg)
{
	(void)arg;
	start_clock();
	start_timer();
	start_ioapics();
	call_init();
	start_threads();
	start_cpus();
	start_input();
	report();
	run_tests();
	monitor_run(options.monitor);
}

void kernel_main(uint32_t protocol, uint64_t info_address)
{
	struct boot_arena arena;
	uint8_t *stack;

	stamps.entered = rdtsc();
	percpu_start_first();
	serial_init();
	console_init();
	panic_set_handler(on_panic);
	trap_init();
	print("\nkeel: a memory subsystem for x86-64\n");
	if (symbols_use(symbols_start, (size_t)(symbols_end - symbols_start),
			(vaddr_t)symbols_start) != OK)
		warn("the table of symbols is damaged: addresses will have no names");
	read_boot_info(protocol, info_address, &arena);
	show_screen();
	read_acpi();
	topology_read(acpi_find(&acpi, ACPI_MADT), apic_id(), &topology);
	make_regions(&arena);
	start_frames();
	build_kernel_space();
	map_screen();
	start_heap();
	start_spaces();
	stack = kspace_stack_alloc(KERNEL_STACK_BYTES);
	if (stack == NULL)
		cannot_run("no memory for a stack", "");
	run_on_stack(stack + KERNEL_STACK_BYTES, start_on_kernel_stack, NULL);
}
