# SPDX-License-Identifier: MIT
# Tests of tools/lint.py; read by run.sh.

lint() { "$tools/lint.py" --root "$work/tree"; }

# finds RULE NAME FILE: a tree with only FILE, made from standard input, has that finding.
finds() {
	fresh_tree
	put "$3"
	expect "lint_$2" 1 "^$3:[0-9]+: \[$1\]" lint
}

# accepts NAME FILE: no finding at all.
accepts() {
	fresh_tree
	put "$2"
	expect "lint_$1" 0 '' lint
}

accepts good_header_passes lib/a.h <<'END'
/*
 * a.h - prose may end in a semicolon;
 * so may the mention of a call such as frame_put();
 * const after init;
 *
 *   example(with, two, spaces);
 *   if (it) {
 */
#pragma once

/* A group: out-parameters may point to a bool. */
bool group_first(bool *out);
void group_second(int a, void (*fn)(void *arg));

/* ---- heading ---- */

int headed(const bool *all) __printf(1, 2);

static inline bool defined_here(int x)
{
	bool (*cast)(int) = 0;

	return (bool)x && sizeof(bool) && cast(x);
}

/*@ requires x > 0;
  @ assigns \nothing;
  @*/
typedef void (*callback_t)(int how);

struct s {
	void (*write)(struct s *self, const char *bytes);
	int n; /* const after init; */
};
#define CALL(b) f(b, (bool)(b))
END
accepts tests_are_not_read tests/a.h <<'END'
void f(bool x); // TODO
END

finds bool-parameter bool_parameter_of_a_prototype lib/a.h <<'END'
/* Comment. */
void f(int a, bool on);
END
finds bool-parameter bool_parameter_without_a_name lib/a.h <<'END'
/* Comment. */
void f(bool);
END
finds bool-parameter bool_parameter_on_a_second_line lib/a.h <<'END'
/* Comment. */
err_t f(struct a *a,
	const bool on) __must_check;
END
finds bool-parameter bool_parameter_of_an_inline_function lib/a.h <<'END'
static inline int f(bool on)
{
	return on;
}
END
finds bool-parameter bool_parameter_of_a_callback lib/a.h <<'END'
struct s {
	void (*set)(struct s *self, bool on);
};
END
finds dead-code commented_call lib/a.c <<'END'
/* frame_put(f); */
END
finds dead-code commented_assignment lib/a.c <<'END'
	// slot->count = 1;
END
finds dead-code commented_declaration lib/a.c <<'END'
// int unused = 3;
END
finds dead-code commented_block lib/a.c <<'END'
/*
 * if (x) {
 *	return 1;
 */
END
finds dead-code conditional_that_is_never_true lib/a.c <<'END'
#if 0
#endif
END
for word in TODO FIXME XXX HACK; do
	finds todo-comment "word_$word" mm/a.c <<END
/* $word: later */
END
done
finds columns line_of_101_columns lib/a.c <<END
$(printf '\t/* %088d */' 0)
END
accepts line_of_100_columns lib/a.c <<END
$(printf '\t/* %086d */' 0)
END
finds trailing trailing_space lib/a.c <<END
int x; 
END
finds indent indent_of_spaces lib/a.c <<'END'
int f(void)
{
        return 1;
}
END
{
	echo 'int f(int a)' && echo '{' && seq -f '	a += %g;' 78 && echo '}'
} >"$work/long"
finds long-function function_of_81_lines lib/a.c <"$work/long"
sed 3d "$work/long" >"$work/short"
accepts function_of_80_lines lib/a.c <"$work/short"
seq -f 'int a%g;' 701 >"$work/long"
finds long-file file_of_701_lines lib/a.c <"$work/long"
sed 1d "$work/long" >"$work/short"
accepts file_of_700_lines lib/a.c <"$work/short"
finds machine-path path_of_one_machine lib/a.c <<END
/* see /wor${nothing:-}k/shared */
END
finds undocumented function_without_a_comment lib/a.h <<'END'
/* The file. */
#pragma once

void f(void);
END
finds undocumented function_without_a_comment_after_another lib/a.h <<'END'
/* One. */
void f(void);

