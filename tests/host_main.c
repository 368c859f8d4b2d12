/* SPDX-License-Identifier: MIT */
/* host_main.c - the host's part of the test runner: keel-test [GLOBS], SEED= and SHARED= set. */
#include <dirent.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include "arch/arch.h"
#include "arch/host/host.h"
#include "lib/panic.h"
#include "lib/string.h"
#include "tests/test.h"

enum {
	PATH_BYTES = 512,
};

static void stdout_write(struct print_sink *sink, const char *bytes, size_t n)
{
	(void)sink;
	arch_console_write(bytes, n);
	fflush(stdout);
}

static struct print_sink stdout_sink = { stdout_write };

/* ---- expected panics ---- */

static jmp_buf panic_return;
static const char *panic_text;
static bool panic_matched;

static void catch_panic(const char *message)
{
	const char *m = message;

	panic_matched = false;
	for (; *m != '\0' && !panic_matched; m++)
		panic_matched = strncmp(m, panic_text, strlen(panic_text)) == 0;
	longjmp(panic_return, 1);
}

/* An unexpected panic: the locks that it holds stay locked, so the run ends here. */
static void die(const char *message)
{
	test_diag("no test expected the panic: %s", message);
	exit(1);
}

bool test_panics(void (*fn)(void *arg), void *arg, const char *text)
{
	panic_handler_t old = panic_set_handler(catch_panic);
	volatile uintptr_t irq = arch_irq_save(); /* the panicking code may have interrupts off */

	arch_irq_restore(irq);
	panic_text = text;
	panic_matched = false;
	if (setjmp(panic_return) == 0)
		fn(arg);
	arch_irq_restore(irq);
	panic_set_handler(old);
	return panic_matched;
}

/* ---- shared data ---- */

/* Data is never freed; the list keeps it reachable for the leak check. */
struct kept {
	struct kept *next;
	max_align_t bytes[];
};
static struct kept *kept;

static void *keep(size_t bytes)
{
	struct kept *k = calloc(1, sizeof(*k) + bytes);

	k->next = kept;
	kept = k;
	return k->bytes;
}

static bool data_path(char *path, const char *name)
{
	const char *shared = getenv("SHARED");

	if (shared == NULL || *shared == '\0')
		return false;
	return print_to(path, PATH_BYTES, "%s/data/%s", shared, name) < PATH_BYTES;
}

const uint8_t *test_data(const char *name, size_t *len)
{
	char path[PATH_BYTES];
	uint8_t *bytes = NULL;
	long size;
	FILE *f;

	*len = 0;
	if (!data_path(path, name) || (f = fopen(path, "rb")) == NULL)
		return NULL;
	if (fseek(f, 0, SEEK_END) == 0 && (size = ftell(f)) >= 0 && fseek(f, 0, SEEK_SET) == 0) {
		bytes = keep((size_t)size + 1);
		*len = fread(bytes, 1, (size_t)size, f);
		bytes[*len] = '\0';
	}
	fclose(f);
	return bytes;
}

const char *test_data_list(const char *folder)
{
	char path[PATH_BYTES];
	struct dirent **entries;
	char *list;
	size_t room = 1;
	int n;

	if (!data_path(path, folder) || (n = scandir(path, &entries, NULL, alphasort)) < 0)
		return NULL;
	for (int i = 0; i < n; i++)
		room += strlen(entries[i]->d_name) + 1;
	list = keep(room);
	for (int i = 0; i < n; i++) {
		if (entries[i]->d_name[0] != '.') {
			size_t at = strlen(list);

			print_to(list + at, room - at, "%s\n", entries[i]->d_name);
		}
		free(entries[i]);
	}
	free(entries);
	return list;
}

void test_at_end(void)
{
}

int main(int argc, char **argv)
{
	const char *seed = getenv("SEED");
	struct test_stats stats;
	uint64_t v = 1;

	print_set_sink(&stdout_sink);
	if (seed != NULL && str_to_size(seed, &v) == NULL)
		v = 1;
	test_reseed(v);
	panic_set_handler(die);
	test_diag("SEED=%lu", v);
	host_machine_init();
	stats = test_run_all(argc > 1 ? argv[1] : "*");
	return stats.failed == 0 && stats.passed + stats.skipped > 0 ? 0 : 1;
}
