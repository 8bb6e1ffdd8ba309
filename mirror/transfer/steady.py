"""A source that is cut and goes on, without the sink's hearing of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from mirror.errors import RegistryFault
from mirror.events import Listener, Waiting
from mirror.oci.descriptor import Descriptor
from mirror.ports import Piece, Source
from mirror.settings import PROGRESS


@dataclass(frozen=True, slots=True)
class Steady:
    """``source``, asked for the rest of a blob where its connection was cut.

    A file keeps what it has. An upload into another registry ends with the request that it is
    sent by, and Distribution 2.8 and Harbor forget all of it: a source that is cut every 500 MB
    would never get a blob of 2 GB there.
    """

    source: Source
    listener: Listener

    @contextmanager
    def read(
        self, descriptor: Descriptor, origin: str, start: int = 0
    ) -> Iterator[Iterator[Piece]]:
        """The blob's bytes from ``start`` on.

        Raises what the source does where it got on by less than PROGRESS since it was asked:
        then it is time to wait, and to count attempts.
        """
        with ExitStack() as stack:
            pieces = stack.enter_context(self.source.read(descriptor, origin, start))
            yield self._through(stack, pieces, descriptor, origin, start)

    def _through(
        self,
        stack: ExitStack,
        pieces: Iterator[Piece],
        descriptor: Descriptor,
        origin: str,
        position: int,
    ) -> Iterator[Piece]:
        while True:
            asked = position
            try:
                for piece in pieces:
                    position += len(piece)
                    yield piece
            except RegistryFault as fault:
                if not fault.temporary or position < asked + PROGRESS:
                    raise
                self.listener(Waiting(str(fault), 0.0, 1))
            else:
                return
            stack.close()
            pieces = stack.enter_context(self.source.read(descriptor, origin, position))
