#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""bench.py - keel's results beside its peers', one table for each kind of measurement.

  frames   nanoseconds on the host: keel, raw and counted, and the peers of the shared folder,
           all in one harness, tests interleaved, medians; fragmentation after churn
  heap     the same for the heap, beside malloc() of glibc, jemalloc, tcmalloc and mimalloc;
           memory held after growing and freeing
  kernel   instructions in the kernel (RDTSC under -icount), beside Linux' by the same loops
  cpus     scaling of two CPUs, by the CPU time of QEMU's vCPU threads; the cost of a shootdown
           of one page; the start time of each CPU
  ready    instructions from kernel_main() to the first frame, for 1 GiB and for 512 GiB
  size     text, data and bss of the kernel that users get, and each folder's share

Without arguments it runs all six.  `make bench` builds the programs and kernels and calls this
script.  A missing result is labelled: `peer absent` without the shared folder, `recorded` for a
result of Linux that was measured elsewhere, also if this machine cannot build Linux' module or run
it in time.  The exit status is 0 if everything ran, whether or not the goals are reached.
"""

import argparse
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time

sys.dont_write_bytecode = True  # nothing is written beside the sources

import machine as emulator

BUILD = pathlib.Path("build/bench")
LINUX = pathlib.Path("build/peers/linux")
COMPILER = os.environ.get("CC", "gcc")
KERNEL = pathlib.Path(f"build/kernel-release-{COMPILER}/keel.elf")
BARE = pathlib.Path(f"build/kernel-release-{COMPILER}-bare/keel.elf")
SHARED = os.environ.get("SHARED", "")

RUNS = 7
HARNESS_SECONDS = 120
QEMU_SECONDS = 120
LINUX_SECONDS = 400
BUSY_LOAD = 2.5  # the two threads of the harness make 2
FLOOR_THEN = 1.35  # ns of the empty harness when the goals were set

KEEL = ["keel-raw", "keel-counted"]
FLOOR = "floor"
PEERS = ["buddy", "buddy-pcp"]

# Test of the harness, threads, goal in ns, best peer when the goals were set.  A goal of None for
# two threads is SCALING times keel's own result with one.
SCALING = 1.2
FRAME_GOALS = [
    ("hot0", 1, 2.5, 2.5),
    ("hot0", 2, 2.5, 2.5),
    ("hot0x64", 1, 5, 7.1),
    ("bulk_seq.alloc", 1, 20, 25.5),
    ("bulk_seq.alloc", 2, None, 52),
    ("bulk_seq.free", 1, 14, 14.4),
    ("bulk_seq.free", 2, None, 36),
    ("bulk_rnd.free", 1, 25, 36.4),
    ("bulk_rnd.free", 2, None, 62),
    ("remote.free", 2, 25, 36),
    ("hot9", 1, 8, 11.7),
    ("mix_uniform", 1, 13, 15.3),
    ("mix_uniform", 2, 20, 54),
    ("mix_geo", 1, 13, 15.3),
    ("mix_geo", 2, 20, 54),
]
FRAG_GOAL, FRAG_CEILING = 700, 768

# Test of the harness, threads, goal in ns, best peer when the goals were set.
HEAP_GOALS = [
    ("pair_16", 1, 3, 4.7),
    ("pair_64", 1, 3, 3.5),
    ("pair_256", 1, None, None),
    ("pair_1024", 1, 3, 3.6),
    ("pair_4096", 1, 3, 4.2),
    ("fifo1k_64", 1, None, None),
    ("fifo1k_1024", 1, None, None),
    ("random", 1, 6, 7.1),
    ("random", 2, None, None),
    ("larson", 2, 120, 178),
]
# Growth and return: the harness' names and their descriptions.
GROWTHS = [("grow_64", "64 B, freed in order"), ("grow_64_rnd", "64 B, freed at random"),
           ("grow_4096", "4 KiB, freed in order")]
HELD_GOAL = 2  # percent
GLIBC = "glibc"
HEAP_PEERS = {"jemalloc": "libjemalloc.so.2", "tcmalloc": "libtcmalloc_minimal.so.4",
              "mimalloc": "libmimalloc.so.2.0"}
LIBRARIES = ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib"]

# Name in the logs, description, goal in instructions, Linux' recorded result.
KERNEL_GOALS = [
    ("alloc_pages_o0", "alloc one frame", 60, 442),
    ("free_pages_o0", "free one frame", 40, 260),
    ("burst4096_alloc_o0", "burst of 4096, alloc", 100, 641),
    ("burst4096_free_o0", "burst of 4096, free", 100, 557),
    ("bulk_array4096_alloc_o0", "bulk of 4096, alloc", 40, 263),
    ("bulk_array4096_free_o0", "bulk of 4096, free", None, None),
    ("alloc_pages_o3", "alloc order 3", None, None),
    ("free_pages_o3", "free order 3", None, None),
    ("alloc_pages_o5", "alloc order 5", None, None),
    ("free_pages_o5", "free order 5", None, None),
    ("alloc_pages_o9", "alloc order 9", 150, 486),
    ("free_pages_o9", "free order 9", 150, 9481),
    ("burst32_alloc_o9", "burst of 32, alloc order 9", None, None),
    ("burst32_free_o9", "burst of 32, free order 9", None, None),
    ("kmalloc64", "heap, alloc 64 B", 40, 146),
    ("kfree64", "heap, free 64 B", 30, 98),
    ("kmalloc1024", "heap, alloc 1024 B", 40, 146),
    ("kfree1024", "heap, free 1024 B", 30, 100),
    ("burst4096_kmalloc64", "burst of 4096 x 64 B, alloc", 60, 228),
    ("burst4096_kfree64", "burst of 4096 x 64 B, free", 50, 188),
    ("vmalloc_kib1024", "vmalloc 1 MiB", 12000, 38697),
    ("vfree_kib1024", "vfree 1 MiB", 15000, 74785),
    ("ioremap_kib4", "map 4 KiB of registers", 600, 2802),
    ("iounmap_kib4", "unmap them", 500, 1497),
]
# The same, of address spaces.
USER_GOALS = [
    ("map_touch_unmap_p1", "map, touch, unmap one page", 2500, 24563),
    ("map_touch_unmap_p512", "the same, 512 pages", 450000, 1824432),
    ("unmap_touched_p512", "unmap 512 touched pages", None, 426137),
    ("touch_anon_per_page_p8192", "faults, one page after the other", 1100, 2717),
    ("touch_anon_alone_p8192", "fault: a zeroed page", 1100, 2717),
    ("touch_zeropage_per_page_p8192", "fault: the zero page", 500, 1164),
    ("protect_ro_p512", "protect 512 pages, read-only", 10000, 70586),
    ("protect_rw_p512", "protect 512 pages, writable", 10000, 101849),
    ("fault_2M_2", "fault: a zeroed page of 2 MiB", 266000, 294905),
    ("fork_64M_p16384", "fork of 16384 pages", 400000, 2015094),
    ("fork_64M_and_child_touches_p16384", "fork, and the child writes to all", None, None),
    ("cow_fault_copy_p16384", "fault: a copy", 1300, 3009),
    ("cow_fault_reuse_p16384", "fault: the last owner", 500, 1292),
    ("touch_without_fault0", "a touch that does not fault", None, None),
]
# Where the peer uses another name.
PEER_NAMES = {
    "map_touch_unmap_p1": "mmap_touch_munmap_1p",
    "map_touch_unmap_p512": "mmap_touch_munmap_512p",
    "unmap_touched_p512": "munmap_512p_touched",
    "touch_anon_per_page_p8192": "touch_anon_per_page_8192p",
    "touch_anon_alone_p8192": "fault_write_anon_1p",
    "touch_zeropage_per_page_p8192": "touch_zeropage_per_page_8192p",
    "protect_ro_p512": "mprotect_ro_512p",
    "protect_rw_p512": "mprotect_rw_512p",
    "fault_2M_2": "fault_write_thp_2M(if",
    "fork_64M_p16384": "fork_64M_return_in_parent",
    "cow_fault_copy_p16384": "cow_fault_copy_1p(child)",
    "cow_fault_reuse_p16384": "cow_fault_reuse_1p(parent)",
    "vmalloc_kib1024": "vmalloc1M",
    "vfree_kib1024": "vfree1M",
    "ioremap_kib4": "ioremap4K",
    "iounmap_kib4": "iounmap4K",
}
RAW_NAMES = {
    "alloc_pages_o": "raw_alloc_o",
    "free_pages_o": "raw_free_o",
    "burst4096_": "raw_burst4096_",
}

EXACT = ["-accel", "tcg", "-icount", "shift=0,sleep=off", "-smp", "1", "-display", "none",
         "-nodefaults", "-no-user-config", "-no-reboot", "-serial", "stdio", "-seed", "1",
         "-rtc", "base=2024-01-01T00:00:00,clock=vm",
         "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
CPU = "max,-erms,-la57"
MACHINES = [
    ("1 GiB, pc", ["-m", "1024", "-cpu", CPU]),
    ("1 GiB, q35", ["-machine", "q35", "-m", "1024", "-cpu", CPU]),
    ("512 GiB, q35", ["-object", "memory-backend-ram,size=512G,reserve=off,id=m", "-machine",
                      "q35,memory-backend=m", "-m", "512G", "-cpu", CPU + ",phys-bits=48"]),
]
READY_GOAL = 1.2

# Load of the kernel's `benchcpus`, its description, Linux' recorded scaling.  The first load shares
# nothing: it shows how two of the host's CPUs slow each other down; the last one shows QEMU's cost.
NO_GOAL = ("alone", "raise")
LOADS = [("alone", "a page of its own 32 MiB cleared: the host alone", None),
         ("frame", "one frame, alloc and free", "1.96-1.99"),
         ("heap", "64 B of the heap, alloc and free", "1.95-2.11"),
         ("order5", "order 5, alloc and free", None),
         ("fault", "a page of one space, faulted and unmapped", "1.81-1.86"),
         ("resolve", "the same, without exceptions", None),
         ("raise", "exceptions alone: QEMU takes one lock for each", None)]
SCALING_GOAL = 1.95
SCALING_CPUS = 2
ROUNDS_PER_RUN = 3  # short ones, so that other work on the host is in few of them
SHOOTDOWN_CPUS = [1, 2, 4]
LOAD_SECONDS = 120
SETTLE_SECONDS = 0.05  # from the prompt until every CPU halts
SIZE_GOAL = 768 * 1024
GENERATED, REST = "font, version", "names, padding, CPU 0's variables"


class CannotRun(Exception):
    """A measurement that did not happen."""


def run(command, seconds, **options):
    """Run a command; returns its output.  After the time limit it is killed with its children."""
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              errors="replace", stdin=subprocess.DEVNULL, start_new_session=True,
                              **options) as child:
            try:
                out, err = child.communicate(timeout=seconds)
            except BaseException:
                os.killpg(child.pid, signal.SIGKILL)
                raise
    except subprocess.TimeoutExpired as late:
        raise CannotRun(f"{command[0]} takes longer than {seconds} s") from late
    except OSError as error:
        raise CannotRun(f"{command[0]}: {error.strerror}") from error
    return subprocess.CompletedProcess(command, child.returncode, out, err)


def print_table(head, rows):
    """Columns as wide as they need; the first is text, the others are to the right."""
    rows = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("  " + "  ".join(cells).rstrip())
    print()


def verdict(result, goal, digits=1):
    """Results are rounded to the digits of the goal before the comparison."""
    if result is None or goal is None:
        return "-"
    return "reached" if round(result, digits) <= round(goal, digits) else "missed"


def number(result, form="{:.1f}"):
    return "-" if result is None else form.format(result)


# ---- frames on the host

def measure(program, test, runs, lines, preload=None):
    """{(test, threads): (median, min, max)} of one provider; its lines go to the log too."""
    env = {**os.environ, "LD_PRELOAD": preload} if preload else None
    done = run([str(BUILD / program), "-r", str(runs), "-o", test], HARNESS_SECONDS, env=env)
    name = pathlib.Path(preload).name if preload else program
    if done.returncode != 0:
        raise CannotRun(f"{name} {test}: {done.stderr.strip()[-200:]}")
    results = {}
    for line in done.stdout.splitlines():
        lines.append(f"{name}: {line}")
        fields = line.split(",")
        if "fails=" in line:
            raise CannotRun(f"{name} {test}: memory ran out: {line}")
        if len(fields) >= 6 and fields[1] != "frag" and "=" not in line:
            results[fields[1], int(fields[2])] = tuple(map(float, fields[3:6]))
    return results


def fragmentation(program, lines):
    """Order-9 blocks that can be allocated after 100 rounds, and how many are really free."""
    done = run([str(BUILD / program), "-r", "1", "-o", "frag"], HARNESS_SECONDS)
    lines.extend(f"{program}: {line}" for line in done.stdout.splitlines())
    match = re.search(r"churn100_9=(\d+)/(\d+)", done.stdout)
    if not match:
        raise CannotRun(f"{program} frag: {done.stderr.strip()[-200:]}")
    return match[1]


def frame_row(goal_row, results):
    test, threads, goal, then = goal_row
    at = {name: results[name][test, threads] for name in [*KEEL, *PEERS, FLOOR]}
    own = at["keel-raw"][0]
    if goal is None:
        goal = SCALING * results["keel-raw"][test, 1][0]
    peer = min(PEERS, key=lambda name: at[name][0])
    return [test, threads, number(at[FLOOR][0]), number(own), number(at["keel-raw"][1]),
            number(at["keel-counted"][0]), number(at[peer][0]), peer,
            f"{at[peer][0] / own:.1f}x", number(then), number(goal), verdict(own, goal)]


def host_line():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        model = next((line.split(":")[1].strip() for line in info if "model name" in line), "?")
    version = run([COMPILER, "--version"], QEMU_SECONDS).stdout.splitlines()[0]
    load = " ".join(f"{part:.1f}" for part in os.getloadavg())
    return f"{model}, {os.cpu_count()} CPUs, load {load}; {version}, -O2"


def bench_frames(runs):
    print(f"Frames on the host, ns per operation, medians of {runs} runs")
    if not (BUILD / "keel-raw").exists() or not SHARED:
        print("  peer absent: the harness is in the shared folder, SHARED= names it\n")
        return
    print(f"  {host_line()}")
    results, lines = {}, []
    for test in dict.fromkeys(row[0].split(".")[0] for row in FRAME_GOALS):
        for program in [FLOOR, *PEERS, *KEEL]:
            results.setdefault(program, {}).update(
                measure(program, test, runs, lines))
    left = {program: fragmentation(program, lines) for program in [*PEERS, *KEEL]}
    (BUILD / "frames.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    floor = statistics.median(value[0] for (test, _), value in results[FLOOR].items()
                              if test == "hot0")
    print(f"  the empty harness takes {floor:.2f} ns here; {FLOOR_THEN} where the goals were set")
    if os.getloadavg()[0] > BUSY_LOAD:
        print("  this machine has other load: compare (min) too, above all with two threads")
    print()
    print_table(["test", "threads", "floor", "keel raw", "(min)", "counted", "peer", "which",
                 "ahead", "best then", "goal", "verdict"],
                [frame_row(row, results) for row in FRAME_GOALS])
    print(f"Order-9 blocks left after 100 rounds of churn at 25 % live, of {FRAG_CEILING}")
    print_table(["", *left, "goal", "verdict"],
                [["blocks", *left.values(), FRAG_GOAL,
                  "reached" if int(left["keel-raw"]) >= FRAG_GOAL else "missed"]])


# ---- the heap on the host

def heap_peers():
    """{name: library to preload}; a library that is not installed is reported and left out."""
    found = {GLIBC: None}
    for name, file in HEAP_PEERS.items():
        path = next((p for p in (pathlib.Path(d) / file for d in LIBRARIES) if p.exists()), None)
        if path is None:
            print(f"  peer absent: {name} ({file} is not installed)")
        else:
            found[name] = str(path)
    return found


def growth(program, test, lines, preload=None):
    """MiB (grown, held after freeing, held a little later)."""
    env = {**os.environ, "LD_PRELOAD": preload} if preload else None
    done = run([str(BUILD / program), "-r", "1", "-o", test], HARNESS_SECONDS, env=env)
    lines.extend(f"{program} {preload or ''}: {line}" for line in done.stdout.splitlines())
    match = re.search(r"base=([\d.]+),peak=([\d.]+),after=([\d.]+),after1.5s=([\d.]+)",
                      done.stdout)
    if not match:
        raise CannotRun(f"{program} {test}: {done.stderr.strip()[-200:]}")
    base, peak, after, later = map(float, match.groups())
    return peak - base, after - base, later - base


def heap_row(goal_row, results, peers):
    test, threads, goal, then = goal_row
    own, least, _ = results["keel"][test, threads]
    others = [results[name][test, threads][0] for name in peers]
    return [test, threads, number(own), number(least), *map(number, others),
            f"{min(others) / own:.1f}x", number(then), number(goal, "{}"), verdict(own, goal)]


def growth_row(growth_of, what, peers, lines):
    own = growth("heap-keel", growth_of, lines)
    held = 100 * own[1] / own[0]
    others = [growth("heap-malloc", growth_of, lines, library)
              for library in peers.values()]
    return [what, *(f"{held:.0f} of {grown:.0f}" for grown, held, _ in [own, *others]),
            f"{held:.1f} %", f"{HELD_GOAL} %", verdict(held, HELD_GOAL)]


def bench_heap(runs):
    print(f"The heap on the host, ns per malloc or free, medians of {runs} runs")
    if not (BUILD / "heap-keel").exists() or not SHARED:
        print("  peer absent: the harness is in the shared folder, SHARED= names it\n")
        return
    print(f"  {host_line()}")
    peers, results, lines = heap_peers(), {}, []
    for test in dict.fromkeys(row[0].split("_")[0] for row in HEAP_GOALS):
        results.setdefault("keel", {}).update(measure("heap-keel", test, runs, lines))
        for name, library in peers.items():
            results.setdefault(name, {}).update(
                measure("heap-malloc", test, runs, lines, library))
    if os.getloadavg()[0] > BUSY_LOAD:
        print("  this machine has other load: compare (min) too, above all with two threads")
    print()
    print_table(["test", "threads", "keel", "(min)", *peers, "ahead", "best then", "goal",
                 "verdict"], [heap_row(row, results, peers) for row in HEAP_GOALS])
    print("MiB held after 256 MiB were grown and freed")
    print_table(["", "keel", *peers, "keel holds", "goal", "verdict"],
                [growth_row(name, what, peers, lines) for name, what in GROWTHS])
    (BUILD / "heap.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


# ---- the kernel, by instructions

def boot(machine, monitor):
    """The output of the kernel on a machine, up to the end of its script."""
    qemu = os.environ.get("QEMU", "qemu-system-x86_64")
    done = run([qemu, *EXACT, *machine, "-kernel", str(KERNEL), "-append", f"monitor={monitor}"],
               QEMU_SECONDS)
    if done.returncode != 0:
        raise CannotRun(f"QEMU ended with {done.returncode}: {(done.stdout + done.stderr)[-300:]}")
    return done.stdout


def stats_of(text, mark):
    """{name: (median, min, max)} of lines `mark name med=.. min=.. max=..`."""
    pattern = mark + r" (\S+)(?: enabled\))? med=([\d.]+) min=([\d.]+) max=([\d.]+)"
    return {m[1]: tuple(map(float, m.groups()[1:])) for m in re.finditer(pattern, text)}


def linux_can_be_built():
    tools = all(shutil.which(tool) for tool in ["gcc", "make", "nasm", "cpio", "bc"])
    headers = any(pathlib.Path("/lib/modules").glob("*/build/Makefile"))
    return tools and headers and any(pathlib.Path("/boot").glob("vmlinuz-*"))


def linux_results():
    """Results of Linux and their label: measured, recorded or absent."""
    log = LINUX / "logs" / "C1.log"
    script = pathlib.Path(SHARED) / "peers/linux/run_all.sh"
    if not SHARED or not script.exists():
        return {}, "peer absent"
    if not log.exists() and linux_can_be_built():
        print(f"  building a module for Linux and running it in QEMU: once, in a few minutes, and "
              f"no longer than {LINUX_SECONDS} s;\n  later runs read {log}", flush=True)
        try:
            run([str(script)], LINUX_SECONDS,
                env={**os.environ, "QUICK": "1", "W": str(LINUX.resolve())})
        except CannotRun as why:
            print(f"  Linux: {why}")
    if log.exists():
        results = stats_of(log.read_text(encoding="utf-8", errors="replace"), "PEERU?")
        if results:
            return results, "measured"
    return {PEER_NAMES.get(row[0], row[0]): (row[3],) * 3 for row in KERNEL_GOALS + USER_GOALS
            if row[3] is not None}, "recorded"


def raw_name(name):
    for typed, raw in RAW_NAMES.items():
        if name.startswith(typed):
            return name.replace(typed, raw)
    return ""


def kernel_row(goal_row, ours, linux):
    name, what, goal, _ = goal_row
    if name not in ours:
        raise CannotRun(f"the kernel gave no result for {name}")
    median, least, most = ours[name]
    raw, peer = (found[0] if found else None for found in (ours.get(raw_name(name)),
                                                          linux.get(PEER_NAMES.get(name, name))))
    ratio = "-" if peer is None else f"{peer / median:.1f}x"
    return [what, number(median), number(least), number(most), number(raw), number(peer), ratio,
            number(goal, "{}"), verdict(median, goal)]


def bench_kernel():
    print("Frames in the kernel, instructions per operation (RDTSC under -icount), typed and "
          "counted")
    linux, label = linux_results()
    ours = stats_of(boot(MACHINES[0][1], "bench,benchspace,poweroff"), "BENCH")
    print(f"  {KERNEL}; Linux: {label}\n")
    print_table(["operation", "keel", "min", "max", "raw", f"Linux ({label})", "ahead", "goal",
                 "verdict"], [kernel_row(row, ours, linux) for row in KERNEL_GOALS])


def bench_user():
    print("Address spaces, instructions per operation; clearing and copying are in the results")
    linux, label = linux_results()
    ours = stats_of(boot(MACHINES[0][1], "benchuser,poweroff"), "BENCH")
    print(f"  {KERNEL}; Linux: {label}\n")
    print_table(["operation", "keel", "min", "max", f"Linux ({label})", "ahead", "goal", "verdict"],
                [[cell for i, cell in enumerate(kernel_row(row, ours, linux)) if i != 4]
                 for row in USER_GOALS])


# ---- several CPUs

def machine_of(cpus):
    """A machine whose vCPU threads are named."""
    return emulator.Qemu(emulator.Config(
        kernel=str(KERNEL), mem="1024M", smp=cpus, cpu=CPU, machine="pc", iommu=False,
        extra=("-name", "keel,debug-threads=on")))


def cpu_times(pid, cpus):
    """CPU time so far of each CPU's thread, in ns."""
    times = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        match = re.fullmatch(r"CPU (\d+)/TCG", (task / "comm").read_text().strip())
        if match:
            times[int(match[1])] = int((task / "schedstat").read_text().split()[0])
    if sorted(times) != list(range(cpus)):
        raise CannotRun(f"of {cpus} CPUs, threads of QEMU play {sorted(times)}")
    return [times[cpu] for cpu in range(cpus)]


