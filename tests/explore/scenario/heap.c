/* SPDX-License-Identifier: MIT */
/*
 * heap.c - mm/heap/heap.c and mm/heap/slab.c: magazines, interrupt handlers, and reclaim (finding
 * HEP-01).
 */
#include "mm/heap/heap.h"
#include "lib/bits.h"
#include "tests/explore/explore.h"

enum {
	MACHINE_KIB = 8192,
	HELD_MAX = 4096,
	SIZE = 2048, /* two per slab: a batch is small */
	SMALL = 64,  /* more than a batch per slab */
	OBJECTS = 2,
};

static struct frame *held[HELD_MAX];
static unsigned holds;
static void *kept[OBJECTS];
EXPLORE_MODEL static const void *owned[2 * OBJECTS];
EXPLORE_MODEL static unsigned allocs;

static void own(const void *object)
{
	unsigned i = 0;

	for (unsigned k = 0; k < ARRAY_SIZE(owned); k++) {
		EXPLORE_CHECK(owned[k] != object);
		i = owned[k] == NULL ? k : i;
	}
	EXPLORE_CHECK(owned[i] == NULL);
	owned[i] = object;
}

static void disown(const void *object)
{
	for (unsigned k = 0; k < ARRAY_SIZE(owned); k++)
		owned[k] = owned[k] == object ? NULL : owned[k];
}

static void setup(void)
{
	explore_machine(MACHINE_KIB, 2);
	if (heap_init(2) != OK)
		explore_fail("heap_init failed");
	heap_free(heap_alloc(SIZE));
	heap_drain();
	explore_machine_mark();
}

static void check(void)
{
	const char *wrong = heap_check();

	if (wrong != NULL)
		explore_fail("heap: %s", wrong);
	heap_drain();
	EXPLORE_CHECK(heap_stats().allocated == 0 && heap_stats().slab_frames == 0);
	explore_machine_check();
}

/* The object of `arg` bytes is exclusive to the caller: written and read back as plain memory. */
static void alloc_and_free(void *arg)
{
	uintptr_t *object = heap_alloc((uintptr_t)arg);

	EXPLORE_CHECK(object != NULL);
	own(object);
	*object = (uintptr_t)object;
	EXPLORE_CHECK(*object == (uintptr_t)object);
	disown(object);
	heap_free(object);
}

static void drain(void *arg)
{
	(void)arg;
	heap_drain();
}

EXPLORE(heap_interrupts_alloc_and_free, .setup = setup, .check = check,
	.task = { { "a", alloc_and_free, (void *)SIZE, 0 },
		  { "handler", alloc_and_free, (void *)SIZE, 0, EXPLORE_INTERRUPT } });
EXPLORE(heap_two_cpus_alloc_and_free, .setup = setup, .check = check,
	.task = { { "a", alloc_and_free, (void *)SIZE, 0 },
		  { "b", alloc_and_free, (void *)SIZE, 1 } });
EXPLORE(heap_two_cpus_share_a_slab, .setup = setup, .check = check, .bound = 2,
	.task = { { "a", alloc_and_free, (void *)SMALL, 0 },
		  { "b", alloc_and_free, (void *)SMALL, 1 } });
EXPLORE(heap_is_drained_meanwhile, .setup = setup, .check = check,
	.task = { { "a", alloc_and_free, (void *)SIZE, 0 }, { "drain", drain, NULL, 1 } });

/* ---- objects freed by another CPU ---- */

static void setup_kept(void)
{
	setup();
	for (unsigned i = 0; i < OBJECTS; i++)
		kept[i] = heap_alloc(SIZE);
}

static void free_kept(void *arg)
{
	heap_free(kept[(uintptr_t)arg]);
}

EXPLORE(heap_objects_of_one_slab_are_freed_by_two, .setup = setup_kept, .check = check,
	.task = { { "a", free_kept, (void *)0, 0 }, { "b", free_kept, (void *)1, 1 } });

/* ---- no frame is left: reclaim finds an object in another CPU's magazine ---- */

static void hold_frames_but(unsigned left)
{
	frame_cache_drain();
	holds = (unsigned)frame_available() - left;
	if (holds > HELD_MAX || frame_alloc_bulk(FRAME_TEST, holds, held) != OK)
		explore_fail("the setup cannot allocate %u frames", holds);
}

/* Moves the object in this CPU's magazine of the size to the other CPU's. */
static void setup_reclaim(void)
{
	struct heap_magazine *mine, *other;
	uint16_t offset;

	setup_kept();
	heap_free(kept[0]);
	offset = heap.magazine_of[SIZE / HEAP_GRAIN];
	mine = (void *)((char *)heap.cpu[0] + offset);
	other = (void *)((char *)heap.cpu[1] + offset);
	*other->base = *(heap_top(mine) - 1);
	heap_set_top(other, other->base + 1);
	heap_set_top(mine, heap_top(mine) - 1);
	hold_frames_but(0);
	EXPLORE_CHECK(heap_top(mine) == mine->base && heap_top(other) == other->base + 1);
}

static void alloc_one(void *arg)
{
	void *object = heap_alloc(SIZE);

	(void)arg;
	if (object == NULL)
		return;
	own(object);
	allocs++;
}

static void idle(void *arg)
{
	(void)arg;
}

static void reclaim_check(void)
{
	const char *wrong = heap_check();

	if (wrong != NULL)
		explore_fail("heap: %s", wrong);
	EXPLORE_CHECK(allocs == 1);
}

EXPLORE(heap_the_last_object_is_allocated, .setup = setup_reclaim, .check = reclaim_check,
	.task = { { "a", alloc_one, NULL, 0 }, { "b", idle, NULL, 1 } });
EXPLORE(heap_the_last_object_is_allocated_once, .setup = setup_reclaim, .check = reclaim_check,
	.bound = 1, .task = { { "a", alloc_one, NULL, 0 }, { "b", alloc_one, NULL, 1 } });

/* ---- one frame is left for two CPUs: the second waits for the frame in flight ---- */

static void setup_last_frame(void)
{
	setup();
	hold_frames_but(1);
}

static void last_frame_check(void)
{
	const char *wrong = heap_check();

	if (wrong != NULL)
		explore_fail("heap: %s", wrong);
	EXPLORE_CHECK(allocs == OBJECTS);
}

EXPLORE(heap_the_last_frame_serves_two, .setup = setup_last_frame, .check = last_frame_check,
	.bound = 2, .task = { { "a", alloc_one, NULL, 0 }, { "b", alloc_one, NULL, 1 } });

/* ---- an empty slab that another CPU is freeing is found at every step ---- */

static void setup_idle_slab(void)
{
	setup();
	explore_as(1);
	heap_free(heap_alloc(SMALL));
	heap_age(); /* the next call finds the magazine idle */
	explore_as(0);
	hold_frames_but(0);
}

static void age(void *arg)
{
	(void)arg;
	heap_age();
}

EXPLORE(heap_a_slab_in_flight_is_found, .setup = setup_idle_slab, .check = reclaim_check,
	.bound = 2, .task = { { "a", alloc_one, NULL, 0 }, { "b", age, NULL, 1 } });
