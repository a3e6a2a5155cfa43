#!/usr/bin/python3
"""Measures Orlop in Bochs, where a tick is an instruction of one CPU: same digits every run.

Prints a Markdown table and fails when a figure is over its limit or missing. Exits are counted by the
guest `exits`; the boot by Bochs' debugger, with breakpoints at Orlop's entry and at the guest's.

With --nest it prints what exits cost and how many there are above KVM (nest.py), which is KVM's cost
above all: without limits, and in the Bochs that the tests use.
"""

import argparse
import dataclasses
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/boot"))

from check_image import load_segments, loaded_bytes, unpacked_bytes  # noqa: E402
from emulators import BOCHS_IPS, Bochs, EmulatorError, Machine, Qemu  # noqa: E402
from exit_counters import Examined, read_counters  # noqa: E402
from harness import BUILD, BootFailure, Case, Talk, boot, why_skipped  # noqa: E402
from make_iso import make_bare_linux_iso, make_direct_iso  # noqa: E402

# The guest's name of a figure, what it is, and the most it may be.
EXITS = [
    ("cpuid-0", "CPUID exit, 64-bit mode", 80),
    ("real-cpuid-0", "CPUID exit, real mode", 80),
    ("cpuid-1", "CPUID exit, leaf 1, 64-bit mode", 80),
    ("real-cpuid-1", "CPUID exit, leaf 1, real mode", 80),
    ("rdmsr-feature-control", "RDMSR of a guarded MSR, 64-bit mode", 110),
    ("real-rdmsr-feature-control", "RDMSR of a guarded MSR, real mode", 110),
    ("wrmsr-mtrr-def-type", "WRMSR of a guarded MSR, 64-bit mode", 110),
    ("real-wrmsr-mtrr-def-type", "WRMSR of a guarded MSR, real mode", 110),
    ("vmcall-version", "VMCALL, 64-bit mode", 110),
    ("real-vmcall-version", "VMCALL, real mode", 110),
    ("xsetbv-same", "XSETBV", 150),
    ("mov-cr4-toggle-osxsave-twice", "two CR4 writes that exit", 220),
    ("ept-first-touch", "first touch of a GiB that was not mapped at boot", 301),
    ("unpaged-task-switch-twice", "two task switches, CALL and IRET, unpaged", 20_000),
    ("pm32-task-switch-twice", "two task switches, CALL and IRET, 32-bit paging", 20_000),
]
# The other modes of the processor, and the same exits there: at most so many times the figure of 64-bit
# mode. In virtual-8086 mode the others are faults without an exit.
MODES = [
    ("v86", "virtual-8086 mode"),
    ("pm16", "16-bit protected mode, unpaged"),
    ("unpaged", "32-bit protected mode, unpaged"),
    ("pm32", "32-bit protected mode, 32-bit paging"),
    ("pae", "32-bit protected mode, PAE paging"),
    ("compat", "compatibility mode"),
]
MODE_EXITS = [
    ("cpuid-0", "CPUID exit"),
    ("rdmsr-feature-control", "RDMSR of a guarded MSR"),
    ("wrmsr-mtrr-def-type", "WRMSR of a guarded MSR"),
    ("vmcall-version", "VMCALL"),
]
MODE_RATIO = 1.2
IMAGE_LIMIT = 128 * 1024
HIDDEN_LIMIT = 2 * 1024 * 1024

LINUX_WORDS = "console=ttyS0 tsc_early_khz=50000 nokaslr reboot=t"
LINUX_EXITS = 2500
# 0.02 % of the 1,800 million that Debian's cloud kernel takes from its start to power-off.
LINUX_SPENT = 1_800_000_000 * 2 // 10_000

SHARE = 5 / 10_000  # of the bare run's instructions
MEMTEST = BUILD / "linux/memtest.bin"
MEMTEST_WORDS = "console=ttyS0,115200 nobench"
MEMTEST_MIB = 8
STOP_PRECISION = 1_000_000_000  # ticks: a running machine is stopped a little sooner or later

# What a byte of the guest's console costs it: Orlop's options, the guest's name of the figure, what it is,
# and the most it may be.
CONSOLES = [
    ("", "uart-data", "a read of the UART's data, console=shared", 1),
    ("console=watched", "uart-data", "the same, console=watched", 340),
    ("console=watched", "uart-status", "a read of its status, console=watched", 1),
    ("debug=com2", "uart-hidden", "a read of a UART of Orlop's own", 260),
]
TIMER = "VMX-preemption timer expired"
LOOKS_A_SECOND = 20

