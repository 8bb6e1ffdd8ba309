"""Checking bytes while they pass, over as many attempts as one blob needs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from mirror.errors import IntegrityFault
from mirror.ports import Move, Piece
from mirror.settings import STATE_EVERY

# The bytes of one blob from an offset on.
Read = Callable[[int], AbstractContextManager[Iterator[Piece]]]


class Passage:
    """One blob between a source and a sink: the ``Content`` that a sink is given.

    The hash of what passed is kept from one attempt to the next, so that going on where a
    connection was cut costs neither its bytes nor their hash a second time. Where the sink has
    lost some, what it is given in their place is hashed too: a source may send other bytes than
    the first time.
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
        self._states: list[tuple[int, hashlib._Hash]] = []
        """The hash of every STATE_EVERY bytes or so, to go back to."""
        self._expected: list[tuple[int, bytes]] = []
        """What the hash was at places that are read once more, the nearest last."""
        self.furthest = 0
        """Bytes of the longest beginning that ever passed: whether attempts get on."""
        self.recalled = 0
        """Bytes that a sink had from an earlier run."""

    def recall(self, pieces: Iterator[Piece]) -> None:
        """Hash a beginning that is at the sink already."""
        self._restart()
        for piece in pieces:
            self._take(piece)
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
        if start and start == self._done == self._descriptor.size:
            # Nothing is left to ask for: registries answer a range at the end as they like.
            self._compare()
            yield iter(())
            return
        begin = self._back_to(start)
        with self._read(begin) as pieces:
            yield self._checked(pieces, start)

    def _restart(self) -> None:
        self._digest, self._done, self.recalled = hashlib.sha256(), 0, 0
        self._states, self._expected = [], []

    def _back_to(self, start: int) -> int:
        """Where to read from, at ``start`` or before it, so that the hash has all that goes out."""
        reached = self._expected[0][0] if self._expected else self._done
        if start > reached:
            raise self._wrong(f"to go on at {reached} or before", f"{start}")
        if start < self._done:
            self._expected.append((self._done, self._digest.digest()))
            self._states = [state for state in self._states if state[0] <= start]
            self._done, state = self._states[-1] if self._states else (0, hashlib.sha256())
            self._digest = state.copy()
        return self._done

    def _checked(self, pieces: Iterator[Piece], start: int) -> Iterator[Piece]:
        size = self._descriptor.size
        for piece in pieces:
            self._take(piece)
            if self._done == size:
                self._compare()
            self._passed(max(self._done, start))
            if self._done > start:
                yield piece[max(0, start - (self._done - len(piece))) :]
        if self._done < size:
            raise self._wrong(f"{size} bytes", f"{self._done}")
        if not size:
            self._compare()

    def _take(self, piece: Piece) -> None:
        """Hash a piece, and compare where an attempt before this one has been."""
        end = self._done + len(piece)
        if end > self._descriptor.size:
            raise self._wrong(f"{self._descriptor.size} bytes", "more")
        while self._expected and self._expected[-1][0] <= end:
            place, expected = self._expected.pop()
            left = piece[place - self._done :]
            self._hash(piece[: place - self._done])
            piece = left
            if self._digest.digest() != expected:
                self._restart()
                raise self._wrong("the bytes that came before", "others")
        self._hash(piece)

    def _hash(self, piece: Piece) -> None:
        self._digest.update(piece)
        self._done += len(piece)
        self.furthest = max(self.furthest, self._done)
        if self._done >= STATE_EVERY + (self._states[-1][0] if self._states else 0):
            self._states.append((self._done, self._digest.copy()))

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
