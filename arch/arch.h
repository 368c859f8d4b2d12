/* SPDX-License-Identifier: MIT */
/*
 * arch.h - the seam: all that the portable code requires of a machine.
 *
 * arch/x86_64 is the real one.  arch/host is a Linux process: threads are CPUs, a
 * reserved address range is the MetaSlot array, interrupts are signals that an
 * interrupt flag masks.  `make seam` verifies that the portable folders link against this list and
 * lib/ only.
 *
 * Each implementation supplies arch_impl.h, which may define any of these as static
 * inline.  Unless stated otherwise, no function here allocates, sleeps or takes a
 * lock, and all may be called with interrupts off.
 */
#pragma once

#include "arch/irq.h"
#include "lib/err.h"
#include "lib/types.h"

enum {
	ARCH_MAX_CPUS = 256,
};

/* ---- this CPU ---- */

/* A number below ARCH_MAX_CPUS, stable while interrupts are off. */
static inline unsigned arch_cpu_id(void);

/* Disable interrupts; returns the state to restore.  Compiler barrier. */
static inline uintptr_t arch_irq_save(void);
static inline void arch_irq_restore(uintptr_t old);
/* Enable interrupts, on a stack that saved no state. */
static inline void arch_irq_on(void);
/* Whether the state returned by arch_irq_save had interrupts on. */
static inline bool arch_irq_was_on(uintptr_t old);
/* Whether interrupts are off now. */
static inline bool arch_irq_is_off(void);

/* One turn of a spin loop. */
static inline void arch_relax(void);

/* Wait for an interrupt.  Called and returns with interrupts off; in between they are on, and
 * pending interrupts are served.  May return spuriously. */
void arch_idle(void);

/* Interrupt another CPU, which then calls call_serve() (kern/call.h) with interrupts off, as soon
 * as it has them on.  ERR_NOT_FOUND: that CPU does not run, or a panic stopped it. */
err_t arch_call_interrupt(unsigned cpu);

/* Whether a panic stopped that CPU: it executes nothing any more. */
bool arch_cpu_is_stopped(unsigned cpu);

/* ---- CPUs and interrupts, for reports ----
 *
 * Of any CPU below cpu_count(); a value that is read while it changes may be the old one. */

struct arch_cpu_info {
	uint32_t id;          /* by which the machine names the CPU; x86-64: of its local APIC */
	uint64_t start_ticks; /* from the first start request until cpu_count() included the CPU;
				 0 for the first one */
	/* The longest interrupt handler, in ticks with interrupts off; 0: none is known. */
	uint64_t handler_ticks;
	unsigned handler_vector;
};
void arch_cpu_info(unsigned cpu, struct arch_cpu_info *out);

/* Times with interrupts off, by where they began and ended. */
struct arch_irq_off {
	uint64_t ticks; /* the longest */
	uintptr_t from, to;
	unsigned cpu; /* on which that was */
};
/* The i-th pair of places, in no order.  False: there are no more, or this build measures none. */
bool arch_irq_off_site(unsigned i, struct arch_irq_off *out);
/* Tests: this CPU's time with interrupts off begins again, as a panic left what it was in. */
void arch_irq_off_restart(void);

/* The interrupts that `cpu` received on `vector` < ARCH_VECTORS; wraps at 2^32.  0 for vectors of
 * exceptions. */
uint32_t arch_vector_count(unsigned cpu, unsigned vector);

/* The name of the machine's own handler of `vector`, which stays, or NULL.  Vectors of devices have
 * none: their lines do (kern/irq.h). */
const char *arch_vector_name(unsigned vector);

/* Print the backtrace of the last fault or panic on this CPU; before one, that of the caller.
 * ERR_NOT_FOUND: this machine has no backtraces, and nothing is printed. */
err_t arch_backtrace_print(void) __noinline;

/* ---- threads: kern/thread.h ---- */

/* Make `bytes` at `stack` the stack of a new thread: arch_thread_switch() to the returned pointer
 * calls fn(arg) with interrupts off.  `fn` does not return.  Both ends are
 * aligned to 16. */
void *arch_thread_prepare(void *stack, size_t bytes, void (*fn)(void *arg), void *arg);

/* Switch to the stack of new_sp; *old_sp is set to the pointer by which a later call switches back.
 * Interrupts are off; the CPU's own state does not change.  Returns when a CPU, maybe another one,
 * switches back. */
void arch_thread_switch(void **old_sp, void *new_sp);

/* No CPU will switch to sp again: frees what the machine stores about that stack; its memory may be
 * reused. */
