"""The nest: QEMU/KVM with nested VMX, on a host that has neither.

Bochs runs a Linux; that runs QEMU with KVM, on the command line that `make run` gives it on a host
with nested VMX; QEMU runs the machine. So Orlop meets KVM's VMX instead of Bochs', and QEMU's devices.

The Linux is the stock kernel with its own KVM modules. Its initramfs has busybox, this host's QEMU with
the libraries and the firmware that it wants, and what the machine boots from. The machine's serial line
is the Linux's second one, so that it is a socket here as with every emulator. The first one is the
Linux's console; its log is beside the others, and tells how the machine ended.
"""

import dataclasses
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess

import emulators
from emulators import Bochs, EmulatorError, End, Machine, Qemu, qemu_arguments, qemu_outcome
from initramfs import InitramfsError, libraries, modules, shell_archive, write
from make_iso import IsoError, make_bare_linux_iso

TOOLS = pathlib.Path(__file__).resolve().parent
LINUX = TOOLS.parent / "build/linux"
# nokaslr: each run is the same. mitigations=off: an exit costs a third of what it costs with them.
CMDLINE = "console=ttyS0 quiet nokaslr mitigations=off cryptomgr.notests"
MEMORY_MIB = 1024   # for Linux, the initramfs, and QEMU beside the machine's own memory
MODULES = ("irqbypass", "kvm", "kvm-intel")
FIRMWARE = ("bios-256k.bin", "vgabios-stdvga.bin", "kvmvapic.bin")


def firmware(program):
    """The paths of QEMU's firmware, of the folders that it looks into."""
    said = subprocess.run([program, "-L", "help"], capture_output=True, text=True, check=False).stdout
    folders = [pathlib.Path(os.path.normpath(line)) for line in said.splitlines()]
    for name in FIRMWARE:
        found = [folder / name for folder in folders if (folder / name).exists()]
        if not found:
            raise EmulatorError(f"{program} has no {name}: run `make deps`")
        yield found[0]


def contents(machine, program):
    """The archive of the initramfs that runs the machine by that QEMU."""
    archive = shell_archive(LINUX / "busybox")
    for path in [program, *libraries(program), *firmware(program)]:
        archive.add_as_here(path)
    archive.add_folder("nest")
    for name, data in modules(LINUX, MODULES):
        archive.add_file(f"nest/{name}", data)
    inside = dataclasses.replace(machine, iso=pathlib.Path("/nest/boot.iso"))
    command = [program, *qemu_arguments(inside, "pipe,path=/nest/line", "pipe,path=/nest/control",
                                        kvm=True)]
    archive.add_file("nest/boot.iso", machine.iso.read_bytes())
    archive.add_file("nest/command", (shlex.join(command) + "\n").encode())
    archive.add_file("orlop/run", (TOOLS / "nest_run.sh").read_bytes(), True)
    return archive


class Nest(Bochs):
    """One machine in QEMU/KVM, in a Linux, in Bochs."""
    name = "the nest"
    CONSOLE = "console.log"

    def __init__(self, machine, folder):
        folder = pathlib.Path(folder)
        super().__init__(Machine(folder / "nest.iso", memory_mib=MEMORY_MIB + machine.memory_mib,
                                 serial_port=2, linux=True,
                                 extra=[f"com1: enabled=1, mode=file, dev={self.CONSOLE}"]), folder)
        self.inner = machine

    def start(self):
        if self.inner.network or self.inner.disk or not self.inner.iso:
            raise EmulatorError("the nest boots from an ISO alone")
        program = shutil.which(Qemu.program)
        if not program:
            raise EmulatorError(f"{Qemu.program} is not installed: run `make deps`")
        self.folder.mkdir(parents=True, exist_ok=True)
        initramfs = self.folder / "nest.img"
        try:
            write(initramfs, contents(self.inner, program), "lz4")
            make_bare_linux_iso(self.machine.iso, LINUX / "vmlinuz",
                                [*CMDLINE.split(), f"tsc_early_khz={emulators.BOCHS_IPS // 1000}"],
                                [initramfs])
        except (InitramfsError, IsoError) as error:
            raise EmulatorError(str(error)) from error
        finally:
            initramfs.unlink(missing_ok=True)
        super().start()

    def outcome(self):
        outer = super().outcome()
        return qemu_outcome(self._events(), "QEMU told of no end") \
            if outer.end is End.POWEROFF else outer

    def _events(self):
        found = re.findall(r'^\{"timestamp".*\}', self._console(), re.MULTILINE)
        return [json.loads(line) for line in found]

    def _console(self):
        try:
            return (self.folder / self.CONSOLE).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def log_tail(self, lines=15):
        said = [line for line in self._console().splitlines() if line.strip()]
        return "\n".join([*said[-lines:], super().log_tail(lines)]).strip()
