"""Trying again: what may be, how long to wait, when to stop. The only home of tenacity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import tenacity
from tenacity.nap import sleep_using_event

from mirror.errors import RegistryFault, Unreachable
from mirror.events import Listener, Waiting
from mirror.settings import FIRST_PAUSE, LONGEST_PAUSE
from mirror.transfer.crew import Crew

Result = TypeVar("Result")

# Full jitter: workers that failed together do not come back together.
_BACKOFF = tenacity.wait_random_exponential(multiplier=FIRST_PAUSE, max=LONGEST_PAUSE / 4)


@dataclass(frozen=True, slots=True)
class Retry:
    """Calls that survive faults which may pass; a stop of the crew ends every wait at once."""

    retries: int
    crew: Crew
    listener: Listener

    def __call__(self, act: Callable[[], Result]) -> Result:
        """``act``'s result, after at most ``retries`` further attempts; else its last fault."""
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_may_pass),
            wait=_pause,
            stop=tenacity.stop_after_attempt(self.retries + 1),
            sleep=sleep_using_event(self.crew.stop),
            before_sleep=self._tell,
            reraise=True,
        )
        result: Result = attempts(self._unless_stopped, act)
        return result

    def _unless_stopped(self, act: Callable[[], Result]) -> Result:
        self.crew.check()
        return act()

    def _tell(self, state: tenacity.RetryCallState) -> None:
        pause = state.next_action.sleep if state.next_action else 0.0
        fault = state.outcome.exception() if state.outcome else None
        self.listener(Waiting(str(fault), pause, state.attempt_number))


def _may_pass(fault: BaseException) -> bool:
    return isinstance(fault, RegistryFault) and fault.temporary


def _pause(state: tenacity.RetryCallState) -> float:
    """What the registry asks for wins over what we would have chosen."""
    fault = state.outcome.exception() if state.outcome else None
    if isinstance(fault, Unreachable) and fault.retry_after is not None:
        return fault.retry_after
    return _BACKOFF(state)
