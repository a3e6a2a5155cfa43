"""Reads Orlop's exit counters out of the memory of a machine whose guest goes on: by the debugger of
Bochs, with the layout that gdb finds in orlop.elf and the place that Orlop's log tells."""

import pathlib
import re
import signal
import struct
import subprocess
import time

from emulators import Bochs, EmulatorError

ROOT = pathlib.Path(__file__).resolve().parents[1]
ANSWER_SECONDS = 60
PAGE = 4096
FIELDS = ("exits", "cpu", "vmcs", "exit_ticks")


class Examined(Bochs):
    """Bochs that can be stopped and asked."""
    STDIN = subprocess.PIPE
    PROMPT = re.compile(rb"<bochs:\d+> ?$")

    def stop_machine(self):
        """Gives the tick that it stopped at."""
        before = len(self._said())
        self.process.send_signal(signal.SIGINT)
        return int(re.findall(r"Next at t=(\d+)", self._answer(before))[-1])

    def ask(self, command):
        """What the debugger of the stopped machine answers."""
        before = len(self._said())
        self.process.stdin.write(f"{command}\n".encode())
        self.process.stdin.flush()
        return self._answer(before)

    def _said(self):
        return (self.folder / "emulator.out").read_bytes()

    def _answer(self, start):
        """All that was said from `start` on, up to the prompt."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < deadline:
            said = self._said()[start:]
            if self.PROMPT.search(said):
                return said.decode(errors="replace")
            time.sleep(0.05)
        raise EmulatorError(f"Bochs's debugger does not answer:\n{self.log_tail()}")


def _from_elf(elf, expressions):
    """Numbers as gdb finds them."""
    commands = [word for text in expressions for word in ("-ex", f"print/x (unsigned long){text}")]
    said = subprocess.run(["gdb", "-batch", *commands, str(elf)], capture_output=True, text=True,
                          check=True).stdout
    return [int(number, 16) for number in re.findall(r"^\$\d+ = (0x[0-9a-f]+)$", said, re.MULTILINE)]


def _layout(name):
    """A number of base/layout.h."""
    text = (ROOT / "base/layout.h").read_text(encoding="utf-8")
    return int(re.search(rf"^#define {name} +(\w+)", text, re.MULTILINE).group(1), 0)


def _reasons():
    """{number: the SDM's name}"""
    text = (ROOT / "vmx/exit_reasons.h").read_text(encoding="utf-8")
    return {int(number): name for number, name
            in re.findall(r'X\((\d+), \w+,\s+"([^"]+)"', text.replace("\\\n", " "))}


def _find(memory, at, cpu, own_range):
    """The one page that holds the address of CPU 0's struct cpu where struct vmx_cpu has it, as a stack
    may by chance, and that of a page of Orlop's where it has the VMCS."""
    def word(place):
        return struct.unpack_from("<Q", memory, place)[0]
    found = [page for page in range(0, len(memory), PAGE)
             if word(page + at["cpu"]) == cpu and word(page + at["vmcs"]) in range(*own_range, PAGE)]
    if len(found) != 1:
        raise EmulatorError(f"{len(found)} pages of Orlop's look like CPU 0's struct vmx_cpu")
    return found[0]


def read_counters(bochs, elf, own_range):
    """{reason: (exits, ticks each)} of CPU 0, of a machine that is stopped. own_range: where Orlop
    is, as its log tells."""
    base, end = own_range
    *at, count = _from_elf(elf, [*(f"&((struct vmx_cpu *)0)->{name}" for name in FIELDS),
                                 "(sizeof(((struct vmx_cpu *)0)->exits) / 8)"])
    at = dict(zip(FIELDS, at))
    cpu = _layout("LAYOUT_CPU_BASE") + _layout("LAYOUT_SLOT_CPU") * PAGE
    words = re.findall(r"\t0x([0-9a-f]+)", bochs.ask(f"xp /{(end - base) // 8}gx {base:#x}"))
    memory = b"".join(struct.pack("<Q", int(word, 16)) for word in words)
    start = _find(memory, at, cpu, own_range)
    exits = struct.unpack_from(f"<{count}Q", memory, start + at["exits"])
    ticks = struct.unpack_from(f"<{count}Q", memory, start + at["exit_ticks"])
    return {name: (exits[number], ticks[number] // exits[number])
            for number, name in _reasons().items() if number < count and exits[number]}
