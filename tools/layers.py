#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""layers.py [ROOT] - every #include points down, and the machine stays below the seam.

LAYERS lists the folders, lowest first; a file includes its own layer or a lower one.  Start-up
(boot/start), tests and tools may include every folder.  arch/x86_64 and arch/host are beside kern/
and private: no other folder includes their files.  In mm/, mm/pt alone knows the bits of an entry, so
that a space does not depend on the format of its tables.  mm/ and iommu/ include nothing of kern/ that
knows threads.  Assembly, port I/O and conditions on the machine are allowed in arch/x86_64 and
boot/*.S only.  Also: an include is a path from the root, a header has #pragma once, the first line
is the licence.  Prints one line for each violation; the exit status is 1 if there is any.
"""

import pathlib
import re
import sys

LAYERS = [["lib"], ["arch"], ["kern", "arch/x86_64", "arch/host"], ["boot"], ["mm/frame"], ["mm/heap"],
          ["mm/pt"], ["mm/kspace"], ["mm/vm"], ["iommu"], ["dma"], ["drivers"], ["monitor"],
          ["boot/start"], ["tests", "tools"]]
# mm/ is linked into kernels with a scheduler of their own: start-up's hooks bring the two together.
THREADS = {"kern/" + name + ".h" for name in ("thread", "thread_impl", "kthread", "wait_queue", "wait_key", "mutex",
                                             "completion", "work", "irq")}
RANK = {folder: rank for rank, folders in enumerate(LAYERS) for folder in folders}
TOP = len(LAYERS) - 2  # start-up and the layers above it may include everything
IMPLEMENTATION = "arch_impl.h"  # found through -Iarch/NAME, included by the seam alone

LICENCE = "SPDX-License-Identifier: MIT"
SOURCES = {".c", ".h", ".S", ".asm", ".inc"}
ASSEMBLY = {".S", ".asm", ".inc"}
SCRIPTS = {".py", ".sh", ".ld", ".mk"}

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]*)"')
MACHINE = [
    (re.compile(r"\b(?:asm|__asm|__asm__)\b"), "an asm statement"),
    (re.compile(r"\b(?:in|out)s?[bwl]\s*\("), "port I/O"),
    (re.compile(r"<sys/io\.h>"), "port I/O"),
    (re.compile(r"\b__(?:x86_64|amd64|i386)(?:__)?\b"), "a test for the machine"),
]
ENTRY_BITS = re.compile(r"\b(?:PTE_[A-Z]\w*|\w+_format)\b")
TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def without_comments(text):
    """The text with comments and the insides of strings blanked; lines keep their numbers.

    The name in an #include is kept: it is read from the raw line.
    """
    return TOKEN.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)


def layer_of(path):
    """The folder of LAYERS that the file is in, or None."""
    parts = pathlib.PurePath(path).parts[:-1]
    for depth in (2, 1):
        folder = "/".join(parts[:depth])
        if len(parts) >= depth and folder in RANK:
            return folder
    return None


def machine_may_show(path):
    return path.startswith(("arch/x86_64/", "tests/kernel/", "tests/bench/")) or (
        path.startswith("boot/") and pathlib.PurePath(path).suffix in ASSEMBLY
    )


def entries_are_opaque(path):
    return path.startswith("mm/") and layer_of(path) != "mm/pt"


def include_fault(root, path, name):
    """The fault of this #include "name" of path, or None."""
    if name == IMPLEMENTATION:
        if pathlib.PurePath(path).parent.as_posix() == "arch":
            return None
        return f"only the seam in arch/ may include {IMPLEMENTATION}"
    folder = layer_of(name)
    if folder is None or {".", ".."} & set(name.split("/")):
        return f'"{name}" is not a path from the root'
    if not (root / name).is_file():
        return f'"{name}" does not exist'
    mine = layer_of(path)
    if RANK[mine] >= TOP:
        return None
    if name == "arch/x86_64/pte.h" and mine == "arch/host":  # pure: the host has the same tables
        return None
    if mine.startswith(("mm/", "iommu")) and name in THREADS:
        return f'mm/ and iommu/ know no threads: "{name}"'
    if folder.startswith("arch/") and mine != folder:
        return f'"{name}" is private to {folder}'
    if RANK[folder] > RANK[mine]:
        return f'{mine}/ may not include {folder}/: "{name}"'
    return None


def check_source(root, path, text):
    lines = text.splitlines()
    if layer_of(path) is None:
        yield 1, "the file lies in no layer"
        return
    if not lines or LICENCE not in lines[0]:
        yield 1, f"the first line is not {LICENCE}"
    code = without_comments(text).splitlines()
    for number, (raw, bare) in enumerate(zip(lines, code), 1):
        match = INCLUDE.match(raw)
        if match and bare.lstrip().startswith("#"):
            fault = include_fault(root, path, match[1])
            if fault:
                yield number, fault
        if entries_are_opaque(path) and ENTRY_BITS.search(bare):
            yield number, f"{ENTRY_BITS.search(bare)[0]}: bits of an entry outside mm/pt"
        if not machine_may_show(path):
            for pattern, what in MACHINE:
                if pattern.search(bare):
                    yield number, f"{what} outside arch/x86_64 and boot/*.S"
    suffix = pathlib.PurePath(path).suffix
    if suffix in ASSEMBLY and not machine_may_show(path):
        yield 1, "an assembly file outside arch/x86_64 and boot/"
    if suffix == ".h" and not any(re.match(r"\s*#\s*pragma\s+once\b", line) for line in code):
        yield 1, "a header without #pragma once"


def check_script(text):
    head = text.splitlines()[:2]
    if head and not head[0].startswith("#!"):
        head = head[:1]
    if not any(LICENCE in line for line in head):
        yield 1, f"no {LICENCE} at the head"


def files_of(root):
    top = [p for p in root.iterdir() if p.is_file()]
    for folder in sorted({layer.split("/")[0] for layer in RANK}):
        top += [p for p in (root / folder).rglob("*") if p.is_file()]
    return sorted(p.relative_to(root).as_posix() for p in top)


def main(args):
    root = pathlib.Path(args[0] if args else ".")
    count = 0
    for path in files_of(root):
        suffix = pathlib.PurePath(path).suffix
        if suffix not in SOURCES | SCRIPTS and path != "Makefile":
            continue
        text = (root / path).read_text(encoding="utf-8", errors="replace")
        source = suffix in SOURCES and "/" in path
        for number, what in check_source(root, path, text) if source else check_script(text):
            print(f"{path}:{number}: {what}")
            count += 1
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
