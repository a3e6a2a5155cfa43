#!/usr/bin/python3
"""Runs Orlop in an emulator with its serial line on this terminal: `make run`.

Exit status: 0 the guest powered off (or you left with Ctrl-a x), 1 Orlop refused, panicked or
stopped the guest for its own fault, 2 the emulator failed, 3 time limit, 128+N signal N.
"""

import argparse
import contextlib
import os
import pathlib
import re
import select
import signal
import sys
import termios
import time
import traceback
import tty

from debug_line import DebugLine
from emulators import Bochs, EmulatorError, End, Host, Machine, Qemu, why_not_kvm
from make_iso import IsoError, linux_modules, make_direct_iso

POWERED_OFF, ORLOP_STOPPED, EMULATOR_FAILED, TIME_LIMIT = 0, 1, 2, 3
ESCAPE = b"\x01"  # Ctrl-a
HELP = "Ctrl-a x: end   Ctrl-a a: send Ctrl-a   Ctrl-a h: this help   other keys: to the guest"
DEFAULT_TIMEOUT = 600       # seconds, where nobody watches
DEFAULT_CMDLINE = "console=ttyS0,115200"
QUIET_SECONDS = 1.0         # after a refusal or a panic: the report is over when the line is quiet
VERDICT = re.compile(rb"orlop: (refused|panic|guest stopped|done):")
# What each means, and the status that it gives.
VERDICTS = {b"refused": ("Orlop refused to run", ORLOP_STOPPED),
            b"panic": ("Orlop panicked", ORLOP_STOPPED),
            b"guest stopped": ("Orlop stopped the guest", ORLOP_STOPPED),
            b"done": ("Orlop did what it was asked to", POWERED_OFF)}


class Ended(BaseException):
    """A signal asked us to end."""

    def __init__(self, number):
        super().__init__(number)
        self.status = 128 + number


def say(text, who="run"):
    """A line of our own among the machine's, on standard error, also right in raw mode."""
    sys.stdout.flush()
    end = "\r\n" if sys.stderr.isatty() else "\n"
    sys.stderr.write("".join(f"{who}: {line}{end}" for line in text.splitlines()))
    sys.stderr.flush()


@contextlib.contextmanager
def raw_terminal(active):
    """Every key, Ctrl-C and Ctrl-z too, arrives as a byte; undone on every way out."""
    if not active:
        yield
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    stop_handler = signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    try:
        tty.setraw(descriptor)
        mode = termios.tcgetattr(descriptor)
        mode[1] |= termios.OPOST | termios.ONLCR  # a guest that sends bare line feeds stays legible
        termios.tcsetattr(descriptor, termios.TCSADRAIN, mode)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        signal.signal(signal.SIGTSTP, stop_handler)


@contextlib.contextmanager
def signals_raise():
    """SIGTERM and the like unwind the stack, so that terminal and emulator are cared for."""
    def handler(number, _frame):
        raise Ended(number)
    numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGINT)
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


class Keyboard:
    """Splits what is typed into bytes for the guest and commands for us."""

    def __init__(self, escapes, commands=None):
        self.escapes = escapes
        self.commands = commands or {b"x": "end"}
        self.after_escape = False

    def feed(self, data):
        """The bytes for the guest, and the commands: a list of "end", "help" and so on."""
        if not self.escapes:
            return data, []
        passed, commands = bytearray(), []
        for byte in (data[i:i + 1] for i in range(len(data))):
            if not self.after_escape:
                self.after_escape = byte == ESCAPE
                passed += b"" if self.after_escape else byte
                continue
            self.after_escape = False
            if byte == b"a":
                passed += ESCAPE
            else:
                commands.append(self.commands.get(byte, "help"))
        return bytes(passed), commands


