/* SPDX-License-Identifier: MIT */
#include "mm/heap/slab.h"

#include "kern/cpu.h"
#include "lib/panic.h"
#include "lib/string.h"

enum {
	TAGS_A_WORD = sizeof(uint64_t),
	BITS_A_TAG = 8,
};
#define WORD_CACHED (UINT64_C(0x0101010101010101) * TAG_CACHED)

LOCK_CLASS(slab_lock_class, "heap class", RANK_HEAP_CLASS);

struct slab_class slab_classes[HEAP_CLASSES];

void slab_class_init(unsigned number, uint16_t aux)
{
	slab_classes[number] = (struct slab_class){
		.lock = SPINLOCK_INIT(&slab_lock_class),
		.front = PFN_NONE,
		.back = PFN_NONE,
		.shape = heap_shape_of(number),
		.aux = aux,
	};
}

/* ---- tags, eight at a time ---- */

/* Sets the top bit of each byte of w that is TAG_IN_SLAB (0); exact: no carry leaves a byte. */
static uint64_t tags_in_slab(uint64_t w)
{
	const uint64_t low = 0x7f7f7f7f7f7f7f7f;

	return ~(((w & low) + low) | w | low);
}

/* Loads the tags of places 8 * index and up; places without a stored tag read as no object. */
static uint64_t tag_word(const struct heap_shape *s, const _Atomic uint8_t *tags, unsigned index)
{
	const void *at = tags + index * TAGS_A_WORD;

	if (heap_shape_tags_in_slot(s))
		return __atomic_load_n((const uint32_t *)at, __ATOMIC_RELAXED) |
		       (uint64_t)UINT32_MAX << 32;
	return __atomic_load_n((const uint64_t *)at, __ATOMIC_RELAXED);
}

static unsigned tag_words(const struct heap_shape *s)
{
	return (s->places + TAGS_A_WORD - 1) / TAGS_A_WORD;
}

static uint32_t free_of(const struct slab_class *c, struct meta_slot *slot)
{
	if (!heap_shape_tags_in_slot(&c->shape))
		return slot->u.slab.free;
	return bits_count(tags_in_slab(tag_word(&c->shape, slot->u.slab.tag, 0)));
}

static void add_to_free_of(const struct slab_class *c, struct meta_slot *slot, int change)
{
	if (!heap_shape_tags_in_slot(&c->shape))
		slot->u.slab.free = (uint16_t)(slot->u.slab.free + change);
}

/* Records this CPU as the last one to take from the slab. */
static void set_cpu_of(const struct slab_class *c, struct meta_slot *slot)
{
	if (!heap_shape_tags_in_slot(&c->shape))
		slot->u.slab.cpu = (uint16_t)arch_cpu_id();
}

/* ---- the queue ---- */

static void queue_push_back(struct slab_class *c, struct meta_slot *slot) __requires(c->lock)
{
	pfn_t pfn = meta_pfn_of(slot);

	slot->u.slab.next = PFN_NONE;
	if (c->front == PFN_NONE)
		c->front = pfn;
	else
		meta_slot_of(c->back)->u.slab.next = pfn;
	c->back = pfn;
	c->queued++;
}

static void queue_push_front(struct slab_class *c, struct meta_slot *slot) __requires(c->lock)
{
	slot->u.slab.next = c->front;
	c->front = meta_pfn_of(slot);
	if (c->back == PFN_NONE)
		c->back = c->front;
	c->queued++;
}

static void queue_pop(struct slab_class *c) __requires(c->lock)
{
	c->front = meta_slot_of(c->front)->u.slab.next;
	if (c->front == PFN_NONE)
		c->back = PFN_NONE;
	c->queued--;
}

/* ---- down: objects to a magazine ---- */

/* Takes all objects of a word of tags, all of them IN_SLAB, and makes them CACHED. */
static void word_take(uint32_t size, char *first, _Atomic uint8_t *tags, struct heap_entry *out)
{
	__atomic_store_n((uint64_t *)(uintptr_t)tags, WORD_CACHED, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < TAGS_A_WORD; i++, first += size)
		out[i] = (struct heap_entry){ first, &tags[i] };
}

/* Takes up to n IN_SLAB objects of a slab and makes them CACHED. */
static unsigned tags_take(const struct heap_shape *s, struct meta_slot *slot,
			  struct heap_entry *out, unsigned n)
{
	_Atomic uint8_t *tags = slab_tags(slot, s);
	char *first = (char *)arch_direct(pfn_to_paddr(meta_pfn_of(slot))) + s->r;
	unsigned got = 0;

