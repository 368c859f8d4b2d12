/* SPDX-License-Identifier: MIT */
#include "boot/acpi.h"

#include "boot/acpi_bytes.h"
#include "lib/bits.h"
#include "lib/print.h"
#include "lib/string.h"

/* ACPI 6.5, 5.2.5.3: Root System Description Pointer. */
#define RSDP_SIGNATURE "RSD PTR "
enum {
	RSDP_SIGNATURE_BYTES = 8,
	RSDP_OEM_ID = 9,
	RSDP_REVISION = 15,
	RSDP_RSDT = 16,
	RSDP_LENGTH = 20,
	RSDP_XSDT = 24,
	RSDP_REVISION_2 = 2, /* 0 is ACPI 1.0; 1 was never used */
};

/* ACPI 6.5, 5.2.6: System Description Table Header. */
enum {
	HEADER_SIGNATURE = 0,
	HEADER_LENGTH = 4,
	HEADER_REVISION = 8,
	HEADER_OEM_ID = 10,
	HEADER_OEM_TABLE = 16,
};

/* ACPI 6.5, 5.2.7 and 5.2.8: an array of addresses after the header. */
enum {
	RSDT_ENTRY_BYTES = 4,
	XSDT_ENTRY_BYTES = 8,
};

enum {
	COPY_ALIGN = 8,    /* for readable dumps; the readers need no alignment */
	WARNINGS_EACH = 8, /* skipped tables with a warning each; the rest is only counted */
};

struct search {
	struct acpi *acpi;
	acpi_map_t map;
	void *ctx;
	size_t skipped;
};

static bool sums_to_zero(const uint8_t *bytes, size_t n)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum = (uint8_t)(sum + bytes[i]);
	return sum == 0;
}

/* ---- RSDP ---- */

/* The reason why the 2.0 part is invalid, or NULL. */
static const char *rsdp_2_fault(const uint8_t *bytes, size_t len)
{
	uint32_t length;

	if (len < ACPI_RSDP_2_BYTES)
		return "revision 2 or later, but shorter than 36 bytes";
	length = acpi_le32((struct acpi_span){ bytes, ACPI_RSDP_2_BYTES }, RSDP_LENGTH);
	if (length < ACPI_RSDP_2_BYTES)
		return "length below 36";
	if (length > len)
		return "length field beyond the end of the data";
	if (!sums_to_zero(bytes, length))
		return "extended checksum is wrong";
	return NULL;
}

err_t acpi_rsdp_parse(const uint8_t *bytes, size_t len, struct acpi_rsdp *out, const char **why)
{
	struct acpi_span s = { bytes, (uint32_t)min_u64(len, ACPI_RSDP_2_BYTES) };

	*out = (struct acpi_rsdp){ 0 };
	*why = NULL;
	if (len < ACPI_RSDP_1_BYTES)
		*why = "shorter than 20 bytes";
	else if (memcmp(bytes, RSDP_SIGNATURE, RSDP_SIGNATURE_BYTES) != 0)
		*why = "signature is not \"RSD PTR \"";
	else if (!sums_to_zero(bytes, ACPI_RSDP_1_BYTES))
		*why = "checksum is wrong";
	if (*why != NULL)
		return ERR_BAD_FORMAT;
	out->revision = acpi_le8(s, RSDP_REVISION);
	out->rsdt = acpi_le32(s, RSDP_RSDT);
	acpi_text(s, RSDP_OEM_ID, ACPI_OEM_ID_CHARS, out->oem_id);
	if (out->revision < RSDP_REVISION_2)
		return OK;
	*why = rsdp_2_fault(bytes, len);
	if (*why == NULL)
		out->xsdt = acpi_le64(s, RSDP_XSDT);
	return OK;
}

/* ---- one table ---- */

