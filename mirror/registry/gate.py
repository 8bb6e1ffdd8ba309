"""One gate a registry: how many requests at a time, and when none at all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Gate:
    """What a registry says about its load, heeded by all workers together.

    Opens for ``widest`` requests. An answer of "too many" or "not now" halves that and, where
    it names a pause, closes the gate for so long; then each full round of good answers lets
    one more in. A request inside a request of the same thread passes: it has its place.
    """

    def __init__(self, widest: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._widest = self._width = widest
        self._inside = 0
        self._good = 0
        self._closed_until = 0.0
        self.closings = 0
        """How often it was closed for a pause since the last good answer."""
        self._turn = 0
        """Counts the halvings: ten requests that are refused at once are one refusal."""
        self._free = threading.Condition()
        self._mine = threading.local()

    @property
    def width(self) -> int:
        """How many requests it lets in now."""
        return self._width

    @property
    def spare(self) -> int:
        """How many more it would let in now."""
        return self._width - self._inside

    @contextmanager
    def passage(self) -> Iterator[int]:
        """Wait for a place; gives the turn in which it was taken, for ``refused``."""
        if getattr(self._mine, "inside", False):
            yield self._turn
            return
        turn = self._enter()
        self._mine.inside = True
        try:
            yield turn
        finally:
            self._mine.inside = False
            self._leave()

    def refused(self, turn: int, pause: float | None) -> None:
        """The registry said 429 or 503 to a request of ``turn``; ``pause`` in seconds."""
        with self._free:
            if turn == self._turn:
                self._width = max(1, self._width // 2)
                self._turn += 1
            self._good = 0
            now = self._clock()
            if pause and now >= self._closed_until:
                self.closings += 1
            self._closed_until = max(self._closed_until, now + (pause or 0.0))

    def accepted(self) -> None:
        """The registry did what it was asked."""
        self.closings = 0
        if self._width == self._widest:
            return
        with self._free:
            self._good += 1
            if self._good >= self._width:
                self._width, self._good = min(self._width + 1, self._widest), 0
                self._free.notify()

    def _enter(self) -> int:
        with self._free:
            while (wait := self._closed_until - self._clock()) > 0 or self._inside >= self._width:
                self._free.wait(wait if wait > 0 else None)
            self._inside += 1
            return self._turn

    def _leave(self) -> None:
        with self._free:
            self._inside -= 1
            self._free.notify()
