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
import re
import shutil
import subprocess
import tempfile
import textwrap
import time

GRUB_PLATFORM = pathlib.Path("/usr/lib/grub/i386-pc")
# What grub.cfg uses, and what makes an interactive GRUB useful (`e`, `c`, `ls`, another disk).
MENU_MODULES = (
    "normal configfile echo test regexp terminal serial multiboot multiboot2 chain drivemap boot "
    "biosdisk iso9660 part_msdos part_gpt fat ext2 search ls cat reboot halt minicmd help linux "
    "lsmmap lspci net pxe tftp"
)
DIRECT_MODULES = "biosdisk iso9660 multiboot2 gzio boot"
DIRECT_MULTIBOOT_MODULES = "biosdisk iso9660 multiboot multiboot2 gzio boot"
FIXED_EPOCH = 946684800  # a tree without git: 2000-01-01
VOLUME = "ORLOP"
# Of a kernel on a medium for people: its messages and a shell on the screen and on COM1.
MENU_CMDLINE = "console=tty0 console=ttyS0,115200"


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


def run_tool(command, epoch):
    """Runs a program that must succeed; what it makes has the date `epoch`."""
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


def copy_boot_files(tree, files):
    """Makes tree/boot. files: (name there, path); two files of one name would hide each other."""
    (tree / "boot").mkdir(exist_ok=True)
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


def write_menu(tree, grub_cfg, files, linux):
    """Makes tree/boot with the menu and all that it boots. files: (name in /boot, path) pairs, Orlop
    first; grub_cfg: the path of the menu; linux: the modules of a Linux guest, as linux_modules()
    gives them."""
    copy_boot_files(tree, [*files, *((name, path) for path, _, name in linux)])
    (tree / "boot/grub").mkdir(exist_ok=True)
    shutil.copyfile(grub_cfg, tree / "boot/grub/grub.cfg")
    if linux:
        (tree / "boot/grub/linux.cfg").write_text(linux_menu(files[0][0], linux))


def make_menu_iso(output, grub_cfg, files, epoch=None, linux=()):
    """The arguments are those of write_menu."""
    _check_platform()
    epoch = source_epoch() if epoch is None else epoch
    with tempfile.TemporaryDirectory(prefix="orlop-iso-") as folder:
        tree = pathlib.Path(folder) / "tree"
        tree.mkdir()
        write_menu(tree, grub_cfg, files, linux)
        _write(output, lambda path: run_tool(
            ["grub-mkrescue", "-d", str(GRUB_PLATFORM), "--locales=", "--fonts=", "--themes=",
             f"--install-modules={MENU_MODULES}", "-o", str(path), str(tree), "--", *_dates(epoch)],
            epoch))


