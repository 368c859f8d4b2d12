/* SPDX-License-Identifier: MIT */
/* trace.c - names of addresses, from the program's own symbols, and traces of events. */
#include "tests/explore/engine.h"

#include <elf.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	NAMES_MAX = 32,
	TEXT_BYTES = 128,
	TEXTS = 8, /* buffers that one line may use */
};

struct name {
	const char *name;
	uintptr_t at;
	size_t bytes, unit;
};

static struct name names[NAMES_MAX];
static unsigned name_count;

static const Elf64_Sym *symbols;
static size_t symbol_count;
static const char *strings;

void trace_init(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	struct stat status;
	const char *file;
	const Elf64_Ehdr *head;
	const Elf64_Shdr *sections;

	if (fd < 0 || fstat(fd, &status) != 0)
		return;
	file = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (file == MAP_FAILED)
		return;
	head = (const Elf64_Ehdr *)(const void *)file;
	sections = (const Elf64_Shdr *)(const void *)(file + head->e_shoff);
	for (unsigned i = 0; i < head->e_shnum; i++) {
		if (sections[i].sh_type != SHT_SYMTAB)
			continue;
		symbols = (const Elf64_Sym *)(const void *)(file + sections[i].sh_offset);
		symbol_count = sections[i].sh_size / sizeof(symbols[0]);
		strings = file + sections[sections[i].sh_link].sh_offset;
	}
}

void explore_name(const char *name, const void *at, size_t bytes, size_t unit)
{
	if (name_count < NAMES_MAX)
		names[name_count++] = (struct name){ name, (uintptr_t)at, bytes, unit };
}

void trace_drop_names(void)
{
	name_count = 0;
}

static const struct name *name_of(uintptr_t at)
{
	for (unsigned i = name_count; i > 0; i--)
		if (at - names[i - 1].at < names[i - 1].bytes)
			return &names[i - 1];
	return NULL;
}

static const Elf64_Sym *symbol_of(uintptr_t at)
{
	for (size_t i = 0; i < symbol_count; i++) {
		unsigned type = ELF64_ST_TYPE(symbols[i].st_info);

		if ((type == STT_OBJECT || type == STT_FUNC) && at >= symbols[i].st_value &&
		    at - symbols[i].st_value < symbols[i].st_size)
			return &symbols[i];
	}
	return NULL;
}

const char *trace_address(uintptr_t at)
{
	static char texts[TEXTS][TEXT_BYTES];
	static unsigned turn;
	char *text = texts[turn++ % TEXTS];
	const struct name *n;
	const Elf64_Sym *s;

	if (!engine.naming)
		return "";
	n = name_of(at);
	s = n == NULL ? symbol_of(at) : NULL;
	if (n != NULL)
		snprintf(text, TEXT_BYTES, "%s[%#lx]+%#lx", n->name, (at - n->at) / n->unit,
			 (at - n->at) % n->unit);
	else if (s != NULL)
		snprintf(text, TEXT_BYTES, "%s+%#lx", strings + s->st_name, at - s->st_value);
	else
		snprintf(text, TEXT_BYTES, "%#lx", at);
	return text;
}

void trace_event(const void *pc, const char *format, ...)
{
	va_list args;

	if (!engine.tracing)
		return;
	if (pc != NULL)
		printf("#| %5u cpu %u %-12s %-32s ", engine.step, task_now()->what.cpu,
		       task_now()->what.name, trace_address((uintptr_t)pc));
	else
		printf("#| %5u ", engine.step);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}
