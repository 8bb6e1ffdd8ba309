"""How many transfers at a time: more while that brings more bytes, fewer when it does not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from mirror.settings import LEVEL_GAIN, LEVEL_HOLD, LEVEL_PERIOD, LEVEL_START, LONG_WAIT


class Level:
    """Finds its own level between 1 and ``ceiling``, by trying. Thread-safe.

    Two cores on a fast link are full with four transfers, and more of them only get in each
    other's way; on a link that gives each connection 8 MB/s, sixteen bring four times as much.
    Nobody can know which it is, so once in a while one more is let in, and stays where all
    together became faster by LEVEL_GAIN.
    """

    def __init__(
        self, ceiling: int, clock: Callable[[], float] = time.monotonic, *, wait: float = 0.0
    ) -> None:
        """``wait``: seconds that a registry's quickest answer took, 0 where nobody knows.

        Where that is long, transfers wait more than they work, and all may begin at once.
        """
        self._ceiling = ceiling
        self._clock = clock
        self.width = ceiling if wait >= LONG_WAIT else min(LEVEL_START, ceiling)
        """How many are let in now."""
        self._inside = 0
        self._moved = 0
        self._since = clock()
        self._before: float | None = None
        """The rate at the narrower width, while a wider one is on trial."""
        self._trial = 0
        self._held_until = 0.0
        self._free = threading.Condition()

    def enter(self, over: Callable[[], bool]) -> bool:
        """Wait for a place; False, and none taken, once ``over`` says that nobody needs it."""
        with self._free:
            while not over():
                if self._inside < self.width:
                    self._inside += 1
                    return True
                self._free.wait()
            return False

    def leave(self) -> None:
        """Give the place to somebody else."""
        with self._free:
            self._inside -= 1
            self._free.notify()

    def wake(self) -> None:
        """Let everybody who waits ask again whether it is over."""
        with self._free:
            self._free.notify_all()

    def passed(self, size: int) -> None:
        """So many bytes more; negative where they were in vain."""
        with self._free:
            self._moved += size

    def adjust(self) -> None:
        """Called every now and then: looks at the rate once a LEVEL_PERIOD."""
        with self._free:
            now = self._clock()
            if now - self._since < LEVEL_PERIOD:
                return
            rate = self._moved / (now - self._since)
            busy = self._inside >= self.width
            self._moved, self._since = 0, now
            self._decide(rate, now, busy=busy)
            self._free.notify_all()

    def _decide(self, rate: float, now: float, *, busy: bool) -> None:
        if self._before is not None:
            if rate < self._before * LEVEL_GAIN:
                self.width -= self._trial
                self._before, self._held_until = None, now + LEVEL_HOLD
                return
            self._before = None
        if busy and now >= self._held_until and self.width < self._ceiling:
            self._trial = min(max(1, self.width // 2), self._ceiling - self.width)
            self._before = rate
            self.width += self._trial