	for (unsigned w = 0; w < tag_words(s) && got < n; w++) {
		uint64_t word = tag_word(s, tags, w), in = tags_in_slab(word);

		if (word == 0 && n - got >= TAGS_A_WORD) {
			word_take(s->size, first + w * TAGS_A_WORD * s->size,
				  &tags[w * TAGS_A_WORD], &out[got]);
			got += TAGS_A_WORD;
			continue;
		}
		for (; in != 0 && got < n; in &= in - 1) {
			uint32_t place = w * TAGS_A_WORD + bits_lowest(in) / BITS_A_TAG;

			slab_set_tag(&tags[place], TAG_CACHED);
			out[got++] = (struct heap_entry){ first + place * s->size, &tags[place] };
		}
	}
	return got;
}

/* True: other CPUs are unlikely to use the slab's tags, so that taking causes no false sharing. */
static bool is_near(const struct slab_class *c, struct meta_slot *slot)
{
	return heap_shape_tags_in_slot(&c->shape) || slot->u.slab.cpu == arch_cpu_id() ||
	       slot->u.slab.free == c->shape.objects;
}

/* Rotates the queue until a near slab is at the front, SLAB_NEAR_TRIES slabs at most.  False: there
 * is none, and a new slab is better than the one at the front. */
static bool turn_to_near(struct slab_class *c) __requires(c->lock)
{
	for (unsigned i = 0; i < SLAB_NEAR_TRIES; i++) {
		struct meta_slot *slot = meta_slot_of(c->front);

		if (is_near(c, slot))
			return true;
		queue_pop(c);
		queue_push_back(c, slot);
	}
	return c->free >= (uint64_t)cpu_count() * c->shape.objects;
}

static unsigned take_from_front(struct slab_class *c, struct heap_entry *out, unsigned n)
	__requires(c->lock)
{
	struct meta_slot *slot = meta_slot_of(c->front);
	uint32_t before = free_of(c, slot);
	unsigned got = tags_take(&c->shape, slot, out, n);

	add_to_free_of(c, slot, -(int)got);
	set_cpu_of(c, slot);
	c->free -= got;
	if (before == c->shape.objects)
		c->empty--;
	if (got == before)
		queue_pop(c);
	return got;
}

static unsigned take_from_depot(struct slab_class *c, struct heap_entry *out, unsigned n)
	__requires(c->lock)
{
	n = (unsigned)min_u64(n, c->depot_count);
	c->depot_count -= n;
	memcpy(out, &c->depot[c->depot_count], n * sizeof(out[0]));
	return n;
}

unsigned slab_take(struct slab_class *c, struct heap_entry *out, unsigned n, enum slab_right right)
{
	unsigned got = 0;
	uint64_t have;

	spin_lock(&c->lock);
	have = c->free + c->depot_count;
	if (right != SLAB_CLAIMANT)
		have -= min_u64(have, c->claims);
	n = (unsigned)min_u64(n, have);
	if (n != 0)
		got = take_from_depot(c, out, n);
	while (got < n && (right != SLAB_NEAR || turn_to_near(c)))
		got += take_from_front(c, out + got, n - got);
	spin_unlock(&c->lock);
	return got;
}

/* ---- up: objects from a magazine ---- */

/* Returns the leading run of entries[] that lies in one slab; the result is its length.  0: the
 * first one is not CACHED, a double free. */
static unsigned give_run_home(struct slab_class *c, const struct heap_entry *entries, unsigned n)
	__requires(c->lock)
{
	uintptr_t frame = align_down((uintptr_t)entries->object, PAGE_SIZE);
	struct meta_slot *slot = slab_slot_of(entries->object);
	uint32_t before = free_of(c, slot), run = 0;

	for (; run < n && (uintptr_t)entries[run].object - frame < PAGE_SIZE; run++) {
		if (unlikely(slab_tag(entries[run].tag) != TAG_CACHED))
			break;
		slab_set_tag(entries[run].tag, TAG_IN_SLAB);
	}
	if (unlikely(run == 0))
		return 0;
	add_to_free_of(c, slot, (int)run);
	c->free += run;
	if (before == 0)
		queue_push_back(c, slot);
	if (before + run == c->shape.objects)
		c->empty++;
	return run;
}

