/* SPDX-License-Identifier: MIT */
/* Tests of faults on the real machine: probes, backtraces, NMI and its GS, fault reports. */
#include "arch/x86_64/fault.h"

#include "arch/arch.h"
#include "arch/x86_64/backtrace.h"
#include "arch/x86_64/machine_check.h"
#include "arch/x86_64/probe.h"
#include "arch/x86_64/trap.h"
#include "lib/panic.h"
#include "lib/print.h"
#include "lib/string.h"
#include "lib/symbols.h"
#include "monitor/fault_report.h"
#include "mm/heap/heap.h"
#include "mm/kspace/kspace.h"
#include "mm/pt/spot.h"
#include "mm/pt/walk.h"
#include "tests/capture.h"
#include "tests/test.h"

/* ---- probes ---- */

TEST(fault_probe_reads_what_is_there_and_refuses_the_rest)
{
	static const uint64_t known = 0x1122334455667788;
	static const vaddr_t bad[] = {
		0, 8, 0xffffd00000001000, UINT64_C(1) << 62, UINT64_MAX - 3, VMALLOC_BASE + GIB(63),
	};
	uint64_t v = 0;

	CHECK_EQ(arch_probe_read64((vaddr_t)&known, &v), OK);
	CHECK_EQ(v, known);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		v = 5;
		CHECK_EQ(arch_probe_read64(bad[i], &v), ERR_BAD_RANGE);
		CHECK_EQ(v, 5);
	}
}

/* A missing MSR cannot be tested everywhere: QEMU's TCG accepts any number. */
TEST(fault_probe_reads_and_writes_registers)
{
	uint64_t v = 0;

	CHECK_EQ(probe_rdmsr(MSR_EFER, &v), OK);
	CHECK((v & EFER_NXE) != 0);
	CHECK_EQ(probe_wrmsr(MSR_EFER, v), OK);
	CHECK_EQ(rdmsr(MSR_EFER), v);
}

/* ---- backtraces ---- */

enum {
	VECTOR_DEBUG = 1,
	RFLAGS_TF_ = 1 << 8,
	STEPS_MIN = 1000, /* instructions of an allocation, freed again */
	DEPTH_MAX = 20,
	CALL_BYTES_MAX = 7,
	OPCODE_PUSHFQ = 0x9c,
	OPCODE_RET = 0xc3,
	OPCODE_STI = 0xfb,
};

static struct backtrace seen;

static bool record_backtrace(struct trap_frame *frame, uint64_t cr2)
{
	(void)cr2;
	if (frame->vector != VECTOR_BREAKPOINT)
		return false;
	backtrace_here(&seen);
	return true;
}

static __noinline void break_here(void)
{
	__asm__ volatile("int3" : : : "memory");
}

/* Index of the first function whose name matches the glob, or b->count. */
static unsigned place_of(const struct backtrace *b, const char *glob)
{
	struct symbol s;
	unsigned i = 0;

	while (i < b->count && !(symbols_find(b->at[i] - 1, &s) && str_glob(glob, s.name)))
		i++;
	return i;
}

/* A label of assembly and what it interrupted, both by name. */
TEST(fault_backtrace_goes_through_an_exception)
{
	trap_set_filter(record_backtrace);
	break_here();
	trap_set_filter(NULL);
	CHECK(place_of(&seen, "trap_common") < place_of(&seen, "break_here"));
	CHECK(place_of(&seen, "break_here") < place_of(&seen, "test_run_all"));
	CHECK(place_of(&seen, "test_run_all") < seen.count);
	CHECK_EQ(seen.end, BACKTRACE_WHOLE);
}

/* ---- callers of code without a frame ---- */

static bool record_backtrace_of(struct trap_frame *frame, uint64_t cr2)
{
	(void)cr2;
	if (frame->vector != VECTOR_BREAKPOINT)
		return false;
	backtrace_of(&seen, frame->rip, frame->rbp, frame->rsp);
	return true;
}

/* break_here() is a leaf function: compilers give it no frame. */
static __noinline void call_leaf(void)
{
	break_here();
	__asm__ volatile("" : : : "memory"); /* no sibling call */
}

TEST(fault_backtrace_shows_the_caller_of_a_leaf)
{
	trap_set_filter(record_backtrace_of);
	call_leaf();
	trap_set_filter(NULL);
	CHECK_EQ(place_of(&seen, "break_here"), 0);
	CHECK_EQ(place_of(&seen, "call_leaf"), 1);
	CHECK_EQ(seen.end, BACKTRACE_WHOLE);
	/* and where the leaf is in the middle of a chain */
	trap_set_filter(record_backtrace);
	call_leaf();
	trap_set_filter(NULL);
	CHECK(place_of(&seen, "break_here") < seen.count);
	CHECK_EQ(place_of(&seen, "call_leaf"), place_of(&seen, "break_here") + 1);
}

