"""A long, thin link: a TCP proxy that delays what passes and holds every connection to a rate.

    python -m scripts.bench.link 127.0.0.1:5001    prints the port that leads there

It is a program of its own, so that it takes nothing from who is measured but the processor's time.
Each direction of a connection has two threads: one reads no faster than the rate, the other writes
what was read when its delay is over. What waits between them is what is on its way: rate times
delay. A connection costs its handshake, a way there and back, before its first byte.
"""

from __future__ import annotations

import argparse
import contextlib
import queue
import socket
import threading
import time
from dataclasses import dataclass

__all__ = ["Line", "Link", "main"]

DELAY = 0.040
RATE = 8_000_000
# A piece is 8 ms of the link: small enough for an even flow, large enough for few system calls.
PIECE = 64 * 1024
# Pieces on their way: five fill the link, the others only wait for a receiver that is slower.
MOST_WAITING = 16


@dataclass
class Line:
    """One direction of one connection, as a clock: when does a piece leave, and when arrive (pure).

    ``free`` is when the line has taken everything it was given so far.
    """

    delay: float = DELAY
    rate: float = RATE
    free: float = 0.0

    def send(self, size: int, now: float) -> float:
        """Put a piece on the line; return when it comes out."""
        self.free = max(self.free, now) + size / self.rate
        return self.free + self.delay


class Link:
    """Listens on a port of the kernel's choice and leads to one address."""

    def __init__(self, to: tuple[str, int], delay: float, rate: float) -> None:
        self._to, self._delay, self._rate = to, delay, rate
        self._server = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._server.getsockname()[1]

    def serve(self) -> None:
        """Take connections until the process ends."""
        while True:
            near, _ = self._server.accept()
            threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        handshake = time.monotonic() + 2 * self._delay
        try:
            far = socket.create_connection(self._to)
        except OSError:
            near.close()
            return
        threads = [*self._way(near, far, handshake), *self._way(far, near, handshake)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        near.close()
        far.close()

    def _way(
        self, source: socket.socket, target: socket.socket, free: float
    ) -> list[threading.Thread]:
        source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line = Line(self._delay, self._rate, free)
        waiting: queue.Queue[tuple[float, bytes]] = queue.Queue(MOST_WAITING)
        return [
            threading.Thread(target=_read, args=(source, line, waiting), daemon=True),
            threading.Thread(target=_write, args=(target, waiting), daemon=True),
        ]


def _read(source: socket.socket, line: Line, waiting: queue.Queue[tuple[float, bytes]]) -> None:
    piece = b"first"
    while piece:
        try:
            piece = source.recv(PIECE)
        except OSError:
            piece = b""
        waiting.put((line.send(len(piece), time.monotonic()), piece))
        _sleep_until(line.free)


def _write(target: socket.socket, waiting: queue.Queue[tuple[float, bytes]]) -> None:
    # What comes after a reset is read on and dropped, or the other thread would wait for ever.
    due, piece = waiting.get()
    while piece:
        _sleep_until(due)
        with contextlib.suppress(OSError):
            target.sendall(piece)
        due, piece = waiting.get()
    _sleep_until(due)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _sleep_until(moment: float) -> None:
    left = moment - time.monotonic()
    if left > 0:
        time.sleep(left)


def main() -> None:
    """Print the port, and lead whoever connects to it."""
    parser = argparse.ArgumentParser(prog="python -m scripts.bench.link", description=__doc__)
    parser.add_argument("to", metavar="HOST:PORT")
    parser.add_argument("--delay-ms", type=float, default=DELAY * 1000, help="each way")
    parser.add_argument("--rate", type=float, default=RATE, help="bytes a second, a connection")
    given = parser.parse_args()
    host, _, port = given.to.rpartition(":")
    link = Link((host, int(port)), given.delay_ms / 1000, given.rate)
    print(link.port, flush=True)
    link.serve()


if __name__ == "__main__":
    main()
