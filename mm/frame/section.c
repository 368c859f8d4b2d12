/* SPDX-License-Identifier: MIT */
#include "mm/frame/section.h"

#include "lib/bits.h"
#include "lib/panic.h"
#include "lib/print.h"
#include "lib/string.h"
#include "mm/frame/boot_alloc.h"

enum {
	TABLE_FRAMES = ARCH_META_MAP_TABLES + ARCH_DIRECT_TABLES,
	CHUNK_TABLE_FRAMES = (sizeof(struct chunk_table) + PAGE_SIZE - 1) / PAGE_SIZE,
	EXTRA_FRAMES = CHUNK_TABLE_FRAMES + TABLE_FRAMES,
	SEED_SLOTS_ORDER = 10, /* 4 MiB: the slots of a whole section */
	SEED_EXTRA_ORDER = 5,
	NO_CPU = ARCH_MAX_CPUS,
};
_Static_assert(SECTION_FRAMES *META_SLOT_BYTES == PAGE_SIZE << SEED_SLOTS_ORDER, "one block");
_Static_assert(EXTRA_FRAMES <= 1 << SEED_EXTRA_ORDER, "one block");

/* Memory reserved for one section's metadata.  PFN_NONE: not allocated. */
struct seed {
	pfn_t slots, extra;
};

struct zone zones[ZONES];

static struct section *sections; /* (c) after section_init() */
static struct chunk_table **tables;
static uint32_t count; /* sections */
static const struct region *regions;
static size_t region_count;
static struct prange boot_taken; /* (c) after section_open() */

LOCK_CLASS(section_lock_class, "section growth", RANK_SECTION);
static struct spinlock growth = SPINLOCK_INIT(&section_lock_class);
static _Atomic unsigned growing_cpu = NO_CPU;
static struct seed seed = { PFN_NONE, PFN_NONE };
static struct section_stats stats;
static _Atomic uint64_t dormant_frames[ZONES]; /* sum over the dormant sections */
static unsigned fail_step;
static const struct section_mapper *mapper;          /* NULL: the boot page table is in use */
static struct prange adopted[SECTION_ADOPTED_MAX];   /* (l) to enter; length 0: free */
static struct prange released[SECTION_RELEASED_MAX]; /* likewise */

/* ---- section states and usable ranges ---- */

uint32_t section_count(void)
{
	return count;
}

const struct section *section_at(uint32_t index)
{
	return &sections[index];
}

static enum section_state state_of(uint32_t index)
{
	/* acquire pairs with the release in set_state() */
	return (enum section_state)atomic_load_explicit(&sections[index].state,
							memory_order_acquire);
}

static void set_state(uint32_t index, enum section_state state)
{
	atomic_store_explicit(&sections[index].state, (uint8_t)state, memory_order_release);
}

static enum zone_id section_zone(uint32_t index)
{
	return index < ZONE_LOW_FRAMES / SECTION_FRAMES ? ZONE_LOW : ZONE_HIGH;
}

/* Passes the frames of [first, end) to fn, without frame 0 and the range of the boot allocator. */
static void give_range(uint64_t first, uint64_t end, void (*fn)(void *, pfn_t, uint32_t), void *ctx)
{
	uint64_t taken = boot_taken.start.raw / PAGE_SIZE;
	uint64_t taken_end = taken + boot_taken.len / PAGE_SIZE;
	uint64_t cut = min_u64(max_u64(taken, first), end);
	uint64_t resume = min_u64(max_u64(taken_end, first), end);

	first = max_u64(first, 1);
	if (boot_taken.len == 0 || cut >= resume) {
		if (first < end)
			fn(ctx, (pfn_t)first, (uint32_t)(end - first));
		return;
	}
	if (first < cut)
		fn(ctx, (pfn_t)first, (uint32_t)(cut - first));
	if (resume < end)
		fn(ctx, (pfn_t)resume, (uint32_t)(end - resume));
}

