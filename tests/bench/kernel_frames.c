/* SPDX-License-Identifier: MIT */
/*
 * kernel_frames.c - bench of the frame allocator in the kernel, in TSC ticks.
 *
 * The monitor's `bench` prints a line for each operation (measure.h).  Names and loops are those of
 * the peer (module/peer.c of the shared folder): the same numbers of samples, the same order of
 * allocating and freeing.  Names with `raw` are mm/frame/frame_cache.h, frames without owner or
 * count; all others are the typed, counted API of mm/frame/frame.h.
 *
 * The timer is stopped meanwhile.  Frames are not cleared, as in the peer.
 */
#include "arch/arch.h"
#include "lib/panic.h"
#include "lib/print.h"
#include "mm/frame/frame.h"
#include "mm/heap/heap.h"
#include "monitor/command.h"
#include "tests/bench/measure.h"

enum {
	BURST_SAMPLES = 5,
	BURST_FRAMES = 4096,
	BURST_BLOCKS = 32,
	NEEDED_FRAMES = 4 * BURST_BLOCKS * CHUNK_FRAMES,
};

static struct frame *held[BURST_FRAMES];
static pfn_t held_raw[BURST_FRAMES];

/* ---- one frame or block ---- */

static __forceinline void take_one(unsigned order)
{
	held[0] = order == 0 ? frame_alloc(FRAME_TEST) : frame_alloc_block(FRAME_TEST, order);
}

static __forceinline void give_one(unsigned order)
{
	(void)order;
	frame_put(held[0]);
}

static __forceinline void take_one_raw(unsigned order)
{
	held_raw[0] = order == 0 ? frame_take() : frame_take_block(order);
}

static __forceinline void give_one_raw(unsigned order)
{
	if (order == 0)
		frame_give(held_raw[0]);
	else
		frame_give_block(held_raw[0], order);
}

static __forceinline void measure_pair(unsigned order)
{
	measure("alloc_pages_o", order, SAMPLES, 1, nothing, take_one, give_one);
	measure("free_pages_o", order, SAMPLES, 1, take_one, give_one, nothing);
	measure("raw_alloc_o", order, SAMPLES, 1, nothing, take_one_raw, give_one_raw);
	measure("raw_free_o", order, SAMPLES, 1, take_one_raw, give_one_raw, nothing);
}

/* ---- many ---- */

static __forceinline void take_frames(unsigned order)
{
	(void)order;
	for (unsigned i = 0; i < BURST_FRAMES; i++)
		held[i] = frame_alloc(FRAME_TEST);
}

static __forceinline void give_frames(unsigned order)
{
	(void)order;
	for (unsigned i = 0; i < BURST_FRAMES; i++)
		frame_put(held[i]);
}

static __forceinline void take_frames_raw(unsigned order)
{
	(void)order;
	for (unsigned i = 0; i < BURST_FRAMES; i++)
		held_raw[i] = frame_take();
}

static __forceinline void give_frames_raw(unsigned order)
{
	(void)order;
	for (unsigned i = 0; i < BURST_FRAMES; i++)
		frame_give(held_raw[i]);
}

static __forceinline void take_blocks(unsigned order)
{
	for (unsigned i = 0; i < BURST_BLOCKS; i++)
		held[i] = frame_alloc_block(FRAME_TEST, order);
}

static __forceinline void give_blocks(unsigned order)
{
	(void)order;
	for (unsigned i = 0; i < BURST_BLOCKS; i++)
		frame_put(held[i]);
}

static __forceinline void take_bulk(unsigned order)
{
	(void)order;
	if (frame_alloc_bulk(FRAME_TEST, BURST_FRAMES, held) != OK)
		panic("bench: memory has run out");
}

static __forceinline void give_bulk(unsigned order)
{
	(void)order;
	frame_put_bulk(held, BURST_FRAMES);
}

static void measure_bursts(void)
{
	measure("burst4096_alloc_o", 0, BURST_SAMPLES, BURST_FRAMES, nothing, take_frames,
		give_frames);
	measure("burst4096_free_o", 0, BURST_SAMPLES, BURST_FRAMES, take_frames, give_frames,
		nothing);
	measure("raw_burst4096_alloc_o", 0, BURST_SAMPLES, BURST_FRAMES, nothing, take_frames_raw,
		give_frames_raw);
	measure("raw_burst4096_free_o", 0, BURST_SAMPLES, BURST_FRAMES, take_frames_raw,
		give_frames_raw, nothing);
	measure("bulk_array4096_alloc_o", 0, BURST_SAMPLES, BURST_FRAMES, nothing, take_bulk,
		give_bulk);
	measure("bulk_array4096_free_o", 0, BURST_SAMPLES, BURST_FRAMES, take_bulk, give_bulk,
		nothing);
	measure("burst32_alloc_o", CHUNK_ORDER, BURST_SAMPLES, BURST_BLOCKS, nothing, take_blocks,
		give_blocks);
	measure("burst32_free_o", CHUNK_ORDER, BURST_SAMPLES, BURST_BLOCKS, take_blocks,
		give_blocks, nothing);
}

COMMAND(bench, "", "ticks of frame alloc and free; exact where the TSC counts instructions")
{
	uintptr_t irq;

	if (frame_available() < NEEDED_FRAMES) {
		print("bench: %u MiB of free frames are needed\n",
		      (unsigned)(NEEDED_FRAMES / (MIB(1) / PAGE_SIZE)));
		return;
	}
	irq = arch_irq_save(); /* no interrupts during the measurement */
	measure_overhead();
	measure_pair(0);
	measure_pair(3);
	measure_pair(5);
	measure_pair(CHUNK_ORDER);
	measure_bursts();
	arch_irq_restore(irq);
}
