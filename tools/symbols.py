#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""symbols.py [ELF] - the kernel's table of names, as NASM source on standard output.
symbols.py --check FIRST FINAL - whether every name stands where the table says.

The kernel is linked twice: first with an empty table (no ELF given), then with the table made
from that first link.  linker.ld puts the section behind all else, so nothing that is in the
table moves; --check makes sure of it.  The layout is that of struct symbols_head (lib/symbols.h).

In the table: what has a size, and labels of assembly in .text; of several names for one address
the one with a size, then the first by name.  Only what nm says goes in, in the order of
addresses: the same kernel gives the same bytes wherever it is built.
"""

import re
import subprocess
import sys

BASE = 0xFFFFFFFF80000000  # KERNEL_VMA of arch/x86_64/layout.h
LINE = re.compile(r"^(\S+) (\w) ([0-9a-f]+)(?: ([0-9a-f]+))?$")
MARKS = {"text_start", "text_end", "trap_text_start", "trap_text_end"}  # they name nothing


def symbols_of(elf):
    """Sorted (address, name) of one ELF file, one name an address."""
    run = subprocess.run(["nm", "-P", elf], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        sys.exit(f"symbols: {elf}: {run.stderr.strip()}")
    best = {}
    for line in run.stdout.splitlines():
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


def table(symbols):
    """The lines of NASM source."""
    yield "; made by tools/symbols.py"
    yield "section .symbols progbits alloc noexec nowrite align=8"
    yield f"        dq {BASE:#x}"
    yield f"        dd {len(symbols)}, names_end - names"
    offset = 0
    for address, name in symbols:
        yield f"        dd {address - BASE:#x}, {offset}"
        offset += len(name.encode()) + 1
    yield "names:"
    for _, name in symbols:
        yield f'        db "{name}", 0'
    yield "names_end:"


def main(args):
    if args[:1] == ["--check"] and len(args) == 3:
        first, final = symbols_of(args[1]), symbols_of(args[2])
        moved = sorted(set(first) ^ set(final))
        for address, name in moved[:10]:
            print(f"symbols: {name} at {address:#x} is not in both links")
        return 1 if moved else 0
    if len(args) > 1 or args[:1] == ["--check"]:
        sys.exit("usage: symbols.py [ELF] | symbols.py --check FIRST FINAL")
    print("\n".join(table(symbols_of(args[0]) if args else [])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
