"""A blob over many attempts: the right bytes or an IntegrityFault, whatever is cut and lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mirror.errors import IntegrityFault
from mirror.ports import Move, Piece
from mirror.transfer import passage
from mirror.transfer.passage import Passage
from tests.mirror.oci.documents import steady
from tests.mirror.transfer.memory import blob

DATA = b"forty-two bytes of content that are a blob"
WRONG = DATA[:20] + b"!" + DATA[21:]


@pytest.fixture(autouse=True, params=[1, 8, 1000], scope="module")
def state_every(request: pytest.FixtureRequest) -> Iterator[None]:
    """States of the hash at every piece, at some, and nowhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passage, "STATE_EVERY", request.param)
        yield


class Cut(Exception):
    """A connection that ended."""


class Origin:
    """Gives ``served`` from any offset, in pieces of ``size``; cut ``after`` so many bytes."""

    def __init__(self, served: bytes = DATA) -> None:
        self.served = served
        self.size = 5
        self.after: int | None = None
        self.starts: list[int] = []

    @contextmanager
    def read(self, start: int) -> Iterator[Iterator[Piece]]:
        self.starts.append(start)
        yield self._pieces(start)

    def _pieces(self, start: int) -> Iterator[Piece]:
        end = len(self.served) if self.after is None else start + self.after
        content = self.served[start:end]
        # One buffer for all pieces, as a socket's is.
        buffer = bytearray(self.size)
        for at in range(0, len(content), self.size):
            piece = content[at : at + self.size]
            buffer[: len(piece)] = piece
            yield memoryview(buffer)[: len(piece)]
        if end < len(self.served):
            raise Cut


class Sink:
    """Keeps what came, and may lose the end of it."""

    def __init__(self) -> None:
        self.kept = bytearray()

    def take(self, way: Passage) -> None:
        with way.open(len(self.kept)) as pieces:
            for piece in pieces:
                self.kept += piece


def passage_of(origin: Origin, data: bytes = DATA, told: list[int] | None = None) -> Passage:
    move = Move(blob(data), "host/app", ("air/app",), image="host/app:v1")
    return Passage(move, "host/app", origin.read, (told if told is not None else []).append)


@dataclass(frozen=True)
class Attempt:
    """One attempt: how long it lasts, in what pieces, what the sink loses after it."""

    after: int | None
    size: int
    lost: int
    wrong: bool = False