/* Fill in the fields of the header; `bytes`, `length` and `address` are set and checked. */
static void table_identify(struct acpi_table *t)
{
	struct acpi_span s = acpi_span_of(t);

	acpi_text(s, HEADER_SIGNATURE, ACPI_SIGNATURE_CHARS, t->signature);
	acpi_text(s, HEADER_OEM_ID, ACPI_OEM_ID_CHARS, t->oem_id);
	acpi_text(s, HEADER_OEM_TABLE, ACPI_OEM_TABLE_CHARS, t->oem_table);
	t->revision = acpi_le8(s, HEADER_REVISION);
	t->checksum = sums_to_zero(t->bytes, t->length) ? ACPI_CHECKSUM_OK : ACPI_CHECKSUM_BAD;
}

static const char *length_fault(uint32_t length)
{
	if (length < ACPI_HEADER_BYTES)
		return "length field below 36";
	if (length > ACPI_TABLE_MAX)
		return "length field above 16 MiB";
	return NULL;
}

err_t acpi_table_check(const uint8_t *bytes, size_t len, struct acpi_table *out, const char **why)
{
	uint32_t length;

	*out = (struct acpi_table){ 0 };
	if (len < ACPI_HEADER_BYTES) {
		*why = "shorter than a table header of 36 bytes";
		return ERR_BAD_FORMAT;
	}
	length = acpi_le32((struct acpi_span){ bytes, ACPI_HEADER_BYTES }, HEADER_LENGTH);
	*why = length_fault(length);
	if (*why == NULL && length > len)
		*why = "length field beyond the end of the data";
	if (*why != NULL)
		return ERR_BAD_FORMAT;
	out->bytes = bytes;
	out->length = length;
	table_identify(out);
	return OK;
}

struct region acpi_table_region(const struct acpi_table *t)
{
	return (struct region){ t->address, t->address + t->length, REGION_ACPI };
}

/* ---- root table ---- */

struct acpi_walk acpi_root_walk(const struct acpi_table *t)
{
	struct acpi_walk w = { t->bytes, ACPI_HEADER_BYTES, t->length, t->revision, NULL };

	if (acpi_is(t, ACPI_XSDT, ACPI_HEADER_BYTES) || acpi_is(t, ACPI_RSDT, ACPI_HEADER_BYTES))
		return w;
	return (struct acpi_walk){ .why = "not an RSDT or XSDT" };
}

/* acpi_root_walk() has checked the signature; its first letter determines the entry size. */
bool acpi_root_next(struct acpi_walk *w, uint64_t *address)
{
	uint32_t bytes, rest = w->end - w->at;

	if (rest == 0)
		return false;
	bytes = w->bytes[HEADER_SIGNATURE] == ACPI_XSDT[0] ? XSDT_ENTRY_BYTES : RSDT_ENTRY_BYTES;
	if (rest < bytes) {
		w->why = "a truncated address at the end";
		w->at = w->end;
		return false;
	}
	*address = acpi_le((struct acpi_span){ w->bytes, w->end }, w->at, bytes);
	w->at += bytes;
	return true;
}

/* ---- discovery ---- */

/* Load the table at `address` into *out.  NULL, or the reason of the failure. */
static const char *table_load(const struct search *s, uint64_t address, struct acpi_table *out)
{
	const uint8_t *header, *bytes;
	const char *why;
	uint32_t length;

	if (address == 0)
		return "address is 0";
	if (address > UINT64_MAX - ACPI_TABLE_MAX)
		return "address is at the end of the address space";
	header = s->map(s->ctx, address, ACPI_HEADER_BYTES);
	if (header == NULL)
		return "header is not accessible";
	length = acpi_le32((struct acpi_span){ header, ACPI_HEADER_BYTES }, HEADER_LENGTH);
	why = length_fault(length);
	if (why != NULL)
		return why;
	bytes = s->map(s->ctx, address, length);
	if (bytes == NULL)
		return "table is not accessible in its full length";
	*out = (struct acpi_table){ .bytes = bytes, .length = length, .address = address };
	table_identify(out);
	return NULL;
}

static bool is_known(const struct acpi *a, uint64_t address)
{
	for (size_t i = 0; i < a->count; i++)
		if (a->table[i].address == address)
			return true;
	return false;
}

