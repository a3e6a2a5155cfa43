#!/usr/bin/python3
"""Makes a hard disk that starts a boot loader of Debian's, as its installer leaves it: an MBR, one active
partition at 1 MiB with the loader's files, its configuration and a kernel. Needs no root.

GRUB's partition is ext4. grub-install wants a disk and a mounted file system, so it runs in a Linux, the
stock kernel with busybox, in QEMU. SYSLINUX's partition is FAT; its installer writes to it, and its
mbr.bin goes first.
"""

import argparse
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from initramfs import libraries, modules, shell_archive, write  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
LINUX = ROOT / "build/linux"

SECTOR = 512
PARTITION_AT = 1 << 20
TABLE_AT, CODE_BYTES = 446, 440
FAT16_LBA, EXT4, ACTIVE = 0x0E, 0x83, 0x80
# What GRUB 2.06 cannot read is off.
EXT4_FEATURES = "^metadata_csum_seed,^orphan_file"
EXT4_ID = "0f1ab1e5-0000-4000-8000-000000000001"
GRUB_INSTALL = "/usr/sbin/grub-install"
GRUB_FOLDER = pathlib.Path("/usr/lib/grub/i386-pc")
# Of the disk; each needs those before it.
MODULES = ("scsi_common", "scsi_mod", "libata", "ata_piix", "sd_mod")
INSTALL_SECONDS = 300
SYSLINUX_MBR = pathlib.Path("/usr/lib/syslinux/mbr/mbr.bin")


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def partition_table(size, kind):
    """One entry; the fields of cylinders and heads say that they are not to be used."""
    entry = struct.pack("<B3sB3sII", ACTIVE, b"\xfe\xff\xff", kind, b"\xfe\xff\xff",
                        PARTITION_AT // SECTOR, (size - PARTITION_AT) // SECTOR)
    return entry.ljust(64, b"\0") + b"\x55\xaa"


def put(image, at, data):
    with open(image, "r+b") as file:
        file.seek(at)
        file.write(data)


def copy(image, source, name):
    run("mcopy", "-D", "o", "-i", f"{image}@@{PARTITION_AT}", source, f"::{name}")


def make_fat(image, size, files):
    run("mformat", "-i", f"{image}@@{PARTITION_AT}", "-T", str((size - PARTITION_AT) // SECTOR),
        "-h", "255", "-s", "63", "-H", str(PARTITION_AT // SECTOR), "::")
    for name, path in files:
        copy(image, path, name)


def make_ext4(image, size, files, configuration):
    """files: (name, path) pairs."""
    with tempfile.TemporaryDirectory() as tree:
        for name, path in [*files, ("boot/grub/grub.cfg", configuration)]:
            target = pathlib.Path(tree, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        run("/sbin/mke2fs", "-q", "-t", "ext4", "-O", EXT4_FEATURES, "-U", EXT4_ID, "-d", tree, "-E",
            f"offset={PARTITION_AT},hash_seed={EXT4_ID},root_owner=0:0", image,
            f"{(size - PARTITION_AT) >> 10}k")


def installer():
    """The archive of the Linux that runs grub-install."""
    archive = shell_archive(LINUX / "busybox")
    for path in [GRUB_INSTALL, *libraries(GRUB_INSTALL), *sorted(GRUB_FOLDER.iterdir())]:
        archive.add_as_here(path)
    for name, data in modules(LINUX, MODULES):
        archive.add_file(f"orlop/{name}", data)
    archive.add_file("orlop/modules", "".join(f"{name}.ko\n" for name in MODULES).encode())
    archive.add_file("orlop/run", (HERE / "grub_install.sh").read_bytes(), True)
    return archive


def install_grub(image):
    with tempfile.TemporaryDirectory() as folder:
        initramfs = pathlib.Path(folder, "initramfs")
        write(initramfs, installer(), "none")
        said = subprocess.run(
            ["qemu-system-x86_64", "-accel", "tcg", "-m", "512", "-nodefaults", "-display", "none",
             "-no-reboot", "-serial", "stdio", "-kernel", LINUX / "vmlinuz", "-initrd", initramfs,
             "-append", "console=ttyS0 quiet", "-drive", f"file={image},format=raw,if=ide"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=INSTALL_SECONDS, check=True).stdout
    if b"\ngrub-install: done" not in said:
        sys.exit("make_disk: grub-install failed:\n" + said.decode(errors="replace")[-2000:])


def install_syslinux(image, configuration):
    copy(image, configuration, "syslinux.cfg")
    run("syslinux", "--install", "--offset", str(PARTITION_AT), image)
    put(image, 0, SYSLINUX_MBR.read_bytes()[:CODE_BYTES])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--size", type=int, default=48, metavar="MIB")
    loader = parser.add_mutually_exclusive_group(required=True)
    loader.add_argument("--grub", metavar="FILE", help="its grub.cfg")
    loader.add_argument("--syslinux", metavar="FILE", help="its syslinux.cfg")
    parser.add_argument("files", nargs="*", metavar="NAME=FILE", help="into the partition's top folder")
    arguments = parser.parse_args()
    image, size = arguments.output.with_suffix(".new"), arguments.size << 20
    image.write_bytes(b"")
    put(image, size - 1, b"\0")
    put(image, TABLE_AT, partition_table(size, EXT4 if arguments.grub else FAT16_LBA))
    files = [text.split("=", 1) for text in arguments.files]
    if arguments.grub:
        make_ext4(image, size, files, arguments.grub)
        install_grub(image)
    else:
        make_fat(image, size, files)
        install_syslinux(image, arguments.syslinux)
    image.rename(arguments.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
