/* SPDX-License-Identifier: MIT */
/*
 * vm_command.c - the monitor's `vm`: scratch address spaces for experiments.
 *
 * The monitor keeps the spaces that it created and operates on one of them, never on other spaces.
 * Accesses are real: the CPU has the space loaded and takes the page faults.  Only the monitor's
 * thread uses this file, so there is no lock.
 */
#include "lib/bits.h"
#include "lib/print.h"
#include "lib/string.h"
#include "monitor/command.h"
#include "monitor/vm_report.h"

enum {
	KEPT_MAX = 16,
	WORDS_BYTES = 64,
	RANGE_ARGUMENTS = 2, /* VA BYTES */
	TOUCH_TRIES = 3,     /* another CPU may unmap the page after the fault */
};

static struct vm_space *kept[KEPT_MAX];
static struct vm_space *used; /* the one in use, or NULL */

/* ---- arguments ---- */

/* Why an operation failed. */
static const char *reason(err_t err)
{
	static const char *const words[] = {
		[ERR_NO_MEMORY] = "no memory is left",
		[ERR_BAD_RANGE] = "the range cannot be mapped",
		[ERR_IN_USE] = "something is already mapped there",
		[ERR_BUSY] = "it is being changed concurrently",
		[ERR_NOT_FOUND] = "nothing may be accessed there",
		[ERR_DENIED] = "the rights of the page do not allow it",
	};

	return err < ARRAY_SIZE(words) && words[err] != NULL ? words[err] : err_name(err);
}

/* False: the range is invalid; prints why. */
static bool range_ok(const char *verb, struct vrange r)
{
	uint64_t half = pt_half_bytes(used->table.levels);

	if (r.len == 0)
		print("vm: %s: a range has at least one page\n", verb);
	else if ((r.start | r.len) % PAGE_SIZE != 0)
		print("vm: %s: address and size must be multiples of 4K\n", verb);
	else if (r.start < PAGE_SIZE)
		print("vm: %s: the page of address 0 stays empty\n", verb);
	else if (r.start >= half || r.len > half - r.start)
		print("vm: %s: the range must end below %lx\n", verb, half);
	else
		return true;
	return false;
}

static bool read_range(int argc, char **argv, struct vrange *r)
{
	const char *verb = argv[1];

	if (used == NULL)
		print("vm: %s: there is no scratch space; `vm new` makes one\n", verb);
	else if (argc < 2 + RANGE_ARGUMENTS)
		print("vm: %s: address and size are needed, as in `vm %s 10000000 64k`\n", verb,
		      verb);
	else if (!command_address(argv[2], &r->start))
		print("vm: %s: `%s` is no address\n", verb, argv[2]);
	else if (!command_number(argv[3], &r->len))
		print("vm: %s: `%s` is no size; 4096, 64k, 2m, 1g and 1t are\n", verb, argv[3]);
	else
		return range_ok(verb, *r);
	return false;
}

/* Parses "rw", "r-x", ...; read is required.  False: *rights is unchanged. */
static bool read_rights(const char *text, unsigned *rights)
{
	unsigned all = 0;

	for (; *text != '\0'; text++) {
		switch (*text) {
		case 'r': all |= PROP_READ; break;
		case 'w': all |= PROP_WRITE; break;
		case 'x': all |= PROP_EXECUTE; break;
		case '-': break;
		default: return false;
		}
	}
	if ((all & PROP_READ) == 0)
		return false;
	*rights = all;
	return true;
}

/* Parses a page size into its level.  False: *level is unchanged. */
static bool read_level(const char *text, unsigned *level)
{
	uint64_t bytes;

	if (!command_number(text, &bytes))
		return false;
	for (unsigned l = 1; l <= PT_LEAF_LEVEL_MAX; l++) {
		if (pte_span(l) == bytes) {
			*level = l;
			return true;
		}
	}
	return false;
}

static void print_done(const char *verb, struct vrange r)
{
	char bytes[VM_BYTES_TEXT];

	vm_format_bytes(r.len, bytes, sizeof(bytes));
	print("vm: %s: space %u, %014lx-%014lx, %s\n", verb, used->number, r.start, r.start + r.len,
	      bytes);
}

static void print_failed(const char *verb, err_t err)
{
	print("vm: %s: %s; nothing has changed\n", verb, reason(err));
}

/* ---- the spaces ---- */

/* The entry of a space in kept[], for NULL a free entry.  NULL: none. */
static struct vm_space **place_of(const struct vm_space *s)
{
	for (unsigned i = 0; i < KEPT_MAX; i++)
		if (kept[i] == s)
			return &kept[i];
	return NULL;
}

