"""Blobs that are looked into: nothing is believed of one that turns out to be another."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mirror.errors import IntegrityFault, Side, Unreachable
from mirror.events import Event, PhaseStarted
from mirror.oci.descriptor import Descriptor
from mirror.oci.digest import Digest
from mirror.ports import Move
from mirror.transfer.crew import Crew
from mirror.transfer.look import Looks
from mirror.transfer.retry import Retry

PIECES = (b"one ", b"two ", b"three")
WHOLE = b"".join(PIECES)


class Shelf:
    """A source of one blob, in pieces; each time it is asked, the next of the given answers."""

    def __init__(self, *answers: tuple[bytes, ...] | Unreachable) -> None:
        self.answers = [*answers]
        self.asked = 0

    @contextmanager
    def read(
        self, descriptor: Descriptor, origin: str, start: int = 0
    ) -> Iterator[Iterator[bytes]]:
        assert (origin, start) == ("host/repository", 0)
        self.asked += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Unreachable):
            raise answer
        yield iter(answer)


def move(content: bytes = WHOLE) -> Move:
    return Move(Descriptor("x", Digest.of(content), len(content)), "host/repository", ("",))


def looking(source: Shelf, told: list[Event] | None = None, *, pieces: int = 9) -> Looks[bytes]:
    """Sees the first so many pieces."""

    def look(given: Iterator[bytes]) -> bytes:
        return b"".join(piece for piece, _ in zip(given, range(pieces), strict=False))

    listener = ([] if told is None else told).append
    crew = Crew(2, keep_going=True)
    return Looks("look", look, source, crew, Retry(1, crew, listener, 0.0), listener)


def test_a_blob_is_asked_for_once() -> None:
    source, told = Shelf(PIECES), list[Event]()
    looks = looking(source, told)
    looks.into([move(), move()])
    looks.into([move()])
    assert looks.found == {Digest.of(WHOLE): WHOLE}
    assert source.asked == 1
    assert [e for e in told if isinstance(e, PhaseStarted)] == [PhaseStarted("look", 1, 13)]


def test_it_need_not_be_looked_at_to_its_end() -> None:
    looks = looking(Shelf(PIECES), pieces=1)
    looks.into([move()])
    assert looks.found[Digest.of(WHOLE)] in (b"one ", b"one two ")


@pytest.mark.parametrize("pieces", [0, 1, 2, 9])
def test_wrong_bytes_count_even_where_nobody_looked(pieces: int) -> None:
    wrong = (b"one ", b"two ", b"forty")
    looks = looking(Shelf(wrong, wrong), pieces=pieces)
    looks.into([move()])
    assert isinstance(looks.found[Digest.of(WHOLE)], IntegrityFault)


def test_wrong_bytes_are_asked_for_once_more_from_the_start() -> None:
    source = Shelf((b"one ", b"two ", b"forty"), PIECES)
    looks = looking(source)
    looks.into([move()])
    assert looks.found == {Digest.of(WHOLE): WHOLE}


def test_what_may_pass_is_asked_for_again_and_what_stays_is_the_fault() -> None:
    later = Unreachable(Side.SOURCE, "host", "later", retry_after=0.0)
    looks = looking(Shelf(later, PIECES))
    looks.into([move()])
    assert looks.found == {Digest.of(WHOLE): WHOLE}
    looks = looking(Shelf(later, later))
    looks.into([move()])
    assert looks.found == {Digest.of(WHOLE): later}