static void table_add(struct search *s, uint64_t address)
{
	struct acpi *a = s->acpi;
	struct acpi_table t;
	const char *why;

	if (is_known(a, address))
		return;
	if (a->count == a->room) {
		a->missed++;
		return;
	}
	why = table_load(s, address, &t);
	if (why == NULL) {
		a->table[a->count++] = t;
		if (t.checksum == ACPI_CHECKSUM_BAD)
			warn("ACPI: %s at %#lx has a bad checksum and is not used", t.signature,
			     address);
	} else if (s->skipped++ < WARNINGS_EACH) {
		warn("ACPI: table at %#lx skipped: %s", address, why);
	}
}

/* Load the root table with the signature `name`.  False: absent, or invalid with a warning. */
static bool root_load(const struct search *s, uint64_t address, const char *name,
		      struct acpi_table *out)
{
	const char *why;

	if (address == 0)
		return false;
	why = table_load(s, address, out);
	if (why == NULL && strcmp(out->signature, name) != 0)
		why = "signature does not match";
	else if (why == NULL && out->checksum == ACPI_CHECKSUM_BAD)
		why = "checksum is wrong";
	if (why != NULL)
		warn("ACPI: %s at %#lx not used: %s", name, address, why);
	return why == NULL;
}

static err_t tables_load(struct search *s, const struct acpi_table *root)
{
	struct acpi *a = s->acpi;
	struct acpi_walk w = acpi_root_walk(root);
	uint64_t address;

	if (a->room == 0)
		a->missed++;
	else
		a->table[a->count++] = *root;
	while (acpi_root_next(&w, &address))
		table_add(s, address);
	if (w.why != NULL)
		warn("ACPI: %s has %s", root->signature, w.why);
	if (s->skipped > WARNINGS_EACH)
		warn("ACPI: %zu more tables skipped", s->skipped - WARNINGS_EACH);
	if (a->missed == 0)
		return OK;
	warn("ACPI: no room for %zu tables", a->missed);
	return ERR_NO_MEMORY;
}

err_t acpi_discover(struct acpi *a, const uint8_t *rsdp, size_t len, acpi_map_t map, void *ctx)
{
	struct search s = { a, map, ctx, 0 };
	struct acpi_table root;
	struct acpi_rsdp r;
	const char *why;
	err_t e;

	a->count = a->missed = 0;
	if (len == 0)
		return ERR_NOT_FOUND;
	e = acpi_rsdp_parse(rsdp, len, &r, &why);
	if (why != NULL)
		warn("ACPI: RSDP: %s", why);
	if (e != OK)
		return e;
	if (!root_load(&s, r.xsdt, ACPI_XSDT, &root) && !root_load(&s, r.rsdt, ACPI_RSDT, &root)) {
		warn("ACPI: no usable XSDT or RSDT");
		return ERR_BAD_FORMAT;
	}
	return tables_load(&s, &root);
}

/* ---- copy and lookup ---- */

size_t acpi_copy_size(const struct acpi *a)
{
	size_t size = 0;

	for (size_t i = 0; i < a->count; i++)
		size += align_up(a->table[i].length, COPY_ALIGN);
	return size;
}

err_t acpi_copy(struct acpi *a, void *memory, size_t size)
{
	uint8_t *at = memory;

	if (size < acpi_copy_size(a))
		return ERR_NO_MEMORY;
	for (size_t i = 0; i < a->count; i++) {
		struct acpi_table *t = &a->table[i];
		enum acpi_checksum before = t->checksum;

		memcpy(at, t->bytes, t->length);
		t->bytes = at;
		at += align_up(t->length, COPY_ALIGN);
		/* A device may still write to this memory and have changed it since the first
		 * check: check the copy. */
		table_identify(t);
		if (t->checksum != before)
			warn("ACPI: %s at %#lx changed while it was read", t->signature,
			     t->address);
	}
	return OK;
}

const struct acpi_table *acpi_find(const struct acpi *a, const char *signature)
{
	for (size_t i = 0; i < a->count; i++) {
		const struct acpi_table *t = &a->table[i];

		if (t->checksum == ACPI_CHECKSUM_OK && strcmp(t->signature, signature) == 0)
			return t;
	}
	return NULL;
}
