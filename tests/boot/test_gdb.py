"""Debian's gdb at the debugger's port: what it shows of a guest, what it changes, where it stops it,
and that the guest goes on when it leaves."""

import random
import re

import pexpect
import pytest

from harness import Case, Talk

SEED = 20261122
PROMPT = "(gdb) "
SETTINGS = ["set pagination off", "set confirm off", "set width 0", "set style enabled off",
            "set tcp connect-timeout 30", "set remotetimeout 10"]


def machine(name, **fields):
    """A row of its own: a guest in Bochs, with the debugger at COM2."""
    fields = {"end": "poweroff", "debug_port": 2, "timeout": 180,
              "modules": ["realmode.bin=realmode"], "expect": ["^realmode PASS"], **fields,
              "options": f"debug=com2 {fields.get('options', '')}".strip()}
    return Case(name=f"gdb-{name}", **fields)


def linux(name, words="", **fields):
    """The same with Debian's kernel, to a shell on the serial line."""
    return machine(name, memory=512, timeout=900, expect=[r"^left alone"], modules=[
        f"build/linux/vmlinuz=linux console=ttyS0 tsc_early_khz=50000 cryptomgr.notests {words}".strip(),
        "build/linux/initrd.img=initrd"], **fields)


class Gdb:
    """A gdb with a person at it, who reads what a command says before giving the next one."""

    def __init__(self, talk, connect=True):
        self.talk = talk
        self.process = pexpect.spawn("gdb", ["-q", "-nx"], encoding="utf-8", echo=False,
                                     timeout=120 * talk.patience, codec_errors="replace")
        self.process.delaybeforesend = None
        self._prompt()
        for setting in SETTINGS:
            self.say(setting)
        if connect:
            self.connect()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.close(force=True)

    def _prompt(self):
        self.process.expect_exact(PROMPT)
        return re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", self.process.before).replace("\r", "").strip()

    def say(self, command):
        """What gdb answers."""
        self.process.sendline(command)
        return self._prompt()

    def connect(self):
        said = self.say(f"target remote {self.talk.address}")
        assert " in ?? ()" in said, said

    def value(self, expression):
        said = self.say(f"output/x {expression}")
        assert re.fullmatch(r"0x[0-9a-f]+", said), said
        return int(said, 16)

    def go_on(self):
        """Continues, and waits for nothing."""
        self.process.sendline("continue")
        self.process.expect_exact("Continuing.")

    def stopped(self):
        """What is said when the guest has stopped by itself."""
        return self._prompt()

    def interrupt(self):
        self.process.sendintr()
        said = self._prompt()
        assert "SIGINT" in said, said
        return said


def test_before_the_first_instruction(tmp_path):
    with Talk(machine("launch", options="stop=launch"), tmp_path) as talk:
        with Gdb(talk) as gdb:
            assert gdb.value("$rip") == 0x7C00
            assert '"cpu0 real mode"' in gdb.say("info threads")
            assert gdb.say("p $cr0") == "$1 = [ ET NW CD ]"
            assert gdb.value("$rdx") == 0x80
            # Each register of the description is there, and says something.
            registers = gdb.say("info all-registers").splitlines()
            assert len(registers) > 110 and not any("unavailable" in line for line in registers)
            assert "real mode, rip 0000000000007c00" in gdb.say("monitor cpus")
            # gdb's own writes come back, and do not disturb what lies beside them.
            gdb.say("set var *(char[16]*)0x9000 = \"0123456789abcde\"")
            gdb.say("set var *(short*)0x9003 = 0x2b2d")
            assert '"012-+56789abcde"' in gdb.say("p *(char[16]*)0x9000")
            gdb.say("set $r15 = 0x123456789abcdef0")
            gdb.say("set $xmm7.v4_int32[2] = 0x55667788")
            gdb.say("set $cr2 = 0x1000")
            assert "cannot be written" in gdb.say("set $apic_base = 0")
            gdb.say("maint flush register-cache")
            assert gdb.value("$r15") == 0x123456789ABCDEF0
            assert gdb.value("$xmm7.v4_int32[2]") == 0x55667788
            assert gdb.value("$cr2") == 0x1000
            assert "[Inferior 1 (Remote target) detached]" in gdb.say("detach")
        talk.finish()


