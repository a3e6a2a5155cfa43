#!/usr/bin/python3
"""Checks what the tree promises about includes (docs/design.md, the flow is the tree):

- an include is root-relative, and goes to the file's own folder or to a lower level;
- nobody includes debug/; only the start, kernel/main.c and its parts kernel/main_* and
  kernel/guest_*, may include everything, and nobody else includes a part of it;
- a .c file includes its own header first;
- every header compiles alone, with each compiler that is installed.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys

LEVELS = {
    "include": 0, "base": 0, "lib": 1,
    "drivers/serial": 2, "drivers/pci": 2, "drivers/video": 2, "boot": 2, "acpi": 2, "mm": 2,
    "kernel": 3, "vcpu": 3, "vmx": 4, "iommu": 4, "loader": 5, "guest": 5, "debug": 6,
}
START = re.compile(r"kernel/(main(_\w+)?|guest_\w+)\.[ch]")
FREESTANDING = {"stdarg.h", "stdbool.h", "stddef.h", "stdint.h", "limits.h", "stdalign.h",
                "stdnoreturn.h"}
COMPILERS = ("gcc", "clang")
FLAGS = ("-std=gnu11 -O2 -ffreestanding -mgeneral-regs-only -mno-red-zone -mcmodel=kernel -fno-pic "
         "-Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wundef -I. "
         "-fsyntax-only -x c -").split()
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]*)[>"]', re.MULTILINE)


def folder_of(path):
    """The folder with a level that holds a file, "" if none does."""
    parts = pathlib.PurePosixPath(path).parent.parts
    for length in range(len(parts), 0, -1):
        if "/".join(parts[:length]) in LEVELS:
            return "/".join(parts[:length])
    return ""


def sources(root, patterns=("*.c", "*.h")):
    return sorted(path.relative_to(root).as_posix() for folder in LEVELS for pattern in patterns
                  for path in (root / folder).rglob(pattern))


def check_include(root, source, kind, target):
    """What is wrong with one include, "" if nothing is."""
    if kind == "<":
        return "" if target in FREESTANDING else f"<{target}> is not a freestanding header"
    if ".." in target.split("/") or not (root / target).is_file():
        return f'"{target}" is not a file from the top of the tree'
    own, other = folder_of(source), folder_of(target)
    if not other:
        return f'"{target}" is in no folder that has a level'
    if START.fullmatch(source):
        return ""
    if START.fullmatch(target):
        return f'"{target}" is a part of the start, which nobody else includes'
    if own == other:
        return ""
    if other == "debug":
        return f'"{target}": nobody includes debug/'
    if LEVELS[other] >= LEVELS[own]:
        return f'"{target}" (level {LEVELS[other]}) is not below {own}/ (level {LEVELS[own]})'
    return ""


def check_file(root, source):
    """All that is wrong with one file's includes."""
    text = (root / source).read_text(encoding="utf-8")
    problems = []
    for match in INCLUDE.finditer(text):
        problem = check_include(root, source, match.group(1), match.group(2))
        if problem:
            line = text.count("\n", 0, match.start(1)) + 1
            problems.append(f"{source}:{line}: {problem}")
    first = INCLUDE.search(text)
    own_header = source[:-2] + ".h"
    if source.endswith(".c") and (root / own_header).is_file() \
            and (not first or first.group(2) != own_header):
        problems.append(f'{source}: its own header is not the first include')
    if source.endswith(".h") and not re.search(r"^#pragma once$", text, re.MULTILINE):
        problems.append(f"{source}: no #pragma once")
    return problems


def check_header_alone(root, header, compiler):
    """What a compiler says about a file that includes this header alone."""
    result = subprocess.run([compiler, *FLAGS], cwd=root, input=f'#include "{header}"\n',
                            capture_output=True, text=True, check=False)
    return f"{header}: does not compile alone:\n{result.stderr.rstrip()}" if result.returncode \
        else ""


def check_headers_alone(root, headers, compilers):
    jobs = [(header, compiler) for compiler in compilers for header in headers]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(filter(None, pool.map(lambda job: check_header_alone(root, *job), jobs)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--root", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parents[1])
    root = parser.parse_args().root
    files = sources(root)
    problems = [problem for source in files for problem in check_file(root, source)]
    headers = [source for source in files if source.endswith(".h")]
    compilers = [compiler for compiler in COMPILERS if shutil.which(compiler)]
    if headers and not compilers:
        problems.append("no compiler is installed, so no header was compiled")
    problems += check_headers_alone(root, headers, compilers)
    for problem in problems:
        print(problem)
    if not problems:
        print(f"layers: {len(files)} files keep to them, {len(headers)} headers compile alone "
              f"({', '.join(compilers)})")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
