#!/usr/bin/env python3
"""Packs the image of an ELF file that linker.ld laid out: in the file that comes out, what lies in
the high half is loaded as one piece, which boot/entry.asm unpacks to where it would have been loaded.

    pack_image.py LINKED PACKED

Sections, symbols and debug information stay as they are, so that gdb and objdump read the packed
file as the other. The packing is LZMA.
"""
import lzma
import pathlib
import struct
import sys

PT_LOAD, PF_W, PF_R = 1, 2, 4
HIGH_HALF = 1 << 63
PAGE = 4096
FILTERS = [{"id": lzma.FILTER_LZMA1, "preset": 9 | lzma.PRESET_EXTREME, "lc": 0, "lp": 0, "pb": 0,
            "dict_size": 1 << 24, "nice_len": 273, "depth": 1000}]
SEGMENT = struct.Struct("<IIQQQQQQ")  # type, flags, offset, vaddr, paddr, filesz, memsz, align


def lzma_stream(data):
    """The stream alone, with what boot_unpack takes for granted: no bits of place or neighbour."""
    return lzma.compress(data, format=lzma.FORMAT_RAW, filters=FILTERS)


def checksum(data):
    """As boot_unpack sums the dwords."""
    total = 0
    for dword, in struct.iter_unpack("<I", data):
        total = ((total << 1 | total >> 31) + dword) & 0xFFFFFFFF
    return total


def with_header(image):
    """What is to lie at packed_load."""
    stream = lzma_stream(image)
    padded = stream + bytes(-len(stream) % 4)
    return struct.pack("<III", len(stream), checksum(padded), len(image)) + padded


def image_bytes(data, segments):
    """What a loader would put at image_load, up to the last byte that is in the file."""
    start = segments[0][4]
    image = bytearray()
    for _, _, offset, _, place, size, _, _ in segments:
        image += bytes(place - start - len(image)) if size else b""
        image += data[offset:offset + size]
    return bytes(image)


def pack(data):
    """The packed file."""
    data = bytearray(data)
    table, = struct.unpack_from("<Q", data, 32)
    entry_bytes, entries = struct.unpack_from("<HH", data, 54)
    places = [table + i * entry_bytes for i in range(entries)]
    segments = [SEGMENT.unpack_from(data, place) for place in places]
    low = [segment for segment in segments if segment[3] < HIGH_HALF]
    high = [segment for segment in segments if segment[3] >= HIGH_HALF]
    if len(high) < 2 or any(segment[0] != PT_LOAD for segment in segments):
        raise SystemExit("pack_image: not a file that linker.ld laid out")

    start, end = high[0][4], high[-1][4] + high[-1][6]
    packed = with_header(image_bytes(data, high))
    data += bytes(-len(data) % PAGE)
    memory = (PT_LOAD, PF_R | PF_W, 0, high[0][3], start, 0, end - start, PAGE)
    payload = (PT_LOAD, PF_R, len(data), end, end, len(packed), len(packed), PAGE)
    data += packed
    for place, segment in zip(places, [*low, memory, payload]):
        SEGMENT.pack_into(data, place, *segment)
    struct.pack_into("<H", data, 56, len(low) + 2)
    return bytes(data)


def main():
    source, target = map(pathlib.Path, sys.argv[1:])
    target.write_bytes(pack(source.read_bytes()))


if __name__ == "__main__":
    main()
