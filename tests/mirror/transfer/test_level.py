from __future__ import annotations

import threading
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from mirror.settings import LEVEL_HOLD, LEVEL_PERIOD, LEVEL_START, LONG_WAIT, Settings
from mirror.transfer.crew import Crew
from mirror.transfer.level import Level


class Link:
    """A level on a link of so many bytes a second, and a clock that a test turns."""

    def __init__(self, ceiling: int = 16, *, each: float, altogether: float) -> None:
        self.now = 0.0
        self.level = Level(ceiling, lambda: self.now)
        self._each, self._altogether = each, altogether
        self._inside = 0

    def second(self, waiting: int = 100) -> int:
        """A second in which as many as are let in transfer; how many that were."""
        while self._inside < min(self.level.width, waiting):
            assert self.level.enter(lambda: False)
            self._inside += 1
        while self._inside > self.level.width:
            self.level.leave()
            self._inside -= 1
        working = self._inside
        self.level.passed(int(min(working * self._each, self._altogether)))
        self.now += LEVEL_PERIOD
        self.level.adjust()
        return working

    def run(self, seconds: int, waiting: int = 100) -> list[int]:
        return [self.second(waiting) for _ in range(seconds)]


def test_a_link_that_gives_each_connection_little_gets_as_many_as_are_allowed() -> None:
    assert Link(each=8e6, altogether=1e9).run(10)[-1] == 16


def test_a_link_that_is_full_with_four_stays_at_four() -> None:
    widths = Link(each=250e6, altogether=900e6).run(int(LEVEL_HOLD))
    assert max(widths) > LEVEL_START, "nothing was tried"
    assert widths.count(LEVEL_START) >= len(widths) - 2


def test_what_was_of_no_use_is_tried_again_later_and_not_at_once() -> None:
    link = Link(each=250e6, altogether=900e6)
    widths = link.run(3 * int(LEVEL_HOLD))
    tries = [at for at, width in enumerate(widths) if width > LEVEL_START]
    assert len(tries) >= 2
    assert all(later - sooner >= LEVEL_HOLD for sooner, later in pairwise(tries))


def test_nobody_is_let_in_beyond_what_the_operator_set() -> None:
    assert max(Link(2, each=8e6, altogether=1e9).run(20)) == 2
    assert max(Link(6, each=8e6, altogether=1e9).run(20)) == 6


def test_a_level_with_places_to_spare_does_not_grow() -> None:
    assert max(Link(each=8e6, altogether=1e9).run(20, waiting=3)) == 3


@given(st.lists(st.integers(-(10**9), 10**9), max_size=60), st.integers(1, 64))
def test_whatever_passes_the_level_stays_between_one_and_its_ceiling(
    sizes: list[int], ceiling: int
) -> None:
    link = Link(ceiling, each=0, altogether=0)
    for size in sizes:
        link.level.passed(size)
        link.second()
        assert 1 <= link.level.width <= ceiling


def test_no_more_than_the_level_allows_work_at_a_time() -> None:
    crew = Crew.of(Settings(concurrency=32), keep_going=False)
    lock, now, most = threading.Lock(), 0, 0
    full = threading.Barrier(LEVEL_START)

    def act(number: int) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        if number < LEVEL_START:
            full.wait(5)
        with lock:
            now -= 1

    crew.run(range(200), act)
    assert most == LEVEL_START


def test_those_who_wait_for_a_place_go_home_when_the_work_is_done() -> None:
    crew = Crew.of(Settings(concurrency=64), keep_going=False)
    before = threading.active_count()
    assert len(crew.run(range(500), lambda number: number)) == 500
    assert threading.active_count() == before


def test_far_from_the_registry_all_begin_at_once() -> None:
    assert Level(16, wait=LONG_WAIT).width == 16
    assert Level(3, wait=LONG_WAIT).width == 3


def test_near_it_or_where_nobody_knows_four_begin() -> None:
    assert Level(16, wait=LONG_WAIT / 2).width == LEVEL_START
    assert Level(16).width == LEVEL_START
    assert Level(3).width == 3
