/* SPDX-License-Identifier: MIT */
/* Tests of drivers/tty/uart.c, drivers/input/i8042.c and drivers/clock against models.
 * On the host alone: in the kernel these devices are in use. */
#include "drivers/clock/hpet.h"
#include "drivers/clock/pit.h"
#include "drivers/clock/pm_timer.h"
#include "drivers/input/i8042.h"
#include "drivers/tty/uart.h"
#include "drivers/tty/vga_text.h"
#include "tests/test.h"

#ifndef KEEL_TESTS

#include <linux/serial_reg.h>
#include <string.h>

#include "arch/arch.h"
#include "arch/host/host.h"
#include "tests/models.h"

enum {
	PORT = 0x2f8,
	HPET_PA = 0xfed00000,
	HPET_PERIOD_FS = 10000000, /* 100 MHz */
	PM_PORT = 0x608,
	WITHIN = 20, /* a twentieth, as the host may take the processor away between two reads */
};

/* ---- the seam itself ---- */

struct probe {
	struct host_device device;
	unsigned reads, writes, bytes;
	uint64_t offset, value;
};

static uint64_t probe_read(struct host_device *d, uint64_t offset, unsigned bytes)
{
	struct probe *p = container_of(d, struct probe, device);

	p->reads++;
	p->offset = offset;
	p->bytes = bytes;
	return UINT64_C(0x8877665544332211);
}

static void probe_write(struct host_device *d, uint64_t offset, unsigned bytes, uint64_t v)
{
	struct probe *p = container_of(d, struct probe, device);

	p->writes++;
	p->offset = offset;
	p->bytes = bytes;
	p->value = v;
}

static bool probe_saw(struct probe *p, unsigned reads, unsigned writes, uint64_t offset,
		      unsigned bytes)
{
	bool right = p->reads == reads && p->writes == writes && p->offset == offset &&
		     p->bytes == bytes;

	p->reads = p->writes = 0;
	return right;
}

TEST(audit_rem_03_an_access_to_a_register_is_one_of_its_width)
{
	struct probe port = { .device = { HOST_PORTS, PORT, 8, probe_read, probe_write, NULL } };
	struct probe memory = { .device = { HOST_MEMORY, HPET_PA, 64, probe_read, probe_write,
					    NULL } };
	uint8_t __iomem *r;

	host_machine_reset();
	host_device_attach(&port.device);
	host_device_attach(&memory.device);
	r = (uint8_t __iomem *)arch_direct(paddr(HPET_PA));
	CHECK_EQ(arch_port_read8(PORT + 3), 0x11);
	CHECK(probe_saw(&port, 1, 0, 3, 1));
	CHECK_EQ(arch_port_read16(PORT + 2), 0x2211);
	CHECK(probe_saw(&port, 1, 0, 2, 2));
	CHECK_EQ(arch_port_read32(PORT + 4), 0x44332211);
	CHECK(probe_saw(&port, 1, 0, 4, 4));
	arch_port_write8(PORT, 0x5a);
	CHECK(probe_saw(&port, 0, 1, 0, 1));
	arch_port_write16(PORT, 0x5a5a);
	CHECK(probe_saw(&port, 0, 1, 0, 2));
	arch_port_write32(PORT, 0x5a5a5a5a);
	CHECK(probe_saw(&port, 0, 1, 0, 4));
	CHECK_EQ(arch_mmio_read8(r + 1), 0x11);
	CHECK(probe_saw(&memory, 1, 0, 1, 1));
	CHECK_EQ(arch_mmio_read16(r + 2), 0x2211);
	CHECK(probe_saw(&memory, 1, 0, 2, 2));
	CHECK_EQ(arch_mmio_read32(r + 4), 0x44332211);
	CHECK(probe_saw(&memory, 1, 0, 4, 4));
	CHECK_EQ(arch_mmio_read64(r + 8), UINT64_C(0x8877665544332211));
	CHECK(probe_saw(&memory, 1, 0, 8, 8));
	arch_mmio_write8(r + 63, 1);
	CHECK(probe_saw(&memory, 0, 1, 63, 1));
	arch_mmio_write16(r + 62, 1);
	CHECK(probe_saw(&memory, 0, 1, 62, 2));
	arch_mmio_write32(r + 60, 1);
	CHECK(probe_saw(&memory, 0, 1, 60, 4));
	arch_mmio_write64(r + 56, UINT64_MAX);
	CHECK(probe_saw(&memory, 0, 1, 56, 8));
	CHECK_EQ(memory.value, UINT64_MAX);
	CHECK_EQ(arch_port_read8(PORT + 8), UINT8_MAX); /* no device */
	CHECK_EQ(arch_mmio_read64(r + 64), UINT64_MAX);
}

