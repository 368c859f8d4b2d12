/* SPDX-License-Identifier: MIT */
/*
 * Tests of boot/acpi*.c with the damaged tables of a synthetic machine, and with the tables of real
 * machines.
 */
#include "boot/acpi.h"

#include "lib/string.h"
#include "monitor/acpi_report.h"
#include "monitor/command.h"
#include "tests/capture.h"
#include "tests/test.h"

enum {
	IMAGE_BYTES = 4096,
	IMAGE_AT = 0xe0000, /* physical address in the synthetic machine */
	ROOM = 24,
	LENGTH_AT = 4,
	CHECKSUM_AT = 9,
	RSDP_LENGTH_AT = 20,
	RSDP_EXTENDED_CHECKSUM_AT = 32,
	MUTATIONS = 10000,
	PATH_BYTES = 512,
};

static bool output_has(const char *glob)
{
	return str_glob(glob, capture_text());
}

static void print_quietly(const struct acpi_table *t)
{
	capture_begin();
	acpi_print(t);
	(void)capture_end();
}

/* ---- a synthetic machine ---- */

static uint8_t image[IMAGE_BYTES];
static uint32_t image_used;
static uint64_t image_size; /* accessible bytes */

static const uint8_t *image_map(void *ctx, uint64_t pa, uint64_t len)
{
	(void)ctx;
	if (pa < IMAGE_AT || pa - IMAGE_AT > image_size || len > image_size - (pa - IMAGE_AT))
		return NULL;
	return image + (pa - IMAGE_AT);
}

static void put_at(uint32_t at, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		image[at + i] = (uint8_t)(v >> 8 * i);
}

static void put(uint64_t v, unsigned bytes)
{
	put_at(image_used, v, bytes);
	image_used += bytes;
}

static void put_text(const char *s, uint32_t n)
{
	size_t len = strlen(s);

	for (uint32_t i = 0; i < n; i++)
		put(i < len ? (uint8_t)s[i] : ' ', 1);
}

/* Set the byte at `sum_at` so that the n bytes sum to 0. */
static void fix_sum(uint8_t *bytes, size_t n, size_t sum_at)
{
	uint8_t sum = 0;

	bytes[sum_at] = 0;
	for (size_t i = 0; i < n; i++)
		sum = (uint8_t)(sum + bytes[i]);
	bytes[sum_at] = (uint8_t)-sum;
}

static uint32_t table_begin(const char *signature, uint8_t revision)
{
	uint32_t at = image_used;

	put_text(signature, 4);
	put(0, 4);
	put(revision, 1);
	put(0, 1);
	put_text("KEEL", 6);
	put_text("TEST", 8);
	put(1, 4);
	put_text("KEEL", 4);
	put(1, 4);
	return at;
}

static void table_end(uint32_t at)
{
	put_at(at + LENGTH_AT, image_used - at, 4);
	fix_sum(image + at, image_used - at, CHECKSUM_AT);
	put(0xcc, 3); /* the next table is unaligned */
}

#define LE16(v)                        (uint8_t)(v), (uint8_t)((v) >> 8)
#define LE32(v)                        LE16((v)&0xffff), LE16((uint32_t)(v) >> 16)
#define LE64(v)                        LE32((v)&0xffffffff), LE32((uint64_t)(v) >> 32)
#define REGISTER(space, bits, address) space, bits, 0, 0, LE64(address)

#define PUT(...)                                                                                   \
	do {                                                                                       \
		static const uint8_t put_bytes_[] = { __VA_ARGS__ };                               \
		memcpy(image + image_used, put_bytes_, sizeof(put_bytes_));                        \
		image_used += sizeof(put_bytes_);                                                  \
	} while (0)

static uint32_t make_madt(void)
{
	uint32_t at = table_begin("APIC", 5);

	PUT(LE32(0xfee00000), LE32(1));
	PUT(0, 8, 7, 3, LE32(1)); /* a CPU */
	PUT(0, 8, 8, 4, LE32(2)); /* an online-capable CPU */
	PUT(9, 16, 0, 0, LE32(300), LE32(1), LE32(9));
	PUT(1, 12, 2, 0, LE32(0xfec00000), LE32(24));
	PUT(2, 10, 0, 9, LE32(20), LE16(0xd));
	PUT(3, 8, LE16(5), LE32(40));
	PUT(4, 6, 255, LE16(5), 1);
	PUT(10, 12, LE16(0xf), LE32(300), 1, 0, 0, 0);
	PUT(5, 12, 0, 0, LE64(0x1fee00000));
	PUT(0x7f, 3, 0);          /* unknown type */
	PUT(0, 7, 0, 0, 0, 0, 0); /* a CPU that is a byte short */
	table_end(at);
	return at;
}

static uint32_t make_mcfg(void)
{
	uint32_t at = table_begin("MCFG", 1);

	PUT(LE64(0));
	PUT(LE64(0xb0000000), LE16(0), 0, 255, LE32(0));
	PUT(LE64(UINT64_MAX), LE16(1), 0, 0, LE32(0)); /* wraps */
	PUT(LE64(0xc0000000), LE16(2), 9, 8, LE32(0)); /* last bus before first */
	table_end(at);
	return at;
}

static uint32_t make_srat(uint8_t revision)
{
	uint32_t at = table_begin("SRAT", revision);

	PUT(LE32(1), LE64(0));
	PUT(0, 16, 0x11, 3, LE32(1), LE32(0x333333ff), LE32(0)); /* domain in two places */
	PUT(2, 24, 0, 0, LE32(2), LE32(300), LE32(0), LE64(0));  /* disabled */
	PUT(1, 40, LE32(0x1001), 0, 0, LE64(0x100000), LE64(0x40000000), LE32(0), LE32(7), LE64(0));
	PUT(1, 40, LE32(1), 0, 0, LE64(UINT64_MAX), LE64(1), LE32(0), LE32(1), LE64(0)); /* wraps */
	PUT(3, 18, LE64(0), LE64(0)); /* a type of another architecture */
	table_end(at);
	return at;
}

static uint32_t make_hpet(void)
{
	uint32_t at = table_begin("HPET", 1);

	PUT(LE32(0x8086a201), REGISTER(ACPI_SPACE_MEMORY, 64, 0xfed00000), 1, LE16(0x37ee), 0);
	table_end(at);
	return at;
}