GUEST_ENTRY = 0x7C00
BYTE_TICKS = 2500       # a polled UART at 115200
LOG_LIMIT = 6 * 1024
DEBUGGER_OPTIONS = "serial=none debug=com2"
STOP_LIMIT = 20_000
MOST_IDLE = 20
# (what, memory, CPUs, options, the most ticks it may take)
BOOTS = [
    ("256 MiB, 1 CPU", 256, 1, "serial=none", 2_000_000),
    ("2 GiB, 1 CPU", 2048, 1, "serial=none", 2_000_000),
    ("256 MiB, 8 CPUs", 256, 8, "serial=none", 8_000_000),
]


def exit_figures(**where):
    """{name: instructions} as the guest `exits` printed them. where: fields of the row."""
    case = Case(**{"name": "bench-exits", "end": "poweroff", "modules": ["exits.bin=realmode"],
                   "timeout": 120, "expect": ["^exits PASS", "^exits DONE"], **where})
    with tempfile.TemporaryDirectory(prefix="orlop-bench-") as folder:
        lines = boot(case, folder)
    found = (re.match(r"bench (\S+) per_exit=([\d.]+)", line) for line in lines)
    return {match.group(1): float(match.group(2)) for match in found if match}


def second_of_guest():
    """Where its first instruction, a far jump, leads."""
    code, where = struct.unpack_from("<BH", (BUILD / "guests/realmode.bin").read_bytes())
    if code != 0xEA:
        raise EmulatorError("the guest realmode does not begin with a far jump any more")
    return where


def mode_rows(figures):
    """The exits' figures in the other modes."""
    return [(f"instructions: {what}, {mode_text}", figures.get(f"{mode}-{name}"),
             int(figures.get(name, 0) * MODE_RATIO))
            for mode, mode_text in MODES for name, what in MODE_EXITS
            if mode != "v86" or name == "cpuid-0"]


class Stopwatch(Bochs):
    """Bochs that stops at Orlop's entry and at the guest's, and then quits."""

    def __init__(self, machine, folder, entry):
        super().__init__(machine, folder)
        # The boot sector of the CD is the first thing at the guest's address. Bochs with more than one
        # CPU may step over a breakpoint where it changes CPUs, so each second instruction has one too,
        # and the boot sector may be missed.
        places = (GUEST_ENTRY, entry, entry + 1, second_of_guest())
        self.DEBUGGER = "".join(f"pb {place:#x}\n" for place in places) + "c\nc\nc\nc\nq\n"

    def ticks(self, seconds):
        """From the one breakpoint to the other; and what went to the serial line."""
        line = bytearray()
        self.serial.settimeout(seconds)
        while data := self.serial.recv(65536):
            line += data
        self.process.wait(seconds)
        said = (self.folder / "emulator.out").read_text(encoding="utf-8", errors="replace")
        stops = re.findall(r"Breakpoint (\d).*\nNext at t=(\d+)", said)
        found = re.match("1?([23])[23]*([14])", "".join(number for number, _ in stops))
        if not found:
            raise EmulatorError(f"not the stops that were expected: {stops}")
        return int(stops[found.start(2)][1]) - int(stops[found.start(1)][1]), bytes(line)


def measure_boot(memory, cpus, options):
    """(ticks, bytes printed by Orlop) of one boot up to the guest's first instruction."""
    entry = struct.unpack_from("<Q", (BUILD / "orlop.elf").read_bytes(), 24)[0]
    with tempfile.TemporaryDirectory(prefix="orlop-bench-") as folder:
        iso = pathlib.Path(folder) / "boot.iso"
        make_direct_iso(iso, BUILD / "orlop.elf", options,
                        [(BUILD / "guests/realmode.bin", "realmode")])
        with Stopwatch(Machine(iso=iso, memory_mib=memory, cpus=cpus), folder, entry) as bochs:
            return bochs.ticks(600)


def boot_rows():
    """The boots' rows: without a log, what the log adds, and with a debugger."""
    table, first = [], None
    for what, memory, cpus, options, limit in BOOTS:
        ticks, _ = measure_boot(memory, cpus, options)
        first = first or ticks
        table.append((f"ticks: GRUB's jump to the guest, no log, {what}", ticks, limit))
    ticks, line = measure_boot(256, 1, "")
    log_bytes = len(line)
    table.append(("ticks: the same with the default log, 256 MiB, 1 CPU", ticks,
                  first + BYTE_TICKS * log_bytes))
    table.append(("bytes: the default log", log_bytes, LOG_LIMIT))
    ticks, _ = measure_boot(256, 1, DEBUGGER_OPTIONS)
    table.append(("ticks: the same without a log, with a debugger, 256 MiB, 1 CPU", ticks, None))
    return table


