"""Checking bytes while they pass, over as many attempts as one blob needs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from mirror.errors import IntegrityFault
from mirror.ports import Move, Piece

# The bytes of one blob from an offset on.
Read = Callable[[int], AbstractContextManager[Iterator[Piece]]]


class Passage:
    """One blob between a source and a sink: the ``Content`` that a sink is given.

    The hash of what passed is kept from one attempt to the next, so that going on where a
    connection was cut costs neither its bytes nor their hash a second time.
    """

    def __init__(self, move: Move, place: str, read: Read, passed: Callable[[int], None]) -> None:
        """``passed`` hears how far the blob has come, in bytes, before each piece goes on.

        It may raise to end the transfer. ``place`` names the source in faults.
        """
        self._descriptor = move.descriptor
        self._member = f"blob {move.descriptor.digest}"
        if move.image:
            self._member += f" of {move.image}"
        self._place = place
        self._read = read
        self._passed = passed
        self._digest = hashlib.sha256()
        self._done = 0
        self.furthest = 0
        """Bytes of the longest beginning that ever passed: whether attempts get on."""
        self.recalled = 0
        """Bytes that a sink had from an earlier run."""

    def recall(self, pieces: Iterator[Piece]) -> None:
        """Hash a beginning that is at the sink already."""
        self._restart()
        for piece in pieces:
            self._take(piece, self._done)
        self.recalled = self.furthest = self._done

    @contextmanager
    def open(self, start: int) -> Iterator[Iterator[Piece]]:
        """The bytes from ``start`` on; IntegrityFault in place of the last ones if they are wrong.

        A receiver that counts bytes so never gets a complete blob that is not what its
        descriptor promises.
        """
        if not start:
            self._restart()
        self._passed(start)
        if start and start == self._descriptor.size:
            # Nothing is left to ask for: registries answer a range at the end as they like.
            self._compare()
            yield iter(())
            return
        with self._read(start) as pieces:
            yield self._checked(pieces, start)

    def _restart(self) -> None:
        self._digest, self._done, self.recalled = hashlib.sha256(), 0, 0

    def _checked(self, pieces: Iterator[Piece], position: int) -> Iterator[Piece]:
        size = self._descriptor.size
        for piece in pieces:
            self._take(piece, position)
            position += len(piece)
            if position == size:
                self._compare()
            self._passed(position)
            yield piece
        if position < size:
            raise self._wrong(f"{size} bytes", f"{position}")
        if not size:
            self._compare()

    def _take(self, piece: Piece, position: int) -> None:
        """Hash what of a piece is new: a sink may have lost some of what it was given."""
        end = position + len(piece)
        if end > self._descriptor.size:
            raise self._wrong(f"{self._descriptor.size} bytes", "more")
        if end > self._done:
            self._digest.update(piece[self._done - position :] if position < self._done else piece)
            self._done = end
            self.furthest = max(self.furthest, end)

    def _compare(self) -> None:
        if self._digest.hexdigest() != self._descriptor.digest.hex:
            raise self._wrong(str(self._descriptor.digest), f"sha256:{self._digest.hexdigest()}")

    def _wrong(self, expected: str, got: str) -> IntegrityFault:
        return IntegrityFault(
            "a blob is not what its manifest promises",
            member=self._member,
            expected=expected,
            got=got,
            place=self._place,
        )
