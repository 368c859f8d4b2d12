# SPDX-License-Identifier: MIT
# Tests of tools/mutate.py on a project of one number; read by run.sh.

# The project: number.c holds 42; its one test expects that, crashes on 13, hangs on 99.  A number
# above 1000 builds slowly.
mutate_project() {
	fresh_tree
	echo 'int number = 42;' | put number.c
	echo 'int main(void) { extern int number; return number; }' | put main.c
	put test.sh <<'END'
./build/p
n=$?
echo 'KTAP version 1'
echo 1..3
[ $n -ne 13 ] || kill -SEGV $$
[ $n -ne 99 ] || sleep 60
if [ $n -eq 42 ]; then echo 'ok 1 number_is_42'; else
	echo "# number is $n"
	echo 'not ok 1 number_is_42'
fi
echo 'ok 2 other_passes'
echo 'ok 3 data_is_there # SKIP no data'
if [ $n -eq 42 ]; then echo '2 passed, 0 failed, 1 skipped'; else
	echo '1 passed, 1 failed, 1 skipped'
	exit 1
fi
END
	put Makefile <<'END'
test-host test-kernel: build/p
	@echo run >>build/steps
	@echo '$(T)' >>build/globs
	@sh test.sh
build/p: number.o main.o
	@mkdir -p build
	@echo build >>build/steps
	@! grep -q '[0-9]\{4\};' number.c || sleep 60
	@gcc -o $@ $^
build-test-host build-test-kernel: build/p
lint:
	@! grep -Hn '7$$' text
END
	echo 'a text' | put text
	printf 'build/\n*.o\n' | put .gitignore
	git -C "$work/tree" init -q
	git -C "$work/tree" add -A
}

# mutant NAME TEST FROM TO [HEADER-LINES]: the line FROM of number.c becomes TO.
mutant() {
	put "tests/mutants/$1.patch" <<END
Mutant: the number is another one
Audit: -
Test: $2
${5:+$5
}
--- a/number.c
+++ b/number.c
@@ -1 +1 @@
-$3
+$4
END
}
mutate() { (cd "$work/tree" && "$tools/mutate.py" "$@"); }
same_stream() {
	mutate >"$work/.stream"
	printf '%s\n' 'KTAP version 1' 1..1 'ok 1 a_killed # killed by number_is_42: number is 41' \
		'1 passed, 0 failed, 0 skipped' | diff - "$work/.stream"
}
steps() { head -n 4 "$work/tree/build/mutate/1/build/steps" | xargs; }
same_tree() { cmp "$work/tree/number.c" "$work/tree/build/mutate/1/number.c"; }

good='int number = 42;'
mutate_project
mutant a_killed 'number_*' "$good" 'int number = 41;'
expect mutate_failing_test_kills 0 \
	'^ok 1 a_killed # killed by number_is_42: number is 41$' mutate
expect mutate_prints_a_stream 0 '' same_stream
expect mutate_builds_before_it_runs 0 '^build run build run$' steps
expect mutate_reverts_the_patch 0 '' same_tree
expect mutate_hands_the_glob_on 0 '^number_\*$' cat "$work/tree/build/mutate/1/build/globs"
expect mutate_leaves_the_working_tree_alone 0 '' sh -c "[ ! -e '$work/tree/build/p' ]"
expect mutate_second_run_agrees 0 '^1 passed, 0 failed, 0 skipped$' mutate
mutant b_survives 'other_*' "$good" 'int number = 41;'
expect mutate_other_failing_test_does_not_kill 1 '^not ok 2 b_survives ' mutate
mutant b_survives 'number_*' "$good" 'int number = 6 * 7;'
expect mutate_survivor_is_a_failure 1 '^not ok 2 b_survives # survived$' mutate --jobs 1
expect mutate_counts 1 '^1 passed, 1 failed, 0 skipped$' mutate
expect mutate_only_selects 0 '^1 passed, 0 failed, 0 skipped$' mutate --only 'a_*'
expect mutate_only_accepts_a_list 0 '^1 passed, 0 failed, 0 skipped$' mutate --only 'x*,a_*'
expect mutate_part_selects 1 '^0 passed, 1 failed, 0 skipped$' mutate --part 2/2
expect mutate_part_is_checked 2 'K/N' mutate --part 3/2
expect mutate_nothing_selected_is_a_failure 1 '^0 passed, 0 failed, 0 skipped$' mutate --only x
expect mutate_nothing_selected_is_reported 1 '^mutate: no mutant matches x\*$' mutate --only 'x*'
expect mutate_empty_part_is_reported 1 '^mutate: no mutant matches \* in part 3/3$' mutate --part 3/3

