/* SPDX-License-Identifier: MIT */
/* Tests of exceptions and interrupts on the first CPU. */
#include "arch/x86_64/trap.h"

#include "arch/arch.h"
#include "lib/print.h"
#include "lib/string.h"
#include "mm/heap/heap.h"
#include "mm/kspace/kspace.h"
#include "tests/kernel/ticker.h"
#include "tests/machine.h"
#include "tests/test.h"

/* ---- exceptions: the filter jumps back into the test ---- */

static void *resume[5];
static struct {
	uint64_t vector, error, cr2;
	unsigned count;
} seen;

static bool record_and_leave(struct trap_frame *frame, uint64_t cr2)
{
	seen.vector = frame->vector;
	seen.error = frame->error;
	seen.cr2 = cr2;
	seen.count++;
	if (frame->vector == VECTOR_BREAKPOINT)
		return true;
	__builtin_longjmp(resume, 1);
}

static __noinline void provoke(void (*fn)(void))
{
	memset(&seen, 0, sizeof(seen));
	trap_set_filter(record_and_leave);
	if (__builtin_setjmp(resume) == 0)
		fn();
	trap_set_filter(NULL);
	interrupts_on();
}

static void breakpoint(void)
{
	__asm__ volatile("int3");
}

static void invalid_opcode(void)
{
	__asm__ volatile("ud2");
}

static void divide_by_zero(void)
{
	__asm__ volatile("xorl %%edx, %%edx; movl $1, %%eax; xorl %%ecx, %%ecx; divl %%ecx"
			 :
			 :
			 : "eax", "ecx", "edx", "cc");
}

static void general_protection(void)
{
	__asm__ volatile("movq (%0), %%rax" : : "r"(UINT64_C(1) << 62) : "rax");
}

#define NOWHERE UINT64_C(0xffffd00000001000)

static void read_nowhere(void)
{
	__asm__ volatile("movq (%0), %%rax" : : "r"(NOWHERE) : "rax");
}

static void write_nowhere(void)
{
	__asm__ volatile("movq %%rax, (%0)" : : "r"(NOWHERE) : "memory");
}

static void execute_data(void)
{
	__asm__ volatile("call *%0" : : "r"(DIRECT_BASE + MIB(2)) : "memory");
}

TEST(trap_exceptions_arrive_with_their_vector_error_and_address)
{
	provoke(breakpoint);
	CHECK_EQ(seen.vector, VECTOR_BREAKPOINT);
	provoke(invalid_opcode);
	CHECK_EQ(seen.vector, 6);
	provoke(divide_by_zero);
	CHECK_EQ(seen.vector, 0);
	provoke(general_protection);
	CHECK_EQ(seen.vector, 13);
	provoke(read_nowhere);
	CHECK_EQ(seen.vector, VECTOR_PAGE_FAULT);
	CHECK_EQ(seen.cr2, NOWHERE);
	CHECK_EQ(seen.error, 0);
	provoke(write_nowhere);
	CHECK_EQ(seen.error, 2);
	CHECK_EQ(seen.cr2, NOWHERE);
}

TEST(trap_linear_map_is_not_executable)
{
	provoke(execute_data);
	CHECK_EQ(seen.vector, VECTOR_PAGE_FAULT);
	CHECK_EQ(seen.error, 0x11); /* a fetch from a present page: SDM 3A 4.7 */
}

/* Pushes until the stack ends; a loop in assembly, so that no compiler can change it. */
static void overflow_the_stack(void)
{
	__asm__ volatile("1: pushq %%rax; jmp 1b" : : : "memory");
}

TEST(audit_boo_03_stack_overflow_becomes_a_double_fault_in_the_guard_page)
{
	char text[80];

	provoke(overflow_the_stack);
	CHECK_EQ(seen.vector, VECTOR_DOUBLE_FAULT);
	kspace_describe(seen.cr2, text, sizeof(text));
	CHECK(str_glob("guard page below a stack of * pages of *", text));
	CHECK_EQ(seen.count, 1);
}

/* ---- the clock and the timer ---- */

static void wait_ms(uint64_t ms)
{
	uint64_t start = arch_ticks();

	while (arch_ticks() - start < ms * arch_ticks_per_ms())
		arch_relax();
}

enum {
	TURNS = 3,
};
static volatile unsigned came;

static void count(void)
{
	came = came + 1;
}

TEST(trap_timer_interrupts_come_by_themselves)
{
	uint32_t before = arch_vector_count(arch_cpu_id(), VECTOR_TIMER);
	unsigned turns;

	came = 0;
	ticker_start(10000, count);
	while (came < TURNS)
		arch_relax();
	ticker_stop();
	turns = came;
	CHECK(arch_vector_count(arch_cpu_id(), VECTOR_TIMER) >= before + turns);
	wait_ms(50);
	CHECK_EQ(came, turns);
}

TEST(clock_was_calibrated_by_hardware)
{
	/* a guess is 5 GHz exactly */
	CHECK(arch_ticks_per_ms() != 5000000);
	CHECK(arch_ticks_per_ms() > 1000);
}

/* ---- ALO-01 ---- */

enum {
	IRQ_HELD = 8,
	IRQ_WANTED = 3000,
	IRQ_PERIOD_US = 100,
};

static struct frame *irq_held[IRQ_HELD];
static volatile uint64_t irq_allocs;
static uint64_t irq_turn;

static void allocate_in_interrupt(void)
{
	struct frame **f = &irq_held[irq_turn++ % IRQ_HELD];

	if (*f != NULL) {
		frame_put(*f);
		*f = NULL;
		return;
	}
	*f = frame_alloc_block(FRAME_TEST, irq_turn % 16 == 0 ? 4 : 0);
	if (*f != NULL)
		irq_allocs = irq_allocs + 1;
}

TEST(audit_alo_01_timer_interrupt_allocates_inside_alloc_and_free)
{
	static struct frame *held[256];
	struct ledger before = machine_ledger();

	irq_allocs = 0;
	ticker_start(IRQ_PERIOD_US, allocate_in_interrupt);
	while (irq_allocs < IRQ_WANTED) {
		unsigned i = (unsigned)test_random_below(ARRAY_SIZE(held));

		if (held[i] != NULL) {
			frame_put(held[i]);
			held[i] = NULL;
		} else {
			held[i] = frame_alloc_block(FRAME_TEST, i % 16 == 0 ? 3 : 0);
		}
	}
	ticker_stop();
	for (unsigned i = 0; i < ARRAY_SIZE(held); i++)
		if (held[i] != NULL)
			frame_put(held[i]);
	for (unsigned i = 0; i < IRQ_HELD; i++)
		if (irq_held[i] != NULL)
			frame_put(irq_held[i]);
	memset(held, 0, sizeof(held));
	memset(irq_held, 0, sizeof(irq_held));
	CHECK_LEDGER(&before);
}

/* ---- the machine's physical memory ---- */

TEST(machine_has_every_frame_in_one_class)
{
	struct frame_audit a = frame_audit();

	CHECK(a.map > 0);
	CHECK_EQ(a.map, a.classes);
}
