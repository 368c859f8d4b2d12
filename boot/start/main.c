/* SPDX-License-Identifier: MIT */
/*
 * main.c - the order of start-up, and nothing else.
 *
 * Each step succeeds, or prints one line why keel cannot run here and stops.  The steps are in the
 * other files of this folder (boot/start/start.h).
 */
#include "arch/x86_64/apic.h"
#include "arch/x86_64/apic_timer.h"
#include "arch/x86_64/boot_table.h"
#include "arch/x86_64/ioapic.h"
#include "arch/x86_64/ipi.h"
#include "arch/x86_64/percpu.h"
#include "arch/x86_64/trap.h"
#include "boot/source.h"
#include "boot/start/start.h"
#include "kern/cpu.h"
#include "lib/panic.h"
#include "lib/print.h"
#include "lib/symbols.h"
#include "lib/version.h"
#include "mm/frame/boot_alloc.h"
#include "mm/frame/frame_cache.h"
#include "mm/frame/regions.h"
#include "mm/kspace/kspace.h"
#include "monitor/monitor.h"

extern const uint8_t symbols_start[], symbols_end[];
void kernel_main(uint32_t protocol, uint64_t info_address);

void cannot_run(const char *why, const char *detail)
{
	print("keel: cannot run here: %s%s\n", why, detail);
	arch_exit(ARCH_EXIT_FAIL);
}

#ifdef KEEL_TESTS
void ktest_exit(const char *globs, uint64_t seed) __noreturn;

static void run_tests(void)
{
	if (start_state.options.has_ktest)
		ktest_exit(start_state.options.ktest, start_state.options.seed);
}
#else
static void run_tests(void)
{
	if (start_state.options.has_ktest)
		cannot_run("ktest= was given, but this kernel was built without tests", "");
}
#endif

static void report(void)
{
	print("keel: started by %s, %u levels of paging, %s\n",
	      start_state.boot_info.loader[0] != '\0' ? start_state.boot_info.loader
						      : "an unnamed loader",
	      boot_table_levels(), start_state.boot_info.has_efi_map ? "UEFI" : "BIOS");
	print("keel: command line: %s\n", start_state.boot_info.cmdline);
	print("keel: %zu memory map entries, %zu regions, %lu MiB usable\n",
	      start_state.boot_info.source_count, start_state.region_count,
	      regions_bytes(start_state.regions, start_state.region_count, REGION_USABLE) >> 20);
	print("keel: %zu modules, %zu ACPI tables\n", start_state.boot_info.module_count,
	      start_state.acpi.count);
	print("keel: clock %lu kHz by %s, timers by %s\n", arch_ticks_per_ms(),
	      start_state.clock_name, apic_timer_mode_name());
	print("keel: %u CPUs, %s, %u inputs of IOAPICs, up to %d frames cached for each CPU\n",
	      cpu_count(), apic_is_x2apic() ? "x2APIC" : "xAPIC", ioapic_inputs(), HOT_MAX);
	print("keel: %lu MiB available, %lu KiB allocated at boot\n",
	      frame_available() * PAGE_SIZE >> 20, boot_alloc_used() >> 10);
	print("keel: ready after %lu ticks, %lu of them for the console\n",
	      start_state.ready - start_state.entered, start_state.console);
}

/* The rest of start-up, on a stack of kernel space. */
static void start_on_kernel_stack(void *arg)
{
	(void)arg;
	start_clock();
	start_timer();
	start_interrupt_controllers();
	ipi_init();
	start_threads();
	start_cpus();
	start_input();
	start_devices();
	report();
	run_tests();
	monitor_run(start_state.options.monitor);
}

void kernel_main(uint32_t protocol, uint64_t info_address)
{
	struct boot_arena arena;
	uint8_t *stack;

	start_state.entered = arch_ticks();
	percpu_start_first();
	start_console();
	panic_set_handler(start_hooks.panic);
	trap_init();
	print("\nkeel %s (%s): a memory subsystem for x86-64\n", version, version_commit);
	if (symbols_use(symbols_start, (size_t)(symbols_end - symbols_start),
			(vaddr_t)symbols_start) != OK)
		warn("the symbol table is damaged: addresses have no names");
	start_read_boot_info(protocol, info_address, &arena);
	start_screen_early();
	start_read_acpi();
	topology_read(acpi_find(&start_state.acpi, ACPI_MADT), apic_id(), &start_state.topology);
	start_make_regions(&arena);
	start_frames();
	start_kernel_space();
	start_screen();
	start_heap();
	start_spaces();
	stack = kspace_stack_alloc(KERNEL_STACK_BYTES, "main");
	if (stack == NULL)
		cannot_run("no memory for a stack", "");
	run_on_stack(stack + KERNEL_STACK_BYTES, start_on_kernel_stack, NULL);
}
