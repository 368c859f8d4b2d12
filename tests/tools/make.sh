# SPDX-License-Identifier: MIT
# Tests of the Makefile's jobs and help, and of tools/compile_commands.py; read by run.sh.

keel=$here/../..
fresh_tree
put jobs.mk <<'END'
include Makefile
jobs := $(firstword $(MAKEFILE_LIST))
flags other build/flags: ; @echo "$(MAKELEVEL): $(MAKEFLAGS) <$(CMDLINE)>"
recursion: ; @$(MAKE) -f $(jobs) flags
program: ; @$(unjobbed) sh -c 'exec make -s -f $(jobs) flags'
END
jobs() { make -s -C "$keel" -f "$work/tree/jobs.mk" "$@" 2>&1; }
# jobs_lack PATTERN ARGUMENT...: there is output, and no line matches.
jobs_lack() {
	lacks=$1
	shift
	jobs "$@" >"$work/.jobs" && [ -s "$work/.jobs" ] && ! grep -E -- "$lacks" "$work/.jobs"
}

expect make_uses_all_cpus 0 " -j$(nproc) " jobs flags
expect make_accepts_other_jobs 0 ' -j7 ' jobs -j7 flags
expect make_accepts_one_job 0 '' jobs_lack ' -j([02-9]|1[0-9])' -j1 flags
expect make_runs_several_goals_one_by_one 0 '' jobs_lack ' -j' flags other
expect make_does_not_delay_the_output_of_runs 0 '' jobs_lack ' (-O|--output-sync)' flags
expect make_prints_the_output_of_a_build_in_one_piece 0 ' (-O|--output-sync=)target ' \
	jobs build/flags
expect make_recursion_shares_the_jobs 0 '^1: .*-j.*--jobserver-auth=' jobs recursion
expect make_recursion_is_without_a_warning 0 '' jobs_lack 'warning' recursion
expect make_of_a_program_has_jobs_of_its_own 0 "^0: .* -j$(nproc) " jobs program
expect make_of_a_program_is_without_a_warning 0 '' jobs_lack 'warning' program
expect make_of_a_program_has_the_variables 0 '<a b=c>$' jobs program 'CMDLINE=a b=c'

help() { make -s -C "$keel" help "$@"; }
expect make_help_lists_targets 0 '^  test-kernel +in-kernel tests' help
expect make_help_lists_values_and_defaults 0 '^  FIRMWARE=bios +bios\|uefi: ' help
# Every variable that has a default is in the list.
help_lacks() {
	help >"$work/.help"
	sed -nE 's/^([A-Z_]+) *\?=.*/\1/p' "$keel/Makefile" | while read -r name; do
		grep -q "^  $name=" "$work/.help" || echo "$name"
	done
}
expect make_help_lists_every_variable 0 '' help_lacks
put help.mk <<'END'
## 1|2: which one
ONE ?= 1
TWO ?= 2
## a comment of something else

THREE ?= 3
all: $(ONE) ## the first
other: $(TWO)
END
help_is() {
	awk -f "$tools/help.awk" "$work/tree/help.mk" | grep '^  ' | tr -s ' ' | xargs -d '\n'
}
expect make_help_lists_lines_with_a_comment 0 '^ all the first  ONE=1 1\|2: which one$' help_is

commands() { (cd "$work/tree" && "$tools/compile_commands.py"); }
# One entry per line, its arguments as words.
entries() {
	commands | python3 -c 'import json, sys
for entry in json.load(sys.stdin):
    print(entry["directory"], entry["file"], *entry["arguments"], sep="|")'
}
make_prints() {
	printf '%s\n' "mkdir -p build" "gcc -DA='\"b c\"' -c b.c -o b.o" 'nasm -f elf64 c.S -o c.o' \
		'/usr/bin/clang-14 -w \' '	a.c b.c -o both' 'gcc -pthread a.o b.o -o linked'
}
commands_are() { make_prints | entries; }
expect commands_first_of_a_source_counts 0 "^$work/tree\|b.c\|gcc\|-DA=\"b c\"\|-c\|b.c\|-o\|b.o$" \
	commands_are
expect commands_have_one_source 0 "^$work/tree\|a.c\|/usr/bin/clang-14\|-w\|a.c\|-o\|both$" \
	commands_are
lines_of_commands() { commands_are | wc -l; }
expect commands_are_of_c_sources_only 0 '^2$' lines_of_commands
expect commands_are_wanted 1 'no command compiles' commands
# Sources of the kernel that its commands lack; nothing is built.
commands_lack() {
	make -C "$keel" -nB V=1 kernel | commands >"$work/.json"
	(cd "$keel" && printf '%s\n' lib/*.c kern/*.c mm/*/*.c arch/x86_64/*.c) | while read -r file; do
		grep -q "\"file\": \"$file\"" "$work/.json" || echo "$file"
	done
}
expect commands_name_every_source_of_the_kernel 0 '' commands_lack
