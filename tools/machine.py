# SPDX-License-Identifier: MIT
"""machine.py - run a virtual machine: it boots, has one serial line, and ends.

    with Qemu(Config(iso="keel.iso", firmware="uefi")) as machine:
        machine.wait_prompt()
        print(machine.command("frames"))

Config describes the machine; qemu_command() turns it into QEMU's arguments, for this library and
for the interactive tools/qemu.py.  Qemu and Bochs are the two machines; both are context managers
that end their emulator on every exit path, and the emulator dies with this process.

The output of the serial line is text: escape sequences (GRUB and UEFI draw with them), carriage
returns and zero bytes are removed.  Every wait has a time limit; an error is a MachineError that
carries the last lines.  Missing means that optional firmware or an optional emulator is not
installed: callers skip, visibly.  QEMU itself is not optional.

A program that uses this module calls end_politely() first, so that a signal ends its machines too.
"""

import codecs
import contextlib
import ctypes
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tty
from dataclasses import dataclass

PROMPT = re.compile(r"^keel> ", re.MULTILINE)
PANIC = re.compile(r"keel: panic\b.*")

BOOT_SECONDS = 120
COMMAND_SECONDS = 60
PANIC_SECONDS = 10  # for the lines of a panic after its first
LAST_LINES = 15
LINE_CHARS = 160  # of each of them

# isa-debug-exit turns the two values that the kernel writes into the status 2 * value + 1.
EXIT_OFF = 0
EXIT_PASS = 2 * 0x10 + 1
EXIT_FAIL = 2 * 0x20 + 1

OVMF_CODE = os.environ.get("OVMF_CODE", "/usr/share/OVMF/OVMF_CODE_4M.fd")
OVMF_VARS = os.environ.get("OVMF_VARS", "/usr/share/OVMF/OVMF_VARS_4M.fd")
QEMU = os.environ.get("QEMU", "qemu-system-x86_64")

BOCHS = "bochs"
BOCHS_ROMS = ("/usr/share/bochs/BIOS-bochs-latest", "/usr/share/bochs/VGABIOS-lgpl-latest")

