/* SPDX-License-Identifier: MIT */
#include "arch/x86_64/fault.h"

#include "kern/percpu.h"
#include "arch/x86_64/backtrace.h"
#include "arch/x86_64/machine_check.h"
#include "arch/x86_64/percpu.h"
#include "arch/x86_64/probe.h"
#include "arch/x86_64/smp.h"
#include "arch/x86_64/stacks.h"
#include "arch/x86_64/trap.h"
#include "arch/x86_64/uaccess.h"
#include "lib/panic.h"
#include "lib/print.h"
#include "lib/string.h"
#include "lib/symbols.h"

enum {
	SUMMARY_BYTES = 192,

	/* SDM 3A 4.7 */
	ERROR_PRESENT = 1 << 0,
	ERROR_WRITE = 1 << 1,
	ERROR_USER = 1 << 2,
	CS_RPL = 3, /* of a selector: SDM 3A 3.4.2 */
	ERROR_RESERVED = 1 << 3,
	ERROR_FETCH = 1 << 4,

	NMI_STATUS_PORT = 0x61, /* of the chipset: the source of an NMI */
	NMI_SERR = 1 << 7,
	NMI_IOCHK = 1 << 6,

	NESTED_MAX = 2,
};

static void (*explainer)(const struct fault *f, char *summary, size_t size);
static err_t (*resolver)(vaddr_t va, enum fault_access access);
static void (*refuser)(const struct fault *f, err_t why) __noreturn;
static PER_CPU(unsigned, depth); /* of exceptions whose handling has not reached panic() */

static const char *const exception_names[TRAP_EXCEPTIONS] = {
	"divide error",
	"debug",
	"NMI",
	"breakpoint",
	"overflow",
	"BOUND range exceeded",
	"invalid opcode",
	"device not available",
	"double fault",
	"coprocessor segment overrun",
	"invalid TSS",
	"segment not present",
	"stack-segment fault",
	"general protection",
	"page fault",
	"reserved (15)",
	"x87 floating-point error",
	"alignment check",
	"machine check",
	"SIMD floating-point error",
	"virtualization",
	"control protection",
	"reserved (22)",
	"reserved (23)",
	"reserved (24)",
	"reserved (25)",
	"reserved (26)",
	"reserved (27)",
	"hypervisor injection",
	"VMM communication",
	"security",
	"reserved (31)",
};

void fault_set_explainer(void (*explain)(const struct fault *f, char *summary, size_t size))
{
	explainer = explain;
}

void fault_settled(void)
{
	this_cpu(depth) = 0;
}

static void print_registers(const struct trap_frame *f)
{
	print("  rip %016lx  rsp %016lx  rflags %08lx\n", f->rip, f->rsp, f->rflags);
	print("  rax %016lx  rbx %016lx  rcx %016lx  rdx %016lx\n", f->rax, f->rbx, f->rcx, f->rdx);
	print("  rsi %016lx  rdi %016lx  rbp %016lx  r8  %016lx\n", f->rsi, f->rdi, f->rbp, f->r8);
	print("  r9  %016lx  r10 %016lx  r11 %016lx  r12 %016lx\n", f->r9, f->r10, f->r11, f->r12);
	print("  r13 %016lx  r14 %016lx  r15 %016lx\n", f->r13, f->r14, f->r15);
	print("  cr2 %016lx  cr3 %016lx  cr4 %08lx\n", read_cr2(), read_cr3(), read_cr4());
}

/* ---- accesses to memory ---- */

static enum fault_access access_of(uint64_t error)
{
	if ((error & ERROR_FETCH) != 0)
		return FAULT_EXECUTE;
	return (error & ERROR_WRITE) != 0 ? FAULT_WRITE : FAULT_READ;
}

static struct fault fault_of(const struct trap_frame *f, uint64_t cr2)
{
	struct fault fault = {
		.access = FAULT_READ,
		.address = cr2,
		.ip = f->rip,
		.guarded = stack_guard_name(cr2),
		.root = paddr(read_cr3() & PTE_ADDRESS),
		.levels = arch_pt_levels(),
	};

	if (f->vector == VECTOR_DOUBLE_FAULT) {
		/* the CPU itself, while it pushed the frame of a first exception */
		fault.access = FAULT_WRITE;
		return fault;
	}
	fault.present = (f->error & ERROR_PRESENT) != 0;
	fault.reserved = (f->error & ERROR_RESERVED) != 0;
	fault.user = (f->error & ERROR_USER) != 0;
	fault.access = access_of(f->error);
	return fault;
}