void section_each_range(uint32_t index, void (*fn)(void *, pfn_t, uint32_t), void *ctx)
{
	uint64_t start = (uint64_t)index * SECTION_FRAMES, end = start + SECTION_FRAMES;

	for (size_t i = 0; i < region_count; i++) {
		uint64_t first = max_u64(regions[i].start / PAGE_SIZE, start);
		uint64_t stop = min_u64(regions[i].end / PAGE_SIZE, end);

		if (regions[i].type == REGION_USABLE && first < stop)
			give_range(first, min_u64(stop, PFN_NONE), fn, ctx);
	}
}

static void add_up(void *ctx, pfn_t first, uint32_t frames)
{
	(void)first;
	*(uint32_t *)ctx += frames;
}

static void count_usable(uint32_t index)
{
	sections[index].usable = 0;
	section_each_range(index, add_up, &sections[index].usable);
}

/* Recounts `usable` of each section that the range touches. */
static void count_usable_in(struct prange range)
{
	uint64_t end = range.start.raw + range.len;

	for (uint64_t i = range.start.raw / GIB(1); i < count && i * GIB(1) < end; i++)
		count_usable((uint32_t)i);
}

/* Counts `usable` of all sections in one pass over the regions: O(sections + regions) at start-up.
 */
static void count_all_usable(void)
{
	for (size_t i = 0; i < region_count; i++) {
		uint64_t at = regions[i].start / PAGE_SIZE;
		uint64_t end = min_u64(regions[i].end / PAGE_SIZE, PFN_NONE);

		if (regions[i].type != REGION_USABLE)
			continue;
		while (at < end) {
			uint64_t s = at / SECTION_FRAMES;
			uint64_t stop = min_u64(end, (s + 1) * SECTION_FRAMES);

			sections[s].usable += (uint32_t)(stop - at);
			at = stop;
		}
	}
	if (count != 0)
		count_usable(0); /* without frame 0 */
}

/* ---- the table ---- */

static uint64_t last_usable_byte(void)
{
	uint64_t last = 0;

	for (size_t i = 0; i < region_count; i++)
		if (regions[i].type == REGION_USABLE && regions[i].start < PHYS_LIMIT)
			last = min_u64(regions[i].end, PHYS_LIMIT);
	return last;
}

_Static_assert(PHYS_LIMIT < (uint64_t)PFN_NONE * PAGE_SIZE, "no frame has the number PFN_NONE");

static void leave_out_beyond(void)
{
	for (size_t i = 0; i < region_count; i++) {
		uint64_t start = max_u64(regions[i].start, PHYS_LIMIT);

		if (regions[i].type == REGION_USABLE && start < regions[i].end)
			stats.beyond_frames += (regions[i].end - start) / PAGE_SIZE;
	}
	if (stats.beyond_frames != 0)
		warn("%lu MiB of memory above %lu GiB are left out",
		     stats.beyond_frames * PAGE_SIZE >> 20, PHYS_LIMIT >> 30);
}

static void cover(uint32_t index, uint64_t end_frame)
{
	uint64_t covered = end_frame - (uint64_t)index * SECTION_FRAMES;

	covered = align_up(min_u64(covered, SECTION_FRAMES), CHUNK_FRAMES);
	sections[index].covered = (uint32_t)max_u64(sections[index].covered, covered);
}

/* Sets `covered` of each section to the end of its memory. */
static void cover_memory(void)
{
	for (size_t i = 0; i < region_count; i++) {
		uint64_t first = regions[i].start / PAGE_SIZE;
		uint64_t end = (regions[i].end + PAGE_SIZE - 1) / PAGE_SIZE;

		if (!region_type_has_frames(regions[i].type))
			continue;
		for (uint64_t s = first / SECTION_FRAMES; s < count && s * SECTION_FRAMES < end;
		     s++)
			cover((uint32_t)s, min_u64(end, (s + 1) * SECTION_FRAMES));
	}
}

static uint64_t metadata_frames(const struct section *s)
{
	return (uint64_t)s->covered * META_SLOT_BYTES / PAGE_SIZE + EXTRA_FRAMES;
}

