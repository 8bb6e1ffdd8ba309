"""A blob's bytes off the wire, past the HTTP library where that is safe and pays."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator

import httpx

from mirror.ports import Piece
from mirror.registry.network import Stream
from mirror.registry.pace import Dripping, Pace
from mirror.settings import DIRECT_READ_FROM, RECEIVE_BUFFER

# The name under which a response has what to call when its body was read past the HTTP library;
# it has none behind a proxy, where the connection is not ours to keep.
ALL_READ = "all_read"


class Cut(Exception):
    """The body ended or stalled too early; stays inside this room."""


def pieces(
    response: httpx.Response, size: int, window: float, most: int = RECEIVE_BUFFER
) -> Iterator[Piece]:
    """The body as it comes; a piece is valid until the next one is asked for.

    Pieces of a large one have ``most`` bytes.

    Raises Cut where fewer than ``size`` bytes come, or too few in ``window`` seconds of waiting;
    more than ``size`` are passed on, so that the check behind this sees them. What is raised
    below the HTTP library passes through.
    """
    received = 0
    # Keeping this name keeps the iterator, and the iterator keeps the connection open.
    ordinary = response.iter_raw()
    raw = _direct_socket(response, size)
    for piece in ordinary:
        received += len(piece)
        yield piece
        if raw is not None:
            break
    if raw is not None:
        for view in _receive(raw, size - received, window, most):
            received += len(view)
            yield view
        all_read = response.extensions.get(ALL_READ)
        if all_read and received == size:
            # Before the iterator goes: it would close the connection.
            all_read()
    if received < size:
        raise Cut(f"the connection ended after {received} of {size} bytes")


def _direct_socket(response: httpx.Response, size: int) -> socket.socket | None:
    """The response's socket, where its framing leaves no doubt about what comes on it.

    The HTTP library reads 64 KiB at a time through its parser, at half the speed of
    ``recv_into`` a large buffer. It is passed by only for a large body whose length is stated
    once and equals what the descriptor promises, on a socket that carries the body itself.
    """
    headers = response.headers
    if size < DIRECT_READ_FROM or headers.get("content-length") != str(size):
        return None
    if "transfer-encoding" in headers or "content-encoding" in headers:
        return None
    stream = response.extensions.get("network_stream")
    if response.http_version != "HTTP/1.1" or not isinstance(stream, Stream):
        return None
    return stream.raw


def _receive(raw: socket.socket, remaining: int, window: float, most: int) -> Iterator[memoryview]:
    """Fill a buffer, hand it on, fill it again.

    Under TLS one call gives one record of 16 KiB at most, so the buffer is filled before it
    is passed on: hashing and writing in small pieces costs more than the receiving.
    """
    buffer = memoryview(bytearray(min(most, max(remaining, 1))))
    pace = Pace()
    while remaining:
        filled, cause = _fill(raw, buffer[:remaining], pace, window)
        if filled:
            # What came before a fault too: the next attempt goes on behind it.
            yield buffer[:filled]
        if cause:
            raise _cut(cause) from cause
        if filled < min(len(buffer), remaining):
            return
        remaining -= filled


def _fill(
    raw: socket.socket, buffer: memoryview, pace: Pace, window: float
) -> tuple[int, Exception | None]:
    """Receive until ``buffer`` is full; fewer bytes where the connection ends, or what failed.

    A gigabyte has 60,000 records, and all that is done for each of them counts: ``read`` is what
    ``recv_into`` calls under TLS, and the pace is only looked at once in a while.
    """
    filled, noted, size, began = 0, 0, len(buffer), time.monotonic()
    tls = raw if isinstance(raw, ssl.SSLSocket) else None
    try:
        while filled < size:
            rest = buffer[filled:]
            # Given a buffer, it returns how much it put there.
            count = int(tls.read(size - filled, rest)) if tls else raw.recv_into(rest)
            filled += count
            now = time.monotonic()
            if now - began > window / 8 or not count or filled == size:
                pace.waited(now - began)
                pace.passed(filled - noted, window)
                noted, began = filled, now
            if not count:
                break
    except (OSError, ValueError, Dripping) as cause:
        # ValueError is ssl's word for a socket that another thread has closed.
        return filled, cause
    return filled, None


def _cut(cause: Exception) -> Cut:
    if isinstance(cause, Dripping):
        return Cut(str(cause))
    reason = "no byte came in time" if isinstance(cause, TimeoutError) else str(cause)
    return Cut(f"the connection failed: {reason}")
