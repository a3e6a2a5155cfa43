"""The nest's own logic, without a boot: what goes into its initramfs, and how a machine ended."""

import lzma
import pathlib
import re
import shlex
import shutil
import stat

import pytest

import initramfs
import nest
from emulators import EmulatorError, End, Machine, Network, Qemu
from harness import BUILD, Case, emulator_of, why_skipped
from initramfs import InitramfsError, libraries, modules
from nest import Nest, contents, firmware

VERSION = "6.1.0-9-cloud-amd64"


@pytest.fixture
def linux(tmp_path):
    """A folder as `make linux` leaves it."""
    folder = tmp_path / "linux"
    (folder / f"modules/{VERSION}/kernel/kvm").mkdir(parents=True)
    (folder / f"vmlinuz-{VERSION}").touch()
    (folder / "vmlinuz").symlink_to(f"vmlinuz-{VERSION}")
    for name in nest.MODULES:
        (folder / f"modules/{VERSION}/kernel/kvm/{name}.ko").write_bytes(name.encode())
    return folder


def test_modules_are_those_of_the_kernel_without_their_signatures(linux):
    of_kernel = linux / f"modules/{VERSION}/kernel/kvm"
    (of_kernel / "kvm.ko").write_bytes(b"signed" + initramfs.SIGNED)
    (of_kernel / "kvm-intel.ko").rename(of_kernel / "kvm-intel.ko.xz")
    (of_kernel / "kvm-intel.ko.xz").write_bytes(lzma.compress(b"packed" + initramfs.SIGNED))
    (linux / "modules/6.1.0-8").mkdir()
    (linux / "modules/6.1.0-8/kvm.ko").write_bytes(b"another kernel's")
    assert list(modules(linux, nest.MODULES)) == [
        ("irqbypass.ko", b"irqbypass"), ("kvm.ko", b"signed"), ("kvm-intel.ko", b"packed")]


@pytest.mark.parametrize("name", ["kvm.ko.zst", "other.ko"])
def test_a_kernel_without_its_modules_is_an_error(linux, name):
    of_kernel = linux / f"modules/{VERSION}/kernel/kvm"
    (of_kernel / "kvm.ko").rename(of_kernel / name)
    with pytest.raises(InitramfsError, match="has no kvm as .ko or .ko.xz: .* `make linux`"):
        list(modules(linux, nest.MODULES))


def program(folder, name, line):
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
    return str(path)