/* NULL, or the entry that was freed twice. */
static const struct heap_entry *give_all_home(struct slab_class *c,
					      const struct heap_entry *entries, unsigned n)
	__requires(c->lock)
{
	for (unsigned given = 0, run; given < n; given += run) {
		run = give_run_home(c, &entries[given], n - given);
		if (unlikely(run == 0))
			return &entries[given];
	}
	return NULL;
}

/* Examines up to `max` slabs from the front while more than `keep` are empty, and moves empty ones
 * to *gone, unless claims need their objects. */
static void sweep(struct slab_class *c, unsigned max, unsigned keep, struct slab_chain *gone)
	__requires(c->lock)
{
	for (; max > 0 && c->empty > keep; max--) {
		struct meta_slot *slot = meta_slot_of(c->front);

		queue_pop(c);
		if (free_of(c, slot) != c->shape.objects ||
		    c->free - c->shape.objects < c->claims) {
			queue_push_back(c, slot);
			continue;
		}
		c->empty--;
		c->slabs--;
		c->free -= c->shape.objects;
		slot->u.slab.next = gone->front;
		gone->front = meta_pfn_of(slot);
	}
}

/* Capacity of the depot: small when few objects are outside, since its objects keep slabs alive. */
static uint64_t depot_room(const struct slab_class *c) __requires(c->lock)
{
	uint64_t out = (uint64_t)c->slabs * c->shape.objects - c->free - c->depot_count;

	return min_u64(SLAB_DEPOT, out / SLAB_DEPOT_SHARE);
}

static const struct heap_entry *depot_go_home(struct slab_class *c) __requires(c->lock)
{
	unsigned n = c->depot_count;

	c->depot_count = 0;
	return give_all_home(c, c->depot, n);
}

static void given_twice(const struct slab_class *c, const struct heap_entry *e)
{
	if (e != NULL)
		panic("heap: double free: %p, of %u bytes in slab %#x, came back twice", e->object,
		      c->shape.size, meta_pfn_of(slab_slot_of(e->object)));
}

/* More empty slabs than worth keeping: more than one in SLAB_EMPTY_SHARE of the queue, so that a
 * scan finds one soon. */
static bool too_many_empty(const struct slab_class *c) __requires(c->lock)
{
	return c->empty > max_u64(SLAB_KEEP, c->queued / SLAB_EMPTY_SHARE);
}

bool slab_give(struct slab_class *c, const struct heap_entry *entries, unsigned n,
	       enum slab_way way)
{
	const struct heap_entry *wrong = NULL;
	bool trim;

	spin_lock(&c->lock);
	if (way == SLAB_BY_DEPOT && c->depot_count + n <= depot_room(c)) {
		memcpy(&c->depot[c->depot_count], entries, n * sizeof(entries[0]));
		c->depot_count += n;
	} else {
		wrong = give_all_home(c, entries, n);
		if (wrong == NULL && c->depot_count > depot_room(c))
			wrong = depot_go_home(c);
	}
	trim = too_many_empty(c);
	spin_unlock(&c->lock);
	given_twice(c, wrong);
	return trim;
}

void slab_trim(struct slab_class *c, struct slab_chain *gone)
{
	bool again = true;

	while (again) {
		uintptr_t irq = spin_lock_irq(&c->lock);

		if (too_many_empty(c))
			sweep(c, SLAB_SWEEP, SLAB_KEEP, gone);
		again = too_many_empty(c) && c->claims == 0;
		spin_unlock_irq(&c->lock, irq);
	}
}

void slab_shrink(struct slab_class *c, struct slab_chain *gone)
{
	const struct heap_entry *wrong;
	uintptr_t irq = spin_lock_irq(&c->lock);
	uint32_t left = c->queued +
			c->depot_count; /* upper bound of the slabs in the queue below */

	wrong = depot_go_home(c);
	spin_unlock_irq(&c->lock, irq);
	given_twice(c, wrong);
	while (left > 0) {
		uint32_t now = (uint32_t)min_u64(left, SLAB_SWEEP);

		irq = spin_lock_irq(&c->lock);
		sweep(c, now, 0, gone);
		left = c->empty == 0 ? 0 : left - now;
		spin_unlock_irq(&c->lock, irq);
	}
}

/* ---- slabs ---- */

