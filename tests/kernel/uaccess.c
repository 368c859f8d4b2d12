/* SPDX-License-Identifier: MIT */
/* Tests of user memory access on the real machine: copies that fault, SMEP, SMAP and CR0.WP.  There
 * is no user space here: a few user pages are mapped in the lower half of the kernel's table. */
#include "arch/x86_64/uaccess.h"

#include "arch/arch.h"
#include "kern/call.h"
#include "kern/cpu.h"
#include "arch/x86_64/trap.h"
#include "lib/string.h"
#include "mm/kspace/kspace.h"
#include "mm/vm/io.h"
#include "tests/machine.h"
#include "tests/test.h"

enum {
	PAGES = 3,     /* the last is never mapped */
	SPAN = 40,     /* bytes on each side of a page boundary */
	RETURN = 0xc3, /* SDM 2B RET */

	/* SDM 3A 4.7 */
	ERROR_PRESENT = 1,
	ERROR_WRITE = 2,
	ERROR_FETCH = 16,
};
#define BASE    UINT64_C(0x0000123456789000)
#define USER_RW (PROP_READ | PROP_WRITE | PROP_USER)

/* ---- user pages ---- */

static struct frame *frames[PAGES - 1];

/* No other code uses the lower half, and its root entries are free: no lock is needed. */
static struct page_table *table(void)
{
	return (struct page_table *)(uintptr_t)kspace_table();
}

static bool map_page(unsigned page, uint8_t flags)
{
	struct cursor c;
	struct frame *f = frame_alloc(FRAME_TEST);
	err_t err;

	if (f == NULL)
		return false;
	memset(arch_direct(frame_paddr(f)), 'a' + (int)page, PAGE_SIZE);
	err = cursor_open(&c, table(), (struct vrange){ BASE + page * PAGE_SIZE, PAGE_SIZE }, NULL);
	if (err == OK) {
		err = cursor_map(&c, f, (struct page_prop){ flags, MEM_WRITE_BACK });
		cursor_close(&c);
	}
	frames[page] = f;
	return err == OK;
}

static bool map_pages(uint8_t first, uint8_t second)
{
	return map_page(0, first) && map_page(1, second);
}

static void unmap_pages(void)
{
	struct cursor c;
	struct tlb_batch gone;

	tlb_batch_init(&gone, &tlb_kernel_space);
	CHECK_EQ(cursor_open(&c, table(), (struct vrange){ BASE, PAGES * PAGE_SIZE }, &gone), OK);
	CHECK_EQ(cursor_unmap(&c, PAGES * PAGE_SIZE), OK);
	cursor_close(&c);
	tlb_batch_finish(&gone);
}

static char *bytes_of(unsigned page)
{
	return arch_direct(frame_paddr(frames[page]));
}

static bool all_are(const char *p, char c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != c)
			return false;
	return true;
}

/* ---- copies ---- */

/* Access n bytes that start `before` bytes before the end of the last mapped page. */
static bool stops_at_the_hole(size_t before, size_t n)
{
	vaddr_t at = BASE + 2 * PAGE_SIZE - before;
	char buffer[2 * SPAN], *there = bytes_of(1) + PAGE_SIZE - before;
	bool right;

	memset(bytes_of(1), 'b', PAGE_SIZE);
	memset(buffer, '-', sizeof(buffer));
	right = arch_copy_from_user(buffer, at, n).done == before && all_are(buffer, 'b', before) &&
		all_are(buffer + before, '-', sizeof(buffer) - before);
	memset(buffer, 'w', sizeof(buffer));
	right &= arch_copy_to_user(at, buffer, n).done == before && all_are(there, 'w', before);
	right &= arch_clear_user(at, n).done == before && all_are(there, '\0', before);
	return right && there[-1] == 'b';
}

