#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""crashes.py - trigger each kind of `crash`, and check its explanation.

For each kind: boot, type `crash KIND` at the prompt, search for every part of the explanation, and
check that the monitor still answers `bt`, `pt` and `regions`.  The kernel's own list of kinds must
equal the list below.  NMI and machine check are injected by QEMU.  Prints KTAP 1 and, last,
`N passed, N failed, N skipped`.
"""

import argparse
import os
import re
import socket
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # nothing is written beside the sources

import ktap
import machine

TOUCH = r"by instruction at ffffffff[0-9a-f]{8} touch\+0x"
WRITE = r"by instruction at ffffffff[0-9a-f]{8} overwrite\+0x"
WALK = r"^keel:   walk: (PML5\[\d+\] -> )?PML4\[\d+\]"
ABSENT = WALK + r".* not present"
BACKTRACE = r"^keel: backtrace:$"
CAUSE = "likely cause: "

# kind -> expected lines, each as a pattern
KINDS = {
    "null": [r"read of 0000000000000018 \(the null page, not mapped\) " + TOUCH,
             r"^keel:   walk: PML.* not present", CAUSE + "a null pointer was used"],
    "null-call": [r"execution of 0000000000000000", CAUSE + "a null function pointer was called"],
    "unmapped": [r"read of ffffd00000001000 \(an unused address, not mapped\) " + TOUCH,
                 ABSENT, CAUSE + "a wild pointer"],
    "wild": ["general protection at", r"rdi = 4b1d4b1d4b1d4b1d is not a canonical address"],
    "stack": [r"write to \S+ \(guard page below (a stack of \d+ pages of \S+|the boot stack, \S+), "
              r"not mapped\) by instruction at \S+ recurse\+0x",
              ABSENT, CAUSE + "stack overflow", "panic: stack overflow: .* guard page below ",
              r"recurse\+\S+ \(\d+ times\)"],
    "guard": [r"write to \S+ \(guard page above a vmalloc area of 3 pages of \S+, not mapped\) " + WRITE,
              ABSENT, CAUSE + "an index or pointer ran past the end of an area"],
    "below": [r"write to \S+ \(guard page below a vmalloc area of 3 pages of \S+, not mapped\) " + WRITE,
              ABSENT, CAUSE + "an index or pointer ran below the start of an area"],
    "freed": [r"read of \S+ \(vmalloc area, not in use, not mapped\) " + TOUCH, ABSENT,
              CAUSE + "use after free"],
    "text": [r"write to \S+ \(kernel text, crash_text\+0x0, read-only and executable\) " + WRITE,
             WALK + r".* PT\[\d+\] present, read, execute$",
             r"^keel:   frame 0x\w+: kernel image; " + CAUSE + "code or constants were written to"],
    "constant": [r"write to \S+ \(kernel read-only data, constants\+0x0, read-only\) " + WRITE,
                 WALK + r".* present, read$", CAUSE + "code or constants were written to"],
    "execute": [r"execution of \S+ \(kernel data, sink\+0x0, writable\)",
                WALK + r".* present, read, write$",
                CAUSE + "a jump into data"],
    "user": [r"write to 0000000010000018 \(space \d+: zeros on demand, pages of 4K, "
             r"no right to write, not mapped\) " + WRITE, WALK + r".* not present, marker 0x",
             CAUSE + r"the kernel used a user address without arch_copy_\*_user\(\)$"],
    "ud2": [r"invalid opcode at \S+ crash_ud2\+",
            CAUSE + "ud2: a compiler's check of undefined behaviour"],
    "div0": [r"divide error at \S+ crash_div0\+", CAUSE + "a division by zero"],
    "double-free": [r"panic: frame 0x\w+: put refused "],
    "assert": [r"panic: assertion failed: zero == 1, monitor/crash.c:\d+"],
}

# kind -> functions that the backtrace must name in sequence, the innermost first.
CALLS = {
    "null": ("touch", "crash_null"),
    "null-call": ("call", "crash_null_call"),
    "unmapped": ("touch", "crash_unmapped"),
    "wild": ("touch", "crash_wild"),
    "stack": ("recurse", "recurse", "crash_stack"),
    "guard": ("overwrite", "crash_guard"),
    "below": ("overwrite", "crash_below"),
    "freed": ("touch", "crash_freed"),
    "text": ("overwrite", "crash_text"),
    "constant": ("overwrite", "crash_constant"),
    "execute": ("call", "crash_execute"),
    "user": ("overwrite", "crash_user"),
    "ud2": ("crash_ud2",),
    "div0": ("crash_div0",),
    "double-free": ("crash_double_free",),
    "assert": ("crash_assert",),
}
CALLER_OF_ALL = "command_crash"

# These end in a halt: one line, and nothing after it.
HALTS = {
    "nested-panic": r"^keel: panic: within a panic; halted$",
    "nested-fault": r"^keel: panic: exception within exception; halted$",
}
HALT_SECONDS = 2
ANSWER_SECONDS = 60  # only a failure takes as long
MONITOR_PROMPT = b"(qemu)"  # of QEMU

# Afterwards, the monitor's answers.
AFTER = {
    "bt": [BACKTRACE, r"^keel:   ffffffff\w+ \S+\+0x"],
    "pt ffffffff80210000": [r"kernel text", r"^  PT\[16\] at 0x\w+ = \w+: 4 KiB page, frame 0x210",
                            "kernel image"],
    "regions": [r"^0x\w+ +0x\w+ +usable", r"^usable: \d+ KiB in all"],
}

# A bank's status: valid, uncorrected, address valid; a data read of the level 1 cache.
MCE_STATUS = 0xA400000000000135
MCE_ADDRESS = 0x123000
MCG_STATUS_MCIP = 5


class Explained(Exception):
    """An expected line that is missing."""


def search_for(patterns, text):
    """Check that each pattern matches some line."""
    for pattern in patterns:
        if not re.search(pattern, text, re.MULTILINE):
            said = "\n".join(f"    | {line}" for line in text.split("\n")[-40:])
            raise Explained(f"nothing matches '{pattern}' in\n{said}")


def calls(kind):
    """Check the lines of the backtrace, which are consecutive."""
    return "^" + "\n".join(rf"keel:   \S+ {name}(\.cold)?\+0x\S+( \(\d+ times\))?"
                           for name in (*CALLS[kind], CALLER_OF_ALL)) + "$"


def check_after(running):
    """The monitor answers as before the crash."""
    for command, patterns in AFTER.items():
        search_for(patterns, running.command(command))


def crash(config, kind, seconds):
    """One kind, on a machine of its own."""
    with machine.Qemu(config) as running:
        running.wait_prompt(seconds)
        running.may_panic = True
        search_for(KINDS[kind] + [r"^keel: panic: ", BACKTRACE, calls(kind)],
                   running.command(f"crash {kind}"))
        check_after(running)


def crash_halts(config, kind, seconds):
    """One line, then silence."""
    with machine.Qemu(config) as running:
        running.wait_prompt(seconds)
        running.type_line(f"crash {kind}")
        wait_for(running, HALTS[kind] + "\n")
        more = running.read(HALT_SECONDS)
        if more != "":
            raise Explained(f"it went on: {more!r}")
        said = re.findall(r"^keel: panic", running.text, re.MULTILINE)
        if len(said) != 1:
            raise Explained(f"{len(said)} lines")


def crash_twice(config, seconds):
    """The monitor after a panic survives a panic, and again."""
    with machine.Qemu(config) as running:
        running.wait_prompt(seconds)
        running.may_panic = True
        for kind in ("stack", "stack", "text", "assert", "stack"):
            search_for(KINDS[kind][:1] + [r"^keel: panic: "], running.command(f"crash {kind}"))
        check_after(running)


def same_list(config, seconds):
    """The kernel's kinds equal those tested here."""
    with machine.Qemu(config) as running:
        running.wait_prompt(seconds)
        kinds = re.findall(r"^  (\S+) ", running.command("crash"), re.MULTILINE)
        if sorted(kinds) != sorted([*KINDS, *HALTS]):
            raise Explained(f"the kernel knows {', '.join(kinds)}")


