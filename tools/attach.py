#!/usr/bin/python3
"""Connects to the debugger's port of a machine: `make console` the monitor, `make gdb` gdb.

Without --port it is the machine that `make run DEBUG=1` runs; with it a serial port of this host, with
the cable to a real machine, or HOST:PORT.
"""

import argparse
import contextlib
import os
import pathlib
import re
import select
import shutil
import socket
import sys
import termios
import time
import tty

from debug_line import LOG_FILE, PORT_FILE
from run import Ended, Keyboard, raw_terminal, say, signals_raise

TOOLS = pathlib.Path(__file__).resolve().parent
HELP = ("Ctrl-a x: leave   Ctrl-a b: a BREAK (on a cable)   Ctrl-a a: send Ctrl-a   "
        "Ctrl-a h: this help")
COMMANDS = {b"x": "end", b"b": "break"}
SHOWN_LINES = 10      # of what was said before
GDB_PACKETS = re.compile(rb"\+?\$[^#$]*#[0-9a-f]{2}\+?")
QUIET_SECONDS = 2.0   # without a terminal: the answer to the last line has come when the line is quiet


class AttachError(Exception):
    """No connection; the text says why."""


def address_of(arguments):
    """HOST:PORT, or the path of a serial port."""
    if arguments.port:
        return arguments.port
    try:
        return (arguments.folder / PORT_FILE).read_text(encoding="utf-8").strip()
    except FileNotFoundError as error:
        raise AttachError("no machine with a debugger runs here: `make run DEBUG=1` in another "
                          "terminal, or PORT=/dev/ttyUSB0") from error


def is_device(address):
    return address.startswith("/")


class Cable:
    """A serial port of this host, 8N1 without flow control."""

    def __init__(self, path, baud):
        speed = getattr(termios, f"B{baud}", None)
        if speed is None:
            raise AttachError(f"no such speed: {baud}")
        self.port = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self.port)
        mode = termios.tcgetattr(self.port)
        mode[2] |= termios.CLOCAL | termios.CREAD
        mode[2] &= ~(termios.CRTSCTS | termios.CSTOPB | termios.HUPCL)
        mode[4] = mode[5] = speed
        termios.tcsetattr(self.port, termios.TCSANOW, mode)
        os.set_blocking(self.port, True)

    def fileno(self):
        return self.port

    def recv(self, size):
        return os.read(self.port, size)

    def sendall(self, data):
        while data:
            data = data[os.write(self.port, data):]

    def send_break(self):
        termios.tcdrain(self.port)
        termios.tcsendbreak(self.port, 0)

    def close(self):
        os.close(self.port)


class Connection(socket.socket):
    """The same by TCP, which knows no BREAK."""

    def __init__(self, address):
        host, _, port = address.rpartition(":")
        super().__init__(socket.AF_INET, socket.SOCK_STREAM)
        try:
            self.connect((host or "127.0.0.1", int(port)))
        except (OSError, ValueError) as error:
            self.close()
            raise AttachError(f"{address}: {error}") from error

    def send_break(self):
        say("a socket carries no BREAK: type Ctrl-C", "console")


def connect(address, baud):
    try:
        return Cable(address, baud) if is_device(address) else Connection(address)
    except PermissionError as error:
        raise AttachError(f"{address}: permission denied: sudo adduser $USER dialout, and log in "
                          "again") from error


def show_before(folder):
    """What the port said last, to nobody: a prompt, perhaps. Not what it said to gdb."""
    log = folder / LOG_FILE
    if log.exists():
        said = GDB_PACKETS.sub(b"", log.read_bytes())
        lines = said.splitlines(keepends=True)[-SHOWN_LINES:]
        sys.stdout.buffer.write(b"".join(lines))
        sys.stdout.buffer.flush()


def carry(line, terminal):
    """Carries bytes between the terminal and the line until one of them ends."""
    keyboard = Keyboard(terminal, COMMANDS)
    keys_open, heard = True, time.monotonic()
    while True:
        ready, _, _ = select.select([line, *([sys.stdin] if keys_open else [])], [], [], 0.2)
        if line in ready:
            data = line.recv(65536)
            if not data:
                say("the machine has ended", "console")
                return
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            heard = time.monotonic()
        if sys.stdin in ready:
            keys = os.read(sys.stdin.fileno(), 4096)
            keys_open = bool(keys)
            heard = time.monotonic()
            passed, commands = keyboard.feed(keys)
            line.sendall(passed)
            if "break" in commands:
                line.send_break()
            if "help" in commands:
                say(HELP, "console")
            if "end" in commands:
                return
        if not keys_open and (terminal or time.monotonic() - heard > QUIET_SECONDS):
            return


def console(arguments):
    address = address_of(arguments)
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    with contextlib.closing(connect(address, arguments.baud)) as line:
        with signals_raise(), raw_terminal(terminal):
            if terminal:
                say(f"{address}; Enter shows a prompt, Ctrl-C stops the guest\n{HELP}", "console")
                if not arguments.port:
                    show_before(arguments.folder)
            carry(line, terminal)


def gdb_command(arguments, address):
    """The words of the call of gdb."""
    cache = pathlib.Path(arguments.index).resolve()
    words = [arguments.gdb, "-q", "-iex", f"set index-cache directory {cache}",
             "-iex", "set index-cache enabled on", "-x", str(TOOLS / "orlop.gdb")]
    if is_device(address):
        words += ["-ex", f"set serial baud {arguments.baud}"]
    return [*words, "-ex", f'orlop-attach {address} "{arguments.vmlinux or ""}"']


def gdb(arguments):
    address = address_of(arguments)
    if not shutil.which(arguments.gdb):
        raise AttachError(f"{arguments.gdb} is not installed: run `make deps`")
    if arguments.vmlinux and not os.path.exists(arguments.vmlinux):
        raise AttachError(f"{arguments.vmlinux}: no such file")
    if is_device(address) and not os.access(address, os.R_OK | os.W_OK):
        connect(address, arguments.baud).close()  # says why
    command = gdb_command(arguments, address)
    os.execvp(command[0], command)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("what", choices=["gdb", "console"])
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("build/run"),
                        help="of the run; default: %(default)s")
    parser.add_argument("--port", default="", metavar="DEVICE|HOST:PORT")
    parser.add_argument("--baud", type=int, default=115200, help="default: %(default)s")
    parser.add_argument("--vmlinux", default="", metavar="FILE",
                        help="the kernel's symbols; else they are looked for by its release")
    parser.add_argument("--gdb", default="gdb", metavar="PROGRAM")
    parser.add_argument("--index", default="build/linux/gdb-index", metavar="FOLDER",
                        help="where gdb keeps its index of the symbols; default: %(default)s")
    arguments = parser.parse_args()
    try:
        {"gdb": gdb, "console": console}[arguments.what](arguments)
    except Ended as ended:
        return ended.status
    except (AttachError, OSError) as error:
        say(str(error), arguments.what)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