def command_times(running, command, cpus):
    """A command's output, and the CPU time that each CPU used for it, typing included, in ns."""
    time.sleep(SETTLE_SECONDS)
    before = cpu_times(running.pid(), cpus)
    text = running.command(command, LOAD_SECONDS)
    time.sleep(SETTLE_SECONDS)
    return text, [then - now for now, then in zip(before, cpu_times(running.pid(), cpus))]


def load_times(running, load, first, last):
    """CPU time per operation of each CPU while all run the same operation, in ns."""
    text, times = command_times(running, f"benchcpus {load} {first} {last}", SCALING_CPUS)
    empty = command_times(running, f"benchcpus none {first} {last}", SCALING_CPUS)[1]
    match = re.search(r"operations=(\d+)", text)
    if not match:
        raise CannotRun(f"benchcpus {load}: {text[-200:]}")
    return [(took - typing) / int(match[1]) for took, typing in zip(times, empty)][first:last + 1]


def scaling_row(running, load_row, runs, linux):
    """Each round runs each CPU alone and both at once, and has a scaling of its own: the rate of
    each CPU relative to its rate alone.  One vCPU may run faster than the other, by cache effects."""
    load, what, _ = load_row
    one, two, scaling = [], [], []
    load_times(running, load, 0, 1)  # warm-up: QEMU translates new code
    for _ in range(ROUNDS_PER_RUN * runs):
        alone = [load_times(running, load, cpu, cpu)[0] for cpu in range(SCALING_CPUS)]
        both = load_times(running, load, 0, SCALING_CPUS - 1)
        one.append(statistics.mean(alone))
        two.append(statistics.mean(both))
        scaling.append(sum(a / b for a, b in zip(alone, both)))
    result = statistics.median(scaling)
    quartiles = statistics.quantiles(scaling)
    return [what, number(statistics.median(one)), number(statistics.median(two)),
            number(result, "{:.2f}"), f"{quartiles[0]:.2f}-{quartiles[-1]:.2f}",
            f"{2 * min(one) / min(two):.2f}", linux or "-",
            *(("-", "-") if load in NO_GOAL else
              (SCALING_GOAL, "reached" if round(result, 2) >= SCALING_GOAL else "missed"))]


