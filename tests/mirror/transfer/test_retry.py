"""Trying again: only what may pass, for as long as the registry asks, and never past a stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from mirror.errors import (
    BundleFault,
    InputFault,
    IntegrityFault,
    MachineFault,
    Misbehaved,
    NotFound,
    Refused,
    Side,
    Unreachable,
    Untrusted,
)
from mirror.events import Event, Waiting, silent
from mirror.settings import GIVEN_UP, PATIENT, PROGRESS
from mirror.transfer.crew import Crew, Stopped
from mirror.transfer.retry import Retry


class Failing:
    """Fails so often, then gives 7."""

    def __init__(self, *faults: BaseException) -> None:
        self.faults = list(faults)
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        if self.faults:
            raise self.faults.pop(0)
        return 7


def gone(pause: float | None = 0.0) -> Unreachable:
    return Unreachable(Side.SOURCE, "host", "cannot get it", retry_after=pause)


def test_what_may_pass_is_tried_again_until_it_does() -> None:
    act = Failing(gone(), gone(), gone())
    assert Retry(3, Crew(1), silent)(act) == 7
    assert act.calls == 4


@pytest.mark.parametrize("retries", [0, 1, 4])
def test_the_last_fault_is_raised_when_it_does_not_pass(retries: int) -> None:
    faults = [gone() for _ in range(9)]
    act = Failing(*faults)
    with pytest.raises(Unreachable) as caught:
        Retry(retries, Crew(1), silent)(act)
    assert caught.value is faults[retries]
    assert act.calls == retries + 1


def registry_fault(kind: type[NotFound | Refused | Misbehaved | Untrusted]) -> BaseException:
    return kind(Side.SOURCE, "host", "no")


LASTING: list[BaseException] = [
    *(registry_fault(kind) for kind in (NotFound, Refused, Misbehaved, Untrusted)),
    IntegrityFault("wrong", member="blob", expected="a", got="b"),
    BundleFault("wrong", member="blob", expected="a", got="b"),
    InputFault("wrong"),
    MachineFault("full"),
    KeyError("a bug"),
    AttributeError("a bug"),
    OSError("not translated"),
    TimeoutError("not translated"),
    KeyboardInterrupt(),
]


@pytest.mark.parametrize("cause", LASTING, ids=lambda cause: type(cause).__name__)
def test_nothing_else_is_tried_again(cause: BaseException) -> None:
    act = Failing(cause)
    with pytest.raises(type(cause)) as caught:
        Retry(5, Crew(1), silent)(act)
    assert caught.value is cause
    assert act.calls == 1


def pauses(*faults: Unreachable) -> list[float]:
    """What is waited between attempts; the waiting itself is cut short by the listener."""
    told: list[float] = []
    crew = Crew(1)

    def listen(event: Event) -> None:
        assert isinstance(event, Waiting)
        told.append(event.pause)
        if event.pause:
            crew.stop.set()

    with pytest.raises((Stopped, Unreachable)):
        Retry(len(faults) - 1, crew, listen)(Failing(*faults))
    return told


def test_what_the_registry_asks_for_wins() -> None:
    assert pauses(gone(0.0), gone(0.0), gone(77.0), gone()) == [0.0, 0.0, 77.0]


def test_a_registry_that_always_says_at_once_is_not_asked_as_fast_as_it_goes() -> None:
    told: list[float] = []

    def listen(event: Event) -> None:
        assert isinstance(event, Waiting)
        told.append(event.pause)

    with pytest.raises(Unreachable):
        Retry(5, Crew(1), listen, first_pause=0.001)(Failing(*(gone() for _ in range(9))))
    assert told[:PATIENT] == [0.0] * PATIENT
    assert all(pause > 0 for pause in told[PATIENT:])


def test_without_its_word_the_pause_is_short_and_not_the_same_for_all() -> None:
    found = {pauses(gone(None), gone())[0] for _ in range(20)}
    assert all(0 <= pause <= 1 for pause in found)
    assert len(found) > 10


def test_the_listener_hears_why_and_how_often() -> None:
    told: list[Event] = []
    Retry(2, Crew(1), told.append)(Failing(gone(), gone()))
    assert [event.attempt for event in told if isinstance(event, Waiting)] == [1, 2]
    assert all("cannot get it" in event.reason for event in told if isinstance(event, Waiting))


def test_a_stop_ends_a_wait_at_once() -> None:
    crew, waiting = Crew(2), threading.Event()
    retry = Retry(1, crew, lambda _event: waiting.set())
    act = Failing(gone(600.0))

    def work(number: int) -> None:
        if number == 0:
            retry(act)
        assert waiting.wait(20)
        raise KeyError(number)

    began = time.monotonic()
    with pytest.raises(KeyError):
        crew.run(range(2), work)
    assert time.monotonic() - began < 20
    assert act.calls == 1


def test_nothing_begins_after_a_stop() -> None:
    crew, act = Crew(1), Failing()
    crew.stop.set()
    with pytest.raises(Stopped):
        Retry(5, crew, silent)(act)
    assert act.calls == 0


# --- attempts that get on ---------------------------------------------------------------------


class Moving:
    """Each attempt moves on by so many bytes, and fails; the one after the last of them does."""

    def __init__(self, *steps: int, answered: bool = False) -> None:
        self.steps = list(steps)
        self.answered = answered
        self.position = 0
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        if not self.steps:
            return 7
        self.position += self.steps.pop(0)
        raise Unreachable(Side.SOURCE, "host", "cut", answered=self.answered)


def told_pauses(act: Moving, retries: int, first_pause: float = 0.0) -> list[float]:
    told: list[float] = []

    def listen(event: Event) -> None:
        assert isinstance(event, Waiting)
        told.append(event.pause)

    assert Retry(retries, Crew(1), listen, first_pause)(act, lambda: act.position) == 7
    return told


def test_a_link_that_is_cut_again_and_again_carries_a_blob_as_long_as_it_gets_on() -> None:
    act = Moving(*[PROGRESS] * 50)
    assert told_pauses(act, retries=1) == [0.0] * 50


def test_a_byte_at_a_time_is_no_progress() -> None:
    act = Moving(*[1] * 50)
    with pytest.raises(Unreachable):
        Retry(3, Crew(1), silent, 0.0)(act, lambda: act.position)
    assert act.calls == 4


def test_little_steps_count_together() -> None:
    act = Moving(*[PROGRESS // 2] * 9)
    told_pauses(act, retries=2)
    assert act.calls == 10


def test_failures_are_counted_from_the_last_attempt_that_got_on() -> None:
    act = Moving(PROGRESS, 0, 0, PROGRESS, 0, 0)
    told_pauses(act, retries=3)
    act = Moving(PROGRESS, 0, 0, PROGRESS, 0, 0, 0)
    with pytest.raises(Unreachable):
        Retry(3, Crew(1), silent, 0.0)(act, lambda: act.position)
    assert act.calls == 7


def test_what_had_come_before_is_no_progress_of_this_attempt_twice() -> None:
    """A position that falls back and comes again has not got on."""
    act = Moving(PROGRESS, -PROGRESS, PROGRESS, -PROGRESS, PROGRESS)
    with pytest.raises(Unreachable):
        Retry(2, Crew(1), silent, 0.0)(act, lambda: act.position)
    assert act.calls == 3


def waited(act: Moving, first_pause: float) -> float:
    """The pause after the first attempt; the waiting itself is cut short."""
    crew, told = Crew(1), list[float]()

    def listen(event: Event) -> None:
        assert isinstance(event, Waiting)
        told.append(event.pause)
        crew.stop.set()

    with pytest.raises(Stopped):
        Retry(3, crew, listen, first_pause)(act, lambda: act.position)
    return told[0]


def test_after_a_cut_that_got_on_there_is_no_pause_and_after_an_answer_there_is() -> None:
    assert {waited(Moving(PROGRESS), 20.0) for _ in range(5)} == {0.0}
    assert any(waited(Moving(PROGRESS, answered=True), 20.0) for _ in range(5))
    assert any(waited(Moving(PROGRESS - 1), 20.0) for _ in range(5))


def test_what_the_registry_asks_for_wins_over_progress() -> None:
    position = iter(range(0, 100 * PROGRESS, PROGRESS))
    told: list[float] = []
    crew = Crew(1)

    def listen(event: Event) -> None:
        assert isinstance(event, Waiting)
        told.append(event.pause)
        crew.stop.set()

    with pytest.raises(Stopped):
        Retry(3, crew, listen)(Failing(gone(33.0)), lambda: next(position))
    assert told == [33.0]


def test_a_result_of_none_is_a_result() -> None:
    calls: list[int] = []
    work: Callable[[], None] = lambda: calls.append(1)  # noqa: E731 - a typed lambda reads best
    Retry(3, Crew(1), silent)(work)
    assert calls == [1]


# --- a host that is dead ----------------------------------------------------------------------


def asked(retry: Retry, act: Failing) -> int:
    with pytest.raises(Unreachable):
        retry(act)
    return act.calls


def never() -> Failing:
    return Failing(*(gone() for _ in range(99)))


def test_a_dead_host_does_not_cost_all_attempts_for_each_of_thousands_of_calls() -> None:
    retry = Retry(3, Crew(1), silent)
    assert [asked(retry, never()) for _ in range(GIVEN_UP + 3)] == [4] * GIVEN_UP + [1] * 3


def test_one_answer_and_it_is_given_time_again() -> None:
    retry = Retry(3, Crew(1), silent)
    for _ in range(GIVEN_UP):
        asked(retry, never())
    assert retry(Failing()) == 7
    assert asked(retry, never()) == 4


def test_another_host_and_one_that_says_later_are_waited_for_all_the_same() -> None:
    retry = Retry(3, Crew(1), silent)
    for _ in range(GIVEN_UP):
        asked(retry, never())
    elsewhere = Unreachable(Side.SOURCE, "other", "cannot get it", retry_after=0.0)
    assert retry(Failing(elsewhere)) == 7
    for _ in range(GIVEN_UP):
        asked(retry, never())
    busy = Unreachable(Side.SOURCE, "host", "429", retry_after=0.0, answered=True)
    assert retry(Failing(busy)) == 7
