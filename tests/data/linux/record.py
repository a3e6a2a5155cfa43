#!/usr/bin/env python3
"""Records what tests/unit/test_linux_image.c needs of a stock kernel: its setup header.

    record.py VMLINUZ OUTPUT     (OUTPUT: distribution-version-flavour.bin)

The first 0x290 bytes of the file are kept, with the Debian package's version in the name; the
file's size, which the test needs too, is printed.
"""
import os
import sys

with open(sys.argv[1], "rb") as kernel, open(sys.argv[2], "wb") as output:
    output.write(kernel.read(0x290))
print(os.path.getsize(sys.argv[1]))