static uint32_t make_dmar(void)
{
	uint32_t at = table_begin("DMAR", 1);

	PUT(38, 5, 0, 0, LE64(0));
	PUT(LE16(0), LE16(16 + 8), 0, 1, LE16(0), LE64(0xfed90000)); /* DRHD */
	PUT(1, 8, 0, 0, 0, 0, 2, 0);
	PUT(LE16(0), LE16(16 + 20), 1, 0, LE16(7), LE64(0xfed91000)); /* DRHD for the rest */
	PUT(3, 8, 0, 0, 2, 0xf0, 0x1f, 0);
	PUT(2, 12, 0, 0, 0, 0x80, 1, 2, 3, 4, 5, 6); /* a bridge behind two others */
	PUT(LE16(1), LE16(24), 0, 0, LE16(1), LE64(0x7c000000), LE64(0x7fffffff)); /* RMRR */
	PUT(LE16(2), LE16(8), 1, 0, LE16(2));                                      /* ATSR */
	PUT(LE16(3), LE16(20), LE32(0), LE64(0xfed90000), LE32(5));                /* RHSA */
	PUT(LE16(4), LE16(18), 0, 0, 0, 9);                                        /* ANDD */
	PUT('\\', '_', 'S', 'B', '.', 'I', '2', 'C', 27, 0);
	PUT(LE16(5), LE16(8), 1, 0, LE16(3));     /* SATC */
	PUT(LE16(6), LE16(8), 0, 0, LE16(4));     /* SIDP */
	PUT(LE16(99), LE16(4));                   /* unknown type */
	PUT(LE16(0), LE16(15), 0, 0, 0, LE64(0)); /* a DRHD that is a byte short */
	table_end(at);
	return at;
}

static uint32_t make_spcr(void)
{
	uint32_t at = table_begin("SPCR", 2);

	PUT(LE32(0), REGISTER(ACPI_SPACE_IO, 8, 0x3f8), 0, 0, LE32(4), 7, 0);
	PUT(LE32(0), LE64(0), LE64(0));
	table_end(at);
	return at;
}

/* With the length of ACPI 6.5; all other fields are 0. */
static uint32_t make_fadt(void)
{
	uint32_t at = table_begin("FACP", 6);
	uint32_t end = at + 276;

	memset(image + image_used, 0, end - image_used);
	put_at(at + 46, 9, 2);
	put_at(at + 64, 0x604, 4);
	put_at(at + 76, 0x608, 4);
	put_at(at + 89, 2, 1);
	put_at(at + 91, 4, 1);
	put_at(at + 109, 0x22, 2);
	put_at(at + 112, 1 << 8 | 1 << 10, 4);
	image_used = at + 116;
	PUT(REGISTER(ACPI_SPACE_IO, 8, 0xcf9), 0xf);
	image_used = at + 208;
	PUT(REGISTER(ACPI_SPACE_IO, 32, 0x1808));
	image_used = end;
	table_end(at);
	return at;
}

enum {
	AT_MADT,
	AT_MCFG,
	AT_SRAT,
	AT_HPET,
	AT_FADT,
	AT_DMAR,
	AT_SPCR,
	TABLES,
};

static struct {
	uint32_t rsdp, xsdt, rsdt;
	uint32_t table[TABLES];
	uint64_t extra[4]; /* additional addresses in the XSDT */
	unsigned extras;
} machine;

static uint32_t make_root(const char *signature, unsigned entry_bytes)
{
	uint32_t at = table_begin(signature, 1);

	for (unsigned i = 0; i < TABLES; i++)
		put(IMAGE_AT + machine.table[i], entry_bytes);
	for (unsigned i = 0; i < machine.extras && entry_bytes == 8; i++)
		put(machine.extra[i], entry_bytes);
	table_end(at);
	return at;
}

static void fix_rsdp(void)
{
	fix_sum(image + machine.rsdp, ACPI_RSDP_1_BYTES, 8);
	fix_sum(image + machine.rsdp, ACPI_RSDP_2_BYTES, RSDP_EXTENDED_CHECKSUM_AT);
}

static void make_rsdp(void)
{
	machine.rsdp = image_used;
	put_text("RSD PTR ", 8);
	put(0, 1);
	put_text("KEEL", 6);
	put(2, 1);
	put(IMAGE_AT + machine.rsdt, 4);
	put(ACPI_RSDP_2_BYTES, 4);
	put(IMAGE_AT + machine.xsdt, 8);
	put(0, 4);
	fix_rsdp();
}

static void make_roots(void)
{
	machine.xsdt = make_root("XSDT", 8);
	machine.rsdt = make_root("RSDT", 4);
	make_rsdp();
	image_size = image_used;
}

static void make_machine(void)
{
	memset(image, 0, sizeof(image));
	image_used = 1; /* nothing is aligned */
	machine.extras = 0;
	machine.table[AT_MADT] = make_madt();
	machine.table[AT_MCFG] = make_mcfg();
	machine.table[AT_SRAT] = make_srat(3);
	machine.table[AT_HPET] = make_hpet();
	machine.table[AT_FADT] = make_fadt();
	machine.table[AT_DMAR] = make_dmar();
	machine.table[AT_SPCR] = make_spcr();
	make_roots();
}

static uint32_t image_length(uint32_t table)
{
	return (uint32_t)image[table + 4] | (uint32_t)image[table + 5] << 8;
}

static void fix_table(uint32_t at)
{
	uint32_t length = image_length(at);

	if (length >= ACPI_HEADER_BYTES && length <= IMAGE_BYTES - at)
		fix_sum(image + at, length, CHECKSUM_AT);
}

static struct acpi_table found[ROOM];
static struct acpi acpi;

static err_t discover_room(size_t room)
{
	err_t e;

	acpi = (struct acpi){ .table = found, .room = room };
	capture_begin();
	e = acpi_discover(&acpi, image + machine.rsdp, ACPI_RSDP_2_BYTES, image_map, NULL);
	(void)capture_end();
	return e;
}

static err_t discover(void)
{
	return discover_room(ROOM);
}

/* A table of the synthetic machine, parsed by acpi_table_check(). */
static struct acpi_table checked(unsigned which)
{
	struct acpi_table t;
	const char *why;

	make_machine();
	CHECK(acpi_table_check(image + machine.table[which], image_length(machine.table[which]), &t,
			       &why) == OK);
	CHECK_EQ(t.checksum, ACPI_CHECKSUM_OK);
	return t;
}

/* ---- reading a whole table ---- */

struct tally {
	uint32_t entries, bad, other;
	const char *why;
};

static void count_scopes(const struct acpi_dmar_entry *e, struct tally *n)
{
	struct acpi_walk w = acpi_scope_walk(e);
	struct acpi_scope s;

	while (acpi_scope_next(&w, &s))
		n->entries++;
	if (w.why != NULL)
		n->why = w.why;
}

