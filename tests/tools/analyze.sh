# SPDX-License-Identifier: MIT
# Tests of tools/analyze.sh; read by run.sh.

analyze() { "$tools/analyze.sh" --root "$work/tree" "$@"; }

# tree_of FILE: a tree with the attributes, a header of handles, and FILE from standard input.
tree_of() {
	fresh_tree
	mkdir -p "$work/tree/lib"
	cp "$tools/../lib/compiler.h" "$work/tree/lib/"
	put mm/frame.h <<'END'
#pragma once
#include "lib/compiler.h"
struct frame;
__owns struct frame *frame_alloc(void);
__owns struct frame *frame_get(struct frame *f);
void frame_put(struct frame *f) __takes(1);
unsigned long frame_into_raw(struct frame *f) __takes(1);
unsigned long frame_paddr(const struct frame *f);
int map(unsigned long raw);
__owns static inline struct frame *frame_at(unsigned long pa)
{
	return (struct frame *)pa;
}
END
	put "$1"
}

# finds_handle NAME WARNING FILE: the warning is on the line of FILE that contains WRONG.
finds_handle() {
	tree_of "$3"
	expect "analyze_$1" 1 "^$3:$(sed -n /WRONG/= "$work/tree/$3"):[0-9]+: warning: $2" analyze
}

# a machine without clang-14: nothing is analyzed, with a skip line
mkdir -p "$work/bin"
for program in bash dirname; do
	ln -sf "$(command -v "$program")" "$work/bin/"
done
fresh_tree
expect analyze_prints_its_skip 0 'SKIP: clang-14 is not installed' \
	env PATH="$work/bin" "$tools/analyze.sh" --root "$work/tree"
if ! command -v clang-14 >/dev/null; then
	skip analyze 'clang-14 is not installed'
	return 0
fi

tree_of mm/good.c <<'END'
#include "mm/frame.h"
struct list { struct frame *head; };
int on_error(int wrong)
{
	struct frame *f = frame_alloc();
	if (!f)
		return 1;
	if (wrong) {
		frame_put(f);
		return 2;
	}
	return map(frame_into_raw(f));
}
void stored(struct list *l)
{
	l->head = frame_alloc();
}
__owns struct frame *returned(struct frame *f)
{
	return frame_get(f);
}
void borrowed(struct frame *f)
{
	map(frame_paddr(f));
}
END
expect analyze_good_tree_passes 0 '' analyze

finds_handle leak_on_an_error_path 'Potential leak' kern/a.c <<'END'
#include "mm/frame.h"
int f(int wrong)
{
	struct frame *f = frame_alloc();
	if (!f)
		return 1;
	if (wrong)
		return 2; /* WRONG */
	return map(frame_into_raw(f));
}
END
finds_handle leak_after_a_long_loop 'Potential leak' mm/a.c <<'END'
#include "mm/frame.h"
int f(int *all)
{
	struct frame *f;
	for (unsigned i = 0; i < 512; i++)
		all[i] = 0;
	f = frame_alloc();
	if (!f)
		return 1;
	if (map(frame_paddr(f)))
		return 2; /* WRONG */
	frame_put(f);
	return 0;
}
END
finds_handle leak_of_a_second_count 'Potential leak' mm/a.c <<'END'
#include "mm/frame.h"
void f(struct frame *f)
{
	struct frame *own = frame_get(f);
	map(frame_paddr(own)); /* WRONG */
}
END
finds_handle leak_from_an_inline_function 'Potential leak' mm/a.c <<'END'
#include "mm/frame.h"
void f(unsigned long pa)
{
	struct frame *f = frame_at(pa);
	map(frame_paddr(f)); /* WRONG */
}
END
finds_handle second_put 'Attempt to free released memory' mm/a.c <<'END'
#include "mm/frame.h"
void f(struct frame *f, int last)
{
	frame_put(f);
	if (last)
		frame_put(f); /* WRONG */
}
END
finds_handle use_after_the_put 'Use of memory after it is freed' mm/a.c <<'END'
#include "mm/frame.h"
unsigned long f(struct frame *f)
{
	frame_put(f);
	return frame_paddr(f); /* WRONG */
}
END
finds_handle put_after_into_raw 'Attempt to free released memory' mm/a.c <<'END'
#include "mm/frame.h"
void f(struct frame *f)
{
	if (map(frame_into_raw(f)))
		frame_put(f); /* WRONG */
}
END
tree_of mm/a.h <<'END'
#include "mm/frame.h"
static inline void f(void)
{
	struct frame *f = frame_alloc();
	map(frame_paddr(f));
}
END
echo '#include "mm/a.h"' | put mm/a.c
expect analyze_leak_in_a_header 1 '^mm/a.h:5:[0-9]+: warning: Potential leak' analyze
tree_of mm/b.c <<'END'
#include "mm/frame.h"
void f(void)
{
	struct frame *f = frame_alloc();
	map(frame_paddr(f));
}
END
echo 'int one;' | put lib/a.c
expect analyze_reads_the_given_files_only 0 '' analyze lib/a.c
echo 'int one' | put lib/a.c
expect analyze_file_that_does_not_compile 1 '^lib/a.c:1:[0-9]+: error' analyze lib/a.c
