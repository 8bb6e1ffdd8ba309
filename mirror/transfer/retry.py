"""Trying again: what may be, how long to wait, when to stop. The only home of tenacity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from mirror.errors import RegistryFault, Unreachable
from mirror.events import Listener, Waiting
from mirror.settings import FIRST_PAUSE, LONGEST_PAUSE
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

    def __call__(self, act: Callable[[], Result]) -> Result:
        """``act``'s result, after at most ``retries`` further attempts; else its last fault."""
        try:
            return self._attempt(act)
        except RegistryFault as fault:
            if not self.retries or not _may_pass(fault):
                raise
            return self._again(act, fault)

    def _again(self, act: Callable[[], Result], first: RegistryFault) -> Result:
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
            wait=_pause,
            stop=tenacity.stop_after_attempt(self.retries + 1),
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


def _pause(state: RetryCallState) -> float:
    """What the registry asks for wins over what we would have chosen.

    Else the wait doubles, with full jitter: workers that failed together do not come back
    together.
    """
    from tenacity import wait_random_exponential

    fault = state.outcome.exception() if state.outcome else None
    if isinstance(fault, Unreachable) and fault.retry_after is not None:
        return fault.retry_after
    return wait_random_exponential(multiplier=FIRST_PAUSE, max=LONGEST_PAUSE / 4)(state)
