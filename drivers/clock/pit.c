/* SPDX-License-Identifier: MIT */
#include "drivers/clock/pit.h"

#include "arch/arch.h"

enum {
	PIT_HZ = 1193182,
	PIT_CHANNEL2 = 0x42,
	PIT_COMMAND = 0x43,
	PIT_CHANNEL2_MODE2 = 0xb4, /* channel 2, low then high byte, mode 2, binary */
	PIT_LATCH_CHANNEL2 = 0x80,
	PIT_GATE = 0x61,
	PIT_GATE_ON = 1 << 0,
	PIT_SPEAKER = 1 << 1,
};

/* It counts down: the complement counts up. */
static uint64_t pit_read(const struct clock_counter *c)
{
	uint8_t low, high;

	(void)c;
	arch_port_write8(PIT_COMMAND, PIT_LATCH_CHANNEL2);
	low = arch_port_read8(PIT_CHANNEL2);
	high = arch_port_read8(PIT_CHANNEL2);
	return (uint64_t)(UINT16_MAX - (low | high << 8));
}

void pit_counter(struct clock_counter *out)
{
	uint8_t gate = arch_port_read8(PIT_GATE);

	arch_port_write8(PIT_GATE, (uint8_t)((gate & ~PIT_SPEAKER) | PIT_GATE_ON));
	arch_port_write8(PIT_COMMAND, PIT_CHANNEL2_MODE2);
	arch_port_write8(PIT_CHANNEL2, 0); /* 0 stands for 65536 */
	arch_port_write8(PIT_CHANNEL2, 0);
	*out = (struct clock_counter){
		.name = "PIT",
		.read = pit_read,
		.hz = PIT_HZ,
		.mask = UINT16_MAX,
	};
}
