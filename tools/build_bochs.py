#!/usr/bin/python3
"""Builds Bochs 3.0 from Debian's source package into build-bochs/, with its BIOS: `make bochs`.

Without the debugger and with chained handlers it runs two to three times as fast as the packaged one,
and its CPUs wait for SIPIs as real ones do. apt fetches the source with a configuration of its own,
from the mirror that this machine uses; nothing of the system's is changed.
"""

import argparse
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
SUITE = "trixie"        # a release, so that everybody builds the same version
COMPONENT = "main"
KEYRING = pathlib.Path("/usr/share/keyrings/debian-archive-keyring.gpg")
BIOS = "usr/share/bochs/BIOS-bochs-latest"
# The machine: all of x86-64 with VMX, SVM for the refusal, the devices of the tests. Debian's own
# build has these too; it has the debugger besides, which excludes chained handlers.
OPTIONS = """
    --enable-smp --enable-cpu-level=6 --enable-x86-64 --enable-long-phy-address
    --enable-vmx=2 --enable-svm --enable-avx --enable-evex --enable-amx --enable-cet --enable-uintr
    --enable-protection-keys --enable-x86-debugger
    --enable-pci --enable-e1000 --enable-usb --enable-usb-xhci --enable-iodebug
    --enable-repeat-speedups --enable-fast-function-calls --enable-handlers-chaining
    --disable-debugger --disable-docbook --without-x --with-rfb --with-nogui
""".split()

# (file, text that is there once, what it becomes, why)
CHANGES = [
    ("cpu/vmx.cc", "  BX_CPU_THIS_PTR in_vmx_guest = true;\n",
     "  BX_CPU_THIS_PTR in_vmx_guest = true;\n  handleInterruptMaskChange();\n",
     "a guest that is entered with IF=0 must exit at an interrupt, where that is asked for"),
    ("cpu/mwait.cc", "  bx_pc_system.invlpg(paddr);\n\n  BX_CPU_THIS_PTR monitor.arm(paddr, (",
     "  for (unsigned n = 0; n < BX_SMP_PROCESSORS; n++) {\n"
     "    BX_CPU(n)->invalidate_stack_cache();\n"
     "    BX_CPU(n)->DTLB.get_entry_of(get_laddr(i->seg(), eaddr))->invalidate();\n"
     "  }\n\n"
     "  BX_CPU_THIS_PTR monitor.arm(paddr, (",
     "a CPU in MWAIT must see a store of one that has the page in its TLB, by its linear address; and "
     "the rest of a TLB must stay, or eight CPUs that idle take their time to fill it"),
    ("cpu/event.cc", "#endif\n      BX_CPU_THIS_PTR activity_state = BX_ACTIVITY_STATE_ACTIVE;\n"
     "      BX_CPU_THIS_PTR inhibit_mask",
     "#endif\n      if (! (BX_CPU_THIS_PTR in_vmx_guest && BX_CPU_THIS_PTR vmcs.pin_vmexec_ctrls.NMI_EXITING() &&\n"
     "          is_unmasked_event_pending(BX_EVENT_NMI) &&\n"
     "          BX_CPU_THIS_PTR activity_state == BX_ACTIVITY_STATE_HLT))\n"
     "        BX_CPU_THIS_PTR activity_state = BX_ACTIVITY_STATE_ACTIVE;\n"
     "      BX_CPU_THIS_PTR inhibit_mask",
     "an NMI that exits finds a CPU in HLT, and the exit says so: SDM vol. 3C, 28.1 "
     "\"Architectural State Before a VM Exit\""),
]


class BuildError(Exception):
    """Why there is no Bochs."""


def mirror(index_targets):
    """Where the system has Debian's packages from, of what `apt-get indextargets` says."""
    origins = set()
    for line in index_targets.splitlines():
        origin, codename, uri = line.split("|")
        origins.add(origin)
        if origin == "Debian" and "-" not in codename:
            return uri
    raise BuildError("apt has no mirror of Debian's, but of: "
                     f"{', '.join(sorted(origins)) or 'nobody'}; name one with MIRROR=URL")


