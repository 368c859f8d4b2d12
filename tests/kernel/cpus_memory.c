/* SPDX-License-Identifier: MIT */
/* Tests of frames, heap and epoch-based reclamation on all CPUs at once: memory allocated by one
 * CPU is freed by another, and each CPU's timer interrupt does both too. */
#include "kern/thread.h"
#include "kern/timer.h"
#include "lib/string.h"
#include "mm/frame/epoch.h"
#include "mm/heap/heap.h"
#include "tests/hog.h"
#include "tests/kernel/crew.h"
#include "tests/machine.h"
#include "tests/test.h"

enum {
	HELD = 64,         /* of the interrupted code of a CPU */
	IRQ_HELD = 8,      /* and of its interrupts */
	IRQ_WANTED = 2000, /* allocations in interrupts, of all CPUs */
	STEPS = 10000,     /* of the interrupted code, on each CPU */
	IRQ_PERIOD_US = 200,
	IRQ_STRANGERS = 3, /* one in so many goes to another CPU */
	MARK_STRIDE = 64,  /* bytes */
	BLOCK_ONE_IN = 8,
	BLOCK_ORDERS = 5,
	LARGE_ONE_IN = 64,
	OBJECT_MIN = 48, /* holds a struct stamp */
	OBJECT_MAX = 4096,
	BY_CODE = 0xc0de,
	BY_INTERRUPT = 0x1e4,
};

/* At the start of every allocation, frame or object; the rest is marked by offset. */
struct stamp {
	uint64_t self; /* the address, to detect a copy */
	uint64_t owner;
	uint64_t bytes;
	struct frame *frame; /* NULL: an object of the heap */
};

enum what {
	FRAMES,
	OBJECTS,
	BOTH,
};

/* Data of a CPU; only that CPU uses it, except the mailbox. */
struct worker {
	struct stamp *held[HELD], *irq_held[IRQ_HELD];
	_Atomic(struct stamp *) mailbox; /* from the previous CPU, to be freed by any CPU */
	struct crew_member code, irq;    /* CPU number and random numbers of each context */
	struct timer timer;
	_Atomic bool stop;
	_Atomic unsigned irq_allocs;
};
static struct worker workers[ARCH_MAX_CPUS];
static enum what what;
static _Atomic unsigned damaged, refused;

static uint64_t owner_of(unsigned cpu, uint64_t by)
{
	return by << 32 | cpu;
}

static uint64_t mark_at(const struct stamp *s, uint64_t offset, uint64_t owner)
{
	return ~(s->self + offset) ^ owner << 8;
}

static void sign(struct stamp *s, uint64_t bytes, struct frame *frame, uint64_t owner)
{
	*s = (struct stamp){ (uint64_t)s, owner, bytes, frame };
	for (uint64_t i = MARK_STRIDE; i + sizeof(uint64_t) <= bytes; i += MARK_STRIDE)
		*(uint64_t *)(void *)((char *)s + i) = mark_at(s, i, owner);
}

/* True: the contents are as its owner wrote them. */
static bool is_intact(const struct stamp *s, uint64_t owner)
{
	if (s->self != (uint64_t)s || s->owner != owner)
		return false;
	for (uint64_t i = MARK_STRIDE; i + sizeof(uint64_t) <= s->bytes; i += MARK_STRIDE)
		if (*(const uint64_t *)(const void *)((const char *)s + i) != mark_at(s, i, owner))
			return false;
	return true;
}

static struct stamp *take_frames(struct crew_member *me, uint64_t owner)
{
	unsigned order = crew_random_below(me, BLOCK_ONE_IN) == 0
				 ? (unsigned)crew_random_below(me, BLOCK_ORDERS)
				 : 0;
	struct frame *f = order == 0 ? frame_alloc(FRAME_TEST)
				     : frame_alloc_block(FRAME_TEST, order);
	struct stamp *s;

	if (f == NULL)
		return NULL;
	s = arch_direct(frame_paddr(f));
	sign(s, (uint64_t)PAGE_SIZE << order, f, owner);
	return s;
}

static struct stamp *take_object(struct crew_member *me, uint64_t owner)
{
	uint64_t max = crew_random_below(me, 2) == 0 ? 4 * OBJECT_MIN : OBJECT_MAX;
	size_t bytes = crew_random_below(me, LARGE_ONE_IN) == 0
			       ? 3 * PAGE_SIZE
			       : OBJECT_MIN + crew_random_below(me, max - OBJECT_MIN + 1);
	struct stamp *s = heap_alloc_any(bytes);

