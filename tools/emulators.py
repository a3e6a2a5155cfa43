"""Bochs and QEMU behind one interface, for `make run` and for the boot tests.

An emulator runs a Machine in a folder of its own, which keeps its configuration, command line and
logs. The machine's serial line is a socket that the emulator connects to: we listen, so no two runs
can fight over a port. `outcome()` says how the machine ended, which neither emulator's exit status
tells: Bochs calls a power-off a panic, and QEMU calls a reset a success.
"""

import ctypes
import dataclasses
import enum
import functools
import json
import os
import pathlib
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import time

from make_pxe import BOOTFILE
from rfb import Screen

BOCHS_CPU = "corei7_skylake_x"
BOCHS_CLOCK = pathlib.Path(__file__).resolve().parents[1] / "build/bochs_clock.so"
DISK_JOURNAL = "disk.journal"  # in the run's folder: what was written to a disk that is kept as it is
BOCHS_IPS = 50_000_000  # instructions a second of emulated time; the TSC counts them
BUILT_BOCHS = pathlib.Path(__file__).resolve().parents[1] / "build-bochs/bochs"
PACKAGED_BIOS = pathlib.Path("/usr/share/bochs/BIOS-bochs-latest")
VGA_BIOS = pathlib.Path("/usr/share/bochs/VGABIOS-lgpl-latest")
START_SECONDS = 20
STOP_SECONDS = 3
NETWORK_CARD_ROM = "/usr/lib/ipxe/qemu/pxe-e1000.rom"   # QEMU finds it by itself
NETWORK_CARD_ADDRESS = "52:54:00:12:34:56"


class EmulatorError(Exception):
    """The emulator could not be started or talked to; the text says why."""


class End(enum.Enum):
    """How a machine ended."""
    POWEROFF = "powered off"
    RESET = "reset"
    TRIPLE_FAULT = "triple fault outside any guest"
    STOPPED = "stopped by us"
    FAILED = "the emulator failed"


@dataclasses.dataclass
class Outcome:
    end: End
    detail: str = ""


@dataclasses.dataclass
class Network:
    """What an e1000 with iPXE boots from: the emulator's own DHCP and TFTP server, or another."""
    folder: pathlib.Path = None   # what the emulator's server serves
    tap: str = ""                 # QEMU only: the host's interface, instead of that server


@dataclasses.dataclass
class Machine:
    """What is emulated. `extra`: more lines of bochsrc, or more arguments of QEMU."""
    iso: pathlib.Path           # what it boots from; None: it has no CD-ROM drive
    cpus: int = 1
    memory_mib: int = 256
    cpu: str = ""               # the emulator's name of a model; empty: the usual one
    serial_port: int = 1        # the COM port that the line is on; 0: no UART at all
    debug_port: int = 0         # the COM port of a debugger of its own; 0: none
    disk: pathlib.Path = None   # a raw image; the ISO stays the boot device, where there is one
    disk_writable: bool = False # what is written is in the image afterwards; else nowhere
    real_time: bool = False     # for people: an idle guest waits; for tests time is a count
    bios: pathlib.Path = None   # Bochs only: another than its own
    linux: bool = False         # Bochs: an MSR that it lacks reads as 0, where Linux wants one
    network: Network = None     # boot from there
    screen: bool = False        # Bochs: its screen is read and its keyboard typed on
    end_at_reset: bool = True   # QEMU only: a reset ends the run; Bochs counts resets()
    extra: list = dataclasses.field(default_factory=list)


def _die_with_parent():
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


