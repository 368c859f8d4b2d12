/* SPDX-License-Identifier: MIT */
/* clocks.c - the rate of arch_ticks(), the timer interrupt, and periodic maintenance. */
#include "arch/x86_64/apic.h"
#include "arch/x86_64/apic_timer.h"
#include "arch/x86_64/exit.h"
#include "arch/x86_64/smp.h"
#include "boot/start/start.h"
#include "drivers/clock/hpet.h"
#include "drivers/clock/pit.h"
#include "drivers/clock/pm_timer.h"
#include "drivers/tty/console.h"
#include "kern/percpu.h"
#include "kern/timer.h"
#include "lib/log.h"
#include "lib/print.h"
#include "mm/frame/epoch.h"
#include "mm/frame/page.h"
#include "mm/heap/heap.h"
#include "mm/kspace/kspace.h"

enum {
	CPU_MAINTENANCE_MS = 100,
};

/* Whether arch_ticks() could be calibrated against the counter. */
static bool calibrate(const struct clock_counter *counter)
{
	uint64_t per_ms = counter_calibrate(counter);

	if (per_ms == 0)
		return false;
	arch_ticks_set_rate(per_ms);
	start_state.clock_name = counter->name;
	return true;
}

static bool calibrate_by_hpet(void)
{
	const struct acpi_table *t = acpi_find(&start_state.acpi, ACPI_HPET);
	struct clock_counter counter;
	struct acpi_hpet hpet;
	void *registers;
	bool done;

	if (t == NULL || acpi_hpet_read(t, &hpet) != OK || hpet.base.space != ACPI_SPACE_MEMORY)
		return false;
	registers = start_map_registers(hpet.base.address, HPET_BYTES, "HPET");
	if (registers == NULL)
		return false;
	done = hpet_counter((void __iomem *)registers, &counter) == OK && calibrate(&counter);
	kspace_unmap_mmio(registers);
	return done;
}

static bool calibrate_by_pm_timer(const struct acpi_fadt *fadt)
{
	struct clock_counter counter;

	return fadt->pm_timer.space == ACPI_SPACE_IO && fadt->pm_timer.address <= UINT16_MAX &&
	       pm_timer_counter((uint16_t)fadt->pm_timer.address, fadt->pm_timer_32 ? 32 : 24,
				&counter) == OK &&
	       calibrate(&counter);
}

static bool calibrate_by_pit(void)
{
	struct clock_counter counter;

	pit_counter(&counter);
	return calibrate(&counter);
}

/* The time of messages: since the CPU was reset. */
static uint64_t clock_us(void)
{
	return ticks_to_us(arch_ticks());
}

void start_clock(void)
{
	const struct acpi_table *t = acpi_find(&start_state.acpi, ACPI_FADT);
	struct acpi_fadt fadt = { 0 };
	bool has_fadt = t != NULL && acpi_fadt_read(t, &fadt) == OK;

	if (!calibrate_by_hpet() && !(has_fadt && calibrate_by_pm_timer(&fadt)) &&
	    !calibrate_by_pit())
		warn("no timer counts: the clock rate is an estimate");
	if (has_fadt && fadt.reset_supported && fadt.reset.space == ACPI_SPACE_IO)
		exit_init(&(struct exit_ports){ (uint16_t)fadt.reset.address, fadt.reset_value });
	log_set_clock(clock_us);
}

/* Periodic work of each CPU: empty idle magazines, free retired objects. */
static PER_CPU(struct timer, maintenance_timer);

static void cpu_maintenance(void *timer)
{
	heap_age();
	(void)epoch_poll(); /* what is left waits for the next run */
	timer_again(timer, CPU_MAINTENANCE_MS * arch_ticks_per_ms());
}

void start_cpu_maintenance(void)
{
	struct timer *timer = this_cpu_ptr(maintenance_timer);

	timer_start(timer, arch_ticks(), cpu_maintenance, timer);
}

void start_timer(void)
{
	err_t err = apic_init(start_map_registers(apic_page_address(), PAGE_SIZE, "local APIC"));

	smp_init_first();
	if (err == OK)
		err = apic_timer_init(start_hooks.timer_due);
	if (err == OK)
		console_set_input(CONSOLE_INPUT_SLEEP);
	else
		warn("no timer interrupt: local APIC: %s", err_name(err));
	start_cpu_maintenance();
	interrupts_on();
}
