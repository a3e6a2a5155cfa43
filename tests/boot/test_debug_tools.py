"""`make run DEBUG=1`, `make console`, `make gdb` with the stand-in as the machine, and tools/orlop.gdb
with a stock kernel in QEMU, whose own stub is asked."""

import contextlib
import os
import pty
import re
import shlex
import subprocess
import sys
import termios

import pexpect
import pytest

import attach
from debug_line import BUSY, LOG_FILE, PORT_FILE
from emulators import Bochs, Machine, Qemu
from harness import BUILD, ROOT, patience
from initramfs import shell_archive, write
from make_iso import make_bare_linux_iso
from test_run import arguments, run_without_terminal, wait_until_gone

ATTACH = ROOT / "tools/attach.py"
EMULATORS = ["bochs", "qemu"]
LINUX = BUILD / "linux"
VMLINUX = LINUX / "vmlinux"


@contextlib.contextmanager
def running(stand_in, folder, emulator="qemu"):
    """`run.py --debug`, with the stand-in; gives the child when the debugger's port is there."""
    child = pexpect.spawn(sys.executable, arguments(stand_in, folder, "--emu", emulator, "--append",
                                                    "debug", "--debug", "--stop", "launch"), timeout=40)
    try:
        child.expect(r"debugger at (127\.0\.0\.1:\d+); in another terminal: make gdb RUN=")
        child.address = child.match.group(1).decode()
        child.expect("command line: debug debug=com2 stop=launch\r")
        child.expect("stand-in: ready")
        yield child
    finally:
        child.close(force=True)
    wait_until_gone(folder)


def console(folder, *more):
    child = pexpect.spawn(sys.executable, [str(ATTACH), "console", "--folder", str(folder), *more],
                          timeout=20)
    child.delaybeforesend = None
    return child


@pytest.mark.parametrize("emulator", EMULATORS)
def test_a_console_comes_and_goes(stand_in, tmp_path, emulator):
    with running(stand_in, tmp_path, emulator) as run:
        assert (tmp_path / PORT_FILE).read_text().strip() == run.address
        for key in "ab":
            child = console(tmp_path)
            child.expect(f"(?s)console: {run.address}; .*this help\r+\n")
            child.expect_exact("r" if key == "a" else "ra")  # what was said before
            child.send(key)
            child.expect_exact(key)
            run.expect(f"key {ord(key):x}")
            second = console(tmp_path)
            second.expect_exact(BUSY.decode().strip())
            second.expect("console: the machine has ended")
            child.send(b"\x01h")
            child.expect("Ctrl-a b: a BREAK")
            child.send(b"\x01b")
            child.expect("a socket carries no BREAK")
            child.send(b"\x01a")
            run.expect("key 01")
            child.send(b"\x01x")
            child.expect(pexpect.EOF)
            child.close()
            assert child.exitstatus == 0
        child = console(tmp_path)
        child.expect("this help")
        child.send("q")
        child.expect("console: the machine has ended")
        run.expect("the guest powered off")
        run.expect(pexpect.EOF)
    assert not (tmp_path / PORT_FILE).exists()
    assert (tmp_path / LOG_FILE).read_bytes().startswith(b"ra\x01b\x01")


def test_a_script_s_commands_are_answered(stand_in, tmp_path):
    with running(stand_in, tmp_path):
        said = subprocess.run([sys.executable, ATTACH, "console", "--folder", tmp_path], input=b"one\ntwo\n",
                              capture_output=True, check=True, timeout=30)
        assert (said.stdout, said.stderr) == (b"one\ntwo\n", b"")


def complaint(*words):
    """The complaint of attach.py, which ends with status 1."""
    said = subprocess.run([sys.executable, ATTACH, *map(str, words)], capture_output=True, text=True,
                          check=False, timeout=20)
    assert said.returncode == 1
    return said.stderr


