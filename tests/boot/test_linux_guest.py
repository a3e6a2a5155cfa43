"""What the Linux guest is made of: fetched with an apt of our own, packed, and booted in QEMU
without Orlop (TCG is fast), which shows that shell, Ctrl-C and terminal size are right."""

import concurrent.futures
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import time

import pexpect
import pytest

import linux_guest
from harness import BUILD, ROOT
from initramfs import COMPRESSORS, Archive, InitramfsError, shell_archive, write
from linux_guest import FetchError, fetch, fetch_symbols

VMLINUZ = BUILD / "linux/vmlinuz"
BUSYBOX = BUILD / "linux/busybox"
INITRD = BUILD / "linux/initrd.img"

# linux_guest.py, with packages of our own. apt's own part is played by two scripts.

APT_CACHE = 'cat "$POOL/$3.control" 2>/dev/null || exit 100\n'
APT_GET = r"""echo "$@" >>"$POOL/asked"
case $1 in
update) for f in "$POOL"/*.new; do mv "$f" "${f%.new}"; done ;;
download)
    for word; do
        case $word in *=*:*|*=[0-9]*)
            name=${word%%=*} version=$(echo "${word#*=}" | sed 's/:/%3a/')
            cp "$POOL/$name.deb" "${name}_${version}_amd64.deb" || exit 100 ;;
        esac
    done ;;
esac
"""
NEWEST = "linux-image-6.1.0-9-cloud-amd64"


class Pool:
    """Packages, and what apt-get was asked for."""

    def __init__(self, folder):
        self.folder = folder

    def add(self, name, files=(), depends="", version="1:2.3-4", suffix=".control"):
        tree = self.folder / f"tree-{name}"
        control = (f"Package: {name}\nVersion: {version}\nArchitecture: amd64\nSize: 3000000\n"
                   f"Maintainer: nobody\n" + (f"Depends: {depends}\n" if depends else ""))
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "DEBIAN/control").write_text(control + "Description: for tests\n")
        for file, text in files:
            (tree / file).parent.mkdir(parents=True, exist_ok=True)
            (tree / file).write_text(text)
        subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, self.folder / f"{name}.deb"],
                       check=True, capture_output=True)
        (self.folder / f"{name}{suffix}").write_text(control)

    def asked(self):
        asked = self.folder / "asked"
        return asked.read_text().splitlines() if asked.exists() else []


