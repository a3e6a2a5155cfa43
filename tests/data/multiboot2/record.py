#!/usr/bin/env python3
"""Records the multiboot2 information that GRUB hands over, for tests/unit/test_bootinfo.c.

    record.py bios|uefi OUTPUT         (GRUB_EFI: the folder of x86_64-efi, if not installed)

A kernel of a few instructions sends the structure that EBX points to out of the debug console port
of QEMU (0xE9) and switches the machine off. Needs nasm, grub-mkrescue and, for uefi, OVMF.
"""
import os
import shutil
import subprocess
import sys
import tempfile

KERNEL = """
bits 32
org 0x200000
header:
    dd 0xE85250D6, 0, header_end - header, -(0xE85250D6 + header_end - header)
    dw 2, 0
    dd 24, header, 0x200000, image_end, image_end   ; address tag
    dw 3, 0
    dd 12, start                                    ; entry tag
    align 8
    dw 10, 0
    dd 24, 0x200000, 0x8000000, 0x200000, 0         ; relocatable: asks for the load base
    dw 0, 0
    dd 8
header_end:
start:
    mov esi, ebx
    mov ecx, [ebx]
    mov dx, 0xE9
    rep outsb
    mov dx, 0xF4            ; isa-debug-exit
    out dx, al
    cli
    hlt
image_end:
"""
CONFIG = """
set timeout=0
menuentry x {
    multiboot2 /boot/kernel cpus=2 log=debug
    module2 /boot/sector realmode addr=0x7c00
    module2 /boot/sector
}
"""


def make_iso(folder, grub_folder):
    os.makedirs(f"{folder}/iso/boot/grub")
    for name, text in [("kernel.asm", KERNEL), ("iso/boot/grub/grub.cfg", CONFIG)]:
        with open(f"{folder}/{name}", "w", encoding="ascii") as file:
            file.write(text)
    with open(f"{folder}/iso/boot/sector", "wb") as file:
        file.write(bytes(512))
    subprocess.run(["nasm", "-f", "bin", "-o", f"{folder}/iso/boot/kernel",
                    f"{folder}/kernel.asm"], check=True)
    subprocess.run(["grub-mkrescue", "-d", grub_folder, "-o", f"{folder}/x.iso", f"{folder}/iso"],
                   check=True, stderr=subprocess.DEVNULL)


def main():
    firmware, output = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        command = ["qemu-system-x86_64", "-display", "none", "-m", "256", "-cdrom",
                   f"{folder}/x.iso", "-debugcon", f"file:{output}", "-no-reboot",
                   "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
        if firmware == "uefi":
            make_iso(folder, os.environ.get("GRUB_EFI", "/usr/lib/grub/x86_64-efi"))
            shutil.copy("/usr/share/OVMF/OVMF_VARS_4M.fd", f"{folder}/vars")
            command += ["-machine", "q35", "-drive", "if=pflash,format=raw,readonly=on,"
                        "file=/usr/share/OVMF/OVMF_CODE_4M.fd",
                        "-drive", f"if=pflash,format=raw,file={folder}/vars"]
        else:
            make_iso(folder, "/usr/lib/grub/i386-pc")
        subprocess.run(command, timeout=60, check=False)
    with open(output, "rb") as file:
        data = file.read()
    # OVMF writes its own log to the same port first.
    total = next(n for n in range(16, len(data) + 1, 1)
                 if int.from_bytes(data[-n:][:4], "little") == n and data[-n:][4:8] == bytes(4))
    with open(output, "wb") as file:
        file.write(data[-total:])
    print(total, "bytes")


if __name__ == "__main__":
    main()