class Verdict:
    """Watches the line for Orlop's last word, wherever the pieces that arrive are cut."""

    def __init__(self):
        self.text = ""
        self.status = POWERED_OFF
        self._rest = b""

    def feed(self, data):
        """Says whether this piece completed the first verdict."""
        if self.text:
            return False
        *lines, self._rest = (self._rest + data).split(b"\n")
        # A line is judged when it ends, or as soon as it says enough.
        for line in [*lines, self._rest]:
            found = VERDICT.search(line)
            if found:
                self.text, self.status = VERDICTS[found.group(1)]
                return True
        self._rest = self._rest[-4096:]
        return False


class Session:
    """Carries bytes between the terminal, the log file and the machine until one of them ends."""

    def __init__(self, emulator, log, terminal, timeout):
        self.emulator = emulator
        self.log = log
        self.terminal = terminal
        self.deadline = time.monotonic() + timeout if timeout else None
        self.keyboard = Keyboard(escapes=terminal)
        self.verdict = Verdict()
        self.to_guest = bytearray()
        # A terminal that we only write to belongs to somebody else's keys.
        self.keys_open = terminal or not sys.stdin.isatty()
        self.quiet_since = None

    def run(self):
        """The exit status."""
        while True:
            ending = self._step()
            if ending is not None:
                return ending

    def _step(self):
        line = self.emulator.serial
        readable, writable, _ = select.select(
            [line, *([sys.stdin] if self.keys_open else [])], [line] if self.to_guest else [], [],
            0.2)
        now = time.monotonic()
        if line in readable and not self._from_machine():
            return self._machine_ended()
        if sys.stdin in readable and self._from_keys():
            return self.verdict.status
        if line in writable:
            del self.to_guest[:self._send()]
        if self.quiet_since and now - self.quiet_since > QUIET_SECONDS:
            self.quiet_since = None
            if not self.terminal:
                say(self.verdict.text)
                return self.verdict.status
            say(f"{self.verdict.text}; Ctrl-a x ends")
        if self.deadline and now > self.deadline:
            say("time limit reached")
            return TIME_LIMIT
        return None

    def _from_machine(self):
        """False at the end of the line."""
        try:
            data = self.emulator.serial.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            return False
        self.log.write(data)
        self.log.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        if self.verdict.feed(data) or self.quiet_since:
            self.quiet_since = time.monotonic()
        return True

    def _send(self):
        try:
            return self.emulator.serial.send(self.to_guest)
        except ConnectionError:
            return len(self.to_guest)  # the machine has just ended: the next read tells

    def _from_keys(self):
        """True if the person wants to end."""
        data = os.read(sys.stdin.fileno(), 4096)
        if not data:
            self.keys_open = False
            return self.terminal
        passed, commands = self.keyboard.feed(data)
        self.to_guest += passed
        if "help" in commands:
            say(HELP)
        return "end" in commands

    def _machine_ended(self):
        self.emulator.wait()
        outcome = self.emulator.outcome()
        if self.verdict.text:
            say(f"{self.verdict.text}; then the machine {_sentence(outcome)}")
            return self.verdict.status
        if outcome.end is End.POWEROFF:
            say("the guest powered off")
            return POWERED_OFF
        if outcome.end is End.TRIPLE_FAULT:
            say(f"the processor shut down without a word from Orlop: {outcome.detail}")
            return ORLOP_STOPPED
        say(f"{self.emulator.name} failed: {outcome.detail}\n{self.emulator.log_tail()}")
        return EMULATOR_FAILED


def _sentence(outcome):
    return outcome.end.value if not outcome.detail else f"{outcome.end.value} ({outcome.detail})"


def choose_emulator(wish, why_not):
    """(class, keyword arguments, why) for EMU=wish on a host of which why_not_kvm says why_not."""
    if wish == "bochs":
        return Bochs, {}, "as asked"
    if wish == "qemu":
        if not why_not:
            return Qemu, {"kvm": True}, "with KVM, as asked"
        return Qemu, {}, f"without KVM, so Orlop will refuse for want of VMX ({why_not})"
    if not why_not:
        return Qemu, {"kvm": True}, "with KVM: this host offers nested VMX"
    return Bochs, {}, f"QEMU/KVM cannot offer VMX here: {why_not}"


