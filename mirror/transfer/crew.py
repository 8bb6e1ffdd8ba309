"""A crew: some threads that work through a list, and one stop for all of them.

Threads, since hashing, receiving and writing large buffers release the interpreter's lock.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from mirror.errors import BundleFault, Fault, Full, IntegrityFault, RegistryFault
from mirror.settings import SIGNAL_CHECK, STOP_GRACE, Settings
from mirror.transfer.level import Level

Item = TypeVar("Item")
Result = TypeVar("Result")

# Faults that say nothing about the next item; but a registry without room has none for it either.
_OF_ONE_ITEM = (RegistryFault, IntegrityFault, BundleFault)


class Stopped(Exception):
    """Raised inside a job when another one ended the run; never leaves the crew."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Item, Result]):
    """What became of one item: a result, or the fault that kept it from one."""

    item: Item
    result: Result | None = None
    fault: Fault | None = None


@dataclass(slots=True)
class Crew:
    """``workers`` threads; the first fault stops them all unless ``keep_going``.

    A full disk here or at the registry, an unusable CA file or another fault that is not a
    registry's or a blob's own stops them in any case: whatever comes next would fail alike.
    """

    workers: int
    keep_going: bool = False
    level: Level | None = None
    """How many of the workers work at a time; None for all."""
    stop: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def of(cls, settings: Settings, *, keep_going: bool, wait: float = 0.0) -> Crew:
        """One that moves blobs: it finds its own level below what the operator set.

        ``wait``: seconds that the quickest answer of a registry took (``Level``).
        """
        level = Level(settings.concurrency, wait=wait)
        return cls(settings.concurrency, keep_going, level)

    def of_few(self, most: int) -> Crew:
        """One that stops with this one, of ``most`` workers."""
        return replace(self, workers=min(self.workers, most))

    def run(
        self, items: Iterable[Item], act: Callable[[Item], Result]
    ) -> list[Outcome[Item, Result]]:
        """Do ``act`` for every item; outcomes in the order in which they were reached.

        Raises the first fault, or the first exception that is none, once every thread has
        ended or ``STOP_GRACE`` is over: a peer that says nothing must not hold it back. With
        ``keep_going`` faults are recorded instead.
        """
        shift = _Shift(self, deque(items), act)
        threads = [
            threading.Thread(target=shift.work, daemon=True, name=f"worker-{number}")
            for number in range(shift.workers)
        ]
        try:
            for thread in threads:
                thread.start()
            # Not one long wait: CPython hears a signal that comes just before it only after it.
            while not shift.over.wait(SIGNAL_CHECK):
                if self.level:
                    self.level.adjust()
        except BaseException:
            self.stop.set()
            raise
        finally:
            shift.wake()
            _part(threads)
        if shift.failure is not None:
            raise shift.failure
        return shift.outcomes

    def moved(self, size: int) -> None:
        """So many bytes more went through; negative where they were in vain."""
        if self.level:
            self.level.passed(size)

    def check(self) -> None:
        """Called between two pieces of a long job: raises Stopped after a stop."""
        if self.stop.is_set():
            raise Stopped


def _without_frames(fault: Fault) -> Fault:
    """A fault that is kept for later, free of all that its traceback would keep alive with it.

    Each of 60 images that were refused held on to a manifest of 4 MiB that way.
    """
    fault.__traceback__ = fault.__context__ = fault.__cause__ = None
    return fault


def _of_one_item(fault: Fault) -> bool:
    return isinstance(fault, _OF_ONE_ITEM) and not isinstance(fault, Full)


def _part(threads: Iterable[threading.Thread]) -> None:
    end = time.monotonic() + STOP_GRACE
    for thread in threads:
        # An interrupt may have come before the last of them was started.
        if thread.is_alive():
            thread.join(max(0.0, end - time.monotonic()))


class _Shift(Generic[Item, Result]):
    """One ``run``: what is waiting, what is done, what went wrong first."""

    def __init__(self, crew: Crew, waiting: deque[Item], act: Callable[[Item], Result]) -> None:
        self.waiting = waiting
        self.outcomes: list[Outcome[Item, Result]] = []
        self.failure: BaseException | None = None
        self.over = threading.Event()
        """Set when the last worker has gone, or something went wrong."""
        self.workers = min(crew.workers, len(waiting))
        self._crew = crew
        self._act = act
        self._lock = threading.Lock()
        if not self.workers:
            self.over.set()

    def work(self) -> None:
        while self._enter():
            item = self._next()
            going = item is not None and self._do(item[0])
            self._leave()
            if not going:
                break
        # Nothing is waiting any more, or the run stops: nobody need wait for a place.
        self.wake()
        with self._lock:
            self.workers -= 1
            if not self.workers:
                self.over.set()

    def wake(self) -> None:
        if self._crew.level:
            self._crew.level.wake()

    def _enter(self) -> bool:
        return self._crew.level is None or self._crew.level.enter(self._idle)

    def _leave(self) -> None:
        if self._crew.level:
            self._crew.level.leave()

    def _idle(self) -> bool:
        return self._crew.stop.is_set() or not self.waiting

    def _do(self, item: Item) -> bool:
        """Do one item; False where it was the last for this worker."""
        try:
            outcome: Outcome[Item, Result] = Outcome(item, self._act(item))
        except Stopped:
            return False
        except Fault as fault:
            if not self._crew.keep_going or not _of_one_item(fault):
                return self._fail(fault)
            outcome = Outcome(item, fault=_without_frames(fault))
        except BaseException as bug:
            return self._fail(bug)
        with self._lock:
            self.outcomes.append(outcome)
        return True

    def _next(self) -> tuple[Item] | None:
        with self._lock:
            if self._crew.stop.is_set() or not self.waiting:
                return None
            return (self.waiting.popleft(),)

    def _fail(self, failure: BaseException) -> bool:
        with self._lock:
            self.failure = self.failure or failure
        self._crew.stop.set()
        self.over.set()
        return False