void arch_thread_release(void *sp);

/* ---- memory ---- */

/* The MetaSlot array: one entry of META_SLOT_BYTES per frame number, from frame 0. */
static inline void *arch_meta_base(void);

/* Map [va, va + len) of the MetaSlot array onto physical memory at pa, zeroed.  All page
 * aligned.  Page tables come from `tables`, zeroed frames that the callee may keep; *used is
 * set to the number that it kept.  ERR_NO_MEMORY: not enough tables, nothing mapped. */
err_t arch_meta_map(vaddr_t va, paddr_t pa, size_t len, struct prange tables, unsigned *used);

/* Make [pa, pa + len) readable and writable through arch_direct().  Both multiples of 2 MiB.
 * Tables as above. */
err_t arch_direct_extend(paddr_t pa, uint64_t len, struct prange tables, unsigned *used);

/* The maximum of page-table frames that one call of either function needs. */
enum {
	ARCH_META_MAP_TABLES = 4,
	ARCH_DIRECT_TABLES = 3,
};

/* Read 8 bytes at va, whatever va is.  ERR_BAD_RANGE: the CPU refused, *out is as it was.  Not for
 * device registers: reading may change them. */
err_t arch_probe_read64(vaddr_t va, uint64_t *out);

/* The result of a copy: bytes done from the first on; err: OK if that is all of them, else the
 * error of the refused access as the fault resolver returned it: ERR_NO_MEMORY, ERR_DENIED,
 * ERR_NOT_FOUND, ... */
struct user_copied {
	size_t done;
	err_t err;
};

/* Copy n bytes between kernel memory and [user, user + n), which is in the user half of the address
 * space; nothing else about the range is trusted.  Kernel memory is n bytes long and does not
 * fault. */
__must_check struct user_copied arch_copy_from_user(void *to, vaddr_t user, size_t n);
__must_check struct user_copied arch_copy_to_user(vaddr_t user, const void *from, size_t n);
/* The same, writing zeros. */
__must_check struct user_copied arch_clear_user(vaddr_t user, size_t n);

/* The linear map: valid for frames below 4 GiB and what arch_direct_extend() added. */
static inline void *arch_direct(paddr_t pa);
static inline paddr_t arch_direct_to_paddr(const void *p);

/* ---- translation ----
 *
 * arch_impl.h also brings pte.h: pte_t and the pure functions that make and read entries. */

/* Levels of the tables that this machine uses, and the highest level that can hold a leaf. */
static inline unsigned arch_pt_levels(void);
static inline unsigned arch_pt_leaf_level_max(void);

/* The first address above pa at which the memory type set by firmware (MTRRs) may change; a page
 * must not cross it.  UINT64_MAX: none. */
uint64_t arch_memory_type_change(uint64_t pa);
/* Whether the CPU implements that physical address. */
bool arch_paddr_ok(paddr_t pa);

/* This CPU walks the table at root from now on; global entries of the old one are invalidated too.
 */
void arch_pt_activate(paddr_t root);

/* Contexts are numbers under which a CPU keeps translations of several tables apart (x86-64: PCID).
 * Their number besides 0; 0: every change of the table invalidates all non-global entries. */
static inline unsigned arch_tlb_contexts(void);

/* This CPU walks the table at root from now on, under `context` <= arch_tlb_contexts().  With
 * ARCH_TLB_KEEP its translations under that number are valid and stay; else they are invalidated.
 * Global entries stay. */
enum arch_tlb_past {
	ARCH_TLB_INVALIDATE,
	ARCH_TLB_KEEP,
};
void arch_pt_switch(paddr_t root, unsigned context, enum arch_tlb_past past);

/* This CPU invalidates the page at va of the current context or global, whatever its size, and all
 * upper-level entries of the current context. */
static inline void arch_tlb_invalidate_page(vaddr_t va);
/* This CPU invalidates all non-global entries of the current context. */
void arch_tlb_invalidate_context(void);
/* This CPU invalidates everything, global entries too. */
void arch_tlb_invalidate_all(void);

/* Whether one CPU can invalidate entries of all CPUs by an instruction (AMD's INVLPGB); if not, the
 * next three are not called. */
static inline bool arch_tlb_can_broadcast(void);
/* As arch_tlb_invalidate_page() for every CPU and context; complete when the next
 * arch_tlb_broadcast_wait() of this CPU returns; interrupts stay off in between. */
void arch_tlb_broadcast_page(vaddr_t va);
/* As arch_tlb_invalidate_all() for every CPU, likewise. */
void arch_tlb_broadcast_all(void);
void arch_tlb_broadcast_wait(void);