/* ---- the 16550 ---- */

TEST(uart_is_set_up_writes_and_reads)
{
	struct model_uart m = { 0 };
	struct uart u;

	host_machine_reset();
	model_uart_attach(&m, PORT);
	m.ier = 0xf;
	NEED(uart_init(&u, PORT) == OK);
	CHECK_EQ(m.ier, 0);
	CHECK_EQ(m.lcr, UART_LCR_WLEN8);
	CHECK_EQ(m.divisor[0] | m.divisor[1] << 8, 1);
	CHECK_EQ(m.mcr & UART_MCR_LOOP, 0);
	CHECK_EQ(m.n_sent, 0);
	m.busy = 5;
	uart_write(&u, "a\nb", 3);
	CHECK_EQ(m.n_sent, 4);
	CHECK(memcmp(m.sent, "a\r\nb", 4) == 0);
	CHECK_EQ(uart_read(&u), -1);
	model_uart_receive(&m, 0xff);
	model_uart_receive(&m, 'x');
	CHECK_EQ(uart_read(&u), 0xff);
	CHECK_EQ(uart_read(&u), 'x');
	CHECK_EQ(uart_read(&u), -1);
	uart_irq_enable(&u);
	CHECK_EQ(m.ier, UART_IER_RDI);
	uart_irq_disable(&u);
	CHECK_EQ(m.ier, 0);
	CHECK_EQ(m.faults, 0);
}

TEST(uart_that_is_missing_is_not_used)
{
	struct uart u;

	host_machine_reset();
	CHECK_EQ(uart_init(&u, PORT), ERR_NOT_FOUND);
	uart_write(&u, "lost", 4);
	uart_irq_enable(&u);
	CHECK_EQ(uart_read(&u), -1);
}

/* A transmitter that never becomes ready. */
TEST(uart_that_is_stuck_costs_a_bounded_time)
{
	struct model_uart m = { 0 };
	struct uart u;

	host_machine_reset();
	model_uart_attach(&m, PORT);
	NEED(uart_init(&u, PORT) == OK);
	m.busy_left = m.busy = UINT32_MAX;
	uart_write(&u, "ab", 2);
	CHECK_EQ(m.n_sent, 2);
}

/* ---- the i8042 ---- */

TEST(i8042_is_configured_and_drops_bytes_of_the_mouse)
{
	struct model_i8042 m = { .config = 0x33 }; /* both interrupts, both clocks off */
	struct i8042 k;

	host_machine_reset();
	model_i8042_attach(&m);
	for (unsigned i = 0; i < 10; i++)
		model_i8042_type(&m, 0x1c, 0); /* typed before the driver started */
	NEED(i8042_init(&k, I8042_INTERRUPTS) == OK);
	CHECK_EQ(m.config, 0x61); /* keyboard interrupt, mouse clock off, translation */
	CHECK(m.keyboard_on && m.enabled);
	CHECK_EQ(i8042_read(&k), 0xfa); /* the acknowledgement */
	CHECK_EQ(i8042_read(&k), -1);
	model_i8042_type(&m, 0x80, 1);
	model_i8042_type(&m, 0x1e, 0);
	CHECK_EQ(i8042_read(&k), 0x1e);
	CHECK_EQ(i8042_read(&k), -1);
	m.config = 0x33;
	NEED(i8042_init(&k, I8042_POLLED) == OK);
	CHECK_EQ(m.config, 0x60);
	CHECK_EQ(m.faults, 0);
}