def image_rows(image):
    """What a loader reads of the file, and what becomes of it."""
    core, debugger = loaded_bytes(load_segments(image))
    return [("bytes: loaded image, without the debugger", core, IMAGE_LIMIT),
            ("bytes: the debugger's part", debugger, None),
            ("bytes: both, unpacked", unpacked_bytes(image), None)]


def stop_rows():
    """The longest that a CPU waited for all others to stand still, while they run guest code: the line
    is left to them."""
    case = Case(name="bench-stops", end="guest-stopped", modules=["stops.bin=realmode"], cpus=4,
                cpu="corei7_sandy_bridge_2600k", options="log=debug serial_after=panic", timeout=300,
                expect=["^storm PASS", "triple fault on cpu0", "all CPUs stood still after"])
    with tempfile.TemporaryDirectory(prefix="orlop-bench-") as folder:
        lines = boot(case, folder)
    found = re.findall(r"all CPUs stood still after (\d+) ticks", "\n".join(lines))
    return [("ticks: a stop request until all 4 CPUs stand still", max(map(int, found)), STOP_LIMIT)]


def hidden_bytes():
    """Orlop's own range on 8 CPUs, as its log tells it."""
    case = Case(name="bench-range", end="poweroff", modules=["realmode.bin=realmode"], cpus=8,
                timeout=300, expect=["^realmode PASS"])
    with tempfile.TemporaryDirectory(prefix="orlop-bench-") as folder:
        lines = boot(case, folder)
    found = re.search(r"own range 0x([0-9a-f]+)-0x([0-9a-f]+)", "\n".join(lines))
    return int(found.group(2), 16) - int(found.group(1), 16) if found else None


def exits_of(case):
    """{reason: (exits, ticks each)} of a row that ends with the guest stopped."""
    with tempfile.TemporaryDirectory(prefix="orlop-bench-") as folder:
        text = "\n".join(boot(case, folder))
    table = re.search(r"^exits by reason:\n((?:  .*\n)+)", text, re.MULTILINE).group(1)
    found = re.findall(r"^  (\S.*?) +(\d+)(?:, (\d+) ticks each)?$", table, re.MULTILINE)
    return {reason: (int(count), int(ticks or 0)) for reason, count, ticks in found}


def spent_in(exits):
    """Instructions."""
    return sum(count * ticks for count, ticks in exits.values())


# How the guest `exits` ends: a triple fault, and what Orlop then tells.
LINUX_END = {"end": "guest-stopped", "memory": 512, "timeout": 600,
             "expect": ["^exits: idle", "triple fault on cpu0", "^exits by reason", "^last exits",
                        "^last log lines"]}


def linux_exits(words, **where):
    """exits_of a boot of the Linux guest, from its launch to its reset. where: fields of the row."""
    return exits_of(Case(**{"name": "bench-linux", "options": "exitcost",
                            "modules": [f"build/linux/vmlinuz=linux {LINUX_WORDS} {words}",
                                        "build/linux/exits.img=initrd"], **LINUX_END, **where}))


def bare_ticks(case):
    """Instructions of the row on the bare machine, from its start to its end; the BIOS's too."""
    bare = dataclasses.replace(case, name=f"{case.name}-bare", without_orlop=True, end="poweroff",
                               expect=case.expect[:1])
    with tempfile.TemporaryDirectory(prefix="orlop-bench-") as folder:
        boot(bare, folder)
        said = pathlib.Path(folder, "emulator.out").read_text(encoding="utf-8", errors="replace")
    return int(re.findall(r"^\(0\)\.\[(\d+)\]", said, re.MULTILINE)[-1])


def exits_table(what, exits, bare):
    """The rows of a run above Orlop, and of the same on the bare machine, which took `bare` ticks."""
    table = [(f"exits of {what}: {reason}", count, None) for reason, (count, _) in exits.items()]
    return [*table, (f"instructions of {what} on the bare machine", bare, None),
            (f"instructions in Orlop over {what}", spent_in(exits), int(bare * SHARE))]


def disk_rows():
    """A boot from a disk, by GRUB to Linux: its exits by reason, and what they cost."""
    case = Case(name="bench-disk", options="disk exitcost", disk="build/disk/exits-linux.img",
                **LINUX_END)
    exits, bare = exits_of(case), bare_ticks(case)
    return exits_table("a boot from the disk", exits, bare)