def machine_words(emulator, size):
    """What Linux cannot find out about its machine, for its command line. size: the terminal's
    (columns, rows), or None."""
    words = []
    if isinstance(emulator, Bochs):  # its CPUID tells Linux of another frequency
        words.append(f"tsc_early_khz={emulator.ticks_per_second() // 1000}")
    if size:  # a serial line does not tell; our initramfs reads these
        words += [f"orlop.rows={size[1]}", f"orlop.columns={size[0]}"]
    return words


def _parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n", maxsplit=1)[0],
        epilog="exit status: 0 powered off, 1 refused or panic, 2 emulator failed, 3 time limit")
    parser.add_argument("--elf", default="build/orlop.elf")
    parser.add_argument("--module", action="append", default=[], metavar="FILE=STRING",
                        help="a module and its string, whose first word is the role")
    parser.add_argument("--kernel", metavar="FILE", help="a Linux guest: its bzImage")
    parser.add_argument("--role", default="linux", choices=["linux", "linux16"],
                        help="how the kernel is entered; default: %(default)s")
    parser.add_argument("--initrd", action="append", default=[], metavar="FILE",
                        help="its initramfs; several are joined")
    parser.add_argument("--cmdline", default=DEFAULT_CMDLINE, metavar="TEXT",
                        help="its command line, after what the machine makes necessary; "
                        "default: %(default)s")
    parser.add_argument("--append", default="", help="options of Orlop, as in grub.cfg")
    parser.add_argument("--debug", action="store_true",
                        help="Orlop's debugger on a port of its own: make gdb, make console")
    parser.add_argument("--debug-port", type=int, default=0, metavar="N",
                        help="of this host, for gdb and console; default: one that is free")
    parser.add_argument("--stop", default="", metavar="WHERE",
                        help="with --debug: Orlop's option stop=, as launch")
    parser.add_argument("--iso", help="boot this image instead (--elf, --module, --append unused)")
    parser.add_argument("--cpus", type=int, default=1)
    parser.add_argument("--mem", type=int, default=256, metavar="MIB")
    parser.add_argument("--emu", choices=["", "bochs", "qemu"], default="")
    parser.add_argument("--cpu", default="", metavar="MODEL", help="the emulator's name of a model")
    parser.add_argument("--disk", type=pathlib.Path, metavar="IMAGE",
                        help="a raw image as the first hard disk; what is written to it is lost")
    parser.add_argument("--disk-writable", action="store_true", help="it is kept")
    parser.add_argument("--boot-disk", action="store_true",
                        help="the guest is what the disk's boot sector starts")
    parser.add_argument("--extra", action="append", default=[], metavar="TEXT",
                        help="one more line of bochsrc, or one more argument of QEMU")
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("build/run"))
    parser.add_argument("--timeout", type=float, metavar="SECONDS",
                        help=f"default: none on a terminal, else {DEFAULT_TIMEOUT}; 0: none")
    parser.add_argument("--verbose", action="store_true",
                        help="show the emulator's command, and at the end what it said")
    arguments = parser.parse_args()
    if arguments.cpus < 1 or arguments.mem < 16:
        parser.error("at least 1 CPU and 16 MiB")
    if arguments.disk and not arguments.disk.is_file():
        parser.error(f"no disk image {str(arguments.disk)!r} (make run GUEST=disk DISK=image)")
    if arguments.stop and not arguments.debug:
        parser.error("nobody could tell it to go on: --stop goes with --debug (STOP= with DEBUG=1)")
    if arguments.debug:
        stop = [f"stop={arguments.stop}"] if arguments.stop else []
        arguments.append = " ".join(filter(None, [arguments.append, "debug=com2", *stop]))
    return arguments


def _make_iso(iso, arguments, command_line):
    modules = [text.partition("=")[::2] for text in arguments.module]
    if arguments.kernel:
        modules = linux_modules(arguments.kernel, arguments.initrd, command_line,
                                arguments.role) + modules
    options = " ".join([arguments.append] * bool(arguments.append) + ["disk"] * arguments.boot_disk)
    make_direct_iso(iso, arguments.elf, options, modules)


