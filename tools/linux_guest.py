#!/usr/bin/python3
"""Fetches what the Linux guest is made of, and programs for tests, once, from the host's own apt.

The stock kernel of the distribution (Debian: what linux-image-cloud-amd64 depends on, Ubuntu:
linux-image-virtual), busybox-static and others are downloaded and unpacked into a folder; nothing is
installed. The links `vmlinuz`, `vmlinuz-full`, `busybox` and so on there say what has been fetched. A
.deb that already lies there is used as it is.

With a terminal it shows the line and its size, and asks; as root without one it goes on; otherwise
it prints the line and stops.

--symbols-of fetches vmlinux with the symbols of exactly that kernel, from its -dbg package, of which
nothing else is kept.
"""

import argparse
import fcntl
import os
import pathlib
import re
import shlex
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile

# What can be fetched: the names of packages that stand for it, Debian's first.
WANTED = {
    "kernel": ("linux-image-cloud-amd64", "linux-image-virtual"),
    "kernel-full": ("linux-image-amd64", "linux-image-generic"),
    "busybox": ("busybox-static",),
    "memtest": ("memtest86+",),
    "memtest32": ("memtest86+",),
    "ipxe": ("ipxe",),
    "xen": ("xen-hypervisor-4.17-amd64",),
}
LINKS = {"kernel": "vmlinuz", "kernel-full": "vmlinuz-full", "busybox": "busybox",
         "memtest": "memtest.bin", "memtest32": "memtest32.bin", "ipxe": "ipxe.lkrn", "xen": "xen.gz"}
# Where the thing is in its package; and its name in our folder, where it is not the package's.
FILES = {
    "kernel": ("boot/vmlinuz-*",), "kernel-full": ("boot/vmlinuz-*",),
    "busybox": ("bin/busybox", "usr/bin/busybox"),
    "memtest": ("boot/memtest86+x64.bin",), "memtest32": ("boot/memtest86+ia32.bin",),
    "ipxe": ("boot/ipxe.lkrn", "usr/lib/ipxe/ipxe.lkrn"), "xen": ("boot/xen-*-amd64.gz",),
}
NAMES = {"busybox": "busybox-static", "ipxe": "ipxe-debian.lkrn"}
VMLINUX = "./usr/lib/debug/boot/vmlinux-{release}"  # in its -dbg package
VMLINUX_RATIO = 2.5  # vmlinux to that package, which is compressed; 2.1 in Debian 12
DEEPEST = 4  # a package that stands for the newest kernel may name another such package


class FetchError(Exception):
    """Something could not be fetched; the text says why and what can be done."""


def _apt(program, *arguments):
    try:
        return subprocess.run([program, *arguments], capture_output=True, text=True, check=False,
                              env=dict(os.environ, LC_ALL="C"))
    except FileNotFoundError as error:
        raise FetchError(f"{program} is missing: this host has no apt; "
                         "name files of your own with KERNEL= and INITRD=") from error


def describe(package):
    """The fields of the version that apt would take, or None."""
    said = _apt("apt-cache", "show", "--no-all-versions", package)
    if said.returncode:
        return None
    fields = dict(re.findall(r"^([A-Z][\w-]*): (.*)$", said.stdout.split("\n\n")[0], re.MULTILINE))
    return fields if "Version" in fields else None


def resolve(thing):
    """The fields of the package that holds the thing itself, or None."""
    for name in WANTED[thing]:
        fields = describe(name)
        for _ in range(DEEPEST):
            following = re.search(r"\b(linux-image-[\w.+-]+)", (fields or {}).get("Depends", ""))
            if not following:
                break
            fields = describe(following.group(1))
        if fields:
            return fields
    return None


