/* SPDX-License-Identifier: MIT */
/* machine.c - the rest of the arch interface, and memory. */
#include "tests/explore/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "kern/percpu.h"

enum {
	META_BYTES = 1 << 24,
	DIRECT_BYTES = 1 << 30,
	PER_CPU_BYTES = 1 << 16,
};

static uintptr_t biases[EXPLORE_CPUS];

/* ---- arch interface ---- */

static void reserve(uint64_t at, size_t bytes)
{
	if (mmap((void *)at, bytes, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED) {
		perror("explore: memory");
		exit(1);
	}
}

void machine_reset(void)
{
	reserve(EXPLORE_META, META_BYTES);
	reserve(EXPLORE_DIRECT, DIRECT_BYTES);
	reserve(EXPLORE_PER_CPU, PER_CPU_BYTES * EXPLORE_CPUS);
	for (unsigned k = 0; k < EXPLORE_CPUS; k++) {
		char *area = (char *)(EXPLORE_PER_CPU + k * PER_CPU_BYTES);

		if (percpu_bytes() > PER_CPU_BYTES) {
			fprintf(stderr, "explore: the per-CPU area is too small\n");
			exit(1);
		}
		biases[k] = percpu_prepare(k, area);
		explore_name("per-CPU", area, PER_CPU_BYTES, PER_CPU_BYTES);
	}
}

uintptr_t explore_percpu_bias(void)
{
	return biases[explore_cpu()];
}

err_t arch_meta_map(vaddr_t va, paddr_t pa, size_t len, struct prange tables, unsigned *used)
{
	(void)va;
	(void)pa;
	(void)len;
	(void)tables;
	*used = 0;
	return OK;
}

err_t arch_direct_extend(paddr_t pa, uint64_t len, struct prange tables, unsigned *used)
{
	(void)pa;
	(void)len;
	(void)tables;
	*used = 0;
	return OK;
}

err_t arch_probe_read64(vaddr_t va, uint64_t *out)
{
	*out = *(const uint64_t *)va;
	return OK;
}

uint64_t arch_memory_type_change(uint64_t pa)
{
	(void)pa;
	return UINT64_MAX;
}

bool arch_paddr_ok(paddr_t pa)
{
	return pa.raw < DIRECT_BYTES;
}

void arch_tlb_broadcast_page(vaddr_t va)
{
	(void)va;
}

void arch_tlb_broadcast_all(void)
{
}

void arch_tlb_broadcast_wait(void)
{
}

void arch_timer_set(uint64_t deadline)
{
	(void)deadline;
}

void arch_idle(void)
{
	explore_halt();
}

uint64_t arch_ticks_per_ms(void)
{
	return 1;
}

void arch_ticks_set_rate(uint64_t per_ms)
{
	(void)per_ms;
}

void arch_console_write(const char *bytes, size_t n)
{
	fwrite(bytes, 1, n, stderr);
}

void arch_exit(enum arch_exit how)
{
	exit(how == ARCH_EXIT_PASS ? 0 : 1);
}

/* No device interrupts. */
err_t arch_irq_route(uint32_t gsi, enum irq_trigger trigger, unsigned cpu, unsigned vector)
{
	(void)gsi;
	(void)trigger;
	(void)cpu;
	(void)vector;
	return OK;
}

void arch_irq_unroute(uint32_t gsi)
{
	(void)gsi;
}

void arch_irq_mask(uint32_t gsi)
{
	(void)gsi;
}

void arch_irq_unmask(uint32_t gsi)
{
	(void)gsi;
}

err_t arch_msi_compose(unsigned cpu, unsigned vector, struct msi_message *out)
{
	*out = (struct msi_message){ cpu, vector };
	return OK;
}

/* No reports. */
void arch_cpu_info(unsigned cpu, struct arch_cpu_info *out)
{
	*out = (struct arch_cpu_info){ .id = cpu };
}

uint32_t arch_vector_count(unsigned cpu, unsigned vector)
{
	(void)cpu;
	(void)vector;
	return 0;
}

const char *arch_vector_name(unsigned vector)
{
	(void)vector;
	return NULL;
}

err_t arch_backtrace_print(void)
{
	return ERR_NOT_FOUND;
}
