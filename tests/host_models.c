/* SPDX-License-Identifier: MIT */
#include "tests/models.h"

#include <linux/serial_reg.h>

#include "arch/arch.h"
#include "arch/host/host.h"
#include "drivers/clock/hpet.h"
#include "drivers/input/i8042.h"
#include "drivers/tty/uart.h"
#include "lib/string.h"

enum {
	BYTE = 1,
	TICKS_PER_S = 1000000000,
};

/* ---- the 16550 ---- */

static uint64_t uart_model_read(struct host_device *d, uint64_t reg, unsigned bytes)
{
	struct model_uart *u = container_of(d, struct model_uart, device);

	u->faults += bytes != BYTE;
	switch (reg) {
	case UART_RX:
		if ((u->lcr & UART_LCR_DLAB) != 0)
			return u->divisor[0];
		return u->first == u->last ? 0 : u->received[u->first++ % sizeof(u->received)];
	case UART_IER: return u->ier;
	case UART_LCR: return u->lcr;
	case UART_MCR: return u->mcr;
	case UART_LSR:
		if (u->busy_left != 0)
			u->busy_left--;
		return (u->first != u->last ? UART_LSR_DR : 0) |
		       (u->busy_left == 0 ? UART_LSR_THRE | UART_LSR_TEMT : 0);
	default: return 0;
	}
}

static void uart_model_write(struct host_device *d, uint64_t reg, unsigned bytes, uint64_t v)
{
	struct model_uart *u = container_of(d, struct model_uart, device);

	u->faults += bytes != BYTE;
	switch (reg) {
	case UART_TX:
		if ((u->lcr & UART_LCR_DLAB) != 0)
			u->divisor[0] = (uint8_t)v;
		else if ((u->mcr & UART_MCR_LOOP) != 0)
			model_uart_receive(u, (uint8_t)v);
		else if (u->n_sent < sizeof(u->sent))
			u->sent[u->n_sent++] = (char)v;
		u->busy_left = u->busy;
		break;
	case UART_IER:
		if ((u->lcr & UART_LCR_DLAB) != 0)
			u->divisor[1] = (uint8_t)v;
		else
			u->ier = (uint8_t)v;
		break;
	case UART_LCR: u->lcr = (uint8_t)v; break;
	case UART_MCR: u->mcr = (uint8_t)v; break;
	case UART_FCR:
		if ((v & UART_FCR_CLEAR_RCVR) != 0)
			u->first = u->last;
		break;
	default: u->faults++; /* LSR and MSR are read-only, the scratch register is not used */
	}
}

void model_uart_receive(struct model_uart *u, uint8_t byte)
{
	u->received[u->last++ % sizeof(u->received)] = byte;
}

void model_uart_attach(struct model_uart *u, uint16_t base)
{
	u->device = (struct host_device){ HOST_PORTS,       base, UART_PORTS, uart_model_read,
					  uart_model_write, NULL };
	host_device_attach(&u->device);
}

/* ---- the i8042 ---- */

enum {
	OUTPUT_FULL = 1 << 0,
	INPUT_FULL = 1 << 1,
	FROM_MOUSE = 1 << 5,
	ACKNOWLEDGE = 0xfa,
};

void model_i8042_type(struct model_i8042 *k, uint8_t code, uint8_t from_mouse)
{
	k->mouse[k->last % sizeof(k->output)] = from_mouse;
	k->output[k->last++ % sizeof(k->output)] = code;
}

static uint64_t i8042_read_data(struct host_device *d, uint64_t offset, unsigned bytes)
{
	struct model_i8042 *k = container_of(d, struct model_i8042, data);

	(void)offset;
	k->faults += bytes != BYTE;
	return k->first == k->last ? 0 : k->output[k->first++ % sizeof(k->output)];
}

static uint64_t i8042_read_status(struct host_device *d, uint64_t offset, unsigned bytes)
{
	struct model_i8042 *k = container_of(d, struct model_i8042, command);
	bool full = k->first != k->last || k->mood == I8042_NOISY;

	(void)offset;
	k->faults += bytes != BYTE;
	return (uint64_t)(full ? OUTPUT_FULL : 0) | (k->mood == I8042_DEAF ? INPUT_FULL : 0) |
	       (k->first != k->last && k->mouse[k->first % sizeof(k->output)] ? FROM_MOUSE : 0);
}

static void i8042_write_command(struct host_device *d, uint64_t offset, unsigned bytes, uint64_t v)
{
	struct model_i8042 *k = container_of(d, struct model_i8042, command);

	(void)offset;
	k->faults += bytes != BYTE || k->mood == I8042_DEAF;
	switch (v) {
	case 0x20:
		if (k->mood != I8042_MUTE)
			model_i8042_type(k, k->config, 0);
		break;
	case 0x60: k->pending = 0x60; break;
	case 0xa7: break;
	case 0xad: k->keyboard_on = false; break;
	case 0xae: k->keyboard_on = true; break;
	default: k->faults++; /* firmware that plays a controller knows no other */
	}
}

static void i8042_write_data(struct host_device *d, uint64_t offset, unsigned bytes, uint64_t v)
{
	struct model_i8042 *k = container_of(d, struct model_i8042, data);

	(void)offset;
	k->faults += bytes != BYTE;
	if (k->pending == 0x60) {
		k->config = (uint8_t)v;
		k->pending = 0;
	} else if (v == 0xf4) {
		k->enabled = true;
		model_i8042_type(k, ACKNOWLEDGE, 0);
	} else {
		k->faults++;
	}
}

