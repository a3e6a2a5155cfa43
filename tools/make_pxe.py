#!/usr/bin/python3
"""Fills a folder with what a TFTP server needs to boot a BIOS machine over the network (PXE).

As with ISO images there are two kinds. The *menu* folder is the one for people: GRUB's network
image as grub-mknetdir makes it, with a grub.cfg. The *direct* folder is for tests: one network
image whose built-in configuration loads one program at once.

The files lie where they lie on the ISO, so that one grub.cfg serves both: a path without a device
is on the device that GRUB came from, and over the network that is (tftp). The date that is kept out
of ISO images is nowhere in these files, so two builds of one commit are the same here too.
"""

import pathlib
import tempfile

from make_iso import (GRUB_PLATFORM, MENU_MODULES, IsoError, copy_boot_files, direct_boot,
                      menu_contents, menu_parser, run_tool, source_epoch, write_menu)

BOOTFILE = "boot/grub/i386-pc/core.0"   # what DHCP names; tftp-root is the folder
DIRECT_MODULES = "pxe tftp multiboot2 boot"


def _check_platform():
    if not (GRUB_PLATFORM / "pxeboot.img").exists():
        raise IsoError(f"{GRUB_PLATFORM}: GRUB's network images are missing: run `make deps`")


def _make_readable(folder):
    """A TFTP server is another user, whatever our umask is."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def _write(output, fill):
    """Calls fill(folder) and puts the folder in the place of an older one, so that none is half."""
    output = pathlib.Path(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=output.parent) as room:
        made, old = pathlib.Path(room) / "new", pathlib.Path(room) / "old"
        made.mkdir()
        fill(made)
        _make_readable(made)
        if output.exists():
            output.rename(old)
        made.rename(output)


def make_menu_folder(output, grub_cfg, files, linux=()):
    """The arguments are those of write_menu."""
    _check_platform()

    def fill(folder):
        run_tool(["grub-mknetdir", f"--net-directory={folder}", "--subdir=/boot/grub", "-d",
                  str(GRUB_PLATFORM), "--locales=", "--fonts=", "--themes=",
                  f"--install-modules={MENU_MODULES}"], source_epoch())
        write_menu(folder, grub_cfg, files, linux)
    _write(output, fill)


def make_direct_folder(output, elf, options="", modules=()):
    """A folder whose boot file loads `elf` with `options` at once; modules as in direct_boot."""
    _check_platform()
    files, commands = direct_boot(elf, options, modules)

    def fill(folder):
        copy_boot_files(folder, files)
        image = folder / BOOTFILE
        image.parent.mkdir(parents=True)
        config = folder / "early.cfg"
        config.write_text(commands + "boot\n", encoding="utf-8")
        run_tool(["grub-mkimage", "-d", str(GRUB_PLATFORM), "-O", "i386-pc-pxe", "-c", str(config),
                  "-p", "/boot/grub", "-o", str(image), *DIRECT_MODULES.split()], source_epoch())
        config.unlink()
    _write(output, fill)


def main():
    arguments = menu_parser(__doc__).parse_args()
    try:
        make_menu_folder(arguments.output, arguments.menu, *menu_contents(arguments))
    except (IsoError, OSError) as error:
        raise SystemExit(f"make_pxe: {error}") from error


if __name__ == "__main__":
    main()
