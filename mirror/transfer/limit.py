"""A limit on the bytes a second of all transfers together."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from mirror.ports import Piece

# Shares of a second that one slice takes: what a peer sees is a slow link, not a stuttering one.
_SLICES = 8
_SMALLEST = 4096


class Limit:
    """``rate`` bytes a second, shared by whoever passes; None for as fast as it goes."""

    def __init__(self, rate: int | None, stop: threading.Event) -> None:
        """``stop`` ends every wait at once."""
        self._rate = rate
        self._stop = stop
        self._free_at = 0.0
        self._lock = threading.Lock()

    def through(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        """The same bytes, in slices, no sooner than the rate allows."""
        if not self._rate:
            yield from pieces
            return
        step = max(self._rate // _SLICES, _SMALLEST)
        for piece in pieces:
            for start in range(0, len(piece), step):
                part = piece[start : start + step]
                self._stop.wait(self._turn(len(part) / self._rate))
                yield part

    def _turn(self, seconds: float) -> float:
        """Seconds until a slice that takes ``seconds`` may go, behind all those before it."""
        with self._lock:
            now = time.monotonic()
            begin = max(self._free_at, now)
            self._free_at = begin + seconds
            return begin - now