/* What single steps have seen: the return addresses of the calls under way, first the outermost. */
static struct {
	vaddr_t back[DEPTH_MAX], rip, rsp; /* rip, rsp: of the last step */
	unsigned depth, steps, wrong;
	vaddr_t first_wrong;
} stepper;

/* QEMU reports no step between STI and the instruction after it. */
static bool is_return(const uint8_t *instruction)
{
	return instruction[instruction[0] == OPCODE_STI ? 1 : 0] == OPCODE_RET;
}

static void follow_step(const struct trap_frame *frame)
{
	vaddr_t top = *(const vaddr_t *)frame->rsp, last = stepper.rip;

	if (frame->rsp == stepper.rsp - sizeof(top) && top > last && top - last <= CALL_BYTES_MAX) {
		NEED(stepper.depth < DEPTH_MAX);
		stepper.back[stepper.depth++] = top;
	} else if (stepper.depth > 0 && is_return((const uint8_t *)last)) {
		stepper.depth--;
	}
	stepper.rip = frame->rip;
	stepper.rsp = frame->rsp;
}

static bool has_all_callers(const struct backtrace *b)
{
	for (unsigned i = 0; i < stepper.depth; i++)
		if (i + 1 >= b->count || b->at[i + 1] != stepper.back[stepper.depth - 1 - i])
			return false;
	return b->end == BACKTRACE_WHOLE;
}

static bool check_step(struct trap_frame *frame, uint64_t cr2)
{
	(void)cr2;
	if (frame->vector != VECTOR_DEBUG)
		return false;
	arch_irq_off_restart(); /* what is measured is the test's work, not the code's */
	follow_step(frame);
	/* frame information of compilers does not tell of the pushfq in irq_save() */
	if (*(const uint8_t *)(frame->rip - 1) == OPCODE_PUSHFQ)
		return true;
	backtrace_of(&seen, frame->rip, frame->rbp, frame->rsp);
	stepper.steps++;
	if (!has_all_callers(&seen) && stepper.wrong++ == 0)
		stepper.first_wrong = frame->rip;
	arch_irq_off_restart();
	return true;
}

/* Only what holds no lock for long: the suite reports the longest interrupts-off time. */
static void allocate_and_print(void)
{
	char text[SYMBOL_TEXT_BYTES];
	void *p = heap_alloc_any(sizeof(text));
	struct pt_item item = page_table_query(kspace_table(), (vaddr_t)p);

	symbols_format((vaddr_t)panic, text, sizeof(text));
	print_to(text, sizeof(text), "%s %#lx %zu", text, item.pa.raw, heap_size_of(p));
	heap_free(p);
}

/* A debug exception after each instruction (RFLAGS.TF, SDM 3B 18.3.1.4). */
static __noinline void step_through(void)
{
	__asm__ volatile("pushfq\n\t"
			 "orl %0, (%%rsp)\n\t"
			 "popfq"
			 :
			 : "i"(RFLAGS_TF_)
			 : "memory", "cc");
	allocate_and_print();
	__asm__ volatile("pushfq\n\t"
			 "andl %0, (%%rsp)\n\t"
			 "popfq"
			 :
			 : "i"(~RFLAGS_TF_)
			 : "memory", "cc");
}

TEST(fault_backtrace_shows_all_callers_at_every_instruction)
{
	char name[SYMBOL_TEXT_BYTES];

	memset(&stepper, 0, sizeof(stepper));
	trap_set_filter(check_step);
	step_through();
	trap_set_filter(NULL);
	symbols_format(stepper.first_wrong, name, sizeof(name));
	if (stepper.wrong != 0)
		test_fail(__FILE__, __LINE__, "%u of %u instructions, the first at %s",
			  stepper.wrong, stepper.steps, name);
	CHECK(stepper.steps > STEPS_MIN);
}

TEST(fault_backtrace_of_a_damaged_chain_ends)
{
	static uint64_t chain[64];
	vaddr_t at = (vaddr_t)chain, text = (vaddr_t)panic + 8;
	const vaddr_t bad[] = { 8,      UINT64_C(1) << 62,  0xffffd00000001000,
				at + 3, UINT64_MAX & ~7ull, VMALLOC_BASE + GIB(63) };
	struct backtrace b;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		backtrace_of(&b, text, bad[i], at);
		CHECK_EQ(b.end, BACKTRACE_DAMAGED);
		CHECK_EQ(b.count, 1);
		chain[0] = bad[i];
		chain[1] = text;
		backtrace_of(&b, text, at, at);
		CHECK_EQ(b.end, BACKTRACE_DAMAGED);
	}
	/* a ring */
	chain[0] = (vaddr_t)&chain[4];
	chain[4] = at;
	chain[1] = chain[5] = text;
	backtrace_of(&b, text, at, at);
	CHECK_EQ(b.end, BACKTRACE_DAMAGED);
	/* an address that no call can return to */
	chain[1] = at;
	backtrace_of(&b, text, at, at);
	CHECK_EQ(b.end, BACKTRACE_DAMAGED);
	CHECK_EQ(b.count, 1);
}

