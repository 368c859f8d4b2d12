/* SPDX-License-Identifier: MIT */
/* Tests of mm/heap/heap.c, mm/heap/slab.c and mm/heap/classes.h on one CPU, on the host and in the
 * kernel. */
#include "mm/heap/heap.h"

#include "lib/string.h"
#include "mm/heap/debug.h"
#include "tests/machine.h"
#include "tests/test.h"

enum {
	MACHINE_MIB = 64,
	MODEL_SLOTS = 512,
	MODEL_STEPS = 20000,
};

/* The heap under test: a new one on the host, the kernel's own in the kernel. */
static struct ledger start(void)
{
#ifndef KEEL_TESTS
	machine_start_simple(MACHINE_MIB, 0, 1);
	CHECK_EQ(heap_init(1), OK);
#endif
	heap_drain();
	return machine_ledger();
}

static void check_end(const struct ledger *before)
{
	const char *wrong;

	heap_drain();
	CHECK_LEDGER(before);
	wrong = heap_check();
	CHECK_STR(wrong == NULL ? "" : wrong, "");
}

/* ---- size classes: every class, every offset ---- */

TEST(heap_class_is_the_smallest_that_fits)
{
	CHECK_EQ(heap_class_of(0), HEAP_CLASS_NONE);
	CHECK_EQ(heap_class_of(HEAP_SMALL_MAX + 1), HEAP_CLASS_NONE);
	CHECK_EQ(heap_class_of(UINT64_MAX), HEAP_CLASS_NONE);
	for (size_t size = 1; size <= HEAP_SMALL_MAX; size++) {
		unsigned number = heap_class_of(size);

		CHECK(heap_class_size(number) >= size && heap_class_size(number - 1) < size);
		CHECK_EQ(number, heap_class_of((size + HEAP_GRAIN - 1) / HEAP_GRAIN * HEAP_GRAIN));
	}
}

TEST(heap_class_cuts_a_frame_without_overlap)
{
	for (unsigned number = 1; number < HEAP_CLASSES; number++) {
		struct heap_shape s = heap_shape_of(number);
		uint32_t first = heap_shape_offset(&s, s.lead);

		CHECK_EQ(s.size % HEAP_GRAIN, 0);
		CHECK(s.objects > 0 && first + s.objects * s.size == PAGE_SIZE);
		/* a tag for each place before the first object; the slot has HEAP_SLOT_TAGS */
		CHECK(heap_shape_tags_in_slot(&s) ? s.places <= HEAP_SLOT_TAGS && s.lead == 0
						  : first >= align_up(s.places, sizeof(uint64_t)));
		CHECK(s.objects * s.size * 10 >= PAGE_SIZE * 8);
	}
}

TEST(heap_class_arithmetic_is_right_for_every_offset)
{
	for (unsigned number = 1; number < HEAP_CLASSES; number++) {
		struct heap_shape s = heap_shape_of(number);
		unsigned wrong = 0;

		for (uint32_t offset = 0; offset < PAGE_SIZE; offset++) {
			uint64_t product = heap_product(&s, offset);
			bool cut = offset >= s.r && (offset - s.r) % s.size == 0;

			wrong += heap_product_is_cut(product, s.inverse) != cut;
			wrong += cut && heap_product_place(product) != (offset - s.r) / s.size;
		}
		CHECK_EQ(wrong, 0);
	}
}

/* ---- objects ---- */

/* True: tag_at[] gives the tag of the object that starts at the grain, or a byte of no object. */
static bool tag_is_right(const struct heap_magazine *m, const struct heap_shape *s, uint32_t grain)
{
	uint32_t offset = grain * HEAP_GRAIN, at = m->tag_at[grain];
	uint32_t place = (offset - s->r) / s->size;
	bool begins = offset >= s->r && (offset - s->r) % s->size == 0 && place >= s->lead;

	if (heap_shape_tags_in_slot(s))
		return at == (begins ? offsetof(struct meta_slot, u.slab.tag) + place
				     : offsetof(struct slot_state, order));
	return begins ? at == place : at < s->lead || (at >= s->places && at < s->places + 8);
}

