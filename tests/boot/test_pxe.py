"""The network boot: the folder that `make pxe` fills, and the server that docs/pxe.md describes."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from harness import BUILD, ROOT, Case, boot
from make_iso import IsoError, linux_modules
from make_pxe import make_direct_folder, make_menu_folder

DOCUMENT = ROOT / "docs/pxe.md"
SCRIPT = pathlib.Path(__file__).with_name("dnsmasq_boot.py")
NAMESPACES = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child",
              *([] if os.geteuid() == 0 else ["--map-root-user"])]
BOOT_SECONDS = 150


def _contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
            for path in folder.rglob("*")}


def test_folders_are_functions_of_their_inputs(stand_in, tmp_path, request):
    """Made twice, by people of other habits; and what lay there before is gone."""
    for name, mask in (("a", 0o022), ("b", 0o077)):
        before = os.umask(mask)
        request.addfinalizer(lambda before=before: os.umask(before))
        make_menu_folder(tmp_path / name / "menu", ROOT / "grub.cfg", [("orlop.elf", stand_in)])
        (tmp_path / name / "menu/stale").write_text("x")
        make_menu_folder(tmp_path / name / "menu", ROOT / "grub.cfg", [("orlop.elf", stand_in)])
        make_direct_folder(tmp_path / name / "direct", stand_in, "poweroff",
                           [(ROOT / "grub.cfg", "x")])
    assert _contents(tmp_path / "a") == _contents(tmp_path / "b")
    assert "menu/boot/grub/i386-pc/core.0" in _contents(tmp_path / "a")
    assert "menu/stale" not in _contents(tmp_path / "a")
    for path in (tmp_path / "b/menu").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644), path


def test_two_files_of_one_name_are_refused(stand_in, tmp_path):
    other = tmp_path / "stand_in.bin"
    other.write_bytes(b"another")
    with pytest.raises(IsoError, match="two different files are called stand_in.bin"):
        make_direct_folder(tmp_path / "x", stand_in, "", [(other, "x")])
    assert not (tmp_path / "x").exists()


def _trial(folder, **fields):
    return Case(name="pxe-trial", network=str(folder), emulator="qemu", timeout=60, **fields)


def test_direct_folder_passes_options_and_modules(stand_in, tmp_path):
    make_direct_folder(tmp_path / "tftp", stand_in, "poweroff", [(ROOT / "grub.cfg", "role x")])
    boot(_trial(tmp_path / "tftp", end="poweroff",
                expect=["command line: poweroff", "module: role x$"]), tmp_path)


def test_menu_over_the_network_boots_the_linux_guest_that_was_put_there(stand_in, tmp_path):
    linux = linux_modules(ROOT / "grub.cfg", [ROOT / "LICENSE"], "a=b console=ttyS0")
    make_menu_folder(tmp_path / "tftp", ROOT / "grub.cfg", [("orlop.elf", stand_in)], linux)
    boot(_trial(tmp_path / "tftp", end="lines", expect=[
        "command line: *$", "module: linux a=b console=ttyS0$", "module: initrd$"]), tmp_path)


def test_menu_over_the_network_starts_the_disk_without_orlop(stand_in, tmp_path):
    """The boot sector prints an A on COM1 and powers off."""
    make_menu_folder(tmp_path / "tftp", ROOT / "grub.cfg", [("orlop.elf", stand_in)])
    sector = bytes.fromhex("baf803" "b041ee" "b00aee" "ba0406" "b80020" "ef" "f4")
    disk = tmp_path / "disk.img"
    disk.write_bytes(sector.ljust(510, b"\0") + b"\x55\xaa" + bytes(1 << 20))
    boot(_trial(tmp_path / "tftp", end="poweroff", expect=["A$"], forbid=["stand-in"],
                keys=[["executed automatically", "\x1b[B\x1b[B\x1b[B\r"]],
                extra=["-drive", f"file={disk},format=raw,if=ide,index=0"]), tmp_path)


def _why_not_here():
    """What keeps us from making a network of our own; empty if nothing does."""
    for tool in ("dnsmasq", "ip", "unshare"):
        if not shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            return f"{tool} is not installed"
    trial = subprocess.run([*NAMESPACES, "sh", "-c", "mount -t tmpfs none /srv && "
                            "PATH=$PATH:/usr/sbin:/sbin ip tuntap add trial mode tap"],
                           capture_output=True, text=True, check=False)
    return trial.stderr.strip().replace("\n", "; ") if trial.returncode else ""


def boot_with_dnsmasq(folder, document):
    """(exit status, output) of a boot as the document says."""
    environment = dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin:/sbin",
                       PYTHONPATH=f"{ROOT / 'tools'}:{ROOT / 'tests/boot'}")
    result = subprocess.run([*NAMESPACES, sys.executable, str(SCRIPT), str(folder), str(document)],
                            env=environment, timeout=BOOT_SECONDS, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            errors="replace", check=False)
    return result.returncode, result.stdout


@pytest.fixture(scope="module")
def own_network():
    reason = _why_not_here()
    if reason:
        pytest.skip(f"no network of our own: {reason}")
    assert (BUILD / "pxe").is_dir(), "build/pxe is missing: run `make pxe`"


@pytest.mark.long
@pytest.mark.usefixtures("own_network")
def test_dnsmasq_as_documented_boots_a_machine(tmp_path):
    status, output = boot_with_dnsmasq(tmp_path, DOCUMENT)
    assert status == 0, output
