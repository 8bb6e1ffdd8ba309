"""The gate of a registry: never more inside than it takes, and nobody left outside for good."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from mirror.errors import Side, Unreachable
from mirror.registry.gate import Gate
from tests.fakes.behaviours import answer
from tests.fakes.content import Given
from tests.fakes.simple import FakeRegistry
from tests.mirror.registry.reach import REPOSITORY, blob_of, fault_of, noise, reach

# Seconds after which a test gives a thread up for lost.
LOST = 20


class Clock:
    """Stands still until it is turned; ``asked`` is set whenever somebody looks at it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.asked = threading.Event()

    def __call__(self) -> float:
        self.asked.set()
        return self.now


class Visitor:
    """A thread that passes the gate once, and stays inside until it is told to go."""

    def __init__(self, gate: Gate) -> None:
        self.inside = threading.Event()
        self.go = threading.Event()
        self.turn = -1
        self._gate = gate
        self._thread = threading.Thread(target=self._visit, daemon=True)
        self._thread.start()

    def _visit(self) -> None:
        with self._gate.passage() as self.turn:
            self.inside.set()
            self.go.wait(LOST)

    def leave(self) -> None:
        self.go.set()
        self._thread.join(LOST)
        assert not self._thread.is_alive()


def together(count: int, act: Callable[[int], None]) -> None:
    """Do it in so many threads at once; all must end."""
    threads = [threading.Thread(target=act, args=(n,), daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LOST)
    assert not any(thread.is_alive() for thread in threads)


def settled(gate: Gate) -> None:
    """Whoever looked has come in or waits: a look is under the lock that this takes too."""
    gate.refused(-1, None)


def waiting(gate: Gate, clock: Clock) -> Visitor:
    """A visitor that has looked at the gate, found it shut, and waits before it."""
    clock.asked.clear()
    visitor = Visitor(gate)
    assert clock.asked.wait(LOST)
    settled(gate)
    assert not visitor.inside.is_set()
    return visitor


# --- places -----------------------------------------------------------------------------------


def test_no_more_are_inside_than_it_opens_for() -> None:
    clock = Clock()
    gate = Gate(2, clock)
    first, second = Visitor(gate), Visitor(gate)
    assert first.inside.wait(LOST)
    assert second.inside.wait(LOST)
    third = waiting(gate, clock)
    first.leave()
    assert third.inside.wait(LOST)
    second.leave()
    third.leave()


def test_a_request_inside_a_request_has_its_place_already() -> None:
    gate = Gate(1)
    gate.refused(0, None)
    with gate.passage() as outer, gate.passage() as inner, gate.passage():
        assert outer == inner == 1
    # The outermost gave its place back, once.
    visitor = Visitor(gate)
    assert visitor.inside.wait(LOST)
    visitor.leave()


def test_a_request_inside_does_not_give_the_place_of_the_outer_one_away() -> None:
    clock = Clock()
    gate = Gate(1, clock)
    with gate.passage():
        with gate.passage():
            pass
        visitor = waiting(gate, clock)
    assert visitor.inside.wait(LOST)
    visitor.leave()


def test_the_next_request_of_a_thread_takes_a_place_again() -> None:
    clock = Clock()
    gate = Gate(1, clock)
    with gate.passage():
        pass
    with gate.passage():
        visitor = waiting(gate, clock)
    visitor.leave()


def test_a_request_that_fails_gives_its_place_back() -> None:
    gate = Gate(1)
    for _ in range(3):
        with pytest.raises(KeyError), gate.passage():
            raise KeyError
    with gate.passage():
        pass


def test_two_gates_do_not_know_of_each_other() -> None:
    clock = Clock()
    first, second = Gate(1, clock), Gate(1, clock)
    with first.passage(), second.passage():
        visitor = waiting(second, clock)
    assert visitor.inside.wait(LOST)
    visitor.leave()


# --- too many ---------------------------------------------------------------------------------


def test_every_refusal_of_a_new_turn_halves_down_to_one() -> None:
    gate = Gate(8)
    widths = []
    for _ in range(5):
        with gate.passage() as turn:
            gate.refused(turn, None)
        widths.append(gate.width)
    assert widths == [4, 2, 1, 1, 1]


def test_requests_that_are_refused_together_are_one_refusal() -> None:
    gate = Gate(8)
    visitors = [Visitor(gate) for _ in range(8)]
    assert all(visitor.inside.wait(LOST) for visitor in visitors)
    for visitor in visitors:
        gate.refused(visitor.turn, None)
        visitor.leave()
    assert gate.width == 4


def test_after_a_refusal_as_many_are_inside_as_it_then_takes() -> None:
    gate, lock = Gate(8), threading.Lock()
    gate.refused(0, None)
    gate.refused(1, None)
    inside, most = 0, 0

    def visit(_number: int) -> None:
        nonlocal inside, most
        for _ in range(50):
            with gate.passage():
                with lock:
                    inside += 1
                    most = max(most, inside)
                with lock:
                    inside -= 1

    together(12, visit)
    assert 1 <= most <= 2


def test_good_answers_let_one_more_in_a_round() -> None:
    gate = Gate(4)
    for turn in range(2):
        gate.refused(turn, None)
    widths = []
    for _ in range(8):
        gate.accepted()
        widths.append(gate.width)
    assert widths == [2, 2, 3, 3, 3, 4, 4, 4]


def test_a_refusal_between_begins_the_round_anew() -> None:
    gate = Gate(4)
    gate.refused(0, None)
    gate.accepted()
    gate.refused(0, None)
    gate.accepted()
    assert gate.width == 2
    gate.accepted()
    assert gate.width == 3


def test_who_waits_comes_in_when_it_opens_wider() -> None:
    clock = Clock()
    gate = Gate(2, clock)
    gate.refused(0, None)
    with gate.passage():
        clock.asked.clear()
        visitor = Visitor(gate)
        assert clock.asked.wait(LOST)
        gate.accepted()
        assert visitor.inside.wait(LOST)
    visitor.leave()


# --- not now ----------------------------------------------------------------------------------


def test_nobody_comes_in_before_the_time_that_was_named() -> None:
    clock = Clock()
    gate = Gate(4, clock)
    inside = [Visitor(gate), Visitor(gate)]
    assert all(visitor.inside.wait(LOST) for visitor in inside)
    gate.refused(inside[0].turn, 100.0)
    late = waiting(gate, clock)
    clock.now += 99.0
    clock.asked.clear()
    inside[0].leave()
    # It was woken, has looked again, and waits on.
    assert clock.asked.wait(LOST)
    settled(gate)
    assert not late.inside.is_set()
    clock.now += 1.0
    inside[1].leave()
    assert late.inside.wait(LOST)
    late.leave()


def test_the_longest_of_several_pauses_counts() -> None:
    clock = Clock()
    gate = Gate(4, clock)
    inside = [Visitor(gate), Visitor(gate)]
    assert all(visitor.inside.wait(LOST) for visitor in inside)
    for pause in (50.0, None, 1.0):
        gate.refused(inside[0].turn, pause)
    clock.now += 49.0
    late = waiting(gate, clock)
    clock.now += 1.0
    inside[0].leave()
    assert late.inside.wait(LOST)
    inside[1].leave()
    late.leave()


def test_a_gate_that_was_closed_opens_by_itself_for_all_that_waited() -> None:
    gate = Gate(4)
    gate.refused(0, 0.02)
    passed = []

    def visit(number: int) -> None:
        with gate.passage():
            passed.append(number)

    together(10, visit)
    assert sorted(passed) == list(range(10))


@pytest.mark.parametrize("seed", range(3))
def test_whatever_answers_come_everybody_gets_through(seed: int) -> None:
    gate, lock = Gate(4), threading.Lock()
    inside, most = 0, 0

    def visit(number: int) -> None:
        nonlocal inside, most
        dice = random.Random(seed * 100 + number)
        for _ in range(20):
            with ExitStack() as stack:
                for _ in range(dice.randint(1, 3)):
                    turn = stack.enter_context(gate.passage())
                with lock:
                    inside += 1
                    most = max(most, inside)
                if dice.random() < 0.3:
                    gate.refused(turn, dice.choice([None, 0.0, 0.001]))
                else:
                    gate.accepted()
                with lock:
                    inside -= 1

    together(12, visit)
    assert most <= 4
    for _ in range(20):
        gate.accepted()
    assert gate.width == 4


# --- a registry behind it ---------------------------------------------------------------------


def test_giving_an_upload_back_waits_for_no_gate(fake: FakeRegistry) -> None:
    data = noise(1000)
    fake.on("PUT", "/blobs/uploads/", answer(429, Retry_After="100"))
    with reach(fake.host, side=Side.DESTINATION) as sink:
        fault = fault_of(Unreachable, sink.upload, REPOSITORY, blob_of(data), Given(data))
        assert fault.retry_after == 100
        assert fake.store.uploads
    assert not fake.store.uploads


def test_pauses_are_counted_until_a_good_answer_and_those_at_once_are_one() -> None:
    now = [0.0]
    gate = Gate(4, lambda: now[0])
    for _ in range(3):
        gate.refused(0, 10.0)
    assert gate.closings == 1
    now[0] = 11.0
    gate.refused(1, 10.0)
    gate.refused(1, None)
    assert gate.closings == 2
    gate.accepted()
    assert gate.closings == 0
