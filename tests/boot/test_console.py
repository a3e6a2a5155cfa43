"""console=watched and console=own: one serial port for the guest's console and the debugger."""

import pytest

from harness import Case, Talk

KEY = "\x1c"
STOPPED = r"cpu\d: asked for, [^\r]*rip [0-9a-f]{16}"
PROMPT = r"cpu\d> "


def typing(console, **fields):
    return Case(name=f"typing-{console}", options=f"console={console}", end="poweroff",
                modules=["typing.bin=realmode"], expect=["^typing PASS"], **fields)


def type_and_hear(line, text):
    """Each byte comes, once and in order."""
    for character in text:
        line.send(character)
    for character in text:
        line.expect(r"typing: ([^\r]*)\r")
        assert line.match.group(1) == f"byte {ord(character):02x}".encode()


def break_in(line):
    line.send(KEY)
    line.expect(STOPPED)
    line.expect(PROMPT)


def go_on(line):
    line.send("cont\r")
    line.expect(r"cont\r+\n")


def test_the_key_breaks_in_where_the_guest_reads(tmp_path):
    with Talk(typing("watched"), tmp_path) as talk:
        line = talk.debug
        line.expect("typing: ready\r")
        type_and_hear(line, "abc")
        break_in(line)
        go_on(line)
        line.expect("typing: byte 00")  # in the key's place
        type_and_hear(line, "gh")
        line.send(KEY + KEY)  # the second one is the guest's
        line.expect("typing: byte 00")
        line.expect("typing: byte 1c")
        type_and_hear(line, "f")
        line.send("d")
        line.expect("typing: divisor 01 1c\r")
        line.send(f"k{KEY}cpus\r")  # what is behind the key is the monitor's
        line.expect("typing: byte 6b\r")
        line.expect(STOPPED)
        line.expect(r"\*cpu0 apic 0: real mode")
        line.expect(PROMPT)
        go_on(line)
        line.expect("typing: byte 00")
        line.send("q")
        line.expect("typing PASS")


def test_the_key_breaks_in_where_nobody_reads(tmp_path):
    """The guest spins with interrupts off; what was typed before the key, it gets afterwards."""
    with Talk(typing("watched"), tmp_path) as talk:
        line = talk.debug
        line.expect("typing: ready\r")
        for way in ("", "i"):  # polled, and by interrupts
            if way:
                type_and_hear(line, way)
            line.send("s")
            line.expect("typing: spins\r")
            line.send("uvw")
            break_in(line)
            line.send("cpus\r")
            line.expect("cpus")
            line.expect(PROMPT)
            go_on(line)
            line.send("xyz")
            line.expect("typing: spun\r")
            for character in "uvwxyz":
                line.expect(r"typing: byte ([^\r]*)\r")
                assert line.match.group(1) == f"{ord(character):02x}".encode()
        line.send("q")
        line.expect("typing PASS")


def test_a_port_that_orlop_keeps_is_not_there_for_the_guest(tmp_path):
    """The log's lines and the monitor are on it; of the guest, which reads ones and writes nowhere,
    nothing comes."""
    with Talk(typing("own"), tmp_path) as talk:
        line = talk.debug
        line.expect("guest: launch: real mode")
        line.expect("running> ")
        line.send("\x03")
        line.expect(STOPPED)
        line.expect(PROMPT)
        line.send("cont\r")
        line.expect("running> ")
        assert b"typing" not in line.before
        line.send("cpus\r")
        line.expect(r"apic 0")
        line.expect("running> ")


@pytest.mark.parametrize("cpus", [2, pytest.param(1, marks=pytest.mark.long)])
def test_linux_and_the_debugger_share_a_console(tmp_path, cpus):
    with Talk(Case(name=f"linux-watched-{cpus}cpu", options="console=watched", end="poweroff", cpus=cpus,
                   memory=512, timeout=600, expect=["nothing is held against it"], modules=[
                       "build/linux/vmlinuz=linux console=ttyS0 tsc_early_khz=50000 quiet cryptomgr.notests",
                       "build/linux/initrd.img=initrd"]), tmp_path) as talk:
        line = talk.debug
        line.expect("/root # ", timeout=120 * talk.patience)
        for number in range(1, 4):
            words = "".join(chr(ord("a") + (number + i) % 26) for i in range(150))
            line.send(f"echo {number}_''{words}\n")
            line.expect(rf"{number}_{words}\r")
            line.expect("/root # ")
            break_in(line)
            line.send("cpus\r")
            for cpu in range(cpus):
                line.expect(rf"cpu{cpu} apic {cpu}: ")
            line.expect(PROMPT)
            go_on(line)
            line.send("\n")
            line.expect("/root # ")
        line.send("cat -A\n")
        line.send("one\n")
        line.expect(r"one\$\r")
        line.send("t" + KEY + KEY)  # the shell's own quit character, sent on
        line.expect("Quit")
        line.expect("/root # ")
        line.send("poweroff\n")
        line.expect("Power down")
