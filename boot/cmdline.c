/* SPDX-License-Identifier: MIT */
#include "boot/cmdline.h"

#include "boot/source.h"
#include "lib/bits.h"
#include "lib/log.h"
#include "lib/print.h"
#include "lib/string.h"

struct option {
	const char *key;
	/* NULL: no value is stored.  Returns false if the value is invalid. */
	bool (*set)(struct cmdline *c, const char *value);
};

static bool set_mem(struct cmdline *c, const char *value)
{
	uint64_t v;
	const char *end = str_to_size(value, &v);

	if (end == NULL || *end != '\0' || v == 0)
		return false;
	c->mem_limit = v;
	return true;
}

static bool memmap_type(char c, enum region_type *type)
{
	switch (c) {
	case '@': *type = REGION_USABLE; return true;
	case '#': *type = REGION_ACPI; return true;
	case '$': *type = REGION_RESERVED; return true;
	default: return false;
	}
}

static bool add_memmaps(struct cmdline *c, const char *value)
{
	for (const char *s = value;; s++) {
		struct region *r = &c->memmap[c->memmap_count];
		uint64_t len;

		if (c->memmap_count == CMDLINE_MEMMAP_MAX)
			return false;
		s = str_to_size(s, &len);
		if (s == NULL || !memmap_type(*s, &r->type))
			return false;
		s = str_to_size(s + 1, &r->start);
		if (s == NULL || len == 0 || r->start > UINT64_MAX - len)
			return false;
		r->end = r->start + len;
		c->memmap_count++;
		if (*s == '\0')
			return true;
		if (*s != ',')
			return false;
	}
}

/* Add the whole list, or nothing if an element is invalid. */
static bool set_memmap(struct cmdline *c, const char *value)
{
	unsigned before = c->memmap_count;

	if (add_memmaps(c, value))
		return true;
	c->memmap_count = before;
	return false;
}

static bool set_ktest(struct cmdline *c, const char *value)
{
	c->has_ktest = true;
	return str_copy(c->ktest, value, sizeof(c->ktest));
}

static bool set_monitor(struct cmdline *c, const char *value)
{
	return str_copy(c->monitor, value, sizeof(c->monitor));
}

static bool read_number(const char *value, uint32_t *out)
{
	uint64_t v;
	const char *end = str_to_size(value, &v);

	if (end == NULL || *end != '\0' || v > UINT32_MAX)
		return false;
	*out = (uint32_t)v;
	return true;
}

static bool set_loglevel(struct cmdline *c, const char *value)
{
	uint32_t n;

	if (!read_number(value, &n) || n > LOG_LEVELS)
		return false;
	c->log_level = n;
	return true;
}

static bool set_panic(struct cmdline *c, const char *value)
{
	return read_number(value, &c->panic_seconds);
}

/* As in Linux, 0 means the bootstrap processor alone. */
static bool set_maxcpus(struct cmdline *c, const char *value)
{
	uint32_t n;

	if (!read_number(value, &n))
		return false;
	c->cpus_max = n == 0 ? 1 : n;
	return true;
}

static bool set_nosmp(struct cmdline *c, const char *value)
{
	c->cpus_max = 1;
	return value[0] == '\0';
}

static bool set_cpu_hang(struct cmdline *c, const char *value)
{
	return read_number(value, &c->cpu_hang);
}

static bool set_seed(struct cmdline *c, const char *value)
{
	return read_number(value, &c->seed);
}

static bool set_slub_debug(struct cmdline *c, const char *value)
{
	c->has_slub_debug = true;
	return str_copy(c->slub_debug, value, sizeof(c->slub_debug));
}

static bool set_page_owner(struct cmdline *c, const char *value)
{
	c->page_owner = strcmp(value, "on") == 0;
	return c->page_owner || strcmp(value, "off") == 0;
}

static const struct option options[] = {
	{ "no5lvl", NULL },
	{ "mem", set_mem },
	{ "memmap", set_memmap },
	{ "ktest", set_ktest },
	{ "seed", set_seed },
	{ "panic", set_panic },
	{ "loglevel", set_loglevel },
	{ "maxcpus", set_maxcpus },
	{ "cpu_hang", set_cpu_hang },
	{ "monitor", set_monitor },
	{ "nosmp", set_nosmp },
	{ "slub_debug", set_slub_debug },
	{ "page_owner", set_page_owner },
};

static void set_option(struct cmdline *c, const char *key, const char *value)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if (strcmp(options[i].key, key) != 0)
			continue;
		if (options[i].set != NULL && !options[i].set(c, value))
			warn("command line: %s=%s is invalid, ignored", key, value);
		return;
	}
	warn("command line: unknown option %s", key);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/* Copy the next word of *at to `word`, truncated to its size and without quotes.  *length is the
 * full length.  False: no more words. */
static bool next_word(const char **at, char *word, size_t size, size_t *length)
{
	const char *s = *at;
	bool quoted = false;
	size_t n = 0;

	while (is_blank(*s))
		s++;
	if (*s == '\0')
		return false;
	for (; *s != '\0' && (quoted || !is_blank(*s)); s++) {
		if (*s == '"') {
			quoted = !quoted;
			continue;
		}
		if (n + 1 < size)
			word[n] = *s;
		n++;
	}
	word[min_u64(n, size - 1)] = '\0';
	*length = n;
	*at = s;
	return true;
}

void cmdline_parse(const char *text, struct cmdline *c)
{
	char word[CMDLINE_TEXT_BYTES];
	size_t length;

	*c = (struct cmdline){
		.mem_limit = UINT64_MAX,
		.cpus_max = UINT32_MAX,
		.cpu_hang = UINT32_MAX,
		.seed = 1,
		.log_level = LOG_LEVEL_DEFAULT,
	};
	while (next_word(&text, word, sizeof(word), &length)) {
		char *equals = strchr(word, '=');

		if (length >= sizeof(word)) { /* a truncated number would be a wrong value */
			warn("command line: %.32s... is too long, ignored", word);
			continue;
		}
		if (equals != NULL)
			*equals = '\0';
		set_option(c, word, equals != NULL ? equals + 1 : "");
	}
}

void cmdline_apply_memory(const struct cmdline *c, struct boot_info *bi)
{
	for (size_t i = 0; i < bi->source_count; i++) {
		struct region *r = &bi->sources[i];

		if (r->type == REGION_USABLE)
			r->end = max_u64(r->start, min_u64(r->end, c->mem_limit));
	}
	for (unsigned i = 0; i < c->memmap_count; i++)
		boot_info_add_source(bi, &c->memmap[i]);
}
