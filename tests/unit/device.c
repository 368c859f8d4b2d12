/* SPDX-License-Identifier: MIT */
/* Tests of drivers/device.c: binding, claims, and a driver that uses an HPET: a register model on
 * the host, the machine's in the kernel. */
#include "drivers/device.h"

#include "arch/arch.h"
#include "drivers/clock/hpet.h"
#include "lib/string.h"
#include "mm/kspace/kspace.h"
#include "tests/alarm_driver.h"
#include "tests/test.h"

#ifndef KEEL_TESTS
#include <string.h>

#include "arch/host/host.h"
#include "kern/vector.h"
#include "tests/capture.h"
#include "tests/host_threads.h"
#include "tests/machine.h"
#include "tests/models.h"

enum {
	HPET_PA = 0xfed00000,
	HPET_GSI = 23,
	PERIOD_FS = 10000000,
	OTHER_PA = 0xfed01000,
	PORT = 0xa000,
};

/* ---- a machine with kernel space ---- */

static struct device hpet, other;
static struct model_counter model;

static void begin(void)
{
	static struct region r[] = { { MIB(1), MIB(2), REGION_USABLE },
				     { MIB(2), MIB(4), REGION_KERNEL },
				     { MIB(4), MIB(64), REGION_USABLE } };
	static const struct kspace_section section = { UINT64_C(0xffffffff80200000),
						       UINT64_C(0xffffffff80400000),
						       PROP_READ | PROP_WRITE, "data" };
	static const struct kspace_layout layout = { UINT64_C(0xffff800000000000),
						     UINT64_C(0xffffe00000000000),
						     UINT64_C(0xfffff00000000000),
						     UINT64_C(0xffffffff80200000),
						     GIB(4),
						     UINT64_C(0xffffffff80000000) };

	NEED(machine_start(r, ARRAY_SIZE(r), 1, MIB(32) / PAGE_SIZE) == OK);
	NEED(kspace_build(&layout, &section, 1, r, ARRAY_SIZE(r)) == OK);
	arch_pt_activate(frame_paddr(kspace_table()->root));
	platform_bus = (struct bus)BUS_INIT("platform");
	model = (struct model_counter){ .config = HPET_CONFIG_ENABLE }; /* as start-up left it */
	model_hpet_attach(&model, HPET_PA, PERIOD_FS);
	hpet = (struct device){
		.name = "hpet0",
		.id = HPET_ID,
		.address = HPET_PA,
		.resources = 2,
		.resource = { { .kind = RESOURCE_MEMORY, .start = HPET_PA, .len = HPET_BYTES },
			      { .kind = RESOURCE_WIRE,
				.start = HPET_GSI,
				.trigger = IRQ_EDGE_HIGH } },
	};
	other = (struct device){
		.name = "other",
		.id = "NONE",
		.address = OTHER_PA,
		.resources = 2,
		.resource = { { .kind = RESOURCE_PORTS, .start = PORT, .len = 8 },
			      { .kind = RESOURCE_MEMORY, .start = OTHER_PA, .len = 16 } },
	};
	alarm_rings = 0;
}

static void check_end(void)
{
	const char *wrong = bus_check(&platform_bus);
	struct port_claim c;

	CHECK_STR(wrong == NULL ? "" : wrong, "");
	CHECK_EQ(kspace_stats().windows, 0);
	CHECK_EQ(vector_count(0), 0);
	CHECK(!ports_claim_at(0, &c));
	CHECK_EQ(model.faults, 0);
}

TEST(device_driver_of_an_hpet_model_maps_interrupts_and_frees)
{
	begin();
	NEED(bus_add_device(&platform_bus, &hpet) == OK);
	CHECK(hpet.driver == NULL);
	bus_add_driver(&platform_bus, &alarm_driver);
	NEED(hpet.driver == &alarm_driver);
	CHECK_EQ(kspace_stats().windows, 1);
	CHECK(host_irq_is_open(HPET_GSI));
	alarm_set(&hpet, 100);
	CHECK_EQ(alarm_rings, 1);
	alarm_set(&hpet, 100);
	CHECK_EQ(alarm_rings, 2);
	bus_remove_driver(&platform_bus, &alarm_driver);
	CHECK(hpet.driver == NULL && !host_irq_is_open(HPET_GSI));
	CHECK_EQ(model.timer_config, 0);
	check_end();
}

TEST(device_and_driver_bind_in_either_order)
{
	begin();
	bus_add_driver(&platform_bus, &alarm_driver);
	CHECK_EQ(bus_add_device(&platform_bus, &other), OK);
	CHECK(other.driver == NULL);
	CHECK_EQ(bus_add_device(&platform_bus, &hpet), OK);
	CHECK(hpet.driver == &alarm_driver);
	CHECK(bus_find(&platform_bus, "hpet0") == &hpet);
	CHECK(bus_find(&platform_bus, "gone") == NULL);
	bus_remove_device(&hpet);
	CHECK(hpet.driver == NULL && bus_find(&platform_bus, "hpet0") == NULL);
	bus_remove_driver(&platform_bus, &alarm_driver);
	bus_remove_device(&other);
	check_end();
}

TEST(device_with_an_address_that_is_taken_is_refused)
{
	begin();
	CHECK_EQ(bus_add_device(&platform_bus, &hpet), OK);
	other.address = HPET_PA;
	CHECK_EQ(bus_add_device(&platform_bus, &other), ERR_IN_USE);
	check_end();
}