/* Run all walks over the table; at most one matches its signature. */
static __noinline struct tally count_entries(const struct acpi_table *t)
{
	struct acpi_walk madt = acpi_madt_walk(t), mcfg = acpi_mcfg_walk(t);
	struct acpi_walk srat = acpi_srat_walk(t), dmar = acpi_dmar_walk(t);
	struct acpi_mcfg_window window;
	struct acpi_madt_entry cpu;
	struct acpi_srat_entry near;
	struct acpi_dmar_entry unit;
	struct tally n = { 0 };

	for (; acpi_madt_next(&madt, &cpu); n.entries++) {
		n.bad += cpu.kind == ACPI_MADT_BAD;
		n.other += cpu.kind == ACPI_MADT_OTHER;
	}
	for (; acpi_mcfg_next(&mcfg, &window); n.entries++)
		n.bad += !window.usable;
	for (; acpi_srat_next(&srat, &near); n.entries++) {
		n.bad += near.kind == ACPI_SRAT_BAD;
		n.other += near.kind == ACPI_SRAT_OTHER;
	}
	for (; acpi_dmar_next(&dmar, &unit); n.entries++) {
		n.bad += unit.kind == ACPI_DMAR_BAD;
		n.other += unit.kind == ACPI_DMAR_OTHER;
		count_scopes(&unit, &n);
	}
	if (n.why == NULL)
		n.why = strcmp(t->signature, ACPI_MADT) == 0   ? madt.why
			: strcmp(t->signature, ACPI_MCFG) == 0 ? mcfg.why
			: strcmp(t->signature, ACPI_SRAT) == 0 ? srat.why
			: strcmp(t->signature, ACPI_DMAR) == 0 ? dmar.why
							       : NULL;
	return n;
}

static struct tally read_all(const struct acpi_table *t)
{
	struct acpi_walk root = acpi_root_walk(t);
	struct tally n = count_entries(t);
	struct acpi_dmar dmar;
	struct acpi_fadt fadt;
	struct acpi_hpet hpet;
	struct acpi_madt madt;
	struct acpi_spcr spcr;
	uint64_t address;

	while (acpi_root_next(&root, &address))
		n.entries++;
	CHECK((acpi_dmar_read(t, &dmar) == OK) <= (strcmp(t->signature, ACPI_DMAR) == 0));
	CHECK((acpi_fadt_read(t, &fadt) == OK) <= (strcmp(t->signature, ACPI_FADT) == 0));
	CHECK((acpi_hpet_read(t, &hpet) == OK) <= (strcmp(t->signature, ACPI_HPET) == 0));
	CHECK((acpi_madt_read(t, &madt) == OK) <= (strcmp(t->signature, ACPI_MADT) == 0));
	CHECK((acpi_spcr_read(t, &spcr) == OK) <= (strcmp(t->signature, ACPI_SPCR) == 0));
	CHECK(n.entries <= t->length);
	print_quietly(t);
	return n;
}

/* ---- RSDP ---- */

TEST(acpi_rsdp_of_version_1_has_only_an_rsdt)
{
	struct acpi_rsdp r;
	const char *why;

	make_machine();
	image[machine.rsdp + 15] = 0;
	fix_rsdp();
	CHECK(acpi_rsdp_parse(image + machine.rsdp, ACPI_RSDP_1_BYTES, &r, &why) == OK);
	CHECK(why == NULL);
	CHECK_EQ(r.xsdt, 0);
	CHECK_EQ(r.rsdt, IMAGE_AT + machine.rsdt);
	CHECK_STR(r.oem_id, "KEEL");
}

TEST(acpi_rsdp_of_version_2_has_both_addresses)
{
	struct acpi_rsdp r;
	const char *why;

	make_machine();
	CHECK(acpi_rsdp_parse(image + machine.rsdp, ACPI_RSDP_2_BYTES, &r, &why) == OK);
	CHECK(why == NULL);
	CHECK_EQ(r.revision, 2);
	CHECK_EQ(r.xsdt, IMAGE_AT + machine.xsdt);
	CHECK_EQ(r.rsdt, IMAGE_AT + machine.rsdt);
}

TEST(acpi_rsdp_with_any_byte_changed_is_rejected)
{
	struct acpi_rsdp r;
	const char *why;

	make_machine();
	for (uint32_t i = 0; i < ACPI_RSDP_2_BYTES; i++) {
		err_t e;

		image[machine.rsdp + i] ^= 0x10;
		e = acpi_rsdp_parse(image + machine.rsdp, ACPI_RSDP_2_BYTES, &r, &why);
		image[machine.rsdp + i] ^= 0x10;
		CHECK(why != NULL);
		CHECK((e == OK) == (i >= ACPI_RSDP_1_BYTES));
		CHECK_EQ(r.xsdt, 0);
		CHECK_EQ(r.rsdt, e == OK ? IMAGE_AT + machine.rsdt : 0);
	}
}

TEST(acpi_rsdp_that_is_truncated_is_refused_or_loses_its_xsdt)
{
	struct acpi_rsdp r;
	const char *why;

	make_machine();
	for (size_t n = 0; n < ACPI_RSDP_2_BYTES; n++) {
		uint8_t *tail = image + IMAGE_BYTES - n;
		err_t e;

		memcpy(tail, image + machine.rsdp, n);
		e = acpi_rsdp_parse(tail, n, &r, &why);
		CHECK((e == OK) == (n >= ACPI_RSDP_1_BYTES));
		CHECK(why != NULL);
		CHECK_EQ(r.xsdt, 0);
	}
}

TEST(acpi_rsdp_whose_length_is_wrong_loses_its_xsdt)
{
	static const uint32_t lengths[] = { 0, 20, 35, 37, 4096, UINT32_MAX };
	struct acpi_rsdp r;
	const char *why;

	make_machine();
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		put_at(machine.rsdp + RSDP_LENGTH_AT, lengths[i], 4);
		fix_rsdp();
		CHECK(acpi_rsdp_parse(image + machine.rsdp, ACPI_RSDP_2_BYTES, &r, &why) == OK);
		CHECK(why != NULL);
		CHECK_EQ(r.xsdt, 0);
	}
}

/* ---- discovery ---- */

TEST(acpi_discovery_finds_all_tables_of_the_xsdt)
{
	make_machine();
	CHECK(discover() == OK);
	CHECK_EQ(acpi.count, TABLES + 1);
	CHECK_STR(acpi.table[0].signature, "XSDT");
	CHECK_STR(capture_text(), "");
	for (unsigned i = 0; i < TABLES; i++) {
		CHECK_EQ(acpi.table[i + 1].address, IMAGE_AT + machine.table[i]);
		CHECK(acpi_find(&acpi, acpi.table[i + 1].signature) == &acpi.table[i + 1]);
	}
	CHECK(acpi_find(&acpi, "SSDT") == NULL);
}

