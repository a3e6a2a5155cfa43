#!/usr/bin/env python3
"""Turn `nm -n` output on stdin into the C table that lib/symbols.h declares, on stdout.

Without input, from a terminal, or with --empty: an empty table of the same shape, for the first
link. Only functions (t and T) go in, under the names that the source has: what the compiler adds
(.constprop.0, .cold) is left out. Each run of them is closed by the first symbol of another kind,
under an empty name, so that an address behind the code gets no name. The same input gives the same
output.
"""
import sys

SYMBOL_BASE = 0xFFFFFFFF80000000  # as in lib/symbols.h
SECTION = '__attribute__((section(".rodata.symbols")))'


def parse(lines):
    """Yields (offset, kind, name) of every symbol that has a place in the image."""
    for line in lines:
        fields = line.split()
        if len(fields) != 3 or fields[1] in "aAUNn":
            continue
        offset = int(fields[0], 16) - SYMBOL_BASE
        if 0 <= offset < 1 << 32:
            yield offset, fields[1], fields[2]


def function_table(symbols):
    """[(offset, name)], ascending, one for each address. Among functions at one address a global one
    (T) comes before a local one (t), then the alphabet decides."""
    best = {}
    for offset, kind, name in symbols:
        is_code = kind in "tT"
        rank = (not is_code, kind != "T", name)
        if offset not in best or rank < best[offset][0]:
            best[offset] = (rank, name.split(".")[0] if is_code else "")
    table = []
    for offset in sorted(best):
        name = best[offset][1]
        if name or (table and table[-1][1]):
            table.append((offset, name))
    return table


def gap_bytes(gap):
    """Seven bits a byte, the lowest first; all but the last have their top bit set."""
    encoded = []
    while gap >= 0x80:
        encoded.append(gap & 0x7F | 0x80)
        gap >>= 7
    return encoded + [gap]


def emit(table, out):
    """Writes the two definitions. An array has one element at least: C knows no empty ones."""
    rows, before = [], 0
    for offset, name in table:
        row = gap_bytes(offset - before) + list(name.encode()) + [0]
        rows.append(f"    {', '.join(map(str, row))}, /* {name} */")
        before = offset
    print("/* Made by tools/gen_symbols.py. */", file=out)
    print('#include "lib/symbols.h"\n', file=out)
    print(f"const uint32_t symbol_count {SECTION} = {len(table)};", file=out)
    print(f"\nconst uint8_t symbol_table[] {SECTION} = {{", file=out)
    print("\n".join(rows or ["    0,"]), file=out)
    print("};", file=out)


def main():
    empty = "--empty" in sys.argv[1:] or sys.stdin is None or sys.stdin.isatty()
    emit(function_table(parse([] if empty else sys.stdin)), sys.stdout)


if __name__ == "__main__":
    main()
