"""When to stop asking a registry that only ever fails: its silence is no answer ten thousand times.

``Retry`` gives up hosts that do not answer at all. One that answers 500 to everything would cost
half a minute of attempts for each of ten thousand blobs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mirror.errors import Fault, Unreachable
from mirror.settings import Settings

# Rounds of all attempts that every worker may make in vain, one after the other.
_ROUNDS = 2


class Endurance:
    """Counts attempts in vain, of all workers together, since the last good one.

    Nothing is locked: a count that is off by one moves the end by one attempt.
    """

    def __init__(self, attempts: int) -> None:
        self._attempts = attempts
        self._vain = 0
        self._last: Unreachable | None = None

    @classmethod
    def of(cls, settings: Settings) -> Endurance:
        """So much that a restart of the registry, half a minute for each worker, is survived."""
        return cls(_ROUNDS * settings.concurrency * (settings.retries + 1))

    def got_on(self) -> None:
        """It answered, or gave a piece of a blob."""
        self._vain = 0

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Around one attempt. Raises Unreachable at once, and for good, where all is in vain."""
        if self._last and self._vain >= self._attempts:
            fault = self._last.unasked()
            fault.temporary = False
            raise fault
        try:
            yield
        except Unreachable as fault:
            self._last, self._vain = fault, self._vain + 1
            raise
        except Fault:
            self.got_on()
            raise
        self.got_on()
