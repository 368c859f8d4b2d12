/* SPDX-License-Identifier: MIT */
/* Tests of the heap under the real timer: its interrupts allocate and free, and empty idle
 * magazines. */
#include "mm/heap/heap.h"

#include "kern/timer.h"
#include "lib/string.h"
#include "tests/kernel/ticker.h"
#include "tests/machine.h"
#include "tests/test.h"

enum {
	HELD = 256,    /* objects of the interrupted code */
	IRQ_HELD = 16, /* objects of its interrupts */
	IRQ_WANTED = 3000,
	IRQ_PERIOD_US = 100,
	LARGE_EACH = 64, /* one in so many objects is larger than a frame */
	LARGE_BYTES = 3 * PAGE_SIZE,
	CPU_MAINTENANCE_MS = 101, /* more than its period of 100 */
	VISITS = 2,
	REFUSE_EACH = 3, /* one in so many frame allocations fails */
	BY_CODE = 0xc0,
	BY_INTERRUPT = 0x1e,
};

struct held {
	uint8_t *object;
	size_t bytes;
};

static struct held held[HELD], irq_held[IRQ_HELD];
static volatile uint64_t irq_allocs, refused;
static volatile unsigned damaged; /* objects overwritten by another owner */
static uint64_t irq_turn;

/* Allocates an object and fills it with its owner's byte, or checks that byte and frees the object.
 */
static bool turn(struct held *h, size_t bytes, uint8_t by)
{
	if (h->object == NULL) {
		*h = (struct held){ heap_alloc_any(bytes), bytes };
		if (h->object != NULL)
			memset(h->object, by, bytes);
		return h->object != NULL;
	}
	for (size_t i = 0; i < h->bytes; i++)
		if (h->object[i] != by) {
			damaged = damaged + 1;
			break;
		}
	heap_free(h->object);
	h->object = NULL;
	return true;
}

/* Interrupts and interrupted code use the same few sizes, so that they share magazines. */
static size_t size_of_turn(uint64_t n)
{
	static const size_t sizes[] = { 64, 16, 1024, 64, 200, 64, 2048, 64 };

	return n % LARGE_EACH == 0 ? LARGE_BYTES : sizes[n % ARRAY_SIZE(sizes)];
}

static void allocate_in_interrupt(void)
{
	struct held *h = &irq_held[irq_turn++ % IRQ_HELD];

	if (turn(h, size_of_turn(irq_turn), BY_INTERRUPT))
		irq_allocs = irq_allocs + (h->object != NULL);
}

static void give_all_back(void)
{
	for (unsigned i = 0; i < HELD; i++)
		if (held[i].object != NULL)
			(void)turn(&held[i], 0, BY_CODE);
	for (unsigned i = 0; i < IRQ_HELD; i++)
		if (irq_held[i].object != NULL)
			(void)turn(&irq_held[i], 0, BY_INTERRUPT);
}

/* Allocate and free until the interrupts have allocated IRQ_WANTED times. */
static void run_interrupted(void)
{
	irq_allocs = refused = damaged = 0;
	ticker_start(IRQ_PERIOD_US, allocate_in_interrupt);
	while (irq_allocs < IRQ_WANTED) {
		struct held *h = &held[test_random_below(HELD)];

		refused = refused + !turn(h, size_of_turn(test_random()), BY_CODE);
	}
	ticker_stop();
	give_all_back();
	CHECK_EQ(damaged, 0);
}

static void check_end(const struct ledger *before)
{
	const char *wrong;

	CHECK_LEDGER(before);
	wrong = heap_check();
	CHECK_STR(wrong == NULL ? "" : wrong, "");
}

TEST(heap_timer_interrupt_allocates_inside_alloc_and_free)
{
	struct ledger before = machine_ledger();

	run_interrupted();
	CHECK_EQ(refused, 0);
	check_end(&before);
}

TEST(heap_timer_interrupt_allocates_inside_a_reclaim)
{
	struct ledger before = machine_ledger();

	heap_inject_failure(REFUSE_EACH);
	run_interrupted();
	heap_inject_failure(0);
	test_diag("%lu allocations refused", refused);
	check_end(&before);
}

static _Atomic bool went_off;

static void record(void *unused)
{
	(void)unused;
	went_off = true;
}

/* A CPU's timers expire in the order of their deadlines, however late: maintenance_timer runs
 * before this timer. */
static void wait_for_a_visit(void)
{
	struct timer timer = { 0 };

	went_off = false;
	timer_start(&timer, arch_ticks() + CPU_MAINTENANCE_MS * arch_ticks_per_ms(), record, NULL);
	while (!went_off)
		arch_relax();
	(void)timer_cancel_wait(&timer);
}

/* The first heap_age() records the top, the second one empties the magazine. */
TEST(heap_timer_gives_idle_magazines_back)
{
	struct heap_magazine *m = &heap.cpu[arch_cpu_id()]->magazine[heap_class_of(64)];
	struct ledger before = machine_ledger();
	uint64_t slabs = heap_class_stats(heap_class_of(64)).slabs;

	heap_free(heap_alloc_any(64));
	for (unsigned i = 0; i < VISITS; i++)
		wait_for_a_visit();
	CHECK_EQ(heap_top(m) - m->base, 0);
	CHECK_EQ(heap_class_stats(heap_class_of(64)).slabs, slabs);
	check_end(&before);
}
