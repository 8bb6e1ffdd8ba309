"""Large documents are read by a few threads of their own, small ones by whoever asks."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mirror.errors import Misbehaved
from mirror.registry.pace import left, within
from mirror.registry.turns import in_turn
from mirror.settings import LARGE_AT_A_TIME, MAX_SMALL_JSON
from tests.fakes.behaviours import Go
from tests.fakes.message import Reply, Request
from tests.fakes.simple import FakeRegistry
from tests.mirror.registry.reach import fault_of, reach


def reader(fake: FakeRegistry, size: int, **how: bool) -> int:
    """Who reads a document of so many bytes: the name of a thread."""

    def said(_request: Request, _go: Go) -> Reply:
        return Reply(200, {}, b"x" * size, **how)

    fake.on("GET", "/tags/list", said)
    seen = list[tuple[int, int]]()
    with reach(fake.host) as client:
        wire, ask = client.connection, client._ask("GET", "a/b", "tags/list", "cannot look")
        with wire.exchange(ask) as response:
            wire.document(
                response, 1 << 22, "", lambda raw: seen.append((len(raw), threading.get_ident()))
            )
    ((length, thread),) = seen
    assert length == size
    return thread


@pytest.mark.parametrize("how", ["length", "chunked", "bare"])
def test_a_small_document_is_read_by_whoever_asks(fake: FakeRegistry, how: str) -> None:
    given = {} if how == "length" else {how: True}
    assert reader(fake, MAX_SMALL_JSON, **given) == threading.get_ident()


@pytest.mark.parametrize("how", ["length", "chunked", "bare"])
def test_a_large_one_is_not(fake: FakeRegistry, how: str) -> None:
    given = {} if how == "length" else {how: True}
    assert reader(fake, 3 * MAX_SMALL_JSON, **given) != threading.get_ident()


def test_a_length_that_is_not_the_frames_makes_nothing_small(fake: FakeRegistry) -> None:
    def lie(_request: Request, _go: Go) -> Reply:
        return Reply(200, {"Content-Length": "1000"}, b"x" * (1 << 20), chunked=True)

    fake.on("GET", "/tags/list", lie)
    seen = list[int]()
    with reach(fake.host) as client:
        wire, ask = client.connection, client._ask("GET", "a/b", "tags/list", "cannot look")
        with wire.exchange(ask) as response:
            wire.document(response, 1 << 22, "", lambda _raw: seen.append(threading.get_ident()))
    assert seen != [threading.get_ident()]


def test_one_that_is_larger_than_it_may_be_is_the_registrys_fault(fake: FakeRegistry) -> None:
    fake.on("GET", "/tags/list", lambda _request, _go: Reply(200, {}, b"x" * (1 << 20)))
    with reach(fake.host) as client:
        wire, ask = client.connection, client._ask("GET", "a/b", "tags/list", "cannot look")
        for limit in (1000, MAX_SMALL_JSON, 1 << 19):
            with wire.exchange(ask) as response:
                fault = fault_of(Misbehaved, wire.document, response, limit, "", bytes)
                assert f"larger than {limit} bytes" in fault.fact


def test_no_more_than_a_few_are_read_at_a_time() -> None:
    inside, most = 0, 0
    lock, crowd = threading.Lock(), threading.Barrier(LARGE_AT_A_TIME)

    def read() -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        crowd.wait(10)
        with lock:
            inside -= 1

    with ThreadPoolExecutor(8) as callers:
        for done in [callers.submit(in_turn, read) for _ in range(4 * LARGE_AT_A_TIME)]:
            done.result()
    assert most == LARGE_AT_A_TIME


def test_what_reading_raises_is_raised_and_the_next_is_read() -> None:
    def fail() -> None:
        raise ValueError("no JSON")

    for _ in range(2 * LARGE_AT_A_TIME):
        with pytest.raises(ValueError, match="no JSON"):
            in_turn(fail)
    assert in_turn(lambda: 1) == 1


def test_who_has_only_some_seconds_left_has_no_more_of_them_here() -> None:
    with within(5):
        remaining = in_turn(lambda: left(60.0))
    assert remaining is not None
    assert remaining <= 5
