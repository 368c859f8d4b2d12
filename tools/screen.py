#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""screen.py - test keel by keyboard and screen.

    tools/screen.py --iso keel.iso --kernel keel.elf    the tests; prints KTAP 1 and the stats
    tools/screen.py --read DUMP.ppm                     the text of a screen dump

Keys are sent to QEMU's keyboard, the screen is dumped as pixels and read back with the font that
the kernel draws with (tools/font.py).  A VGA in text mode has its own font: there the characters
are read from its memory.
"""

import argparse
import functools
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # nothing is written beside the sources

import font
import ktap
import machine

FONT = os.environ.get("GRUB_FONT", "/usr/share/grub/ascii.pf2")
UNREADABLE = "\N{REPLACEMENT CHARACTER}"
SCREEN_COLUMNS_MAX = 240  # drivers/tty/screen.h: a wider screen has larger dots

VGA_ADDRESS, VGA_COLUMNS, VGA_ROWS = 0xb8000, 80, 25

PROMPT = "keel> "
FIRST_LINE = "): a memory subsystem for x86-64"
SUITE_ENTRY = "keel: run the test suite (ktest=*)"
SCREEN_SECONDS = 60  # only a failure takes as long
KEY_MS = 20  # how long a key is held
REPEAT_SECONDS = 0.2  # like a key that is held down
KEYBOARD_STATUS, KEYBOARD_FULL = 0x64, 1  # its status port, and the bit: a byte is ready to be read
KEYS = {" ": "spc", "\n": "ret", "-": "minus", "=": "equal", "/": "slash", ".": "dot",
        ",": "comma", "*": "shift-8", "_": "shift-minus"}


# ---- reading pixels ----

class Picture:
    """A screen dump: binary PPM, as QEMU writes it."""

    HEADER = re.compile(rb"P6\s+(\d+)\s+(\d+)\s+255\s")

    def __init__(self, data):
        header = self.HEADER.match(data)
        if not header:
            raise machine.MachineError("not a binary PPM picture")
        self.width, self.height = int(header[1]), int(header[2])
        self._pixels = data[header.end():]
        if len(self._pixels) < 3 * self.width * self.height:
            raise machine.MachineError("the picture is cut off")

    def lit(self, x, y):
        """Whether the pixel is bright."""
        at = 3 * (y * self.width + x)
        return self._pixels[at + 1] >= 0x60


def read_glyph(picture, left, top, scale):
    """One cell as rows of dots, as in the font."""
    rows = []
    for y in range(top, top + font.HEIGHT * scale, scale):
        dots = 0
        for x in range(left, left + font.WIDTH * scale, scale):
            dots = dots << 1 | picture.lit(x, y)
        rows.append(dots)
    return tuple(rows)


def glyph_table(glyphs):
    """Rows of dots -> character, inverse ones (the cursor) too."""
    table = {}
    for character, rows in glyphs.items():
        table[tuple(rows)] = character
        table[tuple(row ^ 0xff for row in rows)] = character
    return table


def scale_of(picture):
    """The pixels that a dot is wide and high."""
    return -(-picture.width // (SCREEN_COLUMNS_MAX * font.WIDTH))


def read_picture(picture, glyphs):
    """The lines of text in a picture, without blanks at their ends."""
    table = glyph_table(glyphs)
    scale = scale_of(picture)
    width, height = font.WIDTH * scale, font.HEIGHT * scale
    return ["".join(table.get(read_glyph(picture, column * width, row * height, scale), UNREADABLE)
                    for column in range(picture.width // width)).rstrip()
            for row in range(picture.height // height)]


# ---- a machine with a screen and a keyboard ----

class ScreenMachine(machine.Machine):
    """QEMU with a screen, a keyboard, and a serial port that may be missing ("none")."""

    CONNECT_SECONDS = 60

    def __init__(self, config, serial="stdio", video=("-vga", "std")):
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(prefix="keel-screen.")
        self._dump = os.path.join(self._folder.name, "dump.ppm")
        self._triple_fault = machine.TripleFault()
        self._glyphs = font.load(FONT)
        self.columns = VGA_COLUMNS  # of the last screen read
        self._qmp = None
        path = os.path.join(self._folder.name, "qmp")
        command = machine.qemu_command(config, serial, self._triple_fault)
        command += [*video, "-qmp", f"unix:{path},server=on,wait=off"]
        self._start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL, bufsize=0)
        self._serial_in = self._child.stdout.fileno()
        self._serial_out = self._child.stdin.fileno()
        try:
            self._connect(path)
        except BaseException:
            self.close()
            raise

    def _connect(self, path):
        end = time.monotonic() + self.CONNECT_SECONDS
        self._qmp = socket.socket(socket.AF_UNIX)
        while True:
            try:
                self._qmp.connect(path)
                break
            except OSError as refused:
                if time.monotonic() > end or self._child.poll() is not None:
                    raise self.error("QEMU opens no monitor") from refused
                time.sleep(0.05)
        self._qmp.settimeout(self.CONNECT_SECONDS)
        self._answers = self._qmp.makefile("r", encoding="utf-8")
        self._answers.readline()  # the greeting
        self._execute("qmp_capabilities")

    def _execute(self, what, **arguments):
        request = {"execute": what, "arguments": arguments}
        try:
            self._qmp.sendall(json.dumps(request).encode() + b"\n")
            for line in self._answers:
                answer = json.loads(line)
                if "return" in answer:
                    return answer["return"]
                if "error" in answer:
                    raise self.error(f"{what}: {answer['error']['desc']}")
        except OSError as gone:
            raise self.error(f"QEMU's monitor is gone: {gone}") from gone
        raise self.error(f"QEMU's monitor is gone: {self.how_it_ended()}")

    def _monitor(self, line):
        """The answer of QEMU's human monitor."""
        return self._execute("human-monitor-command", **{"command-line": line})

    def press(self, *names):
        """Press keys, by QEMU's names for them.  The keyboard has room for a few, and loses what
        comes when it is full: each is waited for."""
        for name in names:
            self._monitor(f"sendkey {name} {KEY_MS}")
            time.sleep(2 * KEY_MS / 1000)
            end = time.monotonic() + SCREEN_SECONDS
            while int(self._monitor(f"i /b {KEYBOARD_STATUS:#x}").split()[-1], 0) & KEYBOARD_FULL:
                if time.monotonic() > end:
                    raise self.error(f"the kernel does not read the key {name}")
                self.read(KEY_MS / 1000)  # or QEMU would block on its serial port

    def press_until(self, name, pattern):
        """Press a key again and again until the serial line says what matches."""
        end = time.monotonic() + machine.BOOT_SECONDS
        while not re.search(pattern, self.text, re.MULTILINE):
            self._monitor(f"sendkey {name} {KEY_MS}")
            if time.monotonic() > end or self.read(REPEAT_SECONDS) is None:
                raise self.error(f"the key {name} brings nothing like '{pattern}'")

    def wait_text(self, pattern):
        """Wait until the serial line says what matches."""
        end = time.monotonic() + machine.BOOT_SECONDS
        while not re.search(pattern, self.text, re.MULTILINE):
            if time.monotonic() > end or self.read(REPEAT_SECONDS) is None:
                raise self.error(f"nothing matches '{pattern}'")

    def type(self, text):
        """Type text; a newline is the Enter key."""
        self.press(*(KEYS.get(c, f"shift-{c.lower()}" if c.isupper() else c) for c in text))

    def send(self, data):
        """Bytes for the serial port."""
        os.write(self._serial_out, data)

    def screen(self):
        """The lines that the framebuffer shows."""
        self._execute("screendump", filename=self._dump)
        with open(self._dump, "rb") as file:
            picture = Picture(file.read())
        self.columns = picture.width // (font.WIDTH * scale_of(picture))
        return read_picture(picture, self._glyphs)

    def vga_text(self):
        """The lines that a VGA in text mode shows."""
        self.columns = VGA_COLUMNS
        cells = VGA_COLUMNS * VGA_ROWS
        answer = self._monitor(f"xp /{cells}hx {VGA_ADDRESS:#x}")
        values = [int(value, 16) for line in answer.splitlines()
                  for value in line.partition(":")[2].split()]
        text = "".join(chr(value & 0x7f) if value & 0x60 else " " for value in values)
        return [text[at:at + VGA_COLUMNS].rstrip() for at in range(0, cells, VGA_COLUMNS)]

    def wait_screen(self, wanted, read=None, seconds=SCREEN_SECONDS):
        """Wait until wanted(lines) holds; returns the lines."""
        read = read or self.screen
        end = time.monotonic() + seconds
        while True:
            lines = read()
            if wanted(lines):
                return lines
            if time.monotonic() > end:
                shown = "\n".join(f"    > {line}" for line in lines if line)
                raise self.error(f"the screen does not show what it should; it shows\n{shown}")
            self.read(0.2)  # or QEMU would block on its serial port

    def close(self):
        super().close()
        for stream in (self._child.stdin, self._child.stdout):
            stream.close()
        if self._qmp is not None:
            self._qmp.close()
        self._triple_fault.close()
        self._folder.cleanup()


