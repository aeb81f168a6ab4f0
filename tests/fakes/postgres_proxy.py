"""Between a client and a PostgreSQL server: loses what a network loses, at the moment that matters."""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
import threading
from pathlib import Path

__all__ = ["LossyProxy"]

_COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"


class LossyProxy:
    """Listens on a socket of its own and passes everything on, until it is told to lose the next COMMIT."""

    def __init__(self, server: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ckpx"))
        self._server = str(server / ".s.PGSQL.5432")
        #: None; "answer": the server gets the COMMIT, and nobody its answer; "question": it never gets there
        self.lose: str | None = None
        #: how many were lost
        self.lost = 0
        self._flows = threading.Event()
        self._flows.set()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.folder / ".s.PGSQL.5432"))
        self._listener.listen()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def url(self, url: str) -> str:
        """Return the address of a database of the server, by way of here."""
        return f"{url.partition('?')[0]}?host={self.folder}"

    def silence(self) -> None:
        """Pass nothing on any more, as a network that was cut: nobody is told, and nothing is closed."""
        self._flows.clear()

    def flow(self) -> None:
        """Pass on what waited, and what comes."""
        self._flows.set()

    def close(self) -> None:
        """Take no more connections."""
        self._flows.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        shutil.rmtree(self.folder)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server)
            for work in (self._ask, self._answer):
                threading.Thread(target=work, args=(client, server), daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        while data := _receive(client):
            if self.lose and _COMMIT in data:
                how, self.lose = self.lose, None
                self.lost += 1
                if how == "answer":
                    client.shutdown(socket.SHUT_RDWR)  # so that the answer goes nowhere
                    server.sendall(data)
                else:
                    _end(server)
                    _end(client)
                return
            self._flows.wait()
            with contextlib.suppress(OSError):  # one side may have given up meanwhile
                server.sendall(data)
        _end(server)

    def _answer(self, client: socket.socket, server: socket.socket) -> None:
        while data := _receive(server):
            self._flows.wait()
            try:
                client.sendall(data)
            except OSError:
                break
        _end(client)
        _end(server)


def _receive(source: socket.socket) -> bytes:
    with contextlib.suppress(OSError):
        return source.recv(65536)
    return b""


def _end(either: socket.socket) -> None:
    with contextlib.suppress(OSError):
        either.shutdown(socket.SHUT_RDWR)
    either.close()
