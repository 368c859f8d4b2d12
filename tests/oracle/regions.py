#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""regions.py - test oracle: the memory regions of a Multiboot2 information block.

    regions.py FILE 0xADDR             print `START END TYPE` lines, as `keel regions` must
    regions.py --random COUNT FOLDER   write synthetic blocks: N.bin, N.addr and those lines, N.want
    regions.py --damage COUNT FOLDER   write synthetic blocks with some bytes changed: N.bin

It shares only the specifications with the C code: Multiboot2 2.0, 3.6; UEFI 2.10, 7.2.3; ELF-64.
A block must be well-formed.  Empty memory map entries are dropped; entries that extend to 2^64 are
truncated below it, or dropped if they are usable.
"""

import pathlib
import random
import struct
import sys

ORDER = ["bad", "kernel", "module", "boot-info", "framebuffer", "acpi-nvs", "acpi", "reserved",
         "usable"]
PAGE = 4096
TOP = 2**64 - 1
IMAGE_OFFSET = 0xffffffff80000000
SHF_ALLOC = 2

E820 = {1: "usable", 3: "acpi", 4: "acpi-nvs", 5: "bad"}
EFI = {1: "usable", 2: "usable", 3: "usable", 4: "usable", 7: "usable", 8: "bad", 9: "acpi",
       10: "acpi-nvs"}


def tags(block):
    at = 8
    while True:
        kind, size = struct.unpack_from("<II", block, at)
        if kind == 0:
            return
        yield kind, block[at : at + size]
        at += (size + 7) & ~7


def entries(tag):
    stride = struct.unpack_from("<I", tag, 8)[0]
    return [tag[at : at + stride] for at in range(16, len(tag) - stride + 1, stride)]


def sections(tag):
    count, size = struct.unpack_from("<II", tag, 8)
    low, high = TOP, 0
    for i in range(count):
        header = tag[20 + i * size : 20 + (i + 1) * size]
        layout = "<IIQQQQ" if size >= 64 else "<IIIIII"
        if len(header) < size:
            break
        _, _, flags, address, _, length = struct.unpack_from(layout, header)
        if address >= IMAGE_OFFSET:
            address -= IMAGE_OFFSET
        if length == 0:
            continue
        if flags & SHF_ALLOC:
            if address + length <= TOP:
                low, high = min(low, address), max(high, address + length)
        elif address:
            yield address, address + length, "boot-info"
    if low < high:
        yield low, high, "kernel"


def memory_entries(block, address):
    yield address, address + struct.unpack_from("<I", block)[0], "boot-info"
    for kind, tag in tags(block):
        if kind == 3:
            start, end = struct.unpack_from("<II", tag, 8)
            yield start, end, "module"
        elif kind == 6:
            for e in entries(tag):
                start, length, code = struct.unpack_from("<QQI", e)
                yield start, start + length, E820.get(code, "reserved")
        elif kind == 8:
            start, pitch, _, height = struct.unpack_from("<QIII", tag, 8)
            if start:
                yield start, start + pitch * height, "framebuffer"
        elif kind == 9:
            yield from sections(tag)
        elif kind == 17:
            for e in entries(tag):
                code, _, start, _, pages = struct.unpack_from("<IIQQQ", e)
                yield start, start + pages * PAGE, EFI.get(code, "reserved")


def sane(said):
    for start, end, kind in said:
        if end > TOP and kind == "usable":
            continue
        end = min(end, TOP)
        if start < end:
            yield start, end, kind


def merged(pieces):
    out = []
    for start, end, kind in pieces:
        if start >= end:
            continue
        if out and out[-1][1] == start and out[-1][2] == kind:
            out[-1][1] = end
        else:
            out.append([start, end, kind])
    return out


def regions(said):
    said = list(said)
    edges = sorted({edge for start, end, _ in said for edge in (start, end)})
    pieces = []
    for start, end in zip(edges, edges[1:]):
        kinds = [kind for s, e, kind in said if s <= start and end <= e]
        if kinds:
            pieces.append((start, end, min(kinds, key=ORDER.index)))
    trimmed = []
    for start, end, kind in merged(pieces):
        first, last = -(-start // PAGE) * PAGE, end // PAGE * PAGE
        if kind != "usable":
            trimmed.append((start, end, kind))
        elif first >= last:
            trimmed.append((start, end, "reserved"))
        else:
            trimmed += [(start, first, "reserved"), (first, last, "usable"),
                        (last, end, "reserved")]
    return merged(trimmed)


# ---- synthetic blocks ----


def tag(kind, body):
    body = struct.pack("<II", kind, 8 + len(body)) + body
    return body + b"\xcc" * (-len(body) % 8)


def some_range(rng):
    unit = rng.choice([1, 512, 1000, PAGE, PAGE, 1 << 20])
    start = rng.randrange(0, 300) * unit
    if rng.random() < 0.05:
        start = rng.choice([2**32, 2**40, TOP - 5000]) + rng.randrange(0, 5000)
    return start, rng.randrange(0, 100) * unit


def some_map(rng):
    stride = rng.choice([20, 24, 24, 32, 40])
    body = struct.pack("<II", stride, 0)
    for _ in range(rng.randrange(1, 30)):
        start, length = some_range(rng)
        code = rng.choice([1, 1, 1, 1, 2, 3, 4, 5, 0, 20, 0x101, 2**32 - 1])
        body += struct.pack("<QQI", start, length, code) + b"\xa5" * (stride - 20)
    return tag(6, body)


def some_efi_map(rng):
    stride = rng.choice([40, 48, 48, 56])
    body = struct.pack("<II", stride, 1)
    for _ in range(rng.randrange(0, 30)):
        start, length = some_range(rng)
        body += struct.pack("<IIQQQQ", rng.randrange(0, 17), 0, start // PAGE * PAGE, 0,
                            length // PAGE, 15)
        body += b"\xa5" * (stride - 40)
    return tag(17, body)


def some_sections(rng):
    size = rng.choice([40, 64])
    layout = "<IIQQQQ" if size == 64 else "<IIIIII"
    body = b""
    count = rng.randrange(0, 9)
    for _ in range(count):
        address, length = (v % 2**31 for v in some_range(rng))
        if size == 64 and rng.random() < 0.5:
            address += IMAGE_OFFSET
        header = struct.pack(layout, 0, 1, rng.choice([0, 2, 3, 6]), address, 0, length)
        body += header + bytes(size - len(header))
    return tag(9, struct.pack("<III", count, size, 0) + body)


def some_framebuffer(rng):
    start, _ = some_range(rng)
    return tag(8, struct.pack("<QIIIBBH", start, rng.randrange(0, 5000), 800,
                              rng.randrange(0, 700), 32, rng.randrange(0, 3), 0) + bytes(8))


def some_module(rng):
    start, length = (v % 2**31 for v in some_range(rng))
    return tag(3, struct.pack("<II", start, start + length) + b"module\0")


def random_block(seed):
    rng = random.Random(seed)
    parts = [some_map(rng), tag(1, b"mem=1G\0"), tag(99, rng.randbytes(rng.randrange(0, 40)))]
    parts += [some_module(rng) for _ in range(rng.randrange(0, 5))]
    for make in (some_efi_map, some_sections, some_framebuffer):
        if rng.random() < 0.6:
            parts.append(make(rng))
    rng.shuffle(parts)
    body = b"".join(parts) + tag(0, b"")
    return struct.pack("<II", 8 + len(body), 0) + body


def damaged(block, seed):
    rng = random.Random(seed)
    block = bytearray(block)
    for _ in range(rng.randrange(1, 8)):
        block[rng.randrange(len(block))] = rng.choice([0, 1, 7, 8, 255, rng.randrange(256)])
    return bytes(block[: rng.choice([len(block), len(block), rng.randrange(len(block) + 1)])])


def lines(block, address):
    said = sane(memory_entries(block, address))
    return "".join(f"{start:#x} {end:#x} {kind}\n" for start, end, kind in regions(said))


def main(args):
    if len(args) == 3 and args[0] in ("--random", "--damage"):
        folder = pathlib.Path(args[2])
        folder.mkdir()
        for seed in range(int(args[1])):
            block, address = random_block(seed), 4321 * seed
            if args[0] == "--damage":
                block = damaged(block, seed)
            else:
                (folder / f"{seed}.addr").write_text(f"{address:#x}\n")
                (folder / f"{seed}.want").write_text(lines(block, address))
            (folder / f"{seed}.bin").write_bytes(block)
    elif len(args) == 2:
        print(lines(pathlib.Path(args[0]).read_bytes(), int(args[1], 16)), end="")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
