"""The tools of the build: each check finds what it is for."""

import lzma
import os
import random
import re
import shlex
import shutil
import struct
import subprocess
import sys

import pytest

import bench
import build_bochs
import check_image
import check_layers
import exit_counters
import fuzz
import gen_symbols
import pack_image
from harness import BUILD, ROOT, BootFailure, Case, boot
from make_iso import IsoError, grub_commands, linux_modules, make_direct_iso, make_menu_iso
from relocking_bios import relocking
from run_tests import count_cmocka

# gen_symbols.py


def unpacked(code, pairs):
    return chr(code) if code < 128 else "".join(unpacked(c, pairs) for c in pairs[code - 128])


def test_packed_names_are_shorter_and_the_same_names():
    names = [f"{room}_{verb}_{thing}" for room in ("memory_map", "host_tables", "aaaaaaa")
             for verb in ("find", "set", "of") for thing in ("range", "page", "aaaa", "top")]
    packed, pairs = gen_symbols.pack([*names, ""])
    assert ["".join(unpacked(c, pairs) for c in name) for name in packed] == [*names, ""]
    assert sum(map(len, packed)) + 2 * len(pairs) < sum(map(len, names)) // 2
    assert gen_symbols.pack([]) == ([], [])


def test_a_name_that_the_panic_has_no_room_for_is_refused():
    gen_symbols.pack(["x" * 63])
    with pytest.raises(SystemExit, match="more than 63 bytes"):
        gen_symbols.pack(["x" * 64])


# check_layers.py

TREE = {
    "base/types.h": "#pragma once\ntypedef int number;\n",
    "lib/string.h": '#pragma once\n#include "base/types.h"\nnumber length(void);\n',
    "lib/string.c": '#include "lib/string.h"\n#include <stdint.h>\n',
    "mm/ept.h": '#pragma once\n#include "lib/string.h"\nnumber map(void);\n',
    "boot/info.h": "#pragma once\nint info(void);\n",
    "debug/gdb.h": "#pragma once\nint gdb(void);\n",
    "guest/uart.c": '#include "mm/ept.h"\n',
    "kernel/main.c": '#include "debug/gdb.h"\n#include "guest/uart.h"\n',
    "kernel/main_late.h": '#pragma once\n#include "mm/ept.h"\nint late(void);\n',
    "kernel/main_late.c": '#include "kernel/main_late.h"\n#include "guest/uart.h"\n',
    "kernel/stop.h": "#pragma once\nint stop(void);\n",
    "guest/uart.h": "#pragma once\nint uart(void);\n",
}
TREE["guest/uart.c"] = '#include "guest/uart.h"\n' + TREE["guest/uart.c"]


def layers(tmp_path, **changes):
    for name, text in {**TREE, **{key: text for key, text in changes.items()}}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    result = subprocess.run([sys.executable, ROOT / "tools/check_layers.py", "--root", tmp_path],
                            capture_output=True, text=True, check=False)
    return result.returncode, result.stdout


def test_layers_accept_a_tree_that_keeps_to_them(tmp_path):
    status, output = layers(tmp_path)
    assert (status, "12 files" in output) == (0, True), output


@pytest.mark.parametrize("name, text, complaint", [
    ("base/types.h", '#pragma once\n#include "lib/string.h"\n', "(level 1) is not below base/"),
    ("mm/ept.h", '#pragma once\n#include "boot/info.h"\n', "(level 2) is not below mm/"),
    ("guest/uart.h", '#pragma once\n#include "debug/gdb.h"\n', "nobody includes debug/"),
    ("kernel/stop.h", '#pragma once\n#include "kernel/main_late.h"\n', "a part of the start"),
    ("kernel/stop.h", '#pragma once\n#include "guest/uart.h"\n', "is not below kernel/"),
    ("mm/ept.c", '#include "mm/ept.h"\n#include "../lib/string.h"\n', "not a file from the top"),
    ("mm/ept.c", '#include "mm/ept.h"\n#include "ept.h"\n', "not a file from the top"),
    ("mm/ept.c", '#include "mm/ept.h"\n#include <stdio.h>\n', "not a freestanding header"),
    ("mm/ept.c", '#include "lib/string.h"\n#include "mm/ept.h"\n', "own header is not the first"),
    ("mm/x86/bits.h", "int bits;\n", "no #pragma once"),
    ("mm/ept.h", "#pragma once\nnumber map(void);\n", "does not compile alone"),
    ("mm/ept.h", "#pragma once\nvoid map(struct ept *ept);\n", "does not compile alone"),
])
def test_layers_find(tmp_path, name, text, complaint):
    status, output = layers(tmp_path, **{name: text})
    assert status == 1
    assert complaint in output


def test_every_folder_of_the_tree_has_a_level():
    """A new folder of sources without a level would not be checked."""
    listed = subprocess.run(["git", "-c", "safe.directory=*", "-C", ROOT, "ls-files", "*.c", "*.h"],
                            capture_output=True, text=True, check=True).stdout.split()
    without = {name for name in listed
               if not name.startswith("tests/") and not check_layers.folder_of(name)}
    assert not without


