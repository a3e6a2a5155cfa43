#!/usr/bin/python3
"""Checks build/orlop.elf as a file, without running it:

- the multiboot2 header is where a loader looks for it, aligned, and its sum is right;
- no section and no segment is both writable and executable;
- no instruction of the text touches the FPU, MMX, SSE or AVX: these registers are the guest's;
- what a loader loads from it, without the debugger's part, fits in 128 KiB (the memory it takes is
  more: the image is unpacked);
- what is not the debugger's names nothing of the debugger's but what it calls where there is one;
- and with --twice, that two builds in two folders, at two times, give the same files.
"""

import argparse
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile

HEADER_MAGIC = 0xE85250D6
HEADER_SEARCH_BYTES = 32768
SIZE_LIMIT = 128 * 1024
PT_LOAD, PF_X, PF_W = 1, 1, 2
SHT_PROGBITS, SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR = 1, 1, 2, 4

# Registers, and instructions that touch them without naming one.
FPU_REGISTER = re.compile(r"\b([xyz]mm\d+|mm[0-7]|st(\(\d\))?|k[0-7]|bnd[0-3]|tmm[0-7])\b")
FPU_INSTRUCTION = re.compile(
    r"^(f(?!s\b|s:)\w+|emms|(v?ld|v?st)mxcsr|x(save|rstor)\w*|v?zero(all|upper)|wait|maskmovq)$")
# What is there all the same: function, instruction, how often, why.
ALLOWED = [("fpu_move", "fxsave", 1, "a debugger asks for the guest's registers"),
           ("fpu_move", "fxrstor", 1, "and changes one")]
# What of debug/ is named elsewhere: who does, and what; each behind options_want_debugger().
ENTRIES = {("kernel/main_late.o", "session_prepare"), ("kernel/main_late.o", "session_launch")}
PREFIXES = {"rep", "repz", "repnz", "lock", "bnd", "cs", "ds", "es", "fs", "gs", "ss"}


def check_header(data):
    """What is wrong with the multiboot2 header."""
    for offset in range(0, min(len(data), HEADER_SEARCH_BYTES) - 15, 8):
        magic, architecture, length, checksum = struct.unpack_from("<IIII", data, offset)
        if magic == HEADER_MAGIC:
            break
    else:
        return [f"no multiboot2 header on an 8-byte boundary of the first {HEADER_SEARCH_BYTES}"]
    problems = []
    if (magic + architecture + length + checksum) & 0xFFFFFFFF:
        problems.append("multiboot2 header: the checksum is wrong")
    if architecture != 0:
        problems.append(f"multiboot2 header: architecture {architecture} is not i386")
    if offset + length > min(len(data), HEADER_SEARCH_BYTES):
        problems.append(f"multiboot2 header: it ends past {HEADER_SEARCH_BYTES}")
    elif data[offset + length - 8:offset + length] != struct.pack("<HHI", 0, 0, 8):
        problems.append("multiboot2 header: it does not end with the end tag")
    return problems


def load_segments(data):
    """(flags, bytes loaded from the file) of each PT_LOAD of an ELF64."""
    if data[:6] != b"\x7fELF\x02\x01":
        raise ValueError("not a little-endian ELF64")
    table, = struct.unpack_from("<Q", data, 32)
    entry_bytes, entries = struct.unpack_from("<HH", data, 54)
    segments = []
    for i in range(entries):
        kind, flags, _, _, _, loaded, _ = struct.unpack_from("<IIQQQQQ", data,
                                                             table + i * entry_bytes)
        if kind == PT_LOAD:
            segments.append((flags, loaded))
    return segments


def loaded_bytes(segments):
    """What is loaded always, and the debugger's part, which tools/pack_image.py makes the last."""
    sizes = [size for _, size in segments] or [0]
    return sum(sizes[:-1]), sizes[-1]


def check_segments(segments):
    """Rights and size of what is loaded."""
    problems = [f"segment {i} is writable and executable"
                for i, (flags, _) in enumerate(segments) if flags & PF_W and flags & PF_X]
    core, debugger = loaded_bytes(segments)
    if not core or not debugger:
        problems.append("nothing is loaded of the image, or of the debugger's part")
    if core > SIZE_LIMIT:
        problems.append(f"{core} bytes are loaded, without the debugger, more than {SIZE_LIMIT}")
    return problems


def sections_of(data):
    """(type, flags, bytes) of each section of an ELF64."""
    table, = struct.unpack_from("<Q", data, 40)
    entry_bytes, entries = struct.unpack_from("<HH", data, 58)
    return [struct.unpack_from("<4xIQ16xQ", data, table + i * entry_bytes) for i in range(entries)]


def unpacked_bytes(data):
    """What the sections hold that are loaded, packed or not."""
    return sum(size for kind, flags, size in sections_of(data)
               if kind == SHT_PROGBITS and flags & SHF_ALLOC)


