#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""symbols.py [ELF] - the kernel's symbol table, as NASM source on standard output.
symbols.py --check FIRST FINAL - check that every name and all code is where the table puts it.

The kernel is linked twice: first with an empty table (no ELF given), then with the table made
from that first link.  linker.ld puts the section behind all else, so nothing that is in the
table moves; --check makes sure of it.  The layout is that of struct symbols_head (lib/symbols.h).

The table has symbols with a size, and labels of assembly in .text; of several names for one
address the one with a size, then the first by name.  The runs of code without and with a frame are those of
the call frame information in .debug_frame: code has no frame where the canonical frame address is
a distance from rsp.  Only what nm and readelf print goes in, in the order of addresses: the same
kernel gives the same bytes wherever it is built.
"""

import re
import subprocess
import sys

BASE = 0xFFFFFFFF80000000  # KERNEL_VMA of arch/x86_64/layout.h
LINE = re.compile(r"^(\S+) (\w) ([0-9a-f]+)(?: ([0-9a-f]*))?$")
FUNCTION = re.compile(r"^\S+ \S+ \S+ FDE .*pc=([0-9a-f]+)\.\.([0-9a-f]+)$")
ROW = re.compile(r"^([0-9a-f]{16}) (rsp|rbp)\+\d+ ")
ALIGNMENT = 64  # at most so many bytes between functions are padding
MARKS = {"text_start", "text_end", "trap_text_start", "trap_text_end"}  # they name nothing


def lines_of(elf, *command):
    """What a command prints of an ELF file."""
    run = subprocess.run([*command, elf], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        sys.exit(f"symbols: {elf}: {run.stderr.strip()}")
    return run.stdout.splitlines()


def symbols_of(elf):
    """Sorted (address, name) of one ELF file, one name an address."""
    best = {}
    for line in lines_of(elf, "nm", "-P"):
        match = LINE.match(line)
        if not match:
            continue
        name, kind, address = match[1], match[2], int(match[3], 16)
        size = int(match[4] or "0", 16)
        if address < BASE or kind in "aA" or name in MARKS:
            continue
        if size == 0 and (kind not in "tT" or "." in name):  # with a dot: local to a label
            continue
        rank = (size == 0, name)
        if address not in best or rank < best[address]:
            best[address] = rank
    return [(address, best[address][1]) for address in sorted(best)]


def frames_of(elf):
    """Sorted (address, whether code has a frame from there on) of one ELF file."""
    functions, rows = [], {}
    for line in lines_of(elf, "readelf", "--debug-dump=frames-interp"):
        if match := FUNCTION.match(line):
            functions.append((int(match[1], 16), int(match[2], 16)))
            rows[functions[-1][0]] = False  # it has no line of its own when nothing follows
        elif (match := ROW.match(line)) and int(match[1], 16) >= BASE:
            rows[int(match[1], 16)] = match[2] == "rbp"
    functions.sort()
    # Code without call frame information is assembly, which is assumed to have a frame.
    for (_, end), (start, _) in zip(functions, functions[1:] + [(1 << 64, 0)]):
        if start - end >= ALIGNMENT:
            rows[end] = True
    return sorted(rows.items())


def runs_of(frames):
    """The first address, and the lengths of code without a frame and with one, in turn."""
    if not frames:
        return BASE, []
    at, has_frame, lengths = frames[0][0], False, []
    for address, is_framed in frames:
        if is_framed != has_frame:
            lengths.append(address - at)
            at, has_frame = address, is_framed
    return frames[0][0], lengths


def uleb128(value):
    """Seven bits a byte, the lowest first; all but the last have bit 7."""
    while value >= 0x80:
        yield value & 0x7F | 0x80
        value >>= 7
    yield value


def table(symbols, frames):
    """The lines of NASM source."""
    start, lengths = runs_of(frames)
    yield "; made by tools/symbols.py"
    yield "section .symbols progbits alloc noexec nowrite align=8"
    yield f"        dq {BASE:#x}"
    yield f"        dd {len(symbols)}, names_end - names, runs_end - names_end, {start - BASE:#x}"
    offset = 0
    for address, name in symbols:
        yield f"        dd {address - BASE:#x}, {offset}"
        offset += len(name.encode()) + 1
    yield "names:"
    for _, name in symbols:
        yield f'        db "{name}", 0'
    yield "names_end:"
    for length in lengths:
        yield "        db " + ", ".join(str(byte) for byte in uleb128(length))
    yield "runs_end:"


def main(args):
    if args[:1] == ["--check"] and len(args) == 3:
        first, final = symbols_of(args[1]), symbols_of(args[2])
        moved = sorted(set(first) ^ set(final))
        for address, name in moved[:10]:
            print(f"symbols: {name} at {address:#x} is not in both links")
        if frames_of(args[1]) != frames_of(args[2]):
            print("symbols: code has frames in other places in the second link")
            return 1
        return 1 if moved else 0
    if len(args) > 1 or args[:1] == ["--check"]:
        sys.exit("usage: symbols.py [ELF] | symbols.py --check FIRST FINAL")
    print("\n".join(table(symbols_of(args[0]), frames_of(args[0])) if args else table([], [])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
