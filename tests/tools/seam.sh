# SPDX-License-Identifier: MIT
# Tests of tools/seam.py; read by run.sh.

good_seam() {
	fresh_tree
	put arch/arch.h <<'END'
/* void arch_in_a_comment(void); */
unsigned arch_cpus(void);
END
	put arch/x86_64/arch_impl.h <<'END'
extern __thread int impl_state;
void impl_helper(void);
END
	echo 'void *memcpy(void *d, const void *s, unsigned long n); void lib_print(void);' |
		put lib/lib.h
	put mm/a.c <<'END'
void *memcpy(void *, const void *, unsigned long);
void lib_print(void), b_function(void);
unsigned arch_cpus(void);
void a_function(char *p) { lib_print(); b_function(); memcpy(p, p + 9, arch_cpus()); }
END
	echo 'extern int own; int own; void b_function(void); void b_function(void) { own = 1; }' |
		put mm/b.c
}

# The objects of every source of the tree are given to the tool.
seam() {
	objects_given=
	for source in "$work"/tree/mm/*.c; do
		gcc -O1 -fno-builtin -c "$source" -o "$source.o" || return 9
		objects_given="$objects_given $source.o"
	done
	# shellcheck disable=SC2086
	"$tools/seam.py" --root "$work/tree" $objects_given
}

good_seam
expect seam_good_objects_pass 0 '' seam
expect seam_no_object_is_a_mistake 1 usage "$tools/seam.py"
expect seam_missing_object_is_an_error 1 'gone.o' "$tools/seam.py" "$work/gone.o"
echo 'void driver(void); void f(void); void f(void) { driver(); }' | put mm/c.c
expect seam_upward_call_is_named 1 'c.c.o: driver is outside the seam' seam
good_seam
echo 'void arch_in_a_comment(void); void f(void) { arch_in_a_comment(); }' | put mm/c.c
expect seam_word_in_a_comment_is_no_declaration 1 'arch_in_a_comment is outside' seam
good_seam
rm "$work/tree/mm/b.c"
expect seam_object_left_out_is_named 1 'b_function is outside the seam' seam
good_seam
echo '__uint128_t f(__uint128_t a, __uint128_t b) { return a / b; }' | put mm/c.c
expect seam_compiler_library_is_outside 1 '__udivti3 is outside the seam' seam
good_seam
echo 'extern __thread int impl_state; int f(void) { return impl_state; }' | put mm/c.c
expect seam_implementation_is_not_named_by_hand 1 'mm/c.c: impl_state belongs' seam
rm "$work/tree/mm/c.c"
echo 'extern __thread int impl_state; int f(void) { return impl_state; }' | put inline.c
gcc -O1 -c "$work/tree/inline.c" -o "$work/tree/inline.o"
expect seam_inline_functions_may_use_their_implementation 0 '' \
	"$tools/seam.py" --root "$work/tree" "$work/tree/inline.o"
