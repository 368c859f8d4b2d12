/* SPDX-License-Identifier: MIT */
/*
 * keel.c - the kernel's readers of boot information as a program of the host.
 *
 *   keel regions FILE --addr 0xHEX   the memory map of a Multiboot2 information block
 *   keel acpi FILE                   one ACPI table, as its bytes in a file
 *   keel help
 *
 * `regions` prints the map that the kernel would use: a line `START END TYPE` for each region,
 * half-open, sorted, usable ones in whole frames.  --addr is the address at which the boot loader
 * placed the block.  Warnings go to standard error.  The exit status is 0, or 1 after one line with
 * the reason.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "boot/acpi.h"
#include "boot/multiboot2.h"
#include "lib/print.h"
#include "lib/string.h"
#include "mm/frame/regions.h"
#include "monitor/acpi_report.h"

/* Maximum size of a file: policy; a block or a table has some KiB. */
#define FILE_BYTES_MAX MIB(64)

/* The kernel image runs at its physical address plus this: the last 2 GiB, as linker.ld has it. */
#define IMAGE_OFFSET 0xffffffff80000000u

static const char usage[] = "usage: keel regions FILE --addr 0xHEX | keel acpi FILE | keel help\n";

/* ---- output ---- */

static void write_out(struct print_sink *sink, const char *bytes, size_t n)
{
	(void)sink;
	fwrite(bytes, 1, n, stdout); /* finish() checks for errors */
}

static void write_err(struct print_sink *sink, const char *bytes, size_t n)
{
	(void)sink;
	fwrite(bytes, 1, n, stderr);
}

static struct print_sink out_sink = { write_out }, err_sink = { write_err };

static int fail(const char *file, const char *format, ...) __printf(2, 3);
static int fail(const char *file, const char *format, ...)
{
	int why = errno; /* what %m stands for */
	va_list args;

	fprintf(stderr, "keel: %s: ", file);
	va_start(args, format);
	errno = why;
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return EXIT_FAILURE;
}

static int fail_usage(void)
{
	fputs(usage, stderr);
	return EXIT_FAILURE;
}

static int finish(void)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		return fail("standard output", "%m");
	return EXIT_SUCCESS;
}

/* ---- input ---- */

struct file {
	uint8_t *bytes; /* from malloc */
	size_t len;
};

/* All of the stream, or false with errno set; EFBIG: it is too large. */
static bool read_stream(FILE *stream, struct file *f)
{
	size_t room = 0, n;

	do {
		if (f->len == room) {
			uint8_t *bytes;

			room = room == 0 ? BUFSIZ : 2 * room;
			bytes = realloc(f->bytes, room);
			if (bytes == NULL)
				return false;
			f->bytes = bytes;
		}
		n = fread(f->bytes + f->len, 1, room - f->len, stream);
		f->len += n;
		if (f->len > FILE_BYTES_MAX) {
			errno = EFBIG;
			return false;
		}
	} while (n != 0);
	return !ferror(stream);
}

/* EXIT_SUCCESS, or EXIT_FAILURE after its line.  f->bytes is the caller's to free either way. */
static int read_file(const char *name, struct file *f)
{
	FILE *stream = fopen(name, "rb");
	bool good;
	int why;

	*f = (struct file){ NULL, 0 };
	if (stream == NULL)
		return fail(name, "cannot be read: %m");
	good = read_stream(stream, f);
	why = errno;
	fclose(stream);
	if (good)
		return EXIT_SUCCESS;
	if (why == EFBIG)
		return fail(name, "larger than %lu MiB", FILE_BYTES_MAX / MIB(1));
	errno = why;
	return fail(name, "cannot be read: %m");
}

/* 0x and hexadecimal digits, nothing else. */
static bool parse_address(const char *text, uint64_t *address)
{
	const char *end = str_to_size(text, address);

	/* str_to_size() would take a decimal number or a suffix, too */
	return end != NULL && *end == '\0' && (text[1] == 'x' || text[1] == 'X') &&
	       isxdigit((unsigned char)end[-1]);
}

/* ---- keel regions ---- */

static int print_regions(const char *name, const struct region *map, size_t count)
{
	if (regions_bytes(map, count, REGION_USABLE) == 0)
		return fail(name, "no usable memory");
	print_set_sink(&out_sink);
	for (size_t i = 0; i < count; i++)
		print("%#lx %#lx %s\n", map[i].start, map[i].end, region_type_name(map[i].type));
	return finish();
}

static int build_regions(const char *name, const struct boot_info *bi)
{
	void *memory = malloc(regions_bytes_needed(bi->source_count));
	struct region *map;
	size_t count;
	int status;

	if (memory == NULL)
		return fail(name, "not enough memory for %zu memory map entries", bi->source_count);
	count = regions_build(bi->sources, bi->source_count, memory, &map);
	status = print_regions(name, map, count);
	free(memory);
	return status;
}

static int parse_block(const char *name, const struct file *f, uint64_t address)
{
	struct boot_arena arena;
	struct multiboot2 mb;
	struct boot_info bi;
	const char *why;
	uint8_t *memory;
	size_t room;
	err_t e;
	int status;

	e = multiboot2_init(&mb, f->bytes, f->len, address, IMAGE_OFFSET, &why);
	if (e == ERR_NOT_FOUND)
		return fail(name, "no memory map");
	if (e != OK)
		return fail(name, "not Multiboot2 information: %s", why);
	room = multiboot2_arena_bytes(&mb);
	memory = malloc(room);
	if (memory == NULL)
		return fail(name, "not enough memory for its %zu bytes", mb.len);
	arena = (struct boot_arena){ memory, memory + room };
	e = multiboot2_parse(&mb, &arena, 0, &bi);
	status = e == OK ? build_regions(name, &bi) : fail(name, "%s", err_name(e));
	free(memory);
	return status;
}

static int regions(const char *name, const char *address_text)
{
	uint64_t address;
	struct file f;
	int status;

	if (!parse_address(address_text, &address))
		return fail("--addr", "%s is not 0x and hexadecimal digits of a 64-bit address",
			    address_text);
	status = read_file(name, &f);
	if (status == EXIT_SUCCESS)
		status = parse_block(name, &f, address);
	free(f.bytes);
	return status;
}

/* ---- keel acpi ---- */

static int print_table(const char *name, const struct file *f)
{
	struct acpi_table table;
	const char *why;

	if (acpi_table_check(f->bytes, f->len, &table, &why) != OK)
		return fail(name, "not an ACPI table: %s", why);
	print_set_sink(&out_sink);
	acpi_print(&table);
	return finish();
}

static int acpi(const char *name)
{
	struct file f;
	int status = read_file(name, &f);

	if (status == EXIT_SUCCESS)
		status = print_table(name, &f);
	free(f.bytes);
	return status;
}

/* ---- the command line ---- */

static int help(void)
{
	print_set_sink(&out_sink);
	print("%s\n"
	      "regions  print the memory map that follows from a Multiboot2 information block,\n"
	      "         which the boot loader placed at the address: START END TYPE\n"
	      "acpi     print one ACPI table\n",
	      usage);
	return finish();
}

int main(int argc, char **argv)
{
	print_set_sink(&err_sink);
	if (argc == 5 && strcmp(argv[1], "regions") == 0) {
		if (strcmp(argv[3], "--addr") == 0)
			return regions(argv[2], argv[4]);
		if (strcmp(argv[2], "--addr") == 0)
			return regions(argv[4], argv[3]);
	}
	if (argc == 3 && strcmp(argv[1], "acpi") == 0)
		return acpi(argv[2]);
	if (argc == 2 && (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0))
		return help();
	return fail_usage();
}
