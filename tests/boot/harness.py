"""Boots one row of the matrix and judges what the serial line says.

A boot ends when the machine ends, when the line has said all that the row asks for (rows that end
in a refusal, a panic or `lines`), or at the row's time limit; never after a fixed time. A row fails
early, with the end of the line in the message, when what it forbids appears or when the machine
ends before all has been said.
"""

import dataclasses
import hashlib
import pathlib
import re
import select
import shutil
import socket
import threading
import time
import tomllib

from pexpect import fdpexpect

from debug_line import LOG_FILE, DebugLine
from emulators import BUILT_BOCHS, Bochs, End, Machine, Network, PackagedBochs, Qemu
from make_iso import (make_bare_linux_iso, make_bare_multiboot_iso, make_chainloader_iso,
                      make_direct_iso)
from make_pxe import make_direct_folder
from nest import Nest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
LOGS = BUILD / "test"
QUIET_SECONDS = 6   # after the last word of the row's end, an expected line still may come
SLOW_FACTOR = 3     # what a Bochs before FAST_BOCHS may take longer: so much longer are its limits
FAST_BOCHS = 3
TAIL_LINES = 40
SERIAL_LOG = "serial.log"

REFUSED = re.compile(r"orlop: refused:")
PANIC = re.compile(r"orlop: panic:")
STOPPED = re.compile(r"orlop: guest stopped:")
DONE = re.compile(r"orlop: done:")
GUEST_FAILS = re.compile(r"^\w+ (FAIL|ERROR)\b")
# How a boot may end: the line's last word (None: the machine's end counts); what may not appear.
ENDS = {
    "poweroff": (None, (REFUSED, PANIC, STOPPED)),
    "reset": (None, (PANIC,)),
    "lines": (None, (REFUSED, PANIC, STOPPED)),
    "reboots": (None, (REFUSED, PANIC)),
    "refused": (REFUSED, (PANIC, STOPPED)),
    "panic": (PANIC, (REFUSED,)),
    "guest-stopped": (STOPPED, (REFUSED, PANIC)),
    "done": (DONE, (REFUSED, PANIC, STOPPED)),
}
EMULATORS = {"bochs": Bochs, "qemu": Qemu, "nest": Nest}
TERMINAL_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# A line ends where it ends, and where a program that draws a screen goes elsewhere on it.
LINE_ENDS = re.compile(r"\n|\x1b\[\d+;\d+H")


class BootFailure(AssertionError):
    """A boot did not do what its row says."""


