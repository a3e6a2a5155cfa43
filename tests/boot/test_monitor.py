"""The monitor at the debugger's port: what stops the guest, what is shown, and that it goes on as if
nothing had been. The emulator's serial ports are sockets; the guests are those of the matrix."""

import random
import re
import time

import pexpect
import pytest

from emulators import Bochs
from harness import Case, Talk

SEED = 20261122
OLD_BOCHS = int(re.sub(r"\D*(\d*).*", r"\1", Bochs.version()) or 0) < 3
KEEPS_HLT = pytest.mark.skipif(OLD_BOCHS, reason="Bochs 2.7 wakes a halted CPU by an NMI that exits")
PLACES = {1: "halt", 2: "spin", 3: "wait"}


def machine(name, guest="standstill", **fields):
    """A row of its own: a guest in Bochs, with the debugger at COM2."""
    fields = {"options": "debug=com2", "end": "poweroff", "debug_port": 2, "timeout": 120,
              "modules": [f"{guest}.bin=realmode"], "expect": [f"^{guest} PASS"], **fields}
    return Case(name=f"monitor-{name}", **fields)


def ask(talk, command, cpu=0):
    """The lines that a command says while the guest stands still."""
    talk.debug.send(command + "\r")
    talk.debug.expect_exact(command)
    talk.debug.expect(rf"\r\ncpu{cpu}> ")
    return talk.debug.before.decode().split("\r\n")[1:]


def stop(talk):
    talk.debug.send("\x03")
    talk.debug.expect(r"cpu(\d+): asked for, .*\r\n(?:cpu.*\r\n)*cpu\d+> ")


def go_on(talk):
    talk.debug.send("cont\r")
    talk.debug.expect_exact("running> ")


def rip_of(lines, cpu):
    return int(re.search(rf"cpu{cpu} .* rip ([0-9a-f]{{16}})", "\n".join(lines)).group(1), 16)


def test_before_the_first_instruction(tmp_path):
    with Talk(machine("launch", "realmode", options="debug=com2 stop=launch"), tmp_path) as talk:
        talk.debug.expect(r"cpu0: launch, real mode, rip 0000000000007c00\r\ncpu0> ")
        assert not any("realmode:" in line for line in talk.watch.lines)
        shown = "\n".join(ask(talk, "regs"))
        assert "rdx 0000000000000080" in shown and "rsp 0000000000007c00" in shown
        assert ask(talk, "regs rdi=0x1234+1") == []
        assert "rdi 0000000000001235" in "\n".join(ask(talk, "regs"))
        assert "no register" in ask(talk, "regs rex=1")[0]
        assert "there is no command" in ask(talk, "reggs")[0]
        go_on(talk)
        talk.finish()


@KEEPS_HLT
@pytest.mark.parametrize("cpus", [1, 2, 5])
def test_cpus_that_no_interrupt_reaches(tmp_path, cpus):
    with Talk(machine(f"standstill-{cpus}", cpus=cpus), tmp_path) as talk:
        talk.debug.expect(r"cpu0: hypercall, 64-bit, CPL 0, rip")
        talk.debug.expect_exact("cpu0> ")
        go_on(talk)
        talk.wait_for("standstill: ready")
        before = None
        for _ in range(5):
            stop(talk)
            lines = ask(talk, "cpus")
            assert len(lines) == cpus
            assert not any("does not stop" in line for line in lines)
            places = [rip_of(lines, cpu) for cpu in range(min(cpus, 4))]
            if cpus > 4:
                assert "wait-for-SIPI" in lines[4]
            assert lines == ask(talk, "cpus"), "all of them stand still"
            if before and cpus > 1:
                assert places[1] == before[1], "HLT with interrupts off goes on being HLT"
            before = places
            go_on(talk)
        stop(talk)
        ask(talk, "regs rbx=0x6e6f6f67")
        go_on(talk)
        talk.finish()


@KEEPS_HLT
def test_a_cpu_that_does_not_stop_is_named(tmp_path):
    """Its local APIC is off, so that it takes no NMI; a stop does not wait for it longer than it says."""
    with Talk(machine("deaf", cpus=2, elf="lose_nmis.elf"), tmp_path) as talk:
        talk.debug.expect("cpu0: hypercall")
        talk.debug.expect_exact("cpu0> ")
        go_on(talk)
        talk.wait_for("standstill: ready")
        stop(talk)
        assert ask(talk, "msr apic_base=0xfee00000 1") == []
        go_on(talk)
        talk.debug.send("\x03")
        talk.debug.expect_exact("cpu1 does not stop: its guest may have switched the local APIC off")
        talk.debug.expect_exact("cpu0> ")
        assert ask(talk, "cpus")[1] == " cpu1 apic 1: does not stop"
        for command in ("regs 1", "msr efer 1", "vmcs rip 1", "walk 0x7c00 1"):
            assert "cpu1" in "\n".join(ask(talk, command))
        ask(talk, "regs rbx=0x6e6f6f67")
        go_on(talk)
        talk.finish()