# check_image.py

def header(architecture=0, length=24, checksum=None, end=(0, 0, 8)):
    if checksum is None:
        checksum = -(check_image.HEADER_MAGIC + architecture + length) & 0xFFFFFFFF
    return struct.pack("<IIIIHHI", check_image.HEADER_MAGIC, architecture, length, checksum, *end)


@pytest.mark.parametrize("data, complaint", [
    (bytes(4096) + header(), None),
    (bytes(4), "no multiboot2 header"),
    (bytes(4) + header(), "no multiboot2 header"),
    (bytes(32768) + header(), "no multiboot2 header"),
    (header(checksum=1), "the checksum is wrong"),
    (header(architecture=4), "is not i386"),
    (header(end=(1, 0, 8)), "does not end with the end tag"),
    (header(length=4096), "it ends past"),
])
def test_image_header(data, complaint):
    found = check_image.check_header(data)
    assert (not found) if complaint is None else complaint in found[0]


@pytest.mark.parametrize("segments, complaint", [
    ([(5, 4096), (4, 4096), (6, 4096)], None),
    ([(5, 128 * 1024), (4, 128 * 1024)], None),
    ([(7, 4096), (4, 4096)], "segment 0 is writable and executable"),
    ([(5, 4096), (4, 128 * 1024 - 4095), (4, 1)], "more than 131072"),
    ([(5, 4096), (4, 0)], "nothing is loaded of the image, or of the debugger's part"),
    ([], "nothing is loaded"),
])
def test_image_segments(segments, complaint):
    found = check_image.check_segments(segments)
    assert (not found) if complaint is None else complaint in found[0]


@pytest.mark.parametrize("sections, complaint", [
    ([0, 6, 2, 3], None),
    ([0, 6, 2, 7], "section 3 is writable and executable"),
    ([0, 2, 3], "no section is executable"),
])
def test_image_sections(sections, complaint):
    found = check_image.check_sections([(1, flags, 16) for flags in sections])
    assert (not found) if complaint is None else complaint in found[0]


FLOATS = ["__builtin_ia32_emms();", "double volatile d = 1; d += 2;",
          '__asm__("fninit");', '__asm__("vzeroupper");', '__asm__("fxsave (%rsp)");',
          '__asm__("ldmxcsr (%rsp)");', '__asm__("kmovw %k1, %k2");', '__asm__("xrstor (%rsp)");',
          '__asm__("fs movq $1, (%rax)\\n movdqu %xmm0, (%rax)");']


@pytest.mark.parametrize("statement", FLOATS)
def test_image_finds_fpu_instructions(tmp_path, statement):
    assert check_image.check_instructions(_listing(tmp_path, f"void f(void) {{ {statement} }}"))


def test_image_allows_what_is_named(tmp_path):
    code = 'void f(void) { __asm__("fxsave (%rsp)"); } void g(void) { __asm__("fxsave (%rsp)"); }'
    listing = _listing(tmp_path, code)
    check = check_image.check_instructions
    assert check(listing, [("f", "fxsave", 1, "a reason")]) == ["g: fxsave [rsp]"]
    assert check(listing, [("f", "fxsave", 1, ""), ("g", "fxsave", 1, "")]) == []
    assert check(listing, [("f", "fxsave", 2, ""), ("g", "fxsave", 1, "")]) == [
        "f: fxsave is allowed, and not there"]


def test_image_accepts_integer_code(tmp_path):
    code = """
        int loop(int *a, int n) { int s = 0; for (int i = 0; i < n; i++) s += a[i] * i; return s; }
        void special(void) { __asm__ volatile("xsetbv\\n xgetbv\\n rep movsb\\n lock incl (%rax)\\n"
            "mov %fs:8, %rax\\n fs\\n nop\\n mov %cr0, %rax\\n mov %dr7, %rax\\n rdpmc\\n pause\\n"
            "invept (%rax), %rbx\\n sfence"); }
        """
    assert check_image.check_instructions(_listing(tmp_path, code)) == []


def _listing(tmp_path, code):
    source, thing = tmp_path / "x.c", tmp_path / "x.o"
    source.write_text(code)
    subprocess.run(["gcc", "-O2", "-mmmx", "-fno-asynchronous-unwind-tables", "-c", "-o", thing,
                    source], check=True)
    return check_image.disassemble(thing)


def test_image_without_instructions_is_not_fine():
    assert check_image.check_instructions("") == ["objdump listed no instruction"]


def test_orlop_elf_is_as_it_should_be():
    assert check_image.check_image(BUILD / "orlop.elf", BUILD / "obj-gcc") == []