@dataclasses.dataclass
class Case:
    """One row of matrix.toml, which explains the fields."""
    name: str
    end: str
    why: str = ""
    elf: str = "orlop.elf"
    options: str = ""
    modules: list = dataclasses.field(default_factory=list)
    iso: str = ""
    network: str = ""
    bios: str = ""
    disk: str = ""
    emulator: str = "bochs"
    cpu: str = ""
    cpus: int = 1
    memory: int = 256
    serial_port: int = 1
    debug_port: int = 0
    debug_keys: list = dataclasses.field(default_factory=list)
    timeout: int = 60
    expect: list = dataclasses.field(default_factory=list)
    also: list = dataclasses.field(default_factory=list)
    forbid: list = dataclasses.field(default_factory=list)
    screen: list = dataclasses.field(default_factory=list)
    keys: list = dataclasses.field(default_factory=list)
    screen_keys: list = dataclasses.field(default_factory=list)
    repeat: int = 1
    extra: list = dataclasses.field(default_factory=list)
    bare: bool | str = False
    bare_except: list = dataclasses.field(default_factory=list)
    bare_extra: list = None
    compare: bool = False
    chainload: bool = False
    without_orlop: bool = False
    then_poweroff: bool = False
    skip: str = ""
    needs_bochs: int = 0
    bochs_before: int = 0
    tags: list = dataclasses.field(default_factory=list)

    def __post_init__(self):
        if self.end not in ENDS:
            raise ValueError(f"{self.name}: end must be one of {', '.join(ENDS)}")
        if self.emulator not in EMULATORS:
            raise ValueError(f"{self.name}: emulator must be one of {', '.join(EMULATORS)}")
        if self.screen and self.emulator == "nest":
            raise ValueError(f"{self.name}: the nest shows no screen")
        if self.screen_keys and self.emulator != "bochs":
            raise ValueError(f"{self.name}: only Bochs's keyboard can be typed on")
        if self.compare and not is_linux(self):
            raise ValueError(f"{self.name}: only Linux guests are compared section by section")
        if self.network and self.iso:
            raise ValueError(f"{self.name}: boots from the ISO or over the network, not both")
        if self.network and self.emulator == "nest":
            raise ValueError(f"{self.name}: the nest boots from an ISO alone")
        if self.network.startswith("tap:") and self.emulator != "qemu":
            raise ValueError(f"{self.name}: only QEMU is on a network of the host's")
        if self.bios and self.emulator != "bochs":
            raise ValueError(f"{self.name}: only Bochs is given another BIOS")
        if self.debug_port and (self.emulator == "nest" or self.debug_port == self.serial_port):
            raise ValueError(f"{self.name}: the debugger has a port of its own, of Bochs or QEMU")
        if self.debug_keys and not self.debug_port:
            raise ValueError(f"{self.name}: keys for no port")
        if self.bare and not (self.modules or self.disk):
            raise ValueError(f"{self.name}: no guest whose lines could be compared")
        if self.chainload and not (self.disk and (self.bare or self.without_orlop)):
            raise ValueError(f"{self.name}: GRUB's chainloader starts the disk of a bare run")
        if not (self.expect or self.also or self.screen or self.bare) and self.serial_port:
            raise ValueError(f"{self.name}: expects nothing of the line, so it proves nothing")
        for pattern in [*self.expect, *self.also, *self.forbid, *self.screen, *self.bare_except,
                        *(pattern for pattern, _ in self.debug_keys)]:
            re.compile(pattern)


def _older_than(version, wanted):
    """Whether an emulator's version (as `bochs-2.7`, `qemu-7.2.0`) is of a Bochs before `wanted`, or
    of one that tells no number."""
    found = re.match(r"bochs(?:-(\d+))?", version)
    return bool(found) and int(found.group(1) or 0) < wanted


def why_skipped(case, bochs):
    """Why the row cannot run with this Bochs (as `bochs-2.7`), or now; empty if it can."""
    if case.emulator != "qemu" and _older_than(bochs, case.needs_bochs):
        return f"needs Bochs {case.needs_bochs}, this is {bochs}: run `make bochs`"
    if case.bochs_before and not _older_than(bochs, case.bochs_before):
        return f"for a Bochs before {case.bochs_before}, this is {bochs}, where another row shows more"
    return case.skip


def patience(emulator_version):
    """By how much a row's time limits are multiplied: they are there to end a hang, not to measure,
    and are written for Bochs 3.0, which is two to three times as fast as what came before."""
    return SLOW_FACTOR if _older_than(emulator_version, FAST_BOCHS) else 1


def load_cases(path):
    """The rows of a matrix; a row may name `cpus = [1, 2]`, and then stands for one boot each; those
    of `long_cpus` too, which are long."""
    table = tomllib.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    cases = []
    for row in table["case"]:
        counts, more = row.pop("cpus", 1), row.pop("long_cpus", [])
        for cpus in [*counts, *more] if isinstance(counts, list) else [counts]:
            fields = dict(row, cpus=cpus)
            if isinstance(counts, list):
                fields["name"] = f"{row['name']}-{cpus}cpu"
            if cpus in more:
                fields["tags"] = [*row.get("tags", []), "long"]
            cases.append(Case(**_fill(fields, cpus)))
    names = [case.name for case in cases]
    doubled = {name for name in names if names.count(name) > 1}
    if doubled:
        raise ValueError(f"rows of one name: {', '.join(sorted(doubled))}")
    return cases


def _fill(fields, cpus):
    """{cpus} and {last} (the last CPU's number) may stand in patterns and options; a pattern of
    `also` with {each} stands for one pattern a CPU."""
    def fill(text, each=None):
        for key, value in (("{cpus}", cpus), ("{last}", cpus - 1), ("{each}", each)):
            text = text.replace(key, str(value))
        return text
    for key in ("expect", "forbid"):
        if key in fields:
            fields[key] = [fill(text) for text in fields[key]]
    if "also" in fields:
        fields["also"] = [fill(text, each) for text in fields["also"]
                          for each in (range(cpus) if "{each}" in text else [None])]
    if "options" in fields:
        fields["options"] = fill(fields["options"])
    if "keys" in fields:
        fields["keys"] = [[fill(pattern), text] for pattern, text in fields["keys"]]
    return fields


