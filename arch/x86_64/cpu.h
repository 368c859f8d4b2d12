/* SPDX-License-Identifier: MIT */
/*
 * cpu.h - one function per instruction that has no C equivalent.
 *
 * Each is exactly one access of one width (finding REM-03); "memory" clobbers are used if the
 * instruction orders or changes memory that C accesses.  Names are the SDM's.
 */
#pragma once

#include "lib/types.h"

/* SDM 3A 2.3, 2.5. */
enum {
	CR0_WP = 1 << 16,
	CR4_PAE = 1 << 5,
	CR4_PGE = 1 << 7,
	CR4_UMIP = 1 << 11,
	CR4_LA57 = 1 << 12,
	CR4_PCIDE = 1 << 17,
	CR4_SMEP = 1 << 20,
	CR4_SMAP = 1 << 21,
	RFLAGS_IF = 1 << 9,
	RFLAGS_AC = 1 << 18,
};

/* SDM 4, table 2-2. */
enum {
	MSR_APIC_BASE = 0x1b,
	MSR_MTRR_CAP = 0xfe,
	MSR_MTRR_PHYS_BASE = 0x200, /* base and mask of range n at + 2 n */
	MSR_PAT = 0x277,
	MSR_TSC_DEADLINE = 0x6e0,
	MSR_X2APIC_FIRST = 0x800,
};
#define MSR_EFER    0xc0000080u
#define MSR_GS_BASE 0xc0000101u
#define EFER_NXE    (UINT64_C(1) << 11)

static inline uint8_t inb(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline void outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static inline void outw(uint16_t port, uint16_t v)
{
	__asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port));
}

static inline uint16_t inw(uint16_t port)
{
	uint16_t v;

	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static inline void outl(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}

static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (uint64_t)high << 32 | low;
}

static inline void wrmsr(uint32_t msr, uint64_t v)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32))
			 : "memory");
}

static inline uint64_t rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

struct cpuid {
	uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid r;

	__asm__ volatile("cpuid"
			 : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
			 : "a"(leaf), "c"(subleaf));
	return r;
}

#define CR_READER(name)                                                                            \
	static inline uint64_t read_##name(void)                                                   \
	{                                                                                          \
		uint64_t v;                                                                        \
		__asm__ volatile("mov %%" #name ", %0" : "=r"(v) : : "memory");                    \
		return v;                                                                          \
	}
CR_READER(cr0)
CR_READER(cr2)
CR_READER(cr3)
CR_READER(cr4)
#undef CR_READER

static inline void write_cr3(uint64_t v)
{
	__asm__ volatile("mov %0, %%cr3" : : "r"(v) : "memory");
}

static inline void write_cr4(uint64_t v)
{
	__asm__ volatile("mov %0, %%cr4" : : "r"(v) : "memory");
}

static inline void invlpg(vaddr_t va)
{
	__asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

/* AMD APM 3, INVLPGB: ecx 0 is one page, edx 0 the context numbers that rax does not select. */
static inline void invlpgb(uint64_t rax)
{
	__asm__ volatile(".byte 0x0f, 0x01, 0xfe" : : "a"(rax), "c"(0), "d"(0) : "memory");
}

/* AMD APM 3, TLBSYNC. */
static inline void tlbsync(void)
{
	__asm__ volatile(".byte 0x0f, 0x01, 0xff" : : : "memory");
}

static inline void interrupts_on(void)
{
	__asm__ volatile("sti" : : : "memory");
}

static inline void interrupts_off(void)
{
	__asm__ volatile("cli" : : : "memory");
}

static inline uint64_t read_rflags(void)
{
	uint64_t v;

	__asm__ volatile("pushfq; popq %0" : "=r"(v) : : "memory");
	return v;
}

/* Wait for an interrupt with interrupts on; STI takes effect after HLT has begun (SDM 2B STI). */
static inline void interrupts_on_and_halt(void)
{
	__asm__ volatile("sti; hlt" : : : "memory");
}

/* Run fn(arg) on the stack that ends below `top`; the current stack is abandoned. */
static inline void __attribute__((noreturn))
run_on_stack(void *top, void (*fn)(void *arg), void *arg)
{
	__asm__ volatile("mov %0, %%rsp\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "call *%1\n\t"
			 "ud2"
			 :
			 : "r"(top), "r"(fn), "D"(arg)
			 : "memory");
	__builtin_unreachable();
}

static inline void halt(void)
{
	__asm__ volatile("hlt" : : : "memory");
}

/* Halt this CPU for ever; an NMI ends one turn of the loop only. */
static inline void __noreturn halt_for_ever(void)
{
	interrupts_off();
	for (;;)
		halt();
}
