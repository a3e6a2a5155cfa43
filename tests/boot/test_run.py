"""tools/run.py on a terminal and without one, with the stand-in as its machine."""

import ctypes
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import termios
import time

import pexpect
import pytest

from emulators import BOCHS_CLOCK, Bochs, End, Host, Machine, Qemu, why_not_kvm
from harness import ROOT, patience
from make_iso import make_direct_iso
from run import Keyboard, Verdict, choose_emulator

RUN = ROOT / "tools/run.py"
EMULATORS = ["bochs", "qemu"]


def arguments(stand_in, folder, *more):
    return [str(RUN), "--elf", str(stand_in), "--folder", str(folder), *more]


def run_without_terminal(stand_in, folder, *more, keys=b""):
    return subprocess.run([sys.executable, *arguments(stand_in, folder, *more)], input=keys,
                          capture_output=True, check=False, timeout=60)


def on_terminal(stand_in, folder, *more, dimensions=None):
    child = pexpect.spawn(sys.executable, arguments(stand_in, folder, *more), timeout=40,
                          dimensions=dimensions)
    child.delaybeforesend = 0
    return child


def processes_of(folder):
    """The processes whose working directory is this run's folder: its emulator."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == folder.resolve():
                found.append(int(process.name))
        except OSError:
            continue
    return found


def wait_until_gone(folder):
    deadline = time.monotonic() + 5
    while processes_of(folder):
        assert time.monotonic() < deadline, "the emulator is still running"
        time.sleep(0.05)


@pytest.mark.parametrize("emulator", EMULATORS)
@pytest.mark.parametrize("word, status, says", [
    ("poweroff", 0, "the guest powered off"),
    ("refused", 1, "Orlop refused to run"),
    ("panic", 1, "Orlop panicked"),
    ("fault", 1, "Orlop stopped the guest"),
])
def test_exit_status_tells_how_the_machine_ended(stand_in, tmp_path, emulator, word, status, says):
    result = run_without_terminal(stand_in, tmp_path, "--emu", emulator, "--append", word)
    assert (result.returncode, says in result.stderr.decode()) == (status, True), result.stderr
    assert b"stand-in: command line: " + word.encode() in result.stdout
    if word in ("refused", "panic"):
        assert b"last line after" in result.stdout
    wait_until_gone(tmp_path)


def test_triple_fault_of_orlop_itself_is_no_success(stand_in, tmp_path):
    result = run_without_terminal(stand_in, tmp_path, "--emu", "bochs", "--append", "triple")
    assert result.returncode == 1


def test_time_limit_is_status_3(stand_in, tmp_path):
    result = run_without_terminal(stand_in, tmp_path, "--emu", "qemu", "--append", "hang",
                                  "--timeout", "2")
    assert result.returncode == 3
    wait_until_gone(tmp_path)


@pytest.mark.parametrize("emulator", EMULATORS)
def test_emulator_that_cannot_start_is_status_2(stand_in, tmp_path, emulator):
    result = run_without_terminal(stand_in, tmp_path, "--emu", emulator, "--cpu", "no-such-model")
    assert result.returncode == 2
    assert (b"parameter 'model'" if emulator == "bochs" else b"no-such-model") in result.stderr
    wait_until_gone(tmp_path)


def test_missing_image_is_status_2(tmp_path):
    result = run_without_terminal(tmp_path / "absent.elf", tmp_path)
    assert result.returncode == 2
    assert b"absent.elf: no such file" in result.stderr


@pytest.mark.parametrize("emulator", EMULATORS)
def test_keys_from_a_pipe_reach_the_guest(stand_in, tmp_path, emulator):
    result = run_without_terminal(stand_in, tmp_path, "--emu", emulator, "--append", "echo",
                                  keys=b"\x01xq")
    assert result.returncode == 0
    assert re.findall(rb"key (..)", result.stdout) == [b"01", b"78", b"71"]


def test_log_command_and_configuration_are_beside_each_other(stand_in, tmp_path):
    result = run_without_terminal(stand_in, tmp_path, "--emu", "bochs", "--append", "poweroff")
    assert (tmp_path / "serial.log").read_bytes() == result.stdout
    assert (tmp_path / "command").read_text().startswith(f"{Bochs.program} ")
    assert "corei7_skylake_x" in (tmp_path / "bochsrc").read_text()
    assert (tmp_path / "bochs.log").exists()


def test_module_and_command_line_arrive(stand_in, tmp_path):
    result = run_without_terminal(stand_in, tmp_path, "--emu", "qemu", "--append", "poweroff a=b",
                                  "--module", f"{stand_in}=realmode addr=0x7c00")
    assert b"command line: poweroff a=b\r" in result.stdout
    assert b"module: realmode addr=0x7c00\r" in result.stdout


# A Linux guest: what run.py puts before Orlop. The stand-in repeats the modules' strings.

def linux_files(folder):
    files = [folder / name for name in ("bzImage", "one.cpio", "two.cpio")]
    for file in files:
        file.write_bytes(file.name.encode())
    return files


def machine_words(emulator, folder):
    """The frequency of the TSC, as Bochs was told."""
    if emulator == "qemu":
        return ""
    rate = re.search(r"ips=(\d+)", (folder / "bochsrc").read_text()).group(1)
    return f"tsc_early_khz={int(rate) // 1000} "


@pytest.mark.parametrize("emulator", EMULATORS)
def test_kernel_initrds_and_command_line_arrive(stand_in, tmp_path, emulator):
    kernel, one, two = linux_files(tmp_path)
    result = run_without_terminal(
        stand_in, tmp_path, "--emu", emulator, "--append", "poweroff", "--kernel", kernel,
        "--initrd", one, "--initrd", two, "--cmdline", 'a=b;$c  dyndbg="file x.c +p" {*}')
    said = re.findall(rb"module: (.*)\r", result.stdout)
    words = machine_words(emulator, tmp_path)
    assert said == [f'linux {words}a=b;$c "dyndbg=file x.c +p" {{*}}'.encode(), b"initrd", b"initrd"]


@pytest.mark.parametrize("emulator", EMULATORS)
def test_kernel_is_told_console_and_terminal(stand_in, tmp_path, emulator):
    kernel = linux_files(tmp_path)[0]
    child = on_terminal(stand_in, tmp_path, "--emu", emulator, "--append", "poweroff",
                        "--kernel", str(kernel), dimensions=(33, 99))
    child.expect("module: (.*?)\r")
    words = machine_words(emulator, tmp_path)
    assert child.match.group(1).decode() == (
        f"linux {words}orlop.rows=33 orlop.columns=99 console=ttyS0,115200")
    child.expect(pexpect.EOF)


@pytest.mark.parametrize("text", ["it's", "a\\b", 'x="y'])
def test_command_line_that_grub_would_change_is_refused(stand_in, tmp_path, text):
    result = run_without_terminal(stand_in, tmp_path, "--kernel", linux_files(tmp_path)[0],
                                  "--cmdline", text)
    assert (result.returncode, b"the kernel's command line holds" in result.stderr) == (2, True)


@pytest.mark.parametrize("variables, words", [
    ([], "--kernel build/linux/vmlinuz --role linux --initrd build/linux/initrd.img --cpus 1 --mem 512"),
    (["KERNEL=k", "CPUS=2", "CMDLINE=it's \"a b\""],
     "--kernel k --role linux --initrd build/linux/initrd.img --cmdline it's_\"a_b\" --cpus 2 --mem 512"),
    (["INITRD=i j", "INITRD_ADD=t", "MEM=99"], "--kernel build/linux/vmlinuz --role linux --initrd i --initrd j "
     "--initrd build/run/add.img --cpus 1 --mem 99"),
    (["GUEST=realmode"], "--module build/guests/realmode.bin=realmode --cpus 1 --mem 256"),
    (["ROLE=realmode addr=0x8000"],
     "--module build/guests/realmode.bin=realmode_addr=0x8000 --cpus 1 --mem 256"),
    (["GUEST=disk", "DISK=a b.img"], "--disk a_b.img --boot-disk --cpus 1 --mem 512"),
    (["GUEST=disk", "DISK=d", "DISKRW=1"], "--disk d --boot-disk --disk-writable --cpus 1 --mem 512"),
    (["GUEST=none"], "--cpus 1 --mem 256"),
])
def test_make_run_takes_its_variables(variables, words):
    """What `make run` would do: the words of the last command, blanks within one as `_`."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    said = subprocess.run(["make", "-n", "run", "-o", "run-files", *variables], cwd=ROOT, text=True,
                          env=environment, stdout=subprocess.PIPE, check=True).stdout
    command = said[said.index("tools/run.py"):].replace("\\\n", "")
    assert words in " ".join(word.replace(" ", "_") for word in shlex.split(command))