TEST(uaccess_copies_stop_exactly_at_the_first_unmapped_byte)
{
	unsigned wrong = 0;

	NEED(map_pages(USER_RW, USER_RW));
	for (size_t before = 0; before <= SPAN; before++)
		for (size_t after = 0; after <= SPAN; after += 5)
			wrong += !stops_at_the_hole(before, before + after);
	CHECK_EQ(wrong, 0);
	unmap_pages();
}

TEST(uaccess_copies_stop_at_a_page_that_is_read_only)
{
	char buffer[2 * SPAN];

	NEED(map_pages(USER_RW, PROP_READ | PROP_USER));
	memset(buffer, 'w', sizeof(buffer));
	for (size_t before = 0; before <= SPAN; before++) {
		vaddr_t at = BASE + PAGE_SIZE - before;

		CHECK_EQ(arch_copy_to_user(at, buffer, before + SPAN).done, before);
		CHECK_EQ(arch_clear_user(at, before + SPAN).done, before);
		CHECK_EQ(arch_copy_from_user(buffer, at, before + SPAN).done, before + SPAN);
		CHECK(all_are(buffer + before, 'b', SPAN));
		memset(buffer, 'w', sizeof(buffer));
	}
	CHECK(all_are(bytes_of(1), 'b', PAGE_SIZE));
	unmap_pages();
}

TEST(uaccess_copies_cross_mapped_pages)
{
	static char buffer[2 * PAGE_SIZE];
	struct ledger before = machine_ledger();

	NEED(map_pages(USER_RW, USER_RW));
	CHECK_EQ(arch_copy_from_user(buffer, BASE, sizeof(buffer)).done, sizeof(buffer));
	CHECK(all_are(buffer, 'a', PAGE_SIZE) && all_are(buffer + PAGE_SIZE, 'b', PAGE_SIZE));
	memset(buffer, 'w', sizeof(buffer));
	CHECK_EQ(arch_copy_to_user(BASE + 3, buffer, PAGE_SIZE + 2).done, PAGE_SIZE + 2);
	CHECK(all_are(bytes_of(0), 'a', 3) && all_are(bytes_of(0) + 3, 'w', PAGE_SIZE - 3));
	CHECK(all_are(bytes_of(1), 'w', 5) && all_are(bytes_of(1) + 5, 'b', PAGE_SIZE - 5));
	CHECK_EQ(arch_clear_user(BASE + 1, PAGE_SIZE).done, PAGE_SIZE);
	CHECK(bytes_of(0)[0] == 'a' && all_are(bytes_of(0) + 1, '\0', PAGE_SIZE - 1));
	CHECK(bytes_of(1)[0] == '\0' && bytes_of(1)[1] == 'w');
	CHECK_EQ(arch_copy_from_user(buffer, BASE + 2 * PAGE_SIZE, 1).done, 0);
	CHECK_EQ(arch_copy_from_user(buffer, BASE + 2 * PAGE_SIZE, 0).done, 0);
	unmap_pages();
	CHECK_LEDGER(&before);
	/* nothing is mapped any more; nor at the ends of the user half */
	CHECK_EQ(arch_copy_from_user(buffer, BASE, 8).done, 0);
	CHECK_EQ(arch_copy_from_user(buffer, PAGE_SIZE, 8).done, 0);
	CHECK_EQ(arch_copy_from_user(buffer, pt_half_bytes(arch_pt_levels()) - 8, 8).done, 0);
}

/* ---- readers and writers of user memory ---- */