def test_without_a_timer_no_key_is_promised(tmp_path):
    row = machine("no-timer", "realmode", elf="no_timer.elf", expect=[
        "debug: this CPU has no VMX preemption timer: no key breaks in; stop=, ", "^realmode PASS"],
        options="debug=com2 stop=launch panic=0x8009")
    with Talk(row, tmp_path) as talk:
        talk.debug.expect(r"cpu0: launch, real mode, rip 0000000000007c00\r\ncpu0> ")
        ask(talk, "regs")
        go_on(talk)
        talk.debug.expect(r"cpu0: panic, real mode, rip 0000000000008009\r\ncpu0> ")
        go_on(talk)
        talk.finish()


@KEEPS_HLT
def test_each_cpu_s_start(tmp_path):
    with Talk(machine("cpu", cpus=3, options="debug=com2 stop=cpu"), tmp_path) as talk:
        for cpu in (1, 2):
            talk.debug.expect(rf"cpu{cpu}: started by a SIPI, real mode, rip 0000000000020000\r\n")
            talk.debug.expect_exact(f"cpu{cpu}> ")
            go_on(talk)
        talk.debug.expect("cpu0: hypercall")
        talk.debug.expect_exact("cpu0> ")
        go_on(talk)
        talk.wait_for("standstill: ready")
        stop(talk)
        ask(talk, "regs rbx=0x6e6f6f67")
        go_on(talk)
        talk.finish()


def test_a_triple_fault_is_seen_first(tmp_path):
    row = machine("tfault", "triple", cpus=2, options="debug=com2 stop=tfault", end="guest-stopped",
                  expect=["orlop: guest stopped: triple fault on cpu0"])
    with Talk(row, tmp_path) as talk:
        talk.debug.expect(r"cpu0: triple fault, 32-bit, CPL 0, rip ")
        talk.debug.expect_exact("cpu0> ")
        assert "idtr base 0000000000000000 limit 0000" in "\n".join(ask(talk, "regs"))
        talk.debug.send("cont\r")
        talk.debug.expect(r"\r\norlop: guest stopped: triple fault on cpu0 at .*\r\n")
        talk.finish()


def test_a_panic_is_told_here_too(tmp_path):
    row = machine("panic", "smp", cpus=2, options="debug=com2 debug_fault=page,ap,guest", end="panic",
                  expect=["cpu1 orlop: panic: "])
    with Talk(row, tmp_path) as talk:
        talk.debug.expect(r"\r\norlop: panic: .*#PF.* in Orlop at .*\r\n")
        talk.finish()


def test_a_failed_entry_is_seen_first(tmp_path):
    row = machine("entry", "realmode", elf="entry_broken.elf", end="panic",
                  options="debug=com2 stop=entry debug_fault=tables,bsp,guest",
                  expect=["VM entry failed on cpu0: .* rule RFLAGS_1"])
    with Talk(row, tmp_path) as talk:
        talk.debug.expect(r"cpu0: VM entry failed, ")
        talk.debug.expect_exact("cpu0> ")
        assert "eflags 00000000" in "\n".join(ask(talk, "regs"))
        talk.debug.send("cont\r")
        talk.finish()


def test_a_failed_entry_can_be_put_right(tmp_path):
    row = machine("entry-mended", "realmode", elf="entry_broken.elf",
                  options="debug=com2 stop=entry debug_fault=tables,bsp,guest")
    with Talk(row, tmp_path) as talk:
        talk.debug.expect(r"cpu0: VM entry failed, ")
        talk.debug.expect_exact("cpu0> ")
        ask(talk, "regs eflags=0x20002")
        assert "rule" in ask(talk, "cont")[0], "virtual-8086 mode with segments of real mode"
        ask(talk, "regs eflags=2")
        go_on(talk)
        talk.finish()


def test_the_panic_function_stops_the_guest(tmp_path):
    row = machine("panic", "realmode", options="debug=com2 panic=0x7c00 exitcost")
    with Talk(row, tmp_path) as talk:
        talk.debug.expect(r"cpu0: panic, real mode, rip 0000000000007c00\r\n")
        talk.debug.expect_exact("cpu0> ")
        assert re.search(r"began \d+ ticks after the exit", "\n".join(ask(talk, "cost")))
        go_on(talk)  # over the breakpoint
        talk.finish()


LINUX = {"modules": ["build/linux/vmlinuz=linux console=ttyS0 tsc_early_khz=50000 quiet nokaslr",
                     "build/linux/initrd.img=initrd"],
         "memory": 512, "timeout": 300}