err_t section_init(const struct region *r, size_t n)
{
	uint32_t low;

	regions = r;
	region_count = n;
	boot_taken = (struct prange){ 0 };
	stats = (struct section_stats){ 0 };
	mapper = NULL;
	memset(adopted, 0, sizeof(adopted));
	memset(released, 0, sizeof(released));
	seed = (struct seed){ PFN_NONE, PFN_NONE };
	fail_step = 0;
	count = (uint32_t)((last_usable_byte() + GIB(1) - 1) / GIB(1));
	sections = boot_alloc(count * sizeof(*sections), sizeof(uint64_t));
	tables = boot_alloc(count * sizeof(struct chunk_table *), sizeof(uint64_t));
	if (sections == NULL || tables == NULL)
		return ERR_NO_MEMORY;
	leave_out_beyond();
	cover_memory();
	count_all_usable();
	for (uint32_t i = 0; i < count; i++) {
		if (sections[i].usable > metadata_frames(&sections[i]))
			set_state(i, SECTION_DORMANT);
		else
			stats.sparse_frames += sections[i].usable;
	}
	low = (uint32_t)min_u64(count, ZONE_LOW_FRAMES / SECTION_FRAMES);
	zone_init(&zones[ZONE_LOW], "low", tables, 0, low);
	zone_init(&zones[ZONE_HIGH], "high", tables, low, count);
	return OK;
}

/* ---- populating ---- */

void section_inject_failure(unsigned nth)
{
	fail_step = nth;
}

static bool step_fails(void)
{
	return fail_step != 0 && --fail_step == 0;
}

void section_use_mapper(const struct section_mapper *new_mapper)
{
	mapper = new_mapper;
}

/* Bytes of slots to map: the covered frames, rounded up to 2 MiB pages when `mapper` is set. */
static size_t slots_bytes(const struct section *s)
{
	size_t bytes = (size_t)s->covered * META_SLOT_BYTES;

	return mapper == NULL ? bytes : align_up(bytes, CHUNK_FRAMES * PAGE_SIZE);
}

static err_t map_slots(vaddr_t va, paddr_t slots, size_t len, struct prange page_tables)
{
	unsigned used;
	err_t err;

	if (mapper == NULL)
		return arch_meta_map(va, slots, len, page_tables, &used);
	err = mapper->map_slots(va, slots, len);
	if (err == OK)
		memset((void *)va, 0, len);
	return err;
}

/* The linear map of the boot page table reaches 4 GiB; kernel space maps all of memory. */
static err_t map_frames(uint32_t index, struct prange page_tables, unsigned *used)
{
	*used = 0;
	return mapper != NULL ? OK
			      : arch_direct_extend(paddr((uint64_t)index * GIB(1)),
						   (uint64_t)sections[index].covered * PAGE_SIZE,
						   page_tables, used);
}

/* Maps and zeroes the metadata of section `index`: `slots` holds the slots, `extra` (EXTRA_FRAMES,
 * zeroed by the caller) the chunk table and page tables. */
static err_t populate(uint32_t index, paddr_t slots, paddr_t extra)
{
	struct section *s = &sections[index];
	struct prange page_tables = { paddr_add(extra, CHUNK_TABLE_FRAMES * PAGE_SIZE),
				      TABLE_FRAMES * PAGE_SIZE };
	vaddr_t va = (vaddr_t)meta_slot_of(index * SECTION_FRAMES);
	unsigned used;
	err_t err;

	err = step_fails() ? ERR_NO_MEMORY : map_frames(index, page_tables, &used);
	if (err != OK)
		return err;
	page_tables.start.raw += used * PAGE_SIZE;
	page_tables.len -= used * PAGE_SIZE;
	err = step_fails() ? ERR_NO_MEMORY : map_slots(va, slots, slots_bytes(s), page_tables);
	if (err != OK)
		return err;
	s->slots = paddr_to_pfn(slots);
	tables[index] = arch_direct(extra);
	set_state(index, SECTION_POPULATED);
	stats.populated++;
	return OK;
}

