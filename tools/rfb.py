"""The screen and the keyboard of Bochs, which is a server of the RFB protocol (VNC's, version 3.3): it
sends pixels, from which the characters of a text screen are read by the glyphs of the VGA's font, and
takes keys.

The connection stays open to the end, and a thread reads what comes: Bochs waits for a client that does
not, and dies of one that has left.
"""

import pathlib
import socket
import struct
import threading
import time

FONT_A = bytes.fromhex("000010386cc6c6fec6c6c6c600000000")  # the glyph of A in the font of 8 by 16
GLYPH_BYTES = 16
TOP = 32             # above the machine's screen Bochs draws buttons
COLUMNS, ROWS = 80, 25
WIDTHS = (8, 9)      # of a cell; the ninth column is not the glyph's
SHIFT, RETURN, CONTROL = 0xFFE1, 0xFF0D, 0xFFE3
SHIFTED = '~!@#$%^&*()_+{}|:"<>?'
KEY_SECONDS = 0.1    # Bochs looks for keys so often at least, and the keyboard holds few


class RfbError(Exception):
    """The server said something unexpected."""


def glyphs(rom):
    """Character by its glyph, of a VGA's ROM."""
    start = rom.find(FONT_A) - ord("A") * GLYPH_BYTES
    if start < 0:
        raise RfbError("no font of 16 lines in the VGA's ROM")
    found = {}
    for code in reversed(range(256)):  # of two with one glyph, the lower
        glyph = rom[start + code * GLYPH_BYTES:start + (code + 1) * GLYPH_BYTES]
        found[glyph] = bytes([code]).decode("cp437")
    found[bytes(GLYPH_BYTES)] = " "
    return found


def _cell(pixels, stride, x, y):
    """The glyph of eight columns at (x, y): what is not of the first pixel's colour."""
    lines = [pixels[row * stride + x:row * stride + x + 8] for row in range(y, y + GLYPH_BYTES)]
    ground = lines[0][:1]
    return bytes(sum(128 >> i for i in range(8) if line[i:i + 1] != ground) for line in lines)


def _read(pixels, stride, width, font):
    """The lines of text, and how many cells hold no known glyph: a cursor, or the wrong width."""
    unknown, lines = 0, []
    for row in range(ROWS):
        line = ""
        for column in range(COLUMNS):
            glyph = _cell(pixels, stride, column * width, TOP + row * GLYPH_BYTES)
            inverse = bytes(~byte & 0xFF for byte in glyph)
            known = font.get(glyph) or font.get(inverse)
            unknown += not known
            line += known or " "
        lines.append(line.rstrip())
    return lines, unknown


class Screen:
    """One connection."""

    def __init__(self, port, font_rom):
        self.font = glyphs(pathlib.Path(font_rom).read_bytes())
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.input = self.socket.makefile("rb")
        self.socket.sendall(self._take(12))            # the version
        self._take(4)                                  # no password
        self.socket.sendall(b"\1")                     # shared
        self.width, self.height = struct.unpack(">HH", self._take(4))
        self._take(16)                                 # the format: a byte a pixel
        self._take(struct.unpack(">I", self._take(4))[0])
        self.pixels = bytearray(self.width * self.height)
        self._seen = (b"", "")
        self.socket.sendall(struct.pack(">BBHHHH", 3, 0, 0, 0, self.width, self.height))
        self.follower = threading.Thread(target=self._follow, daemon=True)
        self.follower.start()

    def _take(self, count):
        data = self.input.read(count)
        if len(data) != count:
            raise RfbError("Bochs has closed its screen")
        return data

    def _follow(self):
        try:
            while True:
                kind, _, rectangles = struct.unpack(">BBH", self._take(4))
                if kind != 0:
                    return
                for _ in range(rectangles):
                    self._draw(*struct.unpack(">HHHHi", self._take(12)))
        except (OSError, RfbError, ValueError):
            return  # the machine has ended

    def _draw(self, x, y, width, height, _encoding):
        for row in range(y, y + height):
            at = row * self.width + x
            self.pixels[at:at + width] = self._take(width)

    def text(self):
        """The 25 lines of the text screen."""
        pixels = bytes(self.pixels)
        if pixels != self._seen[0]:
            reads = [_read(pixels, self.width, width, self.font) for width in WIDTHS]
            self._seen = pixels, "\n".join(min(reads, key=lambda read: read[1])[0])
        return self._seen[1]

    def _key(self, key, down):
        self.socket.sendall(struct.pack(">BBHI", 4, down, 0, key))

    def type(self, text):
        """Presses and releases the keys of printable ASCII, line ends and control characters."""
        for character in text:
            code = ord(character)
            held = [SHIFT] if character.isupper() or character in SHIFTED else []
            if character == "\n":
                code = RETURN
            elif code < 32:
                held, code = [CONTROL], code + 0x60
            for key in held:
                self._key(key, 1)
            self._key(code, 1)
            time.sleep(KEY_SECONDS)
            for key in [code, *held]:
                self._key(key, 0)
            time.sleep(KEY_SECONDS)

    def close(self):
        """After the machine's end."""
        self.follower.join()
        self.input.close()
        self.socket.close()