/* ---- devices ----
 *
 * Exactly one access of exactly this width, in program order with other accesses to devices
 * (finding REM-03).  A read that no device answers gives all ones. */

/* I/O ports. */
static inline uint8_t arch_port_read8(uint16_t port);
static inline uint16_t arch_port_read16(uint16_t port);
static inline uint32_t arch_port_read32(uint16_t port);
static inline void arch_port_write8(uint16_t port, uint8_t v);
static inline void arch_port_write16(uint16_t port, uint16_t v);
static inline void arch_port_write32(uint16_t port, uint32_t v);

/* Registers in memory, mapped by kspace_map_mmio() (mm/kspace/kspace.h) and aligned to their
 * width. */
static inline uint8_t arch_mmio_read8(const void __iomem *reg);
static inline uint16_t arch_mmio_read16(const void __iomem *reg);
static inline uint32_t arch_mmio_read32(const void __iomem *reg);
static inline uint64_t arch_mmio_read64(const void __iomem *reg);
static inline void arch_mmio_write8(void __iomem *reg, uint8_t v);
static inline void arch_mmio_write16(void __iomem *reg, uint16_t v);
static inline void arch_mmio_write32(void __iomem *reg, uint32_t v);
static inline void arch_mmio_write64(void __iomem *reg, uint64_t v);

/* ---- interrupts of devices: kern/irq.h ----
 *
 * A CPU that receives one of these vectors calls irq_dispatch() with it, interrupts off, and
 * signals the end of the interrupt to the controller afterwards. */

enum {
	ARCH_VECTORS = 256,
	ARCH_VECTOR_FIRST = 0x30, /* those that are free for devices */
	ARCH_VECTOR_LAST = 0xdf,
};

/* Wires are named by their global system interrupt (ACPI 6.5, 5.2.13).  Send the GSI to `cpu` as
 * `vector`; it stays masked.  ERR_NOT_FOUND: no controller has that GSI, or it cannot reach that
 * CPU. */
err_t arch_irq_route(uint32_t gsi, enum irq_trigger trigger, unsigned cpu, unsigned vector);
/* Mask it, and end the route. */
void arch_irq_unroute(uint32_t gsi);
/* For a routed GSI.  A level that is asserted interrupts as soon as it is unmasked. */
void arch_irq_mask(uint32_t gsi);
void arch_irq_unmask(uint32_t gsi);

/* The message that raises `vector` on `cpu`.  ERR_NOT_FOUND: a message cannot name that CPU. */
err_t arch_msi_compose(unsigned cpu, unsigned vector, struct msi_message *out);

/* ---- time ---- */

/* A monotonic counter, and its ticks per millisecond (never 0): until start-up sets the measured
 * rate (drivers/clock/counter.h) an estimate that makes waits too long rather than too short. */
static inline uint64_t arch_ticks(void);
uint64_t arch_ticks_per_ms(void);
void arch_ticks_set_rate(uint64_t per_ms);

/* Ticks as microseconds and back, rounded down.  Correct for spans below 53 days at 4 GHz. */
enum {
	US_PER_MS = 1000,
};
static inline uint64_t ticks_to_us(uint64_t ticks)
{
	return ticks * US_PER_MS / arch_ticks_per_ms();
}

static inline uint64_t us_to_ticks(uint64_t us)
{
	return us * arch_ticks_per_ms() / US_PER_MS;
}

/* Program this CPU's timer to interrupt once, when arch_ticks() has reached `deadline` or soon
 * after; for a deadline that has passed, at once.  One deadline at a time: the latest call counts.
 * ARCH_TIMER_NEVER: none.  The interrupt may come early: then the caller sets it again. */
#define ARCH_TIMER_NEVER UINT64_MAX
void arch_timer_set(uint64_t deadline);

/* ---- console ---- */

/* Emergency output, for messages while the console (drivers/tty/console.h) itself fails.
 * x86-64: COM1 without any set-up; a process: standard output. */
void arch_console_write(const char *bytes, size_t n);

/* ---- the end ---- */

enum arch_exit {
	ARCH_EXIT_PASS,     /* QEMU: debug-exit value 0x10, status 33 */
	ARCH_EXIT_FAIL,     /* QEMU: debug-exit value 0x20, status 65 */
	ARCH_EXIT_POWEROFF, /* off, if the machine supports it */
	ARCH_EXIT_REBOOT,
};
void arch_exit(enum arch_exit how) __noreturn;

#include "arch_impl.h"
