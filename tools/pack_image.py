#!/usr/bin/env python3
"""Packs the image of an ELF file that linker.ld laid out: in the file that comes out, what lies in
the high half is loaded as two pieces. The first is unpacked by boot/entry.asm to where it would have
been loaded; the second, which only a debugger needs, by kernel/image.c, where the options want one.

    pack_image.py LINKED PACKED

Sections, symbols and debug information stay as they are, so that gdb and objdump read the packed
file as the other. The first is packed by Debian's lz4, in its block format, which is quick; the
second by LZMA, which is small.
"""
import lzma
import pathlib
import struct
import subprocess
import sys

PT_LOAD, PF_X, PF_W, PF_R = 1, 1, 2, 4
HIGH_HALF = 1 << 63
PAGE = 4096
LEGACY_MAGIC = 0x184C2102
# As lib/lzma.h has it: no bits of place or of neighbours.
FILTERS = [{"id": lzma.FILTER_LZMA1, "preset": 9 | lzma.PRESET_EXTREME, "lc": 0, "lp": 0, "pb": 0,
            "dict_size": 1 << 24, "nice_len": 273, "depth": 1000}]
SEGMENT = struct.Struct("<IIQQQQQQ")  # type, flags, offset, vaddr, paddr, filesz, memsz, align


def lz4_block(data):
    """One block of LZ4, as the legacy frame holds it, which has no more than a size before it."""
    try:
        frame = subprocess.run(["lz4", "-l", "--best", "-c"], input=data, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, check=True).stdout
    except FileNotFoundError:
        raise SystemExit("pack_image: lz4 is missing; `make deps` installs it") from None
    magic, size = struct.unpack_from("<II", frame)
    if magic != LEGACY_MAGIC or size != len(frame) - 8:
        raise SystemExit("pack_image: lz4 gave no single block of its legacy format")
    return frame[8:]


def lzma_stream(data):
    """The stream alone, without a header or an end mark."""
    return lzma.compress(data, format=lzma.FORMAT_RAW, filters=FILTERS)


def checksum(data):
    """As boot_unpack and kernel/image.c sum the dwords."""
    total = 0
    for dword, in struct.iter_unpack("<I", data):
        total = ((total << 1 | total >> 31) + dword) & 0xFFFFFFFF
    return total


def with_header(block, *more):
    """What is to lie at packed_load, and behind it: kernel/image.c wants one number more."""
    padded = block + bytes(-len(block) % 4)
    return struct.pack(f"<{2 + len(more)}I", len(block), checksum(padded), *more) + padded


def image_bytes(data, segments):
    """What a loader would put at image_load, up to the last byte that is in the file."""
    start = segments[0][4]
    image = bytearray()
    for _, _, offset, _, place, size, _, _ in segments:
        image += bytes(place - start - len(image)) if size else b""
        image += data[offset:offset + size]
    return bytes(image)


def parts(segments):
    """The segments of the core, and those of the debugger, which begin with text again."""
    texts = [i for i, segment in enumerate(segments) if segment[1] & PF_X]
    if len(texts) != 2 or texts[0] != 0 or any(segment[0] != PT_LOAD for segment in segments):
        raise SystemExit("pack_image: not a file that linker.ld laid out")
    return segments[:texts[1]], segments[texts[1]:]


def pack(data):
    """The packed file."""
    data = bytearray(data)
    table, = struct.unpack_from("<Q", data, 32)
    entry_bytes, entries = struct.unpack_from("<HH", data, 54)
    places = [table + i * entry_bytes for i in range(entries)]
    segments = [SEGMENT.unpack_from(data, place) for place in places]
    low = [segment for segment in segments if segment[3] < HIGH_HALF]
    high = [segment for segment in segments if segment[3] >= HIGH_HALF]
    core, debugger = (image_bytes(data, part) for part in parts(high))

    start, end = high[0][4], high[-1][4] + high[-1][6]
    data += bytes(-len(data) % PAGE)
    loaded = [(PT_LOAD, PF_R | PF_W, 0, high[0][3], start, 0, end - start, PAGE)]
    for packed in (with_header(lz4_block(core)),
                   with_header(lzma_stream(debugger), len(debugger))):
        loaded.append((PT_LOAD, PF_R, len(data), end, end, len(packed), len(packed), PAGE))
        data += packed
        end += len(packed)
    for place, segment in zip(places, [*low, *loaded]):
        SEGMENT.pack_into(data, place, *segment)
    struct.pack_into("<H", data, 56, len(low) + len(loaded))
    return bytes(data)


def main():
    source, target = map(pathlib.Path, sys.argv[1:])
    target.write_bytes(pack(source.read_bytes()))


if __name__ == "__main__":
    main()