	if (s != NULL)
		sign(s, bytes, NULL, owner);
	return s;
}

static struct stamp *take(struct crew_member *me, uint64_t owner)
{
	bool frames = what == FRAMES || (what == BOTH && crew_random_below(me, 2) == 0);
	struct stamp *s = frames ? take_frames(me, owner) : take_object(me, owner);

	refused += s == NULL;
	return s;
}

static void give(struct stamp *s)
{
	struct frame *f;

	if (s == NULL)
		return;
	f = s->frame;
	if (!is_intact(s, s->owner)) {
		damaged++; /* its stamp cannot be trusted */
		return;
	}
	s->self = 0; /* detected by a second owner */
	if (f != NULL)
		frame_put(f);
	else
		heap_free(s);
}

/* Allocates if the slot is empty; else checks what it holds and frees it, or moves it to the next
 * CPU's mailbox and frees what was there.  True: allocated. */
static bool turn(struct crew_member *me, struct stamp **slot, uint64_t by)
{
	uint64_t owner = owner_of(me->cpu, by);
	struct stamp *s = *slot;

	if (s == NULL) {
		*slot = take(me, owner);
		return *slot != NULL;
	}
	*slot = NULL;
	damaged += !is_intact(s, owner);
	if (crew_random_below(me, by == BY_CODE ? 2 : IRQ_STRANGERS) == 0)
		s = atomic_exchange(&workers[(me->cpu + 1) % cpu_count()].mailbox, s);
	give(s);
	return false;
}

/* In the timer interrupt. */
static void tick(void *worker)
{
	struct worker *w = worker;
	unsigned slot = (unsigned)crew_random_below(&w->irq, IRQ_HELD);

	damaged += arch_cpu_id() != w->irq.cpu;
	if (turn(&w->irq, &w->irq_held[slot], BY_INTERRUPT))
		w->irq_allocs++;
	give(atomic_exchange(&w->mailbox, NULL)); /* from the previous CPU */
	timer_again(&w->timer, us_to_ticks(IRQ_PERIOD_US));
}

static void give_all(struct stamp **held, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		give(held[i]);
}

static void work(struct crew_member *me)
{
	struct worker *w = &workers[me->cpu];
	unsigned steps = 0;

	w->code = *me;
	w->irq = (struct crew_member){ me->cpu, ~me->random | 1 };
	crew_meet();
	timer_start(&w->timer, arch_ticks(), tick, w);
	while (steps < STEPS || w->irq_allocs < IRQ_WANTED / cpu_count()) {
		(void)turn(&w->code, &w->held[crew_random_below(&w->code, HELD)], BY_CODE);
		steps++;
	}
	(void)timer_cancel_wait(&w->timer); /* the result does not matter */
	crew_meet();
	give_all(w->held, HELD);
	give_all(w->irq_held, IRQ_HELD);
	give(atomic_exchange(&w->mailbox, NULL));
}

static void run_on_all(enum what of)
{
	struct ledger before = machine_ledger();
	unsigned long in_interrupts = 0;
	const char *wrong;

	memset(workers, 0, sizeof(workers));
	what = of;
	damaged = refused = 0;
	NEED(crew_run(work));
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
		in_interrupts += workers[cpu].irq_allocs;
	test_diag("%u CPUs, at least %u turns of each, %lu allocations in interrupts", cpu_count(),
		  STEPS, in_interrupts);
	CHECK_EQ(damaged, 0);
	CHECK_EQ(refused, 0);
	CHECK_LEDGER(&before);
	wrong = heap_check();
	CHECK_STR(wrong == NULL ? "" : wrong, "");
}

TEST(audit_alo_01_all_cpus_and_their_interrupts_free_each_others_frames)
{
	run_on_all(FRAMES);
}

TEST(heap_all_cpus_and_their_interrupts_free_each_others_objects)
{
	run_on_all(OBJECTS);
}

TEST(heap_all_cpus_and_their_interrupts_mix_frames_and_objects)
{
	run_on_all(BOTH);
}

/* ---- the end of memory ---- */

