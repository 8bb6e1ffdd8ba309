"""The bytes of one blob as a sink is given them, without an engine around them.

    sink.write(descriptor, "tkg/app", Given(data))
    sink.write(descriptor, "tkg/app", Given(iter(pieces)))  # to be opened once, from the start

What a sink does with them can be asked afterwards: ``opened`` are the offsets from which it took
them, ``recalled`` is what it had from an earlier run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mirror.ports import Piece

__all__ = ["Given"]

PIECE = 65536


class Given:
    """Content that is just what it was given, right or wrong."""

    def __init__(self, given: bytes | Iterator[Piece]) -> None:
        self._given = given
        self.opened: list[int] = []
        self.recalled = b""

    @contextmanager
    def open(self, start: int) -> Iterator[Iterator[Piece]]:
        self.opened.append(start)
        given = self._given
        if isinstance(given, bytes):
            yield (given[at : at + PIECE] for at in range(start, len(given), PIECE))
        else:
            assert not start, "an iterator has no middle to begin at"
            yield given

    def recall(self, pieces: Iterator[Piece]) -> None:
        self.recalled = b"".join(bytes(piece) for piece in pieces)