@pytest.mark.parametrize("emulator", EMULATORS)
def test_a_disk_is_booted_and_left_as_it_is(stand_in, tmp_path, emulator):
    disk = tmp_path / "disk.img"
    disk.write_bytes(bytes(1 << 20))
    result = run_without_terminal(stand_in, tmp_path / "run", "--emu", emulator, "--append",
                                  "poweroff", "--disk", disk, "--boot-disk")
    assert b"command line: poweroff disk" in result.stdout
    command = (tmp_path / "run/command").read_text()
    written = command if emulator == "qemu" else (tmp_path / "run/bochsrc").read_text()
    assert ("snapshot=on" if emulator == "qemu" else "mode=volatile") in written
    assert disk.read_bytes() == bytes(1 << 20) and list(tmp_path.iterdir()) in (
        [disk, tmp_path / "run"], [tmp_path / "run", disk])
    result = run_without_terminal(stand_in, tmp_path / "run", "--disk", tmp_path / "none")
    assert (result.returncode, b"no disk image" in result.stderr) == (2, True)


def test_bochs_keeps_real_time_for_people_and_counts_for_tests(tmp_path):
    for folder in ("people", "tests"):
        (tmp_path / folder).mkdir()
    people = Bochs(Machine(tmp_path / "x.iso", cpus=2, real_time=True), tmp_path / "people")
    tests = Bochs(Machine(tmp_path / "x.iso", cpus=2), tmp_path / "tests")
    for emulator in (people, tests):
        emulator.command({"serial": 1})
    assert "sync=slowdown, time0=utc" in (tmp_path / "people/bochsrc").read_text()
    assert "sync=none, time0=946684800" in (tmp_path / "tests/bochsrc").read_text()
    assert "ips=50000000" in (tmp_path / "tests/bochsrc").read_text()
    assert "ips=50000000" not in (tmp_path / "people/bochsrc").read_text()
    assert not tests.environment()
    assert pathlib.Path(people.environment()["LD_PRELOAD"]).exists()


