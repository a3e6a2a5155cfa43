"""The debugger's serial port of an emulated machine, as a TCP port of this host.

The emulator holds one connection for its whole life, and gdb and a console come and go: so we stand
between them. One may be connected at a time; what the machine says to nobody is in the log alone, as
on a cable whose other end is loose.
"""

import pathlib
import select
import socket
import threading

PORT_FILE = "debug.port"  # in the run's folder: HOST:PORT, as gdb's `target remote` takes it
LOG_FILE = "debug.log"
BUSY = b"orlop: somebody else is on this line\r\n"


class DebugLine:
    """Passes bytes between `line`, a socket, and who connects, until the machine ends. port: of this
    host; 0 for one that is free."""

    def __init__(self, line, folder, port=0):
        folder = pathlib.Path(folder)
        self._line = line
        self._client = None
        self._server = socket.create_server(("127.0.0.1", port))
        self.port = self._server.getsockname()[1]
        self._log = open(folder / LOG_FILE, "wb")
        self._file = folder / PORT_FILE
        self._file.write_text(f"127.0.0.1:{self.port}\n", encoding="utf-8")
        self._waker, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self):
        """Safe to call again."""
        self._waker.close()
        self._thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _run(self):
        try:
            while self._step():
                pass
        finally:
            self._drop_client()
            self._file.unlink(missing_ok=True)
            self._server.close()
            self._log.close()

    def _step(self):
        """False at the end of the line."""
        waiting = [self._line, self._server, self._woken, *([self._client] if self._client else [])]
        ready, _, _ = select.select(waiting, [], [])
        if self._woken in ready:
            return False
        if self._client in ready and not self._from_client():
            return False
        if self._server in ready:
            # Who was there may have left just before; its last words come first.
            while self._client and select.select([self._client], [], [], 0)[0]:
                if not self._from_client():
                    return False
            self._accept()
        if self._line in ready:
            data = _receive(self._line)
            if not data:
                return False
            self._log.write(data)
            self._log.flush()
            if self._client and not _send(self._client, data):
                self._drop_client()
        return True

    def _from_client(self):
        """False at the end of the line."""
        data = _receive(self._client)
        if not data:
            self._drop_client()
            return True
        return _send(self._line, data)

    def _accept(self):
        client = self._server.accept()[0]
        if self._client:
            _send(client, BUSY)
            client.close()
            return
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client = client

    def _drop_client(self):
        if self._client:
            self._client.close()
            self._client = None


def _receive(connection):
    try:
        return connection.recv(65536)
    except OSError:
        return b""


def _send(connection, data):
    try:
        connection.sendall(data)
    except OSError:
        return False
    return True
