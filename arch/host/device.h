/* SPDX-License-Identifier: MIT */
/*
 * device.h - register models: they answer the accessors of arch/arch.h in a Linux process.
 *
 * A model occupies a range of I/O ports or of physical addresses.  arch_port_*() reach it by port;
 * arch_mmio_*() translate their pointer as the CPU would, by its TLB and the table that it has
 * loaded (arch/host/host.h), and reach the model at the physical address; so a driver that maps the
 * wrong window, or uses one after unmapping it, does not reach its device.  Reads that no model
 * answers give all ones and writes are lost, as on a bus; a register access through an address that
 * is not mapped ends the process.
 *
 * Locking: none; models are attached and detached while no other thread accesses registers.
 */
#pragma once

#include "lib/types.h"

enum host_bus {
	HOST_PORTS,
	HOST_MEMORY,
};

struct host_device {
	enum host_bus bus;
	uint64_t start, len; /* ports, or physical addresses in bytes */
	/* One access of `bytes` (1, 2, 4 or 8) at `offset` from start. */
	uint64_t (*read)(struct host_device *d, uint64_t offset, unsigned bytes);
	void (*write)(struct host_device *d, uint64_t offset, unsigned bytes, uint64_t v);
	struct host_device *next;
};

/* Attached until host_device_detach() or host_machine_reset(). */
void host_device_attach(struct host_device *d);
void host_device_detach(struct host_device *d);

/* Part of host_machine_reset(). */
void host_device_reset(void);