TEST(acpi_discovery_falls_back_to_the_rsdt)
{
	make_machine();
	image[machine.xsdt + 20] ^= 1; /* checksum */
	CHECK(discover() == OK);
	CHECK(output_has("*XSDT*checksum*"));
	CHECK_STR(acpi.table[0].signature, "RSDT");
	CHECK_EQ(acpi.count, TABLES + 1);

	make_machine();
	image[machine.xsdt] = 'Y';
	fix_table(machine.xsdt);
	CHECK(discover() == OK);
	CHECK(output_has("*XSDT*signature*"));
	CHECK_STR(acpi.table[0].signature, "RSDT");

	make_machine();
	put_at(machine.rsdp + 24, UINT64_C(1) << 40, 8); /* not accessible */
	fix_rsdp();
	CHECK(discover() == OK);
	CHECK(output_has("*XSDT*accessible*"));
	CHECK_STR(acpi.table[0].signature, "RSDT");

	make_machine();
	put_at(machine.rsdp + 24, 0, 8); /* no XSDT: no warning */
	fix_rsdp();
	CHECK(discover() == OK);
	CHECK_STR(capture_text(), "");
	CHECK_STR(acpi.table[0].signature, "RSDT");
}

TEST(acpi_discovery_without_a_root_table_fails)
{
	make_machine();
	image[machine.xsdt + 20] ^= 1;
	image[machine.rsdt + 20] ^= 1;
	CHECK(discover() == ERR_BAD_FORMAT);
	CHECK_EQ(acpi.count, 0);

	make_machine();
	image[machine.rsdp] ^= 1;
	CHECK(discover() == ERR_BAD_FORMAT);

	CHECK(acpi_discover(&acpi, image, 0, image_map, NULL) == ERR_NOT_FOUND);
	CHECK(acpi_find(&acpi, ACPI_MADT) == NULL);
	CHECK_EQ(acpi_copy_size(&acpi), 0);
}

TEST(acpi_table_with_a_bad_checksum_is_kept_but_not_found)
{
	make_machine();
	image[machine.table[AT_MADT] + 37] ^= 1;
	CHECK(discover() == OK);
	CHECK(output_has("*APIC*bad checksum*"));
	CHECK_EQ(acpi.count, TABLES + 1);
	CHECK_EQ(acpi.table[1 + AT_MADT].checksum, ACPI_CHECKSUM_BAD);
	CHECK(acpi_find(&acpi, ACPI_MADT) == NULL);
	CHECK(acpi_find(&acpi, ACPI_MCFG) != NULL);
}

TEST(acpi_table_of_invalid_length_is_skipped)
{
	static const uint32_t lengths[] = { 0,         1, 35, IMAGE_BYTES + 1, ACPI_TABLE_MAX + 1,
					    UINT32_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		make_machine();
		put_at(machine.table[AT_SRAT] + LENGTH_AT, lengths[i], 4);
		CHECK(discover() == OK);
		CHECK(output_has("*skipped*"));
		CHECK_EQ(acpi.count, TABLES);
		CHECK(acpi_find(&acpi, ACPI_SRAT) == NULL);
	}
}

TEST(acpi_table_at_an_invalid_address_is_skipped)
{
	make_machine();
	machine.extra[0] = 0;
	machine.extra[1] = UINT64_MAX;
	machine.extra[2] = UINT64_MAX - ACPI_TABLE_MAX;
	machine.extra[3] = UINT64_C(1) << 32;
	machine.extras = 4;
	make_roots();
	CHECK(discover() == OK);
	CHECK(output_has("*skipped*skipped*skipped*skipped*"));
	CHECK_EQ(acpi.count, TABLES + 1);
}

/* Returns memory for every address, valid or not. */
static const uint8_t *careless_map(void *ctx, uint64_t pa, uint64_t len)
{
	const uint8_t *inside = image_map(ctx, pa, len);

	return inside != NULL ? inside : image + machine.table[AT_HPET];
}

TEST(acpi_table_never_wraps_around_the_address_space)
{
	err_t e;

	make_machine();
	machine.extra[0] = UINT64_MAX;
	machine.extra[1] = UINT64_MAX - ACPI_HEADER_BYTES;
	machine.extras = 2;
	make_roots();
	acpi = (struct acpi){ .table = found, .room = ROOM };
	capture_begin();
	e = acpi_discover(&acpi, image + machine.rsdp, ACPI_RSDP_2_BYTES, careless_map, NULL);
	(void)capture_end();
	CHECK(e == OK);
	CHECK_EQ(acpi.count, TABLES + 1);
	CHECK(output_has("*skipped*end of the address space*skipped*end of the address space*"));
}

TEST(acpi_duplicates_and_self_references_are_harmless)
{
	make_machine();
	machine.xsdt = image_used; /* where make_roots() will put it */
	machine.extra[0] = IMAGE_AT + machine.xsdt;
	machine.extra[1] = machine.extra[2] = IMAGE_AT + machine.table[AT_HPET];
	machine.extra[3] = IMAGE_AT + machine.rsdt;
	machine.extras = 4;
	make_roots();
	CHECK(discover() == OK);
	CHECK_EQ(acpi.count, TABLES + 2); /* includes the first RSDT, as an ordinary table */
	CHECK_STR(capture_text(), "");
}

TEST(acpi_root_table_with_a_truncated_address_is_used)
{
	make_machine();
	put_at(machine.xsdt + LENGTH_AT, image_length(machine.xsdt) - 3, 4);
	fix_table(machine.xsdt);
	CHECK(discover() == OK);
	CHECK(output_has("*a truncated address*"));
	CHECK_EQ(acpi.count, TABLES);
}

TEST(acpi_array_that_is_too_small_is_filled_and_reported)
{
	make_machine();
	for (size_t room = 0; room <= TABLES; room++) {
		CHECK(discover_room(room) == ERR_NO_MEMORY);
		CHECK_EQ(acpi.count, room);
		CHECK_EQ(acpi.missed, TABLES + 1 - room);
	}
	CHECK(discover_room(TABLES + 1) == OK);
}

/* ---- regions and copies ---- */

