#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""qemu.py - run keel in QEMU, on this terminal.

The serial line is this terminal; Ctrl-A X ends QEMU, Ctrl-A C is its monitor, Ctrl-C goes to
the guest.  The exit status is 0 when the guest passed or powered off, 1 on anything else; the
last line tells which.  Arguments after -- are QEMU's.
"""

import argparse
import contextlib
import signal
import subprocess
import sys

sys.dont_write_bytecode = True  # nothing is written beside the sources

import machine


def parse_arguments():
    """The options, and QEMU's own after the first --."""
    own, extra = sys.argv[1:], []
    if "--" in own:
        cut = own.index("--")
        own, extra = own[:cut], own[cut + 1:]
    parser = argparse.ArgumentParser(
        description="Run keel in QEMU, on this terminal (Ctrl-A X ends it).",
        epilog="Arguments after -- are given to QEMU as they are.")
    image = parser.add_mutually_exclusive_group(required=True)
    image.add_argument("--iso", default="", help="boot this image by GRUB")
    image.add_argument("--kernel", default="", help="boot this ELF file by PVH")
    parser.add_argument("--append", default="", help="command line for --kernel")
    parser.add_argument("--firmware", choices=("bios", "uefi"), default="bios")
    parser.add_argument("--media", choices=("cd", "usb"), default="cd",
                        help="what the ISO is written on")
    parser.add_argument("--mem", default="2G", help="memory (64M, 2G; default 2G)")
    parser.add_argument("--smp", type=int, default=1, help="CPUs (default 1)")
    parser.add_argument("--ui", choices=("none", "gtk"), default="none",
                        help="gtk: a window with a VGA screen")
    parser.add_argument("--cpu", default="max", help="QEMU CPU model (default max)")
    parser.add_argument("--machine", choices=("q35", "pc", "microvm"), default="q35")
    parser.add_argument("--no-iommu", dest="iommu", action="store_false",
                        help="q35 without its IOMMU")
    parser.add_argument("--gdb", action="store_true", help="wait for gdb on port 1234")
    parser.add_argument("--icount", action="store_true",
                        help="time follows the instruction count (one CPU)")
    parser.add_argument("--big", action="store_true",
                        help="do not reserve host memory (implied by more than the host has)")
    options = parser.parse_args(own)
    return machine.Config(**vars(options), extra=tuple(extra))


def run(command):
    """QEMU's exit status.  It owns the terminal while it runs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    child = subprocess.Popen(command, preexec_fn=machine.die_with_parent)
    try:
        return child.wait()
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()


def main():
    """Run, and print how it ended."""
    machine.end_politely()
    config = parse_arguments()
    with contextlib.closing(machine.TripleFault()) as triple_fault:
        try:
            command = machine.qemu_command(config, "mon:stdio", triple_fault)
        except (machine.ConfigError, machine.Missing) as error:
            print(f"qemu.py: {error}", file=sys.stderr)
            return 1
        status = run(command)
        if triple_fault.seen():
            print("\nqemu.py: the guest ended in a triple fault")
            return 1
    print(f"\nqemu.py: {machine.describe_status(status)}")
    return 0 if status in (machine.EXIT_OFF, machine.EXIT_PASS) else 1


if __name__ == "__main__":
    sys.exit(main())
