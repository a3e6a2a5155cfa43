#!/usr/bin/python3
"""Makes ISO images that GRUB boots on a BIOS.

Two kinds. The *menu* ISO is the one for people: grub-mkrescue, with a grub.cfg, for CD and USB
stick. The *direct* ISO is for tests and for `make run`: a GRUB of four modules whose built-in
configuration loads one program with one command line, without menu and without delay.

Both are functions of their inputs alone: no clock, no path and no random number gets in, so that
two builds of one commit are the same to the bit. The date is SOURCE_DATE_EPOCH, or the last commit's.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

GRUB_PLATFORM = pathlib.Path("/usr/lib/grub/i386-pc")
# What grub.cfg uses, and what makes an interactive GRUB useful (`e`, `c`, `ls`, another disk).
MENU_MODULES = (
    "normal configfile echo test regexp terminal serial multiboot multiboot2 chain drivemap boot "
    "biosdisk iso9660 part_msdos part_gpt fat ext2 search ls cat reboot halt minicmd help linux "
    "lsmmap lspci net pxe tftp"
)
DIRECT_MODULES = "biosdisk iso9660 multiboot2 boot"
FIXED_EPOCH = 946684800  # a tree without git: 2000-01-01
VOLUME = "ORLOP"


class IsoError(Exception):
    """An ISO could not be made; the text says why."""


def source_epoch(folder=None):
    """The one date of a build, in seconds since 1970."""
    if "SOURCE_DATE_EPOCH" in os.environ:
        return int(os.environ["SOURCE_DATE_EPOCH"])
    folder = folder or pathlib.Path(__file__).resolve().parent
    git = subprocess.run(["git", "-c", "safe.directory=*", "-C", str(folder), "log", "-1",
                          "--format=%ct"], capture_output=True, text=True, check=False)
    return int(git.stdout) if git.returncode == 0 and git.stdout.strip() else FIXED_EPOCH


def _xorriso_date(epoch):
    return time.strftime("%Y%m%d%H%M%S00", time.gmtime(epoch))


def _run(command, epoch):
    environment = dict(os.environ, SOURCE_DATE_EPOCH=str(epoch), TZ="UTC", LC_ALL="C")
    try:
        result = subprocess.run(command, env=environment, capture_output=True, text=True,
                                check=False)
    except FileNotFoundError as error:
        raise IsoError(f"{command[0]} is missing: run `make deps`") from error
    if result.returncode:
        raise IsoError(f"{command[0]} failed:\n{result.stderr}{result.stdout}")


def _check_platform():
    if not (GRUB_PLATFORM / "cdboot.img").exists():
        raise IsoError(f"{GRUB_PLATFORM}: GRUB's BIOS images are missing: run `make deps`")


def _copy_files(tree, files):
    """files: (name in /boot, path). Two files of one name would hide each other."""
    (tree / "boot").mkdir()
    for name, path in files:
        target = tree / "boot" / name
        if target.exists():
            if target.read_bytes() == pathlib.Path(path).read_bytes():
                continue
            raise IsoError(f"two different files are called {name}")
        shutil.copyfile(path, target)


def _dates(epoch):
    date = _xorriso_date(epoch)
    return ["-volid", VOLUME, "-volume_date", "all_file_dates", date, "-volume_date", "uuid", date]


def _write(output, make):
    """Calls make(path) and puts the result in place in one step, so that no half ISO is left."""
    output = pathlib.Path(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        make(partial)
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)


def make_menu_iso(output, grub_cfg, files, epoch=None):
    """files: (name in /boot, path) pairs; grub_cfg: the path of the menu."""
    _check_platform()
    epoch = source_epoch() if epoch is None else epoch
    with tempfile.TemporaryDirectory(prefix="orlop-iso-") as folder:
        tree = pathlib.Path(folder) / "tree"
        tree.mkdir()
        _copy_files(tree, files)
        (tree / "boot/grub").mkdir()
        shutil.copyfile(grub_cfg, tree / "boot/grub/grub.cfg")
        _write(output, lambda path: _run(
            ["grub-mkrescue", "-d", str(GRUB_PLATFORM), "--locales=", "--fonts=", "--themes=",
             f"--install-modules={MENU_MODULES}", "-o", str(path), str(tree), "--", *_dates(epoch)],
            epoch))


def _grub_word(text):
    """One word of a GRUB command; quoted only where it has to be."""
    if text and all(c.isalnum() or c in "/._-=,:+%@^" for c in text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"


def grub_commands(elf_name, options, modules):
    """The boot commands. options: a string; modules: (name in /boot, string) pairs."""
    lines = [["multiboot2", f"/boot/{elf_name}", *options.split()]]
    lines += [["module2", f"/boot/{name}", *string.split()] for name, string in modules]
    return "".join(" ".join(map(_grub_word, words)) + "\n" for words in lines)


def make_direct_iso(output, elf, options="", modules=(), epoch=None, extra_commands=""):
    """An ISO that loads `elf` with `options` at once. modules: (path, string) pairs.

    extra_commands are GRUB commands of modules that DIRECT_MODULES names, run before the others.
    """
    _check_platform()
    epoch = source_epoch() if epoch is None else epoch
    elf = pathlib.Path(elf)
    modules = [(pathlib.Path(path), string) for path, string in modules]
    for path in [elf, *(path for path, _ in modules)]:
        if not path.is_file():
            raise IsoError(f"{path}: no such file")
    if subprocess.run(["grub-file", "--is-x86-multiboot2", str(elf)], check=False).returncode:
        raise IsoError(f"{elf}: not a multiboot2 program")
    with tempfile.TemporaryDirectory(prefix="orlop-iso-") as folder:
        folder = pathlib.Path(folder)
        tree = folder / "tree"
        tree.mkdir()
        _copy_files(tree, [(elf.name, elf), *((path.name, path) for path, _ in modules)])
        config = folder / "early.cfg"
        config.write_text(extra_commands + grub_commands(
            elf.name, options, [(path.name, string) for path, string in modules]) + "boot\n",
            encoding="utf-8")
        core = folder / "core.img"
        _run(["grub-mkimage", "-d", str(GRUB_PLATFORM), "-O", "i386-pc", "-c", str(config),
              "-p", "/boot/grub", "-o", str(core), *DIRECT_MODULES.split()], epoch)
        loader = tree / "boot/loader.img"
        loader.write_bytes((GRUB_PLATFORM / "cdboot.img").read_bytes() + core.read_bytes())
        _write(output, lambda path: _run(
            ["xorriso", "-as", "mkisofs", "-quiet", "-r", "-V", VOLUME,
             f"--modification-date={_xorriso_date(epoch)}", "--set_all_file_dates",
             _xorriso_date(epoch), "-b", "boot/loader.img", "-no-emul-boot", "-boot-load-size", "4",
             "-boot-info-table", "-o", str(path), str(tree)], epoch))


def _parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--output", required=True)
    parser.add_argument("--elf", required=True, help="the multiboot2 program")
    parser.add_argument("--menu", metavar="GRUB_CFG", help="make the menu ISO with this grub.cfg")
    parser.add_argument("--append", default="", help="options of the program (direct ISO)")
    parser.add_argument("--module", action="append", default=[], metavar="FILE[=STRING]",
                        help="a module and its string; for the menu ISO, a file in /boot")
    return parser.parse_args()


def main():
    arguments = _parse_arguments()
    modules = []
    for text in arguments.module:
        path, _, string = text.partition("=")
        modules.append((pathlib.Path(path), string))
    elf = pathlib.Path(arguments.elf)
    try:
        if arguments.menu:
            files = [(elf.name, elf), *((path.name, path) for path, _ in modules)]
            make_menu_iso(arguments.output, arguments.menu, files)
        else:
            make_direct_iso(arguments.output, elf, arguments.append, modules)
    except (IsoError, OSError) as error:
        raise SystemExit(f"make_iso: {error}") from error


if __name__ == "__main__":
    main()
