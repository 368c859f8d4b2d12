#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""smp.py KERNEL SMP [--append TEXT] [--cpu MODEL] [--qemu ARGUMENT]... [--type COMMAND]...

Boot a kernel by PVH with so many CPUs, type the commands at its prompt, and print all that it
said.  Status 1: no prompt came, or none after a command.
"""

import argparse
import sys

sys.dont_write_bytecode = True  # nothing is written beside the sources
sys.path.insert(0, sys.path[0] + "/../../tools")

import machine


def main():
    machine.end_politely()
    parser = argparse.ArgumentParser()
    parser.add_argument("kernel")
    parser.add_argument("smp", type=int)
    parser.add_argument("--append", default="")
    parser.add_argument("--cpu", default="max")
    parser.add_argument("--qemu", action="append", default=[])
    parser.add_argument("--type", action="append", default=[])
    options = parser.parse_args()
    config = machine.Config(kernel=options.kernel, append=options.append, smp=options.smp,
                            cpu=options.cpu, mem="256M", extra=tuple(options.qemu))
    try:
        with machine.Qemu(config) as running:
            print(running.wait_prompt())
            running.may_panic = True
            for line in options.type:
                print(f"> {line}\n{running.command(line)}")
    except (machine.MachineError, machine.Missing) as failed:
        print(failed)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