static err_t init_in_mood(enum model_i8042_mood mood)
{
	struct model_i8042 m = { .mood = mood };
	struct i8042 k;
	err_t err;

	host_machine_reset();
	model_i8042_attach(&m);
	err = i8042_init(&k, I8042_POLLED);
	return err != OK && i8042_read(&k) == -1 && m.faults == 0 ? err : OK;
}

TEST(i8042_that_does_not_work_is_not_used)
{
	struct i8042 k;

	host_machine_reset();
	CHECK_EQ(i8042_init(&k, I8042_POLLED), ERR_NOT_FOUND);
	CHECK_EQ(init_in_mood(I8042_DEAF), ERR_TIMED_OUT);
	CHECK_EQ(init_in_mood(I8042_MUTE), ERR_TIMED_OUT);
	CHECK_EQ(init_in_mood(I8042_NOISY), ERR_BUSY);
}

/* ---- counters ---- */

/* The host's clock counts nanoseconds. */
static bool is_right(uint64_t per_ms)
{
	test_diag("%lu ticks in a millisecond", per_ms);
	return per_ms > 1000000 - 1000000 / WITHIN && per_ms < 1000000 + 1000000 / WITHIN;
}

TEST(counters_give_the_rate_of_the_clock)
{
	struct model_counter hpet = { 0 }, pm = { 0 };
	struct model_pit pit = { 0 };
	struct clock_counter c;

	host_machine_reset();
	model_hpet_attach(&hpet, HPET_PA, HPET_PERIOD_FS);
	model_pm_timer_attach(&pm, PM_PORT);
	model_pit_attach(&pit);
	NEED(hpet_counter((void __iomem *)arch_direct(paddr(HPET_PA)), &c) == OK);
	CHECK_EQ(hpet.config, HPET_CONFIG_ENABLE);
	CHECK(is_right(counter_calibrate(&c)));
	NEED(pm_timer_counter(PM_PORT, 24, &c) == OK);
	CHECK(is_right(counter_calibrate(&c)));
	pit_counter(&c);
	CHECK_EQ(pit.counter.control, 0xb4);
	CHECK_EQ(pit.counter.gate, 1); /* the gate is open and the speaker off */
	CHECK(is_right(counter_calibrate(&c)));
	CHECK_EQ(hpet.faults + pm.faults + pit.counter.faults, 0);
}

TEST(counters_that_stand_still_are_given_up)
{
	struct model_counter hpet = { .stopped = true };
	struct clock_counter c;

	host_machine_reset();
	model_hpet_attach(&hpet, HPET_PA, HPET_PERIOD_FS);
	NEED(hpet_counter((void __iomem *)arch_direct(paddr(HPET_PA)), &c) == OK);
	CHECK_EQ(counter_calibrate(&c), 0);
	CHECK(hpet.reads <= 100001);
	NEED(pm_timer_counter(PM_PORT, 32, &c) == OK); /* no model: all ones */
	CHECK_EQ(counter_calibrate(&c), 0);
	pit_counter(&c);
	CHECK_EQ(counter_calibrate(&c), 0);
	CHECK_EQ(pm_timer_counter(0, 32, &c), ERR_NOT_FOUND);
}

TEST(hpet_with_a_period_that_makes_no_sense_is_refused)
{
	struct model_counter hpet = { 0 };
	struct clock_counter c;

	host_machine_reset();
	model_hpet_attach(&hpet, HPET_PA, 0);
	CHECK_EQ(hpet_counter((void __iomem *)arch_direct(paddr(HPET_PA)), &c), ERR_UNSUPPORTED);
	hpet.period_fs = 100000001;
	CHECK_EQ(hpet_counter((void __iomem *)arch_direct(paddr(HPET_PA)), &c), ERR_UNSUPPORTED);
	CHECK_EQ(hpet.config, 0);
	host_device_detach(&hpet.device);
	CHECK_EQ(hpet_counter((void __iomem *)arch_direct(paddr(HPET_PA)), &c), ERR_UNSUPPORTED);
}

#endif
