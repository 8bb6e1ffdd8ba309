"""How fast a peer is: one that only drips bytes is no better than one that says nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf

from mirror.settings import LEAST_RATE


class Dripping(Exception):
    """A peer has been too slow for too long; stays inside this room."""


# When what this thread is doing must be over, on the monotonic clock.
_ENDS: ContextVar[float] = ContextVar("ends", default=inf)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Give all that is done inside ``seconds`` together: names, connections, TLS and bytes.

    A timeout is for each of them, and a peer that meets the pace has as long as it has bytes.
    """
    before = _ENDS.set(min(_ENDS.get(), time.monotonic() + seconds))
    try:
        yield
    finally:
        _ENDS.reset(before)


def left(timeout: float | None) -> float | None:
    """``timeout``, or less where ``within`` leaves less; never above 0 where that is over."""
    remaining = _ENDS.get() - time.monotonic()
    return timeout if remaining == inf else min(inf if timeout is None else timeout, remaining)


class Pace:
    """Bytes against the seconds in which this side waited for them.

    A timeout for each read is no bound: a byte every half second never meets it. Only waiting
    counts, so a transfer that this side slows down is not held against the peer.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._size = 0
        self._waited = 0.0

    def begin(self) -> None:
        """Forget what was: a new request."""
        self._size, self._waited = 0, 0.0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Around whatever waits for the peer."""
        began = self._clock()
        yield
        self.waited(self._clock() - began)

    def waited(self, seconds: float) -> None:
        """The same for who counts himself: 20,000 blocks cost a tenth of a second on 2 GB."""
        self._waited += seconds

    def passed(self, size: int, window: float) -> None:
        """So many bytes came or went.

        Raises Dripping where ``window`` seconds of waiting, a request's timeout, have not
        brought LEAST_RATE bytes each.
        """
        self._size += size
        if self._waited < window:
            return
        if self._size < LEAST_RATE * self._waited:
            raise Dripping(f"only {self._size} bytes in {self._waited:.0f} s")
        self.begin()
