/* SPDX-License-Identifier: MIT */
#include "arch/host/device.h"

#include <stdio.h>
#include <stdlib.h>

#include "arch/arch.h"
#include "arch/host/host.h"

static struct host_device *devices;

void host_device_attach(struct host_device *d)
{
	d->next = devices;
	devices = d;
}

void host_device_detach(struct host_device *d)
{
	struct host_device **at = &devices;

	while (*at != NULL && *at != d)
		at = &(*at)->next;
	if (*at != NULL)
		*at = d->next;
}

void host_device_reset(void)
{
	devices = NULL;
}

static struct host_device *device_at(enum host_bus bus, uint64_t address, unsigned bytes)
{
	for (struct host_device *d = devices; d != NULL; d = d->next)
		if (d->bus == bus && address - d->start < d->len &&
		    d->len - (address - d->start) >= bytes)
			return d;
	return NULL;
}

static uint64_t device_read(enum host_bus bus, uint64_t address, unsigned bytes)
{
	struct host_device *d = device_at(bus, address, bytes);

	return d == NULL ? UINT64_MAX : d->read(d, address - d->start, bytes);
}

static void device_write(enum host_bus bus, uint64_t address, unsigned bytes, uint64_t v)
{
	struct host_device *d = device_at(bus, address, bytes);

	if (d != NULL)
		d->write(d, address - d->start, bytes, v);
}

uint64_t host_port_read(uint16_t port, unsigned bytes)
{
	return device_read(HOST_PORTS, port, bytes);
}

void host_port_write(uint16_t port, unsigned bytes, uint64_t v)
{
	device_write(HOST_PORTS, port, bytes, v);
}

/* Through the linear map, else by this CPU's tables. */
static uint64_t translate(uintptr_t va, unsigned bytes, enum host_tlb_use use)
{
	uint64_t pa = va - (uintptr_t)host_direct;

	if (va % bytes != 0) {
		fprintf(stderr, "host: register access of %u bytes at %#lx is not aligned\n", bytes,
			va);
		abort();
	}
	if (pa < HOST_DIRECT_BYTES)
		return pa;
	if (!host_tlb_access(va, arch_pt_levels(), use, &pa)) {
		fprintf(stderr, "host: register access at %#lx, which is not mapped\n", va);
		abort();
	}
	return pa;
}

uint64_t host_mmio_read(uintptr_t va, unsigned bytes)
{
	return device_read(HOST_MEMORY, translate(va, bytes, HOST_TLB_READ), bytes);
}

void host_mmio_write(uintptr_t va, unsigned bytes, uint64_t v)
{
	device_write(HOST_MEMORY, translate(va, bytes, HOST_TLB_WRITE), bytes, v);
}
