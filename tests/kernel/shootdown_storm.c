/* SPDX-License-Identifier: MIT */
/* Tests of TLB shootdowns on real CPUs: CPUs serve requests while they wait for locks with
 * interrupts off, and a reused frame is never read through its old translation. */
#include "kern/lock.h"
#include "kern/percpu.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "mm/kspace/kspace.h"
#include "mm/pt/batch.h"
#include "tests/kernel/crew.h"
#include "tests/machine.h"
#include "tests/test.h"

LOCK_CLASS(storm_class, "shootdown storm", RANK_WAIT_QUEUE);

static struct spinlock storm_locks[] = { SPINLOCK_INIT(&storm_class), SPINLOCK_INIT(&storm_class) };
static _Atomic unsigned wrong, refused;

static bool alone(void)
{
	if (cpu_count() > 1)
		return false;
	test_skip("there is one CPU");
	return true;
}

/* ---- a storm of shootdowns by lock holders ---- */

enum {
	STORM_TURNS = 400, /* of all CPUs */
	HOLD_US = 30,
	AREA_PAGES = 40,
	DEVICE_PAGES = 8,
	EVERY_HOLD = 2, /* one iteration in EVERY_HOLD holds a lock */
};
#define DEVICE_PA UINT64_C(0xfed40000) /* not RAM; never read */

static void lock_and_shoot(struct crew_member *me)
{
	struct spinlock *l = &storm_locks[crew_random_below(me, ARRAY_SIZE(storm_locks))];
	vaddr_t page = (vaddr_t)&storm_locks;
	uintptr_t irq = spin_lock_irq(l);
	struct tlb_pages f;

	tlb_pages_init(&f);
	for (uint64_t n = crew_random_below(me, TLB_PAGES_MAX + 4) + 1; n > 0; n--)
		tlb_pages_add(&f, page, 1);
	if (crew_random_below(me, 2) == 0)
		crew_spend_us(crew_random_below(me, HOLD_US));
	shootdown_run(&tlb_kernel_space, &f);
	spin_unlock_irq(l, irq);
}

static void use_area(struct crew_member *me)
{
	uint64_t pages = crew_random_below(me, AREA_PAGES) + 1, mine = me->random;
	uint64_t *area = vmalloc(pages * PAGE_SIZE);
	size_t words = PAGE_SIZE / sizeof(*area);

	if (area == NULL) {
		refused++;
		return;
	}
	for (uint64_t i = 0; i < pages; i++)
		area[i * words] = mine + i;
	if (crew_random_below(me, 2) == 0)
		lock_and_shoot(me);
	for (uint64_t i = 0; i < pages; i++)
		wrong += area[i * words] != mine + i;
	vfree(area);
}

static void use_window(struct crew_member *me)
{
	uint64_t pages = crew_random_below(me, DEVICE_PAGES) + 1;
	void *window;

	if (kspace_map_mmio(paddr(DEVICE_PA), pages * PAGE_SIZE, MEM_UNCACHED, "test", &window) !=
	    OK) {
		refused++;
		return;
	}
	kspace_unmap_mmio(window);
}

static void storm(struct crew_member *me)
{
	crew_meet();
	for (unsigned i = 0; i < STORM_TURNS / cpu_count(); i++) {
		if (crew_random_below(me, EVERY_HOLD) == 0)
			lock_and_shoot(me);
		else if (crew_random_below(me, 2) == 0)
			use_area(me);
		else
			use_window(me);
	}
}

static uint64_t requests_so_far(void)
{
	uint64_t sum = 0;

	for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
		sum += per_cpu_ptr(shootdown_stats, cpu)->requests;
	return sum;
}

/* MOI-04: each CPU waits for the others with interrupts off, some of which wait for its lock. */
TEST(audit_moi_04_shootdowns_of_lock_holders_on_all_cpus_end)
{
	struct ledger before;
	struct kspace_stats areas = kspace_stats();
	uint64_t requests = requests_so_far();
	const char *why;

	if (alone())
		return;
	use_window(&(struct crew_member){ 0, 1 }); /* the first use allocates tables that stay */
	before = machine_ledger();
	wrong = refused = 0;
	NEED(crew_run(storm));
	CHECK_EQ(wrong, 0);
	CHECK_EQ(refused, 0);
	CHECK_EQ(kspace_stats().areas, areas.areas);
	CHECK_EQ(kspace_stats().windows, areas.windows);
	test_diag("%lu shootdowns", requests_so_far() - requests);
	CHECK_LEDGER(&before);
	why = kspace_check();
	CHECK_STR(why == NULL ? "" : why, "");
}

/* ---- a lock holder and the CPUs that wait for the lock ---- */

enum {
	WAIT_ROUNDS = 100,
};
static _Atomic unsigned holds;

/* The first CPU holds the lock and runs a shootdown while all others wait for it with interrupts
 * off. */
static void hold_or_wait(struct crew_member *me)
{
	for (unsigned i = 0; i < WAIT_ROUNDS; i++) {
		uintptr_t irq;

		crew_meet();
		irq = arch_irq_save();
		if (me->cpu != 0) {
			while (holds <= i)
				if (shootdown_pending())
					shootdown_serve();
			spin_lock(&storm_locks[0]);
			spin_unlock(&storm_locks[0]);
		} else {
			struct tlb_pages f;

			spin_lock(&storm_locks[0]);
			holds = i + 1;
			crew_spend_us(HOLD_US);
			tlb_pages_init(&f);
			tlb_pages_add(&f, (vaddr_t)&storm_locks & -(vaddr_t)PT_PAGE_BYTES, 1);
			shootdown_run(&tlb_kernel_space, &f);
			spin_unlock(&storm_locks[0]);
		}
		arch_irq_restore(irq);
	}
}