static err_t populate_from_boot(uint32_t index)
{
	size_t bytes = (size_t)sections[index].covered * META_SLOT_BYTES;
	void *extra = boot_alloc(EXTRA_FRAMES * PAGE_SIZE, PAGE_SIZE);
	void *slots = boot_alloc_dirty(
		bytes, bytes >= CHUNK_FRAMES * PAGE_SIZE ? CHUNK_FRAMES * PAGE_SIZE : PAGE_SIZE);

	if (extra == NULL || slots == NULL)
		return ERR_NO_MEMORY;
	return populate(index, arch_direct_to_paddr(slots), arch_direct_to_paddr(extra));
}

static uint32_t next_dormant(enum zone_id zone)
{
	uint32_t low = ZONE_LOW_FRAMES / SECTION_FRAMES;

	for (uint32_t i = zone == ZONE_LOW ? 0 : low; i < count && section_zone(i) == zone; i++)
		if (state_of(i) == SECTION_DORMANT)
			return i;
	return count;
}

static bool any_dormant(void)
{
	return next_dormant(ZONE_LOW) < count || next_dormant(ZONE_HIGH) < count;
}

err_t section_populate_first(uint64_t frames)
{
	uint64_t have = 0;

	for (uint32_t i = 0; i < count && have < frames; i++) {
		err_t err;

		if (state_of(i) != SECTION_DORMANT)
			continue;
		err = populate_from_boot(i);
		if (err != OK)
			return err;
		have += sections[i].usable;
	}
	if (any_dormant()) {
		void *slots = boot_alloc_dirty(PAGE_SIZE << SEED_SLOTS_ORDER,
					       CHUNK_FRAMES * PAGE_SIZE);
		void *extra = boot_alloc_dirty(PAGE_SIZE << SEED_EXTRA_ORDER, PAGE_SIZE);

		if (slots == NULL || extra == NULL)
			return ERR_NO_MEMORY;
		seed = (struct seed){ paddr_to_pfn(arch_direct_to_paddr(slots)),
				      paddr_to_pfn(arch_direct_to_paddr(extra)) };
	}
	return have == 0 ? ERR_NO_MEMORY : OK;
}

static void dormant_add(enum zone_id zone, uint64_t frames)
{
	atomic_fetch_add_explicit(&dormant_frames[zone], frames, memory_order_relaxed);
}

static void give_to_zone(void *ctx, pfn_t first, uint32_t frames)
{
	zone_add(ctx, first, frames);
}

static void open_section(uint32_t index)
{
	section_each_range(index, give_to_zone, &zones[section_zone(index)]);
}

void section_open(struct prange taken)
{
	boot_taken = taken;
	stats.boot_frames = taken.len / PAGE_SIZE;
	count_usable_in(taken);
	for (unsigned z = 0; z < ZONES; z++)
		atomic_store_explicit(&dormant_frames[z], 0, memory_order_relaxed);
	for (uint32_t i = 0; i < count; i++) {
		if (state_of(i) == SECTION_POPULATED)
			open_section(i);
		else if (state_of(i) == SECTION_DORMANT)
			dormant_add(section_zone(i), sections[i].usable);
	}
}

/* ---- growth ---- */

static pfn_t seed_block(unsigned order)
{
	pfn_t pfn = step_fails() ? PFN_NONE : zone_alloc(&zones[ZONE_HIGH], order);

	return pfn != PFN_NONE ? pfn : zone_alloc(&zones[ZONE_LOW], order);
}

/* Allocates the missing parts of the seed.  Returns whether it is complete. */
static bool seed_fill(void) __requires(growth)
{
	if (seed.slots == PFN_NONE)
		seed.slots = seed_block(SEED_SLOTS_ORDER);
	if (seed.extra == PFN_NONE)
		seed.extra = seed_block(SEED_EXTRA_ORDER);
	return seed.slots != PFN_NONE && seed.extra != PFN_NONE;
}

/* Adds the part of the seed that the section does not use to the zones. */
static void give_back(pfn_t pfn, uint64_t used, uint64_t whole)
{
	if (zone_of(pfn) == ZONE_LOW && pfn >= boot_taken.start.raw / PAGE_SIZE &&
	    pfn < (boot_taken.start.raw + boot_taken.len) / PAGE_SIZE)
		return; /* the first seed stays in the boot allocator's range for ever */
	stats.meta_frames += used;
	if (used < whole)
		zone_add(&zones[zone_of(pfn)], pfn + (pfn_t)used, (uint32_t)(whole - used));
}

