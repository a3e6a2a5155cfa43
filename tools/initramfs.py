#!/usr/bin/python3
"""Makes the initramfs of the Linux guest: busybox, an /init, a shell, and a tree of yours.

It is a function of its inputs alone: names are sorted, all files are root's, rights are 755 or 644,
and no date, inode number or owner of the host gets in. Nothing of it needs root.

A tree that is added (--add) lies over ours: its /orlop/run, if there is one, is run instead of the
shell, with the console as its output; then the machine is powered off.
"""

import argparse
import lzma
import os
import pathlib
import re
import stat
import subprocess
import sys
import tempfile

TOOLS = pathlib.Path(__file__).resolve().parent
OURS = {"init": TOOLS / "guest_init.sh", "bin/guest-shell": TOOLS / "guest_shell.sh"}
FOLDERS = ("bin", "dev", "etc", "orlop", "proc", "root", "run", "sbin", "sys", "tmp")
CONSOLE = (5, 1)
# Each writes what the kernel's decompressors can read, without name or date.
COMPRESSORS = {
    "none": None,
    "gz": ["gzip", "-9n"],
    "bzip2": ["bzip2", "-9"],
    "lzma": ["xz", "--format=lzma", "-6"],
    "xz": ["xz", "--check=crc32", "-6"],
    "lzo": ["lzop", "-9"],
    "lz4": ["lz4", "-l", "-9"],
    "zstd": ["zstd", "-19", "-q", "--no-check"],
}
PACKAGES = {"xz": "xz-utils", "lzop": "lzop", "lz4": "lz4", "zstd": "zstd"}
SIGNED = b"~Module signature appended~\n"   # without it nobody takes the time to verify one
UNPACK = {".ko": bytes, ".ko.xz": lzma.decompress}
LARGEST_FILE = (1 << 32) - 1  # eight hexadecimal digits


class InitramfsError(Exception):
    """No initramfs could be made; the text says why."""


class Archive:
    """What is to be in a cpio archive of the kind "newc", by name."""

    def __init__(self):
        self.entries = {}

    def add_folder(self, name):
        self._add(name, stat.S_IFDIR | 0o755, b"")

    def add_file(self, name, data, executable=False):
        if len(data) > LARGEST_FILE:
            raise InitramfsError(f"{name}: 4 GiB or more do not fit into an initramfs")
        self._add(name, stat.S_IFREG | (0o755 if executable else 0o644), data)

    def add_link(self, name, target):
        self._add(name, stat.S_IFLNK | 0o777, os.fsencode(target))

    def add_character_device(self, name, major, minor):
        self._add(name, stat.S_IFCHR | 0o600, b"", (major, minor))

    def add_tree(self, top):
        """Everything below a folder; sockets and devices are an error."""
        top = pathlib.Path(top)
        if not top.is_dir():
            raise InitramfsError(f"{top}: no such folder")
        for path in sorted(top.rglob("*")):
            name, mode = path.relative_to(top).as_posix(), path.lstat().st_mode
            if stat.S_ISLNK(mode):
                self.add_link(name, os.readlink(path))
            elif stat.S_ISDIR(mode):
                self.add_folder(name)
            elif stat.S_ISREG(mode):
                self.add_file(name, path.read_bytes(), bool(mode & 0o100))
            else:
                raise InitramfsError(f"{path}: neither file, folder nor link")

    def add_as_here(self, path):
        """A file where it is on this host."""
        path = pathlib.PurePosixPath(path)
        for folder in [*path.parents][-2::-1]:
            self.add_folder(str(folder)[1:])
        self.add_file(str(path)[1:], pathlib.Path(path).read_bytes(), True)

    def _add(self, name, mode, data, device=(0, 0)):
        was = self.entries.get(name)
        if was and stat.S_ISDIR(was[0]) != stat.S_ISDIR(mode):
            raise InitramfsError(f"{name}: a folder in one place, none in another")
        self.entries[name] = (mode, data, device)

    def pieces(self):
        """The bytes, piece by piece. A folder comes before what is in it."""
        number = 0
        for name in sorted(self.entries, key=os.fsencode):
            number += 1
            yield from _newc(name, number, *self.entries[name])
        yield from _newc("TRAILER!!!", 0, 0, b"", (0, 0))


