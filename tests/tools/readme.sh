# SPDX-License-Identifier: MIT
# Tests of README.md: the functions that it names exist; read by run.sh.

expect readme_names_functions_that_exist 0 '' "$tools/refs.py" functions README.md
fresh_tree
echo 'int cursor_open(struct cursor *c);' | put mm/cursor.h
echo 'then `cursor_open()` and `cursor_opens()`' | put README.md
expect readme_with_another_name_fails 1 '^README.md:1: no function is cursor_opens\(\)$' \
	"$tools/refs.py" --root "$work/tree" functions README.md

# Screens are compared with a recorded one: nothing is booted.
readme_screens() { "$tools/readme_screens.py" --log "$work/screen.log" --readme "$work/tree/README.md"; }
cat >"$work/screen.log" <<'END'
Booting `keel'
keel: clock 2000000 kHz by HPET
keel: 4 CPUs, up to 64 frames cached
keel> cpus
CPU  off for us  at most, in
  0         608  the handler of timer
  1           5  timer_start+0x5e
keel>
END
readme_quotes() {
	printf '# A\n\n<!-- screen: SMP=4 -->\n\n'
	sed 's/^/    /'
	printf '\nMore.\n'
}
readme_quotes <<'END' | put README.md
keel: clock 3 kHz by HPET
keel: 9 CPUs, up to 2 frames cached
keel> cpus
CPU off for us at most, in
  0     1  other_function+0x7
  1 99999  the handler of IPI
END
expect readme_screen_with_other_numbers_passes 0 '^1 passed, 0 failed' readme_screens
readme_quotes <<'END' | put README.md
keel: 4 CPUs, up to 64 frames cached
keel> cpus
CPU  off for us  at most, in
...
END
expect readme_screen_may_be_cut 0 '^1 passed, 0 failed' readme_screens
readme_quotes <<'END' | put README.md
keel: clock 2000000 kHz by the HPET
keel> cpus
CPU  off for us  at most, in
...
END
expect readme_screen_with_another_word_fails 1 '^# .*README.md:5: - keel: clock 2000000 kHz by the HPET$' \
	readme_screens
readme_quotes <<'END' | put README.md
keel> cpus
CPU  off for us  at most, in
  0         608  the handler of timer
END
expect readme_screen_without_a_line_fails 1 '[+]   1           5  timer_start[+]0x5e$' readme_screens
readme_quotes <<'END' | put README.md
keel> locks
keel> cpus
...
END
expect readme_command_without_an_answer_fails 1 ': - keel> locks$' readme_screens
readme_quotes </dev/null | put README.md
expect readme_comment_without_a_screen_fails 1 'no screen follows the comment$' readme_screens
echo 'No screen.' | put README.md
expect readme_without_screens_fails 1 '^0 passed, 0 failed' readme_screens
