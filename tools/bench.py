#!/usr/bin/python3
"""Measures Orlop in Bochs with one CPU, where a tick is an instruction: same digits every run.

Prints a Markdown table and fails when a figure is over its limit or missing.
"""

import pathlib
import re
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/boot"))

from check_image import load_segments  # noqa: E402
from harness import BUILD, BootFailure, Case, boot  # noqa: E402

# The guest's name of a figure, what it is, and the most it may be.
EXITS = [
    ("cpuid-0", "CPUID exit, 64-bit mode", 80),
    ("real-cpuid-0", "CPUID exit, real mode", 80),
    ("rdmsr-feature-control", "RDMSR of a guarded MSR, 64-bit mode", 110),
    ("real-rdmsr-feature-control", "RDMSR of a guarded MSR, real mode", 110),
    ("wrmsr-mtrr-def-type", "WRMSR of a guarded MSR, 64-bit mode", 110),
    ("real-wrmsr-mtrr-def-type", "WRMSR of a guarded MSR, real mode", 110),
    ("vmcall-version", "VMCALL, 64-bit mode", 110),
    ("real-vmcall-version", "VMCALL, real mode", 110),
    ("xsetbv-same", "XSETBV", 150),
    ("mov-cr4-toggle-osxsave-twice", "two CR4 writes that exit", 220),
]
IMAGE_LIMIT = 128 * 1024


def exit_figures():
    """{name: instructions} as the guest `exits` printed them."""
    case = Case(name="bench-exits", end="poweroff", modules=["exits.bin=realmode"], timeout=120,
                expect=["^exits PASS", "^exits DONE"])
    with tempfile.TemporaryDirectory(prefix="orlop-bench-") as folder:
        lines = boot(case, folder)
    found = (re.match(r"bench (\S+) per_exit=([\d.]+)", line) for line in lines)
    return {match.group(1): float(match.group(2)) for match in found if match}


def rows(figures, image_bytes):
    """(what, figure or None, limit) of the whole table."""
    table = [(f"instructions: {what}", figures.get(name), limit) for name, what, limit in EXITS]
    table.append(("bytes: loaded image", image_bytes, IMAGE_LIMIT))
    return table


def show(table):
    """Prints the table; says whether every figure is there and within its limit."""
    print("| what | measured | at most |\n|---|---|---|")
    fine = True
    for what, figure, limit in table:
        good = figure is not None and figure <= limit
        fine = fine and good
        shown = "missing" if figure is None else f"{figure:,.10g}"
        verdict = "" if good or figure is None else " **too much**"
        print(f"| {what} | {shown}{verdict} | {limit:,} |")
    return fine


def main():
    try:
        figures = exit_figures()
    except BootFailure as failure:
        print(failure)
        return 1
    size = sum(memory for _, memory in load_segments((BUILD / "orlop.elf").read_bytes()))
    return 0 if show(rows(figures, size)) else 1


if __name__ == "__main__":
    sys.exit(main())