enum {
	LAST_ROUNDS = 1000,
	LAST_BYTES = 2048, /* two a frame */
	LAST_EACH = 2,
	ANSWER_MS = 1000, /* limit of the heap's wait for other CPUs' objects */
};

static _Atomic bool short_enough;

/* There are at least as many objects as CPUs, and each CPU needs one: no allocation may fail unless
 * another CPU does not run for as long as the heap waits. */
static void want_one(struct crew_member *me)
{
	uint64_t owner = owner_of(me->cpu, BY_CODE);

	if (me->cpu == 0)
		short_enough = hog_all_but((cpu_count() + LAST_EACH - 1) / LAST_EACH);
	crew_meet();
	for (unsigned i = 0; short_enough && i < LAST_ROUNDS; i++) {
		uint64_t start = arch_ticks();
		struct stamp *s = heap_alloc_any(LAST_BYTES);

		if (s == NULL) {
			refused += arch_ticks() - start < ANSWER_MS * arch_ticks_per_ms();
			continue;
		}
		sign(s, LAST_BYTES, NULL, owner);
		if (crew_random_below(me, 4) == 0)
			crew_spend_us(crew_random_below(me, 20));
		damaged += !is_intact(s, owner);
		s->self = 0;
		heap_free(s);
	}
	crew_meet();
	if (me->cpu == 0)
		hog_give_all();
}

TEST(audit_hep_01_every_cpu_keeps_its_claim_at_the_end_of_memory)
{
	struct ledger before;

	damaged = refused = 0;
	if (cpu_count() == 1)
		test_diag("there is one CPU: no other CPU can take its claim");
	before = machine_ledger();
	NEED(crew_run(want_one));
	CHECK(short_enough);
	CHECK_EQ(refused, 0);
	CHECK_EQ(damaged, 0);
	CHECK_LEDGER(&before);
}

/* ---- 100 x memory through limbo lists ---- */

enum {
	EPOCH_FRAMES_FREE = 1024, /* all available memory meanwhile */
	EPOCH_TIMES = 100,
	HALT_MS = 10, /* at a time */
};
static _Atomic bool over;

/* Loops, except for interrupts, until the test is over. */
static void loop(void)
{
	while (!over)
		arch_relax();
}

/* Allocates and retires frames; without memory it waits for its retired frames. */
static void retire_all(void)
{
	uint64_t retired = 0;

	while (retired < (uint64_t)EPOCH_TIMES * EPOCH_FRAMES_FREE) {
		struct frame *f = frame_alloc(FRAME_TEST);

		if (f != NULL) {
			retired++;
			epoch_retire_frame(f);
			continue;
		}
		epoch_barrier();
		f = frame_alloc(FRAME_TEST);
		if (f == NULL) {
			refused++; /* all frames are free, but none is available */
			return;
		}
		frame_put(f);
	}
}

/* The first CPU retires, the second is busy, all others idle and halt.  Their threads stay until
 * the end: the freed stack of an ended thread would change the count. */
static void retire_or_loop(struct crew_member *me)
{
	uint64_t free;

	crew_meet();
	if (me->cpu == 1)
		loop();
	while (me->cpu != 0 && !over)
		thread_sleep(HALT_MS);
	if (me->cpu != 0)
		return;
	short_enough = hog_all_but(EPOCH_FRAMES_FREE);
	free = frame_available();
	retire_all();
	epoch_barrier();
	/* not fewer; more if a timer emptied idle magazines, which the ledger accounts for */
	damaged += frame_available() < free || epoch_backlog(0) != 0;
	over = true;
	hog_give_all();
}

TEST(epoch_of_100_times_memory_beside_a_busy_and_a_halted_cpu_in_the_kernel)
{
	struct ledger before;

	if (cpu_count() == 1) {
		test_skip("there is one CPU");
		return;
	}
	before = machine_ledger();
	over = short_enough = false;
	damaged = refused = 0;
	NEED(crew_run(retire_or_loop));
	CHECK(short_enough);
	CHECK_EQ(refused, 0);
	CHECK_EQ(damaged, 0); /* all frames were back */
	test_diag("%d frames, %d times as many as were available; %u CPUs halted",
		  EPOCH_TIMES * EPOCH_FRAMES_FREE, EPOCH_TIMES, cpu_count() - 2);
	CHECK_LEDGER(&before);
}