def say_to_qemu(path, line):
    """One line for QEMU's own monitor on a UNIX socket."""
    with socket.socket(socket.AF_UNIX) as monitor:
        monitor.connect(path)
        monitor.settimeout(ANSWER_SECONDS)
        for command in ("", line + "\n"):
            monitor.sendall(command.encode())
            said = b""
            while not said.rstrip().endswith(MONITOR_PROMPT):
                more = monitor.recv(4096)
                if not more:
                    raise Explained("QEMU's monitor is gone")
                said += more


def wait_for(running, pattern, seconds=ANSWER_SECONDS):
    """Wait for a line after the last command that matches the pattern."""
    end = time.monotonic() + seconds
    while not re.search(pattern, running.text, re.MULTILINE):
        if time.monotonic() > end or running.read(1) is None:
            raise Explained(f"nothing matches '{pattern}'")


def injected(config, line, pattern, seconds, is_fatal):
    """An event is injected while the monitor waits for a key."""
    with tempfile.TemporaryDirectory(prefix="keel-crash.") as folder:
        path = os.path.join(folder, "monitor")
        config.extra = ("-chardev", f"socket,id=mon,path={path},server=on,wait=off",
                        "-mon", "chardev=mon,mode=readline")
        with machine.Qemu(config) as running:
            running.wait_prompt(seconds)
            running.may_panic = is_fatal
            say_to_qemu(path, line)
            wait_for(running, pattern)
            if is_fatal:
                running.wait_prompt(seconds)
            search_for(AFTER["regions"], running.command("regions"))