TEST(acpi_regions_cover_the_tables)
{
	make_machine();
	NEED(discover() == OK);
	for (unsigned i = 0; i < TABLES; i++) {
		struct region r = acpi_table_region(&acpi.table[i + 1]);

		CHECK_EQ(r.start, IMAGE_AT + machine.table[i]);
		CHECK_EQ(r.end - r.start, image_length(machine.table[i]));
		CHECK_EQ(r.type, REGION_ACPI);
	}
}

TEST(acpi_copy_outlives_the_firmware)
{
	static uint8_t memory[IMAGE_BYTES + 1];
	struct acpi_madt madt;
	size_t size;

	make_machine();
	NEED(discover() == OK);
	size = acpi_copy_size(&acpi);
	NEED(size < IMAGE_BYTES);
	CHECK(acpi_copy(&acpi, memory + 1, size - 1) == ERR_NO_MEMORY);
	CHECK(acpi.table[0].bytes == image + machine.xsdt);
	CHECK(acpi_copy(&acpi, memory + 1, size) == OK);
	memset(image, 0xff, sizeof(image));
	for (size_t i = 0; i < acpi.count; i++) {
		CHECK(acpi.table[i].bytes > memory);
		CHECK(acpi.table[i].bytes + acpi.table[i].length <= memory + 1 + size);
		CHECK_EQ(acpi.table[i].checksum, ACPI_CHECKSUM_OK);
		CHECK(i == 0 || acpi.table[i].address == IMAGE_AT + machine.table[i - 1]);
	}
	NEED(acpi_find(&acpi, ACPI_MADT) != NULL);
	CHECK(acpi_madt_read(acpi_find(&acpi, ACPI_MADT), &madt) == OK);
	CHECK_EQ(madt.cpus_enabled, 2);
}

TEST(acpi_table_that_changes_before_it_is_copied_is_not_used)
{
	static uint8_t memory[IMAGE_BYTES];
	err_t e;

	make_machine();
	NEED(discover() == OK);
	put_at(machine.table[AT_DMAR] + LENGTH_AT, UINT32_MAX, 4);
	capture_begin();
	e = acpi_copy(&acpi, memory, sizeof(memory));
	(void)capture_end();
	CHECK(e == OK);
	CHECK(output_has("*DMAR*changed*"));
	CHECK(acpi_find(&acpi, ACPI_DMAR) == NULL);
	CHECK(acpi_find(&acpi, ACPI_MADT) != NULL);
}

/* ---- the readers ---- */

TEST(acpi_madt_entries_are_decoded)
{
	struct acpi_table t = checked(AT_MADT);
	struct acpi_walk w = acpi_madt_walk(&t);
	struct acpi_madt_entry e[12];
	struct acpi_madt madt;
	size_t n = 0;

	while (n < ARRAY_SIZE(e) && acpi_madt_next(&w, &e[n]))
		n++;
	NEED(n == 11);
	CHECK(w.why == NULL);
	CHECK(e[0].kind == ACPI_MADT_LAPIC && e[0].cpu.enabled && !e[0].cpu.online_capable);
	CHECK(e[0].cpu.apic_id == 3 && e[0].cpu.uid == 7);
	CHECK(e[1].kind == ACPI_MADT_LAPIC && !e[1].cpu.enabled && e[1].cpu.online_capable);
	CHECK(e[2].kind == ACPI_MADT_X2APIC && e[2].cpu.apic_id == 300 && e[2].cpu.uid == 9);
	CHECK(e[3].kind == ACPI_MADT_IOAPIC && e[3].ioapic.id == 2);
	CHECK(e[3].ioapic.address == 0xfec00000 && e[3].ioapic.gsi_base == 24);
	CHECK(e[4].kind == ACPI_MADT_OVERRIDE && e[4].route.source == 9 && e[4].route.gsi == 20);
	CHECK(e[4].route.polarity == ACPI_POLARITY_HIGH);
	CHECK(e[4].route.trigger == ACPI_TRIGGER_LEVEL);
	CHECK(e[5].kind == ACPI_MADT_NMI_SOURCE && e[5].route.gsi == 40);
	CHECK(e[6].kind == ACPI_MADT_LAPIC_NMI && e[6].nmi.uid == ACPI_UID_ALL);
	CHECK(e[6].nmi.lint == 1 && e[6].nmi.trigger == ACPI_TRIGGER_EDGE);
	CHECK(e[7].kind == ACPI_MADT_X2APIC_NMI && e[7].nmi.uid == 300);
	CHECK(e[7].nmi.polarity == ACPI_POLARITY_LOW);
	CHECK(e[8].kind == ACPI_MADT_LAPIC_ADDRESS && e[8].lapic_address == 0x1fee00000);
	CHECK(e[9].kind == ACPI_MADT_OTHER && e[9].type == 0x7f);
	CHECK(e[10].kind == ACPI_MADT_BAD && e[10].type == 0);
	CHECK(acpi_madt_read(&t, &madt) == OK);
	CHECK_EQ(madt.lapic_address, 0x1fee00000);
	CHECK_EQ(madt.cpus_enabled, 2);
	CHECK_EQ(madt.ioapics, 1);
	CHECK(madt.legacy_pics);
}

TEST(acpi_mcfg_windows_are_decoded_and_validated)
{
	struct acpi_table t = checked(AT_MCFG);
	struct acpi_walk w = acpi_mcfg_walk(&t);
	struct acpi_mcfg_window m;

	NEED(acpi_mcfg_next(&w, &m));
	CHECK(m.usable && m.base == 0xb0000000 && m.bus_first == 0 && m.bus_last == 255);
	NEED(acpi_mcfg_next(&w, &m));
	CHECK(!m.usable && m.segment == 1);
	NEED(acpi_mcfg_next(&w, &m));
	CHECK(!m.usable && m.bus_first == 9 && m.bus_last == 8);
	CHECK(!acpi_mcfg_next(&w, &m));
	CHECK(w.why == NULL);
}

TEST(acpi_srat_affinities_are_decoded)
{
	struct acpi_table t = checked(AT_SRAT);
	struct acpi_walk w = acpi_srat_walk(&t);
	struct acpi_srat_entry e;

	NEED(acpi_srat_next(&w, &e));
	CHECK(e.kind == ACPI_SRAT_LAPIC && e.apic_id == 3 && e.enabled);
	CHECK_EQ(e.domain, 0x33333311);
	NEED(acpi_srat_next(&w, &e));
	CHECK(e.kind == ACPI_SRAT_X2APIC && e.apic_id == 300 && e.domain == 2 && !e.enabled);
	NEED(acpi_srat_next(&w, &e));
	CHECK(e.kind == ACPI_SRAT_MEMORY && e.enabled && e.memory.hot_pluggable);
	CHECK(e.memory.non_volatile && e.domain == 0x1001);
	CHECK(e.memory.base == 0x100000 && e.memory.len == 0x40000000);
	NEED(acpi_srat_next(&w, &e)); /* it wraps */
	CHECK(e.kind == ACPI_SRAT_BAD);
	NEED(acpi_srat_next(&w, &e));
	CHECK(e.kind == ACPI_SRAT_OTHER && e.type == 3);
	CHECK(!acpi_srat_next(&w, &e) && w.why == NULL);
}

