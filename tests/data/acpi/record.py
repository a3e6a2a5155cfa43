#!/usr/bin/env python3
"""Records the ACPI tables that an emulator's firmware makes, for tests/unit/test_acpi.c.

    record.py qemu|bochs CPUS OUTPUT [emulator arguments, QEMU only]

The output is a row of pieces of physical memory, each {u64 address, u32 bytes, the bytes}, all little
endian: the word at 0x40E, the RSDP, and every table that can be reached from it. Nothing of the
emulator's is left behind.
"""
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time

RAM_MIB = 64


class Image:
    """Physical memory as a list of (address, bytes)."""

    def __init__(self, parts):
        self.parts = parts

    def at(self, address, count):
        for base, data in self.parts:
            if base <= address and address + count <= base + len(data):
                return data[address - base:address - base + count]
        raise SystemExit(f"record: {address:#x} is outside what was dumped")


REGIONS = [(0x0, 0x500), (0x9F000, 0x1000), (0xE0000, 0x20000),
           ((RAM_MIB << 20) - 0x40000, 0x40000)]


def boot_sector(path):
    with open(path, "wb") as file:
        file.write(b"\xf4\xeb\xfd".ljust(510, b"\0") + b"\x55\xaa" + bytes(1440 * 1024 - 512))


def run_qemu(folder, cpus, extra):
    command = ["qemu-system-x86_64", "-display", "none", "-m", str(RAM_MIB), "-smp", cpus,
               "-monitor", f"unix:{folder}/mon,server=on,wait=off", "-no-reboot",
               "-drive", f"file={folder}/floppy,format=raw,if=floppy", "-boot", "a"] + extra
    with subprocess.Popen(command) as emulator:
        time.sleep(5)
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.connect(f"{folder}/mon")
            for i, (base, count) in enumerate(REGIONS):
                monitor.sendall(f'pmemsave {base:#x} {count:#x} "{folder}/part{i}"\n'.encode())
            monitor.sendall(b"quit\n")
            while monitor.recv(4096):
                pass
        emulator.wait(timeout=20)


def run_bochs(folder, cpus, _extra):
    with open(f"{folder}/bochsrc", "w", encoding="ascii") as file:
        file.write(f"""plugin_ctrl: unmapped=1, biosdev=1, speaker=0
config_interface: textconfig
display_library: rfb, options="timeout=0"
cpu: model=corei7_skylake_x, count={cpus}:1:1, ips=50000000
memory: guest={RAM_MIB}, host={RAM_MIB}
romimage: file=/usr/share/bochs/BIOS-bochs-latest, options=fastboot
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
floppya: 1_44={folder}/floppy, status=inserted
boot: floppy
pci: enabled=1, chipset=i440fx
clock: sync=none, time0=946684800
log: {folder}/bochs.log
""")
    with open(f"{folder}/commands", "w", encoding="ascii") as file:
        file.write("pb 0x7c00\nc\n")
        for i, (base, count) in enumerate(REGIONS):
            file.write(f'writemem "{folder}/part{i}" {base:#x} {count:#x}\n')
        file.write("quit\n")
    subprocess.run(["bochs", "-q", "-f", f"{folder}/bochsrc", "-rc", f"{folder}/commands"],
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=60, check=False)


def tables(image):
    """Yields (address, bytes) of the RSDP and all tables."""
    bios = image.at(0xE0000, 0x20000)
    found = next(i for i in range(0, len(bios), 16)
                 if bios[i:i + 8] == b"RSD PTR " and sum(bios[i:i + 20]) % 256 == 0)
    rsdp = bios[found:found + (36 if bios[found + 15] >= 2 else 20)]
    yield 0xE0000 + found, rsdp
    roots = [(struct.unpack_from("<I", rsdp, 16)[0], "<I")]
    if len(rsdp) == 36:
        roots.append((struct.unpack_from("<Q", rsdp, 24)[0], "<Q"))
    seen = set()

    def table(address):
        if address and address not in seen:
            seen.add(address)
            yield address, image.at(address, struct.unpack("<I", image.at(address + 4, 4))[0])

    for root, form in roots:
        for address, data in table(root):
            yield address, data
            for (child,) in struct.iter_unpack(form, data[36:]):
                for place, body in table(child):
                    yield place, body
                    if body[:4] == b"FACP":
                        yield from table(struct.unpack_from("<I", body, 36)[0])
                        yield from table(struct.unpack_from("<I", body, 40)[0])


def main():
    emulator, cpus, output, *extra = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        boot_sector(f"{folder}/floppy")
        {"qemu": run_qemu, "bochs": run_bochs}[emulator](folder, cpus, extra)
        parts = []
        for i, (base, count) in enumerate(REGIONS):
            with open(f"{folder}/part{i}", "rb") as file:
                parts.append((base, file.read(count)))
    image = Image(parts)
    with open(output, "wb") as file:
        for address, data in [(0x40E, image.at(0x40E, 2)), *tables(image)]:
            file.write(struct.pack("<QI", address, len(data)) + data)
            print(f"{address:#x} {len(data)} {data[:8]}")
    print(os.path.getsize(output), "bytes")


if __name__ == "__main__":
    main()