attempts = st.lists(
    st.builds(
        Attempt,
        after=st.none() | st.integers(0, len(DATA)),
        size=st.integers(1, 50),
        lost=st.integers(0, 50),
    ),
    max_size=8,
)
wrongs = st.lists(
    st.builds(
        Attempt,
        after=st.none() | st.integers(0, len(DATA)),
        size=st.integers(1, 50),
        lost=st.integers(0, 50),
        wrong=st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


def go(origin: Origin, sink: Sink, way: Passage, attempt: Attempt) -> str:
    """Make one attempt; what became of it."""
    origin.size, origin.after = attempt.size, attempt.after
    try:
        sink.take(way)
    except Cut:
        if attempt.lost:
            del sink.kept[-attempt.lost :]
        return "cut"
    except IntegrityFault:
        return "wrong"
    return "done"


@steady
@given(attempts)
def test_after_any_cuts_and_losses_the_bytes_are_right(tried: list[Attempt]) -> None:
    origin, sink = Origin(), Sink()
    way = passage_of(origin)
    for attempt in tried:
        outcome = go(origin, sink, way, attempt)
        assert outcome != "wrong"
        assert sink.kept == DATA[: len(sink.kept)]
        if outcome == "done":
            break
    else:
        assert go(origin, sink, way, Attempt(None, 7, 0)) == "done"
    assert sink.kept == DATA


@steady
@given(wrongs)
@example([Attempt(30, 5, 15), Attempt(None, 5, 0, wrong=True)])
@example([Attempt(30, 5, 15, wrong=True), Attempt(None, 5, 0)])
@example([Attempt(30, 5, 5), Attempt(30, 30, 29, wrong=True), Attempt(None, 5, 0)])
def test_a_source_that_is_wrong_now_and_then_never_makes_a_complete_wrong_blob(
    tried: list[Attempt],
) -> None:
    """Wrong may be what a sink is given a second time, in place of what it lost."""
    origin, sink = Origin(), Sink()
    way = passage_of(origin)
    for attempt in tried:
        origin.served = WRONG if attempt.wrong else DATA
        if go(origin, sink, way, attempt) != "cut":
            break
        assert len(sink.kept) < len(DATA) or sink.kept == DATA
    if len(sink.kept) == len(DATA):
        assert sink.kept == DATA


@steady
@given(st.binary(max_size=60), st.integers(1, 70))
def test_a_source_with_other_bytes_is_found_out_before_the_last_one(
    served: bytes, size: int
) -> None:
    origin, sink = Origin(served), Sink()
    origin.size = size
    if served == DATA:
        sink.take(passage_of(origin))
        return
    with pytest.raises(IntegrityFault) as caught:
        sink.take(passage_of(origin))
    assert len(sink.kept) < len(DATA)
    assert "of host/app:v1" in caught.value.member


def test_what_passed_is_neither_read_nor_hashed_again() -> None:
    origin, sink = Origin(), Sink()
    way = passage_of(origin)
    assert go(origin, sink, way, Attempt(25, 5, 0)) == "cut"
    assert go(origin, sink, way, Attempt(None, 5, 0)) == "done"
    assert origin.starts == [0, 25]


def test_from_zero_everything_is_forgotten() -> None:
    origin, sink = Origin(WRONG), Sink()
    way = passage_of(origin)
    assert go(origin, sink, way, Attempt(25, 5, 0)) == "cut"
    sink.kept.clear()
    origin.served = DATA
    assert go(origin, sink, way, Attempt(None, 5, 0)) == "done"
    assert sink.kept == DATA


def test_a_sink_that_has_it_all_needs_no_source() -> None:
    """Registries answer a range at the end of a blob as they like."""
    origin, sink = Origin(), Sink()
    origin.size = len(DATA)
    way = passage_of(origin)
    sink.take(way)
    sink.take(way)
    assert origin.starts == [0]
    assert sink.kept == DATA


def test_a_gap_is_found_out() -> None:
    """A sink that asks for more than it was given would have a hole."""
    origin = Origin()
    way = passage_of(origin)
    origin.after = 10
    with pytest.raises(Cut):
        list(opened(way))
    origin.after = None
    with pytest.raises(IntegrityFault):
        list(opened(way, 15))


def test_an_empty_blob_is_checked_too() -> None:
    assert list(opened(passage_of(Origin(b""), b""))) == []
    with pytest.raises(IntegrityFault):
        list(opened(passage_of(Origin(b"x"), b"")))


def opened(way: Passage, start: int = 0) -> Iterator[Piece]:
    with way.open(start) as pieces:
        yield from pieces


def test_it_tells_how_far_it_is_before_the_bytes_go_on() -> None:
    told: list[int] = []
    origin = Origin()
    way = passage_of(origin, told=told)
    origin.after = 10
    with pytest.raises(Cut):
        list(opened(way))
    origin.after = None
    list(opened(way, 10))
    assert told == [0, 5, 10, 10, 15, 20, 25, 30, 35, 40, 42]


# --- what an earlier run left -----------------------------------------------------------------


@steady
@given(st.integers(0, len(DATA)), st.integers(1, 50))
def test_a_right_beginning_is_gone_on_from(kept: int, size: int) -> None:
    origin, sink = Origin(), Sink()
    way = passage_of(origin)
    way.recall(iter([DATA[at : min(at + size, kept)] for at in range(0, kept, size)]))
    assert way.recalled == way.furthest == kept
    sink.kept += DATA[:kept]
    sink.take(way)
    assert sink.kept == DATA
    assert origin.starts in ([kept], [])


@steady
@given(st.binary(min_size=1, max_size=len(DATA)))
def test_a_wrong_beginning_is_found_out_and_begun_anew(kept: bytes) -> None:
    origin, sink = Origin(), Sink()
    way = passage_of(origin)
    way.recall(iter([kept]))
    sink.kept += kept
    outcome = go(origin, sink, way, Attempt(None, 5, 0))
    assert outcome == ("done" if DATA.startswith(kept) else "wrong")
    if outcome == "wrong":
        sink.kept.clear()
        assert go(origin, sink, way, Attempt(None, 5, 0)) == "done"
        assert way.recalled == 0
    assert sink.kept == DATA


def test_more_than_there_can_be_is_no_beginning() -> None:
    with pytest.raises(IntegrityFault):
        passage_of(Origin()).recall(iter([DATA, b"x"]))
