"""HTTP over bare sockets: the least a client can do and still know where a body ends."""

from __future__ import annotations

import hashlib
import json
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["MIB", "Peer", "Refused", "sha256"]

MIB = 1 << 20
ACCEPT = (
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json"
)


class Refused(RuntimeError):
    """A status that a bench does not expect."""


def sha256(data: bytes) -> str:
    """Return the digest of some bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Peer:
    """One kept connection to a registry; one thread uses it."""

    def __init__(self, host: str, tls: ssl.SSLContext | None = None) -> None:
        name, _, port = host.rpartition(":")
        self.host = host
        self._socket = socket.create_connection((name, int(port)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._tls = tls is not None
        if tls:
            self._socket = tls.wrap_socket(self._socket, server_hostname=name)
        self._buffer = bytearray(MIB)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def get(self, path: str) -> bytes:
        """Return a small body."""
        parts: list[bytes] = []
        self.stream(path, lambda piece: parts.append(bytes(piece)))
        return b"".join(parts)

    def manifest(self, path: str) -> tuple[bytes, dict[str, Any]]:
        """Return a manifest's bytes and what they say."""
        data = self.get(path)
        return data, json.loads(data)

    def digest(self, path: str) -> str | None:
        """Return what a tag shows, if it is there."""
        self._ask("HEAD", path, {"Accept": ACCEPT})
        status, headers, _ = self._head()
        if status not in (200, 404):
            raise Refused(f"HEAD {path}: {status}")
        return headers["docker-content-digest"] if status == 200 else None

    def stream(self, path: str, take: Callable[[memoryview], object]) -> None:
        """Receive a body into one buffer, and hand it on as it comes."""
        self._ask("GET", path, {"Accept": ACCEPT})
        status, headers, rest = self._head()
        if status != 200:
            raise Refused(f"{path}: {status}")
        self._body(int(headers["content-length"]), rest, take)

    def send(
        self, method: str, path: str, pieces: Iterable[bytes | memoryview] = (), **headers: str
    ) -> tuple[int, dict[str, str]]:
        """Send a request with a body in pieces, and return the status and the headers."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        self._ask(method, path, {"Content-Length": "0"} | named)
        for piece in pieces:
            self._socket.sendall(piece)
        status, answered, rest = self._head()
        self._body(int(answered.get("content-length", 0)), rest, lambda _piece: None)
        if status >= 400:
            raise Refused(f"{method} {path}: {status}")
        return status, answered

    def _ask(self, method: str, path: str, headers: dict[str, str]) -> None:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}"]
        lines += [f"{name}: {text}" for name, text in headers.items()]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())

    def _head(self) -> tuple[int, dict[str, str], memoryview]:
        view, filled, end = memoryview(self._buffer), 0, -1
        while end < 0:
            got = self._socket.recv_into(view[filled:])
            if not got:
                raise Refused("the connection ended")
            filled += got
            end = self._buffer.find(b"\r\n\r\n", 0, filled)
        lines = bytes(view[:end]).decode("latin-1").split("\r\n")
        pairs = (line.split(": ", 1) for line in lines[1:])
        headers = {name.lower(): text for name, text in pairs}
        return int(lines[0].split()[1]), headers, view[end + 4 : filled]

    def _body(self, size: int, rest: memoryview, take: Callable[[memoryview], object]) -> None:
        left = size - len(rest)
        if rest:
            take(rest)
        while left > 0:
            piece = self._piece(min(left, MIB))
            take(piece)
            left -= len(piece)

    def _piece(self, most: int) -> memoryview:
        """Receive what is there. Under TLS that is one record, of 16 KiB at most: then as many as
        the buffer takes, since hashing and writing each of them alone costs more than waiting.
        """
        view, filled = memoryview(self._buffer), 0
        while filled < (most if self._tls else 1):
            got = self._socket.recv_into(view[filled:most])
            if not got:
                raise Refused("the connection ended within a body")
            filled += got
        return view[:filled]
