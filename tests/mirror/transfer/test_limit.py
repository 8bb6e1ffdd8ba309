"""The limit of bytes a second: the same bytes, in slices, and no wait past a stop."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.ports import Piece
from mirror.transfer.limit import Limit
from tests.mirror.oci.documents import steady


class Waits(threading.Event):
    """Writes down how long it was to wait, and does not."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.asked.append(timeout or 0.0)
        return False


@steady
@given(st.lists(st.binary(max_size=20_000), max_size=6), st.sampled_from([None, 1, 5000, 10**9]))
def test_the_bytes_are_the_same(pieces: list[bytes], rate: int | None) -> None:
    limit = Limit(rate, Waits())
    views = [memoryview(piece) for piece in pieces]
    assert b"".join(bytes(part) for part in limit.through(iter(views))) == b"".join(pieces)


def test_without_a_rate_pieces_pass_as_they_are() -> None:
    stop, pieces = Waits(), [b"a" * 100_000, b"", b"b"]
    assert list(Limit(None, stop).through(iter(pieces))) == pieces
    assert stop.asked == []


def test_each_slice_waits_for_those_before_it() -> None:
    stop = Waits()
    # 4096 bytes take an hour: what the test itself takes is nothing beside that.
    slices = list(Limit(1, stop).through(iter([bytes(4 * 4096)])))
    assert [len(part) for part in slices] == [4096] * 4
    assert [round(wait / 4096, 1) for wait in stop.asked] == [0, 1, 2, 3]


def test_all_who_pass_share_one_rate() -> None:
    stop = Waits()
    limit = Limit(1, stop)
    first, second = (limit.through(iter([bytes(2 * 4096)])) for _ in range(2))
    for stream in (first, second, first, second):
        next(stream)
    assert [round(wait / 4096, 1) for wait in stop.asked] == [0, 1, 2, 3]


@pytest.mark.parametrize("rate", [1, 10_000, 1_000_000])
def test_a_slice_is_an_eighth_of_a_second_or_a_few_kilobytes(rate: int) -> None:
    sizes = {len(part) for part in Limit(rate, Waits()).through(iter([bytes(1_000_000)]))}
    assert max(sizes) == max(rate // 8, 4096)


def test_a_stop_ends_a_wait_of_hours() -> None:
    stop = threading.Event()
    came: list[Piece] = []

    def take() -> None:
        came.extend(Limit(1, stop).through(iter([bytes(3 * 4096)])))

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    stop.set()
    thread.join(20)
    assert not thread.is_alive()
    assert len(came) == 3