@pytest.fixture
def pool(tmp_path, monkeypatch):
    pool = Pool(tmp_path / "pool")
    pool.folder.mkdir()
    for name, text in (("apt-cache", APT_CACHE), ("apt-get", APT_GET), ("sudo", '"$@"\n')):
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text("#!/bin/sh\n" + text)
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setenv("POOL", str(pool.folder))
    monkeypatch.setattr(sys, "stdin", open(os.devnull, encoding="ascii"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return pool


@pytest.fixture
def debian(pool):
    pool.add("linux-image-cloud-amd64", depends=f"{NEWEST} (= 6.1-1)")
    pool.add(NEWEST, [("boot/vmlinuz-6.1.0-9-cloud-amd64", "kernel"), ("boot/config-6.1", "x"),
                      ("lib/modules/6.1.0-9-cloud-amd64/kvm.ko", "module")], "kmod, linux-base")
    pool.add("busybox-static", [("bin/busybox", "shell")])
    return pool


def test_kernel_and_busybox_are_fetched_once(debian, tmp_path):
    fetch(tmp_path / "linux", ["kernel", "busybox"])
    assert [line.split()[0] for line in debian.asked()] == ["download"]
    assert debian.asked()[0].endswith(f" {NEWEST}=1:2.3-4 busybox-static=1:2.3-4")
    files = tmp_path / "linux"
    assert (files / "vmlinuz").read_text() == "kernel"
    assert (files / "vmlinuz").readlink() == pathlib.Path("vmlinuz-6.1.0-9-cloud-amd64")
    assert (files / "busybox").read_text() == "shell"
    assert (files / "modules/6.1.0-9-cloud-amd64/kvm.ko").read_text() == "module"
    assert not list(files.glob("*.deb"))
    fetch(files, ["kernel", "busybox"])
    assert len(debian.asked()) == 1


def test_ubuntu_has_a_kernel_of_another_name(pool, tmp_path):
    pool.add("linux-image-virtual", depends="linux-image-generic")
    pool.add("linux-image-generic", depends="linux-image-6.8.0-1-generic, linux-modules")
    pool.add("linux-image-6.8.0-1-generic", [("boot/vmlinuz-6.8.0-1-generic", "kernel")])
    fetch(tmp_path / "linux", ["kernel"])
    assert (tmp_path / "linux/vmlinuz").resolve().name == "vmlinuz-6.8.0-1-generic"


def test_two_that_fetch_from_one_package_take_turns(pool, tmp_path):
    pool.add("memtest86+", [("boot/memtest86+x64.bin", "64"), ("boot/memtest86+ia32.bin", "32")])
    (tmp_path / "bin/apt-get").write_text("#!/bin/sh\nsleep 0.3\n" + APT_GET + "sleep 0.3\n")
    with concurrent.futures.ThreadPoolExecutor() as both:
        list(both.map(lambda thing: fetch(tmp_path / "linux", [thing]),
                      ["memtest", "memtest32", "memtest"]))
    assert (tmp_path / "linux/memtest.bin").read_text() == "64"
    assert (tmp_path / "linux/memtest32.bin").read_text() == "32"
    assert len(pool.asked()) == 2


def test_a_package_that_lies_there_is_not_fetched_again(debian, tmp_path):
    (tmp_path / "linux").mkdir()
    (debian.folder / f"{NEWEST}.deb").rename(tmp_path / f"linux/{NEWEST}_1%3a2.3-4_amd64.deb")
    fetch(tmp_path / "linux", ["kernel"])
    assert debian.asked() == []
    assert (tmp_path / "linux/vmlinuz").read_text() == "kernel"


def test_without_package_lists_they_are_read_first(debian, tmp_path):
    for control in debian.folder.glob("*.control"):
        control.rename(f"{control}.new")
    fetch(tmp_path / "linux", ["busybox"])
    assert [line.split()[0] for line in debian.asked()] == ["update", "download"]


def test_a_package_that_apt_cannot_load_is_an_error_without_a_stamp(debian, tmp_path):
    (debian.folder / "busybox-static.deb").unlink()
    with pytest.raises(FetchError, match="apt-get download failed"):
        fetch(tmp_path / "linux", ["busybox"])
    assert not (tmp_path / "linux/busybox").exists()


@pytest.mark.parametrize("files", [[], [("boot/System.map", "x")]])
def test_a_package_without_a_kernel_is_an_error(pool, tmp_path, files):
    pool.add("linux-image-cloud-amd64", depends=NEWEST)
    pool.add(NEWEST, files)
    with pytest.raises(FetchError, match="does not hold"):
        fetch(tmp_path / "linux", ["kernel"])


def test_an_unknown_distribution_is_told_what_to_do(pool, tmp_path):
    (pool.folder / "x.new").touch()
    with pytest.raises(FetchError, match="linux-image-cloud-amd64, linux-image-virtual; name files"):
        fetch(tmp_path / "linux", ["kernel"])


def test_a_host_without_apt_is_told_what_to_do(pool, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    with pytest.raises(FetchError, match="has no apt; name files of your own with KERNEL="):
        fetch(tmp_path / "linux", ["kernel"])


def test_a_user_without_a_terminal_is_given_the_line(debian, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(FetchError, match="nothing fetched"):
        fetch(tmp_path / "linux", ["busybox"])
    assert debian.asked() == []
    assert (f"cd {tmp_path}/linux && apt-get download busybox-static=1:2.3-4"
            in capsys.readouterr().err)


@pytest.mark.parametrize("keys, status", [("", 0), ("y", 0), ("n", 1)])
def test_on_a_terminal_it_asks(debian, tmp_path, keys, status):
    child = pexpect.spawn(sys.executable, [linux_guest.__file__, "--folder",
                                           str(tmp_path / "linux"), "busybox"], encoding="utf-8")
    child.expect(r"Fetch 3 MB by this line\? \(nothing is installed\) \[Y/n\] ")
    assert "apt-get download busybox-static=1:2.3-4" in child.before
    child.sendline(keys)
    child.expect(pexpect.EOF)
    child.close()
    assert (child.exitstatus, bool(debian.asked())) == (status, status == 0)


# The symbols of exactly one kernel.

RELEASE = "6.1.0-9-cloud-amd64"
DBG = f"linux-image-{RELEASE}-dbg"
VMLINUX_FILE = f"usr/lib/debug/boot/vmlinux-{RELEASE}"


def bzimage(path, text=f"{RELEASE} (someone) #1 SMP Debian 6.1.27-1 (2023-05-08)"):
    path.parent.mkdir(exist_ok=True)
    head = bytearray(0x400)
    head[0x202:0x206], head[0x20e:0x210] = b"HdrS", (0x100).to_bytes(2, "little")
    path.write_bytes(bytes(head[:0x300]) + text.encode() + b"\0")
    return path


@pytest.fixture
def dbg(pool):
    pool.add(DBG, [(VMLINUX_FILE, "symbols"), ("usr/lib/debug/lib/modules/kvm.ko", "more")],
             version="6.1.27-1")
    shutil.copy(pool.folder / f"{DBG}.control", pool.folder / f"{DBG}=6.1.27-1.control")
    return pool


def test_of_the_symbols_vmlinux_alone_is_kept(dbg, tmp_path, capsys):
    files = tmp_path / "linux"
    kernel = bzimage(files / f"vmlinuz-{RELEASE}")
    (files / "vmlinuz").symlink_to(kernel.name)
    assert fetch_symbols(files, files / "vmlinuz") == files / f"vmlinux-{RELEASE}"
    assert f"symbols: of {RELEASE}: 3 MB to fetch, about 8 MB stay" in capsys.readouterr().err
    assert (files / "vmlinux").readlink() == pathlib.Path(f"vmlinux-{RELEASE}")
    assert (files / "vmlinux").read_text() == "symbols"
    assert sorted(path.name for path in files.iterdir()) == sorted(
        [".lock", "vmlinux", f"vmlinux-{RELEASE}", "vmlinuz", kernel.name])
    fetch_symbols(files, files / "vmlinuz")
    assert len(dbg.asked()) == 1
    # Another kernel's do not become those of `make run`.
    (files / "vmlinux").unlink()
    fetch_symbols(files, bzimage(tmp_path / "other/bzImage"))
    assert not (files / "vmlinux").exists()


@pytest.mark.parametrize("text, says", [
    (f"{RELEASE} (someone) #1 SMP Debian 6.1.28-1 (2023-05-08)",
     f"apt has no {DBG} of version 6.1.28-1: a mirror keeps the newest alone"),
    ("6.8.0 (me@here) #1 SMP 2024", "is no kernel of Debian's .*make gdb VMLINUX=file"),
])
def test_symbols_that_apt_does_not_have(dbg, tmp_path, text, says):
    (dbg.folder / "x.new").touch()
    with pytest.raises(FetchError, match=says):
        fetch_symbols(tmp_path / "linux", bzimage(tmp_path / "bzImage", text))


def test_a_file_that_is_no_kernel_has_no_symbols(dbg, tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 4096)
    with pytest.raises(FetchError, match="no bzImage"):
        fetch_symbols(tmp_path / "linux", tmp_path / "file")


def test_symbols_want_room_on_the_disk(dbg, tmp_path, monkeypatch):
    monkeypatch.setattr(linux_guest.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 0, 9_000_000))
    with pytest.raises(FetchError, match=r"10 MB are needed .*, 9 MB are free"):
        fetch_symbols(tmp_path / "linux", bzimage(tmp_path / "bzImage"))
    assert dbg.asked() == []


def test_a_package_without_vmlinux_leaves_none(pool, tmp_path):
    pool.add(DBG, [("usr/lib/debug/boot/other", "x")], version="6.1.27-1")
    (pool.folder / f"{DBG}.control").rename(pool.folder / f"{DBG}=6.1.27-1.control")
    with pytest.raises(FetchError, match="does not hold ./usr/lib/debug/boot/vmlinux-"):
        fetch_symbols(tmp_path / "linux", bzimage(tmp_path / "bzImage"))
    assert not list((tmp_path / "linux").glob("vmlinux*"))


@pytest.mark.parametrize("keys, status", [("y", 0), ("n", 1)])
def test_symbols_are_asked_for_on_a_terminal(dbg, tmp_path, keys, status):
    child = pexpect.spawn(sys.executable, [linux_guest.__file__, "--folder", str(tmp_path / "linux"),
                                           "--symbols-of", str(bzimage(tmp_path / "bzImage"))],
                          encoding="utf-8")
    child.expect(r"Fetch 3 MB by this line\? \(about 8 MB stay, unpacked; nothing is installed\) \[Y/n\] ")
    child.sendline(keys)
    child.expect(pexpect.EOF)
    child.close()
    assert (child.exitstatus, bool(dbg.asked())) == (status, status == 0)


# initramfs.py

def read_newc(data):
    """(name, mode, uid, gid, mtime, data) of each entry, by a reader of our own."""
    position, entries = 0, []
    while True:
        assert data[position:position + 6] == b"070701"
        fields = [int(data[position + 6 + 8 * i:position + 14 + 8 * i], 16) for i in range(13)]
        _, mode, uid, gid, _, mtime, size, _, _, _, _, name_size, _ = fields
        start = position + 110
        name = data[start:start + name_size - 1].decode()
        assert data[start + name_size - 1] == 0
        start = (start + name_size + 3) // 4 * 4
        if name == "TRAILER!!!":
            return entries
        entries.append((name, mode, uid, gid, mtime, data[start:start + size]))
        position = (start + size + 3) // 4 * 4


def make_tree(folder, reverse=False, mask=0o022):
    """The same tree, made in another order, by somebody with another umask."""
    before = os.umask(mask)
    try:
        for name in sorted(["go", "z/data", "z/b/deep", "é"], reverse=reverse):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"of {name}")
        (folder / "go").chmod(0o777 & ~mask)
        (folder / "link").symlink_to("z/data")
    finally:
        os.umask(before)
    return folder


@pytest.fixture(scope="module")
def busybox():
    assert BUSYBOX.exists(), "build/linux/busybox is missing: run `make linux`"
    return BUSYBOX


def test_an_added_tree_is_packed_as_roots_and_without_dates(tmp_path):
    archive = Archive()
    archive.add_tree(make_tree(tmp_path / "tree", mask=0o077))
    write(tmp_path / "out", archive, "none")
    folder, file, program, link = (stat.S_IFDIR | 0o755, stat.S_IFREG | 0o644,
                                   stat.S_IFREG | 0o755, stat.S_IFLNK | 0o777)
    assert read_newc((tmp_path / "out").read_bytes()) == [
        ("go", program, 0, 0, 0, b"of go"),
        ("link", link, 0, 0, 0, b"z/data"),
        ("z", folder, 0, 0, 0, b""),
        ("z/b", folder, 0, 0, 0, b""),
        ("z/b/deep", file, 0, 0, 0, b"of z/b/deep"),
        ("z/data", file, 0, 0, 0, b"of z/data"),
        ("é", file, 0, 0, 0, "of é".encode()),
    ]


def test_the_shells_archive_is_complete(busybox, tmp_path):
    write(tmp_path / "out", shell_archive(busybox), "none")
    entries = {name: (mode, data) for name, mode, _, _, _, data
               in read_newc((tmp_path / "out").read_bytes())}
    for name in ("proc", "sys", "dev", "etc", "root", "tmp", "orlop"):
        assert stat.S_ISDIR(entries[name][0])
    assert stat.S_ISCHR(entries["dev/console"][0])
    assert entries["init"] == (stat.S_IFREG | 0o755, (ROOT / "tools/guest_init.sh").read_bytes())
    used = re.findall(r"^\s*(?:exec )?(mount|mkdir|dmesg|poweroff|init|stty|sh|grep|nproc)\b",
                      (ROOT / "tools/guest_init.sh").read_text()
                      + (ROOT / "tools/guest_shell.sh").read_text(), re.MULTILINE)
    for applet in {*used, "setsid", "cttyhack", "reboot", "cat"}:
        assert entries[f"bin/{applet}"][1] == b"busybox"
    assert entries["bin/busybox"][1] == busybox.read_bytes()


@pytest.mark.parametrize("compression", COMPRESSORS)
def test_an_initramfs_is_a_function_of_what_is_in_it(busybox, tmp_path, compression):
    """Made twice, in two seconds and folders, of trees that were made differently."""
    for name, reverse, mask in (("a", False, 0o022), ("b/c", True, 0o077)):
        archive = shell_archive(busybox)
        archive.add_tree(make_tree(tmp_path / name / "tree", reverse, mask))
        write(tmp_path / name / f"out{mask}", archive, compression)
        time.sleep(1.1 if compression == "lzo" and name == "a" else 0)
    assert (tmp_path / "a/out18").read_bytes() == (tmp_path / "b/c/out63").read_bytes()
    assert not list(tmp_path.rglob(".initramfs-*"))


def test_what_is_added_lies_over_the_rest(busybox, tmp_path):
    (tmp_path / "init").write_text("mine")
    archive = shell_archive(busybox)
    archive.add_tree(tmp_path)
    assert archive.entries["init"][1] == b"mine"


def make_fifo(folder):
    os.mkfifo(folder / "pipe")


@pytest.mark.parametrize("prepare, complaint", [
    (make_fifo, "pipe: neither file, folder nor link"),
    (lambda folder: (folder / "proc").write_text("x"), "proc: a folder in one place, none in ano"),
    (lambda folder: folder.rmdir(), "no such folder"),
])
def test_what_cannot_be_packed_is_an_error(tmp_path, prepare, complaint):
    (tmp_path / "tree").mkdir()
    prepare(tmp_path / "tree")
    archive = Archive()
    archive.add_folder("proc")
    with pytest.raises(InitramfsError, match=complaint):
        archive.add_tree(tmp_path / "tree")


def test_what_is_no_busybox_is_an_error(tmp_path):
    with pytest.raises(InitramfsError, match="not a busybox"):
        shell_archive("/bin/true")
    with pytest.raises(InitramfsError, match="No such file"):
        shell_archive(tmp_path / "busybox")


# The guest itself, in QEMU without Orlop.

def start(initrd, words, cpu="max"):
    assert VMLINUZ.exists() and INITRD.exists(), "build/linux is not complete: run `make linux`"
    child = pexpect.spawn("qemu-system-x86_64", [
        "-machine", "pc,accel=tcg", "-cpu", cpu, "-smp", "2", "-m", "512", "-nodefaults",
        "-display", "none", "-chardev", "stdio,id=line,signal=off", "-serial", "chardev:line",
        "-no-reboot", "-kernel", str(VMLINUZ), "-initrd", str(initrd), "-append",
        f"console=ttyS0,115200 quiet {words}"], timeout=60)
    child.delaybeforesend = 0
    return child


def test_the_shell_has_a_terminal_of_its_own():
    child = start(INITRD, "orlop.rows=33 orlop.columns=99")
    child.expect(r"Linux \S+ on 2 CPUs, above TCGTCGTCGTCG\.\r")
    child.expect("poweroff ends the run")
    child.expect("README.md and docs/options.md")
    child.expect("# ")
    child.sendline("stty size; tty; date +%Y; ls /proc/self/exe /sys/class /dev/pts/ptmx")
    child.expect("33 99\r")
    child.expect("/dev/ttyS0\r")
    child.expect("# ")
    assert b"No such file" not in child.before
    for key, answer in (("\x03", "# "), ("\x1a", "Stopped")):
        child.sendline("echo be''gun; cat")
        child.expect("begun")
        child.sendline("is it there")
        child.expect("is it there\r+\nis it there")  # the terminal's echo, and cat's
        child.send(key)
        child.expect(answer)
    child.sendline("exec true")
    child.expect("on 2 CPUs")  # a shell that ends is followed by another one
    child.expect("# ")
    child.sendline("poweroff")
    child.expect("Power down")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_a_bare_machine_is_called_one():
    child = start(INITRD, "", "max,-hypervisor")
    child.expect(r"on 2 CPUs, no hypervisor shows itself\.\r")
    child.terminate(force=True)


def run_initrd(folder, compression="gz"):
    """Our initramfs with an /orlop/run that says something."""
    program = folder / "tree/orlop/run"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho here is process $$, $(nproc) CPUs, $(tty)\nexit 7\n")
    program.chmod(0o755)
    archive = shell_archive(BUSYBOX)
    archive.add_tree(folder / "tree")
    write(folder / "initrd.img", archive, compression)
    return folder / "initrd.img"


@pytest.mark.parametrize("compression", [
    name if name in ("gz", "none") else pytest.param(name, marks=pytest.mark.long)
    for name in COMPRESSORS])
def test_a_program_of_ones_own_is_run_instead_of_the_shell(busybox, tmp_path, compression):
    child = start(run_initrd(tmp_path, compression), "")
    child.expect("here is process [0-9]+, 2 CPUs")
    child.expect("init: /orlop/run ended with status 7\r")
    child.expect("Power down")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