mutate_project
mutant crash 'number_*' "$good" 'int number = 13;'
expect mutate_crash_kills 0 '^ok 1 crash # killed by number_is_42: crashed: ' mutate
mutant crash 'number_*' "$good" 'int number = 99;'
expect mutate_timeout_kills 0 '^ok 1 crash # killed by number_is_42: timed out after 2 s$' \
	mutate --run-seconds 2
mutate_project
mutant slow 'number_*' "$good" 'int number = 1041;'
expect mutate_slow_build_does_not_kill 1 '^not ok 1 slow # the build did not end within 2 s$' \
	mutate --build-seconds 2
mutate_project
echo 'int number = ;' | put number.c
mutant red 'number_*' 'int number = ;' "$good"
expect mutate_project_must_build_without_it 1 \
	'^not ok 1 red # without it the build failed: .*error:' mutate

mutate_project
mutant build 'number_*' "$good" 'int number = ;'
expect mutate_build_failure_does_not_kill 1 '^not ok 1 build # the build failed: .*error:' mutate
mutate_project
mutant stale 'number_*' 'int number = 43;' 'int number = 41;'
expect mutate_patch_must_apply 1 '^not ok 1 stale # the patch does not apply' mutate
mutate_project
mutant absent 'absent_*' "$good" 'int number = 41;'
expect mutate_named_test_must_exist 1 '^not ok 1 absent # no test matches absent_' mutate
mutate_project
mutant skip 'data_*' "$good" 'int number = 41;'
expect mutate_skipped_test_skips 0 '^0 passed, 0 failed, 1 skipped$' mutate
mutate_project
echo 'int number = 40;' | put number.c
mutant red 'number_*' 'int number = 40;' 'int number = 41;'
expect mutate_named_test_must_pass_without_it 1 \
	'^not ok 1 red # without it number_is_42 already fails' mutate
mutate_project
mutant headless '' "$good" 'int number = 41;'
expect mutate_header_must_be_whole 1 '^not ok 1 headless # its header lacks Test' mutate
mutate_project
mutant kernel 'number_*' "$good" 'int number = 41;' 'Run: kernel'
expect mutate_kernel_suite_kills 0 '^ok 1 kernel # killed by number_is_42' mutate

# linter COMMAND TEST: a mutant of `text` that ends it in 7.
linter() {
	put tests/mutants/linted.patch <<END
Mutant: the text ends in 7
Audit: CON-03
Test: $2
Run: check
Command: $1

--- a/text
+++ b/text
@@ -1 +1 @@
-a text
+a text 7
END
}
mutate_project
linter 'make lint' 'text:1:'
expect mutate_linter_kills 0 '^ok 1 linted # killed by make lint: text:1:a text 7$' mutate
linter 'make lint' 'another finding'
expect mutate_linter_must_print_the_named_finding 1 'without a finding like another finding' mutate
linter 'make test-host' '*'
expect mutate_linter_that_is_silent_survives 1 '^not ok 1 linted # survived$' mutate
linter 'make no-such-target' '*'
expect mutate_linter_must_pass_without_it 1 'already fails' mutate