def at_prompt(*before):
    """A condition: the last line is an empty prompt, and each of the lines is there."""

    def holds(lines):
        text = [line for line in lines if line]
        return bool(text) and text[-1] == PROMPT.rstrip() and all(
            any(wanted in line for line in text) for wanted in before)

    return holds


def last_line_is(text):
    """A condition on the line with the cursor."""
    return lambda lines: [line for line in lines if line][-1:] == [text]


# ---- the tests: each takes the images and raises MachineError ----

def same_as_serial(running, read):
    """After scrolling, the screen shows the end of the serial output."""
    for _ in range(3):
        running.command("regions")
        running.command("help")
    lines = running.wait_screen(at_prompt(), read)
    wanted, columns = [], running.columns
    for line in running.text.split("\n"):
        wanted += [line[at:at + columns].rstrip() for at in range(0, max(len(line), 1), columns)]
    wanted = wanted[-len(lines):]
    for shown, said in zip(lines, wanted):
        if shown != said:
            raise running.error(f"the screen shows\n    > {shown}\nwhere the serial line has\n"
                                f"    > {said}")


def bios_screen_shows_what_the_serial_line_says(images):
    """Framebuffer by VBE; scrolling."""
    with ScreenMachine(machine.Config(iso=images.iso)) as running:
        running.wait_prompt()
        running.wait_screen(at_prompt(FIRST_LINE))
        same_as_serial(running, running.screen)