static void explain_access(const struct trap_frame *f, uint64_t cr2, char *summary, size_t size)
{
	struct fault fault = fault_of(f, cr2);

	if (fault.guarded != NULL)
		print_to(summary, size,
			 "stack overflow: %#lx lies in the guard page below the %s stack", cr2,
			 fault.guarded);
	if (explainer != NULL)
		explainer(&fault, summary, size);
	else
		print("keel: %s: address %#lx, error code %#lx\n", exception_names[f->vector], cr2,
		      f->error);
	if (percpu_nowhere_has(cr2))
		print_to(summary, size,
			 "a per-CPU variable was used before this CPU's area was set up (%#lx)",
			 cr2);
}

/* ---- the others ---- */

/* A non-canonical address is not in CR2, but usually in a register. */
static void print_suspects(const struct trap_frame *f, char *summary, size_t size)
{
	const struct {
		const char *name;
		uint64_t value;
	} r[] = {
		{ "rax", f->rax }, { "rbx", f->rbx }, { "rcx", f->rcx }, { "rdx", f->rdx },
		{ "rsi", f->rsi }, { "rdi", f->rdi }, { "rbp", f->rbp }, { "rsp", f->rsp },
		{ "r8", f->r8 },   { "r9", f->r9 },   { "r10", f->r10 }, { "r11", f->r11 },
		{ "r12", f->r12 }, { "r13", f->r13 }, { "r14", f->r14 }, { "r15", f->r15 },
		{ "rip", f->rip },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(r); i++) {
		if (pte_is_canonical(r[i].value, arch_pt_levels()))
			continue;
		print("keel:   %s = %016lx is not a canonical address\n", r[i].name, r[i].value);
		if (summary[0] == '\0')
			print_to(summary, size,
				 "wild pointer: %s = %#lx is not a canonical address", r[i].name,
				 r[i].value);
	}
}

static void explain_protection(const struct trap_frame *f, char *summary, size_t size)
{
	if (f->error != 0) {
		print("keel:   error code %#lx: selector %#lx%s\n", f->error, f->error & ~7ul,
		      (f->error & 2) != 0 ? " of the IDT" : "");
		return;
	}
	print("keel:   likely cause: an address that is not canonical, or an instruction that is "
	      "not allowed\n");
	print_suspects(f, summary, size);
}

/* The instruction at rip: compilers put traps where behaviour is undefined. */
static void explain_opcode(const struct trap_frame *f, char *summary, size_t size)
{
	enum {
		UD2 = 0x0b0f,
		CLANG_UBSAN = 0x40b90f67, /* ud1 with the number of the check as displacement */
	};
	uint64_t code;

	if (arch_probe_read64(f->rip, &code) != OK) {
		print("keel:   the instruction cannot be read\n");
		return;
	}
	print("keel:   instruction bytes, first at the right: %016lx\n", code);
	if ((code & 0xffff) == UD2)
		print_to(summary, size,
			 "ud2: a compiler's check of undefined behaviour, or a trap on purpose");
	else if ((code & 0xffffffff) == CLANG_UBSAN)
		print_to(summary, size,
			 "ud1: the compiler's check number %lu of undefined behaviour",
			 code >> 32 & 0xff);
	print("keel:   likely cause: %s\n",
	      summary[0] != '\0' ? summary : "a jump into something that is no code");
}

static void explain_machine_check(char *summary, size_t size)
{
	unsigned n = machine_check_print();

	print_to(summary, size, "machine check: %u banks hold errors of the hardware", n);
}

static void nmi(const struct trap_frame *f)
{
	uint8_t status = inb(NMI_STATUS_PORT);
	char name[SYMBOL_TEXT_BYTES];

	symbols_format(f->rip, name, sizeof(name));
	warn("NMI at %#lx %s, %s; going on", f->rip, name,
	     (status & NMI_SERR) != 0    ? "source: system error (SERR)"
	     : (status & NMI_IOCHK) != 0 ? "source: I/O channel check"
					 : "no source is reported");
}

/* ---- all of them ---- */

static void explain(const struct trap_frame *f, uint64_t cr2, char *summary, size_t size)
{
	switch (f->vector) {
	case VECTOR_PAGE_FAULT:
	case VECTOR_DOUBLE_FAULT: explain_access(f, cr2, summary, size); break;
	case VECTOR_GENERAL_PROTECTION:
	case VECTOR_STACK_SEGMENT: explain_protection(f, summary, size); break;
	case VECTOR_INVALID_OPCODE: explain_opcode(f, summary, size); break;
	case VECTOR_DIVIDE_ERROR:
		print("keel:   likely cause: a division by zero, or a quotient that is too "
		      "large\n");
		break;
	case VECTOR_MACHINE_CHECK: explain_machine_check(summary, size); break;
	default: print("keel:   error code %#lx\n", f->error);
	}
}