class Dialogue:
    """What is typed on the debugger's port, each text when its pattern has come after what the one
    before it found."""

    def __init__(self, keys):
        self.keys = list(keys)
        self.text = ""

    def feed(self, data):
        """The keys for this piece."""
        self.text += data.decode("utf-8", errors="replace")
        typed = ""
        while self.keys and (found := re.search(self.keys[0][0], self.text)):
            self.text = self.text[found.end():]
            typed += self.keys.pop(0)[1]
        return typed.encode()


class Watch:
    """Holds the lines so far against one row."""

    def __init__(self, case):
        self.last_word, forbidden = ENDS[case.end]
        self.forbidden = [GUEST_FAILS, *forbidden, *map(re.compile, case.forbid)]
        self.in_order = case.repeat * list(map(re.compile, case.expect))
        self.any_order = list(map(re.compile, case.also))
        self.keys = case.repeat * [(re.compile(pattern), text) for pattern, text in case.keys]
        self.dialogue = Dialogue(case.debug_keys)
        self.lines = []
        self.problem = ""
        self.last_word_said = False
        self._partial = ""
        self._answered = False

    def feed(self, text):
        """Takes a piece of the line's output; gives the keys to type for it."""
        *whole, self._partial = LINE_ENDS.split(self._partial + text)
        for line in whole:
            self._take(line)
        return self._answer([*whole, self._partial])

    def _answer(self, lines):
        """The keys for these lines, of which the last is a prompt that no line end follows, yet. A
        line is answered once, also where it is fed in pieces."""
        typed = ""
        for number, line in enumerate(lines):
            self._answered = self._answered and number == 0
            if self.keys and not self._answered and self.keys[0][0].search(line):
                typed += self.keys.pop(0)[1]
                self._answered = True
        return typed

    def finish(self):
        """The machine has ended: what is left is a line too."""
        if self._partial:
            self._take(self._partial)
            self._partial = ""

    def _take(self, line):
        line = TERMINAL_CODES.sub("", line).replace("\r", "")
        self.lines.append(line)
        for pattern in self.forbidden:
            if pattern.search(line) and not self.problem:
                self.problem = f"forbidden: {line.strip()}"
        if self.in_order and self.in_order[0].search(line):
            del self.in_order[0]
        self.any_order = [pattern for pattern in self.any_order if not pattern.search(line)]
        if self.last_word and self.last_word.search(line):
            self.last_word_said = True

    def missing(self):
        """What the row asks for and the line has not said."""
        missing = [pattern.pattern for pattern in [*self.in_order, *self.any_order]]
        if self.last_word and not self.last_word_said:
            missing.append(self.last_word.pattern)
        return missing + [f"{pattern} (on the debugger's port)" for pattern, _ in self.dialogue.keys]

    def all_said(self):
        return not self.missing() and not self.keys

    def partial(self):
        """The line that has not ended yet."""
        return self._partial


def _module(text):
    """`FILE=string` of a row: FILE is in build/guests, or a path from the top of the tree."""
    path, _, string = text.partition("=")
    return (ROOT / path if "/" in path else BUILD / "guests" / path), string


def _has_role(case, role):
    return any(_module(text)[1].split()[:1] == [role] for text in case.modules)


def is_linux(case):
    return case.disk.endswith("-linux.img") or _has_role(case, "linux") or \
        _has_role(case, "linux16")


def _network(case, folder):
    """The tap interface or the TFTP folder that the row names, or a folder with its program."""
    kind, _, name = case.network.partition(":")
    if kind == "tap":
        return Network(tap=name)
    if kind != "direct":
        return Network(ROOT / case.network)
    make_direct_folder(folder / "tftp", BUILD / case.elf, case.options,
                       [_module(m) for m in case.modules])
    return Network(folder / "tftp")