def shootdown_rows(cpus):
    """Rows about other CPUs that halt and that run, and the start of each CPU in us."""
    rows = []
    with machine_of(cpus) as running:
        running.wait_prompt()
        starts = re.findall(r"^ *\d+ +\d+ +(\d+) +\d+$", running.command("cpus"), re.M)
        for others in ["idle", "busy"] if cpus > 1 else ["idle"]:
            text = running.command(f"benchshootdown {others}", LOAD_SECONDS)
            ticks = stats_of(text, "BENCH").get("unmap_kib4")
            match = re.search(r"operations=(\d+) requests=(\d+) ipis=(\d+) marks=(\d+)", text)
            if not ticks or not match:
                raise CannotRun(f"benchshootdown {others}: {text[-200:]}")
            operations, *counts = map(int, match.groups())
            rows.append([f"{cpus}, others {others}" if cpus > 1 else "1",
                         number(ticks[0], "{:,.0f}"), number(ticks[1], "{:,.0f}"),
                         *(f"{count / operations:.2f}" for count in counts)])
    return rows, starts


def bench_cpus(runs):
    label = "recorded" if SHARED else "peer absent"
    print(f"Two CPUs, ns of CPU time per operation on each, medians of "
          f"{ROUNDS_PER_RUN * runs} rounds")
    print(f"  {host_line()}; Linux: {label}\n")
    with machine_of(SCALING_CPUS) as running:
        running.wait_prompt()
        rows = [scaling_row(running, row, runs, row[2] if SHARED else None) for row in LOADS]
    print_table(["operation", "one", "two", "scaling", "(quartiles)", "(of minima)",
                 f"Linux ({label})", "goal", "verdict"], rows)
    print("A page unmapped, ticks by the clock (other work on this host is in them), and how many\n"
          "CPUs got a request, an interrupt, and a mark because they were idle, per operation")
    rows = []
    for cpus in SHOOTDOWN_CPUS:
        more, starts = shootdown_rows(cpus)
        rows += more
    print_table(["CPUs", "ticks", "min", "requests", "IPIs", "marks"], rows)
    print("From its first STARTUP until it was counted, us: " +
          ", ".join(f"CPU {cpu} {us}" for cpu, us in enumerate(starts) if cpu > 0) + "\n")