TEST(fault_backtrace_is_bounded_and_folds_recursion)
{
	static uint64_t chain[2 * (BACKTRACE_MAX + 10)];
	vaddr_t text = (vaddr_t)panic;
	struct backtrace b;

	for (unsigned i = 0; i < ARRAY_SIZE(chain); i += 2) {
		chain[i] = i + 2 < ARRAY_SIZE(chain) ? (vaddr_t)&chain[i + 2] : 0;
		chain[i + 1] = text + 1 + i;
	}
	backtrace_of(&b, text + 1000, (vaddr_t)chain, (vaddr_t)chain);
	CHECK_EQ(b.end, BACKTRACE_CUT);
	CHECK_EQ(b.count, BACKTRACE_MAX);
	for (unsigned i = 0; i < ARRAY_SIZE(chain); i += 2)
		chain[i + 1] = text + 1;
	backtrace_of(&b, text + 1000, (vaddr_t)chain, (vaddr_t)chain);
	CHECK_EQ(b.end, BACKTRACE_WHOLE);
	CHECK_EQ(b.count, 2);
	CHECK_EQ(b.times[1], ARRAY_SIZE(chain) / 2);
}

/* ---- exceptions at any instant ---- */

enum {
	MSR_GS_BASE_ = 0xc0000101,
	MSR_KERNEL_GS_BASE_ = 0xc0000102,
};
#define USER_GS   UINT64_C(0x00007f0000001000)
#define KERNEL_GS UINT64_C(0xffff800000001000)

static uint64_t gs_seen;
static unsigned nmis;

static bool record_gs(struct trap_frame *frame, uint64_t cr2)
{
	(void)cr2;
	if (frame->vector != VECTOR_NMI)
		return false;
	gs_seen = rdmsr(MSR_GS_BASE_);
	nmis++;
	return true;
}

static void nmi_with_gs(uint64_t gs, uint64_t other)
{
	wrmsr(MSR_GS_BASE_, gs);
	wrmsr(MSR_KERNEL_GS_BASE_, other);
	gs_seen = 0;
	__asm__ volatile("int $2" : : : "memory");
}

TEST(fault_nmi_in_a_swapgs_window_has_the_kernels_gs)
{
	uintptr_t irq = arch_irq_save();
	uint64_t gs = rdmsr(MSR_GS_BASE_), other = rdmsr(MSR_KERNEL_GS_BASE_);

	nmis = 0;
	trap_set_filter(record_gs);
	/* user code entered the kernel, before swapgs */
	nmi_with_gs(USER_GS, KERNEL_GS);
	CHECK_EQ(gs_seen, KERNEL_GS);
	CHECK_EQ(rdmsr(MSR_GS_BASE_), USER_GS);
	CHECK_EQ(rdmsr(MSR_KERNEL_GS_BASE_), KERNEL_GS);
	/* after swapgs */
	nmi_with_gs(KERNEL_GS, USER_GS);
	CHECK_EQ(gs_seen, KERNEL_GS);
	CHECK_EQ(rdmsr(MSR_GS_BASE_), KERNEL_GS);
	CHECK_EQ(rdmsr(MSR_KERNEL_GS_BASE_), USER_GS);
	CHECK_EQ(nmis, 2);
	trap_set_filter(NULL);
	wrmsr(MSR_GS_BASE_, gs);
	wrmsr(MSR_KERNEL_GS_BASE_, other);
	arch_irq_restore(irq);
}

static uintptr_t bias_seen;

static bool record_bias(struct trap_frame *frame, uint64_t cr2)
{
	(void)cr2;
	if (frame->vector != VECTOR_NMI)
		return false;
	bias_seen = arch_percpu_bias();
	return true;
}

TEST(fault_nmi_finds_the_variables_of_its_cpu)
{
	bias_seen = 0;
	trap_set_filter(record_bias);
	__asm__ volatile("int $2" : : : "memory");
	trap_set_filter(NULL);
	CHECK_EQ(bias_seen, arch_percpu_bias());
	CHECK(bias_seen != 0);
}

TEST(fault_nmi_warns_and_goes_on)
{
	unsigned before = warn_count();

	__asm__ volatile("int $2" : : : "memory");
	CHECK_EQ(warn_count(), before + 1);
}

