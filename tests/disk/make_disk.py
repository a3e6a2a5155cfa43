#!/usr/bin/python3
"""Makes a hard disk that starts a boot loader of Debian's, as its installer would leave it: an MBR, one
active FAT partition at 1 MiB with the loader's files, its configuration and a kernel. Needs no root.

GRUB's boot and core image go where grub-install puts them: the first sector, less the partition table,
and the gap behind it. SYSLINUX's installer writes to the partition itself, and its mbr.bin goes first.
"""

import argparse
import pathlib
import struct
import subprocess
import sys
import tempfile

SECTOR = 512
PARTITION_AT = 1 << 20
TABLE_AT, CODE_BYTES = 446, 440
FAT16_LBA, ACTIVE = 0x0E, 0x80
GRUB = pathlib.Path("/usr/lib/grub/i386-pc")
GRUB_CORE = "biosdisk part_msdos fat".split()
SYSLINUX_MBR = pathlib.Path("/usr/lib/syslinux/mbr/mbr.bin")


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def partition_table(size):
    """One entry; the fields of cylinders and heads say that they are not to be used."""
    entry = struct.pack("<B3sB3sII", ACTIVE, b"\xfe\xff\xff", FAT16_LBA, b"\xfe\xff\xff",
                        PARTITION_AT // SECTOR, (size - PARTITION_AT) // SECTOR)
    return entry.ljust(64, b"\0") + b"\x55\xaa"


def put(image, at, data):
    with open(image, "r+b") as file:
        file.seek(at)
        file.write(data)


def copy(image, source, name):
    run("mcopy", "-D", "o", "-i", f"{image}@@{PARTITION_AT}", source, f"::{name}")


def install_grub(image, configuration):
    for folder in ("boot", "boot/grub", "boot/grub/i386-pc"):
        run("mmd", "-i", f"{image}@@{PARTITION_AT}", f"::{folder}")
    run("mcopy", "-i", f"{image}@@{PARTITION_AT}", *sorted(GRUB.glob("*.mod")),
        *sorted(GRUB.glob("*.lst")), "::boot/grub/i386-pc")
    copy(image, configuration, "boot/grub/grub.cfg")
    with tempfile.TemporaryDirectory() as folder:
        core = pathlib.Path(folder, "core.img")
        run("grub-mkimage", "-O", "i386-pc", "-d", GRUB, "-p", "(hd0,msdos1)/boot/grub", "-o", core,
            *GRUB_CORE)
        # By default each finds the next one right behind it on the disk.
        put(image, 0, (GRUB / "boot.img").read_bytes()[:CODE_BYTES])
        put(image, SECTOR, core.read_bytes())


def install_syslinux(image, configuration):
    copy(image, configuration, "syslinux.cfg")
    run("syslinux", "--install", "--offset", str(PARTITION_AT), image)
    put(image, 0, SYSLINUX_MBR.read_bytes()[:CODE_BYTES])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--size", type=int, default=48, metavar="MIB")
    parser.add_argument("--grub", metavar="FILE", help="its grub.cfg")
    parser.add_argument("--syslinux", metavar="FILE", help="its syslinux.cfg")
    parser.add_argument("files", nargs="*", metavar="NAME=FILE", help="into the partition's top folder")
    arguments = parser.parse_args()
    image, size = arguments.output.with_suffix(".new"), arguments.size << 20
    image.write_bytes(b"")
    put(image, size - 1, b"\0")
    put(image, TABLE_AT, partition_table(size))
    run("mformat", "-i", f"{image}@@{PARTITION_AT}", "-T", str((size - PARTITION_AT) // SECTOR),
        "-h", "255", "-s", "63", "-H", str(PARTITION_AT // SECTOR), "::")
    for text in arguments.files:
        name, _, file = text.partition("=")
        copy(image, file, name)
    if arguments.grub:
        install_grub(image, arguments.grub)
    if arguments.syslinux:
        install_syslinux(image, arguments.syslinux)
    image.rename(arguments.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