# ---- ready

def bench_ready():
    print("From kernel_main() to the first available frame, instructions")
    rows, net = [], []
    for name, machine in MACHINES:
        text = boot(machine, "poweroff")
        match = re.search(r"ready after (\d+) ticks, (\d+) of them for the console", text)
        if not match:
            raise CannotRun(f"{name}: no line reports when the kernel was ready")
        ticks, console = int(match[1]), int(match[2])
        net.append(ticks - console)
        rows.append([name, f"{ticks - console:,}", f"{console:,}"])
    print_table(["machine", "without console", "console"], rows)
    ratio = net[-1] / net[-2]
    print(f"  512 GiB needs {ratio:.3f} times what 1 GiB needs on the same machine; goal "
          f"{READY_GOAL}: {verdict(ratio, READY_GOAL, 3)}\n")


# ---- size

def size_of(paths):
    """text, data and bss of objects or kernels, one triple each."""
    lines = run(["size", *map(str, paths)], QEMU_SECONDS).stdout.splitlines()[1:]
    return [tuple(map(int, line.split()[:3])) for line in lines]


def is_linked(path):
    """Whether an object is of a source that there is: others are left over from before."""
    source = path.relative_to(BARE.parent).with_suffix("")
    return source.suffix == ".S" and source.exists() or source.with_suffix(".c").exists()