TEST(audit_moi_04_lock_waiters_serve_shootdowns)
{
	if (alone())
		return;
	holds = 0;
	NEED(crew_run(hold_or_wait));
	CHECK_EQ(holds, WAIT_ROUNDS);
}

/* ---- a large page ---- */

static uint64_t large_pages, large_all; /* invalidations on the last CPU */

/* No CPU idles meanwhile: an idle CPU may invalidate everything when it wakes, for an earlier
 * shootdown too. */
static void unmap_large(struct crew_member *me)
{
	const struct shootdown_stats *stats = per_cpu_ptr(shootdown_stats, cpu_count() - 1);
	paddr_t device = paddr(UINT64_C(0xfd000000)); /* not RAM */
	void *window;

	crew_meet();
	if (me->cpu == 0 && kspace_map_mmio(device, MIB(4), MEM_UNCACHED, "test", &window) == OK) {
		large_pages = stats->pages;
		large_all = stats->everything;
		kspace_unmap_mmio(window);
		large_pages = stats->pages - large_pages;
		large_all = stats->everything - large_all;
	} else {
		refused += me->cpu == 0;
	}
	crew_meet();
}

TEST(audit_mom_02_a_large_window_is_few_invalidations_on_every_cpu)
{
	refused = 0;
	NEED(crew_run(unmap_large));
	CHECK_EQ(refused, 0);
	test_diag("%lu pages", large_pages);
	CHECK(large_pages <= 2 + 4); /* at most, including the tables that became empty */
	CHECK_EQ(large_all, 0);
}

/* ---- the stale-translation probe ---- */

enum {
	PROBE_ROUNDS = 500,
	REUSED_FRAMES = 8,
};
#define OLD    UINT64_C(0x600d600d00000000)
#define REUSED UINT64_C(0xbadbadbadbadbad0)

static _Atomic vaddr_t target;  /* 0: none */
static _Atomic uint64_t expect; /* the content of `target` while it was mapped */
static _Atomic bool over;
static _Atomic uint64_t probes, seen, faults;

/* The last CPU reads the page, mapped or not. */
static void read_on(void)
{
	while (!over) {
		vaddr_t va = target;
		uint64_t value = 0, old = expect;

		if (va != 0 && arch_probe_read64(va, &value) == OK) {
			/* a page of the next round may be at the same address */
			wrong += value != old && value == REUSED;
			seen++;
		} else if (va != 0) {
			faults++;
		}
		probes++;
	}
}

/* Waits for two reads: the second one began after this call. */
static void wait_for_reads(void)
{
	for (uint64_t now = probes; probes < now + 2;)
		arch_relax();
}

static void fill(struct frame *f, uint64_t word)
{
	uint64_t *words = arch_direct(frame_paddr(f));

	for (size_t i = 0; i < PAGE_SIZE / sizeof(*words); i++)
		words[i] = word;
}

static unsigned reused; /* rounds in which the same frame was reallocated */

static void unmap_once(uint64_t round)
{
	uint64_t *page = vmalloc(PAGE_SIZE);
	struct frame *f[REUSED_FRAMES];
	struct pt_item item;

	if (page == NULL) {
		refused++;
		return;
	}
	item = page_table_query(kspace_table(), (vaddr_t)page);
	*page = OLD + round;
	expect = OLD + round;
	target = (vaddr_t)page;
	wait_for_reads();
	vfree(page);
	for (unsigned i = 0; i < REUSED_FRAMES; i++) {
		f[i] = frame_alloc(FRAME_TEST);
		if (f[i] == NULL)
			continue;
		fill(f[i], REUSED);
		reused += paddr_eq(frame_paddr(f[i]), item.pa);
	}
	wait_for_reads();
	target = 0;
	wait_for_reads();
	for (unsigned i = 0; i < REUSED_FRAMES; i++)
		if (f[i] != NULL)
			frame_put(f[i]);
}

static void probe(struct crew_member *me)
{
	crew_meet();
	if (me->cpu == cpu_count() - 1)
		read_on();
	if (me->cpu != 0)
		return;
	for (uint64_t round = 0; round < PROBE_ROUNDS; round++)
		unmap_once(round);
	over = true;
}

TEST(shootdown_probe_of_real_cpus_never_reads_a_frame_that_was_reused)
{
	struct ledger before = machine_ledger();

	if (alone())
		return;
	over = false;
	target = 0;
	wrong = refused = reused = 0;
	probes = seen = faults = 0;
	NEED(crew_run(probe));
	test_diag("%lu reads, %lu faults, frame reused in %u of %u rounds", seen, faults, reused,
		  PROBE_ROUNDS);
	CHECK_EQ(wrong, 0);
	CHECK_EQ(refused, 0);
	CHECK(seen >= PROBE_ROUNDS && faults >= PROBE_ROUNDS);
	CHECK(reused > PROBE_ROUNDS / 2);
	CHECK_LEDGER(&before);
}