def test_a_lag_of_the_emulator_is_not_made_up_for():
    """Bochs asks for a millisecond's sleep each time it has emulated one; after a second in which
    it could not, time must not run faster."""
    clock = ctypes.CDLL(str(BOCHS_CLOCK))
    clock.time(None)
    clock.usleep(1000)
    time.sleep(1)
    start = time.monotonic()
    for _ in range(500):
        clock.usleep(1000)
    assert time.monotonic() - start > 0.49
    now = (ctypes.c_long * 2)()
    clock.gettimeofday(now, None)
    assert (now[0], now[1]) == (clock.time(None), 0) and now[0] <= time.time() - 1.4


@pytest.mark.parametrize("emulator", EMULATORS)
def test_keys_are_raw_and_ctrl_a_commands(stand_in, tmp_path, emulator):
    child = on_terminal(stand_in, tmp_path, "--emu", emulator, "--append", "echo")
    child.expect("leave with Ctrl-a x")
    child.expect("stand-in: ready")
    # Ctrl-C, Ctrl-Z, Ctrl-\, Ctrl-S, Ctrl-Q, Ctrl-D, carriage return, escape, high half
    for key in (3, 26, 28, 19, 17, 4, 13, 27, 0x80, 0xff):
        child.send(bytes([key]))
        child.expect(f"key {key:02x}")
    child.send(b"\x01a")
    child.expect("key 01")
    child.send(b"\x01h")
    child.expect("Ctrl-a x: end")
    child.send(b"z")
    child.expect("key 7a")
    child.send(b"\x01x")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    wait_until_gone(tmp_path)