@pytest.mark.long
def test_linux_stops_where_it_panics(tmp_path):
    shell = r"^/root # "
    with Talk(machine("linux-symbol", expect=["panic$"], **LINUX), tmp_path / "first") as talk:
        talk.wait_for(shell, 200)
        talk.type("grep ' T panic$' /proc/kallsyms; poweroff\n")
        found = re.match(r"[0-9a-f]{16}", talk.wait_for(r"^[0-9a-f]{16} T panic$"))
        talk.finish()
    row = machine("linux-panic", options=f"debug=com2 panic=0x{found.group()}", cpus=2,
                  expect=["Kernel panic"], **LINUX)
    with Talk(row, tmp_path / "second") as talk:
        talk.wait_for(shell, 200)
        talk.type("echo c >/proc/sysrq-trigger\n")
        talk.debug.expect(r"cpu(\d): panic, 64-bit, CPL 0, rip ([0-9a-f]{16})\r\n")
        cpu, place = talk.debug.match.groups()
        assert place.decode() == found.group()
        talk.debug.expect_exact(f"cpu{int(cpu)}> ")
        assert not any("Kernel panic" in line for line in talk.watch.lines)
        go_on(talk)
        talk.wait_for("Kernel panic - not syncing: sysrq triggered crash")


def stop_at_random(talk, count, pause=0.25, look=True):
    """Stops the guest at so many moments, in each of which it may be looked at, until it ends."""
    chance = random.Random(SEED)
    stops = 0
    try:
        while stops < count:
            time.sleep(chance.random() * pause)
            talk.debug.send("\x03")
            talk.debug.expect(r"cpu\d+: asked for, .*\r\n(?:cpu.*\r\n)*cpu(\d+)> ")
            assert not look or ask(talk, "cpus", int(talk.debug.match.group(1)))
            go_on(talk)
            stops += 1
    except (pexpect.EOF, OSError):
        talk.finish()  # the guest was through, or why it was not
    return stops


@pytest.mark.parametrize("guest, fields", [
    ("sipis", {"cpus": 2, "options": "debug=com2 sipi=wfs", "timeout": 300}),
    ("events", {"timeout": 300}),
    pytest.param("canary", {"cpus": 2, "timeout": 300}, marks=pytest.mark.long),
])
@pytest.mark.skipif(OLD_BOCHS, reason="it takes too long in Bochs 2.7")
def test_a_guest_passes_while_it_is_stopped_at_random(tmp_path, guest, fields):
    with Talk(machine(f"random-{guest}", guest, **fields), tmp_path) as talk:
        talk.debug.expect_exact("running> ")
        assert stop_at_random(talk, 60) >= 1
        talk.finish()


@pytest.mark.long
def test_a_thousand_stops_lose_no_event(tmp_path):
    """The guest counts its own events, and is through after some 25 stops: it is started again."""
    stops = 0
    row = machine("thousand", "stormlong", cpus=4, options="debug=com2 sipi=wfs", timeout=3000,
                  cpu="corei7_sandy_bridge_2600k", extra=["cpu: quantum=16"],
                  expect=["^storm PASS"])
    for boot in range(60):
        (tmp_path / str(boot)).mkdir()
        with Talk(row, tmp_path / str(boot)) as talk:
            talk.debug.expect_exact("running> ")
            stops += stop_at_random(talk, 1000, pause=0.02, look=False)
            talk.finish()
        if stops >= 1000:
            return
    pytest.fail(f"{stops} stops in all")


def test_garbage_for_gdb_hurts_nothing(tmp_path):
    """Packets of all kinds with anything in them, right and wrong sums; then the monitor is back."""
    noise = random.Random(SEED)
    kinds = b"?gGpPmMXzZcCsSvqQHTDkDRbi!"
    with Talk(machine("garbage-gdb", "realmode", options="debug=com2 stop=launch"), tmp_path) as talk:
        talk.debug.expect_exact("cpu0> ")
        for _ in range(300):
            body = bytes([noise.choice(kinds)]) + bytes(
                noise.choice(b"0123456789abcdef,:;-+*}{pQ\xff\0 ") for _ in range(noise.randrange(24)))
            if re.match(rb"[cCsSDk]|vCont|vKill|vDet|b|R", body):
                continue  # the guest would go on
            total = sum(body) & 0xFF if noise.randrange(4) else noise.randrange(256)
            talk.debug.send(b"$" + body + b"#%02x" % total)
        talk.debug.send(b"$" + bytes(noise.randrange(256) for _ in range(20000)).replace(b"#", b""))
        time.sleep(2)
        talk.debug.send("#00")
        for _ in range(20):
            talk.debug.send("\r\r\r")
            if talk.debug.expect([r"cpu0> $", pexpect.TIMEOUT], timeout=5) == 0:
                break
        assert "cpu0 apic 0" in ask(talk, "cpus")[0]
        go_on(talk)
        talk.finish()


def test_garbage_on_the_port_hurts_nothing(tmp_path):
    noise = random.Random(SEED)
    with Talk(machine("garbage", "realmode", options="debug=com2 stop=launch"), tmp_path) as talk:
        talk.debug.expect_exact("cpu0> ")
        for _ in range(64):
            talk.debug.send(bytes(noise.choice([*range(0x20), *range(0x80, 0x100), *b"regs xcpu\r"])
                                  for _ in range(64)).replace(b"$", b""))
        talk.debug.send("\x03")
        talk.debug.expect(r"cpu0> $", timeout=60)
        while True:
            talk.debug.send("\x03\x15\x03help\r")
            if talk.debug.expect([r"what there is[^\0]*cpu0> $", r"\$"], timeout=20) == 0:
                break
        go_on(talk)
        talk.finish()
