"""Trying again: what may be, how long to wait, when to stop. The only home of tenacity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from mirror.errors import RegistryFault, Unreachable
from mirror.events import Listener, Waiting
from mirror.settings import GIVEN_UP, LONGEST_PAUSE, PATIENT, PROGRESS, Settings
from mirror.transfer.crew import Crew

if TYPE_CHECKING:
    from tenacity import RetryCallState

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Retry:
    """Calls that survive faults which may pass; a stop of the crew ends every wait at once."""

    retries: int
    crew: Crew
    listener: Listener
    first_pause: float = 1.0
    lost: dict[str, int] = field(default_factory=dict, compare=False)
    """By host: how many calls in a row it left without any answer, with all their attempts."""

    @classmethod
    def of(cls, settings: Settings, crew: Crew, listener: Listener) -> Retry:
        """As the operator asked for it."""
        return cls(settings.retries, crew, listener, settings.first_pause)

    def __call__(
        self, act: Callable[[], Result], progress: Callable[[], int] | None = None
    ) -> Result:
        """``act``'s result, after at most ``retries`` further attempts; else its last fault.

        ``progress`` says how many bytes the attempts have moved between them: one that moved
        on by PROGRESS starts the count anew, so a link that is cut every 5 MB can carry 5 GB.

        A host that left GIVEN_UP calls in a row without an answer gets one attempt for each of
        the next ones, until one succeeds: with ``keep_going`` thousands may be left.
        """
        try:
            result = self._attempt(act)
        except RegistryFault as fault:
            if not self.retries or not _may_pass(fault) or self._given_up(fault):
                raise
            patience = _Patience(self.retries, progress or (lambda: 0), self)
            result = self._noted(partial(self._again, act, fault, patience))
        self.lost.clear()
        return result

    def _given_up(self, fault: RegistryFault) -> bool:
        silent = isinstance(fault, Unreachable) and not fault.answered
        return silent and self.lost.get(fault.host, 0) >= GIVEN_UP

    def _noted(self, act: Callable[[], Result]) -> Result:
        """``act``'s result; counts a host that gave no answer to the last attempt either."""
        try:
            return act()
        except Unreachable as fault:
            if not fault.answered:
                self.lost[fault.host] = self.lost.get(fault.host, 0) + 1
            raise

    def _again(
        self, act: Callable[[], Result], first: RegistryFault, patience: _Patience
    ) -> Result:
        """Hand the attempt that failed and all further ones to tenacity, loaded only now."""
        import tenacity
        from tenacity.nap import sleep_using_event

        failed = [first]

        def attempt() -> Result:
            if failed:
                raise failed.pop()
            return self._attempt(act)

        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_may_pass),
            wait=patience.pause,
            stop=patience.over,
            sleep=sleep_using_event(self.crew.stop),
            before_sleep=self._tell,
            reraise=True,
        )
        result: Result = attempts(attempt)
        return result

    def _attempt(self, act: Callable[[], Result]) -> Result:
        self.crew.check()
        return act()

    def _tell(self, state: RetryCallState) -> None:
        pause = state.next_action.sleep if state.next_action else 0.0
        fault = state.outcome.exception() if state.outcome else None
        self.listener(Waiting(str(fault), pause, state.attempt_number))


def _may_pass(fault: BaseException) -> bool:
    return isinstance(fault, RegistryFault) and fault.temporary


@dataclass(slots=True)
class _Patience:
    """When to stop and how long to wait, by the attempts since the last one that got on."""

    retries: int
    progress: Callable[[], int]
    retry: Retry
    reached: int = 0
    failures: int = 0

    def pause(self, state: RetryCallState) -> float:
        """What the registry asks for wins over what we would have chosen.

        Else the wait doubles, with full jitter: workers that failed together do not come back
        together. Tenacity asks for the pause before it asks whether to stop.
        """
        from tenacity import wait_random

        got_on = self._count()
        fault = state.outcome.exception() if state.outcome else None
        asked = fault.retry_after if isinstance(fault, Unreachable) else None
        if asked or (asked is not None and self.failures <= PATIENT):
            return asked
        if got_on and not (isinstance(fault, Unreachable) and fault.answered):
            # The connection was cut, and the registry is well: nothing is won by waiting.
            return 0.0
        longest = self.retry.first_pause * 2 ** (self.failures - 1)
        return wait_random(0, min(longest, LONGEST_PAUSE / 4))(state)

    def over(self, _state: RetryCallState) -> bool:
        """True where no further attempt is allowed."""
        return self.failures > self.retries

    def _count(self) -> bool:
        """Count one more failure, from one where the attempt got on; True if it did."""
        now = self.progress()
        got_on = now >= self.reached + PROGRESS
        if got_on:
            self.reached, self.failures = now, 0
        self.failures += 1
        return got_on