def _newc(name, number, mode, data, device):
    links = 2 if stat.S_ISDIR(mode) else 1
    encoded = os.fsencode(name) + b"\0"
    #         ino     mode  uid gid links  mtime size    device  of a device  name's length  checksum
    fields = (number, mode, 0, 0, links, 0, len(data), 0, 0, *device, len(encoded), 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + encoded
    yield head + bytes(-len(head) % 4)
    yield data
    yield bytes(-len(data) % 4)


def applets(busybox):
    """What busybox can be called as: it runs on the host as in the guest."""
    try:
        said = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=False)
    except OSError as error:
        raise InitramfsError(f"{busybox}: {error.strerror}") from error
    if said.returncode or "setsid" not in said.stdout.split():
        raise InitramfsError(f"{busybox}: not a busybox that can be used here")
    return said.stdout.split()


def libraries(program):
    """The paths of what a program of this host's is linked with, its loader too."""
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    missing = re.findall(r"(\S+) => not found", said)
    if missing or "=>" not in said:
        raise InitramfsError(f"{program}: not what can be run here: {', '.join(missing) or said}")
    return re.findall(r"(/\S+) \(0x", said)


def modules(linux, names):
    """(name, bytes) of each of these modules for the kernel in the folder."""
    version = (linux / "vmlinuz").resolve().name.partition("-")[2]
    for name in names:
        found = sorted((linux / "modules" / version).rglob(f"{name}.ko*"))
        suffix = found[0].name.removeprefix(name) if found else ""
        if suffix not in UNPACK:
            raise InitramfsError(f"{linux}/modules/{version} has no {name} as {' or '.join(UNPACK)}: "
                                 f"rm -r {linux} and run `make linux`")
        yield f"{name}.ko", UNPACK[suffix](found[0].read_bytes()).removesuffix(SIGNED)


def shell_archive(busybox):
    """The archive that brings a machine up to a shell."""
    archive = Archive()
    for name in FOLDERS:
        archive.add_folder(name)
    archive.add_character_device("dev/console", *CONSOLE)
    for applet in applets(busybox):
        archive.add_link(f"bin/{applet}", "busybox")
    archive.add_file("bin/busybox", pathlib.Path(busybox).read_bytes(), True)
    for name, path in OURS.items():
        archive.add_file(name, path.read_bytes(), True)
    return archive


def write(output, archive, compression="gz"):
    """Writes the archive, and puts it in place in one step."""
    output = pathlib.Path(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".initramfs-", dir=output.parent) as folder:
        plain, packed = pathlib.Path(folder, "initramfs"), pathlib.Path(folder, "packed")
        with open(plain, "wb") as file:
            file.writelines(archive.pieces())
        os.utime(plain, (0, 0))  # lzop writes name and date down
        _compress(COMPRESSORS[compression], plain, packed)
        os.utime(packed)
        packed.replace(output)


def _compress(command, plain, packed):
    if command is None:
        plain.replace(packed)
        return
    try:
        with open(packed, "wb") as file:
            result = subprocess.run([*command, "-c", plain], stdout=file, check=False)
    except FileNotFoundError as error:
        package = PACKAGES.get(command[0], command[0])
        raise InitramfsError(f"{command[0]} is missing: install the package {package}") from error
    if result.returncode:
        raise InitramfsError(f"{' '.join(command)} failed with status {result.returncode}")


def _parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--output", required=True)
    parser.add_argument("--busybox", help="a static busybox; without one, only what is added")
    parser.add_argument("--add", action="append", default=[], metavar="FOLDER",
                        help="a tree that is laid over the rest; may be given several times")
    parser.add_argument("--compress", choices=COMPRESSORS, default="gz")
    return parser.parse_args()


def main():
    arguments = _parse_arguments()
    try:
        archive = shell_archive(arguments.busybox) if arguments.busybox else Archive()
        for folder in arguments.add:
            archive.add_tree(folder)
        write(arguments.output, archive, arguments.compress)
    except (InitramfsError, OSError) as error:
        sys.exit(f"initramfs: {error}")


if __name__ == "__main__":
    main()