def test_a_refusal_on_a_terminal_stays_to_be_read(stand_in, tmp_path):
    child = on_terminal(stand_in, tmp_path, "--emu", "qemu", "--append", "refused")
    child.expect("last line after the refusal")
    child.expect("Orlop refused to run; Ctrl-a x ends")  # where a run without terminal would end
    child.send(b"\x01h")
    child.expect("Ctrl-a x: end")
    child.send(b"\x01x")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 1


class ShellTerminal:
    """A run under a shell that keeps the terminal, so that its state can be seen afterwards."""

    def __init__(self, stand_in, folder):
        self.child = pexpect.spawn("/bin/sh", ["-c", "stty -F /dev/tty echo; read go; "
                                               + " ".join([sys.executable, *arguments(
                                                   stand_in, folder, "--emu", "qemu", "--append",
                                                   "echo")]) + "; echo status=$?; read wait"],
                                   timeout=40)
        time.sleep(0.2)
        self.before = termios.tcgetattr(self.child.child_fd)
        self.child.sendline("go")
        self.child.expect("stand-in: ready")
        self.during = termios.tcgetattr(self.child.child_fd)
        self.runner = self._runner()

    def _runner(self):
        """The process id of run.py."""
        children = pathlib.Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children")
        return int(children.read_text().split()[0])

    def after(self):
        self.child.expect(r"status=(\d+)")
        return int(self.child.match.group(1)), termios.tcgetattr(self.child.child_fd)


@pytest.mark.parametrize("number, status", [
    (None, 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGQUIT, 131),
    (signal.SIGINT, 130),
])
def test_terminal_is_restored(stand_in, tmp_path, number, status):
    shell = ShellTerminal(stand_in, tmp_path)
    assert shell.during != shell.before
    if number is None:
        shell.child.send(b"\x01x")
    else:
        os.kill(shell.runner, number)
    ended, after = shell.after()
    assert after == shell.before
    assert ended == status
    wait_until_gone(tmp_path)


def test_terminal_is_restored_when_the_tool_fails(stand_in, tmp_path):
    """A disk that fills up while the log is written must not leave a raw terminal."""
    (tmp_path / "serial.log").symlink_to("/dev/full")
    child = pexpect.spawn("/bin/sh", ["-c", "stty -F /dev/tty; " + " ".join(
        [sys.executable, *arguments(stand_in, tmp_path, "--emu", "qemu", "--append", "echo")])
        + "; echo status=$?; stty -F /dev/tty -a; read wait"], timeout=40)
    child.expect(r"status=(\d+)")
    assert int(child.match.group(1)) == 2
    child.expect(r"[^-]icanon")
    child.expect(r"[^-]echo ")
    wait_until_gone(tmp_path)


def test_nothing_is_left_when_the_tool_is_killed(stand_in, tmp_path):
    child = on_terminal(stand_in, tmp_path, "--emu", "bochs", "--append", "echo")
    child.expect("stand-in: ready")
    assert processes_of(tmp_path)
    child.kill(signal.SIGKILL)
    wait_until_gone(tmp_path)
    child.close(force=True)


@pytest.mark.parametrize("kind", [Bochs, Qemu])
def test_leaving_the_context_ends_the_emulator(stand_in, tmp_path, kind):
    make_direct_iso(tmp_path / "x.iso", stand_in, "hang")
    folder = tmp_path / "run"
    with kind(Machine(tmp_path / "x.iso"), folder) as emulator:
        assert processes_of(folder)
    assert not processes_of(folder)
    assert emulator.outcome().end is End.STOPPED


