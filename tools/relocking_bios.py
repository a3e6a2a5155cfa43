#!/usr/bin/python3
"""Makes a copy of Bochs's BIOS that lives through a reset by the keyboard controller.

Such a reset (port 64h) leaves IA32_FEATURE_CONTROL as it was: locked. Bochs's BIOS writes it again
without a look, gets #GP before it has an IDT, and the machine ends, with Orlop or without. Real
firmware looks first. In the copy each of the two writes, the first CPU's and the others', is left
out where the value already is what it would become, 5.
"""

import pathlib
import sys

# (what the code is, what it is turned into, of the same length)
CHANGES = (
    # mov ecx, 3Ah; rdmsr; or eax, 5; wrmsr  ->  push 3Ah; pop ecx; rdmsr; xor al, 5; jz over wrmsr; nop
    ("b93a000000 0f32 83c805 0f30", "6a3a 59 0f32 3405 7402 0f30 90"),
    # the same in 16-bit code, where there is room
    ("66b93a000000 0f32 6683c805 0f30", "66b93a000000 0f32 3405 7402 0f30"),
)


def relocking(image):
    """The image with the changes; each place must be there once."""
    for old, new in CHANGES:
        old, new = bytes.fromhex(old), bytes.fromhex(new)
        if image.count(old) != 1 or len(old) != len(new):
            raise SystemExit(f"relocking_bios: {image.count(old)} places hold {old.hex()}, not one")
        image = image.replace(old, new)
    return image


def main():
    source, target = map(pathlib.Path, sys.argv[1:])
    target.write_bytes(relocking(source.read_bytes()))


if __name__ == "__main__":
    main()
