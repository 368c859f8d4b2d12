/* SPDX-License-Identifier: MIT */
/*
 * device.h - devices, their resources, and the buses that bind drivers to them.
 *
 * A bus holds the devices that were found on it and the drivers that were registered for it.  When
 * a device meets a driver that matches it, in either order, probe() is called; OK binds the two
 * until the device or the driver is removed.
 *
 *   static err_t clock_probe(struct device *d)
 *   {
 *           err = device_map(d, 0, &c->registers);
 *           err = device_request_irq(d, 1, &c->irq, clock_interrupt, c);
 *   }
 *
 * A driver claims the resources of its device by their index before it uses them, and gives them
 * back in remove().  A claim that it leaves behind is released with a warning that names it.
 *
 * Invariants; bus_check() verifies them:
 *   D1  a device is bound to one driver at most, and both are on the same bus
 *   D2  addresses on a bus are unique
 *   D3  a device without a driver has no claimed resource
 *
 * Locking: a mutex for each bus, held while probe() and remove() run, so these may sleep and must
 * not add or remove on the same bus.  Threads only.  Structs are their owners' and stay until they
 * were removed.
 */
#pragma once

#include "arch/irq.h"
#include "kern/irq.h"
#include "kern/mutex.h"
#include "kern/ports.h"
#include "lib/err.h"

enum {
	DEVICE_RESOURCES_MAX = 8,
};

enum resource_kind {
	RESOURCE_MEMORY, /* registers at [start, start + len), physical, bytes */
	RESOURCE_PORTS,  /* I/O ports [start, start + len) */
	RESOURCE_WIRE,   /* the interrupt GSI `start`, with `trigger` */
};

struct resource {
	enum resource_kind kind;
	uint64_t start, len;
	enum irq_trigger trigger;
	/* what the driver has claimed: */
	void __iomem *registers;
	struct port_claim ports;
	struct irq *irq;
	bool claimed;
};

struct bus;
struct driver;

struct device {
	const char *name;      /* of this one: "hpet0"; stays */
	const char *id;        /* of its kind, which drivers match: "PNP0103"; stays */
	uint64_t address;      /* on its bus */
	struct bus *bus;       /* NULL: on none */
	struct driver *driver; /* NULL: none */
	void *driver_data;     /* the driver's own */
	unsigned resources;
	struct resource resource[DEVICE_RESOURCES_MAX];
	struct list_node link;
};

struct driver {
	const char *name; /* stays */
	bool (*matches)(const struct device *d);
	err_t (*probe)(struct device *d); /* an error: all claims were given back */
	void (*remove)(struct device *d);
	struct list_node link;
};

struct bus {
	const char *name; /* stays */
	struct mutex lock;
	struct list devices, drivers; /* (lock) */
};

#define BUS_INIT(bus_name)                                                                         \
	{                                                                                          \
		.name = (bus_name), .lock = MUTEX_INIT                                             \
	}

/* Devices that firmware tables describe and no bus enumerates. */
extern struct bus platform_bus;

/* ---- for buses and their users ---- */

/* Add a device and probe the drivers that match it.  ERR_IN_USE: its address is taken (D2). */
err_t bus_add_device(struct bus *b, struct device *d);
/* Unbind and remove it. */
void bus_remove_device(struct device *d);

/* Add a driver and probe it with the devices that it matches and no driver has. */
void bus_add_driver(struct bus *b, struct driver *drv);
/* Unbind it from all its devices and remove it. */
void bus_remove_driver(struct bus *b, struct driver *drv);

/* The device with that name, or NULL; it stays as long as nothing removes it. */
struct device *bus_find(struct bus *b, const char *name);

/* Call fn for each device, with the bus locked.  ERR_BUSY: a device is being bound, or was when the
 * kernel panicked; it does not wait, so the monitor may call it then. */
err_t bus_each(struct bus *b, void (*fn)(const struct device *d, void *ctx), void *ctx);

/* D1 to D3.  NULL, or the violation in words. */
__must_check const char *bus_check(struct bus *b);

/* ---- for drivers: resources of the device that they are bound to ----
 *
 * What is given back was claimed: else an assertion fails. */

/* Map the registers of resource `index`, uncached.  ERR_NOT_FOUND: there is no such resource of
 * memory.  ERR_IN_USE: it is mapped.  Else as kspace_map_mmio(). */
err_t device_map(struct device *d, unsigned index, void __iomem **registers);
void device_unmap(struct device *d, unsigned index);

/* Claim the ports of resource `index`.  ERR_NOT_FOUND: there are none.  ERR_IN_USE: a driver has
 * some of them.  ERR_BAD_RANGE: none, or beyond port 65535. */
err_t device_claim_ports(struct device *d, unsigned index, uint16_t *first);
void device_release_ports(struct device *d, unsigned index);

/* Register a handler for the wire of resource `index`.  ERR_NOT_FOUND: there is none.  Else as
 * irq_request(). */
err_t device_request_irq(struct device *d, unsigned index, struct irq *irq, irq_handler_t handler,
			 void *context);
void device_free_irq(struct device *d, unsigned index);