def test_real_mode_has_its_own_description(tmp_path):
    """gdb 13 shows no 16-bit code beside 64-bit registers: it is told of 32-bit ones instead."""
    with Talk(machine("real", options="stop=launch"), tmp_path) as talk:
        with Gdb(talk) as gdb:
            assert "not compatible" in gdb.say("set architecture i8086")
            gdb.say("monitor arch i8086")
            gdb.say("disconnect")
        with Gdb(talk) as gdb:
            assert 'currently "i8086"' in gdb.say("show architecture")
            assert re.search(r"=> 0x7c00:\s+ljmp +\$0x0,\$0x8009", gdb.say("x/i $pc"))
            gdb.say("detach")
        talk.finish()


@pytest.mark.parametrize("rounds", [1, pytest.param(34, marks=pytest.mark.long)])
def test_attaching_again_and_again(tmp_path, rounds):
    """While the guest runs, and without a word of farewell."""
    row = machine(f"attach-{rounds}", cpus=2, timeout=1200, modules=["standstill.bin=realmode"],
                  expect=["^standstill PASS"])
    with Talk(row, tmp_path) as talk:
        with Gdb(talk) as gdb:  # the guest asks for it
            gdb.say("detach")
        talk.wait_for("standstill: ready")
        for leave in rounds * ["detach", "disconnect", "quit"]:
            with Gdb(talk) as gdb:
                assert gdb.value("$_thread") in (1, 2)
                assert "cpu1 " in gdb.say("info threads")
                gdb.process.sendline(leave)
                if leave == "quit":
                    gdb.process.expect(pexpect.EOF)
                else:
                    gdb.stopped()
        with Gdb(talk) as gdb:
            gdb.say("thread 1")
            gdb.say("set $rbx = 0x6e6f6f67")
            gdb.say("detach")
        talk.finish()


def test_the_end_is_told(tmp_path):
    """What no gdb can go on from: it says why, and lets the target go."""
    row = machine("end", options="stop=tfault", modules=["triple.bin=realmode"], end="guest-stopped",
                  expect=["orlop: guest stopped: triple fault on cpu0"])
    with Talk(row, tmp_path) as talk:
        talk.wait_for("triple: loading an empty IDT")
        with Gdb(talk) as gdb:
            assert "rip " in gdb.say("monitor cpus")
            said = gdb.say("continue")
            if "SIGSEGV" in said:  # it was here before
                said = gdb.say("continue")
            assert re.search(r"^orlop: guest stopped: triple fault on cpu0 at .*$", said, re.M), said
            assert "Program terminated with signal SIGKILL" in said
        talk.finish()


def test_each_write_is_caught_once(tmp_path):
    """By the processor's debug registers: each turn of the guest's loop, and nothing between. An
    execute breakpoint of the processor's stops in front of the instruction, again and again."""
    row = machine("watch", modules=["standstill.bin=realmode"], expect=["^standstill PASS"])
    with Talk(row, tmp_path) as talk:
        with Gdb(talk) as gdb:
            gdb.say("detach")  # it asked for the debugger
        talk.wait_for("standstill: ready")
        with Gdb(talk) as gdb:
            place = gdb.value("$rsi")
            assert "Hardware watchpoint 1" in gdb.say(f"watch *(long*){place:#x}")
            last = gdb.value(f"*(long*){place:#x}")
            for turn in range(22):
                if turn == 20:
                    gdb.say("delete")
                    gdb.say(f"awatch *(long*){place:#x}")
                gdb.go_on()
                said = gdb.stopped()
                found = re.search(r"Old value = (\d+)\s+New value = (\d+)", said)
                assert found and tuple(map(int, found.groups())) == (last, last + 1), said
                last += 1
            behind = gdb.value("$rip")
            gdb.say("delete")
            gdb.say(f"hbreak *{behind:#x}")
            for turn in range(1, 6):
                gdb.go_on()
                gdb.stopped()
                assert gdb.value("$rip") == behind
                assert gdb.value(f"*(long*){place:#x}") == last + turn
            for number in (0, 1, 2, 3, 7):  # the guest's own are what it has left in them
                assert gdb.value(f"$dr{number}") == (0x400 if number == 7 else 0)
            gdb.say("delete")
            gdb.say("set $rbx = 0x6e6f6f67")
            gdb.say("detach")
        talk.finish()