class Emulator:
    """One run of one machine. Use it as a context manager: leaving it ends the emulator."""
    name = ""
    program = ""
    STDIN = subprocess.DEVNULL

    def __init__(self, machine, folder):
        self.machine = machine
        self.folder = pathlib.Path(folder)
        self.process = None
        self.serial = None
        self.debug = None
        self.stopped_by_us = False

    def command(self, ports):
        """The command line. ports: TCP ports that we listen on: {"serial": N, "control": N}
        and so on."""
        raise NotImplementedError

    def outcome(self):
        """How the machine ended. Only after the process has ended."""
        raise NotImplementedError

    def environment(self):
        """What the emulator finds in its environment beside what we found."""
        return {}

    def _connected(self, connections):
        """Called with the connections that are not the serial line."""

    def channels(self):
        return list(self.lines())

    def lines(self):
        """Which COM port leads to which channel."""
        ports = {"serial": self.machine.serial_port, "debug": self.machine.debug_port}
        return {channel: port for channel, port in ports.items() if port}

    def command_text(self):
        return shlex.join(self.arguments)

    def start(self):
        if not shutil.which(self.program):
            raise EmulatorError(f"{self.program} is not installed: run `make deps`")
        self.folder.mkdir(parents=True, exist_ok=True)
        listeners = {name: socket.create_server(("127.0.0.1", 0)) for name in self.channels()}
        try:
            ports = {name: listener.getsockname()[1] for name, listener in listeners.items()}
            self.arguments = self.command(ports)
            (self.folder / "command").write_text(self.command_text() + "\n", encoding="utf-8")
            with open(self.folder / "emulator.out", "wb") as output:
                self.process = subprocess.Popen(
                    self.arguments, cwd=self.folder, env={**os.environ, **self.environment()},
                    stdin=self.STDIN, stdout=output, stderr=subprocess.STDOUT,
                    start_new_session=True, preexec_fn=_die_with_parent)
            connections = self._accept(listeners)
            self.serial = connections.pop("serial", None)
            self.debug = connections.pop("debug", None)
            self._connected(connections)
        except BaseException:
            self.stop()
            raise
        finally:
            for listener in listeners.values():
                listener.close()

    def _accept(self, listeners):
        connections = {}
        deadline = time.monotonic() + START_SECONDS
        while len(connections) < len(listeners):
            waiting = [listener for name, listener in listeners.items() if name not in connections]
            ready, _, _ = select.select(waiting, [], [], 0.1)
            for name, listener in listeners.items():
                if listener in ready:
                    connections[name] = listener.accept()[0]
            if not ready and self.process.poll() is not None:
                raise EmulatorError(f"{self.name} ended before the machine started:\n"
                                    + self.log_tail())
            if time.monotonic() > deadline:
                raise EmulatorError(f"{self.name} did not start in {START_SECONDS} s:\n"
                                    + self.log_tail())
        return connections

    def stop(self):
        """Ends the emulator and everything that it started. Safe to call at any time, and again."""
        if self.process is not None and self.process.poll() is None:
            self.stopped_by_us = True
            for number in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(self.process.pid, number)
                except ProcessLookupError:
                    pass
                try:
                    self.process.wait(STOP_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    continue
        for line in (self.serial, self.debug):
            if line is not None:
                line.close()

    def wait(self):
        """After the line was closed: waits for the process, which must end by itself now."""
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.stop()

    def log_tail(self, lines=15):
        """The end of what the emulator said."""
        return _tail(self.folder / "emulator.out", lines)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()


@functools.cache
def _output_of(*command):
    """What a command says, or nothing if there is no such program."""
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", stdin=subprocess.DEVNULL, check=False).stdout
    except OSError:
        return ""


def _tail(path, lines):
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    wanted = [line for line in text.splitlines() if line.strip() and not line.startswith("====")]
    return "\n".join(wanted[-lines:])


class Bochs(Emulator):
    """Bochs: VMX with EPT on any host. One instruction is one tick, so every run is the same."""
    name = "Bochs"
    # BOCHS=, else what `make bochs` has built, else the packaged one.
    program = os.environ.get("BOCHS") or (str(BUILT_BOCHS) if BUILT_BOCHS.exists() else "bochs")
    screen = None
    DEBUGGER = "c\n"   # what a Bochs with the debugger built in is told before the first instruction
    POWER_OFF = ("ACPI control: soft power off", "Shutdown port: shutdown requested")

    def _bochsrc(self, ports):
        machine = self.machine
        memory = machine.memory_mib
        lines = [
            "plugin_ctrl: unmapped=1, biosdev=1, speaker=0, extfpuirq=1, parallel=0, serial=1, "
            "iodebug=1",
            "config_interface: textconfig",
            'display_library: rfb, options="timeout=0"',
            f"cpu: model={machine.cpu or BOCHS_CPU}, count=1:{machine.cpus}:1, "
            f"ips={self.ticks_per_second()}, {'quantum=32, ' if machine.real_time else ''}"
            f"reset_on_triple_fault=0, ignore_bad_msrs={int(machine.linux)}",
            f"memory: guest={memory}, host={min(memory, 1024)}",
            f"romimage: file={machine.bios or self.bios(machine)}, options=fastboot",
            f"vgaromimage: file={VGA_BIOS}",
            "ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14",
            "ata1: enabled=1, ioaddr1=0x170, ioaddr2=0x370, irq=15",
            "clock: sync=slowdown, time0=utc" if machine.real_time
            else "clock: sync=none, time0=946684800",
            "log: bochs.log",
            "panic: action=fatal",
        ]
        lines += self._boot_lines()
        if machine.disk:
            mode = "flat" if machine.disk_writable else f"volatile, journal={DISK_JOURNAL}"
            lines.append(f"ata0-master: type=disk, path={machine.disk.resolve()}, mode={mode}")
        channels = {port: channel for channel, port in self.lines().items()}
        for port in (1, 2):
            if port in channels:
                lines.append(f"com{port}: enabled=1, mode=socket-client, "
                             f"dev=127.0.0.1:{ports[channels[port]]}")
            else:
                lines.append(f"com{port}: enabled=0")
        return "\n".join([*lines, *machine.extra]) + "\n"

    def _boot_lines(self):
        pci, iso, network = "pci: enabled=1, chipset=i440fx", self.machine.iso, self.machine.network
        drive = [f"ata1-master: type=cdrom, path={iso.resolve()}, status=inserted"] if iso else []
        if not network:
            return [pci, "boot: cdrom" if iso else "boot: disk", *drive]
        (self.folder / "network").write_text(f"# vnet config\nbootfile = {BOOTFILE}\n",
                                             encoding="utf-8")
        return [f"{pci}, slot1=e1000", "boot: network", *drive,
                f"e1000: card=0, enabled=1, mac={NETWORK_CARD_ADDRESS}, ethmod=vnet, "
                f"ethdev={network.folder.resolve()}, script=network, bootrom={NETWORK_CARD_ROM}"]

    @classmethod
    def bios(cls, machine):
        """The packaged one; but the numbers of boot devices are Bochs' own, and a network boot needs
        a BIOS of its version."""
        built = cls.program == str(BUILT_BOCHS) and machine.network
        return BUILT_BOCHS.with_name(PACKAGED_BIOS.name) if built else PACKAGED_BIOS

    @classmethod
    def _help(cls):
        return _output_of(cls.program, "--help")

    @classmethod
    def version(cls):
        """Of the program, as `bochs-2.7`."""
        found = re.search(r"Bochs x86 Emulator (\d\S*)", cls._help())
        return f"bochs-{found.group(1)}" if found else "bochs"

    @classmethod
    def _has_debugger(cls):
        return "-rc filename" in cls._help()

    def ticks_per_second(self):
        """What the TSC counts in a second of the guest's. For tests it is one figure. For people, who
        wait, it is what Bochs gets done: with the debugger built in it takes its time over each tick
        of each CPU, an idle one's too; without, it would wait for the clock at the usual rate."""
        if not self.machine.real_time:
            return BOCHS_IPS
        return BOCHS_IPS // self.machine.cpus if self._has_debugger() else 2 * BOCHS_IPS

    def command(self, ports):
        (self.folder / "bochsrc").write_text(self._bochsrc(ports), encoding="utf-8")
        (self.folder / "debugger").write_text(self.DEBUGGER, encoding="utf-8")
        (self.folder / "bochs.log").unlink(missing_ok=True)
        debugger = ["-rc", "debugger"] if self._has_debugger() else []
        return [self.program, "-q", "-f", "bochsrc", *debugger]

    def stop(self):
        super().stop()
        if self.screen is not None:
            self.screen.close()
            self.screen = None

    def _connected(self, connections):
        if self.machine.screen:
            self.screen = Screen(self._screen_port(), VGA_BIOS)

    def _screen_port(self):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            found = re.search(r"listening for connections on port (\d+)", self._log())
            if found:
                return int(found.group(1))
            time.sleep(0.05)
        raise EmulatorError(f"Bochs shows no screen:\n{self.log_tail()}")

    def screen_text(self):
        """The 25 lines of the VGA text screen."""
        return self.screen.text()

    def type_text(self, text):
        """On the machine's keyboard."""
        self.screen.type(text)

    def environment(self):
        paced = self.machine.real_time and BOCHS_CLOCK.exists()
        return {"LD_PRELOAD": str(BOCHS_CLOCK)} if paced else {}

    def outcome(self):
        if self.stopped_by_us:
            return Outcome(End.STOPPED)
        log = self._log()
        panics = re.findall(r">>PANIC<< (.*)", log)
        last = panics[-1] if panics else ""
        if last in self.POWER_OFF:
            return Outcome(End.POWEROFF)
        if "exception with no resolution" in last:
            return Outcome(End.TRIPLE_FAULT, last)
        return Outcome(End.FAILED, last or f"exit status {self.process.returncode}")

    def resets(self):
        """How often the running machine was reset. Bochs resets it once itself to start it."""
        return max(0, self._log().count("::Reset(HARDWARE) called") - 1)

    def log_tail(self, lines=15):
        said = [line for line in self._log().splitlines() if re.match(r"\d+[pe]\[", line)]
        output = super().log_tail(lines)
        # Once the machine runs, the way there (plugins, banner, reset vectors) is of no interest.
        output = output.rpartition("Next at t=0")[2]
        output = re.sub(r"(?m)^\(\d+\) .*f000:fff0.*\n?", "", output)
        return "\n".join([*said[-lines:], output.strip()]).strip()

    def _log(self):
        try:
            return (self.folder / "bochs.log").read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""


class PackagedBochs(Bochs):
    """The one that is of a version with the packaged BIOS."""
    program = "bochs"


def qemu_arguments(machine, line, control, kvm, debug=""):
    """What QEMU is called with. line, control, debug: what the serial line, the control channel and
    the debugger's port are connected to, as -chardev has it."""
    arguments = [
        "-machine", f"pc,accel={'kvm' if kvm else 'tcg'}",
        "-cpu", machine.cpu or ("host" if kvm else "max"),
        "-smp", str(machine.cpus), "-m", str(machine.memory_mib), "-nodefaults", "-device",
        "VGA", "-display", "none", "-rtc",
        "base=utc" if machine.real_time else "base=2000-01-01T00:00:00,clock=vm",
        "-chardev", f"{control},id=control", "-mon", "chardev=control,mode=control",
        *_qemu_boot_arguments(machine.iso, machine.network),
    ]
    if machine.end_at_reset:
        arguments.append("-no-reboot")
    if machine.disk:
        kept = "off" if machine.disk_writable else "on"
        arguments += ["-drive", f"file={machine.disk.resolve()},format=raw,if=ide,index=0,"
                      f"snapshot={kept}"]
    for name, port, chardev in (("line", machine.serial_port, line),
                                ("debug", machine.debug_port, debug)):
        if port:
            arguments += ["-chardev", f"{chardev},id={name}", "-device",
                          f"isa-serial,index={port - 1},chardev={name}"]
    return [*arguments, *machine.extra]


def _qemu_boot_arguments(iso, network):
    arguments = ["-boot", "n" if network else "d" if iso else "c"]
    if iso:
        # Not IDE: there the BIOS reads word by word, and each is an instruction that KVM emulates.
        arguments += ["-drive", f"file={iso.resolve()},media=cdrom,if=none,id=iso,readonly=on",
                      "-device", "ahci,id=ahci", "-device", "ide-cd,bus=ahci.0,drive=iso"]
    if network:
        server = (f"tap,ifname={network.tap},script=no,downscript=no" if network.tap
                  else f"user,tftp={network.folder.resolve()},bootfile={BOOTFILE}")
        arguments += ["-netdev", f"{server},id=network", "-device",
                      f"e1000,netdev=network,mac={NETWORK_CARD_ADDRESS}"]
    return arguments


def qemu_outcome(events, otherwise):
    """How a machine ended of which the control channel told these events."""
    reasons = [event["data"].get("reason") for event in events if event["event"] == "SHUTDOWN"]
    if "guest-shutdown" in reasons:
        return Outcome(End.POWEROFF)
    if "guest-reset" in reasons:
        return Outcome(End.RESET)
    return Outcome(End.FAILED, ", ".join(filter(None, reasons)) or otherwise)


class Qemu(Emulator):
    """QEMU: with KVM where the host lets guests have VMX, else TCG, which has no VMX at all."""
    name = "QEMU"
    program = os.environ.get("QEMU", "qemu-system-x86_64")

    def __init__(self, machine, folder, kvm=False):
        super().__init__(machine, folder)
        self.kvm = kvm
        self.control = None
        self.events = []
        self._pending = b""

    @classmethod
    def version(cls):
        """Of the program, as `qemu-7.2.0`."""
        found = re.search(r"version ([\d.]+)", _output_of(cls.program, "--version"))
        return f"qemu-{found.group(1)}" if found else "qemu"

    def channels(self):
        return [*super().channels(), "control"]

    def command(self, ports):
        line, control, debug = (f"socket,host=127.0.0.1,port={ports[name]}" if name in ports else ""
                                for name in ("serial", "control", "debug"))
        return [self.program, *qemu_arguments(self.machine, line, control, self.kvm, debug)]

    def _connected(self, connections):
        self.control = connections["control"]
        self.control.settimeout(START_SECONDS)
        try:
            self._read_message()  # the greeting
            self.ask("qmp_capabilities")
        except EmulatorError as error:
            raise EmulatorError(f"{error}\n{self.log_tail()}") from error

    def _read_message(self):
        """One message of the control channel, or None when QEMU has closed it."""
        while b"\n" not in self._pending:
            try:
                data = self.control.recv(65536)
            except ConnectionError:
                data = b""
            except TimeoutError as error:
                raise EmulatorError("QEMU does not answer on its control channel") from error
            if not data:
                return None
            self._pending += data
        line, self._pending = self._pending.split(b"\n", 1)
        return json.loads(line)

    def ask(self, command, **arguments):
        """Runs a QMP command and gives its answer; what happened meanwhile goes to self.events."""
        request = {"execute": command, "arguments": arguments}
        try:
            self.control.sendall(json.dumps(request).encode() + b"\n")
        except ConnectionError as error:
            raise EmulatorError("QEMU has ended") from error
        while True:
            message = self._read_message()
            if message is None:
                raise EmulatorError("QEMU has ended")
            if "event" in message:
                self.events.append(message)
            elif "error" in message:
                raise EmulatorError(f"QEMU: {command}: {message['error'].get('desc')}")
            else:
                return message.get("return")

    def screen_text(self):
        """The 25 lines of the VGA text screen."""
        dump = self.folder.resolve() / "screen.bin"
        self.ask("pmemsave", val=0xb8000, size=80 * 25 * 2, filename=str(dump))
        cells = dump.read_bytes()[::2].decode("cp437")
        return "\n".join(cells[row:row + 80].rstrip() for row in range(0, len(cells), 80))

    def outcome(self):
        if self.stopped_by_us:
            return Outcome(End.STOPPED)
        while (message := self._read_message()) is not None:
            if "event" in message:
                self.events.append(message)
        return qemu_outcome(self.events, f"exit status {self.process.returncode}")

    def stop(self):
        super().stop()
        if self.control is not None:
            self.control.close()
            self.control = None


# Which emulator can run Orlop on this host, and why.

@dataclasses.dataclass
class Host:
    """What the choice depends on, apart from the host so that it can be tested."""
    cpuinfo: str
    nested: str      # /sys/module/kvm_intel/parameters/nested, "" if the module is not loaded
    kvm_error: str   # why /dev/kvm cannot be opened, "" if it can

    @staticmethod
    def examine():
        try:
            nested = pathlib.Path("/sys/module/kvm_intel/parameters/nested").read_text().strip()
        except OSError:
            nested = ""
        try:
            os.close(os.open("/dev/kvm", os.O_RDWR))
            kvm_error = ""
        except PermissionError:
            kvm_error = "permission denied"
        except OSError as error:
            kvm_error = os.strerror(error.errno).lower()
        return Host(pathlib.Path("/proc/cpuinfo").read_text(), nested, kvm_error)


def why_not_kvm(host):
    """One line on what keeps QEMU/KVM from giving a guest VMX; empty if nothing does."""
    flags = re.search(r"^flags\s*:(.*)$", host.cpuinfo, re.MULTILINE)
    vendor = re.search(r"^vendor_id\s*:\s*(\S+)", host.cpuinfo, re.MULTILINE)
    if vendor and vendor.group(1) in ("AuthenticAMD", "HygonGenuine"):
        return "AMD host: its processor has no VMX"
    if not flags or "vmx" not in flags.group(1).split():
        return "no vmx in /proc/cpuinfo (off in the firmware, or this is a virtual machine)"
    if not host.nested:
        return "kvm_intel is not loaded: sudo modprobe kvm_intel nested=1"
    if host.nested not in ("Y", "1"):
        return (f"nested={host.nested}: sudo modprobe -r kvm_intel && "
                "sudo modprobe kvm_intel nested=1")
    if host.kvm_error == "permission denied":
        return "/dev/kvm: permission denied: sudo adduser $USER kvm, and log in again"
    if host.kvm_error:
        return f"/dev/kvm: {host.kvm_error}"
    return ""