def _guest_name(arguments):
    if arguments.iso:
        return arguments.iso
    guests = [pathlib.Path(text.partition("=")[0]).stem for text in arguments.module]
    if arguments.boot_disk:
        kept = "kept" if arguments.disk_writable else "lost"
        guests.insert(0, f"{arguments.disk} (what is written to it is {kept})")
    if arguments.kernel:
        kind = "Linux" if arguments.role == "linux" else arguments.role
        guests.insert(0, f"{kind} ({pathlib.Path(arguments.kernel).resolve().name})")
    return f"guest {', '.join(guests) or 'none'}"


def _introduce(arguments, emulator, why, command_line, log_path):
    terminal = _on_terminal()
    options = f", options: {arguments.append}" if arguments.append else ""
    say(f"{emulator.name} ({why})")
    say(f"{_guest_name(arguments)}, {arguments.cpus} CPU{'s' * (arguments.cpus > 1)}, "
        f"{arguments.mem} MiB{options}")
    if arguments.kernel:
        say(f"kernel command line: {command_line}")
    leave = "leave with Ctrl-a x (Ctrl-a h: help)" if terminal else "leave with Ctrl-C"
    say(f"{leave}; the line's output is also in {log_path}")


def _introduce_debugger(arguments, line):
    folder = "" if arguments.folder == pathlib.Path("build/run") else f" RUN={arguments.folder}"
    say(f"debugger at 127.0.0.1:{line.port}; in another terminal: make gdb{folder}, or "
        f"make console{folder}")


def _on_terminal():
    return sys.stdin.isatty() and sys.stdout.isatty()


def run(arguments):
    """The exit status of one run."""
    terminal = _on_terminal()
    timeout = arguments.timeout
    if timeout is None:
        timeout = 0 if terminal else DEFAULT_TIMEOUT
    arguments.folder.mkdir(parents=True, exist_ok=True)
    log_path = arguments.folder / "serial.log"
    kind, options, why = choose_emulator(arguments.emu, why_not_kvm(Host.examine()))
    iso = pathlib.Path(arguments.iso or arguments.folder / "run.iso")
    machine = Machine(iso, arguments.cpus, arguments.mem, arguments.cpu, disk=arguments.disk,
                      disk_writable=arguments.disk_writable, real_time=True, end_at_reset=False,
                      debug_port=2 if arguments.debug else 0,
                      linux=bool(arguments.kernel or arguments.iso or arguments.boot_disk), extra=arguments.extra)
    emulator = kind(machine, arguments.folder, **options)
    size = os.get_terminal_size(sys.stdout.fileno()) if terminal else None
    command_line = " ".join([*machine_words(emulator, size), arguments.cmdline])
    if not arguments.iso:
        _make_iso(iso, arguments, command_line)
    _introduce(arguments, emulator, why, command_line, log_path)
    with contextlib.ExitStack() as held:
        log = held.enter_context(open(log_path, "wb"))
        held.enter_context(emulator)
        if arguments.verbose:
            say(emulator.command_text())
        if arguments.debug:
            line = held.enter_context(DebugLine(emulator.debug, arguments.folder,
                                                arguments.debug_port))
            _introduce_debugger(arguments, line)
        with raw_terminal(terminal):
            status = Session(emulator, log, terminal, timeout).run()
    if arguments.verbose:
        say(emulator.log_tail())
    return status


def main():
    arguments = _parse_arguments()
    try:
        with signals_raise():
            return run(arguments)
    except Ended as ended:
        return ended.status
    except (EmulatorError, IsoError, OSError) as error:
        say(str(error))
    except Exception:  # status 1 is Orlop's, so a fault of this tool must not end in 1
        traceback.print_exc()
    return EMULATOR_FAILED


if __name__ == "__main__":
    sys.exit(main())