static void remember_where(const struct trap_frame *f)
{
	struct backtrace b;

	backtrace_of(&b, f->rip, f->rbp, f->rsp);
	backtrace_remember(&b);
}

/* print() and panic() may be what fails. */
static void one_line_and_stop(void) __noreturn;
static void one_line_and_stop(void)
{
	static const char line[] = "\nkeel: panic: exception within exception; halted\n";

	if (this_cpu(depth) == NESTED_MAX + 1)
		arch_console_write(line, sizeof(line) - 1);
	halt_for_ever();
}

static void fatal(const struct trap_frame *f, uint64_t cr2) __noreturn;
static void fatal(const struct trap_frame *f, uint64_t cr2)
{
	const char *what = exception_names[f->vector];
	char summary[SUMMARY_BYTES] = "", name[SYMBOL_TEXT_BYTES];

	if (++this_cpu(depth) > NESTED_MAX)
		one_line_and_stop();
	symbols_format(f->rip, name, sizeof(name));
	if (this_cpu(depth) == NESTED_MAX)
		panic("%s at %#lx %s, while another exception was being explained", what, f->rip,
		      name);
	print("\nkeel: exception %lu: %s at %016lx %s\n", f->vector, what, f->rip, name);
	explain(f, cr2, summary, sizeof(summary));
	print_registers(f);
	remember_where(f);
	this_cpu(depth) = 0;
	if (summary[0] != '\0')
		panic("%s; %s at %s", summary, what, name);
	panic("%s at %#lx %s", what, f->rip, name);
}

/* ---- the user half ---- */

void fault_set_resolver(err_t (*resolve)(vaddr_t va, enum fault_access access))
{
	resolver = resolve;
}

/* User code, or a checked copy of the kernel with AC set.  Any other kernel access to a user
 * address is a bug, and would fault again after the page was mapped. */
static bool may_use_user_memory(const struct trap_frame *f)
{
	if ((f->error & ERROR_USER) != 0)
		return true;
	return (f->error & ERROR_FETCH) == 0 && probe_may_fault(f->rip) &&
	       (!uaccess_has_smap || (f->rflags & RFLAGS_AC) != 0);
}

/* OK: the access is to be tried again. */
static err_t resolve(const struct trap_frame *f, uint64_t cr2)
{
	bool had_interrupts = (f->rflags & RFLAGS_IF) != 0;
	err_t err;

	if ((f->error & ERROR_RESERVED) != 0 || !may_use_user_memory(f))
		return ERR_DENIED;
	if (resolver == NULL)
		return (f->error & ERROR_PRESENT) != 0 ? ERR_DENIED : ERR_NOT_FOUND;
	if (had_interrupts)
		arch_irq_on();
	err = resolver(cr2, access_of(f->error));
	if (had_interrupts)
		(void)arch_irq_save();
	return err;
}

/* Not in user code: to the caller of a copy, or a panic. */
static bool is_user_code(const struct trap_frame *f)
{
	return (f->cs & CS_RPL) != 0;
}

static bool may_resume(const struct trap_frame *f)
{
	return f->vector == VECTOR_PAGE_FAULT || f->vector == VECTOR_GENERAL_PROTECTION ||
	       f->vector == VECTOR_STACK_SEGMENT;
}

static void refuse_user(const struct trap_frame *f, uint64_t cr2, err_t why)
{
	struct fault fault = fault_of(f, cr2);

	interrupts_on();
	refuser(&fault, why);
}

void fault_set_refuser(void (*refuse)(const struct fault *f, err_t why) __noreturn)
{
	refuser = refuse;
}

void fault_enter(struct trap_frame *f)
{
	uint64_t cr2 = read_cr2();
	err_t why = ERR_BAD_RANGE; /* an address outside the user's half */

	/* there are no such addresses while a CPU has no variables */
	if (f->vector == VECTOR_PAGE_FAULT && cr2 < PT_HALF_BYTES(PT_LEVEL_MAX)) {
		why = resolve(f, cr2);
		if (why == OK)
			return;
	}
	/* a CPU without per-CPU variables uses the first CPU's */
	if (percpu_is_nowhere())
		percpu_use(percpu_bias_of(0));
	if ((may_resume(f) && probe_resume(f, why)) || trap_filtered(f, cr2))
		return;
	if (f->vector == VECTOR_NMI && smp_is_stopping())
		smp_stop_here(f);
	else if (f->vector == VECTOR_NMI)
		nmi(f);
	else if (is_user_code(f) && refuser != NULL)
		refuse_user(f, cr2, why);
	else
		fatal(f, cr2);
}