/* The wire is in use, so probe() fails half way. */
static enum irq_result ignore(void *unused)
{
	(void)unused;
	return IRQ_NONE;
}

TEST(device_whose_probe_fails_keeps_nothing)
{
	struct irq taken;

	begin();
	NEED(irq_request(&taken, irq_wire(HPET_GSI, IRQ_EDGE_HIGH), "taken", ignore, NULL) == OK);
	bus_add_driver(&platform_bus, &alarm_driver);
	CHECK_EQ(bus_add_device(&platform_bus, &hpet), OK);
	CHECK(hpet.driver == NULL);
	CHECK_EQ(kspace_stats().windows, 0);
	irq_free(&taken);
	bus_remove_driver(&platform_bus, &alarm_driver);
	check_end();
}

/* ---- a driver that leaves claims behind ---- */

static bool matches_all(const struct device *d)
{
	(void)d;
	return true;
}

static err_t claim_all(struct device *d)
{
	void __iomem *registers, *again;
	uint16_t port;

	CHECK_EQ(device_claim_ports(d, 0, &port), OK);
	CHECK_EQ(port, PORT);
	CHECK_EQ(device_claim_ports(d, 0, &port), ERR_IN_USE);
	CHECK_EQ(device_map(d, 1, &registers), OK);
	CHECK_EQ(device_map(d, 1, &again), ERR_IN_USE);
	CHECK_EQ(device_map(d, 0, &again), ERR_NOT_FOUND);
	CHECK_EQ(device_map(d, 2, &again), ERR_NOT_FOUND);
	CHECK_EQ(device_map(d, UINT32_MAX, &again), ERR_NOT_FOUND);
	return OK;
}

static void leave_all(struct device *d)
{
	(void)d;
}

static void release_ports(void *d)
{
	device_release_ports(d, 0);
}

static void unmap(void *d)
{
	device_unmap(d, 1);
}

TEST(device_resources_that_a_driver_left_are_taken_back)
{
	static struct driver careless = {
		.name = "careless", .matches = matches_all, .probe = claim_all, .remove = leave_all
	};

	begin();
	bus_add_driver(&platform_bus, &careless);
	CHECK_EQ(bus_add_device(&platform_bus, &other), OK);
	capture_begin();
	bus_remove_device(&other);
	(void)capture_end();
	CHECK(strstr(capture_text(), "driver careless left 2 resources of other claimed") != NULL);
	CHECK(test_panics(release_ports, &other, "claimed"));
	CHECK(test_panics(unmap, &other, "claimed"));
	bus_remove_driver(&platform_bus, &careless);
	check_end();
}

static err_t listed;

static void ignore_device(const struct device *d, void *unused)
{
	(void)d;
	(void)unused;
}

static err_t list_in_probe(struct device *d)
{
	listed = bus_each(d->bus, ignore_device, NULL);
	return OK;
}

/* As in the monitor after a panic in probe(). */
TEST(device_list_does_not_wait_for_a_driver)
{
	static struct driver lists = {
		.name = "lists", .matches = matches_all, .probe = list_in_probe, .remove = leave_all
	};
	struct device d = { .name = "listed" };
	struct bus b = BUS_INIT("test");

	cpus_start(1);
	bus_add_driver(&b, &lists);
	CHECK_EQ(bus_add_device(&b, &d), OK);
	CHECK_EQ(listed, ERR_BUSY);
	CHECK_EQ(bus_each(&b, ignore_device, NULL), OK);
	bus_remove_device(&d);
	cpus_stop();
}

TEST(device_resources_beyond_the_limits_are_refused)
{
	struct irq irq;
	uint16_t port;

	begin();
	other.resource[0].len += UINT64_C(1) << 32;
	hpet.resource[1].start += UINT64_C(1) << 32;
	CHECK_EQ(device_claim_ports(&other, 0, &port), ERR_BAD_RANGE);
	CHECK_EQ(device_request_irq(&hpet, 1, &irq, ignore, NULL), ERR_NOT_FOUND);
	check_end();
}

#else

enum {
	WAIT_MS = 1000,
	COUNTS = 20000, /* of 10 to 100 ns */
};

/* The same driver with the machine's HPET. */
TEST(device_driver_of_the_hpet_maps_interrupts_and_frees)
{
	struct device *hpet = bus_find(&platform_bus, "hpet0");
	uint64_t windows = kspace_stats().windows, start;
	const char *wrong;

	if (hpet == NULL || hpet->resources < 2) {
		test_skip("the machine has no HPET whose timer 0 can be routed");
		return;
	}
	alarm_rings = 0;
	bus_add_driver(&platform_bus, &alarm_driver);
	NEED(hpet->driver == &alarm_driver);
	CHECK_EQ(kspace_stats().windows, windows + 1);
	alarm_set(hpet, COUNTS);
	start = arch_ticks();
	while (alarm_rings == 0 && arch_ticks() - start < WAIT_MS * arch_ticks_per_ms())
		arch_relax();
	CHECK_EQ(alarm_rings, 1);
	bus_remove_driver(&platform_bus, &alarm_driver);
	CHECK(hpet->driver == NULL);
	CHECK_EQ(kspace_stats().windows, windows);
	wrong = bus_check(&platform_bus);
	CHECK_STR(wrong == NULL ? "" : wrong, "");
	test_diag("GSI %lu", hpet->resource[1].start);
}

#endif
