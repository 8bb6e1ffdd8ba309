"""A crew: what ends it, who hears of it, and that nobody waits for a worker that hangs."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable
from types import CodeType, FrameType

import pytest

from mirror.errors import Fault, IntegrityFault, MachineFault, NotFound, Side
from mirror.settings import STOP_GRACE
from mirror.transfer.crew import Crew

SECONDS = 20.0


def fault(number: int = 0) -> Fault:
    return NotFound(Side.SOURCE, "host", f"number {number}")


def test_everything_is_done_once() -> None:
    done: list[int] = []

    def act(number: int) -> int:
        done.append(number)
        return number * number

    outcomes = Crew(8).run(range(200), act)
    assert sorted(done) == list(range(200))
    assert sorted((o.item, o.result) for o in outcomes) == [(n, n * n) for n in range(200)]


def test_nothing_to_do() -> None:
    assert Crew(4).run([], str) == []


def test_so_many_work_at_a_time_and_no_more() -> None:
    barrier = threading.Barrier(5)
    # Five meet only if five work at once.
    Crew(5).run(range(20), lambda _n: barrier.wait(SECONDS))
    with pytest.raises(threading.BrokenBarrierError):
        Crew(4).run(range(20), lambda _n: barrier.wait(0.05))


def test_they_begin_in_the_given_order() -> None:
    begun: list[int] = []
    Crew(1).run([3, 1, 2], begun.append)
    assert begun == [3, 1, 2]


def test_the_first_fault_ends_the_run_and_is_the_one_raised() -> None:
    crew, failed, begun = Crew(2), threading.Event(), list[int]()

    def act(number: int) -> None:
        begun.append(number)
        if number == 0:
            # The second fault comes when the first one has stopped the crew.
            assert crew.stop.wait(SECONDS)
        failed.set()
        raise fault(number)

    with pytest.raises(NotFound, match="number 1"):
        crew.run(range(100), act)
    assert begun == [0, 1]


def test_faults_are_recorded_when_it_keeps_going() -> None:
    def act(number: int) -> int:
        if number % 2:
            raise fault(number)
        return number

    outcomes = Crew(3, keep_going=True).run(range(10), act)
    assert {o.item: o.result for o in outcomes if not o.fault} == {n: n for n in range(0, 10, 2)}
    assert {str(o.fault)[7:8] for o in outcomes if o.fault} == {"1", "3", "5", "7", "9"}


@pytest.mark.parametrize("keep_going", [False, True])
@pytest.mark.parametrize("cause", [MachineFault("full"), KeyError("bug"), SystemExit(3)])
def test_this_machine_and_bugs_stop_it_anyway(*, cause: BaseException, keep_going: bool) -> None:
    done: list[int] = []

    def act(number: int) -> None:
        done.append(number)
        raise cause

    with pytest.raises(type(cause)) as caught:
        Crew(1, keep_going).run(range(9), act)
    assert caught.value is cause
    assert done == [0]


def test_a_fault_of_content_does_not_stop_one_that_keeps_going() -> None:
    def act(number: int) -> None:
        raise IntegrityFault("wrong", member=str(number), expected="a", got="b")

    assert len(Crew(2, keep_going=True).run(range(9), act)) == 9


def test_a_stop_ends_long_jobs_between_two_pieces() -> None:
    crew, running = Crew(2), threading.Event()

    def act(number: int) -> None:
        if number:
            assert running.wait(SECONDS)
            raise fault(number)
        running.set()
        poll(lambda: crew.stop.is_set())
        crew.check()
        raise AssertionError("it went on")

    with pytest.raises(NotFound):
        crew.run(range(2), act)


def test_a_stop_from_outside_leaves_the_rest_undone() -> None:
    crew = Crew(2)

    def act(number: int) -> int:
        if number == 5:
            crew.stop.set()
        return number

    done = [outcome.item for outcome in crew.run(range(1000), act)]
    assert 5 in done
    assert len(done) < 10


def test_a_worker_that_hangs_holds_a_fault_back_for_seconds_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mirror.transfer.crew.STOP_GRACE", 0.05)
    assert 1 <= STOP_GRACE <= 5
    hanging, end = threading.Event(), threading.Event()

    def act(number: int) -> None:
        if number:
            assert hanging.wait(SECONDS)
            raise fault(number)
        hanging.set()
        end.wait(SECONDS)

    began = time.monotonic()
    with pytest.raises(NotFound):
        Crew(2).run(range(2), act)
    assert time.monotonic() - began < SECONDS / 2
    end.set()


def test_a_signal_that_does_not_wake_the_waiting_thread_is_heard_all_the_same() -> None:
    """As one that comes in the moment before it begins to wait: nobody looks until it is over.

    Another thread gets it here, so that no system call of the main thread is interrupted.
    """
    main, crew, heard = threading.main_thread().ident or 0, Crew(1), list[bool]()

    def act(_number: int) -> None:
        poll(lambda: Crew.run.__code__ is called_by_two(sys._current_frames()[main]))
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        heard.append(crew.stop.wait(SECONDS))

    # Started in the background of a shell, these tests do not hear it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            crew.run([1], act)
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [True]


def called_by_two(frame: FrameType) -> CodeType | None:
    """What the caller of a frame's caller runs: for Condition.wait, whoever called Event.wait."""
    caller = frame.f_back and frame.f_back.f_back
    inside = frame.f_code is threading.Condition.wait.__code__
    return caller.f_code if caller and inside else None


def poll(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.001)
