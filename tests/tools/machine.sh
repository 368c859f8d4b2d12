# SPDX-License-Identifier: MIT
# Tests of tools/machine.py with a stand-in for Bochs; read by run.sh.

# machine_boots BODY: the shell program BODY in place of Bochs, with its rc file in its folder;
# prints the serial output, or the error.
machine_boots() {
	fresh_tree
	{ echo '#!/bin/sh' && echo "$1"; } | put bin/bochs
	chmod +x "$work/tree/bin/bochs"
	echo image | put keel.iso
	(cd "$work/tree" && PATH="$work/tree/bin:$PATH" LC_ALL=C.UTF-8 PYTHONPATH=$tools python3 -B -c '
import machine, sys
machine.BOCHS_ROMS = ("keel.iso", "keel.iso")
try:
    with machine.Bochs(machine.Config(iso="keel.iso")) as running:
        while (text := running.read(10)):
            print(text, end="")
except machine.MachineError as error:
    print(error)
    sys.exit(1)')
}
# The shell program COMMAND, whose output is the serial line.
machine_says() {
	machine_boots "exec python3 -c '
import re, socket, subprocess
port = re.search(\"127.0.0.1:([0-9]+)\", open(\"rc\").read())[1]
serial = socket.create_connection((\"127.0.0.1\", int(port)))
serial.sendall(subprocess.run([\"sh\", \"-c\", \"$1\"], capture_output=True).stdout)'"
}

expect machine_bochs_that_aborts_shows_its_terminal 1 '^    \| buffer overflow detected$' \
	machine_boots 'echo "buffer overflow detected"; kill -ABRT $$'
expect machine_bochs_that_aborts_shows_its_errors 1 '^    \| terminated by the library$' \
	machine_boots 'echo "terminated by the library" >&2; kill -ABRT $$'
expect machine_bochs_that_aborts_is_reported 1 'opened no serial port: killed by signal 6; gone$' \
	machine_boots 'echo gone >&2; kill -ABRT $$'
expect machine_bochs_that_panics_is_reported 1 'exit status 1 .*>>PANIC<< no ROM$' \
	machine_boots 'echo "00000000000p[MEM0  ] >>PANIC<< no ROM" >bochs.log; exit 1'
expect machine_bochs_has_the_c_locale 0 '^C$' machine_says 'echo $LC_ALL'
expect machine_bochs_makes_no_sound 0 \
	'^sound: driver=dummy, waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy$' \
	machine_says 'cat rc'