@pytest.mark.parametrize("code, complaint", [
    ("void ours(void); int elsewhere; void f(void) { ours(); elsewhere = 1; }", None),
    ("void theirs(void); void f(void) { theirs(); }", "kernel/f.o names theirs"),
    ("extern int their_data; int *f(void) { return &their_data; }", "kernel/f.o names their_data"),
    ("__attribute__((weak)) void theirs(void); void *f(void) { return theirs; }", "names theirs"),
    ("void theirs(void); void (*const table[])(void) = {theirs};", "kernel/f.o names theirs"),
])
def test_the_core_names_nothing_of_the_debugger_s(tmp_path, code, complaint):
    """But for the entry, which must be named, or is one no more."""
    sources = {
        "kernel/f": code,
        "kernel/main": "void entry(void), ours(void); void ours(void) { entry(); }",
        "debug/a": "void entry(void) {} void theirs(void) {} int their_data = 1;",
        "debug/b": "void theirs(void), ours(void); void other(void) { theirs(); ours(); }",
    }
    for name, text in sources.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        subprocess.run(["gcc", "-x", "c", "-c", "-o", tmp_path / f"{name}.o", "-"],
                       input=text.encode(), check=True)
    check, symbols = check_image.check_references, check_image.symbols_of(tmp_path)
    found = check(symbols, {("kernel/main.o", "entry")})
    assert len(found) == bool(complaint) and (complaint or "") in "".join(found)
    missing = check(symbols, {("kernel/main.o", "entry"), ("kernel/main.o", "theirs")})
    assert missing[-1] == "kernel/main.o does not name theirs"


def test_orlop_elf_is_not_packed_twice():
    with pytest.raises(SystemExit, match="not a file that linker.ld laid out"):
        pack_image.pack((BUILD / "orlop.elf").read_bytes())


def test_packing_says_that_lz4_is_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="lz4 is missing; `make deps`"):
        pack_image.lz4_block(b"image")


def packed_parts(data):
    """(header without the block's bytes, block, what lies behind it) of the two last segments."""
    core, debugger = check_image.load_segments(data)[-2:]
    for (_, loaded), behind, numbers in ((core, debugger[1], 2), (debugger, 0, 3)):
        part = data[len(data) - behind - loaded:len(data) - behind]
        size, *more = struct.unpack_from(f"<{numbers}I", part)
        yield more, part[4 * numbers:4 * numbers + size], part[4 * numbers:]


def unpacked_parts(data):
    (_, lz4_block, _), ((_, size), stream, _) = packed_parts(data)
    frame = struct.pack("<II", pack_image.LEGACY_MAGIC, len(lz4_block)) + lz4_block
    core = subprocess.run(["lz4", "-d", "-c"], input=frame, stdout=subprocess.PIPE,
                          check=True).stdout
    debugger = lzma.decompress(stream, lzma.FORMAT_RAW, filters=pack_image.FILTERS)
    assert len(debugger) == size
    return core, debugger


def test_orlop_elf_holds_its_sections_packed(tmp_path):
    """LZ4's own program and Python's LZMA read the last segments, and find what gdb finds."""
    data = (BUILD / "orlop.elf").read_bytes()
    for (total, *_), block, padded in packed_parts(data):
        assert 0 <= len(padded) - len(block) < 4
        assert total == pack_image.checksum(padded)
    parts = unpacked_parts(data)
    for part, sections in zip(parts, ((".text", ".rodata"), (".debugger_text", ".debugger_rodata"))):
        for section in sections:
            subprocess.run(["objcopy", "-O", "binary", "-j", section, BUILD / "orlop.elf",
                            tmp_path / "held"], check=True)
            held = (tmp_path / "held").read_bytes()
            assert [one.count(held) for one in parts] == [one is part for one in parts], section


@pytest.fixture(name="unlzma", scope="module")
def unlzma_fixture(tmp_path_factory):
    """lib/lzma.c with sanitizers as a program: unlzma BYTES, from a pipe to a pipe."""
    folder = tmp_path_factory.mktemp("unlzma")
    (folder / "main.c").write_text("""
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>
        #include "lib/lzma.h"
        int main(int count, char **words) {
            static uint8_t all[1 << 22];
            static struct lzma lzma;
            size_t size = fread(all, 1, sizeof(all), stdin), bytes = strtoul(words[count - 1], 0, 0);
            uint8_t *in = malloc(size + !size), *out = malloc(bytes + !bytes);
            memcpy(in, all, size);
            if (lzma_unpack(&lzma, in, size, out, bytes) != ERROR_NONE)
                return 3;
            return fwrite(out, 1, bytes, stdout) != bytes;
        }""")
    subprocess.run(["gcc", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
                    f"-I{ROOT}", "-o", folder / "unlzma", folder / "main.c", ROOT / "lib/lzma.c"],
                   check=True)

    def run(stream, size):
        done = subprocess.run([folder / "unlzma", str(size)], input=stream,
                              env={"ASAN_OPTIONS": "detect_leaks=0"}, capture_output=True,
                              check=False)
        assert done.returncode in (0, 3), done.stderr.decode()
        return None if done.returncode else done.stdout
    return run


def _drawn(seed):
    """Bytes with matches of all lengths and distances among them."""
    draw, data = random.Random(seed), bytearray()
    while len(data) < seed * 3000:
        kind = draw.randrange(5)
        if kind == 0 or not data:
            data += draw.randbytes(draw.choice([1, 2, 30]))
        else:
            at = draw.randrange(max(0, len(data) - 7 ** (2 * kind)), len(data))
            data += data[at:at + draw.choice([1, 2, 9, 20, 300, 3000])]
    return bytes(data)


