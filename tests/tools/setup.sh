# SPDX-License-Identifier: MIT
# Tests of tools/setup.sh with stand-ins for dpkg, apt and the user; read by run.sh.

# stand_in NAME: a program of that name that logs its arguments, then runs standard input.
stand_in() {
	{ printf '#!/bin/sh\necho "%s $*" >>"%s/calls"\n' "$1" "$work/tree" && cat; } | put "bin/$1"
	chmod +x "$work/tree/bin/$1"
}

# A machine of user USER with all packages but those named, and with package lists.
machine() {
	fresh_tree
	user=$1
	shift
	echo "$*" | put absent
	echo list | put lists/archive_Packages
	: | put calls
	stand_in dpkg-query <<END
while [ "\$1" != "\${1#-}" ]; do shift; [ "\$1" != "\${1#*\\\$}" ] && shift; done
for p; do
	case " \$(cat "$work/tree/absent") " in
	*" \$p "*) echo "dpkg-query: no packages found matching \$p" >&2; status=1 ;;
	*) echo "installed \$p" ;;
	esac
done
exit \${status:-0}
END
	echo "echo $user" | stand_in id
	echo 'exit 1' | stand_in sudo
	echo 'exit 0' | stand_in apt-get
}
setup() {
	env PATH="$work/tree/bin:/usr/bin:/bin" APT_LISTS="$work/tree/lists" "$tools/setup.sh" "$@"
}
# called PATTERN: a call was logged; called_not: none was.
called() { grep -E -- "$1" "$work/tree/calls"; }
called_not() { ! called "$1"; }

machine 1000
expect setup_prints_nothing_if_all_is_installed 0 '' setup build run test check prove bochs bench \
	fresh fuzz debug
expect setup_calls_dpkg_once 0 '^1$' sh -c "grep -c dpkg-query '$work/tree/calls'"
expect setup_does_not_call_apt_if_all_is_installed 0 '' called_not apt-get
expect setup_unknown_group_is_an_error 2 "no group 'brew'" setup build brew
expect setup_requires_a_group 2 usage setup

machine 1000 nasm gcc
expect setup_prints_the_line_to_type 1 \
	"^sudo sh -c 'apt-get install -y --no-install-recommends gcc nasm'$" setup build test
lines_of() { "$@" 2>&1 | wc -l; }
expect setup_prints_one_line 0 '^1$' lines_of setup build test
expect setup_installs_nothing_without_root 0 '' called_not apt-get
rm "$work/tree/lists/archive_Packages"
expect setup_line_fetches_lists_when_there_are_none 1 \
	"apt-get update && apt-get install" setup build
expect setup_can_be_switched_off 0 '' env SETUP=no "$tools/setup.sh" build

machine 1000 nasm
echo 'shift; exec "$@"' | stand_in sudo
expect setup_uses_sudo_without_a_password 0 '^setup: installing nasm$' setup build
expect setup_calls_sudo_without_a_password_prompt 0 'sudo -n' called 'sudo'
expect setup_calls_apt_through_sudo 0 'nasm' \
	called 'apt-get .*install --no-install-recommends nasm$'

machine 0 nasm
expect setup_installs_as_root 0 '^setup: installing nasm$' setup build
expect setup_does_not_update_without_need 0 '' called_not 'apt-get.* update'

machine 0 nasm gdb
echo 'sleep 0.3; echo end >>"$0.steps"' | stand_in apt-get
sed -i '2i echo begin >>"$0.steps"' "$work/tree/bin/apt-get"
two_setups() {
	setup build >/dev/null &
	setup debug >/dev/null
	wait
	xargs <"$work/tree/bin/apt-get.steps"
}
expect setup_runs_apt_once_at_a_time 0 '^begin end begin end$' two_setups

machine 0 nasm
rm "$work/tree/lists/archive_Packages"
expect setup_updates_when_there_are_no_lists 0 'installing' setup build
expect setup_did_update 0 'update' called 'apt-get.* update'

machine 0 nasm
stand_in apt-get <<END
case "\$*" in
*update*) : >"$work/tree/updated" ;;
*) [ -f "$work/tree/updated" ] || { echo 'E: 404'; exit 100; } ;;
esac
END
expect setup_updates_when_the_lists_are_old 0 'installing' setup build

machine 0 nasm
echo 'echo E: no network; exit 100' | stand_in apt-get
expect setup_failure_is_printed 1 'E: no network' setup build
expect setup_failure_prints_the_line 1 'by hand: apt-get install .*nasm' setup build
