/* SPDX-License-Identifier: MIT */
/* Tests of boot/topology.c with synthetic MADTs, valid and invalid. */
#include "boot/topology.h"

#include "lib/string.h"
#include "tests/test.h"

enum {
	TABLE_BYTES = 16384,
	HEADER_BYTES = 44, /* before the first entry */
	CPUS_MANY = 300,
};

static uint8_t bytes[TABLE_BYTES];
static struct acpi_table table;

static void begin(void)
{
	memset(bytes, 0, sizeof(bytes));
	table = (struct acpi_table){ .bytes = bytes, .length = HEADER_BYTES, .revision = 5 };
	memcpy(table.signature, ACPI_MADT, sizeof(ACPI_MADT));
}

static void put(uint64_t v, unsigned n)
{
	for (; n > 0; n--, v >>= 8)
		bytes[table.length++] = (uint8_t)v;
}

static void put_lapic(uint8_t apic, uint32_t flags)
{
	put(0, 1);
	put(8, 1);
	put(apic, 1);
	put(apic, 1);
	put(flags, 4);
}

static void put_x2apic(uint32_t apic)
{
	put(9, 1);
	put(16, 1);
	put(0, 2);
	put(apic, 4);
	put(1, 4);
	put(apic, 4);
}

static void put_ioapic(uint32_t address, uint32_t base)
{
	put(1, 1);
	put(12, 1);
	put(0, 2);
	put(address, 4);
	put(base, 4);
}

static void put_override(uint8_t source, uint32_t gsi, uint16_t flags)
{
	put(2, 1);
	put(10, 1);
	put(0, 1);
	put(source, 1);
	put(gsi, 4);
	put(flags, 2);
}

static struct topology topology;

TEST(topology_without_a_madt_has_the_running_cpu)
{
	topology_read(NULL, 7, &topology);
	NEED(topology.cpus == 1);
	CHECK_EQ(topology.apic_id[0], 7);
	CHECK_EQ(topology.ioapics, 0);
	CHECK_EQ(topology.isa[15].gsi, 15);
}

TEST(topology_lists_each_enabled_cpu_once)
{
	begin();
	put_lapic(0, 1);
	put_lapic(4, 0); /* disabled */
	put_lapic(2, 1);
	put_lapic(2, 1); /* twice */
	put_x2apic(2);   /* and as x2APIC */
	put_lapic(0xff, 1);
	put_x2apic(UINT32_MAX);
	put_x2apic(300);
	topology_read(&table, 0, &topology);
	NEED(topology.cpus == 3);
	CHECK_EQ(topology.apic_id[0], 0);
	CHECK_EQ(topology.apic_id[1], 2);
	CHECK_EQ(topology.apic_id[2], 300);
}

TEST(topology_of_300_cpus_is_truncated_and_keeps_the_running_cpu)
{
	begin();
	for (uint32_t i = 0; i < CPUS_MANY; i++)
		put_x2apic(1000 + i);
	topology_read(&table, 3, &topology);
	CHECK_EQ(topology.cpus, ARCH_MAX_CPUS);
	CHECK_EQ(topology.apic_id[0], 1000);
	CHECK_EQ(topology.apic_id[ARCH_MAX_CPUS - 1], 3);
}

TEST(topology_routes_isa_interrupts_by_the_overrides)
{
	begin();
	put_lapic(0, 1);
	put_ioapic(0xfec00000, 0);
	put_ioapic(0xfec10000, 24);
	put_override(0, 2, 0);
	put_override(9, 9, 0xd);   /* active high, level */
	put_override(11, 23, 0xf); /* active low, level */
	put_override(16, 5, 0);    /* no such ISA IRQ */
	topology_read(&table, 0, &topology);
	NEED(topology.ioapics == 2);
	CHECK_EQ(topology.ioapic[1].address, 0xfec10000);
	CHECK_EQ(topology.ioapic[1].gsi_base, 24);
	CHECK_EQ(topology.isa[0].gsi, 2);
	CHECK(!topology.isa[0].level && !topology.isa[0].low);
	CHECK(topology.isa[9].level && !topology.isa[9].low);
	CHECK(topology.isa[11].level && topology.isa[11].low);
	CHECK_EQ(topology.isa[5].gsi, 5);
}

TEST(topology_limits_the_number_of_ioapics)
{
	begin();
	for (uint32_t i = 0; i < TOPOLOGY_IOAPICS_MAX + 3; i++)
		put_ioapic(0xfec00000 + i * 0x1000, i * 24);
	topology_read(&table, 0, &topology);
	CHECK_EQ(topology.ioapics, TOPOLOGY_IOAPICS_MAX);
}

TEST(topology_handles_random_bytes)
{
	for (unsigned turn = 0; turn < 2000; turn++) {
		begin();
		for (unsigned n = (unsigned)test_random_below(400); n > 0; n--)
			put(test_random_below(4) == 0 ? test_random_below(20) : test_random(), 1);
		topology_read(&table, 5, &topology);
		CHECK(topology.cpus >= 1 && topology.cpus <= ARCH_MAX_CPUS);
		CHECK(topology.ioapics <= TOPOLOGY_IOAPICS_MAX);
	}
}