UNITS = {"": 1 << 20, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class ConfigError(Exception):
    """An impossible machine: options that contradict each other, a file that does not exist."""


class Missing(Exception):
    """Something that this machine needs is not installed."""


class MachineError(Exception):
    """The machine did not do what the caller requested."""


def parse_mem(text):
    """Bytes of "64M", "2G"; a bare number is in MiB, as in QEMU."""
    match = re.fullmatch(r"(\d+)([MGT]?)", text)
    if not match or int(match[1]) == 0:
        raise ConfigError(f"'{text}' is no size: write 64M or 2G")
    return int(match[1]) * UNITS[match[2]]


def host_mem():
    """Bytes of memory in this host."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@dataclass
class Config:
    """Options of a machine.  `bochs` names a Bochs CPU model; the other CPU options are QEMU's."""

    iso: str = ""
    kernel: str = ""  # by QEMU itself through PVH, instead of an ISO
    append: str = ""
    firmware: str = "bios"  # bios, uefi
    media: str = "cd"  # cd, usb
    mem: str = "2G"
    smp: int = 1
    ui: str = "none"  # none, gtk
    cpu: str = "max"
    machine: str = "q35"  # q35, pc, microvm
    iommu: bool = True  # where the machine can have one
    gdb: bool = False  # wait for a debugger on port 1234
    icount: bool = False
    big: bool = False  # do not reserve the memory; implied by more than the host has
    extra: tuple = ()
    bochs: str = "corei7_skylake_x"


def check_config(config):
    """Refuse options that QEMU would refuse late or misinterpret."""
    if bool(config.iso) == bool(config.kernel):
        raise ConfigError("give either an ISO or a kernel")
    image = config.iso or config.kernel
    if not os.path.isfile(image):
        raise ConfigError(f"no file {image}")
    if config.append and config.iso:
        raise ConfigError("the command line of an ISO is inside it: --append is for --kernel")
    if config.kernel and config.firmware == "uefi":
        raise ConfigError("UEFI starts no PVH kernel: use an ISO")
    if config.machine == "microvm" and config.iso:
        raise ConfigError("microvm has nothing to boot an ISO from: use --kernel")
    if config.ui == "gtk" and config.machine == "microvm":
        raise ConfigError("microvm has no screen")
    if config.icount and config.smp > 1:
        raise ConfigError("--icount counts one CPU only")


def phys_bits(mem):
    """Address bits for so much memory, PCI windows and the hole below 1 TiB.

    No more than that: UEFI maps the whole address space before it starts, and 48 bits cost it a
    minute and a half.
    """
    tcg_bits = 40  # of -cpu max
    return max(tcg_bits, mem.bit_length() + 2)


def memory_arguments(config, machine):
    """The machine, CPU and memory arguments; machine is QEMU's machine string so far."""
    cpu = config.cpu
    backend = []
    if config.big or parse_mem(config.mem) > host_mem():
        machine += ",memory-backend=ram"
        cpu += f",phys-bits={phys_bits(parse_mem(config.mem))}"
        backend = ["-object", f"memory-backend-ram,id=ram,size={parse_mem(config.mem)},reserve=off"]
    size = parse_mem(config.mem) // UNITS["M"]
    return backend + ["-machine", machine, "-accel", "tcg", "-cpu", cpu, "-m", f"{size}M",
                      "-smp", str(config.smp)]


def boot_arguments(config):
    """Firmware and medium."""
    arguments = []
    if config.firmware == "uefi":
        for path in (OVMF_CODE, OVMF_VARS):
            if not os.path.isfile(path):
                raise Missing(f"OVMF: no {path}")
        arguments += ["-drive", f"if=pflash,format=raw,readonly=on,file={OVMF_CODE}",
                      "-drive", f"if=pflash,format=raw,snapshot=on,file={OVMF_VARS}"]
    if config.kernel:
        arguments += ["-kernel", config.kernel, "-append", config.append]
    elif config.media == "usb":
        arguments += ["-drive", f"if=none,id=stick,format=raw,readonly=on,file={config.iso}",
                      "-device", "qemu-xhci", "-device", "usb-storage,drive=stick"]
    else:
        arguments += ["-cdrom", config.iso]
    return arguments


def run_output(command):
    """What a short command prints."""
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          check=False).stdout


class TripleFault:
    """Distinguishes a triple fault from a power-off, which QEMU ends with the same status."""

    def __init__(self):
        self._log = tempfile.NamedTemporaryFile(prefix="keel-qemu.", mode="r", errors="replace")

    def arguments(self):
        """QEMU's arguments for it."""
        return ["-d", "cpu_reset", "-D", self._log.name]

    def seen(self):
        """Whether there was one."""
        self._log.seek(0)
        return any(line.startswith("Triple fault") for line in self._log)

    def close(self):
        """Remove the log."""
        self._log.close()


def qemu_command(config, serial, triple_fault):
    """The whole command; `serial` is QEMU's character device for COM1."""
    check_config(config)
    if shutil.which(QEMU) is None:
        raise ConfigError(f"{QEMU} is not installed")
    machine = config.machine
    if machine != "microvm":
        machine += ",kernel-irqchip=split"
    command = [QEMU] + memory_arguments(config, machine)
    command += ["-nodefaults", "-no-reboot", "-serial", serial,
                "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
    command += triple_fault.arguments()
    if not serial.startswith("mon:"):
        command += ["-monitor", "none"]
    if config.iommu and config.machine == "q35":
        command += ["-device", "intel-iommu,intremap=on"]
    if config.ui == "gtk":
        if "gtk" not in run_output([QEMU, "-display", "help"]).split():
            raise Missing(f"{QEMU} has no gtk display (package qemu-system-gui)")
        command += ["-vga", "std", "-display", "gtk"]
    else:
        command += ["-vga", "none", "-display", "none"]
    if config.icount:
        command += ["-icount", "shift=3,sleep=off"]  # 8 ns each, repeatable
    if config.gdb:
        command += ["-s", "-S"]
    return command + boot_arguments(config) + list(config.extra)


def die_with_parent():
    """In a child, before exec: be killed when the parent ends, for whatever reason."""
    pr_set_pdeathsig = 1  # linux/prctl.h
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def end_politely():
    """Turn the signals that end a program into an exit that runs every `finally`."""

    def leave(number, _frame):
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, leave)


