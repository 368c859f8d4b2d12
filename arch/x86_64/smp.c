/* SPDX-License-Identifier: MIT */
#include "arch/x86_64/smp.h"

#include <stdatomic.h>

#include "kern/cpu.h"
#include "kern/percpu.h"
#include "arch/x86_64/apic.h"
#include "arch/x86_64/apic_timer.h"
#include "arch/x86_64/boot_table.h"
#include "arch/x86_64/percpu.h"
#include "arch/x86_64/translate.h"
#include "lib/bits.h"
#include "lib/panic.h"
#include "lib/print.h"
#include "lib/string.h"
#include "lib/symbols.h"

enum {
	CODE_PAGE,
	ROOT_PAGE,
	ENTRIES = 512,

	INIT_MS = 10,          /* SDM 3A 8.4.4.1 */
	ANSWER_AGAIN_US = 300, /* then the second STARTUP */
	ANSWER_MS = 1000,      /* an emulator may delay a CPU that long; hardware answers in 1 */
	STOP_MS = 1000,        /* the same, in a panic */
};

/* As in trampoline.S; addresses below 4 GiB. */
struct __attribute__((packed)) trampoline_words {
	uint32_t base, root, cr4;
	uint32_t to_32;
	uint16_t to_32_selector, pad;
	uint32_t to_64;
	uint16_t to_64_selector;
	uint16_t gdt_limit;
	uint32_t gdt;
};
struct __attribute__((packed)) trampoline_pointers {
	uint64_t kernel_root, start, stack, apic;
};

extern const uint8_t trampoline_start[], trampoline_end[];
extern const uint8_t trampoline_words[];
extern const uint8_t trampoline_pointers[];

enum start_state {
	START_WANTED,
	START_ANSWERED, /* by the CPU */
	START_GIVEN_UP, /* by the waiting CPU */
};

/* The start of the CPU that the first CPU waits for. */
struct smp_start {
	_Atomic int state;
	unsigned number;
	uintptr_t bias;
	struct trap_stacks stacks;
	uint64_t woken,
		answered; /* TSC: before the first STARTUP, and the CPU's own first reading */
	void (*run)(void) __noreturn;
};

struct smp_cpu {
	uint32_t apic;
	uint64_t start_ticks;
	vaddr_t stopped_at;
	_Atomic bool stopped;
};
static PER_CPU(struct smp_cpu, smp_cpu);

static struct smp_start start;
void ap_main(struct smp_start *s) __noreturn;

/* ---- on the new CPU ---- */

/* From trampoline.S, on the CPU's own stack, in the kernel's table; no per-CPU variables yet. */
void ap_main(struct smp_start *s)
{
	int wanted = START_WANTED;

	s->answered = rdtsc();
	percpu_use(s->bias);
	trap_init_cpu(&s->stacks);
	translate_init_cpu();
	apic_init_cpu();
	apic_timer_init_cpu();
	this_cpu(smp_cpu).apic = apic_id();
	this_cpu(smp_cpu).start_ticks = rdtsc() - s->woken;
	/* release: all of the above before the first CPU continues and reuses *s */
	if (!atomic_compare_exchange_strong_explicit(&s->state, &wanted, START_ANSWERED,
						     memory_order_acq_rel, memory_order_relaxed))
		halt_for_ever();
	s->run();
}

/* ---- on the first ---- */

static uint8_t *page_at(const struct smp_plan *plan, unsigned page)
{
	return (uint8_t *)arch_direct(plan->trampoline) + page * PT_PAGE_BYTES;
}

static uint64_t page_pa(const struct smp_plan *plan, unsigned page)
{
	return plan->trampoline.raw + page * PT_PAGE_BYTES;
}

