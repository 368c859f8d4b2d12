# SPDX-License-Identifier: MIT
# Tests of README.md: it names functions, so that a reader finds each step; read by run.sh.

root=$here/../..

# readme_strangers FILE: functions that it names as `name()` and that no C file defines or declares.
readme_strangers() {
	grep -oE '\b[a-z][a-z0-9_]*\(\)' "$1" | sort -u | while read -r name; do
		grep -rqE "^[a-z_].*\b${name%??}\(" --include='*.[ch]' "$root/lib" "$root/arch" "$root/kern" \
			"$root/boot" "$root/mm" "$root/drivers" "$root/monitor" || echo "$name"
	done
}

expect readme_names_functions_that_exist 0 '' readme_strangers "$root/README.md"
echo 'then `cursor_open()` and `cursor_opens()`' >"$work/readme.md"
expect readme_with_another_name_is_seen 0 '^cursor_opens\(\)$' readme_strangers "$work/readme.md"