TEST(heap_tables_lead_to_the_tag_of_each_object)
{
	struct ledger before = start();

	for (unsigned number = 1; number < HEAP_CLASSES; number++) {
		struct heap_shape s = heap_shape_of(number);
		unsigned wrong = 0;

		for (uint32_t grain = 0; grain < HEAP_FRAME_GRAINS; grain++)
			wrong += !tag_is_right(&heap.cpu[0]->magazine[number], &s, grain);
		CHECK_EQ(wrong, 0);
	}
	check_end(&before);
}

TEST(heap_gives_every_size_with_room_and_alignment)
{
	struct ledger before = start();

	for (size_t size = 1; size <= 20000; size += size < 300 ? 1 : 97) {
		uint8_t *a = heap_alloc(size), *b = heap_zalloc(size);

		NEED(a != NULL && b != NULL);
		CHECK(heap_size_of(a) >= size && heap_size_of(b) >= size);
		CHECK_EQ((uintptr_t)a % HEAP_GRAIN, 0);
		if (bits_is_pow2(size))
			CHECK_EQ((uintptr_t)a % min_u64(size, PAGE_SIZE), 0);
		CHECK_EQ(b[0] | b[size - 1], 0);
		memset(a, 0xff, heap_size_of(a));
		CHECK_EQ(b[0] | b[size - 1], 0);
		memset(b, 0xff, heap_size_of(b));
		heap_free(a);
		heap_free(b);
	}
	check_end(&before);
}

TEST(heap_constant_sizes_come_from_the_same_classes)
{
	struct ledger before = start();
	void *a = heap_alloc(64), *b = heap_alloc(1000), *c = heap_alloc(4096),
	     *d = heap_alloc(4097);

	NEED(a != NULL && b != NULL && c != NULL && d != NULL);
	CHECK_EQ(heap_size_of(a), heap_class_size(heap_class_of(64)));
	CHECK_EQ(heap_size_of(b), heap_class_size(heap_class_of(1000)));
	CHECK_EQ(heap_size_of(c), 4096);
	CHECK_EQ(heap_size_of(d), 8192);
	heap_free(a);
	heap_free(b);
	heap_free(c);
	heap_free(d);
	heap_free(NULL);
	check_end(&before);
}

TEST(heap_aligns_to_any_power_of_two)
{
	struct ledger before = start();

	for (size_t align = 1; align <= MIB(2); align *= 2)
		for (size_t size = 1; size <= 9000; size = size * 3 + 1) {
			void *p = heap_alloc_aligned(size, align);

			NEED(p != NULL);
			CHECK_EQ((uintptr_t)p % min_u64(align, PAGE_SIZE), 0);
			CHECK_EQ(arch_direct_to_paddr(p).raw % align, 0);
			CHECK(heap_size_of(p) >= size);
			memset(p, 1, size);
			heap_free(p);
		}
	check_end(&before);
}

TEST(heap_alloc_of_a_bad_size_or_alignment_is_null)
{
	static const size_t sizes[] = { 0,          UINT64_C(1) << 63,
					UINT64_MAX, UINT64_MAX - 4095,
					GIB(1) + 1, TIB(1) };
	static const size_t aligns[] = {
		0, 3, 24, UINT64_MAX, UINT64_C(1) << 40, UINT64_C(1) << 63
	};
	struct ledger before = start();

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		CHECK(heap_alloc(sizes[i]) == NULL);
		CHECK(heap_zalloc(sizes[i]) == NULL);
		CHECK(heap_alloc_aligned(sizes[i], 64) == NULL);
	}
	for (size_t i = 0; i < ARRAY_SIZE(aligns); i++)
		CHECK(heap_alloc_aligned(64, aligns[i]) == NULL);
	CHECK(heap_alloc(0) == NULL);
	CHECK(heap_alloc(UINT64_C(1) << 63) == NULL);
	check_end(&before);
}

/* ---- a model: random objects, each filled with its own byte ---- */

static struct {
	uint8_t *at;
	size_t size;
	uint8_t byte;
} model[MODEL_SLOTS];