def check_sections(sections):
    """Rights of what is unpacked."""
    if not any(flags & SHF_EXECINSTR for _, flags, _ in sections):
        return ["no section is executable"]
    return [f"section {i} is writable and executable" for i, (_, flags, _) in enumerate(sections)
            if flags & SHF_WRITE and flags & SHF_EXECINSTR]


def check_instructions(listing, allowed=()):
    """FPU instructions in what objdump lists (Intel syntax, without raw bytes), but for those that are
    allowed; of which all must be there."""
    problems, count, function = [], 0, "?"
    left = {(name, instruction): times for name, instruction, times, _ in allowed}
    for line in listing.splitlines():
        start = re.match(r"[0-9a-f]+ <(.*)>:$", line)
        if start:
            function = start.group(1)
            continue
        code = re.match(r"\s*[0-9a-f]+:\s+(.*)$", line)
        if not code:
            continue
        count += 1
        text = re.sub(r"<.*>|#.*", "", code.group(1))
        words = [word for word in text.split() if word not in PREFIXES]
        if words and (FPU_INSTRUCTION.match(words[0]) or FPU_REGISTER.search(text)):
            if left.get((function, words[0])):
                left[function, words[0]] -= 1
            else:
                problems.append(f"{function}: {text.strip()}")
    problems += [f"{name}: {instruction} is allowed, and not there"
                 for (name, instruction), times in left.items() if times]
    if not count:
        problems.append("objdump listed no instruction")
    return problems


def disassemble(path, sections=(".text",)):
    chosen = [word for section in sections for word in ("-j", section)]
    result = subprocess.run(["objdump", "-d", "-M", "intel", "--no-show-raw-insn", *chosen,
                             str(path)], capture_output=True, text=True, check=True)
    return result.stdout


def symbols_of(folder):
    """{object: (the symbols that others may name, those of others that it names)}."""
    symbols = {}
    for path in sorted(folder.rglob("*.o")):
        listed = subprocess.run(["nm", "-g", str(path)], capture_output=True, text=True,
                                check=True).stdout
        rows = [line.split()[-2:] for line in listed.splitlines()]
        symbols[path.relative_to(folder).as_posix()] = (
            {name for kind, name in rows if kind not in "Uvw"},
            {name for kind, name in rows if kind in "Uvw"})
    return symbols


def check_references(symbols, entries=frozenset(ENTRIES)):
    """Who names what of debug/ and may not: it may not be in memory. Each of the entries is named."""
    theirs = set().union(*(defined for name, (defined, _) in symbols.items()
                           if name.startswith("debug/")))
    found = {(name, symbol) for name, (_, named) in symbols.items()
             if not name.startswith("debug/") for symbol in named & theirs}
    return [*(f"{name} names {symbol}, which is the debugger's"
              for name, symbol in sorted(found - entries)),
            *(f"{name} does not name {symbol}" for name, symbol in sorted(entries - found))]


def check_image(path, objects=None):
    """All that is wrong with an image, and with the objects that it was linked of."""
    data = pathlib.Path(path).read_bytes()
    return [*check_header(data), *check_segments(load_segments(data)),
            *check_sections(sections_of(data)),
            *check_instructions(disassemble(path, (".text", ".debugger_text")), ALLOWED),
            *(check_references(symbols_of(pathlib.Path(objects))) if objects else [])]


def copy_tree(root, target):
    """The files of the tree that are not ignored, as they are now."""
    listed = subprocess.run(["git", "-c", "safe.directory=*", "-C", str(root), "ls-files", "-z",
                             "--cached", "--others", "--exclude-standard"],
                            capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (root / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, target / name)


def build_twice(root, compiler="gcc"):
    """Builds the tree in two folders and compares what comes out."""
    epoch = "1600000000"
    products = ("build/orlop.elf", "build/orlop.iso")
    with tempfile.TemporaryDirectory(prefix="orlop-twice-") as folder:
        trees = [pathlib.Path(folder) / name for name in ("a", "another/folder")]
        for tree in trees:
            tree.mkdir(parents=True)
            copy_tree(root, tree)
            result = subprocess.run(
                ["make", "-C", str(tree), f"CC={compiler}", f"SOURCE_DATE_EPOCH={epoch}", "all"],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            if result.returncode:
                return [f"the build of a copy failed:\n{result.stdout}"]
        return [f"two builds differ: {name}" for name in products
                if (trees[0] / name).read_bytes() != (trees[1] / name).read_bytes()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("image")
    parser.add_argument("--twice", action="store_true", help="also build twice and compare")
    parser.add_argument("--objects", help="the folder of the objects that it was linked of")
    arguments = parser.parse_args()
    problems = check_image(arguments.image, arguments.objects)
    if arguments.twice:
        problems += build_twice(pathlib.Path(__file__).resolve().parents[1])
    for problem in problems:
        print(problem)
    if not problems:
        data = pathlib.Path(arguments.image).read_bytes()
        core, debugger = loaded_bytes(load_segments(data))
        print(f"image: header, rights, instructions and size ({core} bytes, and {debugger} of the "
              f"debugger's, unpacked {unpacked_bytes(data)}) are right")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
