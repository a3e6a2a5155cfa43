#!/usr/bin/python3
"""Makes broken copies of a good program, each to be refused with its reason: broken.py GOOD OUTPUT,
where the name of OUTPUT says what is wrong with it."""

import pathlib
import struct
import sys


def _put(layout, offset, value):
    def change(data):
        struct.pack_into(layout, data, offset, value)
        return data
    return change


SECOND_SEGMENT = 64 + 2 * 56 + 24   # its physical address, in the ELF file of mboot2


def _need(data):
    """The first information that the multiboot2 header asks for becomes one that nobody knows."""
    header = data.index(struct.pack("<I", 0xE85250D6))
    return _put("<I", header + 16 + 8, 77)(data)


def _flip(segment):
    """One bit of what a segment holds, counted from the last: a part of the packed image."""
    def change(data):
        entry_bytes, entries = struct.unpack_from("<HH", data, 54)
        place = struct.unpack_from("<Q", data, 32)[0] + (entries - segment) * entry_bytes
        offset, size = struct.unpack_from("<8xQ16xQ", data, place)
        data[offset + size - 1000] ^= 4
        return data
    return change


# Offsets are those of the Linux boot protocol's header, and of ELF's.
WAYS = {
    "kernel-cut": lambda data: data[:0x400],
    "kernel-overlap": _put("<Q", SECOND_SEGMENT, 0x101000),
    "kernel-rom": _put("<Q", SECOND_SEGMENT, 0xE0000),
    "kernel-high": _put("<Q", SECOND_SEGMENT, 0xFFFFF000),
    "kernel-needs": _need,
    "orlop-damaged": _flip(2),
    "orlop-damaged-debugger": _flip(1),
    "cut": lambda data: data[:len(data) // 2],
    "large-setup": lambda data: _put("<B", 0x1F1, 65)(data + bytes(65 * 512)),
    "bad-address": _put("<Q", 0x258, 0x1234),
}


def main():
    good, output = map(pathlib.Path, sys.argv[1:])
    output.write_bytes(WAYS[output.stem](bytearray(good.read_bytes())))


if __name__ == "__main__":
    main()