@pytest.mark.parametrize("rounds", [3, pytest.param(20, marks=pytest.mark.long)])
def test_several_cpus_meet_one_breakpoint(tmp_path, rounds):
    """At once: one of them tells. When it is gone they go on from where they were, and the steps of
    the first, while the others run, come to their end."""
    row = machine(f"together-{rounds}", cpus=3, modules=["together.bin=realmode"],
                  expect=["^together PASS"])
    with Talk(row, tmp_path) as talk:
        talk.wait_for("together: handled 4")
        with Gdb(talk) as gdb:
            gdb.say("thread 1")
            place = gdb.value("$rsi")
            for _ in range(rounds):
                gdb.say(f"break *{place:#x}")
                gdb.go_on()
                gdb.stopped()
                assert gdb.value("$pc") == place
                gdb.say("delete")
                thread = gdb.value("$_thread")
                for offset in (1, 4, 8, 11):
                    gdb.say("stepi")
                    assert (gdb.value("$_thread"), gdb.value("$pc")) == (thread, place + offset)
            gdb.say("thread 1")
            gdb.say("set $rbx = 0x6e6f6f67")
            gdb.say("detach")
        talk.finish()


def connected(gdb, architecture):
    """Once more, where gdb is to know the registers of another architecture."""
    gdb.say(f"monitor arch {architecture}")
    gdb.say("disconnect")
    gdb.connect()
    assert f'currently "{architecture}"' in gdb.say("show architecture")


@pytest.mark.parametrize("cpu", [
    "corei7_icelake_u", pytest.param("corei7_skylake_x", marks=pytest.mark.long)])
def test_a_guest_that_looks_at_itself_in_each_mode(tmp_path, cpu):
    """What it sees is what gdb's Z0 must show, the INT3: not a Z1 or Z2, no step, and nothing more."""
    row = machine("checked", modules=["checked.bin=realmode"], expect=["^checked PASS"], cpu=cpu)
    with Talk(row, tmp_path) as talk:
        for said, mode, architecture in [
                ("64-bit", "64-bit, CPL 0", "i386:x86-64"),
                ("compatibility", "compatibility, 32-bit, CPL 0", "i386"),
                ("32-bit", "32-bit, CPL 0", "i386"), ("real", "real mode", "i8086")]:
            talk.wait_for(f"^checked: {said} mode")
            with Gdb(talk) as gdb:
                assert f'"cpu0 {mode}"' in gdb.say("info threads")
                if architecture != "i386:x86-64":
                    connected(gdb, architecture)
                turn_by_turn(gdb, 2 if said == "64-bit" else 1)
                gdb.say(f"set $ebx = {int.from_bytes(b'next', 'little'):#x}")
                gdb.say("detach")
        talk.finish()


def turn_by_turn(gdb, each):
    """The guest makes so many turns, of which the first lies where gdb has its breakpoints."""
    turn = gdb.value("$esi")
    shown = gdb.say(f"x/2i {turn:#x}")
    found = re.search(r"\bnop\s+.*\bincl\s+(?:%ds:)?(-?0x[0-9a-f]+)$", shown, re.S)
    assert found, shown
    counter = f"*(int*){int(found.group(1), 16) & 0xFFFF:#x}"

    def turns(count):
        for _ in range(count):
            gdb.go_on()
            said = gdb.stopped()
            assert gdb.value("$pc") == turn, said

    def made():
        return gdb.value(counter)

    gdb.say(f"hbreak *{turn:#x}")
    turns(3)
    assert gdb.value("$edx") == 0
    gdb.say("delete")
    gdb.say(f"break *{turn:#x}")
    turns(1)
    before = made()
    turns(3)
    assert made() - before == 3 * each
    assert gdb.value("$edx") == 0xCC - 0x90, "the INT3 in the place of the NOP"
    assert gdb.value(f"*(unsigned char*){turn:#x}") == 0x90
    gdb.say("delete")
    for _ in range(5):
        before = gdb.value("$pc")
        gdb.say("stepi")
        assert gdb.value("$pc") != before
    gdb.say(f"watch {counter}")
    last = None
    for _ in range(3):
        gdb.go_on()
        old, new = map(int, re.search(r"Old value = (\d+)\s+New value = (\d+)",
                                      gdb.stopped()).groups())
        assert new == old + 1 and last in (None, old)
        last = new
    assert gdb.value("$edx") == 0
    gdb.say("delete")