@pytest.mark.long
@pytest.mark.parametrize("cpus", [1, 2])
def test_linux_above_orlop_keeps_time_and_takes_keys(tmp_path, cpus):
    """`make run` on a terminal, to a shell and to the end."""
    child = pexpect.spawn("make", ["-C", str(ROOT), "run", f"CPUS={cpus}",
                                   f"RUNFLAGS=--folder {tmp_path}"],
                          timeout=400 * patience(Bochs.version()), dimensions=(31, 97))
    child.delaybeforesend = 0
    child.expect(f"Linux .* on {cpus} CPUs, above Orlop 0[.]1[.]0[.]")
    child.expect("# ")
    child.sendline("stty size; nproc")
    child.expect(f"31 97\r+\n{cpus}\r")
    child.expect("# ")
    child.sendline("sleep 5; echo aw''ake")
    start = time.monotonic()
    child.expect("awake")
    # A busy host is late, the more so the more CPUs it has to emulate.
    assert 4.5 < time.monotonic() - start < 9 * cpus
    child.sendline("echo be''gun; cat")
    child.expect("begun")
    child.sendline("is it there")
    child.expect("is it there\r+\nis it there")
    child.send("\x03")
    child.expect("# ")
    child.sendline("poweroff")
    child.expect("run: the guest powered off")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


# The pieces.

def test_keyboard_commands_across_reads():
    keyboard = Keyboard(escapes=True)
    assert keyboard.feed(b"ab\x01") == (b"ab", [])
    assert keyboard.feed(b"acd") == (b"\x01cd", [])
    assert keyboard.feed(b"\x01h\x01x") == (b"", ["help", "end"])


@pytest.mark.parametrize("pieces", [
    [b"[0.1] cpu0 orlop: panic: it broke\r\n"],
    [b"[0.1] cpu0 orl", b"op: pan", b"ic: it broke"],
])
def test_verdict_in_pieces(pieces):
    verdict = Verdict()
    assert any([verdict.feed(piece) for piece in pieces])
    assert verdict.text == "Orlop panicked"


def test_no_verdict_in_other_lines():
    verdict = Verdict()
    assert not verdict.feed(b"[0.1] cpu0 orlop: nothing refused: panic is far\n" * 3)
    assert not verdict.text


INTEL = "vendor_id\t: GenuineIntel\nflags\t\t: fpu vmx sse\n"


@pytest.mark.parametrize("host, reason", [
    (Host(INTEL, "Y", ""), ""),
    (Host(INTEL, "1", ""), ""),
    (Host(INTEL.replace(" vmx", ""), "", ""), "no vmx in /proc/cpuinfo"),
    (Host("vendor_id\t: AuthenticAMD\nflags\t\t: fpu svm\n", "", ""), "AMD host"),
    (Host(INTEL, "N", ""), "nested=N: sudo modprobe -r kvm_intel && sudo modprobe kvm"),
    (Host(INTEL, "", ""), "kvm_intel is not loaded"),
    (Host(INTEL, "Y", "permission denied"), "/dev/kvm: permission denied"),
    (Host(INTEL, "Y", "no such file or directory"), "/dev/kvm: no such file"),
    (Host("", "", ""), "no vmx in /proc/cpuinfo"),
])
def test_why_not_kvm(host, reason):
    assert why_not_kvm(host).startswith(reason)
    assert bool(why_not_kvm(host)) == bool(reason)


@pytest.mark.parametrize("wish, why_not, kind, kvm", [
    ("", "", Qemu, True), ("", "AMD host", Bochs, None), ("bochs", "", Bochs, None),
    ("qemu", "", Qemu, True), ("qemu", "AMD host", Qemu, None),
])
def test_choice_of_emulator(wish, why_not, kind, kvm):
    chosen, options, why = choose_emulator(wish, why_not)
    assert (chosen, options.get("kvm")) == (kind, kvm)
    assert why_not in why or wish == "bochs"