static err_t grow_locked(uint32_t index) __requires(growth)
{
	struct seed used;
	err_t err;

	if (!seed_fill())
		return ERR_NO_MEMORY;
	used = seed;
	memset(arch_direct(pfn_to_paddr(used.extra)), 0, EXTRA_FRAMES * PAGE_SIZE);
	err = populate(index, pfn_to_paddr(used.slots), pfn_to_paddr(used.extra));
	if (err != OK)
		return err;
	seed = (struct seed){ PFN_NONE, PFN_NONE };
	dormant_add(section_zone(index), -(uint64_t)sections[index].usable);
	open_section(index);
	give_back(used.slots, slots_bytes(&sections[index]) / PAGE_SIZE,
		  UINT64_C(1) << SEED_SLOTS_ORDER);
	give_back(used.extra, EXTRA_FRAMES, UINT64_C(1) << SEED_EXTRA_ORDER);
	if (any_dormant())
		(void)seed_fill(); /* on failure the next growth tries again */
	return OK;
}

err_t section_grow(enum zone_id zone)
{
	err_t err = ERR_NOT_FOUND;
	uintptr_t irq;
	uint32_t index;

	if (section_dormant_frames(zone) == 0)
		return ERR_NOT_FOUND;
	irq = arch_irq_save();
	/* relaxed: only this CPU writes its own number */
	if (atomic_load_explicit(&growing_cpu, memory_order_relaxed) == arch_cpu_id()) {
		arch_irq_restore(irq);
		return ERR_BUSY;
	}
	spin_lock(&growth);
	atomic_store_explicit(&growing_cpu, arch_cpu_id(), memory_order_relaxed);
	index = next_dormant(zone);
	if (index < count)
		err = grow_locked(index);
	atomic_store_explicit(&growing_cpu, NO_CPU, memory_order_relaxed);
	spin_unlock(&growth);
	arch_irq_restore(irq);
	return err;
}

/* ---- memory adopted after boot ---- */

static bool in_range(struct prange r, uint64_t pa)
{
	return pa >= r.start.raw && pa - r.start.raw < r.len;
}

static bool in_any(const struct prange *list, unsigned n, uint64_t pa)
{
	for (unsigned i = 0; i < n; i++)
		if (in_range(list[i], pa))
			return true;
	return false;
}

/* The region that contains pa, or NULL. */
static const struct region *region_at(uint64_t pa)
{
	for (size_t i = 0; i < region_count; i++)
		if (regions[i].start <= pa && pa < regions[i].end)
			return &regions[i];
	return NULL;
}

bool section_owns(pfn_t pfn)
{
	uint64_t pa = pfn_to_paddr(pfn).raw;
	const struct region *r = region_at(pa);

	if (in_range(boot_taken, pa) || pfn == 0 || r == NULL)
		return false;
	return r->type == REGION_USABLE || in_any(adopted, SECTION_ADOPTED_MAX, pa) ||
	       in_any(released, SECTION_RELEASED_MAX, pa);
}

struct prange section_adopted(unsigned i)
{
	return i < SECTION_ADOPTED_MAX ? adopted[i] : (struct prange){ 0 };
}

/* Whether the allocator may have the frame at pa, which is in no list but that of the caller. */
static err_t can_have(uint64_t pa)
{
	const struct meta_slot *slot = section_slot(paddr(pa));
	const struct region *r = region_at(pa);

	if (slot == NULL || r == NULL || !region_type_has_frames(r->type) || pa < PAGE_SIZE)
		return ERR_BAD_RANGE;
	if (meta_state(slot).count != SLOT_NONE ||
	    (r->type == REGION_USABLE && !in_range(boot_taken, pa)))
		return ERR_IN_USE;
	return OK;
}