static void vm_new(int argc, char **argv)
{
	struct vm_space **place = place_of(NULL), *s;

	(void)argc;
	(void)argv;
	if (place == NULL) {
		print("vm: new: there are %u scratch spaces; `vm free` ends one\n", KEPT_MAX);
		return;
	}
	if (vm_space_new(&s) != OK) {
		print_failed("new", ERR_NO_MEMORY);
		return;
	}
	*place = used = s;
	print("vm: new: space %u, in use\n", s->number);
}

static void vm_fork(int argc, char **argv)
{
	struct vm_space **place = place_of(NULL), *child;

	(void)argc;
	(void)argv;
	if (used == NULL) {
		print("vm: fork: there is no scratch space; `vm new` makes one\n");
	} else if (place == NULL) {
		print("vm: fork: there are %u scratch spaces; `vm free` ends one\n", KEPT_MAX);
	} else if (vm_space_fork(used, &child) != OK) {
		print_failed("fork", ERR_NO_MEMORY);
	} else {
		*place = child;
		print("vm: fork: space %u is a copy of space %u, which stays in use\n",
		      child->number, used->number);
	}
}

static void vm_use(int argc, char **argv)
{
	struct vm_space *s;

	if (argc < 3) {
		print("vm: use: the number of a space is needed, as in `vm use 2`\n");
		return;
	}
	s = vm_report_find("vm: use", argv[2]);
	if (s == NULL)
		return;
	if (place_of(s) == NULL) {
		print("vm: use: space %u is not a scratch space\n", s->number);
	} else {
		used = s;
		print("vm: use: space %u\n", used->number);
	}
	vm_space_put(s); /* a kept space has another count */
}

static void vm_free(int argc, char **argv)
{
	struct vm_space *s = used;

	(void)argc;
	(void)argv;
	if (s == NULL) {
		print("vm: free: there is no scratch space\n");
		return;
	}
	print("vm: free: space %u ends", s->number);
	*place_of(s) = used = NULL;
	vm_space_put(s);
	for (unsigned i = 0; i < KEPT_MAX && used == NULL; i++)
		used = kept[i];
	if (used == NULL)
		print("\n");
	else
		print("; space %u is in use\n", used->number);
}

/* ---- mappings ---- */

static void vm_map(int argc, char **argv)
{
	unsigned rights = PROP_READ | PROP_WRITE, level = 1;
	struct vrange r;
	err_t err;

	if (!read_range(argc, argv, &r))
		return;
	for (int i = 2 + RANGE_ARGUMENTS; i < argc; i++) {
		if (read_rights(argv[i], &rights) || read_level(argv[i], &level))
			continue;
		print("vm: map: `%s` is neither rights (r, rw, rx, rwx) nor a page size (4k, 2m, "
		      "1g)\n",
		      argv[i]);
		return;
	}
	err = vm_space_map(used, r, rights, level);
	if (err == OK)
		print_done("map", r);
	else
		print_failed("map", err);
}

static void vm_guard(int argc, char **argv)
{
	struct vrange r;
	err_t err;

	if (!read_range(argc, argv, &r))
		return;
	err = vm_space_guard(used, r);
	if (err == OK)
		print_done("guard", r);
	else
		print_failed("guard", err);
}

/* For unmap and protect, which may fail after a part of the range. */
static void print_changed(const char *verb, struct vrange r, err_t err, uint64_t done)
{
	char bytes[VM_BYTES_TEXT];

	if (err == OK) {
		print_done(verb, r);
		return;
	}
	vm_format_bytes(done, bytes, sizeof(bytes));
	print("vm: %s: %s; %s of the range are done\n", verb, reason(err), bytes);
}

static void vm_unmap(int argc, char **argv)
{
	struct vrange r;
	uint64_t done;
	err_t err;

	if (!read_range(argc, argv, &r))
		return;
	err = vm_space_unmap(used, r, &done);
	print_changed("unmap", r, err, done);
}

static void vm_protect(int argc, char **argv)
{
	unsigned rights;
	struct vrange r;
	uint64_t done;
	err_t err;

	if (!read_range(argc, argv, &r))
		return;
	if (argc < 5 || !read_rights(argv[4], &rights)) {
		print("vm: protect: rights are needed: r, rw, rx or rwx\n");
		return;
	}
	err = vm_space_protect(used, r, rights, &done);
	print_changed("protect", r, err, done);
}

/* ---- touch ---- */

