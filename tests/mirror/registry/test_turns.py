"""Large documents are read by a few threads of their own, small ones by whoever asks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from mirror.errors import Misbehaved
from mirror.registry.connection import Ask, Connection
from mirror.registry.pace import left, within
from mirror.registry.place import Place
from mirror.registry.turns import in_turn
from mirror.settings import LARGE_AT_A_TIME, MAX_SMALL_JSON
from tests.fakes.message import Reply
from tests.fakes.simple import FakeRegistry
from tests.mirror.registry.reach import fault_of, reach


@contextmanager
def answered(fake: FakeRegistry, reply: Reply) -> Iterator[tuple[Connection, httpx.Response]]:
    """A connection, and an answer on it whose body is unread."""
    fake.on("GET", "/tags/list", lambda _request, _go: reply)
    with reach(fake.host) as client:
        wire, url = client.connection, client.connection.root.copy_with(path="/v2/a/b/tags/list")
        with wire.exchange(Ask("GET", Place(url), "cannot look")) as response:
            yield wire, response


def reader(fake: FakeRegistry, reply: Reply) -> int:
    """Who reads an answer, which comes whole: a thread's identity."""
    with answered(fake, reply) as (wire, response):
        length, thread = wire.document(
            response, 1 << 22, "", lambda raw: (len(raw), threading.get_ident())
        )
    assert length == len(reply.body)
    return thread


@pytest.mark.parametrize("how", [{}, {"chunked": True}, {"bare": True}], ids=str)
def test_a_small_document_is_read_by_whoever_asks(fake: FakeRegistry, how: dict[str, bool]) -> None:
    reply = Reply(200, {}, b"x" * MAX_SMALL_JSON, **how)
    assert reader(fake, reply) == threading.get_ident()


@pytest.mark.parametrize("how", [{}, {"chunked": True}, {"bare": True}], ids=str)
def test_a_large_one_is_not(fake: FakeRegistry, how: dict[str, bool]) -> None:
    reply = Reply(200, {}, b"x" * 3 * MAX_SMALL_JSON, **how)
    assert reader(fake, reply) != threading.get_ident()


def test_a_length_that_is_not_the_frames_makes_nothing_small(fake: FakeRegistry) -> None:
    reply = Reply(200, {"Content-Length": "1000"}, b"x" * (1 << 20), chunked=True)
    assert reader(fake, reply) != threading.get_ident()


@pytest.mark.parametrize("limit", [1000, MAX_SMALL_JSON, 1 << 19])
def test_one_that_is_larger_than_it_may_be_is_the_registrys_fault(
    fake: FakeRegistry, limit: int
) -> None:
    with answered(fake, Reply(200, {}, b"x" * (1 << 20))) as (wire, response):
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