def machine_of(case, folder):
    iso = network = None
    if case.network:
        network = _network(case, folder)
    elif case.iso:
        iso = ROOT / case.iso
    elif case.without_orlop and case.chainload:
        iso = folder / "boot.iso"
        make_chainloader_iso(iso)
    elif case.without_orlop and case.disk:
        pass  # the BIOS boots it
    elif case.without_orlop and is_linux(case):
        iso = folder / "boot.iso"
        (kernel, string), *initrds = [_module(text) for text in case.modules]
        role, *words = string.split()
        make_bare_linux_iso(iso, kernel, words, [path for path, _ in initrds],
                            bits=role.removeprefix("linux"))
    elif case.without_orlop and _has_role(case, "multiboot"):
        iso = folder / "boot.iso"
        (kernel, string), *modules = [_module(text) for text in case.modules]
        make_bare_multiboot_iso(iso, kernel, string.split()[1:], modules)
    else:
        iso = folder / "boot.iso"
        make_direct_iso(iso, BUILD / case.elf, case.options, [_module(m) for m in case.modules])
    return Machine(iso, case.cpus, case.memory, case.cpu, case.serial_port, linux=is_linux(case),
                   network=network, bios=ROOT / case.bios if case.bios else None,
                   disk=ROOT / case.disk if case.disk else None, debug_port=case.debug_port,
                   screen=bool(case.screen or case.screen_keys), extra=case.extra)


def _fail(case, watch, emulator, reason):
    missing = watch.missing()
    parts = [f"{case.name}: {watch.problem or reason}"]
    if missing:
        parts.append("not said: " + "\n          ".join(missing))
    parts.append(f"--- the end of the line (all of it: build/test/{case.name}.log)")
    parts += watch.lines[-TAIL_LINES:] or ["(nothing)"]
    if watch.partial():
        parts.append(watch.partial())
    if emulator.machine.screen and case.emulator == "bochs":
        parts.append(f"--- the screen\n{emulator.screen_text()}")
    emulator_said = emulator.log_tail()
    if emulator_said:
        parts.append(f"--- {emulator.name}\n{emulator_said}")
    parts.append(f"--- again: make test T={case.name}")
    raise BootFailure("\n".join(parts))


def emulator_of(case):
    # A network boot needs a BIOS of Bochs' own version.
    own_bios = Bochs.program in (PackagedBochs.program, str(BUILT_BOCHS))
    if case.emulator == "bochs" and case.network and not own_bios:
        return PackagedBochs
    return EMULATORS[case.emulator]


def boot(case, folder):
    """Boots the row in `folder` and gives the lines of the serial line, or raises BootFailure."""
    folder = pathlib.Path(folder)
    emulator = emulator_of(case)(machine_of(case, folder), folder)
    watch = Watch(case)
    try:
        with emulator, open(folder / SERIAL_LOG, "wb") as log, open(folder / LOG_FILE, "wb") as debug:
            reason = _follow(case, emulator, watch, log, debug if case.debug_port else None)
            if reason:
                _fail(case, watch, emulator, reason)
    finally:
        _keep_logs(case, folder)
    return watch.lines


def _keep_logs(case, folder):
    LOGS.mkdir(parents=True, exist_ok=True)
    for name, kept in ((SERIAL_LOG, f"{case.name}.log"), (LOG_FILE, f"{case.name}.debug.log")):
        if (folder / name).exists() and (name != LOG_FILE or case.debug_port):
            shutil.copyfile(folder / name, LOGS / kept)


