"""A source that is cut goes on where it was, unless it only pretends to get on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mirror.errors import IntegrityFault, Refused, Side, Unreachable
from mirror.events import Event, Waiting, silent
from mirror.oci.descriptor import Descriptor
from mirror.ports import Piece
from mirror.settings import PROGRESS
from mirror.transfer.steady import Steady
from tests.mirror.transfer.memory import Shelf, blob

CONTENT = bytes(range(256)) * (3 * PROGRESS // 256)


def cut() -> Unreachable:
    return Unreachable(Side.SOURCE, "h", "cannot get it", fact="it was cut")


@pytest.fixture
def shelf() -> Shelf:
    found = Shelf(CONTENT)
    found.pieces = PROGRESS // 2
    return found


def taken(shelf: Shelf, start: int = 0) -> bytes:
    with Steady(shelf, silent).read(blob(CONTENT), "h/app", start) as pieces:
        return b"".join(map(bytes, pieces))


def fail(shelf: Shelf, *faults: BaseException) -> None:
    shelf.faults[blob(CONTENT).digest] = list(faults)


@pytest.mark.parametrize("start", [0, 7, PROGRESS])
def test_a_source_that_holds_is_asked_once(shelf: Shelf, start: int) -> None:
    assert taken(shelf, start) == CONTENT[start:]
    assert shelf.starts == [start]


def test_after_a_cut_the_rest_is_asked_for_and_told(shelf: Shelf) -> None:
    told = list[Event]()
    shelf.pieces = PROGRESS
    fail(shelf, cut(), cut())
    with Steady(shelf, told.append).read(blob(CONTENT), "h/app", 7) as pieces:
        assert b"".join(map(bytes, pieces)) == CONTENT[7:]
    assert shelf.starts == [7, 7 + PROGRESS, 7 + 2 * PROGRESS]
    assert [type(event) for event in told] == [Waiting, Waiting]


class Counting(Shelf):
    """Says how many reads are open."""

    open = most = 0

    @contextmanager
    def read(
        self, descriptor: Descriptor, origin: str, start: int = 0
    ) -> Iterator[Iterator[Piece]]:
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            with super().read(descriptor, origin, start) as pieces:
                yield pieces
        finally:
            self.open -= 1


def test_no_more_than_one_connection_is_open_and_none_is_left() -> None:
    shelf = Counting(CONTENT)
    shelf.pieces = PROGRESS
    fail(shelf, cut(), cut())
    assert taken(shelf) == CONTENT
    fail(shelf, cut())
    with Steady(shelf, silent).read(blob(CONTENT), "h/app") as pieces:
        next(pieces)
        next(pieces)
        assert shelf.open == 1
    assert (shelf.open, shelf.most) == (0, 1)


def test_one_that_gets_on_by_less_is_not_asked_again(shelf: Shelf) -> None:
    """Half of PROGRESS came: the attempts are to be counted, and to be waited between."""
    fail(shelf, cut())
    with pytest.raises(Unreachable):
        taken(shelf)
    assert shelf.starts == [0]


@pytest.mark.parametrize(
    "fault",
    [
        Refused(Side.SOURCE, "h", "no"),
        IntegrityFault("wrong", member="m", expected="a", got="b"),
        KeyboardInterrupt(),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_what_will_not_pass_is_not_asked_again(shelf: Shelf, fault: BaseException) -> None:
    shelf.pieces = 2 * PROGRESS
    fail(shelf, fault)
    with pytest.raises(type(fault)):
        taken(shelf)
    assert shelf.starts == [0]