@pytest.mark.parametrize("words, says", [
    (["console"], "console: no machine with a debugger runs here: `make run DEBUG=1`"),
    (["gdb"], "gdb: no machine with a debugger runs here"),
    (["console", "--port", "/dev/no-such-port"], "No such file or directory"),
    (["gdb", "--port", "/dev/no-such-port"], "No such file or directory"),
    (["console", "--port", "127.0.0.1:1"], "127.0.0.1:1: "),
    (["console", "--port", "here"], "here: "),
    (["console", "--port", "/dev/null", "--baud", "7"], "no such speed: 7"),
    (["gdb", "--port", "127.0.0.1:1", "--vmlinux", "/nowhere/vmlinux"], "/nowhere/vmlinux: no such file"),
    (["gdb", "--port", "127.0.0.1:1", "--gdb", "no-such-gdb"], "no-such-gdb is not installed"),
])
def test_what_cannot_be_attached_to_says_why(tmp_path, words, says):
    assert says in complaint(*words, "--folder", tmp_path)


def test_without_a_debugger_nothing_can_be_told_to_go_on(stand_in, tmp_path):
    result = run_without_terminal(stand_in, tmp_path, "--stop", "launch")
    assert (result.returncode, b"STOP= with DEBUG=1" in result.stderr) == (2, True)


def test_a_console_shows_what_was_said_before_but_not_to_gdb(tmp_path, capfdbinary):
    (tmp_path / LOG_FILE).write_bytes(
        b"old\n" + 9 * b"more\n" + b"cpu0> one # two $ three\r\n+$OK#9a$T05thread:1;#00+$l</a>\n#f0"
        b"$#00cpu0: asked for\r\ncpu0> ")
    attach.show_before(tmp_path)
    assert capfdbinary.readouterr().out == (
        7 * b"more\n" + b"cpu0> one # two $ three\r\n" + b"cpu0: asked for\r\ncpu0> ")


def test_a_cable_is_set_up_raw_at_its_speed(tmp_path):
    ours, theirs = pty.openpty()
    child = console(tmp_path, "--port", os.ttyname(theirs), "--baud", "57600")
    try:
        child.expect("this help")
        os.write(ours, b"prompt> ")
        child.expect_exact("prompt> ")
        mode = termios.tcgetattr(theirs)
        assert mode[4] == mode[5] == termios.B57600
        assert not mode[3] & (termios.ECHO | termios.ICANON | termios.ISIG)
        child.send(b"\x03")  # a key as others
        assert os.read(ours, 1) == b"\x03"
        child.send(b"\x01b\x01x")
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 0
    finally:
        child.close(force=True)
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize("goal, variables, words", [
    ("run", ["DEBUG=1", "STOP=launch"], "--debug --stop launch"),
    ("gdb", ["VMLINUX=a b"], "gdb --folder build/run --index build/linux/gdb-index --vmlinux a_b"),
    ("gdb", ["PORT=/dev/ttyUSB0", "BAUD=9600", "VMLINUX=v"], "gdb --folder build/run --port /dev/ttyUSB0 "
     "--baud 9600 --index build/linux/gdb-index --vmlinux v"),
    ("gdb", ["PORT=/dev/ttyUSB0"], "--port /dev/ttyUSB0 --index build/linux/gdb-index"),
    ("console", ["RUN=other"], "console --folder other"),
    ("symbols", ["KERNEL=/boot/vmlinuz"], "--symbols-of /boot/vmlinuz"),
])
def test_make_takes_its_variables(goal, variables, words):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    said = subprocess.run(["make", "-n", goal, "-o", "run-files", "-o", "deps-gdb", *variables], cwd=ROOT,
                          text=True, env=environment, stdout=subprocess.PIPE, check=True).stdout
    command = " ".join(word.replace(" ", "_") for word in shlex.split(said.replace("\\\n", "")))
    assert command.rstrip().endswith(words) if goal != "run" else words in command


