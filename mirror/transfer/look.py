"""Looking into small blobs: each is fetched once, checked like any other, and not kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from mirror.errors import Fault
from mirror.events import Listener, PhaseStarted
from mirror.oci.descriptor import Descriptor
from mirror.oci.digest import Digest
from mirror.ports import Content, Move, Source
from mirror.settings import LOOKS_AT_A_TIME, MAX_SMALL_JSON
from mirror.transfer.crew import Crew
from mirror.transfer.engine import Engine
from mirror.transfer.retry import Retry

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Looks(Generic[Result]):
    """What some blobs hold, by digest: the sink of an engine that keeps only what was seen.

    ``look`` is given a blob's bytes as they come. It need not take all of them, and it must not
    raise: its result counts only where the whole blob turns out to be what its digest promises.
    """

    phase: str
    look: Callable[[Iterator[bytes]], Result]
    source: Source
    crew: Crew
    retry: Retry
    listener: Listener
    found: dict[Digest, Result | Fault] = field(default_factory=dict)

    def into(self, moves: Iterable[Move]) -> None:
        """Look into all of these that were not looked into before."""
        new = {m.descriptor.digest: m for m in moves if m.descriptor.digest not in self.found}
        if not new:
            return
        size = sum(move.descriptor.size for move in new.values())
        self.listener(PhaseStarted(self.phase, len(new), size))
        small = [move for move in new.values() if move.descriptor.size <= MAX_SMALL_JSON]
        large = [move for move in new.values() if move.descriptor.size > MAX_SMALL_JSON]
        for crew, moves in ((self.crew, small), (self.crew.of_few(LOOKS_AT_A_TIME), large)):
            engine = Engine(self.source, self, "the source", crew, self.retry, self.listener)
            for outcome in engine.run(moves):
                if outcome.fault:
                    self.found[outcome.item.descriptor.digest] = outcome.fault

    def holds(self, descriptor: Descriptor, target: str) -> bool:
        """No: what was seen is not asked for."""
        return False

    def mount(self, descriptor: Descriptor, target: str, holder: str) -> bool:
        """No: there is one place."""
        return False

    def write(self, descriptor: Descriptor, target: str, content: Content) -> None:
        """Look, and take what was not looked at as well: wrong bytes show at the last one."""
        with content.open(0) as pieces:
            found = self.look(bytes(piece) for piece in pieces)
            for _rest in pieces:
                pass
        self.found[descriptor.digest] = found