static bool overlaps_any(const struct prange *list, unsigned n, struct prange range)
{
	for (unsigned i = 0; i < n; i++)
		if (list[i].len != 0 && list[i].start.raw < range.start.raw + range.len &&
		    range.start.raw < list[i].start.raw + list[i].len)
			return true;
	return false;
}

/* Enter the range in a list: section_owns() its frames from now on, so no other caller can. */
static err_t enter(struct prange *list, unsigned n, struct prange range, struct prange **place)
{
	uintptr_t irq = spin_lock_irq(&growth);
	unsigned i = 0;
	err_t err = OK;

	while (i < n && list[i].len != 0)
		i++;
	if (overlaps_any(adopted, SECTION_ADOPTED_MAX, range) ||
	    overlaps_any(released, SECTION_RELEASED_MAX, range))
		err = ERR_IN_USE;
	else if (i == n)
		err = ERR_NO_MEMORY;
	else
		*(*place = &list[i]) = range;
	spin_unlock_irq(&growth, irq);
	return err;
}

static void leave(struct prange *place)
{
	uintptr_t irq = spin_lock_irq(&growth);

	*place = (struct prange){ 0 };
	spin_unlock_irq(&growth, irq);
}

/* Enter a range all of whose frames the allocator may have.  They are checked with interrupts
 * on: there may be many. */
static err_t claim(struct prange *list, unsigned n, struct prange range)
{
	struct prange *place = NULL;
	err_t err;

	if ((range.start.raw | range.len) % PAGE_SIZE != 0 || range.len == 0 ||
	    range.len > PHYS_LIMIT || range.start.raw > PHYS_LIMIT - range.len)
		return ERR_BAD_RANGE;
	err = enter(list, n, range, &place);
	if (err != OK)
		return err;
	for (uint64_t at = 0; at < range.len && err == OK; at += PAGE_SIZE)
		err = can_have(range.start.raw + at);
	if (err != OK)
		leave(place);
	return err;
}

err_t section_release(struct prange range)
{
	return claim(released, SECTION_RELEASED_MAX, range);
}

err_t section_adopt(struct prange range)
{
	err_t err = claim(adopted, SECTION_ADOPTED_MAX, range);
	pfn_t pfn = paddr_to_pfn(range.start), end;

	if (err != OK)
		return err;
	for (end = pfn + (pfn_t)(range.len / PAGE_SIZE); pfn < end;) {
		pfn_t part = zone_of(pfn) == zone_of(end - 1) ? end : (pfn_t)ZONE_LOW_FRAMES;

		zone_add(&zones[zone_of(pfn)], pfn, part - pfn);
		pfn = part;
	}
	return OK;
}

/* ---- lookup and stats ---- */

struct meta_slot *section_slot(paddr_t pa)
{
	uint64_t index = pa.raw / GIB(1);
	uint64_t frame = pa.raw / PAGE_SIZE % SECTION_FRAMES;

	if (index >= count || state_of((uint32_t)index) != SECTION_POPULATED ||
	    frame >= sections[index].covered)
		return NULL;
	return meta_slot_of((pfn_t)(pa.raw / PAGE_SIZE));
}

uint64_t section_dormant_frames(enum zone_id zone)
{
	return atomic_load_explicit(&dormant_frames[zone], memory_order_relaxed); /* racy */
}

struct section_stats section_stats(void)
{
	struct section_stats t = stats;

	t.dormant = t.seed_frames = 0;
	for (uint32_t i = 0; i < count; i++)
		t.dormant += state_of(i) == SECTION_DORMANT;
	t.dormant_frames = section_dormant_frames(ZONE_LOW) + section_dormant_frames(ZONE_HIGH);
	if (seed.slots != PFN_NONE &&
	    seed.slots * (uint64_t)PAGE_SIZE - boot_taken.start.raw >= boot_taken.len)
		t.seed_frames += UINT64_C(1) << SEED_SLOTS_ORDER;
	if (seed.extra != PFN_NONE &&
	    seed.extra * (uint64_t)PAGE_SIZE - boot_taken.start.raw >= boot_taken.len)
		t.seed_frames += UINT64_C(1) << SEED_EXTRA_ORDER;
	return t;
}
