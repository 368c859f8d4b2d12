/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target for boot/acpi*.c.  The input is used twice: as one raw table for all readers, and as
 * the physical memory of a machine in which tables are discovered.
 *
 *   byte 0      checksums to repair; wrong ones would stop the fuzzer early
 *   bytes 1-36  the RSDP
 *   the rest    memory from physical address 1 MiB on
 *
 * Each mapping is a separate heap block, so that ASan detects any read beyond its end, even if
 * another table follows in memory.
 */
#include "boot/acpi.h"

#include "lib/print.h"
#include "lib/string.h"
#include "monitor/acpi_report.h"

/* <stdlib.h> has a daddr_t of its own. */
void *malloc(size_t n);
void free(void *p);
void abort(void);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	MEMORY_AT = 1 << 20,
	ROOM = 16,
	MAPPINGS = 1024,
	RSDP_CHECKSUM_AT = 8,
	RSDP_RSDT_AT = 16,
	RSDP_XSDT_AT = 24,
	RSDP_EXTENDED_CHECKSUM_AT = 32,
	TABLE_LENGTH_AT = 4,
	TABLE_CHECKSUM_AT = 9,
	REPAIR_RSDP = 1 << 0,
	REPAIR_ROOTS = 1 << 1,
	REPAIR_TABLES = 1 << 2,
};

struct memory {
	uint8_t *bytes;
	size_t size;
	void *mapping[MAPPINGS];
	size_t mappings;
};

static uint64_t written;

static void discard(struct print_sink *sink, const char *bytes, size_t n)
{
	(void)sink;
	for (size_t i = 0; i < n; i++)
		written += (uint8_t)bytes[i]; /* read all bytes */
}

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* A heap block of exactly n bytes; ASan reports every access outside. */
static uint8_t *exact_copy(const uint8_t *bytes, size_t n)
{
	uint8_t *copy = malloc(n);

	require(copy != NULL || n == 0);
	for (size_t i = 0; i < n; i++)
		copy[i] = bytes[i];
	return copy;
}

static void repair_sum(uint8_t *bytes, size_t n, size_t sum_at)
{
	uint8_t sum = 0;

	bytes[sum_at] = 0;
	for (size_t i = 0; i < n; i++)
		sum = (uint8_t)(sum + bytes[i]);
	bytes[sum_at] = (uint8_t)-sum;
}

static uint64_t read_le(const uint8_t *bytes, unsigned n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | bytes[n];
	return v;
}

/* Repair the checksum of the table at `pa`, if there is one in the memory. */
static void repair_table(struct memory *m, uint64_t pa)
{
	uint64_t at = pa - MEMORY_AT, length;

	if (at >= m->size || m->size - at < ACPI_HEADER_BYTES)
		return;
	length = read_le(m->bytes + at + TABLE_LENGTH_AT, 4);
	if (length >= ACPI_HEADER_BYTES && length <= m->size - at)
		repair_sum(m->bytes + at, length, TABLE_CHECKSUM_AT);
}

static const uint8_t *map(void *ctx, uint64_t pa, uint64_t len)
{
	struct memory *m = ctx;
	uint64_t at = pa - MEMORY_AT;

	if (pa < MEMORY_AT || at > m->size || len > m->size - at || m->mappings == MAPPINGS)
		return NULL;
	m->mapping[m->mappings] = exact_copy(m->bytes + at, len);
	return m->mapping[m->mappings++];
}

static void read_all(const struct acpi_table *t)
{
	struct acpi_walk madt = acpi_madt_walk(t), mcfg = acpi_mcfg_walk(t);
	struct acpi_walk srat = acpi_srat_walk(t), dmar = acpi_dmar_walk(t);
	struct acpi_mcfg_window window;
	struct acpi_madt_entry cpu;
	struct acpi_srat_entry near;
	struct acpi_dmar_entry unit;
	uint32_t steps = 0;

	while (acpi_madt_next(&madt, &cpu))
		require(++steps < t->length);
	while (acpi_mcfg_next(&mcfg, &window))
		require(++steps < t->length);
	while (acpi_srat_next(&srat, &near)) {
		require(++steps < t->length);
		require(near.kind != ACPI_SRAT_MEMORY ||
			near.memory.base + near.memory.len >= near.memory.base);
	}
	while (acpi_dmar_next(&dmar, &unit)) {
		struct acpi_walk scopes = acpi_scope_walk(&unit);
		struct acpi_scope s;

		require(++steps < t->length);
		while (acpi_scope_next(&scopes, &s)) {
			require(++steps < t->length);
			for (unsigned i = 0; i < 2u * s.hops; i++)
				written += s.path[i];
		}
	}
	acpi_print(t);
}