def bios_keyboard_edits_and_recalls(images):
    """Arrows, Home, Delete, history, Shift, Ctrl-C and Ctrl-L at the keyboard."""
    with ScreenMachine(machine.Config(iso=images.iso)) as running:
        running.wait_prompt()
        running.type("xhlp")
        running.press("left", "left", "e", "home", "delete", "end")
        running.wait_screen(last_line_is(PROMPT + "help"))
        running.press("ret")
        running.wait_screen(at_prompt("this list"))
        running.type("Foo")
        running.wait_screen(last_line_is(PROMPT + "Foo"))
        running.press("ctrl-c", "up")
        running.wait_screen(last_line_is(PROMPT + "help"))
        running.press("ctrl-l")
        running.wait_screen(lambda lines: lines[0] == PROMPT + "help" and not any(lines[1:]))


def uefi_without_a_serial_port_is_usable(images):
    """The machine has only a framebuffer and a keyboard."""
    config = machine.Config(iso=images.iso, firmware="uefi")
    with ScreenMachine(config, serial="none") as running:
        running.wait_screen(at_prompt(FIRST_LINE, "UEFI"), seconds=machine.BOOT_SECONDS)
        running.type("frames\n")
        running.wait_screen(at_prompt("difference 0"))


def image_for(images, video, folder):
    """An ISO of the same kernel, for which GRUB sets that video mode."""
    path = os.path.join(folder, f"{video}.iso")
    done = subprocess.run(["tools/iso.sh", images.kernel, path], capture_output=True, text=True,
                          check=False, env={**os.environ, "VIDEO": video})
    if done.returncode != 0:
        raise machine.MachineError(f"iso.sh: {done.stderr.strip()}")
    return path


def bios_screens_of_16_and_24_bits_show_the_same(images):
    """Modes that the header does not request, but a boot loader may choose."""
    for video in ("640x480x16", "800x600x24"):
        with tempfile.TemporaryDirectory(prefix="keel-video.") as folder:
            config = machine.Config(iso=image_for(images, video, folder))
            with ScreenMachine(config) as running:
                running.wait_prompt()
                running.wait_screen(at_prompt())
                same_as_serial(running, running.screen)


def bios_screen_of_15_bits_is_refused_in_words(images):
    """A mode of the VGA BIOS that keel does not support; it runs without a screen."""
    with tempfile.TemporaryDirectory(prefix="keel-video.") as folder:
        config = machine.Config(iso=image_for(images, "640x480x15", folder))
        with ScreenMachine(config) as running:
            running.wait_prompt()
            if "no screen: 640 x 480, 15 bits" not in running.text:
                raise running.error("no line gives the reason why there is no screen")
            running.type("help\n")
            running.wait_prompt(SCREEN_SECONDS)
            if "this list" not in running.text:
                raise running.error("the keyboard does not work without a screen")


def uefi_screen_may_lie_in_memory(images):
    """QEMU's ramfb: firmware reserves frames of ordinary memory, and the device shows them."""
    config = machine.Config(iso=images.iso, firmware="uefi")
    with ScreenMachine(config, video=("-device", "ramfb")) as running:
        running.wait_prompt()
        running.wait_screen(at_prompt(FIRST_LINE, "UEFI"))
        same_as_serial(running, running.screen)


def vga_text_serves_where_there_is_no_framebuffer(images):
    """PVH provides none, but the BIOS left a VGA in text mode."""
    with ScreenMachine(machine.Config(kernel=images.kernel)) as running:
        running.wait_prompt()
        running.wait_screen(at_prompt(FIRST_LINE), running.vga_text)
        running.type("help\n")
        running.wait_prompt(SCREEN_SECONDS)
        same_as_serial(running, running.vga_text)