def _grub_word(text):
    """One word of a GRUB command; quoted only where it has to be."""
    if text and all(c.isalnum() or c in "/._-=,:+%@^" for c in text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"


def kernel_words(command_line):
    """The words of a Linux command line. As the kernel takes it, a blank between double quotes is
    part of a word; GRUB quotes such a word again."""
    if "'" in command_line or "\\" in command_line:
        raise IsoError("the kernel's command line holds ' or \\, before which GRUB puts a \\; "
                       "do without, or quote with \"")
    if command_line.count('"') % 2:
        raise IsoError('the kernel\'s command line holds a " that is not closed')
    words = re.findall(r'(?:"[^"]*"|[^\s"])+', command_line)
    return [word.replace('"', "") for word in words]


def grub_commands(elf_name, options, modules):
    """The boot commands. options: a string; modules: (name in /boot, string) pairs, where a string
    of several words that hold blanks is a list of them."""
    def words(string):
        return string.split() if isinstance(string, str) else string
    lines = [["multiboot2", f"/boot/{elf_name}", *options.split()]]
    lines += [["module2", f"/boot/{name}", *words(string)] for name, string in modules]
    return "".join(" ".join(map(_grub_word, line)) + "\n" for line in lines)


def linux_modules(kernel, initrds, command_line, role="linux"):
    """The modules of a Linux guest: (path, words, name in /boot) each."""
    names = ["initrd.img", *(f"initrd{i}.img" for i in range(2, len(initrds) + 1))]
    return [(kernel, [role, *kernel_words(command_line)], "vmlinuz"),
            *((path, ["initrd"], name) for path, name in zip(initrds, names))]


def linux_menu(elf_name, modules):
    """The menu's entries for the modules of a Linux guest: the file linux.cfg beside grub.cfg."""
    named = [(name, words) for _, words, name in modules]
    kinds = (("Linux", ""), ("Linux, debugger on", "debug=com2"), ("Linux, log=debug", "log=debug"))
    entries = [f'menuentry "{title}" {{\n'
               + textwrap.indent(grub_commands(elf_name, options, named), "    ") + "}\n"
               for title, options in kinds]
    return "# Made with the medium; grub.cfg reads it.\n\n" + "\n".join(entries)


def _named(path, string, name=""):
    """(name in /boot, path, string) of a module."""
    path = pathlib.Path(path)
    return name or path.name, path, string


def direct_boot(elf, options, modules):
    """What loads `elf` with `options` at once: ((name in /boot, path) pairs, GRUB's commands).
    modules: (path, string) pairs, or with the name in /boot as a third."""
    elf = pathlib.Path(elf)
    modules = [_named(*module) for module in modules]
    for path in [elf, *(path for _, path, _ in modules)]:
        if not path.is_file():
            raise IsoError(f"{path}: no such file")
    if subprocess.run(["grub-file", "--is-x86-multiboot2", str(elf)], check=False).returncode:
        raise IsoError(f"{elf}: not a multiboot2 program")
    commands = grub_commands(elf.name, options, [(name, string) for name, _, string in modules])
    return [(elf.name, elf), *((name, path) for name, path, _ in modules)], commands


def make_direct_iso(output, elf, options="", modules=(), epoch=None, extra_commands=""):
    """An ISO that loads `elf` with `options` at once; modules as in direct_boot.

    extra_commands are GRUB commands of modules that DIRECT_MODULES names, run before the others.
    """
    _check_platform()
    files, commands = direct_boot(elf, options, modules)
    _write_direct(output, files, extra_commands + commands, DIRECT_MODULES,
                  source_epoch() if epoch is None else epoch)


def make_bare_linux_iso(output, kernel, words, initrds, epoch=None, bits=""):
    """An ISO on which GRUB itself loads a Linux kernel: the run that others are compared with. bits:
    "16" for its 16-bit entry."""
    _check_platform()
    epoch = source_epoch() if epoch is None else epoch
    kernel, initrds = pathlib.Path(kernel), list(map(pathlib.Path, initrds))
    lines = [[f"linux{bits}", f"/boot/{kernel.name}", *words]]
    if initrds:
        lines.append([f"initrd{bits}", *(f"/boot/{path.name}" for path in initrds)])
    commands = "".join(" ".join(map(_grub_word, line)) + "\n" for line in lines)
    files = [(path.name, path) for path in (kernel, *initrds)]
    _write_direct(output, files, commands, f"{DIRECT_MODULES} linux{bits}", epoch)


def make_bare_multiboot_iso(output, kernel, words, modules, epoch=None):
    """The same of a multiboot kernel and its modules: (path, string) pairs. Of both versions it takes
    multiboot1: for a multiboot2 kernel with a wish for a framebuffer (Xen) GRUB 2.06 asks Bochs' VGA
    BIOS what it does not come back from."""
    _check_platform()
    epoch = source_epoch() if epoch is None else epoch
    kernel = pathlib.Path(kernel)
    named = [_named(*module) for module in modules]
    no_first = subprocess.run(["grub-file", "--is-x86-multiboot", str(kernel)], check=False)
    version = "2" if no_first.returncode else ""
    lines = [[f"multiboot{version}", f"/boot/{kernel.name}", *words],
             *([f"module{version}", f"/boot/{name}", *string.split()] for name, _, string in named)]
    commands = "".join(" ".join(map(_grub_word, line)) + "\n" for line in lines)
    files = [(kernel.name, kernel), *((name, path) for name, path, _ in named)]
    _write_direct(output, files, commands, DIRECT_MULTIBOOT_MODULES, epoch)


def make_chainloader_iso(output, disk="hd0", epoch=None):
    """The same of a disk's boot sector, by GRUB's chainloader."""
    _check_platform()
    _write_direct(output, [], f"set root={disk}\nchainloader +1\n", "biosdisk iso9660 chain boot",
                  source_epoch() if epoch is None else epoch)


def _write_direct(output, files, commands, grub_modules, epoch):
    """files: (name in /boot, path) pairs. A GRUB of those modules runs the commands and boots."""
    with tempfile.TemporaryDirectory(prefix="orlop-iso-") as folder:
        folder = pathlib.Path(folder)
        tree = folder / "tree"
        tree.mkdir()
        copy_boot_files(tree, files)
        config = folder / "early.cfg"
        config.write_text(commands + "boot\n", encoding="utf-8")
        core = folder / "core.img"
        run_tool(["grub-mkimage", "-d", str(GRUB_PLATFORM), "-O", "i386-pc", "-c", str(config),
                  "-p", "/boot/grub", "-o", str(core), *grub_modules.split()], epoch)
        loader = tree / "boot/loader.img"
        loader.write_bytes((GRUB_PLATFORM / "cdboot.img").read_bytes() + core.read_bytes())
        _write(output, lambda path: run_tool(
            ["xorriso", "-as", "mkisofs", "-quiet", "-r", "-V", VOLUME,
             f"--modification-date={_xorriso_date(epoch)}", "--set_all_file_dates",
             _xorriso_date(epoch), "-b", "boot/loader.img", "-no-emul-boot", "-boot-load-size", "4",
             "-boot-info-table", "-o", str(path), str(tree)], epoch))


def menu_parser(documentation):
    """Of a program that makes a medium with the menu."""
    parser = argparse.ArgumentParser(description=documentation.split("\n", maxsplit=1)[0])
    parser.add_argument("--output", required=True)
    parser.add_argument("--elf", required=True, help="the multiboot2 program")
    parser.add_argument("--menu", metavar="GRUB_CFG", help="make the menu with this grub.cfg")
    parser.add_argument("--module", action="append", default=[], metavar="FILE[=STRING]",
                        help="a module and its string; with a menu, a file in /boot")
    parser.add_argument("--kernel", metavar="FILE", help="a bzImage for the menu's Linux entries")
    parser.add_argument("--initrd", action="append", default=[], metavar="FILE")
    parser.add_argument("--cmdline", default=MENU_CMDLINE, help="default: %(default)s")
    return parser


def _modules(arguments):
    cut = [text.partition("=") for text in arguments.module]
    return [(pathlib.Path(path), string) for path, _, string in cut]


def menu_contents(arguments):
    """The `files` and `linux` of write_menu, of a menu_parser's arguments."""
    elf = pathlib.Path(arguments.elf)
    files = [(elf.name, elf), *((path.name, path) for path, _ in _modules(arguments))]
    return files, linux_modules(arguments.kernel, arguments.initrd, arguments.cmdline) \
        if arguments.kernel else []


def main():
    parser = menu_parser(__doc__)
    parser.add_argument("--append", default="", help="options of the program (direct ISO)")
    arguments = parser.parse_args()
    try:
        if arguments.menu:
            files, linux = menu_contents(arguments)
            make_menu_iso(arguments.output, arguments.menu, files, linux=linux)
        else:
            make_direct_iso(arguments.output, arguments.elf, arguments.append, _modules(arguments))
    except (IsoError, OSError) as error:
        raise SystemExit(f"make_iso: {error}") from error


if __name__ == "__main__":
    main()