/* Effect of an access on a page. */
enum outcome {
	TOUCH_SAME,
	TOUCH_ZERO_PAGE,
	TOUCH_ZEROED,
	TOUCH_OBJECT,
	TOUCH_COPIED,
	TOUCH_REUSED,
	TOUCH_OUTCOMES,
};
static const char *const outcome_words[TOUCH_OUTCOMES] = {
	[TOUCH_SAME] = "unchanged",         [TOUCH_ZERO_PAGE] = "the zero page",
	[TOUCH_ZEROED] = "zeroed, private", [TOUCH_OBJECT] = "of an object",
	[TOUCH_COPIED] = "copied",          [TOUCH_REUSED] = "reused",
};

struct touch {
	enum fault_access access;
	uint64_t pages[TOUCH_OUTCOMES][PT_LEAF_LEVEL_MAX + 1];
	uint64_t around; /* of the zeroed ones: mapped by the fault on an earlier page */

	/* Entries as they were before the touch, of a window of pages; read_to is its end. */
	struct pt_item before[VM_FAULT_AROUND_MAX + 1];
	uint64_t read_to;

	struct pt_item last;  /* the entry at the last address */
	enum outcome outcome; /* there */
	uint64_t value;       /* read or written there */
};

static enum outcome outcome_of(const struct pt_item *before, const struct pt_item *after)
{
	enum vm_what was = vm_meaning_of(before).what, is = vm_meaning_of(after).what;
	bool could_write = (before->prop.flags & PROP_WRITE) != 0;

	if (before->kind == PT_ITEM_LEAF && before->pa.raw == after->pa.raw)
		return could_write == ((after->prop.flags & PROP_WRITE) != 0) ? TOUCH_SAME
									      : TOUCH_REUSED;
	if (is == VM_WHAT_ZERO_PAGE)
		return TOUCH_ZERO_PAGE;
	if (is == VM_WHAT_SHARED)
		return TOUCH_OBJECT;
	return was == VM_WHAT_COPY ? TOUCH_COPIED : TOUCH_ZEROED;
}

/* The entry of va as it was before the touch.  Reads ahead: the fault on va may map as many pages
 * after it as the window has. */
static const struct pt_item *entry_before(struct touch *t, vaddr_t va)
{
	uint64_t page = va / PAGE_SIZE, next = max_u64(page, t->read_to);

	for (; next <= page + VM_FAULT_AROUND_MAX; next++)
		t->before[next % ARRAY_SIZE(t->before)] = vm_space_query(used, next * PAGE_SIZE);
	t->read_to = next;
	return &t->before[page % ARRAY_SIZE(t->before)];
}

/* Accesses a word of the loaded space; false: the fault was not resolved. */
static bool access_word(struct touch *t, vaddr_t va)
{
	if (t->access == FAULT_READ)
		return arch_copy_from_user(&t->value, va, sizeof(t->value)).done ==
		       sizeof(t->value);
	t->value = used->number;
	return arch_copy_to_user(va, &t->value, sizeof(t->value)).done == sizeof(t->value);
}

/* Performs one access.  The copy functions do not report why a fault failed, so
 * vm_space_handle_fault() is called again for its error. */
static err_t touch_word(struct touch *t, vaddr_t va)
{
	const struct pt_item *before = entry_before(t, va);
	bool around = before->kind != PT_ITEM_LEAF && vm_space_query(used, va).kind == PT_ITEM_LEAF;
	err_t err = OK;

	for (unsigned tries = 0; err == OK && !access_word(t, va); tries++)
		err = tries == TOUCH_TRIES ? ERR_BUSY : vm_space_handle_fault(used, va, t->access);
	if (err != OK)
		return err;
	t->last = vm_space_query(used, va);
	if (t->last.kind != PT_ITEM_LEAF)
		return ERR_BUSY; /* unmapped again meanwhile */
	t->outcome = outcome_of(before, &t->last);
	t->pages[t->outcome][t->last.level]++;
	t->around += around;
	return OK;
}

/* Accesses a word of each page of [*va, end); *va is set to the first address not accessed. */
static err_t touch_range(struct touch *t, vaddr_t *va, vaddr_t end)
{
	err_t err = OK;

	vm_space_activate(used);
	while (*va < end) {
		err = touch_word(t, *va);
		if (err != OK)
			break;
		*va = t->last.start + t->last.len;
	}
	vm_space_activate(NULL);
	return err;
}

