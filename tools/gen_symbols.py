#!/usr/bin/env python3
"""Turn `nm -n` output on stdin into the C table that lib/symbols.h declares, on stdout.

Without input, from a terminal, or with --empty: an empty table of the same shape, for the first
link. Only functions (t and T) go in, under the names that the source has: what the compiler adds
(.constprop.0, .cold) is left out. Each run of them is closed by the first symbol of another kind,
under an empty name, so that an address behind the code gets no name. The debugger's lie far behind
the others, wherever the linker put them. Names are packed: time and
again the pair of bytes that is most frequent in all of them becomes one byte. The same input gives
the same output.
"""
import collections
import sys

SYMBOL_BASE = 0xFFFFFFFF80000000  # as in lib/symbols.h
SYMBOL_FAR = 0x200000              # as in lib/symbols.h
DEBUGGER = "debugger_start"        # linker.ld; from there on addresses move with the table's size
NAME_BYTES, DEPTH = 64, 16         # as in lib/symbols.h: SYMBOL_NAME_BYTES, SYMBOL_DEPTH
SECTION = '__attribute__((section(".rodata.symbols")))'


def parse(lines):
    """Yields (offset, kind, name) of every symbol that has a place in the image."""
    rows = [line.split() for line in lines]
    rows = [(int(row[0], 16) - SYMBOL_BASE, *row[1:]) for row in rows if len(row) == 3]
    debugger = next((offset for offset, _, name in rows if name == DEBUGGER), 1 << 32)
    for offset, kind, name in rows:
        if kind in "aAUNn" or name == DEBUGGER or not 0 <= offset < 1 << 32:
            continue
        yield (offset if offset < debugger else offset - debugger + SYMBOL_FAR), kind, name


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


def _joined(name, pair, code):
    """The name with `code` for each `pair`, from the left."""
    joined, at = [], 0
    while at < len(name):
        found = tuple(name[at:at + 2]) == pair
        joined.append(code if found else name[at])
        at += 1 + found
    return joined


def pack(names):
    """The names as lists of bytes, and the pairs that 128, 129 ... in them stand for."""
    packed = [list(name.encode()) for name in names]
    if any(len(name) >= NAME_BYTES for name in packed):
        raise SystemExit(f"gen_symbols: a name has more than {NAME_BYTES - 1} bytes")
    pairs, depth = [], collections.defaultdict(int)
    for code in range(128, 256):
        found = collections.Counter(pair for name in packed for pair in zip(name, name[1:])
                                    if max(depth[pair[0]], depth[pair[1]]) < DEPTH)
        pair, count = max(found.items(), key=lambda item: (item[1], item[0]), default=(None, 0))
        if count < 3:  # its row takes two bytes
            break
        pairs.append(pair)
        depth[code] = 1 + max(depth[pair[0]], depth[pair[1]])
        packed = [_joined(name, pair, code) for name in packed]
    return packed, pairs


def emit(table, out):
    """Writes the definitions. An array has one element at least: C knows no empty ones."""
    rows, before = [], 0
    packed, pairs = pack([name for _, name in table])
    for (offset, name), short in zip(table, packed):
        row = gap_bytes(offset - before) + short + [0]
        rows.append(f"    {', '.join(map(str, row))}, /* {name} */")
        before = offset
    print("/* Made by tools/gen_symbols.py. */", file=out)
    print('#include "lib/symbols.h"\n', file=out)
    print(f"extern const uint8_t {DEBUGGER}[];", file=out)
    print(f"const uint64_t symbol_debugger {SECTION} = (uint64_t){DEBUGGER};", file=out)
    print(f"const uint32_t symbol_count {SECTION} = {len(table)};", file=out)
    print(f"\nconst uint8_t symbol_table[] {SECTION} = {{", file=out)
    print("\n".join(rows or ["    0,"]), file=out)
    print("};", file=out)
    print(f"\nconst uint8_t symbol_pairs[][2] {SECTION} = {{", file=out)
    print("\n".join(f"    {{{a}, {b}}}," for a, b in pairs or [(0, 0)]), file=out)
    print("};", file=out)


def main():
    empty = "--empty" in sys.argv[1:] or sys.stdin is None or sys.stdin.isatty()
    emit(function_table(parse([] if empty else sys.stdin)), sys.stdout)


if __name__ == "__main__":
    main()