TEST(acpi_srat_of_revision_1_has_domains_of_8_bits)
{
	struct acpi_srat_entry e;
	struct acpi_table t;
	struct acpi_walk w;
	const char *why;
	uint32_t at;

	image_used = 0;
	at = make_srat(1);
	NEED(acpi_table_check(image + at, IMAGE_BYTES - at, &t, &why) == OK);
	w = acpi_srat_walk(&t);
	NEED(acpi_srat_next(&w, &e));
	CHECK_EQ(e.domain, 0x11);
	NEED(acpi_srat_next(&w, &e) && acpi_srat_next(&w, &e));
	CHECK_EQ(e.domain, 1);
}

TEST(acpi_hpet_is_decoded)
{
	struct acpi_table t = checked(AT_HPET);
	struct acpi_hpet h;

	NEED(acpi_hpet_read(&t, &h) == OK);
	CHECK_EQ(h.base.address, 0xfed00000);
	CHECK_EQ(h.base.space, ACPI_SPACE_MEMORY);
	CHECK_EQ(h.min_tick, 0x37ee);
	CHECK_EQ(h.number, 1);
	CHECK_EQ(h.comparators, 3);
	CHECK_EQ(h.vendor, 0x8086);
	CHECK(h.counter_64 && h.legacy_route);
}

TEST(acpi_fadt_prefers_extended_registers)
{
	struct acpi_table t = checked(AT_FADT);
	struct acpi_fadt f;

	NEED(acpi_fadt_read(&t, &f) == OK);
	CHECK_EQ(f.pm_timer.address, 0x1808);
	CHECK(f.pm_timer_32);
	CHECK_EQ(f.pm1a_control.address, 0x604);
	CHECK_EQ(f.pm1a_control.space, ACPI_SPACE_IO);
	CHECK_EQ(f.pm1a_control.bits, 16);
	CHECK_EQ(f.pm1b_control.address, 0);
	CHECK_EQ(f.reset.address, 0xcf9);
	CHECK_EQ(f.reset_value, 0xf);
	CHECK(f.reset_supported);
	CHECK(!f.legacy_devices && f.i8042 && f.no_cmos_rtc && !f.no_vga);
	CHECK_EQ(f.sci, 9);
}

TEST(acpi_fadt_of_version_1_describes_a_pc)
{
	struct acpi_table t = checked(AT_FADT);
	struct acpi_fadt f;

	t.revision = 1;
	t.length = 116;
	NEED(acpi_fadt_read(&t, &f) == OK);
	CHECK_EQ(f.pm_timer.address, 0x608);
	CHECK_EQ(f.pm_timer.bits, 32);
	CHECK(!f.reset_supported && f.reset.address == 0);
	CHECK(f.legacy_devices && f.i8042 && !f.no_vga);
	t.length = 128; /* with the reset register, without the reset value */
	NEED(acpi_fadt_read(&t, &f) == OK);
	CHECK(!f.reset_supported && f.reset.address == 0xcf9);
	t.length = 115;
	CHECK(acpi_fadt_read(&t, &f) == ERR_BAD_FORMAT);
}

TEST(acpi_fadt_of_reduced_hardware_has_no_pm_blocks)
{
	struct acpi_table t = checked(AT_FADT);
	struct acpi_fadt f;

	put_at(machine.table[AT_FADT] + 112, 1 << 20 | 1 << 10, 4);
	NEED(acpi_fadt_read(&t, &f) == OK);
	CHECK(f.hardware_reduced && f.reset_supported);
	CHECK(f.pm_timer.address == 0 && f.pm1a_control.address == 0);
}

TEST(acpi_fadt_without_a_timer_length_has_no_legacy_timer)
{
	struct acpi_table t = checked(AT_FADT);
	struct acpi_fadt f;

	put_at(machine.table[AT_FADT] + 91, 0, 1);
	t.length = 200; /* ends before the extended timer register */
	NEED(acpi_fadt_read(&t, &f) == OK);
	CHECK_EQ(f.pm_timer.address, 0);
}

TEST(acpi_fadt_alone_denies_a_keyboard_controller)
{
	struct acpi none = { 0 };
	uint32_t fadt;

	make_machine();
	fadt = machine.table[AT_FADT];
	CHECK(acpi_may_have_i8042(&none));
	NEED(discover() == OK);
	CHECK(acpi_may_have_i8042(&acpi));
	put_at(fadt + 109, 0x20, 2);
	fix_table(fadt);
	NEED(discover() == OK);
	CHECK(!acpi_may_have_i8042(&acpi));
	put_at(fadt + 109, 0x21, 2); /* makes the checksum wrong */
	NEED(discover() == OK);
	CHECK(acpi_may_have_i8042(&acpi));
	put_at(fadt + 109, 0x20, 2);
	put_at(fadt + 4, 115, 4); /* too short for a FADT */
	fix_table(fadt);
	NEED(discover() == OK);
	CHECK(acpi_may_have_i8042(&acpi));
}

TEST(acpi_dmar_structures_are_decoded)
{
	struct acpi_table t = checked(AT_DMAR);
	struct acpi_walk w = acpi_dmar_walk(&t);
	struct acpi_dmar_entry e;
	struct acpi_dmar d;
	unsigned kinds = 0;

	NEED(acpi_dmar_read(&t, &d) == OK);
	CHECK_EQ(d.address_bits, 39);
	CHECK(d.interrupt_remapping && !d.x2apic_opt_out && d.dma_opt_in);
	while (acpi_dmar_next(&w, &e)) {
		if (e.kind == ACPI_DMAR_DRHD && kinds == 0)
			CHECK(e.base == 0xfed90000 && e.size_order == 1 && e.flags == 0);
		else if (e.kind == ACPI_DMAR_DRHD)
			CHECK(e.base == 0xfed91000 && e.segment == 7 &&
			      e.flags == ACPI_DRHD_INCLUDE_ALL);
		else if (e.kind == ACPI_DMAR_RMRR)
			CHECK(e.segment == 1 && e.base == 0x7c000000 && e.limit == 0x7fffffff);
		else if (e.kind == ACPI_DMAR_ATSR)
			CHECK(e.segment == 2 && e.flags == ACPI_ATSR_ALL_PORTS);
		else if (e.kind == ACPI_DMAR_RHSA)
			CHECK(e.base == 0xfed90000 && e.domain == 5);
		else if (e.kind == ACPI_DMAR_ANDD)
			CHECK(e.device == 9 && strcmp(e.name, "\\_SB.I2C.") == 0);
		else if (e.kind == ACPI_DMAR_SATC)
			CHECK(e.segment == 3 && e.flags == ACPI_SATC_REQUIRED);
		else if (e.kind == ACPI_DMAR_SIDP)
			CHECK_EQ(e.segment, 4);
		else if (e.kind == ACPI_DMAR_OTHER)
			CHECK_EQ(e.type, 99);
		else
			CHECK(e.kind == ACPI_DMAR_BAD && e.type == 0 && e.scopes_length == 0);
		kinds++;
	}
	CHECK_EQ(kinds, 10);
	CHECK(w.why == NULL);
}

