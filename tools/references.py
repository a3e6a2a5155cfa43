#!/usr/bin/python3
"""Records what guests print without Orlop, for the rows of the matrix with `bare = true`.

The file's name holds the row, the versions of emulator, BIOS and GRUB, and the guest's hash. What
an earlier run recorded for the row with this emulator is removed; what another version of it gave
stays, so `make references` and `make references BOCHS=bochs` fill the folder for both.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/boot"))

from compare import section_lines  # noqa: E402
from emulators import PACKAGED_BIOS  # noqa: E402
from harness import (REFERENCES, BootFailure, boot, emulator_of, guest_lines,  # noqa: E402
                     guest_of, load_cases, reference_path, without_orlop)


def package_version(name):
    """Debian's version of a package, short enough for a file's name."""
    said = subprocess.run(["dpkg-query", "-W", "-f=${Version}", name], capture_output=True,
                          text=True, check=False)
    return re.sub(r"[^\w.+-]", "_", said.stdout) or "unknown"


def bios_version(case):
    """Of the package; of the BIOS that was built with Bochs, Bochs' own."""
    if case.emulator != "bochs":
        return f"seabios-{package_version('seabios')}"
    if emulator_of(case).bios(case) != PACKAGED_BIOS:
        return emulator_of(case).version().replace("bochs", "bochsbios")
    return f"bochsbios-{package_version('bochsbios')}"


def versions(case):
    kernel = f".{guest_of(case).resolve().name}" if case.compare else ""
    card = f".ipxe-{package_version('ipxe-qemu')}" if case.network else ""
    return (f"{emulator_of(case).version()}.{bios_version(case)}{card}"
            f".grub-{package_version('grub-common')}{kernel}")


def record(case):
    """Runs the row's guest on the bare machine and writes what it says."""
    with tempfile.TemporaryDirectory(prefix="orlop-bare-") as folder:
        lines = boot(without_orlop(case), folder)
    lines = section_lines(lines) if case.compare else guest_lines(case, lines)
    REFERENCES.mkdir(parents=True, exist_ok=True)
    for old in REFERENCES.glob(f"{case.name}@{emulator_of(case).version()}.*"):
        old.unlink()
    path = reference_path(case, versions(case))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{path.relative_to(ROOT)}: {len(lines)} lines")


def main():
    status = 0
    for case in load_cases(ROOT / "tests/boot/matrix.toml"):
        if not (case.bare is True or case.compare) or (sys.argv[1:] and case.name not in sys.argv[1:]):
            continue
        try:
            record(case)
        except BootFailure as failure:
            print(failure)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