static void fuzz_one_table(const uint8_t *data, size_t size)
{
	uint8_t *whole = exact_copy(data, size);
	const char *why = NULL;
	struct acpi_table t;

	if (acpi_table_check(whole, size, &t, &why) == OK) {
		uint8_t *table;

		require(t.length >= ACPI_HEADER_BYTES && t.length <= size);
		table = exact_copy(whole, t.length);
		t.bytes = table;
		read_all(&t);
		free(table);
	} else {
		require(why != NULL);
	}
	free(whole);
}

static void check_tables(const struct acpi *a, const struct memory *m)
{
	for (size_t i = 0; i < a->count; i++) {
		struct region r = acpi_table_region(&a->table[i]);

		require(r.start >= MEMORY_AT && r.start < r.end);
		require(r.end <= MEMORY_AT + m->size);
		for (size_t k = 0; k < i; k++)
			require(a->table[k].address != a->table[i].address);
		read_all(&a->table[i]);
	}
}

static void repair(struct memory *m, uint8_t *rsdp, uint8_t what)
{
	uint64_t root[2] = { read_le(rsdp + RSDP_RSDT_AT, 4), read_le(rsdp + RSDP_XSDT_AT, 8) };

	if (what & REPAIR_TABLES)
		for (size_t at = 0; at < m->size && at < MAPPINGS; at++)
			if (m->bytes[at] == 'A' || m->bytes[at] == 'D')
				repair_table(m, MEMORY_AT + at);
	if (what & REPAIR_ROOTS)
		for (size_t i = 0; i < ARRAY_SIZE(root); i++)
			repair_table(m, root[i]);
	if (what & REPAIR_RSDP) {
		repair_sum(rsdp, ACPI_RSDP_1_BYTES, RSDP_CHECKSUM_AT);
		repair_sum(rsdp, ACPI_RSDP_2_BYTES, RSDP_EXTENDED_CHECKSUM_AT);
	}
}

static void fuzz_machine(const uint8_t *data, size_t size)
{
	static struct acpi_table table[ROOM];
	struct acpi a = { .table = table, .room = (size_t)(data[0] >> 4) };
	struct memory *m = malloc(sizeof(*m));
	uint8_t *rsdp = exact_copy(data + 1, ACPI_RSDP_2_BYTES);
	size_t copy_size;
	uint8_t *copy;
	err_t e;

	require(m != NULL);
	m->size = size - 1 - ACPI_RSDP_2_BYTES;
	m->bytes = exact_copy(data + 1 + ACPI_RSDP_2_BYTES, m->size);
	m->mappings = 0;
	repair(m, rsdp, data[0]);
	e = acpi_discover(&a, rsdp, ACPI_RSDP_2_BYTES, map, m);
	require(a.count <= a.room);
	require((e == OK) == (a.count != 0 && a.missed == 0));
	check_tables(&a, m);
	copy_size = acpi_copy_size(&a);
	copy = malloc(copy_size);
	require(copy_size == 0 || acpi_copy(&a, copy, copy_size - 1) == ERR_NO_MEMORY);
	require(acpi_copy(&a, copy, copy_size) == OK);
	for (size_t i = 0; i < m->mappings; i++)
		free(m->mapping[i]);
	check_tables(&a, m);
	free(copy);
	free(rsdp);
	free(m->bytes);
	free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct print_sink sink = { discard };

	print_set_sink(&sink);
	fuzz_one_table(data, size);
	if (size > 1 + ACPI_RSDP_2_BYTES)
		fuzz_machine(data, size);
	return 0;
}
