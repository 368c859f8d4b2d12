/* SPDX-License-Identifier: MIT */
#include "monitor/frame_report.h"

#include "lib/bits.h"
#include "lib/print.h"
#include "mm/frame/regions.h"
#include "monitor/command.h"

static const struct region *regions;
static size_t region_count;

void report_set_regions(const struct region *r, size_t n)
{
	regions = r;
	region_count = n;
}

const struct region *report_regions(size_t *n)
{
	*n = region_count;
	return regions;
}

/* ---- the audit ---- */

/* Regions are exact to the byte but usable ones are whole frames, so a frame with several types
 * has no usable one; it is counted once, for the type first in rank. */
static void audit_regions(struct frame_audit *a)
{
	uint64_t last = UINT64_MAX; /* the frame counted last, by last_type */
	enum region_type last_type = REGION_TYPES;

	for (size_t i = 0; i < region_count; i++) {
		const struct region *r = &regions[i];
		uint64_t first = r->start / PAGE_SIZE;
		uint64_t end = (r->end - 1) / PAGE_SIZE + 1;

		if (first == last) {
			if (r->type < last_type) {
				a->by_type[last_type]--;
				a->by_type[r->type]++;
				last_type = r->type;
			}
			first++;
		}
		if (first < end) {
			a->by_type[r->type] += end - first;
			a->map += end - first;
			last = end - 1;
			last_type = r->type;
		}
	}
}

static void audit_slot(struct frame_audit *a, pfn_t pfn)
{
	struct slot_state s = meta_state(meta_slot_of(pfn));
	uint64_t frames = UINT64_C(1) << s.order;

	if (slot_is_counted(s))
		a->by_kind[s.kind] += frames;
	else if (s.count == SLOT_UNIQUE)
		a->unique += frames;
}

static void audit_range(void *ctx, pfn_t first, uint32_t frames)
{
	for (uint32_t i = 0; i < frames; i++)
		audit_slot(ctx, first + i);
}

static void audit_unused(struct frame_audit *a)
{
	for (size_t i = 0; i < region_count; i++) {
		uint64_t end = min_u64(regions[i].end, PHYS_LIMIT);

		if (!region_type_is_ram(regions[i].type))
			continue;
		for (uint64_t pa = align_up(regions[i].start, PAGE_SIZE); pa < end;) {
			const struct meta_slot *slot = section_slot(paddr(pa));

			if (slot == NULL) {
				pa = align_down(pa, GIB(1)) + GIB(1);
				continue;
			}
			a->unused += meta_state(slot).count == SLOT_UNUSED;
			pa += PAGE_SIZE;
		}
	}
}

static void audit_sum(struct frame_audit *a)
{
	uint64_t sum = a->first + a->boot + a->zone_free + a->cached + a->dormant + a->sparse +
		       a->beyond + a->seed + a->meta + a->unique;

	for (unsigned t = 0; t < REGION_USABLE; t++)
		sum += a->by_type[t];
	for (unsigned k = 0; k < FRAME_KINDS; k++)
		sum += a->by_kind[k];
	a->classes = sum - a->adopted;
}

struct frame_audit frame_audit(void)
{
	struct frame_audit a = { 0 };
	struct section_stats t = section_stats();
	struct prange adopted;
	const struct region *zero = regions_find(regions, region_count, 0);

	audit_regions(&a);
	for (unsigned i = 0; (adopted = section_adopted(i)).len != 0; i++) {
		uint32_t frames = (uint32_t)(adopted.len / PAGE_SIZE);

		a.adopted += frames;
		audit_range(&a, paddr_to_pfn(adopted.start), frames);
	}
	audit_unused(&a);
	a.first = zero != NULL && zero->type == REGION_USABLE ? 1 : 0;
	a.boot = t.boot_frames;
	a.sparse = t.sparse_frames;
	a.beyond = t.beyond_frames;
	a.seed = t.seed_frames;
	a.meta = t.meta_frames;
	for (uint32_t i = 0; i < section_count(); i++)
		if (section_slot(paddr((uint64_t)i * GIB(1))) != NULL)
			section_each_range(i, audit_range, &a);
	a.dormant = t.dormant_frames;
	a.cached = frame_cache_count();
	a.zone_free = zone_free_count(&zones[ZONE_LOW]) + zone_free_count(&zones[ZONE_HIGH]);
	audit_sum(&a);
	return a;
}

/* ---- commands ---- */

static void line(const char *name, uint64_t frames, const char *remark)
{
	if (frames != 0)
		print("  %-12s %10lu frames %10lu KiB  %s\n", name, frames,
		      frames * (PAGE_SIZE / 1024), remark);
}

COMMAND(regions, "", "physical memory map, merged from all sources")
{
	for (size_t i = 0; i < region_count; i++)
		print("%#018lx %#018lx %s\n", regions[i].start, regions[i].end,
		      region_type_name(regions[i].type));
	print("usable: %lu KiB in all\n",
	      regions_bytes(regions, region_count, REGION_USABLE) / 1024);
}

COMMAND(frames, "", "frames of the memory map by class, and the difference of their sum")
{
	struct frame_audit a = frame_audit();

	line("free", a.zone_free, "in the zones");
	line("cached", a.cached, "in the per-CPU caches");
	line("dormant", a.dormant, "usable, metadata is allocated on first use");
	for (unsigned k = 0; k < FRAME_KINDS; k++)
		line(frame_kind_name((enum frame_kind)k), a.by_kind[k], "allocated");
	line("unique", a.unique, "allocated to one exclusive owner");
	line("meta", a.meta, "metadata of sections added later");
	line("seed", a.seed, "reserved for the next section's metadata");
	line("boot", a.boot, "allocated before the allocator started");
	line("frame 0", a.first, "never allocated");
	line("sparse", a.sparse, "left out: metadata would cost more");
	line("beyond", a.beyond, "left out: above 16 TiB");
	for (unsigned t = 0; t < REGION_USABLE; t++)
		line(region_type_name((enum region_type)t), a.by_type[t], "not usable");
	if (a.adopted != 0)
		print("  (%lu kernel frames were given to the allocator, and are counted there)\n",
		      a.adopted);
	if (a.unused != 0)
		print("  (of these %lu are released and can be claimed)\n", a.unused);
	print("balance: %lu frames in the map, %lu in classes, difference %ld\n", a.map, a.classes,
	      (long)(a.map - a.classes));
}

COMMAND(buddy, "", "free blocks by order, for each zone")
{
	for (unsigned z = 0; z < ZONES; z++) {
		uint64_t counts[ORDERS];

		zone_count_blocks(&zones[z], counts);
		print("zone %-5s", zones[z].name);
		for (unsigned k = 0; k < ORDERS; k++)
			print(" %lu", counts[k]);
		print("  (orders 0 to %u; %lu frames free, %lu dormant)\n", ORDER_MAX,
		      zone_free_count(&zones[z]), section_dormant_frames((enum zone_id)z));
	}
	print("caches: %lu frames, watermark %lu%s\n", frame_cache_count(), frame_caches.watermark,
	      atomic_load_explicit(&frame_caches.pressure, memory_order_relaxed)
		      ? ", bypassed: memory is low"
		      : "");
}