def test_libraries_are_those_that_the_loader_would_take(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    program(tmp_path, "ldd", r"printf '\tlinux-vdso.so.1 (0x1)\n\tlibz.so.1 => /lib/libz.so.1 (0x2)\n"
            r"\t/lib64/ld.so (0x3)\n'")
    assert libraries("qemu") == ["/lib/libz.so.1", "/lib64/ld.so"]
    program(tmp_path, "ldd", r"printf '\tlibz.so.1 => /lib/libz.so.1 (0x2)\n\tliba.so => not found\n'")
    with pytest.raises(InitramfsError, match="liba.so"):
        libraries("qemu")
    program(tmp_path, "ldd", "echo '\tnot a dynamic executable'; exit 1")
    with pytest.raises(InitramfsError, match="not a dynamic executable"):
        libraries("qemu")


def test_firmware_is_where_qemu_looks_first(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        for name in nest.FIRMWARE:
            (tmp_path / folder / name).touch()
    (tmp_path / "one" / nest.FIRMWARE[0]).unlink()
    qemu = program(tmp_path, "qemu", f"printf '%s\\n' {tmp_path}/bin/../one {tmp_path}/two")
    assert list(firmware(qemu)) == [tmp_path / "two" / nest.FIRMWARE[0],
                                    *(tmp_path / "one" / name for name in nest.FIRMWARE[1:])]
    (tmp_path / "two" / nest.FIRMWARE[0]).unlink()
    with pytest.raises(EmulatorError, match=f"{nest.FIRMWARE[0]}: run `make deps`"):
        list(firmware(qemu))


@pytest.fixture
def inside(tmp_path):
    """What is in the initramfs of a machine: the machine, and the archive's entries."""
    assert (BUILD / "linux/busybox").exists(), "build/linux is not complete: run `make linux`"
    iso = tmp_path / "boot.iso"
    iso.write_bytes(b"a medium")
    machine = Machine(iso, cpus=2, memory_mib=192, extra=["-device", "edu"])
    return machine, contents(machine, shutil.which(Qemu.program)).entries


def test_qemu_is_called_as_make_run_calls_it_on_a_host_with_nested_vmx(inside, tmp_path):
    machine, entries = inside
    here = Qemu(machine, tmp_path, kvm=True).command({"serial": 1, "control": 2})
    here[0] = shutil.which(here[0])
    there = shlex.split(entries["nest/command"][1].decode())
    # Only where the ISO is and what the two channels lead to may differ.
    for command in (here, there):
        command[:] = [re.sub(r"file=\S+?boot.iso|^(pipe|socket),.*(?=,id=)", "X", word)
                      for word in command]
    assert here == there
    assert "pc,accel=kvm" in there and "host" in there and there[there.index("-smp") + 1] == "2"
    assert sum(word.startswith("X") for word in there) == 3
    assert entries["nest/boot.iso"][1] == b"a medium"


def test_the_initramfs_holds_all_that_qemu_opens(inside):
    _, entries = inside
    qemu = shutil.which(Qemu.program)
    for path in [qemu, *libraries(qemu), *map(str, firmware(qemu))]:
        mode, data, _ = entries[path[1:]]
        assert mode == stat.S_IFREG | 0o755 and data == pathlib.Path(path).read_bytes()
        for folder in pathlib.PurePosixPath(path[1:]).parents:
            assert folder.name == "" or stat.S_ISDIR(entries[str(folder)][0])
    for name in nest.MODULES:
        assert entries[f"nest/{name}.ko"][1].startswith(b"\x7fELF")
    assert b"kvm-intel.ko nested=1" in entries["orlop/run"][1]


def test_the_line_is_a_socket_and_the_console_a_file(tmp_path):
    emulator = Nest(Machine(tmp_path / "boot.iso", cpus=2, memory_mib=192), tmp_path)
    emulator.command({"serial": 77})
    bochsrc = (tmp_path / "bochsrc").read_text()
    assert "count=1:1:1" in bochsrc     # of whom the machine's CPUs are threads
    assert f"guest={192 + nest.MEMORY_MIB}," in bochsrc
    assert re.findall(r"^com\d: (?!enabled=0).*", bochsrc, re.MULTILINE) == [
        "com2: enabled=1, mode=socket-client, dev=127.0.0.1:77",
        "com1: enabled=1, mode=file, dev=console.log"]


SHUTDOWN = ('{{"timestamp": {{"seconds": 1, "microseconds": 2}}, "event": "SHUTDOWN", '
            '"data": {{"guest": true, "reason": "{}"}}}}')


@pytest.mark.parametrize("bochs, said, end, detail", [
    ("soft power off", SHUTDOWN.format("guest-shutdown"), End.POWEROFF, ""),
    ("soft power off", SHUTDOWN.format("guest-reset"), End.RESET, ""),
    ("soft power off", SHUTDOWN.format("host-signal"), End.FAILED, "host-signal"),
    ("soft power off", "qemu-system-x86_64: no such thing", End.FAILED, "told of no end"),
    ("bad thing", SHUTDOWN.format("guest-shutdown"), End.FAILED, "bad thing"),
])
def test_how_the_machine_ended_is_what_qemu_told(tmp_path, bochs, said, end, detail):
    (tmp_path / "bochs.log").write_text(f"01p[ACPI  ] >>PANIC<< ACPI control: {bochs}\n")
    (tmp_path / "console.log").write_text(f'{{"return": {{}}}}\r\n{said}\r\ninit: ended\r\n')
    emulator = Nest(Machine(tmp_path / "boot.iso"), tmp_path)
    outcome = emulator.outcome()
    assert outcome.end is end and detail in outcome.detail
    assert "init: ended" in emulator.log_tail()


@pytest.mark.parametrize("fields", [
    {"disk": pathlib.Path("disk.img")}, {"network": Network(tap="tap0")}, {"iso": None}])
def test_what_the_nest_cannot_have_is_an_error(tmp_path, fields):
    machine = Machine(**{"iso": tmp_path / "boot.iso", **fields})
    with pytest.raises(EmulatorError, match="an ISO alone"):
        Nest(machine, tmp_path).start()


def test_a_row_names_it():
    row = Case(name="row", emulator="nest", end="poweroff", expect=["x"], needs_bochs=3)
    assert emulator_of(row) is Nest
    assert "needs Bochs 3" in why_skipped(row, "bochs-2.7") and not why_skipped(row, "bochs-3.0")
    with pytest.raises(ValueError, match="from an ISO alone"):
        Case(name="row", emulator="nest", end="poweroff", expect=["x"], network="direct")
