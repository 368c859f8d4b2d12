#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""shows.py - boot one image on many machines and check that every frame is accounted for.

On each machine: boot to the monitor's prompt, send `frames`, find the line
`balance: ... difference 0` in the answer, end the machine.  Prints KTAP 1 and, last,
`N passed, N failed, N skipped`; a machine that is not installed here is a skip.
"""

import argparse
import fnmatch
import functools
import os
import re
import sys

sys.dont_write_bytecode = True  # nothing is written beside the sources

import ktap
import machine

COMMAND = "frames"
BALANCE = re.compile(r"^balance: .*difference 0(?!\w).*$", re.MULTILINE)

QEMU_MEMORY = ("64M", "2G", "6G", "64G")
BOCHS_MODELS = ("corei7_skylake_x", "core2_penryn_t9600")
BOCHS_MEMORY = "512M"


def all_machines(iso, smp):
    """Name -> (class, Config), in the order in which they run."""
    machines = {}
    for firmware in ("bios", "uefi"):
        for mem in QEMU_MEMORY:
            machines[f"{firmware}-{mem}"] = (
                machine.Qemu, machine.Config(iso=iso, firmware=firmware, mem=mem, smp=smp))
    for model in BOCHS_MODELS:
        machines[f"bochs-{model}"] = (
            machine.Bochs, machine.Config(iso=iso, bochs=model, mem=BOCHS_MEMORY, smp=smp))
    return machines


def chosen(names, only):
    """The names that match a pattern of the comma-separated list."""
    for pattern in only.split(","):
        if not fnmatch.filter(names, pattern):
            raise machine.ConfigError(f"no machine is called {pattern}; there are "
                                      + ", ".join(names))
    return [name for name in names if ktap.matches(name, only)]


def show(kind, config, seconds, log):
    """Boot one machine; returns its balance line or raises MachineError."""
    with kind(config) as running:
        try:
            running.wait_prompt(seconds)
            answer = running.command(COMMAND)
        finally:
            if log:
                with open(log, "w", encoding="utf-8") as file:
                    file.write(running.text)
    found = BALANCE.search(answer)
    if not found:
        raise machine.MachineError("no line 'balance: ... difference 0' in\n"
                                   + "\n".join(f"    | {line}" for line in answer.split("\n")))
    return found[0]


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(
        description="Boot an image on many machines and check the frame balance on each.")
    parser.add_argument("--iso", required=True)
    parser.add_argument("--only", default="*", help="machines, by name or glob, with commas")
    parser.add_argument("--smp", type=int, default=1, help="CPUs (default 1)")
    parser.add_argument("--timeout", type=float, default=machine.BOOT_SECONDS,
                        help=f"seconds to the prompt (default {machine.BOOT_SECONDS})")
    parser.add_argument("--logs", default="", help="a folder for each machine's serial output")
    return parser.parse_args()


def main():
    """All machines, one after the other."""
    machine.end_politely()
    options = parse_arguments()
    machines = all_machines(options.iso, options.smp)
    try:
        names = chosen(machines, options.only)
    except machine.ConfigError as error:
        print(f"shows.py: {error}", file=sys.stderr)
        return 2
    if options.logs:
        os.makedirs(options.logs, exist_ok=True)
    tests = {name: functools.partial(
        show, *machines[name], options.timeout,
        options.logs and os.path.join(options.logs, name + ".log")) for name in names}
    return ktap.run_all(tests, (machine.ConfigError, machine.MachineError), machine.Missing)


if __name__ == "__main__":
    sys.exit(main())