def bench_size():
    print("The kernel that users get (release, no tests, stripped), bytes")
    whole = size_of([BARE])[0]
    objects = [path for path in sorted(BARE.parent.rglob("*.o")) if is_linked(path)]
    shares = {}
    for path, sizes in zip(objects, size_of(objects)):
        folder = str(path.parent.relative_to(BARE.parent))
        folder = GENERATED if folder == "build" else folder
        shares[folder] = tuple(map(sum, zip(shares.get(folder, (0, 0, 0)), sizes)))
    shares[REST] = tuple(all_of - sum(column) for all_of, *column in zip(whole, *shares.values()))
    rows = [[folder, *(f"{n:,}" for n in sizes), f"{sum(sizes):,}",
             f"{100 * sum(sizes) / sum(whole):.1f} %"]
            for folder, sizes in sorted(shares.items(), key=lambda item: -sum(item[1]))]
    rows.append(["all", *(f"{n:,}" for n in whole), f"{sum(whole):,}", ""])
    print_table(["folder", "text", "data", "bss", "sum", "share"], rows)
    print(f"  text + data + bss: {sum(whole):,}; goal {SIZE_GOAL:,}: "
          f"{verdict(sum(whole), SIZE_GOAL)}\n")


def main():
    emulator.end_politely()
    parser = argparse.ArgumentParser(description="keel's results beside its peers'")
    parser.add_argument("parts", nargs="*", metavar="frames|heap|kernel|user|cpus|ready|size")
    parser.add_argument("-r", "--runs", type=int, default=RUNS)
    arguments = parser.parse_args()
    parts = {"frames": lambda: bench_frames(arguments.runs),
             "heap": lambda: bench_heap(arguments.runs), "kernel": bench_kernel, "user": bench_user,
             "cpus": lambda: bench_cpus(arguments.runs), "ready": bench_ready, "size": bench_size}
    if unknown := [part for part in arguments.parts if part not in parts]:
        parser.error(f"no part is called {unknown[0]}")
    failed = 0
    for name in arguments.parts or parts:
        try:
            parts[name]()
        except (CannotRun, emulator.MachineError, emulator.ConfigError) as why:
            print(f"bench: {name}: {why}\n")
            failed = 1
        sys.stdout.flush()
    return failed


if __name__ == "__main__":
    sys.exit(main())