/* The slab is not published yet. */
static void tags_init(const struct heap_shape *s, struct meta_slot *slot)
{
	void *tags = (void *)(uintptr_t)slab_tags(slot, s);
	uint32_t room = heap_shape_tags_in_slot(s) ? HEAP_SLOT_TAGS : tag_words(s) * TAGS_A_WORD;

	memset(tags, TAG_NO_OBJECT, room);
	memset((uint8_t *)tags + s->lead, TAG_IN_SLAB, s->objects);
}

void slab_add(struct slab_class *c, struct frame *f, struct heap_entry *out, unsigned n,
	      unsigned *got)
{
	struct meta_slot *slot = frame_slot(f);
	uint32_t rest;
	uintptr_t irq;

	meta_set(slot, (struct slot_state){ 1, FRAME_SLAB, 0, c->aux });
	tags_init(&c->shape, slot);
	*got = tags_take(&c->shape, slot, out, n);
	rest = c->shape.objects - *got;
	if (!heap_shape_tags_in_slot(&c->shape))
		slot->u.slab.free = (uint16_t)rest;
	set_cpu_of(c, slot);
	irq = spin_lock_irq(&c->lock);
	c->slabs++;
	c->free += rest;
	if (rest != 0)
		queue_push_front(c, slot);
	if (*got == 0)
		c->empty++;
	spin_unlock_irq(&c->lock, irq);
}

void slab_claim(struct slab_class *c)
{
	uintptr_t irq = spin_lock_irq(&c->lock);

	c->claims++;
	spin_unlock_irq(&c->lock, irq);
}

void slab_unclaim(struct slab_class *c)
{
	uintptr_t irq = spin_lock_irq(&c->lock);

	c->claims--;
	spin_unlock_irq(&c->lock, irq);
}

struct frame *slab_chain_take(struct slab_chain *chain)
{
	struct meta_slot *slot;

	if (chain->front == PFN_NONE)
		return NULL;
	slot = meta_slot_of(chain->front);
	chain->front = slot->u.slab.next;
	return frame_of_slot(slot);
}

void slab_chain_put(struct slab_chain *chain)
{
	struct frame *f;

	while ((f = slab_chain_take(chain)) != NULL)
		frame_put(f);
}

/* ---- invariants ---- */

static const char *check_slab(const struct slab_class *c, struct meta_slot *slot)
{
	struct slot_state s = meta_state(slot);
	const _Atomic uint8_t *tags = slab_tags(slot, &c->shape);
	uint32_t in = 0;

	if (s.count != 1 || s.kind != FRAME_SLAB || s.aux != c->aux)
		return "H1: a queued frame is not a slab of the class";
	for (uint32_t place = 0; place < c->shape.places; place++) {
		enum slab_tag tag = slab_tag(&tags[place]);

		if ((tag == TAG_NO_OBJECT) != (place < c->shape.lead) || tag > TAG_NO_OBJECT)
			return "a tag has an invalid value";
		in += tag == TAG_IN_SLAB;
	}
	if (in == 0)
		return "H2: a queued slab has no object";
	return in == free_of(c, slot) ? NULL : "H3: a slab's count differs from its tags";
}

static const char *check_queue(const struct slab_class *c)
{
	uint32_t queued = 0, empty = 0;
	uint64_t in = 0;
	const char *wrong;

	for (pfn_t pfn = c->front; pfn != PFN_NONE; pfn = meta_slot_of(pfn)->u.slab.next) {
		struct meta_slot *slot = meta_slot_of(pfn);

		wrong = check_slab(c, slot);
		if (wrong != NULL)
			return wrong;
		if (++queued > c->queued)
			return "the queue is longer than its count";
		if (meta_slot_of(pfn)->u.slab.next == PFN_NONE && c->back != pfn)
			return "the last slab of the queue is not `back`";
		in += free_of(c, slot);
		empty += free_of(c, slot) == c->shape.objects;
	}
	if (queued != c->queued || queued > c->slabs)
		return "the queue is shorter than its count";
	if (in != c->free)
		return "H3: the class's count differs from its slabs'";
	return empty == c->empty ? NULL : "H4: empty slabs are miscounted";
}

const char *slab_check(struct slab_class *c)
{
	uintptr_t irq = spin_lock_irq(&c->lock);
	const char *wrong = check_queue(c);

	for (uint32_t i = 0; i < c->depot_count && wrong == NULL; i++)
		if (slab_tag(c->depot[i].tag) != TAG_CACHED)
			wrong = "H5: an object in the depot is not CACHED";
	spin_unlock_irq(&c->lock, irq);
	return wrong;
}