TEST(uaccess_readers_and_writers_stop_at_a_hole)
{
	struct vm_reader r;
	struct vm_writer w;
	uint64_t value = 5;
	size_t done;

	NEED(map_pages(USER_RW, USER_RW));
	/* user to user, longer than the bounce buffer, with the hole in the source */
	CHECK_EQ(vm_reader_of_user(&r, BASE + 2 * PAGE_SIZE - 1001, PAGE_SIZE), OK);
	CHECK_EQ(vm_writer_of_user(&w, BASE + 1, PAGE_SIZE), OK);
	CHECK_EQ(vm_copy(&w, &r, &done), ERR_NOT_FOUND);
	CHECK_EQ(done, 1001);
	CHECK_EQ(vm_writer_left(&w), PAGE_SIZE - 1001);
	CHECK(all_are(bytes_of(0) + 1, 'b', 1001) && bytes_of(0)[1002] == 'a');
	/* and in the destination */
	CHECK_EQ(vm_reader_of_user(&r, BASE + 1002, PAGE_SIZE), OK);
	CHECK_EQ(vm_writer_of_user(&w, BASE + 2 * PAGE_SIZE - 777, PAGE_SIZE), OK);
	CHECK_EQ(vm_copy(&w, &r, &done), ERR_NOT_FOUND);
	CHECK_EQ(done, 777);
	CHECK_EQ(vm_reader_left(&r), PAGE_SIZE - 777);
	CHECK(all_are(bytes_of(1) + PAGE_SIZE - 777, 'a', 777));
	/* a partly mapped value is not read */
	CHECK_EQ(vm_reader_of_user(&r, BASE + 2 * PAGE_SIZE - 12, 16), OK);
	CHECK_EQ(vm_read_value(&r, &value), OK);
	CHECK_EQ(value, UINT64_C(0x6161616161616161));
	CHECK_EQ(vm_read_value(&r, &value), ERR_NOT_FOUND);
	CHECK_EQ(value, 0);
	CHECK_EQ(vm_reader_left(&r), 8);
	unmap_pages();
	/* nothing is mapped */
	CHECK_EQ(vm_reader_of_user(&r, BASE, 8), OK);
	CHECK_EQ(vm_read_value(&r, &value), ERR_NOT_FOUND);
	CHECK_EQ(vm_reader_of_user(&r, (vaddr_t)frames, 8), ERR_BAD_RANGE);
	CHECK_EQ(vm_writer_of_user(&w, (vaddr_t)frames, 8), ERR_BAD_RANGE);
}

/* ---- access that the CPU refuses ---- */

static void *resume[5];
static struct {
	uint64_t vector, error, cr2, flags_there, flags_saved;
} seen;

static bool record_and_leave(struct trap_frame *frame, uint64_t cr2)
{
	seen.vector = frame->vector;
	seen.error = frame->error;
	seen.cr2 = cr2;
	seen.flags_there = read_rflags();
	seen.flags_saved = frame->rflags;
	if (frame->vector == VECTOR_BREAKPOINT)
		return true;
	__builtin_longjmp(resume, 1);
}

static __noinline void provoke(void (*fn)(void))
{
	memset(&seen, 0xff, sizeof(seen));
	trap_set_filter(record_and_leave);
	if (__builtin_setjmp(resume) == 0)
		fn();
	trap_set_filter(NULL);
	interrupts_on();
}

/* Supported features, enabled or not: SDM 2A CPUID, leaf 7. */
static uint32_t features(void)
{
	return cpuid(0, 0).eax < 7 ? 0 : cpuid(7, 0).ebx;
}

static bool has_smep(void)
{
	return (features() >> 7 & 1) != 0;
}

static bool has_smap(void)
{
	return (features() >> 20 & 1) != 0;
}

static void read_user(void)
{
	__asm__ volatile("movq (%0), %%rax" : : "r"(BASE) : "rax");
}

static void write_user(void)
{
	__asm__ volatile("movq %%rax, (%0)" : : "r"(BASE) : "memory");
}

static void run_user(void)
{
	__asm__ volatile("call *%0" : : "r"(BASE) : "memory");
}

static const uint64_t constant = 5;

static void write_constant(void)
{
	__asm__ volatile("movq %%rax, (%0)" : : "r"(&constant) : "memory");
}

static void break_with_the_gate_open(void)
{
	__asm__ volatile("stac; int3; clac" : : : "memory", "cc");
}

