/* SPDX-License-Identifier: MIT */
#include "arch/x86_64/apic_timer.h"

#include "arch/arch.h"
#include "arch/x86_64/apic.h"
#include "arch/x86_64/trap.h"
#include "lib/bits.h"

enum {
	LVT_MASKED = 1 << 16,
	LVT_TSC_DEADLINE = 2 << 17,
	TIMER_DIVIDE_16 = 3,
	TIMER_MAX = 0x7fffffff,
	CALIBRATE_MS = 10,
};
#define CPUID_1_ECX_TSC_DEADLINE (UINT32_C(1) << 24)

static enum {
	MODE_NONE,
	MODE_COUNT,
	MODE_DEADLINE
} mode;
static uint64_t counts_per_ms; /* MODE_COUNT */
static void (*timer_due)(void);

static void timer_trap(struct trap_frame *frame)
{
	(void)frame;
	apic_end_of_interrupt(); /* first: the next deadline may have passed already */
	timer_due();
}

static uint64_t measure(void)
{
	uint64_t start;

	apic_write(APIC_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
	apic_write(APIC_TIMER_DIVIDE, TIMER_DIVIDE_16);
	apic_write(APIC_TIMER_INITIAL, TIMER_MAX);
	start = arch_ticks();
	while (arch_ticks() - start < CALIBRATE_MS * arch_ticks_per_ms())
		arch_relax();
	return (TIMER_MAX - apic_read(APIC_TIMER_CURRENT)) / CALIBRATE_MS;
}

err_t apic_timer_init(void (*due)(void))
{
	if (!apic_is_usable())
		return ERR_NOT_FOUND;
	timer_due = due;
	trap_set_handler(VECTOR_TIMER, "timer", timer_trap);
	if ((cpuid(1, 0).ecx & CPUID_1_ECX_TSC_DEADLINE) != 0) {
		mode = MODE_DEADLINE;
	} else {
		counts_per_ms = measure();
		if (counts_per_ms == 0)
			return ERR_TIMED_OUT;
		mode = MODE_COUNT;
	}
	apic_timer_init_cpu();
	return OK;
}

void apic_timer_init_cpu(void)
{
	if (mode == MODE_COUNT) {
		apic_write(APIC_TIMER_DIVIDE, TIMER_DIVIDE_16);
		apic_write(APIC_LVT_TIMER, VECTOR_TIMER);
	} else if (mode == MODE_DEADLINE) {
		apic_write(APIC_LVT_TIMER, LVT_TSC_DEADLINE | VECTOR_TIMER);
		/* the mode is set before a deadline is: SDM 3A 10.5.4.1 */
		__asm__ volatile("mfence" : : : "memory");
	}
	arch_timer_set(ARCH_TIMER_NEVER);
}

static uint32_t counts_until(uint64_t deadline)
{
	uint64_t now = arch_ticks(), per_ms = arch_ticks_per_ms(), ms, rest;

	if (deadline <= now)
		return 1;
	ms = (deadline - now) / per_ms;
	rest = (deadline - now) % per_ms;
	if (ms >= TIMER_MAX / counts_per_ms)
		return TIMER_MAX;
	/* rounded up: never early */
	return (uint32_t)min_u64(ms * counts_per_ms + rest * counts_per_ms / per_ms + 1, TIMER_MAX);
}

void arch_timer_set(uint64_t deadline)
{
	if (mode == MODE_DEADLINE) /* 0 disarms; a deadline that has passed interrupts at once */
		wrmsr(MSR_TSC_DEADLINE, deadline == ARCH_TIMER_NEVER ? 0 : max_u64(deadline, 1));
	else if (mode == MODE_COUNT)
		apic_write(APIC_TIMER_INITIAL,
			   deadline == ARCH_TIMER_NEVER ? 0 : counts_until(deadline));
}

const char *apic_timer_mode_name(void)
{
	return mode == MODE_DEADLINE ? "TSC deadline" : mode == MODE_COUNT ? "count down" : "none";
}