def apt_configuration(folder, uri, suite):
    """Writes what lets apt know of the suite alone, and keeps its files in `folder`."""
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    signed = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
    (folder / "sources.list").write_text("".join(
        f"{kind} {signed}{uri} {suite} {COMPONENT}\n" for kind in ("deb", "deb-src")))
    configuration = folder / "apt.conf"
    configuration.write_text(f"""
        Dir::State "{folder}/state";
        Dir::State::lists "{folder}/state/lists";
        Dir::State::status "{folder}/state/status";
        Dir::Cache "{folder}/cache";
        Dir::Etc::sourcelist "{folder}/sources.list";
        Dir::Etc::sourceparts "-";
        APT::Sandbox::User "root";
        """)
    (folder / "state/status").touch()
    return configuration


def run(command, cwd=None, **environment):
    """Runs a command; its output is shown only if it fails. Nothing of ours is in its environment:
    neither make's flags nor a compiler that Orlop is built with."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "http_proxy", "https_proxy")
                 if name in os.environ}
    result = subprocess.run(command, cwd=cwd, env={**inherited, "LC_ALL": "C", **environment},
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    if result.returncode:
        raise BuildError(f"{' '.join(map(str, command[:4]))} ...: status {result.returncode}\n"
                         + "\n".join(result.stdout.splitlines()[-20:]))
    return result.stdout


def fetch(folder, uri, suite):
    """The upstream source and the package of the BIOS, which apt checks against Debian's signature.
    """
    configuration = str(apt_configuration(folder, uri, suite))
    run(["apt-get", "-q", "update"], APT_CONFIG=configuration)
    run(["apt-get", "-q", "source", "--tar-only", "bochs"], folder, APT_CONFIG=configuration)
    run(["apt-get", "-q", "download", "bochsbios"], folder, APT_CONFIG=configuration)
    return (only(folder, "bochs_*.orig.tar.*", "sources of Bochs"),
            only(folder, "bochsbios_*.deb", "packages of its BIOS"))


def only(folder, pattern, what):
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise BuildError(f"{len(found)} {what} in {folder}, not one")
    return found[0]


def unpack(archive, folder):
    """The source's own folder."""
    with tarfile.open(archive) as source:
        source.extractall(folder, filter="data") if hasattr(tarfile, "data_filter") \
            else source.extractall(folder)
    return next(path.parent for path in sorted(folder.glob("*/configure")))


def change(source, changes):
    """Makes the changes in the source's folder; a text that is not there once is another version's."""
    for name, old, new, why in changes:
        text = (source / name).read_text(encoding="latin-1")
        if text.count(old) != 1:
            raise BuildError(f"{name} is not as expected, which is to be changed: {why}")
        (source / name).write_text(text.replace(old, new), encoding="latin-1")


def build(output, work, uri, suite, jobs):
    """Leaves `output`/bochs, or raises BuildError and leaves what was there."""
    wanted = hashlib.sha256(repr([suite, BIOS, OPTIONS, CHANGES]).encode()).hexdigest()[:16]
    if (output / "bochs").exists() and (output / "stamp").exists() \
            and (output / "stamp").read_text() == wanted:
        print(f"bochs: {output / 'bochs'} is there; rm -r {output} to build it anew")
        return
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    print(f"bochs: fetching the source from Debian {suite}", flush=True)
    archive, bios = fetch(work, uri or system_mirror(), suite)
    source = unpack(archive, work)
    change(source, CHANGES)
    run(["dpkg-deb", "-x", bios, work / "bios"])
    print("bochs: building, two to five minutes", flush=True)
    run(["./configure", *OPTIONS], source)
    run(["make", f"-j{jobs}", "bochs"], source)
    run(["strip", "bochs"], source)
    output.mkdir(parents=True, exist_ok=True)
    shutil.copy2(work / "bios" / BIOS, output)
    shutil.copy2(source / "bochs", output / "bochs.new")
    (output / "bochs.new").rename(output / "bochs")
    (output / "stamp").write_text(wanted)
    shutil.rmtree(work)
    print(f"bochs: {output / 'bochs'} is what tests and `make run` use now")


def system_mirror():
    return mirror(run(["apt-get", "indextargets", "--format", "$(ORIGIN)|$(CODENAME)|$(REPO_URI)",
                       "Created-By: Packages"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "build-bochs")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build/bochs")
    parser.add_argument("--mirror", default="", help="a mirror of Debian's, if not the system's")
    parser.add_argument("--suite", default=SUITE)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    try:
        build(arguments.output.resolve(), arguments.work.resolve(), arguments.mirror,
              arguments.suite, arguments.jobs)
    except (BuildError, OSError, tarfile.TarError) as error:
        print(f"bochs: not built: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