TEST(acpi_device_scopes_are_decoded_with_their_paths)
{
	struct acpi_table t = checked(AT_DMAR);
	struct acpi_walk w = acpi_dmar_walk(&t), scopes;
	struct acpi_dmar_entry e;
	struct acpi_scope s;

	NEED(acpi_dmar_next(&w, &e));
	scopes = acpi_scope_walk(&e);
	NEED(acpi_scope_next(&scopes, &s));
	CHECK(s.type == ACPI_SCOPE_ENDPOINT && s.bus == 0 && s.hops == 1 && s.path[0] == 2);
	CHECK(!acpi_scope_next(&scopes, &s) && scopes.why == NULL);
	NEED(acpi_dmar_next(&w, &e));
	scopes = acpi_scope_walk(&e);
	NEED(acpi_scope_next(&scopes, &s));
	CHECK(s.type == ACPI_SCOPE_IOAPIC && s.id == 2 && s.bus == 0xf0 && s.path[0] == 0x1f);
	NEED(acpi_scope_next(&scopes, &s));
	CHECK(s.type == ACPI_SCOPE_BRIDGE && s.hops == 3 && s.path[4] == 5 && s.path[5] == 6);
	CHECK(!acpi_scope_next(&scopes, &s) && scopes.why == NULL);
}

TEST(acpi_device_scope_shorter_than_its_header_is_not_returned)
{
	for (uint8_t length = 0; length < 6; length++) {
		struct acpi_table t = checked(AT_DMAR);
		struct acpi_walk w = acpi_dmar_walk(&t), scopes;
		struct acpi_dmar_entry e;
		struct acpi_scope s;

		NEED(acpi_dmar_next(&w, &e));
		image[e.scopes - image + 1] = length;
		scopes = acpi_scope_walk(&e);
		CHECK(!acpi_scope_next(&scopes, &s));
		CHECK(scopes.why != NULL);
		CHECK(!acpi_scope_next(&scopes, &s)); /* the walk stays at its end */
	}
}

TEST(acpi_spcr_is_decoded)
{
	struct acpi_table t = checked(AT_SPCR);
	struct acpi_spcr s;

	NEED(acpi_spcr_read(&t, &s) == OK);
	CHECK(s.type == ACPI_UART_16550 && s.base.address == 0x3f8);
	CHECK_EQ(s.base.space, ACPI_SPACE_IO);
	CHECK_EQ(s.baud, 115200);
	CHECK_EQ(s.gsi, 4);
}

TEST(acpi_command_prints_every_table)
{
	struct acpi_table table[] = { checked(AT_MADT), checked(AT_DMAR) };
	struct acpi tables = { .table = table, .room = 2, .count = 2 };
	const struct acpi *before = acpi_report_set(&tables);
	char line[] = "acpi", again[] = "acpi";
	bool known;

	capture_begin();
	known = command_run(line);
	(void)capture_end();
	CHECK(known && output_has("APIC revision 5*\nDMAR revision *"));
	CHECK(acpi_report_set(NULL) == &tables);
	capture_begin();
	(void)command_run(again);
	CHECK_STR(capture_end(), "");
	(void)acpi_report_set(before);
}

TEST(acpi_print_shows_a_header_and_every_entry)
{
	struct acpi_table t = checked(AT_MADT);

	print_quietly(&t);
	CHECK(output_has("APIC revision 5, * bytes, oem \"KEEL\" \"TEST\", checksum ok\n*"));
	CHECK(output_has("*lapic 3, uid 7, enabled*lapic 4, uid 8, may be*x2apic 300*"));
	CHECK(output_has("*other entry, type 127*malformed entry, type 0*"));
	t = checked(AT_DMAR);
	print_quietly(&t);
	CHECK(output_has(
		"*DRHD*endpoint, bus 00, path 02.0\n*bridge, bus 80, path 01.2 03.4 05.6*"));
	CHECK(output_has("*RMRR*ATSR*RHSA*ANDD device 9, \\_SB.I2C.\n*SATC*SIDP*"));
	t.checksum = ACPI_CHECKSUM_BAD;
	print_quietly(&t);
	CHECK(output_has("*checksum bad\n*"));
}

/* ---- damage ---- */

TEST(acpi_entries_without_a_whole_header_end_the_walk_with_a_reason)
{
	static const struct {
		unsigned which;
		uint32_t length_at, bytes, min; /* of the first entry's length field */
	} cases[] = {
		{ AT_MADT, 45, 1, 2 },
		{ AT_SRAT, 49, 1, 2 },
		{ AT_DMAR, 50, 2, 4 },
		{ AT_DMAR, 65, 1, 6 }, /* a device scope */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct acpi_table t = checked(cases[i].which);
		uint32_t at = machine.table[cases[i].which] + cases[i].length_at;

		for (uint64_t length = 0; length < cases[i].min; length++) {
			put_at(at, length, cases[i].bytes);
			CHECK(read_all(&t).why != NULL);
			CHECK(output_has("*malformed from here: an entry is shorter than*"));
		}
		put_at(at, UINT64_MAX, cases[i].bytes);
		CHECK(read_all(&t).why != NULL);
		CHECK(output_has("*malformed from here: an entry extends beyond*"));
	}
}

