"""Large documents are read by a few threads of their own, small ones by whoever asks."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from mirror.registry.pace import left, within
from mirror.registry.turns import in_turn
from mirror.settings import LARGE_AT_A_TIME, MAX_SMALL_JSON


def said(length: str | None = None) -> httpx.Response:
    return httpx.Response(200, headers={b"Content-Length": length.encode()} if length else {})


def reader(response: httpx.Response) -> int:
    return in_turn(response, threading.get_ident)


def test_a_small_document_is_read_by_whoever_asks() -> None:
    assert reader(said(str(MAX_SMALL_JSON))) == threading.get_ident()


@pytest.mark.parametrize(
    "length",
    [str(MAX_SMALL_JSON + 1), "9" * 5000, "-1", "1e1", "\N{SUPERSCRIPT TWO}"],
    ids=["larger", "absurd", "negative", "float", "no decimal"],
)
def test_a_document_that_may_be_large_is_not(length: str) -> None:
    assert reader(said(length)) != threading.get_ident()


def test_one_without_a_length_may_be_large() -> None:
    assert reader(said()) != threading.get_ident()


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
        for done in [callers.submit(in_turn, said(), read) for _ in range(4 * LARGE_AT_A_TIME)]:
            done.result()
    assert most == LARGE_AT_A_TIME


def test_what_reading_raises_is_raised_and_the_next_is_read() -> None:
    def fail() -> None:
        raise ValueError("no JSON")

    for _ in range(2 * LARGE_AT_A_TIME):
        with pytest.raises(ValueError, match="no JSON"):
            in_turn(said(), fail)
    assert in_turn(said(), lambda: 1) == 1


def test_who_has_only_some_seconds_left_has_no_more_of_them_here() -> None:
    with within(5):
        remaining = in_turn(said(), lambda: left(60.0))
    assert remaining is not None
    assert remaining <= 5