def memtest_pass(iso, folder, examine):
    """What examine(the stopped machine, its serial line) gives at the end of a pass."""
    with Examined(Machine(iso=iso, memory_mib=MEMTEST_MIB, linux=True), folder) as bochs:
        bochs.serial.settimeout(600)
        line = b""
        while b"Status: Pass" not in line:
            data = bochs.serial.recv(65536)
            if not data:
                raise EmulatorError(f"memtest86+ ended before its pass:\n{bochs.log_tail()}")
            line += data
        return examine(bochs, line.decode(errors="replace"))


def _counters(bochs, line):
    bochs.stop_machine()
    found = re.search(r"own range 0x([0-9a-f]+)-0x([0-9a-f]+)", line)
    return read_counters(bochs, BUILD / "orlop.elf", [int(text, 16) for text in found.groups()])


def memtest_rows():
    """A pass of memtest86+ over a small memory. It never tells Orlop to stop, so Orlop is looked into."""
    with tempfile.TemporaryDirectory(prefix="orlop-bench-") as name:
        folder = pathlib.Path(name)
        make_direct_iso(folder / "above.iso", BUILD / "orlop.elf", "exitcost",
                        [(MEMTEST, f"linux16 {MEMTEST_WORDS}")])
        make_bare_linux_iso(folder / "bare.iso", MEMTEST, MEMTEST_WORDS.split(), [], bits="16")
        exits = memtest_pass(folder / "above.iso", folder, _counters)
        bare = memtest_pass(folder / "bare.iso", folder, lambda bochs, _: bochs.stop_machine())
    bare -= bare % STOP_PRECISION
    return exits_table("a pass of memtest86+", exits, bare)


def linux_rows():
    """A boot's exits by reason, what they cost, and that idling and working adds none."""
    boot_exits = linux_exits("")
    table = [(f"exits of a Linux boot: {reason}", count, LINUX_EXITS)
             for reason, (count, _) in boot_exits.items()]
    total = sum(count for count, _ in boot_exits.values())
    table.append(("exits of a Linux boot, all", total, LINUX_EXITS))
    table.append(("instructions in Orlop over a Linux boot", spent_in(boot_exits), LINUX_SPENT))
    for what, words in (("an idle minute", "orlop.idle=61"),
                        ("2,000 system calls and context switches", "orlop.loops=2001")):
        more = sum(count for count, _ in linux_exits(words).values()) - total
        table.append((f"exits of Linux in {what}", more, 0))
    return table


def console_rows():
    """What each setting of the console costs the guest, and the looks for the key while it idles."""
    figures = {options: exit_figures(options=options) for options, *_ in CONSOLES}
    table = [(f"instructions: {what}", figures[options].get(name), limit)
             for options, name, what, limit in CONSOLES]
    busy, idle = (linux_exits(words, options="exitcost console=watched")
                  for words in ("", "orlop.idle=61"))
    looks = (idle[TIMER][0] - busy[TIMER][0]) / 60
    return [*table, *((f"exits of a Linux boot, console=watched: {reason}", busy[reason][0], None)
                      for reason in ("I/O instruction", TIMER)),
            ("looks for the key a second, idle Linux", looks, LOOKS_A_SECOND)]


def monitor_costs(commands, **fields):
    """What the monitor's `cost` tells after these commands, each with the pattern that it is waited for
    with."""
    case = Case(name="bench-monitor", end="poweroff", modules=["standstill.bin=realmode"],
                debug_port=2, timeout=300, expect=["standstill"], **fields)
    with tempfile.TemporaryDirectory(prefix="orlop-bench-") as folder, Talk(case, folder) as talk:
        for command, pattern in commands:
            talk.debug.send(command)
            talk.debug.expect(pattern)
        talk.debug.send("cost\r")
        talk.debug.expect(r"cost\r+\n(.*)\r\ncpu\d+> ")
        return talk.debug.match.group(1).decode()


def number_in(text, pattern):
    found = re.search(pattern, text)
    return int(found.group(1)) if found else None


