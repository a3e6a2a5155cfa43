#!/usr/bin/python3
"""Boots QEMU from the dnsmasq that docs/pxe.md describes. test_pxe.py runs this in namespaces of
its own (network, mounts): what the document says to do is done as it is written, less `sudo`.

The arguments are a folder for the run and the document.
"""

import pathlib
import re
import subprocess
import sys
import time

from harness import ROOT, BootFailure, Case, boot

SERVER_SECONDS = 10


def block(text, name):
    """The code block behind the document's comment of that name."""
    found = re.search(rf"<!-- test: {name} -->\n```\w*\n(.*?)```", text, re.DOTALL)
    if not found:
        raise SystemExit(f"dnsmasq_boot: the document has no block {name}")
    return found.group(1)


def run(*command):
    subprocess.run(command, check=True, cwd=ROOT)


def run_lines(lines):
    """Commands as the document has them; all of them need root, which we are."""
    for line in lines.splitlines():
        run(*line.removeprefix("sudo ").split())


def start_dnsmasq(folder, configuration):
    """In the foreground, with that file alone, until it says that it serves."""
    path = folder / "dnsmasq.conf"
    path.write_text(configuration, encoding="utf-8")
    # Where root is only root of a namespace there is no other user to become.
    alone = pathlib.Path("/proc/self/uid_map").read_text(encoding="utf-8").split()[2] == "1"
    mode = ["--no-daemon"] if alone else ["--keep-in-foreground", "--log-facility=-"]
    log = open(folder / "dnsmasq.log", "w", encoding="utf-8")
    process = subprocess.Popen(["dnsmasq", f"--conf-file={path}", *mode], stdout=log, stderr=log)
    deadline = time.monotonic() + SERVER_SECONDS
    while "TFTP root is" not in (folder / "dnsmasq.log").read_text(encoding="utf-8"):
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit("dnsmasq_boot: dnsmasq does not serve:\n"
                             + (folder / "dnsmasq.log").read_text(encoding="utf-8"))
        time.sleep(0.1)
    return process


def main():
    folder, document = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).read_text("utf-8")
    configuration = block(document, "dnsmasq")
    interface = re.search(r"^interface=(\S+)$", configuration, re.MULTILINE).group(1)
    for place in ("/srv", "/var/lib/misc", "/run"):  # what is written there is gone with us
        run("mount", "-t", "tmpfs", "none", place)
    run("ip", "link", "set", "lo", "up")
    run("ip", "tuntap", "add", interface, "mode", "tap")
    run_lines(block(document, "files"))
    run_lines(block(document, "network"))
    server = start_dnsmasq(folder, configuration)
    # Without VMX, Orlop's refusal is the proof that all of the way worked.
    case = Case(name="pxe-dnsmasq", network=f"tap:{interface}", emulator="qemu", timeout=90,
                cpu="qemu64,vendor=GenuineIntel,svm=off", end="refused",
                expect=["orlop: Orlop .*, started by GRUB", "orlop: refused: .*VMX"])
    try:
        boot(case, folder)
    except BootFailure as failure:
        raise SystemExit(f"{failure}\n--- dnsmasq\n"
                         + (folder / "dnsmasq.log").read_text(encoding="utf-8")) from failure
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
