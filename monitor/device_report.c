/* SPDX-License-Identifier: MIT */
/* device_report.c - the `devices` command. */
#include "drivers/device.h"
#include "monitor/command.h"
#include "lib/print.h"

static void print_resource(const struct resource *r)
{
	switch (r->kind) {
	case RESOURCE_MEMORY: print("    memory %#lx + %#lx", r->start, r->len); break;
	case RESOURCE_PORTS: print("    ports %04lx-%04lx", r->start, r->start + r->len - 1); break;
	case RESOURCE_WIRE:
		print("    GSI %lu, %s", r->start, irq_is_level(r->trigger) ? "level" : "edge");
		break;
	}
	print("%s\n", r->claimed ? ", claimed" : "");
}

static void print_device(const struct device *d, void *unused)
{
	(void)unused;
	print("%-12s %-10s at %#lx, %s\n", d->name, d->id, d->address,
	      d->driver == NULL ? "no driver" : d->driver->name);
	for (unsigned i = 0; i < d->resources; i++)
		print_resource(&d->resource[i]);
}

COMMAND(devices, "", "devices of the platform bus: kind, address, driver, resources")
{
	if (bus_each(&platform_bus, print_device, NULL) != OK)
		print("devices: a driver is being bound\n");
}