class Talk:
    """A row's machine with which a test function talks; a context manager. Where the row names a
    port for a debugger, `debug` is a pexpect on it, or it is free for `gdb -ex 'target remote
    ADDRESS'` with .address, while the serial line is logged and held against the row by a thread.
    Where it names none, the pexpect is on the serial line, for both."""

    def __init__(self, case, folder):
        self.case, self.folder = case, pathlib.Path(folder)
        self.emulator = emulator_of(case)(machine_of(case, self.folder), self.folder)
        self.watch = Watch(case)
        self.patience = patience(self.emulator.version())
        self.relay = self.reason = None
        self._pexpect = self._connection = None
        self._ended = threading.Event()

    def __enter__(self):
        try:
            self.emulator.start()
            self._log = open(self.folder / SERIAL_LOG, "wb")
            if self.case.debug_port:
                self.relay = DebugLine(self.emulator.debug, self.folder)
                self._thread = threading.Thread(target=self._follow, daemon=True)
                self._thread.start()
        except BaseException:
            self.emulator.stop()
            raise
        return self

    def __exit__(self, kind, *_):
        self.hang_up()
        self.emulator.stop()
        if self.relay:
            self._thread.join()
            self.relay.close()
        self._log.close()
        _keep_logs(self.case, self.folder)
        if kind is None and self.watch.problem:
            _fail(self.case, self.watch, self.emulator, self.watch.problem)

    @property
    def address(self):
        """What gdb's `target remote` takes."""
        return f"127.0.0.1:{self.relay.port}"

    @property
    def debug(self):
        """A pexpect on the debugger's port. What was said before is not in it."""
        if not self._pexpect:
            self._connection = self.emulator.serial
            if self.relay:
                self._connection = socket.create_connection(("127.0.0.1", self.relay.port))
            self._pexpect = fdpexpect.fdspawn(self._connection.fileno(), use_poll=True,
                                              timeout=30 * self.patience)
            self._pexpect.logfile_read = None if self.relay else self._log
            self._pexpect.delaybeforesend = None
        return self._pexpect

    def hang_up(self):
        """Leaves the debugger's port, so that gdb may have it."""
        if self._pexpect and self.relay:
            self._connection.close()
        self._pexpect = None

    def type(self, text):
        """On the serial line, where the debugger has a port of its own."""
        self.emulator.serial.sendall(text.encode())

    def wait_for(self, pattern, timeout=60):
        """Until a line of the serial line has it, from the first on. Gives the line."""
        deadline = time.monotonic() + timeout * self.patience
        while True:
            ended = self._ended.is_set()
            for line in [*self.watch.lines, self.watch.partial()]:
                if re.search(pattern, line):
                    return line
            if self.watch.problem or ended or time.monotonic() > deadline:
                _fail(self.case, self.watch, self.emulator, self.reason or f"not said: {pattern}")
            time.sleep(0.05)

    def finish(self):
        """Waits for the row's end, and judges it."""
        self._ended.wait()
        if self.reason:
            _fail(self.case, self.watch, self.emulator, self.reason)
        return self.watch.lines

    def _follow(self):
        try:
            self.reason = _follow(self.case, self.emulator, self.watch, self._log)
        except Exception as error:
            self.reason = f"{type(error).__name__}: {error}"
        finally:
            self._ended.set()
        while data := _receive(self.emulator):  # the machine may go on after the row's end
            self._log.write(data)


def _follow(case, emulator, watch, log, debug_log=None):
    """Reads the line to the row's end, and the debugger's port where there is a log for it. Says what
    went wrong, "" if nothing did."""
    factor = patience(emulator.version())
    limit, quiet = case.timeout * factor, QUIET_SECONDS * factor
    deadline = time.monotonic() + limit
    heard = time.monotonic()
    by_machine = case.end in ("poweroff", "reset") or case.then_poweroff
    to_type = list(case.screen_keys)
    while True:
        now = time.monotonic()
        if now > deadline:
            return f"time limit of {limit} s"
        if emulator.serial:
            lines = [emulator.serial, *([emulator.debug] if debug_log else [])]
            readable, _, _ = select.select(lines, [], [], 0.25)
            if emulator.debug in readable and not _answer(emulator.debug, watch.dialogue, debug_log):
                debug_log = None
            data = _receive(emulator) if emulator.serial in readable else None
        else:
            data = b"" if emulator.process.poll() is not None else None
            time.sleep(0 if data is not None else 0.1)  # no line: the process is all there is
        if data == b"":
            watch.finish()
            return _judge_end(case, emulator, watch)
        if not data and to_type and _matches(to_type[0][0], emulator):
            emulator.type_text(to_type.pop(0)[1])
        if data:
            heard = now
            log.write(data)
            log.flush()
            typed = watch.feed(data.decode("utf-8", errors="replace"))
            if typed:
                emulator.serial.sendall(typed.encode())
        elif (watch.problem or watch.last_word_said) and not by_machine \
                and now - heard > quiet:
            return "the line went quiet"
        if watch.problem and now - heard > 1:
            return watch.problem
        if data is None and case.end == "reset" and case.emulator == "bochs" and emulator.resets():
            return "" if watch.all_said() and not watch.problem else "reset too early"
        if not by_machine and watch.all_said() and not watch.problem and not to_type \
                and _screen_shows(case, emulator):
            return ""