static void print_outcomes(const struct touch *t)
{
	static const char *const sizes[] = { "", "4K", "2M", "1G" };

	for (unsigned o = 0; o < TOUCH_OUTCOMES; o++) {
		for (unsigned level = 1; level <= PT_LEAF_LEVEL_MAX; level++) {
			if (t->pages[o][level] == 0)
				continue;
			print("vm: touch: %lu x %s %s", t->pages[o][level], sizes[level],
			      outcome_words[o]);
			if (o == TOUCH_ZEROED && level == 1 && t->around != 0)
				print(", %lu of them by fault-around", t->around);
			print("\n");
		}
	}
}

static void print_refused(const struct touch *t, vaddr_t va, err_t err)
{
	struct pt_item item = vm_space_query(used, va);
	char words[WORDS_BYTES];

	vm_describe(vm_meaning_in(used, &item), words, sizeof(words));
	print("vm: touch: %s of %lx: %s (%s)\n", t->access == FAULT_READ ? "read" : "write", va,
	      reason(err), words);
}

static void print_one(const struct touch *t, vaddr_t va)
{
	paddr_t pa = paddr(t->last.pa.raw + (va - t->last.start));
	char bytes[VM_BYTES_TEXT];

	vm_format_bytes(t->last.len, bytes, sizeof(bytes));
	print("vm: touch: %lx: a page of %s, %s, frame %#lx; %s %lu\n", va, bytes,
	      outcome_words[t->outcome], pa.raw / PAGE_SIZE,
	      t->access == FAULT_READ ? "reads" : "writes", t->value);
}

static void vm_touch(int argc, char **argv)
{
	static struct touch t; /* too large for a stack */
	struct vrange r = { 0, sizeof(t.value) };
	uint64_t half;
	vaddr_t va;
	err_t err;

	memset(&t, 0, sizeof(t));
	if (used == NULL) {
		print("vm: touch: there is no scratch space; `vm new` makes one\n");
		return;
	}
	half = pt_half_bytes(used->table.levels);
	if (argc < 3 || !command_address(argv[2], &r.start) ||
	    (argc > 3 && strcmp(argv[3], "r") != 0 && strcmp(argv[3], "w") != 0) ||
	    (argc > 4 && !command_number(argv[4], &r.len)) || r.len == 0) {
		print("vm: touch: as in `vm touch 10000000`, `vm touch 10000000 w` or `vm touch "
		      "10000000 w 64k`\n");
		return;
	}
	if (r.start % sizeof(t.value) != 0 || r.start >= half || r.len > half - r.start) {
		print("vm: touch: the address must be a multiple of 8, and all of it below %lx\n",
		      half);
		return;
	}
	t.access = argc > 3 && argv[3][0] == 'w' ? FAULT_WRITE : FAULT_READ;
	va = r.start;
	err = touch_range(&t, &va, r.start + r.len);
	if (err == OK && argc <= 4)
		print_one(&t, r.start);
	else
		print_outcomes(&t);
	if (err != OK)
		print_refused(&t, va, err);
}

/* ---- the command ---- */

static const struct verb {
	const char *name, *arguments, *help;
	void (*run)(int argc, char **argv);
	int max; /* words after the verb */
} verbs[] = {
	{ "new", "", "make an empty space and use it", vm_new, 0 },
	{ "map", "VA BYTES [rwx] [4k|2m|1g]", "map zeros on demand, in pages up to that size",
	  vm_map, 4 },
	{ "guard", "VA BYTES", "reserve the range; every access faults", vm_guard, 2 },
	{ "unmap", "VA BYTES", "unmap the range", vm_unmap, 2 },
	{ "protect", "VA BYTES rwx", "change the rights of the range", vm_protect, 3 },
	{ "touch", "VA [r|w] [BYTES]", "access a word of each page", vm_touch, 3 },
	{ "fork", "", "make a copy-on-write copy of the space in use", vm_fork, 0 },
	{ "use", "N", "use scratch space N", vm_use, 1 },
	{ "free", "", "free the space in use", vm_free, 0 },
};

COMMAND(vm, "VERB ...", "scratch address spaces; without a verb: list the verbs")
{
	for (unsigned i = 0; i < ARRAY_SIZE(verbs); i++) {
		const struct verb *v = &verbs[i];

		if (argc == 1)
			print("  vm %-7s %-26s %s\n", v->name, v->arguments, v->help);
		else if (strcmp(argv[1], v->name) == 0) {
			if (argc - 2 > v->max)
				print("vm: %s: unexpected argument `%s`\n", v->name,
				      argv[2 + v->max]);
			else
				v->run(argc, argv);
			return;
		}
	}
	if (argc > 1)
		print("vm: there is no `%s`; `vm` lists what there is\n", argv[1]);
}
