/* SPDX-License-Identifier: MIT */
#include "arch/x86_64/clock.h"

#include "arch/arch.h"
#include "lib/print.h"

enum {
	CALIBRATE_MS = 10,
	READS_MAX = 20000000,         /* of a counter that may stand still */
	STILL_MAX = 100000,           /* reads without a change before it is called dead */
	TICKS_GUESS_PER_MS = 5000000, /* 5 GHz: waits come out long, never short */
};

enum {
	HPET_CAPABILITIES = 0x000, /* period in fs in the upper half: HPET 2.3.4 */
	HPET_CONFIG = 0x010,
	HPET_CONFIG_ENABLE = 1,
	HPET_COUNTER = 0x0f0,
	HPET_PERIOD_MAX_FS = 100000000,
};
#define FS_PER_MS UINT64_C(1000000000000)

enum {
	PM_TIMER_HZ = 3579545, /* ACPI 6.5 4.8.3.3 */
};

enum {
	PIT_HZ = 1193182,
	PIT_CHANNEL2 = 0x42,
	PIT_COMMAND = 0x43,
	PIT_CHANNEL2_MODE0 = 0xb0, /* channel 2, low then high byte, mode 0, binary */
	PIT_GATE = 0x61,
	PIT_GATE_ON = 1 << 0,
	PIT_SPEAKER = 1 << 1,
	PIT_OUT2 = 1 << 5,
};

static uint64_t ticks_per_ms = TICKS_GUESS_PER_MS;
static const char *source_name = "nothing";

/* A counter that goes up, `mask` wide. */
struct counter {
	uint64_t (*read)(uint64_t where);
	uint64_t where, mask, per_ms;
};

static uint64_t hpet_read(uint64_t base)
{
	return *(volatile uint32_t *)(base + HPET_COUNTER);
}

static uint64_t pm_timer_read(uint64_t port)
{
	return inl((uint16_t)port);
}

/* TSC ticks in CALIBRATE_MS of the counter, or 0 when it stands still. */
static uint64_t measure(const struct counter *c)
{
	uint64_t want = c->per_ms * CALIBRATE_MS, seen = 0;
	uint64_t last = c->read(c->where) & c->mask, start = rdtsc();
	unsigned still = 0;

	for (unsigned i = 0; i < READS_MAX && still < STILL_MAX; i++) {
		uint64_t now = c->read(c->where) & c->mask;
		uint64_t step = (now - last) & c->mask;

		still = step == 0 ? still + 1 : 0;
		seen += step;
		last = now;
		if (seen >= want)
			return (rdtsc() - start) * want / seen;
	}
	return 0;
}

static uint64_t measure_hpet(void *hpet)
{
	volatile uint32_t *period_reg, *config;
	struct counter c = { .read = hpet_read, .where = (uint64_t)hpet, .mask = UINT32_MAX };
	uint32_t period;

	if (hpet == NULL)
		return 0;
	period_reg = (void *)((uint8_t *)hpet + HPET_CAPABILITIES + sizeof(uint32_t));
	config = (void *)((uint8_t *)hpet + HPET_CONFIG);
	period = *period_reg;
	if (period == 0 || period > HPET_PERIOD_MAX_FS)
		return 0;
	*config = *config | HPET_CONFIG_ENABLE;
	c.per_ms = FS_PER_MS / period;
	return measure(&c);
}

static uint64_t measure_pm_timer(uint64_t port, unsigned bits)
{
	struct counter c = {
		.read = pm_timer_read,
		.where = port,
		.mask = bits == 32 ? UINT32_MAX : 0xffffff,
		.per_ms = PM_TIMER_HZ / 1000,
	};

	return port == 0 || port > UINT16_MAX ? 0 : measure(&c);
}

/* Channel 2 counts down once from CALIBRATE_MS; its output, readable at port 61h, rises at 0. */
static uint64_t measure_pit(void)
{
	unsigned count = PIT_HZ * CALIBRATE_MS / 1000;
	uint64_t start;

	outb(PIT_GATE, (uint8_t)((inb(PIT_GATE) & ~PIT_SPEAKER) | PIT_GATE_ON));
	outb(PIT_COMMAND, PIT_CHANNEL2_MODE0);
	outb(PIT_CHANNEL2, (uint8_t)count);
	outb(PIT_CHANNEL2, (uint8_t)(count >> 8));
	start = rdtsc();
	if (inb(PIT_GATE) & PIT_OUT2)
		return 0; /* nothing there: the bus reads ones */
	for (unsigned i = 0; i < READS_MAX; i++)
		if (inb(PIT_GATE) & PIT_OUT2)
			return rdtsc() - start;
	return 0;
}

void clock_init(const struct clock_sources *s)
{
	uint64_t ticks = measure_hpet(s->hpet);

	source_name = "HPET";
	if (ticks == 0) {
		ticks = measure_pm_timer(s->pm_timer_port, s->pm_timer_bits);
		source_name = "ACPI PM timer";
	}
	if (ticks == 0) {
		ticks = measure_pit();
		source_name = "PIT";
	}
	if (ticks < CALIBRATE_MS) {
		warn("no timer moves: the clock is a guess");
		source_name = "nothing";
		return;
	}
	ticks_per_ms = ticks / CALIBRATE_MS;
}

uint64_t arch_ticks_per_ms(void)
{
	return ticks_per_ms;
}

const char *clock_source_name(void)
{
	return source_name;
}
