#!/usr/bin/python3
"""Records what guests print without Orlop, for the rows of the matrix with `bare = true`.

The file's name holds the row, the versions of emulator, BIOS and GRUB, and the guest's hash. What
an earlier run recorded for the row is removed.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/boot"))

from emulators import Bochs, Qemu  # noqa: E402
from harness import (REFERENCES, BootFailure, Case, boot, guest_lines, guest_of,  # noqa: E402
                     load_cases, reference_path)


def package_version(name):
    """Debian's version of a package, short enough for a file's name."""
    said = subprocess.run(["dpkg-query", "-W", "-f=${Version}", name], capture_output=True,
                          text=True, check=False)
    return re.sub(r"[^\w.+-]", "_", said.stdout) or "unknown"


def versions(case):
    kind, bios = (Bochs, "bochsbios") if case.emulator == "bochs" else (Qemu, "seabios")
    return (f"{kind.version()}.{bios}-{package_version(bios)}"
            f".grub-{package_version('grub-common')}")


def record(case):
    """Runs the row's guest on the bare machine and writes its lines."""
    guest = guest_of(case).stem
    bare = Case(name=f"{case.name}-bare", end="poweroff", elf="bare.elf", modules=case.modules,
                emulator=case.emulator, cpu=case.cpu, cpus=case.cpus, memory=case.memory,
                timeout=case.timeout, extra=case.extra, expect=[f"^{guest} DONE"])
    with tempfile.TemporaryDirectory(prefix="orlop-bare-") as folder:
        lines = guest_lines(case, boot(bare, folder))
    REFERENCES.mkdir(parents=True, exist_ok=True)
    for old in REFERENCES.glob(f"{case.name}@*"):
        old.unlink()
    path = reference_path(case, versions(case))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{path.relative_to(ROOT)}: {len(lines)} lines")


def main():
    status = 0
    for case in load_cases(ROOT / "tests/boot/matrix.toml"):
        if not case.bare:
            continue
        try:
            record(case)
        except BootFailure as failure:
            print(failure)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