def wire_idle():
    """Of the time that gdb's 64 KiB of memory take, in percent, how long no byte is on the wire."""
    case = Case(name="bench-gdb", end="poweroff", modules=["realmode.bin=realmode"], debug_port=2,
                options="debug=com2 stop=launch", timeout=300, expect=["realmode"])
    with tempfile.TemporaryDirectory(prefix="orlop-bench-") as folder, Talk(case, folder) as talk:
        commands = ["set pagination off", f"target remote {talk.address}", "monitor cost",
                    f"dump binary memory {folder}/memory 0x100000 0x110000", "monitor cost", "kill"]
        words = [word for command in commands for word in ("-ex", command)]
        said = subprocess.run(["gdb", "-batch", "-nx", *words], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=200,
                              check=False).stdout
        start, end = map(int, re.findall(r"the TSC is at (\d+)", said))
        if (pathlib.Path(folder) / "memory").stat().st_size != 65536:
            raise BootFailure("gdb has not read its 64 KiB")
    ticks_a_byte = BOCHS_IPS * 10 / 115200
    return 100 - round(100 * 2 * 65536 * ticks_a_byte / (end - start), 1)


def debugger_rows():
    """What the debugger costs: stops, steps, breakpoints; and that a read of gdb's keeps the wire busy."""
    ready = ("", r"hypercall[^>]*cpu0> ")
    stop = [ready, ("cont\r", "running> "), ("\x03", r"asked for[^>]*cpu0> ")]
    steps = [ready, ("step 10000\r", r"cpu0: step[^>]*cpu0> ")]
    table = [("ticks: a key until all 4 CPUs stand still", number_in(monitor_costs(
        stop, cpus=4, options="debug=com2"), r"still after (\d+)"), STOP_LIMIT)]
    # The packaged Bochs has no monitor trap flag that works.
    ticks = number_in(monitor_costs(steps, options="debug=com2"), r"took (\d+) ticks")
    table.append(("instructions: a single step, by the NMI window", ticks and ticks / 10000, None))
    hit = monitor_costs([("", r"panic[^>]*cpu0> ")], options="debug=com2 panic=0x7c00 exitcost")
    table.append(("instructions: a breakpoint until its session begins",
                  number_in(hit, r"began (\d+)"), None))
    table.append(("percent of the time that the wire is idle while gdb reads 64 KiB", wire_idle(),
                  MOST_IDLE))
    return table


def nest_rows():
    """What exits cost in the nest, and those of a boot of Linux; no limit, for it is KVM's work."""
    row = {"name": "bench-nest", "emulator": "nest", "needs_bochs": 3, "timeout": 900}
    version = Bochs.version()
    problem = why_skipped(Case(**row, end="poweroff", expect=["^exits"]), version)
    if problem:
        raise EmulatorError(problem)
    print(f"{version}, {Qemu.version()}\n")
    figures = {name: round(figure) for name, figure in exit_figures(**row).items()}
    table = [(f"instructions: {what}", figures.get(name), None) for name, what, _ in EXITS]
    counts = {reason: count for reason, (count, _)
              in linux_exits("quiet cryptomgr.notests", emulator="nest").items()}
    table += [(f"exits of a Linux boot: {reason}", count, None) for reason, count in counts.items()]
    return [*table, ("exits of a Linux boot, all", sum(counts.values()), None)]


def rows(figures, image):
    """(what, figure or None, limit) of the whole table."""
    table = [(f"instructions: {what}", figures.get(name), limit) for name, what, limit in EXITS]
    table += mode_rows(figures)
    table += boot_rows()
    table += stop_rows()
    table += linux_rows()
    table += console_rows()
    table += debugger_rows()
    table += disk_rows()
    table += memtest_rows()
    table += image_rows(image)
    table.append(("bytes: hidden memory, 8 CPUs", hidden_bytes(), HIDDEN_LIMIT))
    return table


def show(table):
    """Prints the table; says whether every figure is there and within its limit."""
    print("| what | measured | at most |\n|---|---|---|")
    fine = True
    for what, figure, limit in table:
        good = figure is not None and (limit is None or figure <= limit)
        fine = fine and good
        shown = "missing" if figure is None else f"{round(figure, 3):,}".removesuffix(".0")
        verdict = "" if good or figure is None else " **too much**"
        print(f"| {what} | {shown}{verdict} | {'' if limit is None else format(limit, ',')} |")
    return fine


def all_rows():
    # The boots' figures need the debugger, and all must be comparable: always the packaged Bochs.
    Bochs.program = Examined.program = "bochs"
    return rows(exit_figures(), (BUILD / "orlop.elf").read_bytes())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--nest", action="store_true", help="the figures above KVM instead")
    arguments = parser.parse_args()
    try:
        return 0 if show(nest_rows() if arguments.nest else all_rows()) else 1
    except (BootFailure, EmulatorError) as failure:
        print(failure)
        return 1


if __name__ == "__main__":
    sys.exit(main())