TEST(acpi_table_check_refuses_every_truncation)
{
	static const char *const none = "none";

	make_machine();
	for (unsigned i = 0; i < TABLES; i++) {
		uint32_t length = image_length(machine.table[i]);

		for (uint32_t n = 0; n < length; n++) {
			uint8_t *tail = image + IMAGE_BYTES - n;
			struct acpi_table t;
			const char *why = none;

			memcpy(tail, image + machine.table[i], n);
			CHECK(acpi_table_check(tail, n, &t, &why) == ERR_BAD_FORMAT);
			CHECK(why != NULL && why != none);
		}
	}
}

/* Truncated tables with correct length and checksum: the entries are truncated. */
TEST(acpi_readers_survive_every_truncation)
{
	make_machine();
	for (unsigned i = 0; i < TABLES; i++) {
		uint32_t length = image_length(machine.table[i]);

		for (uint32_t n = ACPI_HEADER_BYTES; n <= length; n++) {
			uint32_t at = IMAGE_BYTES - n;
			struct acpi_table t;
			const char *why;

			memcpy(image + at, image + machine.table[i], n);
			put_at(at + LENGTH_AT, n, 4);
			fix_table(at);
			NEED(acpi_table_check(image + at, n, &t, &why) == OK);
			CHECK_EQ(t.checksum, ACPI_CHECKSUM_OK);
			read_all(&t);
		}
	}
}

TEST(acpi_discovery_survives_memory_that_ends_at_any_byte)
{
	uint64_t whole;

	make_machine();
	whole = image_size;
	for (image_size = 0; image_size <= whole; image_size++) {
		err_t e = discover();

		CHECK(e == OK || (e == ERR_BAD_FORMAT && acpi.count == 0));
		for (size_t i = 0; i < acpi.count; i++) {
			struct region r = acpi_table_region(&acpi.table[i]);

			CHECK(r.start >= IMAGE_AT && r.end <= IMAGE_AT + image_size);
		}
	}
	image_size = whole;
}

/* Change up to 8 bytes; repair each checksum with probability 1/2. */
static void mutate(void)
{
	uint64_t changes = test_random_below(8) + 1;

	for (uint64_t i = 0; i < changes; i++)
		image[test_random_below(image_size)] = (uint8_t)test_random();
	if (test_random_below(2) == 0)
		fix_table(machine.table[test_random_below(TABLES)]);
	if (test_random_below(2) == 0)
		fix_table(machine.xsdt);
	if (test_random_below(2) == 0)
		fix_rsdp();
}

TEST(acpi_survives_random_mutations)
{
	static uint8_t memory[ROOM * IMAGE_BYTES];

	for (unsigned i = 0; i < MUTATIONS; i++) {
		err_t e;

		if (i % 4 == 0)
			make_machine();
		mutate();
		if (discover() != OK)
			continue;
		for (size_t k = 0; k < acpi.count; k++) {
			struct region r = acpi_table_region(&acpi.table[k]);

			CHECK(r.start >= IMAGE_AT && r.end <= IMAGE_AT + image_size);
			CHECK(r.end - r.start >= ACPI_HEADER_BYTES);
			read_all(&acpi.table[k]);
		}
		capture_begin();
		e = acpi_copy(&acpi, memory, sizeof(memory));
		(void)capture_end();
		CHECK(e == OK);
		for (size_t k = 0; k < acpi.count; k++)
			read_all(&acpi.table[k]);
	}
}

/* ---- tables of real machines ---- */

/* Find "\t<name>\t" in the manifest; the fields after it are bytes, checksum, machine. */
static const char *manifest_checksum(const char *manifest, size_t len, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i + n + 2 < len; i++) {
		if (manifest[i] != '\t' || manifest[i + n + 1] != '\t' ||
		    memcmp(manifest + i + 1, name, n) != 0)
			continue;
		for (i += n + 2; i < len; i++)
			if (manifest[i] == '\t')
				return manifest + i + 1;
	}
	return NULL;
}

static void check_real_table(const char *folder, const char *name, struct tally *sum)
{
	static char path[PATH_BYTES];
	const char *why = "", *manifest, *state;
	struct acpi_table t;
	const uint8_t *bytes;
	struct tally n;
	size_t len;

	print_to(path, sizeof(path), "%s/%s", folder, name);
	bytes = test_data(path, &len);
	NEED(bytes != NULL);
	if (acpi_table_check(bytes, len, &t, &why) != OK) {
		test_fail(__FILE__, __LINE__, "%s: %s", path, why);
		return;
	}
	n = read_all(&t);
	CHECK(capture_text()[0] != '\0');
	if (n.why != NULL || n.bad != 0)
		test_diag("%s: %u bad entries, %s", path, n.bad, n.why == NULL ? "" : n.why);
	sum->entries += n.entries;
	sum->bad += n.bad + (n.why != NULL);
	manifest = (const char *)test_data("acpi/MANIFEST.tsv", &len);
	state = manifest == NULL ? NULL : manifest_checksum(manifest, len, name);
	if (state == NULL)
		CHECK_EQ(t.checksum, ACPI_CHECKSUM_OK); /* QEMU's are not in the manifest */
	else
		CHECK((strncmp(state, "ok\t", 3) == 0) == (t.checksum == ACPI_CHECKSUM_OK));
}

static void check_real_folder(const char *folder, struct tally *sum)
{
	const char *names = test_data_list(folder);
	static char name[PATH_BYTES];
	unsigned files = 0;

	if (names == NULL) {
		test_skip("no folder %s of test data here", folder);
		return;
	}
	while (*names != '\0') {
		size_t n = 0;

		while (names[n] != '\0' && names[n] != '\n')
			n++;
		NEED(n < sizeof(name));
		memcpy(name, names, n);
		name[n] = '\0';
		names += n + (names[n] == '\n');
		if (n == 0)
			continue;
		check_real_table(folder, name, sum);
		files++;
	}
	CHECK(files > 0);
	test_diag("%s: %u files, %u entries, %u bad", folder, files, sum->entries, sum->bad);
}

TEST(acpi_real_dmar_tables_are_read)
{
	struct tally sum = { 0 };

	check_real_folder("acpi/dmar", &sum);
}

TEST(acpi_real_madt_tables_are_read)
{
	struct tally sum = { 0 };

	check_real_folder("acpi/apic", &sum);
}

TEST(acpi_real_mcfg_tables_are_read)
{
	struct tally sum = { 0 };

	check_real_folder("acpi/mcfg", &sum);
}

TEST(acpi_real_srat_tables_are_read)
{
	struct tally sum = { 0 };

	check_real_folder("acpi/srat", &sum);
}

TEST(acpi_qemu_tables_are_read_to_their_last_entry)
{
	struct tally sum = { 0 };

	check_real_folder("acpi-qemu", &sum);
	CHECK_EQ(sum.bad, 0);
}
