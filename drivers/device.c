/* SPDX-License-Identifier: MIT */
#include "drivers/device.h"

#include "lib/log.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "mm/kspace/kspace.h"

struct bus platform_bus = BUS_INIT("platform");

static struct device *device_of(struct list_node *n)
{
	return list_entry(n, struct device, link);
}

static struct driver *driver_of(struct list_node *n)
{
	return list_entry(n, struct driver, link);
}

/* ---- resources ---- */

/* The resource, when it is of that kind and not claimed. */
static err_t resource_find(struct device *d, unsigned index, enum resource_kind kind,
			   struct resource **out)
{
	if (index >= d->resources || d->resource[index].kind != kind)
		return ERR_NOT_FOUND;
	*out = &d->resource[index];
	return (*out)->claimed ? ERR_IN_USE : OK;
}

static const char *owner_name(const struct device *d)
{
	return d->driver != NULL ? d->driver->name : d->name;
}

err_t device_map(struct device *d, unsigned index, void __iomem **registers)
{
	struct resource *r = NULL;
	void *p = NULL;
	err_t err = resource_find(d, index, RESOURCE_MEMORY, &r);

	if (err == OK)
		err = kspace_map_mmio(paddr(r->start), r->len, MEM_UNCACHED, owner_name(d), &p);
	if (err != OK)
		return err;
	r->registers = (void __iomem *)p;
	r->claimed = true;
	*registers = r->registers;
	return OK;
}

void device_unmap(struct device *d, unsigned index)
{
	struct resource *r = &d->resource[index];

	ASSERT(r->claimed);
	kspace_unmap_mmio((void *)(uintptr_t)r->registers);
	r->claimed = false;
}

err_t device_claim_ports(struct device *d, unsigned index, uint16_t *first)
{
	struct resource *r = NULL;
	err_t err = resource_find(d, index, RESOURCE_PORTS, &r);

	if (err == OK && (r->start > UINT16_MAX || r->len > UINT32_MAX))
		err = ERR_BAD_RANGE;
	if (err == OK)
		err = ports_claim(&r->ports, (uint16_t)r->start, (uint32_t)r->len, owner_name(d));
	if (err != OK)
		return err;
	r->claimed = true;
	*first = (uint16_t)r->start;
	return OK;
}

void device_release_ports(struct device *d, unsigned index)
{
	ASSERT(d->resource[index].claimed);
	ports_release(&d->resource[index].ports);
	d->resource[index].claimed = false;
}

err_t device_request_irq(struct device *d, unsigned index, struct irq *irq, irq_handler_t handler,
			 void *context)
{
	struct resource *r = NULL;
	err_t err = resource_find(d, index, RESOURCE_WIRE, &r);

	if (err == OK && r->start > UINT32_MAX)
		err = ERR_NOT_FOUND;
	if (err == OK)
		err = irq_request(irq, irq_wire((uint32_t)r->start, r->trigger), owner_name(d),
				  handler, context);
	if (err != OK)
		return err;
	r->irq = irq;
	r->claimed = true;
	return OK;
}

void device_free_irq(struct device *d, unsigned index)
{
	ASSERT(d->resource[index].claimed);
	irq_free(d->resource[index].irq);
	d->resource[index].claimed = false;
}

/* D3: interrupts first, so that no handler uses what goes after it. */
static void device_take_back(struct device *d)
{
	unsigned left = 0;

	for (unsigned i = 0; i < d->resources; i++)
		if (d->resource[i].claimed && d->resource[i].kind == RESOURCE_WIRE) {
			device_free_irq(d, i);
			left++;
		}
	for (unsigned i = 0; i < d->resources; i++) {
		if (!d->resource[i].claimed)
			continue;
		if (d->resource[i].kind == RESOURCE_MEMORY)
			device_unmap(d, i);
		else
			device_release_ports(d, i);
		left++;
	}
	if (left != 0)
		log_warning("device", "driver %s left %u resources of %s claimed", owner_name(d),
			    left, d->name);
}

/* ---- binding ---- */

static void device_bind(struct device *d, struct driver *drv)
{
	if (d->driver != NULL || !drv->matches(d))
		return;
	d->driver = drv;
	if (drv->probe(d) == OK)
		return;
	device_take_back(d);
	d->driver = NULL;
	d->driver_data = NULL;
}

static void device_unbind(struct device *d)
{
	if (d->driver == NULL)
		return;
	d->driver->remove(d);
	device_take_back(d);
	d->driver = NULL;
	d->driver_data = NULL;
}

static bool address_is_free(const struct bus *b, uint64_t address)
{
	list_for_each (n, &b->devices)
		if (device_of(n)->address == address)
			return false;
	return true;
}

err_t bus_add_device(struct bus *b, struct device *d)
{
	err_t err = OK;

	mutex_lock(&b->lock);
	if (address_is_free(b, d->address)) {
		d->bus = b;
		list_push_back(&b->devices, &d->link);
		list_for_each (n, &b->drivers)
			device_bind(d, driver_of(n));
	} else {
		err = ERR_IN_USE;
	}
	mutex_unlock(&b->lock);
	return err;
}

void bus_remove_device(struct device *d)
{
	struct bus *b = d->bus;

	mutex_lock(&b->lock);
	device_unbind(d);
	list_remove(&b->devices, &d->link);
	d->bus = NULL;
	mutex_unlock(&b->lock);
}

void bus_add_driver(struct bus *b, struct driver *drv)
{
	mutex_lock(&b->lock);
	list_push_back(&b->drivers, &drv->link);
	list_for_each (n, &b->devices)
		device_bind(device_of(n), drv);
	mutex_unlock(&b->lock);
}

void bus_remove_driver(struct bus *b, struct driver *drv)
{
	mutex_lock(&b->lock);
	list_for_each (n, &b->devices)
		if (device_of(n)->driver == drv)
			device_unbind(device_of(n));
	list_remove(&b->drivers, &drv->link);
	mutex_unlock(&b->lock);
}

struct device *bus_find(struct bus *b, const char *name)
{
	struct device *found = NULL;

	mutex_lock(&b->lock);
	list_for_each (n, &b->devices)
		if (strcmp(device_of(n)->name, name) == 0)
			found = device_of(n);
	mutex_unlock(&b->lock);
	return found;
}

err_t bus_each(struct bus *b, void (*fn)(const struct device *d, void *ctx), void *ctx)
{
	if (!mutex_try_lock(&b->lock))
		return ERR_BUSY;
	list_for_each (n, &b->devices)
		fn(device_of(n), ctx);
	mutex_unlock(&b->lock);
	return OK;
}

/* ---- invariants ---- */

static bool has_driver(const struct bus *b, const struct driver *drv)
{
	list_for_each (n, &b->drivers)
		if (driver_of(n) == drv)
			return true;
	return false;
}

static const char *device_check(const struct bus *b, const struct device *d)
{
	if (d->bus != b || (d->driver != NULL && !has_driver(b, d->driver)))
		return "D1: a device is bound to a driver of another bus";
	list_for_each (n, &b->devices)
		if (device_of(n) != d && device_of(n)->address == d->address)
			return "D2: two devices have one address";
	for (unsigned i = 0; d->driver == NULL && i < d->resources; i++)
		if (d->resource[i].claimed)
			return "D3: a resource is claimed, and the device has no driver";
	return NULL;
}

const char *bus_check(struct bus *b)
{
	const char *wrong = NULL;

	mutex_lock(&b->lock);
	list_for_each (n, &b->devices)
		if (wrong == NULL)
			wrong = device_check(b, device_of(n));
	mutex_unlock(&b->lock);
	return wrong;
}
