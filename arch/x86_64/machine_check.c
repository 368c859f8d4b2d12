/* SPDX-License-Identifier: MIT */
#include "arch/x86_64/machine_check.h"

#include "arch/x86_64/cpu.h"
#include "arch/x86_64/probe.h"
#include "lib/print.h"

enum {
	CPUID_FEATURES = 1,
	CPUID_EDX_MCE = 1 << 7,
	CPUID_EDX_MCA = 1 << 14,
	CR4_MCE = 1 << 6,

	/* SDM 4, table 2-2; the four of bank n are at + 4 n */
	MSR_MCG_CAP = 0x179,
	MSR_MCG_STATUS = 0x17a,
	MSR_MCG_CTL = 0x17b,
	MSR_MC0_CTL = 0x400,
	MSR_MC0_STATUS = 0x401,
	MSR_MC0_ADDR = 0x402,
	MSRS_PER_BANK = 4,

	MCG_CAP_BANKS = 0xff,
	MCG_CAP_CTL = 1 << 8, /* MCG_CTL is there */
	WORDS_BYTES = 160,
};
#define STATUS_VALID       (UINT64_C(1) << 63)
#define STATUS_OVERFLOW    (UINT64_C(1) << 62)
#define STATUS_UNCORRECTED (UINT64_C(1) << 61)
#define STATUS_HAS_ADDRESS (UINT64_C(1) << 58)
#define STATUS_PCC         (UINT64_C(1) << 57) /* processor context corrupt */

static const char *const levels[] = { "level 0", "level 1", "level 2", "generic level" };
static const char *const kinds[] = { "instruction", "data", "generic", "?" };

static const char *request(unsigned rrrr)
{
	static const char *const names[] = { "error",     "read",       "write",
					     "data read", "data write", "instruction fetch",
					     "prefetch",  "evict",      "snoop" };

	return rrrr < sizeof(names) / sizeof(names[0]) ? names[rrrr] : "?";
}

static const char *memory_operation(unsigned mmm)
{
	static const char *const names[] = { "error", "read", "write", "address or command",
					     "scrubbing" };

	return mmm < sizeof(names) / sizeof(names[0]) ? names[mmm] : "?";
}

/* The compound codes, by their highest bit: SDM 3B 16.9.2. */
static void error_words(unsigned code, char *text, size_t size)
{
	const char *level = levels[code & 3], *kind = kinds[code >> 2 & 3];

	if ((code & 0xe800) == 0x0800)
		print_to(text, size, "bus or interconnect %s", request(code >> 4 & 0xf));
	else if ((code & 0xef00) == 0x0100)
		print_to(text, size, "%s cache %s %s", kind, level, request(code >> 4 & 0xf));
	else if ((code & 0xef80) == 0x0080)
		print_to(text, size, "memory controller %s, channel %u",
			 memory_operation(code >> 4 & 7), code & 0xf);
	else if ((code & 0xeff0) == 0x0010)
		print_to(text, size, "%s TLB %s", kind, level);
	else if ((code & 0xeffc) == 0x000c)
		print_to(text, size, "cache %s", level);
	else
		print_to(text, size, "internal error");
}

void machine_check_words(uint64_t status, char *text, size_t size)
{
	char what[WORDS_BYTES];

	error_words((unsigned)status & 0xffff, what, sizeof(what));
	print_to(text, size, "%s%s%s: %s (code %#lx, model's own %#lx)",
		 (status & STATUS_UNCORRECTED) != 0 ? "uncorrected" : "corrected by hardware",
		 (status & STATUS_PCC) != 0 ? ", the CPU's state is lost" : "",
		 (status & STATUS_OVERFLOW) != 0 ? ", others before it went unseen" : "", what,
		 status & 0xffff, status >> 16 & 0xffff);
}

static unsigned banks(void)
{
	struct cpuid c = cpuid(CPUID_FEATURES, 0);
	uint64_t cap;

	if ((c.edx & CPUID_EDX_MCE) == 0 || (c.edx & CPUID_EDX_MCA) == 0 ||
	    probe_rdmsr(MSR_MCG_CAP, &cap) != OK)
		return 0;
	return (unsigned)cap & MCG_CAP_BANKS;
}

unsigned machine_check_print(void)
{
	unsigned n = banks(), found = 0;
	uint64_t status, address;
	char words[WORDS_BYTES];

	for (uint32_t i = 0; i < n; i++) {
		if (probe_rdmsr(MSR_MC0_STATUS + i * MSRS_PER_BANK, &status) != OK ||
		    (status & STATUS_VALID) == 0)
			continue;
		machine_check_words(status, words, sizeof(words));
		print("keel: machine check bank %u: %s", i, words);
		if ((status & STATUS_HAS_ADDRESS) != 0 &&
		    probe_rdmsr(MSR_MC0_ADDR + i * MSRS_PER_BANK, &address) == OK)
			print(" at %#lx", address);
		print("\n");
		(void)probe_wrmsr(MSR_MC0_STATUS + i * MSRS_PER_BANK,
				  0); /* readable, so it exists */
		found++;
	}
	if (n != 0)
		(void)probe_wrmsr(MSR_MCG_STATUS, 0); /* else the next one would stop the CPU */
	return found;
}

void machine_check_enable(void)
{
	unsigned n = banks();
	uint64_t cap;

	if (n == 0)
		return;
	(void)machine_check_print();
	if (probe_rdmsr(MSR_MCG_CAP, &cap) == OK && (cap & MCG_CAP_CTL) != 0)
		(void)probe_wrmsr(MSR_MCG_CTL, UINT64_MAX); /* some CPUs refuse: then all are on */
	for (uint32_t i = 0; i < n; i++)
		(void)probe_wrmsr(MSR_MC0_CTL + i * MSRS_PER_BANK, UINT64_MAX); /* as above */
	write_cr4(read_cr4() | CR4_MCE);
}