/* The trampoline page identity-mapped, and the kernel's upper half. */
static void build_table(const struct smp_plan *plan)
{
	const uint64_t *kernel = arch_direct(paddr(read_cr3() & PTE_ADDRESS));
	unsigned page = ROOT_PAGE, level;
	uint64_t *table = (uint64_t *)(void *)page_at(plan, ROOT_PAGE);

	for (unsigned i = CODE_PAGE; i < SMP_TRAMPOLINE_PAGES; i++)
		memset(page_at(plan, i), 0, PT_PAGE_BYTES);
	memcpy(table + ENTRIES / 2, kernel + ENTRIES / 2, PT_PAGE_BYTES / 2);
	for (level = arch_pt_levels(); level > 1; level--) {
		table[pte_index(plan->trampoline.raw, level)] =
			pte_make_table(page_pa(plan, ++page));
		table = (uint64_t *)(void *)page_at(plan, page);
	}
	table[pte_index(plan->trampoline.raw, 1)] = plan->trampoline.raw | PTE_PRESENT;
}

static void build_code(const struct smp_plan *plan)
{
	uint8_t *code = page_at(plan, CODE_PAGE);
	uint32_t base = (uint32_t)plan->trampoline.raw;
	struct trampoline_words w;

	ASSERT((size_t)(trampoline_end - trampoline_start) <= PT_PAGE_BYTES);
	memcpy(code, trampoline_start, (size_t)(trampoline_end - trampoline_start));
	memcpy(&w, trampoline_words, sizeof(w));
	w.base = base;
	w.root = (uint32_t)page_pa(plan, ROOT_PAGE);
	w.cr4 = CR4_PAE | (read_cr4() & CR4_LA57);
	w.to_32 += base;
	w.to_64 += base;
	w.gdt += base;
	memcpy(code + (trampoline_words - trampoline_start), &w, sizeof(w));
}

static void set_pointers(const struct smp_plan *plan, uint32_t apic, const void *stack_top)
{
	struct trampoline_pointers p = { read_cr3(), (uint64_t)&start, (uint64_t)stack_top,
					 apic & UINT8_MAX };

	memcpy(page_at(plan, CODE_PAGE) + (trampoline_pointers - trampoline_start), &p, sizeof(p));
}

static bool answers_within(uint64_t us)
{
	uint64_t begin = arch_ticks(), ticks = us_to_ticks(us);

	while (atomic_load_explicit(&start.state, memory_order_acquire) == START_WANTED) {
		if (arch_ticks() - begin > ticks)
			return false;
		arch_relax();
	}
	return true;
}

static void wait_ms(uint64_t ms)
{
	uint64_t begin = arch_ticks();

	while (arch_ticks() - begin < ms * arch_ticks_per_ms())
		arch_relax();
}

/* Whether it answered.  An error of a send needs no handling here: no answer comes then. */
static bool wake(const struct smp_plan *plan, uint32_t apic)
{
	int wanted = START_WANTED;

	(void)apic_send_init(apic);
	wait_ms(INIT_MS);
	start.woken = arch_ticks();
	if (apic != plan->hang) {
		(void)apic_send_startup(apic, (uint32_t)plan->trampoline.raw);
		if (answers_within(ANSWER_AGAIN_US))
			return true;
		(void)apic_send_startup(apic, (uint32_t)plan->trampoline.raw);
	}
	if (answers_within(ANSWER_MS * US_PER_MS))
		return true;
	if (!atomic_compare_exchange_strong_explicit(&start.state, &wanted, START_GIVEN_UP,
						     memory_order_acq_rel, memory_order_acquire))
		return true; /* at the last moment */
	(void)apic_send_init(apic);
	return false;
}

static void check_clock(void)
{
	uint64_t now = arch_ticks();

	if (start.answered < start.woken || start.answered > now)
		warn("CPU %u: its TSC is %s: times that threads measure on it are wrong",
		     start.number, start.answered < start.woken ? "behind" : "ahead");
}

enum outcome {
	STARTED,
	NO_ANSWER,
	NO_MEMORY
};

static enum outcome start_one(const struct smp_plan *plan, uint32_t apic)
{
	struct smp_memory
		m; /* a CPU that did not answer keeps its memory, in case it starts late */

