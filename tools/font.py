#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""font.py FONT.pf2 OUT.c - make the array of drivers/tty/font.h from a font of GRUB's package.

PFF2 is a sequence of sections: four letters, a big-endian length, bytes.  CHIX is the index, 9
bytes a character: code point, flags, offset in the file.  At that offset are width, height, x and
y offset and device width of the glyph, 16 bits each, then its dots without padding between the
lines.  The offsets are from the baseline, which is ASCE dots below the top.
Source: the GRUB manual, "Theme file format", and the GRUB font format description.
"""

import struct
import sys

WIDTH, HEIGHT = 8, 16
FIRST, LAST = " ", "~"
INDEX_ENTRY = struct.Struct(">IBI")
GLYPH = struct.Struct(">HHhhh")
UNTIL_THE_END = b"DATA"  # its length field is not valid


class FontError(Exception):
    """Not a font that can be used."""


def sections(data):
    """Name -> bytes of each section but the last, which the index points into."""
    found, at = {}, 0
    while at + 8 <= len(data):
        name, length = struct.unpack_from(">4sI", data, at)
        if name == UNTIL_THE_END:
            return found
        found[name] = data[at + 8:at + 8 + length]
        at += 8 + length
    raise FontError("no glyphs: not a PFF2 font")


def glyph_rows(data, offset, ascent):
    """One glyph as HEIGHT bytes, the leftmost dot in the highest bit."""
    width, height, x, y, advance = GLYPH.unpack_from(data, offset)
    top = ascent - (y + height)
    if advance != WIDTH or x < 0 or x + width > WIDTH or top < 0 or top + height > HEIGHT:
        raise FontError(f"a glyph does not fit into {WIDTH} x {HEIGHT} dots")
    bits = data[offset + GLYPH.size:offset + GLYPH.size + (width * height + 7) // 8]
    rows = [0] * HEIGHT
    for dot in range(width * height):
        if bits[dot // 8] & 0x80 >> dot % 8:
            rows[top + dot // width] |= 0x80 >> x + dot % width
    return rows


def load(path):
    """Character -> rows, for the printable ASCII characters."""
    with open(path, "rb") as file:
        data = file.read()
    found = sections(data)
    try:
        ascent = struct.unpack(">H", found[b"ASCE"])[0]
        index = {code: offset for code, _, offset in INDEX_ENTRY.iter_unpack(found[b"CHIX"])}
        return {chr(code): glyph_rows(data, index[code], ascent)
                for code in range(ord(FIRST), ord(LAST) + 1)}
    except (KeyError, IndexError, struct.error) as error:
        raise FontError(f"it is damaged or lacks a character: {error}") from error


def c_source(font):
    """The text of the C file."""
    lines = ["/* Made by tools/font.py. */", '#include "drivers/tty/font.h"', "",
             "const uint8_t font_glyphs[FONT_GLYPHS][FONT_HEIGHT] = {"]
    for rows in font.values():
        lines.append("\t{ " + ", ".join(f"0x{row:02x}" for row in rows) + " },")
    return "\n".join(lines + ["};", ""])


def main(arguments):
    """Write the C file."""
    if len(arguments) != 2:
        print("usage: font.py FONT.pf2 OUT.c", file=sys.stderr)
        return 2
    try:
        text = c_source(load(arguments[0]))
    except (OSError, FontError) as error:
        print(f"font.py: {arguments[0]}: {error}", file=sys.stderr)
        return 1
    with open(arguments[1], "w", encoding="ascii") as out:
        out.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