static size_t random_size(void)
{
	uint64_t kind = test_random_below(16);

	if (kind == 0)
		return 1 + test_random_below(40000);
	return 1 + test_random_below(kind < 8 ? 128 : 4096);
}

static void model_step(unsigned i)
{
	if (model[i].at == NULL) {
		model[i].size = random_size();
		model[i].byte = (uint8_t)test_random();
		model[i].at = test_random_below(4) == 0
				      ? heap_alloc_aligned(model[i].size,
							   UINT64_C(1) << test_random_below(13))
				      : heap_alloc(model[i].size);
		if (model[i].at != NULL)
			memset(model[i].at, model[i].byte, model[i].size);
		return;
	}
	for (size_t b = 0; b < model[i].size; b++)
		if (model[i].at[b] != model[i].byte) {
			test_fail(__FILE__, __LINE__, "byte %zu of %zu changed", b, model[i].size);
			break;
		}
	heap_free(model[i].at);
	model[i].at = NULL;
}

static void model_run(unsigned steps)
{
	for (unsigned i = 0; i < steps; i++) {
		model_step((unsigned)test_random_below(MODEL_SLOTS));
		if (i % 4096 == 0) {
			const char *wrong = heap_check();

			CHECK_STR(wrong == NULL ? "" : wrong, "");
		}
	}
	for (unsigned i = 0; i < MODEL_SLOTS; i++)
		if (model[i].at != NULL)
			model_step(i);
}

TEST(heap_objects_keep_what_was_written_into_them)
{
	struct ledger before = start();

	model_run(MODEL_STEPS);
	check_end(&before);
}

TEST(heap_survives_every_nth_frame_refused)
{
	struct ledger before = start();

	for (unsigned nth = 1; nth <= 24; nth++) {
		heap_drain();
		heap_inject_failure(nth);
		model_run(1500);
	}
	heap_inject_failure(0);
	check_end(&before);
}

TEST(heap_reclaim_finds_memory_when_every_frame_is_refused)
{
	struct ledger before = start();
	void *first = heap_alloc(1000), *again, *other;

	NEED(first != NULL);
	heap_inject_failure(1);
	heap_free(first);
	/* only the magazine and the slab of another class have memory */
	other = heap_alloc(64);
	again = heap_alloc(1000);
	CHECK(other != NULL);
	heap_free(other);
	heap_free(again);
	heap_inject_failure(0);
	check_end(&before);
}

/* ---- growth and return of memory ---- */

enum {
	GROW_OBJECTS = 200000,
};

static void *grown[GROW_OBJECTS];

static uint64_t frames_held(void)
{
	struct heap_stats t = heap_stats();

	return t.slab_frames + t.large_frames;
}

static void grow_and_free(size_t size, unsigned n)
{
	uint64_t before, peak, after;

	heap_drain();
	before = frames_held();
	for (unsigned i = 0; i < n; i++)
		NEED((grown[i] = heap_alloc(size)) != NULL);
	peak = frames_held() - before;
	for (unsigned i = n; i > 1; i--) {
		unsigned other = (unsigned)test_random_below(i);
		void *p = grown[other];

		grown[other] = grown[i - 1];
		grown[i - 1] = p;
	}
	for (unsigned i = 0; i < n; i++)
		heap_free(grown[i]);
	after = frames_held() - before;
	test_diag("%zu bytes: %lu frames grown, %lu held after freeing", size, peak, after);
	CHECK(after * 100 <= peak * 5);
	heap_drain();
	CHECK((frames_held() - before) * 100 <= peak * 2);
}

TEST(audit_hep_02_at_least_95_percent_of_the_frames_come_back)
{
	struct ledger before = start();

	grow_and_free(64, GROW_OBJECTS);
	grow_and_free(256, 48000);
	grow_and_free(1024, 16000);
	grow_and_free(4096, 4000);
	check_end(&before);
}

TEST(heap_idle_magazines_go_back)
{
	struct ledger before = start();
	uint64_t held = frames_held();
	uintptr_t irq = arch_irq_save(); /* else heap_age() of the kernel's timer may run */
	void *p = heap_alloc(448);

	CHECK(p != NULL);
	heap_free(p);
	CHECK(frames_held() > held);
	heap_age();
	heap_age();
	CHECK_EQ(frames_held(), held);
	arch_irq_restore(irq);
	check_end(&before);
}