class Cleaner:
    """Converts bytes of a serial line to text; a read may end inside a sequence."""

    ESCAPE = re.compile(r"\x1b(?:\[[0-9;=?]*[@-~]|[()][0-9A-Za-z]|[=>78cDEHM])")
    UNFINISHED = re.compile(r"\x1b(?:\[[0-9;=?]*|[()])?\Z")
    NOISE = str.maketrans("", "", "\r\0\x1b")

    def __init__(self):
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""

    def feed(self, data):
        """The text that no later byte can change."""
        text = self.ESCAPE.sub("", self._held + self._decoder.decode(data))
        cut = self.UNFINISHED.search(text)
        self._held = text[cut.start():] if cut else ""
        return (text[:cut.start()] if cut else text).translate(self.NOISE)


class Machine:
    """A running emulator.  Subclasses start it: they set _child, _serial_in and _serial_out."""

    CHUNK = 65536
    END_SECONDS = 5

    def __init__(self):
        self.text = ""  # all output so far
        self.may_panic = False  # a prompt comes after a panic too; else that is an error
        self._asked = 0  # where in it the answer to the last command begins
        self._child = None
        self._serial_in = -1  # file descriptors: output and input of the machine
        self._serial_out = -1
        self._discarded = []  # to be read and thrown away, or the emulator would block
        self._open = True
        self._cleaner = Cleaner()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- what callers use ----

    def read(self, seconds):
        """The next text, "" when nothing came in time, None when the machine has ended."""
        end = time.monotonic() + seconds
        while self._open:
            left = end - time.monotonic()
            if left <= 0:
                return ""
            ready, _, _ = select.select([self._serial_in, *self._discarded], [], [], left)
            for fd_read in [fd for fd in ready if fd in self._discarded]:
                if not self._read_fd(fd_read):
                    self._discarded.remove(fd_read)
            if self._serial_in not in ready:
                continue
            data = self._read_fd(self._serial_in)
            self._open = bool(data)
            text = self._cleaner.feed(data)
            if text:
                self.text += text
                return text
        return None

    def wait_prompt(self, seconds=BOOT_SECONDS):
        """Wait for the next prompt; returns the text before it."""
        end = time.monotonic() + seconds
        panicked = False
        while True:
            found = PROMPT.search(self.text, self._asked)
            if found:
                answer = self.text[self._asked:found.start()]
                self._asked = found.end()
                panic = PANIC.search(answer)
                if panic and not self.may_panic:
                    raise self.error(panic[0])
                return answer
            if not panicked and PANIC.search(self.text, self._asked):
                panicked = True
                end = min(end, time.monotonic() + PANIC_SECONDS)
            left = end - time.monotonic()
            if left <= 0:
                panic = PANIC.search(self.text, self._asked)  # its line is whole by now
                raise self.error(panic[0] if panic else f"no prompt within {seconds:g} s")
            if self.read(left) is None:
                raise self.error(f"ended before a prompt: {self.how_it_ended()}")

    def command(self, line, seconds=COMMAND_SECONDS):
        """Type a line at the prompt; returns the output up to the next prompt."""
        self.type_line(line)
        answer = self.wait_prompt(seconds)
        return answer.removeprefix(line).removeprefix("\n")

    def type_line(self, line):
        """Type a line at the prompt and do not wait."""
        self._asked = len(self.text)
        # A terminal's Enter is a carriage return.
        data = (line + "\r").encode()
        while data:
            try:
                data = data[os.write(self._serial_out, data):]
            except OSError as gone:
                raise self.error(f"ended before '{line}': {self.how_it_ended()}") from gone

    def pid(self):
        """The emulator's process."""
        return self._child.pid

    def status(self):
        """The emulator's exit status once the serial line has closed; None while it runs."""
        try:
            return self._child.wait(self.END_SECONDS)
        except subprocess.TimeoutExpired:
            return None

    def how_it_ended(self):
        """A text about how the emulator ended."""
        status = self.status()
        words = describe_status(status)
        complaint = self.complaint()
        return f"{words}; {complaint}" if complaint else words

    def complaint(self):
        """The emulator's own messages, or ""."""
        return ""

    def last_lines(self):
        """The end of the serial output, for an explanation."""
        lines = [line for line in self.text.split("\n") if line.strip()]
        return [line[:LINE_CHARS] for line in lines[-LAST_LINES:]]

    def error(self, reason):
        """A MachineError with the end of the output."""
        return MachineError("\n".join([reason] + [f"    | {line}" for line in self.last_lines()]))

    def close(self):
        """End the emulator, if it still runs.  May be called twice."""
        if self._child is not None and self._child.poll() is None:
            # Its group is its own: nothing else is in it.
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()

    # ---- for subclasses ----

    def _read_fd(self, fd):
        """Bytes, none at the end of the file.  A pty and a broken socket end with an error."""
        try:
            return os.read(fd, self.CHUNK)
        except OSError:
            return b""

    def _start(self, command, **streams):
        """Start the emulator as the leader of a session and group of its own."""
        self._child = subprocess.Popen(command, start_new_session=True,
                                       preexec_fn=die_with_parent, **streams)