def test_gdb_is_called_with_all_it_needs(tmp_path):
    class Arguments:
        gdb, index, baud, vmlinux = "gdb-multiarch", tmp_path, 9600, "a b"
    words = attach.gdb_command(Arguments, "/dev/ttyS9")
    assert words[0] == "gdb-multiarch" and str(ROOT / "tools/orlop.gdb") in words
    assert words[-4:] == ["-ex", "set serial baud 9600", "-ex", 'orlop-attach /dev/ttyS9 "a b"']
    assert "set serial baud 9600" not in attach.gdb_command(Arguments, "127.0.0.1:1")


# tools/orlop.gdb.

LINES = 5000  # more messages than the ring has room for, and more bytes
GUEST = f"""#!/bin/sh
insmod /orlop/irqbypass.ko
i=0
while [ $i -lt {LINES} ]; do
    echo "orlop-line $i of a text that has the length of a usual message"
    i=$((i + 1))
done >/dev/kmsg
cat /proc/modules
grep -w -e _text -e do_sys_openat2 -e irq_bypass_register_producer /proc/kallsyms
echo guest-ready
while :; do sleep 1; cat /proc/uptime >/dev/null; done
"""


def gdb(address, *commands):
    """What gdb says to the commands, which come after orlop-attach."""
    words = [word for command in commands for word in ("-ex", command)]
    return subprocess.run(
        ["gdb", "-q", "-nx", "-batch", "-iex", f"set index-cache directory {LINUX}/gdb-index", "-iex",
         "set index-cache enabled on", "-x", ROOT / "tools/orlop.gdb", "-ex", "set height 0", *words],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
        errors="replace", check=False, timeout=300, cwd=ROOT).stdout


@pytest.fixture(scope="module")
def linux(tmp_path_factory):
    """(address of QEMU's stub, what the guest said) of a stock kernel, with KASLR on, that waits."""
    folder = tmp_path_factory.mktemp("linux")
    archive = shell_archive(LINUX / "busybox")
    module = next((LINUX / "modules").glob("*/kernel/virt/lib/irqbypass.ko"))
    archive.add_file("orlop/irqbypass.ko", module.read_bytes())
    archive.add_file("orlop/run", GUEST.encode(), True)
    write(folder / "guest.img", archive, "lz4")
    make_bare_linux_iso(folder / "boot.iso", LINUX / "vmlinuz",
                        ["console=ttyS0,115200", "quiet", "pti=on", "printk.devkmsg=on"],
                        [folder / "guest.img"])
    stub = folder / "gdb"
    machine = Machine(folder / "boot.iso", cpus=2, memory_mib=512, extra=[
        "-chardev", f"socket,id=gdb,path={stub},server=on,wait=off", "-gdb", "chardev:gdb"])
    said = b""
    with Qemu(machine, folder) as emulator:
        emulator.serial.settimeout(240)
        while b"guest-ready" not in said:
            data = emulator.serial.recv(4096)
            assert data, said.decode(errors="replace")
            said += data
        yield str(stub), said.decode(errors="replace")


def test_the_kernel_is_found_under_kaslr_without_symbols(linux):
    stub, guest = linux
    text = int(re.search(r"([0-9a-f]{16}) T _text", guest).group(1), 16)
    said = gdb(stub, f'orlop-attach {stub} ""', "orlop-ps")
    assert re.search(rf"(?m)^Linux version {LINUX.joinpath('vmlinuz').readlink().name[8:]} .* #\d", said)
    assert f"moved by {text - 0xffffffff81000000:#x} from where it was linked" in said
    if not VMLINUX.exists():
        assert "no symbols of " in said and "make symbols" in said
        assert "no symbols yet: orlop-attach first" in said


def test_symbols_of_another_kernel_are_refused(linux, tmp_path):
    stub, _ = linux
    other = tmp_path / "vmlinux"
    source = 'const char linux_banner[] = "Linux version 1"; void _start(void) {}'
    subprocess.run(["gcc", "-g", "-nostdlib", "-static", "-mcmodel=kernel", "-fno-pie", "-no-pie",
                    "-Wl,-Ttext=0xffffffff81000000", "-x", "c", "-o", other, "-"], input=source,
                   text=True, check=True)
    said = gdb(stub, f"orlop-attach {stub} {other}", "info symbol linux_banner", "orlop-ps")
    assert f"{other} is of another kernel than the one that runs" in said
    assert "No symbol table is loaded" in said and "no symbols yet: orlop-attach first" in said


