# SPDX-License-Identifier: MIT
# Tests of README.md: it names functions, so that a reader finds each step; read by run.sh.

expect readme_names_functions_that_exist 0 '' "$tools/refs.py" functions README.md
fresh_tree
echo 'int cursor_open(struct cursor *c);' | put mm/cursor.h
echo 'then `cursor_open()` and `cursor_opens()`' | put README.md
expect readme_with_another_name_is_seen 1 '^README.md:1: no function is cursor_opens\(\)$' \
	"$tools/refs.py" --root "$work/tree" functions README.md