def describe_status(status):
    """A text about an emulator's exit status."""
    if status is None:
        return "still running"
    if status < 0:
        return f"killed by signal {-status}"
    meaning = {EXIT_OFF: "powered off or reset", EXIT_PASS: "pass", EXIT_FAIL: "fail",
               1: "the emulator failed"}.get(status, "unknown")
    return f"exit status {status} ({meaning})"


class Qemu(Machine):
    """QEMU with COM1 on two pipes."""

    def __init__(self, config):
        super().__init__()
        self._triple_fault = TripleFault()
        command = qemu_command(config, "stdio", self._triple_fault)
        self._errors = tempfile.TemporaryFile()
        self._start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
                    bufsize=0)
        self._serial_in = self._child.stdout.fileno()
        self._serial_out = self._child.stdin.fileno()

    def complaint(self):
        self._errors.seek(0)
        errors = self._errors.read().decode(errors="replace").strip()
        return f"triple fault {errors}".rstrip() if self._triple_fault.seen() else errors

    def close(self):
        super().close()
        self._child.stdin.close()
        self._child.stdout.close()
        self._errors.close()
        self._triple_fault.close()


class Bochs(Machine):
    """Bochs with COM1 on a local socket, its screen on a pty whose output is discarded.

    It has no isa-debug-exit: the caller ends it.
    """

    CONNECT_SECONDS = 30
    # A triple fault stops it instead of starting over, as -no-reboot does for QEMU.  Without
    # VBE GRUB stays in text mode: the terminal display panics in a graphics mode.  The dummy sound
    # drivers open no device of the host.
    RC = """\
megs: {megs}
cpu: model={model}, count={smp}, ips=50000000, reset_on_triple_fault=0
romimage: file={bios}
vgaromimage: file={vga}
ata0-master: type=cdrom, path={iso}, status=inserted
boot: cdrom
com1: enabled=1, mode=socket-client, dev=127.0.0.1:{port}
log: bochs.log
vga: extension=none
sound: driver=dummy, waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
display_library: term
panic: action=fatal
error: action=report
"""

    def __init__(self, config):
        super().__init__()
        check_config(config)
        if config.kernel or config.firmware == "uefi" or config.machine != "q35":
            raise ConfigError("Bochs boots an ISO by its own BIOS on its own machine")
        if shutil.which(BOCHS) is None:
            raise Missing(BOCHS)
        for rom in BOCHS_ROMS:
            if not os.path.isfile(rom):
                raise Missing(f"bochs: no {rom}")
        self._folder = tempfile.TemporaryDirectory(prefix="keel-bochs.")
        self._errors = tempfile.TemporaryFile()
        self._socket = None
        self._screen = -1
        self._inner = -1
        try:
            self._boot(config)
        except BaseException:
            self.close()
            raise

    def _boot(self, config):
        with socket.create_server(("127.0.0.1", 0)) as server:
            rc = self.RC.format(megs=parse_mem(config.mem) // UNITS["M"], model=config.bochs,
                                smp=config.smp, bios=BOCHS_ROMS[0], vga=BOCHS_ROMS[1],
                                iso=os.path.abspath(config.iso), port=server.getsockname()[1])
            self._write("rc", rc)
            self._write("commands", "c\n")  # a debugger build stops at the first instruction
            self._screen, screen_side = pty.openpty()
            self._discarded = [self._screen]
            try:
                # Bochs of Debian 12 aborts in a UTF-8 locale: *** buffer overflow detected ***
                self._start([BOCHS, "-q", "-f", "rc", "-rc", "commands"], cwd=self._folder.name,
                            env={**os.environ, "TERM": "xterm", "LC_ALL": "C"},
                            stdin=screen_side, stdout=screen_side, stderr=self._errors)
            finally:
                os.close(screen_side)
            self._socket = self._accept(server)
            self._serial_in = self._serial_out = self._socket.fileno()
        self._discard_inner_screen()

    def _discard_inner_screen(self):
        """The terminal display opens a pty of its own and writes there, which blocks the emulator
        when its output is not read: after some thousand lines, as if the kernel hung."""
        proc = f"/proc/{self._child.pid}"
        for fd in os.listdir(f"{proc}/fd"):
            if os.readlink(f"{proc}/fd/{fd}") not in ("/dev/ptmx", "/dev/pts/ptmx"):
                continue
            with open(f"{proc}/fdinfo/{fd}", encoding="utf-8") as info:
                match = re.search(r"^tty-index:\s*(\d+)", info.read(), re.MULTILINE)
            if match:
                self._inner = os.open(f"/dev/pts/{match[1]}", os.O_RDONLY | os.O_NOCTTY)
                tty.setraw(self._inner)
                self._discarded.append(self._inner)

    def _write(self, name, text):
        with open(os.path.join(self._folder.name, name), "w", encoding="utf-8") as file:
            file.write(text)

    def _accept(self, server):
        """Wait until Bochs has connected its serial port, and keep its screen flowing."""
        end = time.monotonic() + self.CONNECT_SECONDS
        cleaner, printed = Cleaner(), ""  # on its terminal
        while time.monotonic() < end and self._child.poll() is None:
            ready, _, _ = select.select([server, self._screen], [], [], 1)
            if self._screen in ready:
                printed += cleaner.feed(self._read_fd(self._screen))
            if server in ready:
                return server.accept()[0]
        while select.select([self._screen], [], [], 0)[0]:  # the rest of what it printed
            data = self._read_fd(self._screen)
            if not data:
                break
            printed += cleaner.feed(data)
        self.text = f"{printed}\n{self._stderr()}"
        raise self.error(f"Bochs opened no serial port: {self.how_it_ended()}")

    def _stderr(self):
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")

    def complaint(self):
        """Panics of its log, "00123456789p[CPU0  ] >>PANIC<< text", and the end of its stderr."""
        lines = self._stderr().strip().splitlines()[-1:]
        with contextlib.suppress(OSError), open(os.path.join(self._folder.name, "bochs.log"),
                                                errors="replace", encoding="utf-8") as log:
            lines += [line.strip() for line in log if re.match(r"\d+p", line)][-2:]
        return "; ".join(lines)

    def close(self):
        super().close()
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        for fd in (self._screen, self._inner):
            if fd >= 0:
                os.close(fd)
        self._screen = self._inner = -1
        self._errors.close()
        self._folder.cleanup()