def test_what_is_not_there_is_said(linux):
    stub, _ = linux
    said = gdb(stub, "orlop-attach", "orlop-dmesg", f"orlop-attach {stub} /nowhere 0")
    assert "not connected: name an address" in said
    assert "no symbols yet: orlop-attach first" in said
    assert "/nowhere: No such file" in said


needs_symbols = pytest.mark.skipif(not VMLINUX.exists(), reason="no build/linux/vmlinux: `make symbols`")


@needs_symbols
@pytest.mark.long
def test_symbols_processes_messages_and_modules(linux):
    stub, guest = linux
    module = re.search(r"(?m)^irqbypass (\d+) .* (0x[0-9a-f]+)", guest)
    file = next((LINUX / "modules").glob("*/kernel/virt/lib/irqbypass.ko"))
    said = gdb(stub, f"orlop-attach {stub}", "info symbol linux_banner", "orlop-ps", "orlop-ps -t",
               "orlop-dmesg", "echo last:\\n", "orlop-dmesg 2", "orlop-mod", f"orlop-mod {file}",
               "info address irq_bypass_register_producer", "orlop-mod /x/none.ko", "orlop-attach")
    assert "linux_banner in section .rodata" in said
    assert re.search(r"(?m)^0x[0-9a-f]{16} +0 +\*?\d R \[swapper/0\]$", said)
    assert re.search(r"(?m)^0x[0-9a-f]{16} +\d+ +\*?[01] [SR] run$", said)
    assert re.search(r"(?m)^0x[0-9a-f]{16} +2 +\*?[01] S \[kthreadd\]$", said)
    lines = [int(n) for n in re.findall(r"\] orlop-line (\d+) of a text that has the length of a usual "
                                        r"message\n", said.split("last:\n")[0])]
    assert lines == list(range(lines[0], LINES)) and len(lines) > 500
    assert [int(n) for n in re.findall(r"orlop-line (\d+) ", said.split("last:\n")[1])] == [LINES - 2, LINES - 1]
    assert re.search(rf"(?m)^{module.group(2)} +\d+ irqbypass$", said)
    function = re.search(r"(\w+) t irq_bypass_register_producer", guest, re.IGNORECASE).group(1)
    assert f'"irq_bypass_register_producer" is at 0x{function} in ' in said
    assert "the guest has no module none" in said
    # What is loaded already is not read again.
    assert said.count("reading the symbols of") == 1



class Mi:
    """gdb as an editor talks to it, by the machine interface."""

    def __init__(self):
        self.child = pexpect.spawn("gdb", ["-q", "-nx", "-iex", f"set index-cache directory {LINUX}/gdb-index",
                                           "-iex", "set index-cache enabled on", "-i=mi"], timeout=120,
                                   encoding="utf-8", cwd=str(ROOT), echo=False)
        self.child.delaybeforesend = None
        self.child.expect_exact("(gdb)")

    def ask(self, command, wanted="^done"):
        """What comes with the answer, which must be the wanted one."""
        self.child.sendline(command)
        self.child.expect(r"(?m)^\^(done|running|connected|error|exit)[^\n]*\n")
        assert self.child.after.startswith(wanted), self.child.before + self.child.after
        return self.child.before + self.child.after


