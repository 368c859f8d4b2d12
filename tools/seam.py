#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""seam.py [--root ROOT] OBJ... - the portable objects link against the seam and lib/ only.

Each symbol that the given objects leave undefined must be defined by one of them, or be
declared in arch/*.h or in a header of lib/ (the C library's mem and str functions are in
lib/string.h), or be one that a compiler calls on its own for a checker.

The inline functions of arch/NAME/arch_impl.h may need symbols of their implementation.  Those
are allowed in an object, but no portable source may use their names.  One line for each
violation; the exit status is 1 when there is any.
"""

import pathlib
import re
import subprocess
import sys

PORTABLE = ["kern", "boot", "mm", "iommu", "dma", "drivers", "monitor"]
START_UP = "boot/start/"
COMPILER = re.compile(r"^(__(asan|ubsan|tsan|sanitizer|gcov|cyg_profile)_|__stack_chk_)"
                      r"|^_GLOBAL_OFFSET_TABLE_$|^__(start|stop)_(tests|commands|percpu)$")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
FUNCTION = re.compile(r"\b([A-Za-z_]\w*)\s*\(")
VARIABLE = re.compile(r"\bextern\b[^;()]*?\b(\w+)\s*(?:\[[^\]]*\]\s*)*(?:__\w+(?:\([^)]*\))?\s*)*;")


def code_of(path):
    return COMMENT.sub(" ", path.read_text(encoding="utf-8", errors="replace"))


def declared_in(paths):
    names = set()
    for path in paths:
        text = code_of(path)
        names.update(FUNCTION.findall(text), VARIABLE.findall(text))
    return names


def symbols_of(obj):
    """(undefined, defined) names of one object or archive."""
    run = subprocess.run(["nm", "-P", obj], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        sys.exit(f"seam: {obj}: {run.stderr.strip()}")
    undefined, defined = set(), set()
    for line in run.stdout.splitlines():
        fields = line.split()
        if len(fields) >= 2:
            (undefined if fields[1] in "Uvw" else defined).add(fields[0])
    return undefined, defined


def portable_words(root):
    """The first occurrence of each word in the portable sources."""
    words = {}
    for folder in PORTABLE:
        for path in sorted((root / folder).rglob("*.[ch]")):
            if path.relative_to(root).as_posix().startswith(START_UP):
                continue
            for word in re.findall(r"\w+", code_of(path)):
                words.setdefault(word, path.relative_to(root).as_posix())
    return words


def main(args):
    root = pathlib.Path(".")
    if args[:1] == ["--root"]:
        root, args = pathlib.Path(args[1]), args[2:]
    if not args:
        sys.exit("usage: seam.py [--root ROOT] OBJ...")
    wanted, have = {}, set()
    for obj in args:
        undefined, defined = symbols_of(obj)
        have |= defined
        for name in undefined:
            wanted.setdefault(name, obj)
    seam = declared_in([*sorted((root / "arch").glob("*.h")), *sorted((root / "lib").glob("*.h"))])
    inner = declared_in(sorted((root / "arch").glob("*/arch_impl.h"))) - seam
    words = portable_words(root) if inner & wanted.keys() else {}
    count = 0
    for name in sorted(wanted.keys() - have - seam):
        if COMPILER.search(name):
            continue
        if name not in inner:
            print(f"{wanted[name]}: {name} is outside the seam: neither arch/*.h nor lib/ has it")
        elif name in words:
            print(f"{words[name]}: {name} belongs to an implementation of the seam")
        else:
            continue
        count += 1
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
