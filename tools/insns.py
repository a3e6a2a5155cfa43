#!/usr/bin/python3
"""Runs one block of a guest of random instructions again, bare and above Orlop, and shows each case.

    make build/orlop.elf build/bare.elf
    tools/insns.py insns 17           the first case of block 17 that differs
    tools/insns.py insns 17 17342     all that this case began with and left behind

What the two machines said is in build/insns/.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/boot"))

from harness import Case, boot, without_orlop  # noqa: E402

FOLDER = ROOT / "build/insns"
GUESTS = ["insns", "insnsshared", "insnslong", "insnslegacy", "insnslegacylong"]


def assemble(guest, block, case):
    defines = [f"-DSHOW_BLOCK={block}"] + ([f"-DSHOW_CASE={case}"] if case is not None else [])
    program = FOLDER / f"{guest}.bin"
    subprocess.run(["nasm", "-f", "bin", "-Werror", "-Itests/guests/include/", *defines, "-o", program,
                    f"tests/guests/{guest}/{guest}.asm"], cwd=ROOT, check=True)
    return program


def said(row, program):
    """The guest's lines, also kept in a file."""
    with tempfile.TemporaryDirectory(prefix="orlop-insns-") as folder:
        lines = [line for line in boot(row, folder) if line.startswith(program.stem)]
    (FOLDER / f"{row.name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("guest", choices=GUESTS)
    parser.add_argument("block", type=int)
    parser.add_argument("case", type=int, nargs="?")
    parser.add_argument("--elf", default="orlop.elf", help="in build/, instead of orlop.elf")
    parser.add_argument("--options", default="", help="Orlop's command line")
    arguments = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    program = assemble(arguments.guest, arguments.block, arguments.case)
    row = Case(name=f"show-{arguments.guest}", end="poweroff", timeout=300, expect=["DONE"],
               elf=arguments.elf, options=arguments.options,
               modules=[f"{program.relative_to(ROOT)}=realmode"])
    pairs = list(zip(said(without_orlop(row), program), said(row, program)))
    different = [pair for pair in pairs if pair[0] != pair[1]]
    for bare, above in (pairs if arguments.case is not None else different[:1]):
        print(f"bare:  {bare}\nabove: {above}")
    print(f"{len(different)} of {len(pairs)} lines differ")
    return bool(different)


if __name__ == "__main__":
    sys.exit(main())