def no_keyboard_controller_is_survived(images):
    """The FADT reports no controller, and the ports read all ones."""
    config = machine.Config(kernel=images.kernel, extra=("-machine", "i8042=off"))
    with ScreenMachine(config) as running:
        running.wait_prompt()
        if "keyboard" in running.command("log"):
            raise running.error("the kernel probed for a keyboard that the FADT denies")


def serial_line_edits_and_logs(images):
    """The same editing by the escape sequences of a terminal, and `log`."""
    with ScreenMachine(machine.Config(kernel=images.kernel)) as running:
        running.wait_prompt()
        running.send(b"xhlp\x1b[D\x1b[De\x1b[H\x1b[3~\x1b[F")
        if "this list" not in running.command(""):
            raise running.error("the edited line was not 'help'")
        running.send(b"rubbish\x03")
        running.wait_prompt(SCREEN_SECONDS)
        running.send(b"\x1b[A")
        if "this list" not in running.command(""):
            raise running.error("the arrow up did not bring 'help' back")
        if FIRST_LINE not in running.command("log"):
            raise running.error("the log does not hold the first line")
        answer = running.command("log 2")
        if answer.splitlines() != ["| keel> log", "| keel> log 2"]:
            raise running.error("`log 2` does not show the last two lines")


def first_line_names_the_commit(images):
    """The Makefile gives it to the build, and to this."""
    version = f"keel {os.environ['VERSION']} ({os.environ['COMMIT']})"
    with ScreenMachine(machine.Config(kernel=images.kernel)) as running:
        running.wait_prompt()
        first = [line for line in running.text.splitlines() if line.startswith("keel")][0]
        if first != version + FIRST_LINE[1:]:
            raise running.error(f"the first line is '{first}', the version '{version}'")


def kernel_without_tests_says_where_they_are(images):
    """`test` at the prompt, and ktest= on the command line."""
    with ScreenMachine(machine.Config(kernel=images.kernel)) as running:
        running.wait_prompt()
        if "this kernel has no tests, choose the second entry" not in running.command("test"):
            raise running.error("`test` does not say that there are no tests")
    with ScreenMachine(machine.Config(kernel=images.kernel, append="ktest=*")) as running:
        if running.status() != machine.EXIT_FAIL:
            raise running.error(f"ktest= is not refused: {running.how_it_ended()}")


def boot_menu_starts_the_suite(images):
    """F4 brings the menu, T its second entry; without a key there is no menu."""
    with ScreenMachine(machine.Config(iso=images.iso)) as running:
        running.wait_prompt()
        if SUITE_ENTRY in running.text:
            raise running.error("the menu was shown")
    with ScreenMachine(machine.Config(iso=images.iso)) as running:
        running.press_until("f4", re.escape(SUITE_ENTRY))
        running.press("down", "ret")
        running.wait_text(r"^ok 1 ")
    with ScreenMachine(machine.Config(iso=images.iso, firmware="uefi")) as running:
        running.press_until("t", r"^keel: command line: ktest=\*$")
        running.wait_text(r"^ok 1 ")
        if SUITE_ENTRY in running.text:
            raise running.error("the menu was shown")


TESTS = (
    first_line_names_the_commit,
    kernel_without_tests_says_where_they_are,
    boot_menu_starts_the_suite,
    bios_screen_shows_what_the_serial_line_says,
    bios_keyboard_edits_and_recalls,
    bios_screens_of_16_and_24_bits_show_the_same,
    bios_screen_of_15_bits_is_refused_in_words,
    uefi_without_a_serial_port_is_usable,
    uefi_screen_may_lie_in_memory,
    vga_text_serves_where_there_is_no_framebuffer,
    no_keyboard_controller_is_survived,
    serial_line_edits_and_logs,
)


def run_tests(options):
    """Run them one after the other; returns the exit status."""
    tests = {test.__name__: functools.partial(test, options) for test in TESTS
             if ktap.matches(test.__name__, options.only)}
    return ktap.run_all(tests, (machine.ConfigError, machine.MachineError), machine.Missing)


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description="Test screen and keyboard in QEMU.")
    parser.add_argument("--iso", default="build/keel.iso")
    parser.add_argument("--kernel", default="build/keel.elf")
    parser.add_argument("--only", default="*", help="tests, by glob")
    parser.add_argument("--read", metavar="PPM", help="print the text of a screen dump instead")
    return parser.parse_args()


def main():
    """Tests, or the text of one dump."""
    machine.end_politely()
    options = parse_arguments()
    if not options.read:
        return run_tests(options)
    try:
        with open(options.read, "rb") as file:
            lines = read_picture(Picture(file.read()), font.load(FONT))
    except (OSError, font.FontError, machine.MachineError) as error:
        print(f"screen.py: {options.read}: {error}", file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