def _consent(line, what):
    """Asks where somebody can answer. Says whether to go on."""
    if sys.stdin.isatty() and sys.stderr.isatty():
        print(f"{line}\n{what} [Y/n] ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip() in ("", "y", "Y", "yes", "Yes")
    if os.geteuid() == 0:
        print(f"linux: {line}", file=sys.stderr)
        return True
    print(f"linux: missing; fetch it with\n    {line}", file=sys.stderr)
    return False


def _update():
    line = ["apt-get", "update"] if os.geteuid() == 0 else ["sudo", "apt-get", "update"]
    if not _consent(shlex.join(line), "apt knows of no such package yet. Run this line?"):
        raise FetchError("nothing fetched")
    if subprocess.run(line, check=False).returncode:
        raise FetchError("apt-get update failed")


def _resolve_all(things):
    found = {thing: resolve(thing) for thing in things}
    if not all(found.values()):
        _update()
        found = {thing: resolve(thing) for thing in things}
    for thing, fields in found.items():
        if not fields:
            raise FetchError(f"apt has none of these: {', '.join(WANTED[thing])}; "
                             "name files of your own with KERNEL= and INITRD=")
    return found


def _deb(folder, fields):
    """The package's file, if it is there. In its name apt writes the version's colons as %3a."""
    version = fields["Version"].replace(":", "%3a")
    path = folder / f"{fields['Package']}_{version}_{fields['Architecture']}.deb"
    return path if path.exists() else None


def _download(folder, packages, note="nothing is installed"):
    packages = list({fields["Package"]: fields for fields in packages}.values())
    names = [f"{fields['Package']}={fields['Version']}" for fields in packages]
    # Without this, apt as root warns that its own user cannot write to the folder.
    sandbox = ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []
    command = ["apt-get", "download", "-q", *sandbox, *names]
    size = sum(int(fields.get("Size", 0)) for fields in packages) / 1e6
    line = f"cd {shlex.quote(str(folder))} && {shlex.join(['apt-get', 'download', *names])}"
    if not _consent(line, f"Fetch {size:.0f} MB by this line? ({note})"):
        raise FetchError("nothing fetched")
    if subprocess.run(command, cwd=folder, check=False).returncode:
        raise FetchError("apt-get download failed; does `apt-get update` help?")


def _unpack(folder, thing, deb):
    """Puts the thing in place, its link last."""
    with tempfile.TemporaryDirectory(dir=folder) as unpacked:
        tree = pathlib.Path(unpacked)
        if subprocess.run(["dpkg-deb", "-x", deb, tree], check=False).returncode:
            raise FetchError(f"dpkg-deb cannot unpack {deb}")
        files = [file for pattern in FILES[thing] for file in tree.glob(pattern)]
        file = next((file for file in files if file.is_file()), None)
        if not file:
            raise FetchError(f"{deb} does not hold what is looked for")
        target = NAMES.get(thing, file.name)
        shutil.move(file, folder / target)
        if thing == "kernel":
            _keep_modules(tree, folder)
    link = folder / LINKS[thing]
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def _keep_modules(tree, folder):
    for modules in [*tree.glob("lib/modules/*"), *tree.glob("usr/lib/modules/*")]:
        kept = folder / "modules" / modules.name
        shutil.rmtree(kept, ignore_errors=True)
        kept.parent.mkdir(exist_ok=True)
        shutil.move(modules, kept)


def fetch(folder, things):
    """Makes sure that the things are in the folder."""
    folder = pathlib.Path(folder)
    if all((folder / LINKS[thing]).exists() for thing in things):
        return
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # make may ask for two things of one package at once
        _fetch_missing(folder, [thing for thing in things if not (folder / LINKS[thing]).exists()])


def _fetch_missing(folder, missing):
    found = _resolve_all(missing)
    to_download = [fields for fields in found.values() if not _deb(folder, fields)]
    if to_download:
        _download(folder, to_download)
    used = set()
    for thing, fields in found.items():
        deb = _deb(folder, fields)
        if not deb:
            raise FetchError(f"apt-get did not leave a file of {fields['Package']} in {folder}")
        _unpack(folder, thing, deb)
        used.add(deb)
    for deb in used:
        deb.unlink()


def kernel_version(bzimage):
    """(release, version of Debian's package) of a bzImage."""
    head = pathlib.Path(bzimage).read_bytes()[:1 << 16]
    # Linux, Documentation/arch/x86/boot.rst: header, kernel_version
    at = struct.unpack_from("<H", head, 0x20e)[0] + 0x200 if head[0x202:0x206] == b"HdrS" else 0
    text = head[at:].split(b"\0")[0].decode("ascii", "replace") if at else ""
    found = re.match(r"(\S+) .* Debian (\S+) \(", text)
    if not found:
        raise FetchError(f"{bzimage} is no kernel of Debian's ({text[:60] or 'no bzImage'}): its symbols "
                         "are a vmlinux of its own build: make gdb VMLINUX=file")
    return found.groups()


def fetch_symbols(folder, bzimage):
    """Makes sure that vmlinux-RELEASE is in the folder, and `vmlinux` where the kernel is the folder's.
    Gives its path."""
    folder = pathlib.Path(folder)
    release, version = kernel_version(bzimage)
    target = folder / f"vmlinux-{release}"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            _fetch_vmlinux(folder, target, release, version)
    if pathlib.Path(bzimage).resolve() == (folder / LINKS["kernel"]).resolve():
        (folder / "vmlinux").unlink(missing_ok=True)
        (folder / "vmlinux").symlink_to(target.name)
    return target


def _fetch_vmlinux(folder, target, release, version):
    package = f"linux-image-{release}-dbg"
    fields = describe(f"{package}={version}")
    if not fields:
        _update()
        fields = describe(f"{package}={version}")
    if not fields:
        raise FetchError(f"apt has no {package} of version {version}: a mirror keeps the newest alone. "
                         f"`rm {folder}/vmlinuz` and `make linux` fetch the newest kernel, whose "
                         f"symbols are there; https://snapshot.debian.org keeps all")
    size = int(fields.get("Size", 0))
    kept, free = VMLINUX_RATIO * size, shutil.disk_usage(folder).free
    if free < size + kept:
        raise FetchError(f"{(size + kept) / 1e6:.0f} MB are needed in {folder} (the package, then vmlinux "
                         f"too), {free / 1e6:.0f} MB are free")
    if not _deb(folder, fields):
        note = f"about {kept / 1e6:.0f} MB stay, unpacked; nothing is installed"
        print(f"symbols: of {release}: {size / 1e6:.0f} MB to fetch, {note}", file=sys.stderr)
        _download(folder, [fields], note)
    deb = _deb(folder, fields)
    if not deb:
        raise FetchError(f"apt-get did not leave a file of {package} in {folder}")
    _extract(deb, VMLINUX.format(release=release), target)
    deb.unlink()


def _extract(deb, name, target):
    """One file of a package; the others, which may be thrice as much, never touch the disk."""
    part = target.with_suffix(".part")
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as unpacker:
        try:
            with tarfile.open(fileobj=unpacker.stdout, mode="r|") as archive:
                member = next((m for m in archive if m.name == name and m.isfile()), None)
                if not member:
                    raise FetchError(f"{deb} does not hold {name}")
                with open(part, "wb") as file:
                    shutil.copyfileobj(archive.extractfile(member), file, 1 << 20)
            part.rename(target)
        except tarfile.TarError as error:
            raise FetchError(f"dpkg-deb cannot unpack {deb}: {error}") from error
        finally:
            part.unlink(missing_ok=True)
            unpacker.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--folder", default="build/linux")
    parser.add_argument("thing", nargs="*", help=" ".join(WANTED))
    parser.add_argument("--symbols-of", metavar="BZIMAGE")
    arguments = parser.parse_args()
    if unknown := set(arguments.thing) - set(WANTED):
        parser.error(f"unknown: {' '.join(unknown)}; there are {' '.join(WANTED)}")
    try:
        if arguments.thing:
            fetch(arguments.folder, arguments.thing)
        if arguments.symbols_of:
            print(f"symbols: {fetch_symbols(arguments.folder, arguments.symbols_of)}")
    except (FetchError, OSError) as error:
        sys.exit(f"linux: {error}")


if __name__ == "__main__":
    main()