@needs_symbols
@pytest.mark.long
def test_an_editor_s_breakpoint_follows_the_kernel(linux):
    """What VS Code does with the settings of docs/debugging.md."""
    stub, guest = linux
    function = int(re.search(r"([0-9a-f]{16}) [tT] do_sys_openat2", guest).group(1), 16)
    mi = Mi()
    mi.ask("-gdb-set mi-async on")
    mi.ask(f'-interpreter-exec console "source {ROOT}/tools/orlop.gdb"')
    mi.ask(f"-file-exec-and-symbols {VMLINUX}")
    mi.ask("-break-insert -f do_sys_openat2")
    mi.ask(f"-target-select remote {stub}", "^connected")
    assert "moved by 0x" in mi.ask('-interpreter-exec console "orlop-attach"')
    table = mi.ask("-break-list")
    assert 'enabled="y"' in table and f'addr="{function:#x}"' in table
    mi.ask("-exec-continue --all", "^running")
    mi.child.expect(r'\*stopped,reason="breakpoint-hit"[^\n]*func="do_sys_openat2"')
    assert 'func="do_sys_openat2"' in mi.ask("-stack-list-frames 0 1")
    mi.ask("-break-delete")
    mi.ask("-target-detach")
    mi.ask("-gdb-exit", "^exit")


@needs_symbols
@pytest.mark.long
def test_a_stock_kernel_is_debugged_as_the_document_says(tmp_path):
    """The first part of docs/debugging.md, with Orlop: three terminals."""
    def terminal(*words):
        child = pexpect.spawn("make", ["--no-print-directory", "-C", str(ROOT), *words],
                              timeout=100 * patience(Bochs.version()), dimensions=(50, 200),
                              env={**os.environ, "TERM": "dumb"})  # gdb colours its words elsewhere
        child.delaybeforesend = None
        return child

    def ask(child, command, pattern, prompt):
        child.send(command + "\r")
        child.expect(pattern)
        child.expect_exact(prompt)

    run = terminal("run", "DEBUG=1", "CPUS=2", "EMU=bochs", f"RUNFLAGS=--folder {tmp_path}")
    run.expect("in another terminal: make gdb RUN=")
    run.expect("# ")
    gdb = terminal("gdb", f"RUN={tmp_path}", f"VMLINUX={VMLINUX}")
    gdb.expect("moved by 0x[1-9a-f]")
    gdb.expect_exact("(gdb) ")
    ask(gdb, "info threads", 'Thread 1 "cpu0 64-bit, CPL 0".*Thread 2 "cpu1 64-bit', "(gdb) ")
    ask(gdb, "orlop-ps", r"0x[0-9a-f]{16} +1 +\*?[01] S init\r", "(gdb) ")
    ask(gdb, "orlop-dmesg 1", "TERM=linux", "(gdb) ")
    ask(gdb, 'break do_sys_openat2 if $_streq((char *)filename, "/etc/inittab")', "Breakpoint 1 at", "(gdb) ")
    gdb.send("continue\r")
    gdb.expect("Continuing")
    run.send("cat /etc/inittab\r")
    gdb.expect(r'hit Breakpoint 1, do_sys_openat2 .*filename=0x[0-9a-f]+ "/etc/inittab"')
    gdb.expect_exact("(gdb) ")
    ask(gdb, "backtrace 8", "__x64_sys_openat", "(gdb) ")
    ask(gdb, "finish", r"Value returned is \$\d+ = 3", "(gdb) ")
    ask(gdb, "delete", "", "(gdb) ")
    ask(gdb, 'set var init_uts_ns.name.nodename = "stopped"', "", "(gdb) ")
    ask(gdb, "monitor kernel", "Linux version .*text at ", "(gdb) ")
    gdb.send("detach\r")
    gdb.expect("detached")
    gdb.send("quit\r")
    gdb.expect(pexpect.EOF)
    run.expect("inittab|respawn")
    run.expect("# ")
    run.send("hostname\r")
    run.expect("\nstopped\r")
    run.expect("# ")
    console = terminal("console", f"RUN={tmp_path}")
    console.expect("this help")
    console.send("\x03")
    console.expect("cpu[01]: asked for, ")
    console.expect("cpu[01]> ")
    ask(console, "kernel", "Linux version .*text at ", "> ")
    ask(console, "cont", "", "running> ")
    console.send("\x01x")
    console.expect(pexpect.EOF)
    run.send("poweroff\r")
    run.expect("run: the guest powered off")