def _answer(port, dialogue, log):
    """Reads the debugger's port and types on it. False at its end."""
    try:
        data = port.recv(65536)
        port.sendall(dialogue.feed(data))
    except ConnectionError:
        data = b""
    log.write(data)
    log.flush()
    return bool(data)


def _receive(emulator):
    try:
        return emulator.serial.recv(65536)
    except OSError:  # the machine has just ended, or was ended
        return b""


def _screen_shows(case, emulator):
    if not case.screen:
        return True
    return all(_matches(pattern, emulator) for pattern in case.screen)


def _matches(pattern, emulator):
    return re.search(pattern, emulator.screen_text(), re.MULTILINE)


def _judge_end(case, emulator, watch):
    emulator.wait()
    outcome = emulator.outcome()
    wanted = End.RESET if case.end == "reset" else End.POWEROFF
    if case.end not in ("poweroff", "reset") and not case.then_poweroff:
        return f"the machine ended before the row did: {outcome.end.value} {outcome.detail}"
    if outcome.end is not wanted:
        return f"{outcome.end.value} {outcome.detail}"
    if watch.problem or not watch.all_said():
        return "the machine ended before all was said"
    return ""


# References: what a guest prints without Orlop. The emulator's version and the guest's own bytes are
# in the name, so that a reference of another emulator or guest is never compared with.

REFERENCES = ROOT / "tests/data/bare"


def guest_of(case):
    """The path of the row's disk or first module."""
    return ROOT / case.disk if case.disk else _module(case.modules[0])[0]


def _what_speaks(case):
    """The guest; of a disk with Linux, the program whose lines are compared."""
    guest = guest_of(case)
    return ROOT / "tests/linux" / guest.stem / "run" if case.disk and is_linux(case) else guest


def reference_path(case, versions=""):
    """tests/data/bare/ROW@VERSIONS.guest-HASH.txt; without versions, the one that was recorded with
    the emulator that runs the row now, whatever BIOS and GRUB it had."""
    digest = hashlib.sha256(_what_speaks(case).read_bytes()).hexdigest()[:8]
    if versions:
        return REFERENCES / f"{case.name}@{versions}.guest-{digest}.txt"
    row = case.bare if isinstance(case.bare, str) else case.name
    name = f"{row}@{emulator_of(case).version()}.*.guest-{digest}.txt"
    found = sorted(REFERENCES.glob(name))
    if len(found) != 1:
        raise BootFailure(f"{len(found)} references fit tests/data/bare/{name}, not one: "
                          "run `make references`")
    return found[0]


def without_orlop(case):
    """The row's machine and guest, on the bare machine: a kernel, Linux or multiboot, by GRUB's own
    loader, a disk by the BIOS or by GRUB's chainloader, any other guest by bare.elf, which starts it
    as Orlop does."""
    done = "=== end" if case.compare else f"^{guest_of(case).stem} DONE"
    return dataclasses.replace(case, name=f"{case.name}-bare", end="poweroff", elf="bare.elf",
                               options="", without_orlop=True, expect=[done], also=[], forbid=[],
                               extra=case.extra if case.bare_extra is None else case.bare_extra,
                               bare=False, compare=False)


def guest_lines(case, lines):
    """The lines that begin with the guest's name, but those that the row excepts."""
    name = guest_of(case).stem
    said = [line.rstrip() for line in lines if re.match(rf"{re.escape(name)}\b", line)]
    return [line for line in said
            if not any(re.search(pattern, line) for pattern in case.bare_except)]


def skip_lines(lines):
    """What a guest could not test on this machine: its `NAME SKIP ...` lines."""
    return [line.strip() for line in lines if re.match(r"\w+ SKIP\b", line)]
