/* SPDX-License-Identifier: MIT */
#include "arch/x86_64/uaccess.h"

#include "arch/arch.h"
#include "arch/x86_64/probe.h"
#include "lib/panic.h"

/* SDM 2A CPUID, leaf 7. */
#define CPUID_FEATURES_LEAF 7
#define CPUID_SMEP          (UINT32_C(1) << 7)  /* ebx */
#define CPUID_SMAP          (UINT32_C(1) << 20) /* ebx */
#define CPUID_UMIP          (UINT32_C(1) << 2)  /* ecx */

enum {
	WORD = sizeof(uint64_t),
};

bool uaccess_has_smap;

/* All clear on a CPU without that leaf: it would return another leaf's values. */
static struct cpuid features(void)
{
	if (cpuid(0, 0).eax < CPUID_FEATURES_LEAF)
		return (struct cpuid){ 0 };
	return cpuid(CPUID_FEATURES_LEAF, 0);
}

static void open_gate(void)
{
	if (uaccess_has_smap)
		__asm__ volatile("stac" : : : "memory", "cc");
}

static void close_gate(void)
{
	if (uaccess_has_smap)
		__asm__ volatile("clac" : : : "memory", "cc");
}

void uaccess_init(void)
{
	uaccess_has_smap = (features().ebx & CPUID_SMAP) != 0;
}

void uaccess_init_cpu(void)
{
	struct cpuid f = features();
	uint64_t cr4 = read_cr4();

	cr4 |= (f.ebx & CPUID_SMEP) != 0 ? CR4_SMEP : 0u;
	cr4 |= uaccess_has_smap ? CR4_SMAP : 0u;
	cr4 |= (f.ecx & CPUID_UMIP) != 0 ? CR4_UMIP : 0u;
	write_cr4(cr4);
	close_gate(); /* firmware may have left it open */
}

/* The caller has checked that the range is in the user half. */
static bool is_users(vaddr_t va, size_t n)
{
	return n <= pt_half_bytes(arch_pt_levels()) && va <= pt_half_bytes(arch_pt_levels()) - n;
}

/* Words, then the remaining bytes.  A word that faults may cross two pages of which one is present;
 * its bytes are copied one by one, so that the result is exact.  After a fault the registers show
 * the progress of the instruction (SDM 2B REP), and rdx has the error (probe.h); that of a word
 * does not count, as its bytes are tried again. */
static struct user_copied copy(vaddr_t to, vaddr_t from, size_t n)
{
	size_t left = n / WORD;
	uint64_t err;

	open_gate();
	__asm__ volatile("1: rep movsq\n\t"
			 "2: leaq (%4, %%rcx, 8), %%rcx\n\t"
			 "xorl %%edx, %%edx\n\t"
			 "3: rep movsb\n\t"
			 "4:\n\t" USER_EXCEPTION_ENTRY(1b, 2b) "\n\t" USER_EXCEPTION_ENTRY(3b, 4b)
			 : "+D"(to), "+S"(from), "+c"(left), "=&d"(err)
			 : "r"(n % WORD)
			 : "memory", "cc");
	close_gate();
	return (struct user_copied){ n - left, (err_t)err };
}

struct user_copied arch_copy_from_user(void *to, vaddr_t from, size_t n)
{
	DASSERT(is_users(from, n));
	return copy((vaddr_t)to, from, n);
}

struct user_copied arch_copy_to_user(vaddr_t to, const void *from, size_t n)
{
	DASSERT(is_users(to, n));
	return copy(to, (vaddr_t)from, n);
}

struct user_copied arch_clear_user(vaddr_t to, size_t n)
{
	size_t left = n / WORD;
	uint64_t err;

	DASSERT(is_users(to, n));
	open_gate();
	__asm__ volatile("1: rep stosq\n\t"
			 "2: leaq (%3, %%rcx, 8), %%rcx\n\t"
			 "xorl %%edx, %%edx\n\t"
			 "3: rep stosb\n\t"
			 "4:\n\t" USER_EXCEPTION_ENTRY(1b, 2b) "\n\t" USER_EXCEPTION_ENTRY(3b, 4b)
			 : "+D"(to), "+c"(left), "=&d"(err)
			 : "r"(n % WORD), "a"(UINT64_C(0))
			 : "memory", "cc");
	close_gate();
	return (struct user_copied){ n - left, (err_t)err };
}