int g(int a,
      int b);
END
accepts function_of_the_c_library lib/a.h <<'END'
#pragma once

void *memcpy(void *restrict dst, const void *restrict src, size_t n);
END
finds idle-continue continue_at_the_end_of_a_loop lib/a.c <<'END'
void f(int n)
{
	for (int i = 0; i < n; i++) {
		g(i);
		continue;
	}
}
END
accepts continue_that_leaves_a_loop_early lib/a.c <<'END'
void f(int n)
{
	while (n-- > 0) {
		if (g(n)) {
			h(n);
			continue;
		}
		i(n);
	}
}
END
finds slot-cast slot_cast_to_its_payload mm/a.c <<'END'
static void f(struct meta_slot *slot)
{
	((struct payload *)slot)->level = 1;
}
END
finds slot-cast slot_cast_by_way_of_another_type mm/a.c <<'END'
unsigned f(const struct meta_slot *s)
{
	return ((const uint8_t *)(uintptr_t)s)[14];
}
END
finds slot-cast slot_of_a_call_cast_to_its_payload mm/a.c <<'END'
void *f(pfn_t pfn)
{
	return (void *)meta_slot_of(pfn);
}
END
finds slot-cast address_of_a_member_of_a_slot_cast mm/a.c <<'END'
struct payload *f(struct meta_slot *slot)
{
	return (struct payload *)&slot->u;
}
END
finds slot-cast member_that_is_a_slot_cast mm/a.c <<'END'
struct target {
	struct meta_slot *slot;
};
uint8_t *f(struct target *t)
{
	return (uint8_t *)t->slot;
}
END
accepts address_with_the_name_of_a_slot mm/a.c <<'END'
void f(struct meta_slot *slot)
{
	(void)slot;
}
uint32_t *g(uintptr_t slot)
{
	return (uint32_t *)(slot + 4);
}
END
accepts slot_used_by_its_members_and_its_handle mm/a.c <<'END'
struct frame *f(struct meta_slot *slot, struct frame *g)
{
	const struct meta_slot *other = (const struct meta_slot *)(const void *)g;

	h((uintptr_t)slot, (unsigned)slot->u.word, (void *)g, frame_slot(g)->u.node.level);
	(void)slot;
	return (struct frame *)(void *)meta_slot_at(at(other));
}
END
accepts slot_cast_at_home mm/frame/meta.h <<'END'
static inline struct word *f(struct meta_slot *slot)
{
	return (struct word *)slot;
}
END
finds volatile-access volatile_register_of_a_driver drivers/clock/a.c <<'END'
static unsigned f(char *registers)
{
	return *(volatile unsigned *)(registers + 4);
}
END
finds volatile-access volatile_after_the_type iommu/a.c <<'END'
static void f(void *r)
{
	*(unsigned volatile *)r = 1;
}
END
finds volatile-access volatile_pointer_without_a_cast kern/a.c <<'END'
static void f(void *r)
{
	volatile unsigned *at = r;
	*at = 1;
}
END
finds volatile-access volatile_in_a_macro boot/a.h <<'END'
#define READ(r) \
	(*(volatile unsigned *)(r))
END
finds volatile-access volatile_member monitor/a.c <<'END'
struct registers {
	volatile unsigned control;
};
END
finds volatile-access volatile_typedef lib/a.h <<'END'
typedef volatile unsigned reg_t;
END
finds volatile-access volatile_static_pointer mm/a.c <<'END'
static volatile unsigned *registers;
END
accepts volatile_assembly_and_objects drivers/a.c <<'END'
/* volatile unsigned *in_a_comment */
static volatile int drawing;
static volatile unsigned char bytes[4];
static void f(void)
{
	__asm__ volatile("pause");
	asm volatile("hlt" : : "r"(*"volatile char *"));
}
END
accepts volatile_video_memory drivers/tty/video_memory.h <<'END'
#define STORE(at, value) (*(volatile char *)(at) = (value))
END
accepts volatile_crashes monitor/crash.c <<'END'
static volatile int *nowhere;
END
accepts volatile_machine arch/x86_64/a.c <<'END'
static volatile int *anywhere;
END