TEST(fault_machine_check_codes_have_words)
{
	static const struct {
		uint64_t status;
		const char *want;
	} cases[] = {
		{ UINT64_C(0xa400000000000135), "uncorrected: data cache level 1 data read (*" },
		{ UINT64_C(0x8000000000000151), "corrected by hardware: instruction cache level 1 "
						"instruction fetch (*" },
		{ UINT64_C(0xa600000000000092), "uncorrected, the CPU's state is lost: memory "
						"controller read, channel 2 (*" },
		{ UINT64_C(0xe000000000000015), "uncorrected, others before it went unseen: data "
						"TLB level 1 (*" },
		{ UINT64_C(0xa000000000000e0b), "uncorrected: bus or interconnect error (*" },
		{ UINT64_C(0xa000000000000400), "uncorrected: internal error (*" },
	};
	char text[160];

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		machine_check_words(cases[i].status, text, sizeof(text));
		if (!str_glob(cases[i].want, text))
			test_fail(__FILE__, __LINE__, "case %u: %s", i, text);
	}
}

/* ---- the whole report ---- */

static bool explained(void (*fn)(void *arg), void *arg, const char *panics, const char *words)
{
	bool panicked;

	capture_begin();
	panicked = test_panics(fn, arg, panics);
	(void)capture_end();
	interrupts_on();
	if (panicked && str_glob(words, capture_text()))
		return true;
	test_diag("said: %s", capture_text());
	return false;
}

static void write_to(void *arg)
{
	__asm__ volatile("movb $0, (%0)" : : "r"(arg) : "memory");
}

static void push_forever(void *arg)
{
	(void)arg;
	__asm__ volatile("1: pushq %%rax; jmp 1b" : : : "memory");
}

TEST(fault_is_explained_and_panics)
{
	CHECK(explained(write_to, (void *)8, "a null pointer was used",
			"*write to 0000000000000008 (the null page, not mapped) by instruction at "
			"* write_to+*walk: PML* not present*no frame; likely cause: a null "
			"pointer was used*"));
	CHECK(explained(write_to, (void *)(vaddr_t)panic, "code or constants were written to",
			"*write to * (kernel text, panic+0x0, read-only and executable)*PT[*] "
			"present, read, execute*kernel image*"));
}

/* The topmost address bit of the entry for va, which no processor here has. */
static void flip_reserved(vaddr_t va)
{
	struct pt_spot spot;
	uintptr_t irq = arch_irq_save();

	pt_spot_lock(&spot, kspace_table(), va);
	(void)atomic_fetch_xor(spot.entry, UINT64_C(1) << 51);
	pt_spot_unlock(&spot);
	arch_tlb_invalidate_page(va);
	arch_irq_restore(irq);
}

TEST(fault_of_a_damaged_entry_is_called_one)
{
	uint8_t *page = vmalloc(PAGE_SIZE);

	NEED(page != NULL);
	if (arch_paddr_ok(paddr(UINT64_C(1) << 51))) {
		test_skip("no address bit of this processor is reserved");
	} else {
		flip_reserved((vaddr_t)page);
		CHECK(explained(
			write_to, page, "the page table is damaged",
			"*likely cause: the page table is damaged: reserved bits are set*"));
		flip_reserved((vaddr_t)page);
		*page = 1;
	}
	vfree(page);
}

static void explain_badly(const struct fault *f, char *summary, size_t size)
{
	(void)f;
	(void)summary;
	(void)size;
	write_to((void *)16);
}

TEST(fault_within_an_explanation_is_a_plain_panic)
{
	fault_set_explainer(explain_badly);
	CHECK(explained(write_to, (void *)8, "while another exception was being explained",
			"*exception 14: page fault at * write_to+*panic: page fault at *"));
	fault_set_explainer(fault_report);
	fault_settled();
	CHECK(explained(write_to, (void *)8, "a null pointer was used", "*walk: *"));
}

TEST(audit_boo_03_stack_overflow_gives_its_message)
{
	CHECK(explained(push_forever, NULL, "stack overflow: ",
			"*double fault at *push_forever+*likely cause: stack overflow*panic: "
			"stack overflow: * lies in the guard page below a*stack*"));
}

TEST(fault_walk_agrees_with_the_page_table)
{
	const struct page_table *table = kspace_table();
	static const vaddr_t bases[] = { DIRECT_BASE, META_BASE, VMALLOC_BASE, KERNEL_VMA };

	for (unsigned i = 0; i < 2000; i++) {
		vaddr_t va = bases[i % ARRAY_SIZE(bases)] + test_random_below(MIB(64));
		struct pt_item item = page_table_query(table, va);
		struct pt_walk w;

		pt_walk_read(&w, frame_paddr(table->root), table->levels, va);
		CHECK(w.readable);
		CHECK_EQ(pt_walk_leaf(&w) != 0, item.kind == PT_ITEM_LEAF);
		if (item.kind == PT_ITEM_LEAF)
			CHECK_EQ(pt_walk_paddr(&w), item.pa.raw + (va - item.start));
	}
}