/* ---- misuse ---- */

static void free_it(void *p)
{
	heap_free(p);
}

static void size_it(void *p)
{
	(void)heap_size_of(p);
}

#define CHECK_REFUSED(p, text)                                                                     \
	do {                                                                                       \
		CHECK(test_panics(free_it, p, text));                                              \
		CHECK(test_panics(size_it, p, text));                                              \
	} while (0)

/* Interrupts are off, so that the kernel's timer does not free the slab. */
TEST(heap_double_free_is_caught_at_once)
{
	static const size_t sizes[] = { 16, 64, 100, 512, 1024, 1300, 2048, 4096 };
	struct ledger before = start();
	uintptr_t irq = arch_irq_save();

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		void *p = heap_alloc(sizes[i]), *other = heap_alloc(sizes[i]);

		CHECK(p != NULL && other != NULL);
		heap_free(p);
		CHECK_REFUSED(p, "double free");
		memset(p, 0x42, sizes[i]); /* a write after the free does not hide it */
		CHECK_REFUSED(p, "double free");
		heap_free(other);
		CHECK_REFUSED(p, "double free");
	}
	arch_irq_restore(irq);
	check_end(&before);
}

TEST(heap_double_free_is_caught_much_later)
{
	struct ledger before = start();
	void *p = heap_alloc(64), *keep;

	NEED(p != NULL);
	for (unsigned i = 0; i < 5000; i++)
		NEED((grown[i] = heap_alloc(64)) != NULL);
	keep = heap_alloc(64);
	heap_free(p);
	for (unsigned i = 0; i < 5000; i++)
		heap_free(grown[i]);
	CHECK(test_panics(free_it, p, "heap:"));
	heap_drain();
	CHECK(test_panics(free_it, p, "heap:"));
	heap_free(keep);
	check_end(&before);
}

TEST(heap_interior_and_wrong_pointers_are_caught)
{
	static const size_t sizes[] = { 16, 48, 64, 100, 512, 816, 1024, 1300, 2048, 4096 };
	struct ledger before = start();
	int on_the_stack = 0;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		char *p = heap_alloc(sizes[i]);
		char *frame;

		NEED(p != NULL);
		frame = p - arch_direct_to_paddr(p).raw % PAGE_SIZE;
		CHECK_REFUSED(p + 1, "no object of");
		CHECK_REFUSED(p + 8, "no object of");
		CHECK_REFUSED(p + heap_size_of(p) - 1, "no object of");
		if (frame != p && sizes[i] < 1024)
			CHECK_REFUSED(frame, "no object of");
		heap_free(p);
	}
	CHECK_REFUSED(&on_the_stack, "bad pointer");
	CHECK_REFUSED((void *)8, "bad pointer");
	CHECK_REFUSED((void *)UINTPTR_MAX, "bad pointer");
	CHECK_REFUSED(arch_direct(paddr(TIB(15))), "bad pointer");
	check_end(&before);
}

TEST(heap_memory_of_others_is_not_freed)
{
	struct ledger before = start();
	struct frame *f = frame_alloc(FRAME_TEST);

	NEED(f != NULL);
	CHECK_REFUSED(arch_direct(frame_paddr(f)), "bad pointer");
	CHECK_EQ(frame_count(f), 1);
	frame_put(f);
	check_end(&before);
}

TEST(heap_misuse_of_large_objects_is_caught)
{
	struct ledger before = start();
	char *p = heap_alloc(5 * PAGE_SIZE);

	NEED(p != NULL);
	CHECK_EQ(heap_size_of(p), 8 * PAGE_SIZE);
	CHECK_REFUSED(p + 16, "into the large object");
	CHECK_REFUSED(p + PAGE_SIZE, "into the large object");
	CHECK_REFUSED(p + 7 * PAGE_SIZE, "into the large object");
	heap_free(p);
	CHECK_REFUSED(p, "bad pointer");
	check_end(&before);
}