void model_i8042_attach(struct model_i8042 *k)
{
	k->data = (struct host_device){ HOST_PORTS,      I8042_DATA,       1,
					i8042_read_data, i8042_write_data, NULL };
	k->command = (struct host_device){ HOST_PORTS,        I8042_STATUS,        1,
					   i8042_read_status, i8042_write_command, NULL };
	host_device_attach(&k->data);
	host_device_attach(&k->command);
}

/* ---- counters ---- */

static uint64_t counter_now(struct model_counter *c)
{
	c->reads++;
	if (c->stopped)
		return 0;
	return (uint64_t)((unsigned __int128)arch_ticks() * c->hz / TICKS_PER_S);
}

static uint64_t hpet_model_read(struct host_device *d, uint64_t offset, unsigned bytes)
{
	struct model_counter *c = container_of(d, struct model_counter, device);

	if (offset == HPET_CAPABILITIES + sizeof(uint32_t) && bytes == sizeof(uint32_t))
		return c->period_fs;
	if (offset == HPET_CONFIG)
		return c->config;
	if (offset == HPET_TIMER_CONFIG)
		return c->timer_config;
	if (offset == HPET_COUNTER && (c->config & HPET_CONFIG_ENABLE) != 0)
		return counter_now(c);
	c->faults++;
	return 0;
}

/* The comparator is reached as soon as it is set and the timer is on. */
static void hpet_model_ring(struct model_counter *c)
{
	uint32_t gsi = c->timer_config >> HPET_TIMER_ROUTE_SHIFT & 0x1f;

	if ((c->timer_config & HPET_TIMER_IRQ_ENABLE) == 0 || !c->comparator_is_set)
		return;
	c->comparator_is_set = false;
	host_irq_assert(gsi);
	host_irq_deassert(gsi);
}

static void hpet_model_write(struct host_device *d, uint64_t offset, unsigned bytes, uint64_t v)
{
	struct model_counter *c = container_of(d, struct model_counter, device);

	if (offset == HPET_CONFIG && bytes >= sizeof(uint32_t))
		c->config = v;
	else if (offset == HPET_TIMER_CONFIG)
		c->timer_config = v;
	else if (offset == HPET_TIMER_COMPARATOR) {
		/* as in QEMU: the first half of the value may be reached, too */
		c->comparator_is_set = true;
		hpet_model_ring(c);
		c->comparator_is_set = true;
	} else
		c->faults++;
	hpet_model_ring(c);
}

void model_hpet_attach(struct model_counter *c, uint64_t pa, uint32_t period_fs)
{
	c->device = (struct host_device){ HOST_MEMORY,      pa,  HPET_BYTES, hpet_model_read,
					  hpet_model_write, NULL };
	c->period_fs = period_fs;
	c->hz = period_fs == 0 ? 0 : UINT64_C(1000000000000000) / period_fs;
	host_device_attach(&c->device);
}

static uint64_t pm_timer_model_read(struct host_device *d, uint64_t offset, unsigned bytes)
{
	struct model_counter *c = container_of(d, struct model_counter, device);

	c->faults += offset != 0 || bytes != sizeof(uint32_t);
	return counter_now(c) & 0xffffff;
}

static void pm_timer_model_write(struct host_device *d, uint64_t offset, unsigned bytes, uint64_t v)
{
	struct model_counter *c = container_of(d, struct model_counter, device);

	(void)offset;
	(void)bytes;
	(void)v;
	c->faults++;
}

void model_pm_timer_attach(struct model_counter *c, uint16_t port)
{
	c->device = (struct host_device){ HOST_PORTS,           port,
					  sizeof(uint32_t),     pm_timer_model_read,
					  pm_timer_model_write, NULL };
	c->hz = 3579545;
	host_device_attach(&c->device);
}

/* Ports 0x42 (offset 0) and 0x43 (offset 1). */
static uint64_t pit_model_read(struct host_device *d, uint64_t offset, unsigned bytes)
{
	struct model_counter *c = container_of(d, struct model_counter, device);

	c->faults += offset != 0 || bytes != BYTE || c->to_read == 0;
	if (c->to_read != 0)
		c->to_read--;
	return c->latched[c->to_read == 1 ? 0 : 1];
}

static void pit_model_write(struct host_device *d, uint64_t offset, unsigned bytes, uint64_t v)
{
	struct model_counter *c = container_of(d, struct model_counter, device);
	uint16_t count;

	c->faults += bytes != BYTE;
	if (offset == 1 && v == 0x80) {
		count = (c->gate & 1) != 0 ? (uint16_t)(0 - counter_now(c)) : 0;
		c->latched[0] = (uint8_t)count;
		c->latched[1] = (uint8_t)(count >> 8);
		c->to_read = 2;
	} else if (offset == 1) {
		c->control = (uint8_t)v;
	}
}

static uint64_t pit_gate_read(struct host_device *d, uint64_t offset, unsigned bytes)
{
	struct model_pit *p = container_of(d, struct model_pit, gate_port);

	(void)offset;
	p->counter.faults += bytes != BYTE;
	return p->counter.gate;
}

static void pit_gate_write(struct host_device *d, uint64_t offset, unsigned bytes, uint64_t v)
{
	struct model_pit *p = container_of(d, struct model_pit, gate_port);

	(void)offset;
	p->counter.faults += bytes != BYTE;
	p->counter.gate = (uint8_t)v;
}

void model_pit_attach(struct model_pit *p)
{
	p->counter.device = (struct host_device){ HOST_PORTS,      0x42, 2, pit_model_read,
						  pit_model_write, NULL };
	p->counter.hz = 1193182;
	p->counter.gate = 2; /* the speaker is on */
	p->gate_port = (struct host_device){ HOST_PORTS,    0x61,           1,
					     pit_gate_read, pit_gate_write, NULL };
	host_device_attach(&p->counter.device);
	host_device_attach(&p->gate_port);
}