	if (!plan->get_memory(&m))
		return NO_MEMORY;
	start = (struct smp_start){
		.state = START_WANTED,
		.number = cpu_count(),
		.bias = percpu_prepare(cpu_count(), m.area),
		.stacks = m.stacks,
		.run = plan->run,
	};
	*per_cpu_ptr(arch_cpu_number, start.number) = start.number;
	set_pointers(plan, apic, m.stack_top);
	if (!wake(plan, apic))
		return NO_ANSWER;
	check_clock();
	while (cpu_count() == start.number) /* it runs, and is about to count itself */
		arch_relax();
	return STARTED;
}

bool smp_start(const struct smp_plan *plan)
{
	bool reusable = true;

	build_table(plan);
	build_code(plan);
	for (unsigned i = 0; i < plan->count && cpu_count() < plan->cpus_max; i++) {
		uint32_t apic = plan->apic_ids[i];

		if (apic == apic_id())
			continue;
		switch (start_one(plan, apic)) {
		case STARTED: break;
		case NO_ANSWER:
			warn("the CPU with APIC %u does not answer; going on without it", apic);
			reusable = false;
			break;
		case NO_MEMORY: warn("no memory for another CPU"); return reusable;
		}
	}
	return reusable;
}

void smp_init_first(void)
{
	this_cpu(smp_cpu).apic = apic_id();
}

uint32_t smp_apic_id(unsigned cpu)
{
	return per_cpu_ptr(smp_cpu, cpu)->apic;
}

void arch_cpu_info(unsigned cpu, struct arch_cpu_info *out)
{
	*out = (struct arch_cpu_info){
		.id = smp_apic_id(cpu),
		.start_ticks = per_cpu_ptr(smp_cpu, cpu)->start_ticks,
	};
	out->handler_ticks = trap_longest(cpu, &out->handler_vector);
}

void arch_idle(void)
{
	irq_off_end();
	interrupts_on_and_halt();
	interrupts_off();
	irq_off_begin();
}

/* ---- the end ---- */

static _Atomic unsigned stopper = ARCH_MAX_CPUS;

bool smp_is_stopping(void)
{
	return atomic_load_explicit(&stopper, memory_order_acquire) != ARCH_MAX_CPUS;
}

void smp_stop_here(const struct trap_frame *f)
{
	struct smp_cpu *me = this_cpu_ptr(smp_cpu);

	me->stopped_at = f->rip;
	atomic_store_explicit(&me->stopped, true, memory_order_release);
	halt_for_ever();
}

static bool all_stopped(unsigned me)
{
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
		if (cpu != me && !atomic_load_explicit(&per_cpu_ptr(smp_cpu, cpu)->stopped,
						       memory_order_acquire))
			return false;
	return true;
}

static void print_stopped(unsigned me)
{
	char name[SYMBOL_TEXT_BYTES];

	for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
		struct smp_cpu *c = per_cpu_ptr(smp_cpu, cpu);

		if (cpu == me)
			continue;
		if (!atomic_load_explicit(&c->stopped, memory_order_acquire)) {
			print("keel: CPU %u does not stop\n", cpu);
			continue;
		}
		symbols_format(c->stopped_at, name, sizeof(name));
		print("keel: CPU %u stopped at %016lx %s\n", cpu, c->stopped_at, name);
	}
}

void smp_stop_others(void)
{
	unsigned me = arch_cpu_id(), first = ARCH_MAX_CPUS;
	uint64_t begin = arch_ticks();

	if (!atomic_compare_exchange_strong_explicit(&stopper, &first, me, memory_order_acq_rel,
						     memory_order_acquire)) {
		if (first == me)
			return; /* again: a panic in the monitor */
		atomic_store_explicit(&this_cpu_ptr(smp_cpu)->stopped, true, memory_order_release);
		halt_for_ever();
	}
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
		if (cpu != me)
			(void)apic_send_nmi(smp_apic_id(cpu)); /* else it is reported below */
	while (!all_stopped(me) && arch_ticks() - begin < STOP_MS * arch_ticks_per_ms())
		arch_relax();
	print_stopped(me);
}