def boot(talk):
    """To the shell's prompt. What the kernel says of long stops would come in the middle of lines."""
    talk.wait_for(r"^/root # ", 600)
    shell(talk, "dmesg -n 1; echo $((6 * 7)) words", "^42 words$")


def shell(talk, command, answer):
    talk.type(command + "\n")
    return talk.wait_for(answer, 300)


def symbol(talk, name):
    """The address of a function of the kernel's, as the guest itself tells it."""
    line = shell(talk, f"echo at $(grep -m1 ' T {name}$' /proc/kallsyms)",
                 rf"^at [0-9a-f]{{16}} T {name}$")
    return int(line.split()[1], 16)


@pytest.mark.parametrize("cpus,words", [
    (1, ""), pytest.param(4, "", marks=pytest.mark.long),
    pytest.param(4, "nokaslr", marks=pytest.mark.long)])
def test_linux(tmp_path, cpus, words):
    row = linux(f"linux-{cpus}{words}", words, cpus=cpus)
    with Talk(row, tmp_path) as talk:
        boot(talk)
        if words == "nokaslr":
            talk.type("echo kernel at $(grep -m1 ' T _text$' /proc/kallsyms)\n")
            talk.wait_for("^kernel at ffffffff81000000 ")
        address = symbol(talk, "__x64_sys_sethostname")
        with Gdb(talk) as gdb:
            interrupt_at_random(gdb, 5 if cpus == 1 else 100)
            break_and_change(talk, gdb, address)
            gdb.say("detach")
        shell(talk, "hostname again; hostname", "^again$")
        with Gdb(talk) as gdb:
            assert len(re.findall(r'"cpu\d+ ', gdb.say("info threads"))) == cpus
            gdb.say("detach")
        talk.type("echo left alone; poweroff\n")
        talk.finish()


def interrupt_at_random(gdb, times):
    seed = random.Random(SEED)
    for _ in range(times):
        gdb.go_on()
        gdb.process.expect([pexpect.TIMEOUT], timeout=seed.random())
        gdb.interrupt()
        assert re.search(r'\* \d+ +Thread \d+ "cpu\d+ 64-bit, CPL [03]', gdb.say("info threads"))


def break_and_change(talk, gdb, address):
    """sethostname(): its condition holds for names of five letters; what gdb writes is set."""
    gdb.say("monitor space kernel")
    registers = "((unsigned long*)$rdi)"  # struct pt_regs: si at 13, di at 14
    gdb.say(f"break *{address:#x} if {registers}[13] == 5")
    gdb.go_on()
    talk.type("hostname ab; hostname; hostname seven77; hostname; hostname abcde; hostname\n")
    said = gdb.stopped()
    assert re.search(rf"Breakpoint 1, 0x0*{address:x} in", said), said
    assert gdb.value("$rip") == address
    assert gdb.value(f"*(unsigned char*){address:#x}") != 0xCC
    gdb.say("set $name = (char*)" + registers + "[14]")
    assert gdb.value("*$name") == ord("a")
    gdb.say("set var *$name = 'X'")
    gdb.say("stepi")
    assert gdb.value("$rip") != address
    gdb.say("delete")
    gdb.go_on()
    talk.wait_for("^Xbcde$", 120)
    talk.wait_for("^seven77$")  # what the stop has kept back is out
    gdb.interrupt()
    # The next call returns at once, with -EPERM.
    gdb.say(f"break *{address:#x}")
    gdb.go_on()
    talk.type("hostname other\n")
    gdb.stopped()
    gdb.say("delete")
    for change in ("$rax = -1", "$rip = *(unsigned long*)$rsp", "$rsp = $rsp + 8"):
        gdb.say(f"set {change}")
    gdb.go_on()
    talk.wait_for("hostname: sethostname: Operation not permitted", 120)
    gdb.interrupt()
