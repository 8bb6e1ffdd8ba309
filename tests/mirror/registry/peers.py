"""Peers that are no registry: raw sockets on loopback that answer with whatever a test wants.

with Peer(says(b"HTTP/1.1 200 OK\r\n\r\n")) as peer:
    ...  # every connection to peer.host gets these bytes, and then its end
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.fakes.ledger import LEDGER

Script = Callable[[socket.socket], None]


class Peer:
    """Gives every connection to one script, each in a thread; ``seen`` are the first bytes sent.

    With ``tls`` the script speaks inside of it.
    """

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self.seen: list[bytes] = []
        self._script = script
        self._tls = tls
        self._open: list[socket.socket] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join()
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _address = self._listening.accept()
                if self._tls:
                    connection = self._tls.wrap_socket(
                        connection, server_side=True, do_handshake_on_connect=False
                    )
                self._open.append(connection)
                thread = threading.Thread(target=self._serve, args=(connection,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            first = connection.recv(65536)
            self.seen.append(first)
            LEDGER.heard(f"http://{self.host}", first)
            self._script(connection)


def says(*answer: bytes) -> Script:
    """Send these bytes and close."""
    return lambda connection: connection.sendall(b"".join(answer))


def endless(head: bytes, piece: bytes) -> Script:
    """Send the head, and then the piece again and again until the client goes."""

    def script(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(piece)

    return script


def resets(first: bytes = b"") -> Script:
    """Send some bytes and end the connection with RST instead of FIN."""

    def script(connection: socket.socket) -> None:
        connection.sendall(first)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return script


def drips(head: bytes, pause: float = 0.02) -> Script:
    """Send the head at once, and then a byte every so many seconds until the client goes."""

    def script(connection: socket.socket) -> None:
        connection.sendall(head)
        connection.settimeout(pause)
        while True:
            connection.sendall(b"a")
            with contextlib.suppress(TimeoutError):
                if not connection.recv(65536):
                    return

    return script


def is_silent(connection: socket.socket) -> None:
    """Say nothing until the client, or the test, ends it."""
    connection.recv(1)


def tunnels_to(host: str) -> Script:
    """A proxy that knows CONNECT alone and takes everybody to one place."""

    def script(connection: socket.socket) -> None:
        name, _, port = host.rpartition(":")
        with socket.create_connection((name, int(port))) as onward:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pour, args=(onward, connection))
            back.start()
            _pour(connection, onward)
            back.join()

    return script


def _pour(origin: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := origin.recv(65536):
            target.sendall(piece)
    for end in (origin, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
