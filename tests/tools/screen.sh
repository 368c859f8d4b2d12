# SPDX-License-Identifier: MIT
# Tests of tools/font.py and of how tools/screen.py reads pixels; read by run.sh.

grub_font=${GRUB_FONT:-/usr/share/grub/ascii.pf2}

# draw WIDTH HEIGHT TEXT FILE: TEXT as QEMU would dump it, the last character inverse.
draw() {
	python3 -B - "$tools" "$grub_font" "$@" <<'END'
import sys
sys.path.insert(0, sys.argv[1])
import font
glyphs = font.load(sys.argv[2])
width, height = int(sys.argv[3]), int(sys.argv[4])
scale = -(-width // 1920)
pixels = bytearray(3 * width * height)
for row, line in enumerate(sys.argv[5].split("|")):
    for column, character in enumerate(line):
        last = (row, column) == (sys.argv[5].count("|"), len(line) - 1)
        for y in range(16 * scale):
            dots = glyphs[character][y // scale] ^ (0xff if last else 0)
            for x in range(8 * scale):
                at = 3 * ((row * 16 * scale + y) * width + column * 8 * scale + x)
                pixels[at:at + 3] = (b"\xd0" if dots & 0x80 >> x // scale else b"\x00") * 3
with open(sys.argv[6], "wb") as out:
    out.write(f"P6\n{width} {height}\n255\n".encode() + pixels)
END
}
read_back() { "$tools/screen.py" --read "$work/dump.ppm"; }

if [ -f "$grub_font" ]; then
	draw 645 490 'keel> frames|{[~Ag_|x ' "$work/dump.ppm"
	expect screen_is_read_back 0 '^keel> frames$' read_back
	expect screen_second_line_is_read_back 0 '^\{\[~Ag_$' read_back
	draw 2560 64 'keel> wide' "$work/dump.ppm"
	expect screen_with_double_dots_is_read_back 0 '^keel> wide$' read_back
	printf 'P6\n8 16\n255\n' >"$work/dump.ppm"
	head -c 383 /dev/zero >>"$work/dump.ppm"
	expect screen_cut_off_is_refused 1 'cut off' read_back
	printf '\377' >>"$work/dump.ppm"
	expect screen_blank_is_blank 0 '^$' read_back
	echo 'P5 8 16 255' >"$work/dump.ppm"
	expect screen_other_pictures_are_refused 1 'not a binary PPM' read_back

	"$tools/font.py" "$grub_font" "$work/one.c"
	"$tools/font.py" "$grub_font" "$work/two.c"
	expect font_is_the_same_every_time 0 '' cmp "$work/one.c" "$work/two.c"
	expect font_has_95_glyphs 0 '^95$' grep -c '^	{ 0x' "$work/one.c"
	head -c 3000 "$grub_font" >"$work/cut.pf2"
	expect font_cut_off_is_refused 1 'damaged' "$tools/font.py" "$work/cut.pf2" "$work/three.c"
	expect font_of_another_kind_is_refused 1 'not a PFF2 font' \
		"$tools/font.py" "$tools/font.py" "$work/three.c"
else
	skip screen "no font $grub_font"
fi