TEST(uaccess_kernel_cannot_touch_user_pages_but_by_a_copy)
{
	char buffer[8];

	if (!has_smap()) {
		test_skip("the CPU has no SMAP");
		return;
	}
	NEED(map_pages(USER_RW, USER_RW));
	provoke(read_user);
	CHECK_EQ(seen.vector, VECTOR_PAGE_FAULT);
	CHECK_EQ(seen.cr2, BASE);
	CHECK_EQ(seen.error, ERROR_PRESENT);
	provoke(write_user);
	CHECK_EQ(seen.vector, VECTOR_PAGE_FAULT);
	CHECK_EQ(seen.error, ERROR_PRESENT | ERROR_WRITE);
	/* SMAP is in effect again after a copy, with and without a fault */
	CHECK_EQ(arch_copy_from_user(buffer, BASE, 8).done, 8);
	provoke(read_user);
	CHECK_EQ(seen.error, ERROR_PRESENT);
	CHECK_EQ(arch_clear_user(BASE + 2 * PAGE_SIZE - 3, 8).done, 3);
	provoke(read_user);
	CHECK_EQ(seen.error, ERROR_PRESENT);
	unmap_pages();
}

TEST(uaccess_kernel_cannot_run_user_pages)
{
	if (!has_smep()) {
		test_skip("the CPU has no SMEP");
		return;
	}
	NEED(map_pages(PROP_READ | PROP_USER | PROP_EXECUTE, USER_RW));
	memset(bytes_of(0), RETURN, PAGE_SIZE);
	provoke(run_user);
	CHECK_EQ(seen.vector, VECTOR_PAGE_FAULT);
	CHECK_EQ(seen.cr2, BASE);
	CHECK_EQ(seen.error, ERROR_PRESENT | ERROR_FETCH);
	unmap_pages();
}

TEST(uaccess_kernel_cannot_write_what_is_read_only)
{
	provoke(write_constant);
	CHECK_EQ(seen.vector, VECTOR_PAGE_FAULT);
	CHECK_EQ(seen.cr2, (vaddr_t)&constant);
	CHECK_EQ(seen.error, ERROR_PRESENT | ERROR_WRITE);
}

TEST(uaccess_handlers_start_with_the_gate_closed)
{
	if (!has_smap()) {
		test_skip("the CPU has no SMAP");
		return;
	}
	provoke(break_with_the_gate_open);
	CHECK_EQ(seen.vector, VECTOR_BREAKPOINT);
	CHECK_EQ(seen.flags_saved & RFLAGS_AC, RFLAGS_AC);
	CHECK_EQ(seen.flags_there & RFLAGS_AC, 0);
	CHECK_EQ(read_rflags() & RFLAGS_AC, 0);
}

static _Atomic uint64_t missing[ARCH_MAX_CPUS];
static _Atomic unsigned checked;

/* Features of SDM 2A CPUID leaf 7, and CR0.WP, are enabled. */
static void check_features(void *unused)
{
	struct cpuid f = cpuid(7, 0);
	uint64_t want = 0;

	(void)unused;
	want |= (f.ebx >> 7 & 1) << 20;  /* SMEP */
	want |= (f.ebx >> 20 & 1) << 21; /* SMAP */
	want |= (f.ecx >> 2 & 1) << 11;  /* UMIP */
	missing[arch_cpu_id()] = (want & ~read_cr4()) | (~read_cr0() & CR0_WP);
	checked++;
}

TEST(uaccess_supported_protections_are_enabled_on_every_cpu)
{
	unsigned cpus = cpu_count();

	if (cpuid(0, 0).eax < 7) {
		test_skip("the CPU has no CPUID leaf 7");
		return;
	}
	checked = 0;
	CHECK_EQ(call_on_cpus_wait(check_features, NULL), cpus);
	CHECK_EQ(checked, cpus);
	for (unsigned cpu = 0; cpu < cpus; cpu++)
		CHECK_EQ(missing[cpu], 0);
	test_diag("SMEP %lu, SMAP %lu, UMIP %lu", read_cr4() >> 20 & 1, read_cr4() >> 21 & 1,
		  read_cr4() >> 11 & 1);
}