def all_tests(options):
    """Name -> a function of a Config."""
    seconds = options.timeout
    tests = {"list": lambda c: same_list(c, seconds)}
    for kind in KINDS:
        tests[kind] = lambda c, kind=kind: crash(c, kind, seconds)
    for kind in HALTS:
        tests[kind] = lambda c, kind=kind: crash_halts(c, kind, seconds)
    tests["again"] = lambda c: crash_twice(c, seconds)
    tests["nmi"] = lambda c: injected(c, "nmi", r"warning: NMI at \S+ \S+, no source is reported; going on",
                                      seconds, False)
    mce = f"mce 0 1 {MCE_STATUS:#x} {MCG_STATUS_MCIP} {MCE_ADDRESS:#x} 0"
    words = r"machine check bank 1: uncorrected.*: data cache level 1 data read .* at 0x123000"
    tests["machine-check"] = lambda c: injected(c, mce, words, seconds, True)
    return tests


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description="Check the explanation of each kind of crash.")
    image = parser.add_mutually_exclusive_group(required=True)
    image.add_argument("--iso", default="", help="boot this image by GRUB")
    image.add_argument("--kernel", default="", help="boot this ELF file by PVH")
    parser.add_argument("--only", default="*", help="kinds, by glob")
    parser.add_argument("--timeout", type=float, default=machine.BOOT_SECONDS,
                        help=f"seconds to the prompt (default {machine.BOOT_SECONDS})")
    return parser.parse_args()


def main():
    """All kinds, one after the other."""
    machine.end_politely()
    options = parse_arguments()

    def on_a_machine(test):
        return lambda: test(machine.Config(iso=options.iso, kernel=options.kernel, mem="512M"))

    tests = {f"crash_{name}": on_a_machine(test) for name, test in all_tests(options).items()
             if ktap.matches(name, options.only)}
    return ktap.run_all(tests, (Explained, machine.ConfigError, machine.MachineError, OSError))


if __name__ == "__main__":
    sys.exit(main())