@pytest.mark.parametrize("make", [
    *(lambda seed=seed: _drawn(seed) for seed in range(1, 9)),
    lambda: b"", lambda: b"x", lambda: bytes(300_000), lambda: random.Random(1).randbytes(40_000),
    lambda: b"".join(unpacked_parts((BUILD / "orlop.elf").read_bytes())),
    lambda: (ROOT / "docs/design.md").read_bytes(), lambda: (BUILD / "orlop.elf").read_bytes(),
])
def test_what_python_packs_orlop_unpacks(unlzma, make):
    data = make()
    stream = pack_image.lzma_stream(data)
    assert unlzma(stream, len(data)) == data
    if len(data) > 1:
        assert unlzma(stream[:len(stream) // 2], len(data)) is None


@pytest.mark.long
def test_two_builds_of_orlop_are_identical():
    assert check_image.build_twice(ROOT) == []


# make_iso.py

def test_isos_are_functions_of_their_inputs(stand_in, tmp_path, request):
    """Made in two folders, from files of other dates and rights, by people of other habits."""
    for name, mask in (("a", 0o022), ("b/c", 0o077)):
        folder = tmp_path / name
        before = os.umask(mask)
        request.addfinalizer(lambda before=before: os.umask(before))
        folder.mkdir(parents=True)
        for target in ("orlop.elf", "realmode.bin", "grub.cfg"):
            shutil.copy(ROOT / "grub.cfg" if target == "grub.cfg" else stand_in, folder / target)
        if name == "b/c":
            os.utime(folder / "orlop.elf", (1, 1))
            (folder / "realmode.bin").chmod(0o600)
        make_menu_iso(folder / "menu.iso", folder / "grub.cfg",
                      [(n, folder / n) for n in ("orlop.elf", "realmode.bin")], epoch=1600000000)
        make_menu_iso(folder / "linux.iso", folder / "grub.cfg",
                      [(n, folder / n) for n in ("orlop.elf", "realmode.bin")], epoch=1600000000,
                      linux=linux_modules(folder / "realmode.bin", [folder / "realmode.bin"], "x"))
        make_direct_iso(folder / "direct.iso", folder / "orlop.elf", "poweroff",
                        [(folder / "realmode.bin", "realmode")], epoch=1600000000)
    for iso in ("menu.iso", "linux.iso", "direct.iso"):
        assert (tmp_path / "a" / iso).read_bytes() == (tmp_path / "b/c" / iso).read_bytes()


def test_iso_of_what_is_not_a_program_is_refused(tmp_path):
    (tmp_path / "x.elf").write_bytes(b"no header")
    with pytest.raises(IsoError, match="not a multiboot2 program"):
        make_direct_iso(tmp_path / "x.iso", tmp_path / "x.elf")
    assert not list(tmp_path.glob("*.iso")) and not list(tmp_path.glob(".x*"))


def test_two_files_of_one_name_are_refused(stand_in, tmp_path):
    (tmp_path / "stand_in.bin").write_bytes(b"another")
    with pytest.raises(IsoError, match="two different files are called stand_in.bin"):
        make_direct_iso(tmp_path / "x.iso", stand_in, "", [(tmp_path / "stand_in.bin", "x")])


def test_grub_commands_quote_what_grub_would_take_apart():
    assert grub_commands("o.elf", "a=b c;d", [("m", "role x")]) == (
        "multiboot2 /boot/o.elf a=b 'c;d'\nmodule2 /boot/m role x\n")


def make_iso_words(*variables):
    """The words of the command of `make iso`; from a folder without a build, so that all is made."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    said = subprocess.run(["make", "-n", "iso", "B=build/none", *variables], cwd=ROOT, text=True,
                          env=environment, stdout=subprocess.PIPE, check=True).stdout
    return shlex.split(said[said.index("tools/make_iso.py"):].replace("\\\n", ""))


def test_make_iso_takes_its_variables():
    assert "--kernel" not in make_iso_words()
    words = make_iso_words("KERNEL=grub.cfg", "INITRD=LICENSE README.md", "CMDLINE=it's a")
    assert words[words.index("--kernel"):] == [
        "--kernel", "grub.cfg", "--initrd", "LICENSE", "--initrd", "README.md", "--cmdline", "it's a"]


# grub.cfg

DISK_SAYS = bytes.fromhex("be1a7c" "ba f803".replace(" ", "") + "ac" "84c0" "7403" "ee" "ebf8"
                          "ba0406" "b80020" "ef" "f4" "ebfd")


def _menu_iso(stand_in, folder, linux=()):
    """The real menu, with the stand-in as Orlop."""
    files = [("orlop.elf", stand_in), ("realmode.bin", stand_in)]
    make_menu_iso(folder / "menu.iso", ROOT / "grub.cfg", files, linux=linux)
    return str(folder / "menu.iso")


def _menu_case(iso, **fields):
    return Case(name="menu-trial", iso=iso, emulator="qemu", timeout=40, **fields)


def test_menu_starts_the_tour_by_itself(stand_in, tmp_path):
    boot(_menu_case(_menu_iso(stand_in, tmp_path), end="lines",
                    expect=["command line: *$", "module: realmode$"]), tmp_path)


def test_menu_has_the_report(stand_in, tmp_path):
    boot(_menu_case(_menu_iso(stand_in, tmp_path), end="lines", expect=["command line: probe$"],
                    keys=[["executed automatically", "\x1b[B\r"]]), tmp_path)


LINUX_SAYS = ['module: linux console=ttyS0 "a=b c"$', "module: initrd$", "module: initrd$"]


@pytest.mark.parametrize("keys, says", [
    ([], ["command line: *$", *LINUX_SAYS]),
    ([["executed automatically", "\x1b[B\r"]], ["command line: debug=com2$", *LINUX_SAYS]),
    ([["executed automatically", "\x1b[B\x1b[B\r"]], ["command line: log=debug$", *LINUX_SAYS]),
    ([["executed automatically", "\x1b[B\x1b[B\x1b[B\r"]], ["command line: *$", "module: realmode$"]),
])
def test_menu_with_a_kernel_has_linux_first(stand_in, tmp_path, keys, says):
    iso = _menu_iso(stand_in, tmp_path, linux_modules(stand_in, [stand_in, stand_in],
                                                      'console=ttyS0 a="b c"'))
    boot(_menu_case(iso, end="lines", expect=says, keys=keys), tmp_path)


def test_menu_starts_the_disk_above_orlop(stand_in, tmp_path):
    boot(_menu_case(_menu_iso(stand_in, tmp_path), end="lines", expect=["command line: disk$"],
                    keys=[["executed automatically", "\x1b[B\x1b[B\r"]]), tmp_path)


def test_menu_starts_the_disk_without_orlop(stand_in, tmp_path):
    """The boot sector prints on COM1 and powers off."""
    text = b"the disk's own system\r\n\0"
    sector = DISK_SAYS.ljust(0x1a, b"\x90") + text
    disk = tmp_path / "disk.img"
    disk.write_bytes(sector.ljust(510, b"\0") + b"\x55\xaa" + bytes(1 << 20))
    boot(_menu_case(_menu_iso(stand_in, tmp_path), end="poweroff", expect=["the disk's own system"],
                    forbid=["stand-in"], keys=[["executed automatically", "\x1b[B\x1b[B\x1b[B\r"]],
                    extra=["-drive", f"file={disk},format=raw,if=ide,index=0"]), tmp_path)


def test_menu_does_not_wait_for_a_uart_that_is_not_there(stand_in, tmp_path):
    boot(_menu_case(_menu_iso(stand_in, tmp_path), end="lines", serial_port=0,
                    screen=["Report what this machine can do"]), tmp_path)


def test_menu_iso_starts_from_a_usb_stick_too(stand_in, tmp_path):
    """As the firmware's first hard disk; the machine's own disk is then the second one."""
    iso = _menu_iso(stand_in, tmp_path)
    text = b"the disk's own system\r\n\0"
    disk = tmp_path / "disk.img"
    disk.write_bytes((DISK_SAYS.ljust(0x1a, b"\x90") + text).ljust(510, b"\0") + b"\x55\xaa"
                     + bytes(1 << 20))
    empty = tmp_path / "empty.iso"
    empty.write_bytes(bytes(65536))
    extra = ["-boot", "c", "-drive", f"file={iso},format=raw,if=ide,index=0",
             "-drive", f"file={disk},format=raw,if=ide,index=1"]
    boot(_menu_case(str(empty), end="poweroff", expect=["the disk's own system"],
                    keys=[["executed automatically", "\x1b[B\x1b[B\x1b[B\r"]], extra=extra), tmp_path)
    with pytest.raises(BootFailure, match="time limit"):
        boot(Case(name="menu-trial", iso=str(empty), emulator="qemu", timeout=3, end="lines",
                  expect=["GRUB"]), tmp_path)


# deps.sh

def deps(tmp_path, installed, target="run", keys=None, user_id="0"):
    """Runs deps.sh with a package database and an apt-get of our own; says what it asked apt for."""
    tools = {"dpkg-query": "cat " + str(tmp_path / "installed"), "apt-get":
             f'echo "$@" >> {tmp_path}/asked', "id": f"echo {user_id}", "sudo": '"$@"'}
    (tmp_path / "bin").mkdir()
    for name, line in tools.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "installed").write_text("".join(f"ii  {name}\n" for name in installed))
    environment = dict(os.environ, PATH=f"{tmp_path}/bin:{os.environ['PATH']}")
    command = ["/bin/sh", str(ROOT / "tools/deps.sh"), target]
    if keys is None:
        result = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL,
                                capture_output=True, text=True, check=False)
        status, output = result.returncode, result.stdout + result.stderr
    else:
        pexpect = pytest.importorskip("pexpect")
        child = pexpect.spawn(command[0], command[1:], env=environment, encoding="utf-8")
        child.expect(r"\[Y/n\] ")
        output = child.before
        child.sendline(keys)
        child.expect(pexpect.EOF)
        child.close()
        status, output = child.exitstatus, output + child.before
    asked = tmp_path / "asked"
    return status, output, asked.read_text() if asked.exists() else ""


def packages(*targets):
    lines = (ROOT / "tools/deps.txt").read_text().splitlines()
    return {line.split()[0] for line in lines
            if line and not line.startswith("#") and line.split()[1] in targets}


def test_deps_has_nothing_to_do(tmp_path):
    status, _, asked = deps(tmp_path, packages("build", "run"))
    assert (status, asked) == (0, "")


def test_deps_as_root_without_a_terminal_installs_what_is_missing(tmp_path):
    status, output, asked = deps(tmp_path, packages("build", "run") - {"bochs", "nasm"})
    assert status == 0
    assert asked == "install --no-install-recommends -y bochs nasm\n"
    assert "apt-get install" in output


def test_deps_as_a_user_without_a_terminal_says_the_line_and_stops(tmp_path):
    status, output, asked = deps(tmp_path, packages("build"), user_id="1000")
    assert (status, asked) == (1, "")
    assert "sudo apt-get install --no-install-recommends -y bochs" in output


@pytest.mark.parametrize("keys, status, installs", [("", 0, True), ("y", 0, True), ("n", 1, False)])
def test_deps_asks_on_a_terminal(tmp_path, keys, status, installs):
    ended, output, asked = deps(tmp_path, packages("build", "run") - {"xorriso"}, keys=keys,
                                user_id="1000")
    assert "sudo apt-get install --no-install-recommends -y xorriso" in output
    assert (ended, bool(asked)) == (status, installs)


def test_deps_of_a_target_only(tmp_path):
    status, _, asked = deps(tmp_path, packages("build"), target="build")
    assert (status, asked) == (0, "")


# run_tests.py

@pytest.mark.parametrize("output, status, passed, failed", [
    ("[==========] 3 test(s) run.\n[  PASSED  ] 3 test(s).\n", 0, 3, 0),
    ("[  PASSED  ] 2 test(s).\n[  FAILED  ] x: 1 test(s), listed below:\n[  FAILED  ] two\n", 1,
     2, 1),
    ("==123==ERROR: AddressSanitizer\n", 1, 0, 1),
    ("[  PASSED  ] 2 test(s).\n==1==ERROR: LeakSanitizer\n", 23, 2, 1),
    ("", 0, 0, 1),
])
def test_cmocka_output_is_counted(output, status, passed, failed):
    count = count_cmocka(output, status)
    assert (count.passed, count.failed) == (passed, failed)


# fuzz.py

@pytest.fixture(name="fuzzer")
def fuzzer_fixture(tmp_path, monkeypatch):
    """A fuzzer that dies of an input with an X, and leaves out one with a Y."""
    for name in ("KEPT", "FOUND", "SEEDS"):
        monkeypatch.setattr(fuzz, name, tmp_path / name)
    program = tmp_path / "fuzz_it"
    program.write_text('#!/bin/sh\nfor f; do case $(cat $f) in *X*) exit 77;; *Y*) ;; '
                       '*) echo "Executed $f in 0 ms" >&2;; esac; done\n')
    program.chmod(0o755)
    return program


def test_a_corpus_is_kept_as_sorted_text(fuzzer):
    fuzz.write_corpus(fuzzer.name, [b"\n\0two", b"one", b"one", b""])
    assert sorted(fuzz.read_corpus(fuzzer.name)) == [b"", b"\n\0two", b"one"]
    folder, count = fuzz.unpack(fuzzer.name)
    assert count == 3 and sorted(path.read_bytes() for path in folder.iterdir())[1] == b"\n\0two"
    fuzz.write_corpus(fuzzer.name, [b"one"])
    assert fuzz.unpack(fuzzer.name)[1] == 1 and len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("inputs, passes", [
    ([b"a", b"b"], True), ([b"a", b"X"], False), ([b"a", b"Y"], False), ([], False)])
def test_a_replay_passes_when_every_input_was_run(fuzzer, inputs, passes):
    if inputs:
        fuzz.write_corpus(fuzzer.name, inputs)
    assert fuzz.replay(fuzzer)[0] == passes


# exit_counters.py

class StoppedMachine:
    """Answers `xp` as Bochs's debugger does: words without leading zeroes."""

    def __init__(self, base, memory):
        self.base, self.memory = base, memory

    def ask(self, command):
        assert command == f"xp /{len(self.memory) // 8}gx {self.base:#x}"
        words = struct.unpack(f"<{len(self.memory) // 8}Q", self.memory)
        return "[bochs]:\n" + "".join(
            f"{self.base + 16 * i:#018x} <bogus+ {16 * i}>:\t{words[2 * i]:#010x}\t{words[2 * i + 1]:#x}\n"
            for i in range(len(words) // 2)) + "<bochs:2> "


@pytest.mark.parametrize("copies, found", [(1, True), (0, False), (2, False)])
def test_exit_counters_are_read_out_of_memory(monkeypatch, copies, found):
    monkeypatch.setattr(exit_counters, "_from_elf", lambda *_: [0x80, 0x20, 0x28, 0x200, 20])
    page, stack = bytearray(4096), bytearray(4096)
    struct.pack_into("<2Q", page, 0x20, 0xFFFFFFFF81005000, 0x401000)   # CPU 0's struct cpu, its VMCS
    struct.pack_into("<2Q", stack, 0x20, 0xFFFFFFFF81005000, 0x401008)
    struct.pack_into("<3Q", page, 0x80 + 8 * 10, 7, 0, 1)    # CPUID, GETSEC, HLT
    struct.pack_into("<3Q", page, 0x200 + 8 * 10, 700, 0, 33)
    memory = bytes(4096) + bytes(stack) + copies * bytes(page) + bytes(4096)
    machine = StoppedMachine(0x400000, memory)
    where = (0x400000, 0x400000 + len(memory))
    if found:
        assert exit_counters.read_counters(machine, "orlop.elf", where) == {
            "CPUID": (7, 100), "HLT": (1, 33)}
    else:
        with pytest.raises(bench.EmulatorError, match=f"{copies} pages"):
            exit_counters.read_counters(machine, "orlop.elf", where)


def test_all_exit_reasons_have_their_names():
    reasons = exit_counters._reasons()
    assert len(reasons) > 60
    assert reasons[48] == "EPT violation" and reasons[41].endswith("machine-check event")


# bench.py

def test_a_figure_over_its_limit_or_missing_fails(capsys):
    assert bench.show([("a", 80.0, 80)])
    assert not bench.show([("a", 80.5, 80), ("b", 1, 80)])
    assert not bench.show([("a", None, 80)])
    assert "| a | 80.5 **too much** | 80 |" in capsys.readouterr().out


def test_a_figure_without_a_limit_is_printed_but_not_done_without(capsys):
    assert bench.show([("a", 1080.5, None)])
    assert "| a | 1,080.5 |  |" in capsys.readouterr().out
    assert not bench.show([("a", None, None)])


def test_the_nests_figures_need_the_bochs_that_can(monkeypatch):
    monkeypatch.setattr(bench.Bochs, "version", lambda: "bochs-2.7")
    with pytest.raises(bench.EmulatorError, match="needs Bochs 3, this is bochs-2.7"):
        bench.nest_rows()


# build_bochs.py

TARGETS = ("Debian|bookworm-security|http://a/security/\nDebian|bookworm-updates|http://a/debian/\n"
           "Debian|bookworm|http://b/debian/\n")


def test_bochs_comes_from_the_mirror_that_the_machine_uses():
    assert build_bochs.mirror("Other|x|http://c/\n" + TARGETS) == "http://b/debian/"
    with pytest.raises(build_bochs.BuildError, match="no mirror of Debian's, but of: Ubuntu;"):
        build_bochs.mirror("Ubuntu|noble|http://c/\n")


def bochs_build(tmp_path, monkeypatch, make="cp changed.cc bochs", old="two;\n",
                apt_get="cp {tmp}/bochs_3.orig.tar.xz {tmp}/bochsbios_3_all.deb ."):
    """Builds a Bochs whose source, apt, make and strip are our own; says what each was asked."""
    source = tmp_path / "bochs-3"
    source.mkdir()
    (source / "configure").write_text(f"#!/bin/sh\necho configure $@ >> {tmp_path}/asked\n")
    (source / "configure").chmod(0o755)
    (source / "changed.cc").write_text("one;\ntwo;\n")
    subprocess.run(["tar", "-cJf", tmp_path / "bochs_3.orig.tar.xz", "-C", tmp_path, "bochs-3"],
                   check=True)
    bios = tmp_path / "package/usr/share/bochs/BIOS-bochs-latest"
    for path in (tmp_path / "bin", tmp_path / "package/DEBIAN", bios.parent):
        path.mkdir(parents=True)
    bios.write_text("the BIOS")
    (tmp_path / "package/DEBIAN/control").write_text(
        "Package: bochsbios\nVersion: 3\nArchitecture: all\nMaintainer: x\nDescription: x\n")
    subprocess.run(["dpkg-deb", "-b", tmp_path / "package", tmp_path / "bochsbios_3_all.deb"],
                   check=True, stdout=subprocess.DEVNULL)
    for name, line in {"apt-get": 'test "$2" = update || ' + apt_get.format(tmp=tmp_path),
                       "make": make, "strip": ""}.items():
        asked = f'echo {name} "$@" MAKEFLAGS=$MAKEFLAGS APT_CONFIG=$APT_CONFIG >> {tmp_path}/asked'
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{asked}\n{line}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("MAKEFLAGS", "rR")
    monkeypatch.setattr(build_bochs, "CHANGES", [("changed.cc", old, "three;\n", "a fault")])
    build_bochs.build(tmp_path / "out", tmp_path / "work", "http://b/debian/", "trixie", 2)
    return (tmp_path / "asked").read_text()


def test_bochs_is_built_once_and_apt_has_a_configuration_of_its_own(tmp_path, monkeypatch, capsys):
    asked = bochs_build(tmp_path, monkeypatch)
    assert "source --tar-only bochs" in asked
    assert "--enable-handlers-chaining --disable-debugger" in asked
    # Neither make's flags nor the system's apt.
    assert re.findall(r"MAKEFLAGS=(\S*) APT_CONFIG=(\S*)", asked) == \
        3 * [("", f"{tmp_path}/work/apt.conf")] + 2 * [("", "")]
    assert (tmp_path / "out/BIOS-bochs-latest").read_text() == "the BIOS"
    assert (tmp_path / "out/bochs").read_text() == "one;\nthree;\n"
    assert not (tmp_path / "work").exists()
    build_bochs.build(tmp_path / "out", tmp_path / "work", "http://b/debian/", "trixie", 2)
    assert (tmp_path / "asked").read_text() == asked
    assert "is there" in capsys.readouterr().out
    monkeypatch.setattr(build_bochs, "OPTIONS", ["--another"])
    build_bochs.build(tmp_path / "out", tmp_path / "work", "http://b/debian/", "trixie", 2)
    assert "configure --another" in (tmp_path / "asked").read_text()


@pytest.mark.parametrize("tools, complaint", [
    ({"apt_get": "exit 100"}, "apt-get -q source --tar-only .*status 100"),
    ({"apt_get": "true"}, "0 sources of Bochs"),
    ({"apt_get": "cp {tmp}/bochs_3.orig.tar.xz ."}, "0 packages of its BIOS"),
    ({"old": "zero;"}, "changed.cc is not as expected, which is to be changed: a fault"),
    ({"old": ";"}, "changed.cc is not as expected, which is to be changed: a fault"),
    ({"make": "echo no such header; exit 2"}, "(?s)make -j2 bochs .*no such header"),
])
def test_a_bochs_that_cannot_be_built_leaves_none(tmp_path, monkeypatch, tools, complaint):
    with pytest.raises(build_bochs.BuildError, match=complaint):
        bochs_build(tmp_path, monkeypatch, **tools)
    assert not (tmp_path / "out").exists()


def test_the_system_apt_is_not_touched(tmp_path):
    """The real apt, asked for what it would use: nothing outside the folder."""
    if not shutil.which("apt-config"):
        pytest.skip("no apt")
    configuration = build_bochs.apt_configuration(tmp_path, "http://b/debian/", "trixie")
    said = subprocess.run(["apt-config", "shell", "lists", "Dir::State::lists/d", "cache",
                           "Dir::Cache::archives/d", "list", "Dir::Etc::sourcelist/f", "status",
                           "Dir::State::status/f"], capture_output=True, text=True, check=True,
                          env={**os.environ, "APT_CONFIG": str(configuration)}).stdout
    assert len(said.splitlines()) == 4
    assert all(f"'{tmp_path}/" in line for line in said.splitlines()), said


# relocking_bios.py

WRITES = [bytes.fromhex(text) for text in ("66b93a0000000f326683c8050f30", "b93a0000000f3283c8050f30")]


def test_both_writes_of_the_bios_look_first_and_nothing_moves():
    image = b"one" + WRITES[0] + b"two" + WRITES[1] + b"three"
    mended = relocking(image)
    assert len(mended) == len(image)
    assert not any(write in mended for write in WRITES)
    # After RDMSR: XOR AL, 5; JZ over the WRMSR.
    assert re.fullmatch(rb"one.{6}\x0f\x32\x34\x05\x74\x02\x0f\x30two"
                        rb".{3}\x0f\x32\x34\x05\x74\x02\x0f\x30\x90three", mended, re.DOTALL)


@pytest.mark.parametrize("image", [b"", WRITES[0], WRITES[1], sum([WRITES, WRITES[:1]], [])])
def test_a_bios_that_is_another_is_refused(image):
    with pytest.raises(SystemExit, match="places hold"):
        relocking(image if isinstance(image, bytes) else b"".join(image))


# docs/exits.md and vmx/exit_reasons.h

def exit_rows():
    """(number, text, handler) of each row of the table of exit reasons, and of that of the document."""
    header = (ROOT / "vmx/exit_reasons.h").read_text(encoding="utf-8").replace("\\\n", "")
    code = re.findall(r'X\((\d+), \w+, "([^"]*)",\s*(\w+)\)', header)
    document = (ROOT / "docs/exits.md").read_text(encoding="utf-8")
    return code, re.findall(r"^\| (\d+) \| (.*?) \| (.*?) \| (.*?) \| `(\w+)` \|$", document,
                            re.MULTILINE)


def test_the_document_of_exits_is_the_table_of_exits():
    code, rows = exit_rows()
    assert code == [(number, text, handler) for number, text, _, _, handler in rows]
    assert len(code) == 76


def test_what_cannot_exit_says_why_and_what_can_says_what_is_done():
    for number, _, can, done, handler in exit_rows()[1]:
        if handler == "handle_unexpected":
            assert re.match("no: .", can), number
        else:
            assert re.search(r"\w", done), number
