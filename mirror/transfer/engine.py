"""The engine: every blob from a source to each place that must have it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from mirror.errors import Fault, RegistryFault, Side
from mirror.events import Advanced, ItemEnded, ItemStarted, Listener
from mirror.oci.descriptor import Descriptor
from mirror.ports import Move, Sink, Source
from mirror.transfer.crew import Crew, Outcome
from mirror.transfer.retry import Retry
from mirror.transfer.schedule import largest_first
from mirror.transfer.verify import verified


@dataclass(frozen=True, slots=True)
class Tally:
    """Bytes that were sent, that were there already, that the registry took over itself."""

    moved: int = 0
    skipped: int = 0
    mounted: int = 0
    missed: tuple[tuple[str, Fault], ...] = ()
    """Targets of a blob that did not get it while others did, and why."""

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.moved + other.moved,
            self.skipped + other.skipped,
            self.mounted + other.mounted,
            self.missed + other.missed,
        )


@dataclass(frozen=True, slots=True)
class Engine:
    """Moves blobs from ``source`` to ``sink`` with a crew; ``place`` names the source in faults."""

    source: Source
    sink: Sink
    place: str
    crew: Crew
    retry: Retry
    listener: Listener

    def run(self, moves: Iterable[Move]) -> list[Outcome[Move, Tally]]:
        """Move all of them, the largest first; faults as ``Crew.run`` says."""
        return self.crew.run(largest_first(moves), self._move)

    def _move(self, move: Move) -> Tally:
        digest, size = str(move.descriptor.digest), move.descriptor.size
        # A person knows images, not digests: the first repository that has the blob.
        label = (move.origin.partition("/")[2] or move.targets[0]) + "@" + digest[:15]
        self.listener(ItemStarted(digest, label, size))
        try:
            tally = self._spread(move)
        except BaseException:
            self.listener(ItemEnded(digest, label, "failed", size))
            raise
        self.listener(ItemEnded(digest, label, _word(tally), size))
        return tally

    def _spread(self, move: Move) -> Tally:
        """Bring the blob to every target; a refusal by one of them need not be the others' end."""
        tally, holders = Tally(), list(move.held_by)
        for target in move.targets:
            try:
                tally += self.retry(partial(self._place, move, target, holders))
                holders.insert(0, target)
            except RegistryFault as fault:
                tally += Tally(missed=((target, fault),))
                alone = self.crew.keep_going and fault.side is Side.DESTINATION
                if not alone or len(tally.missed) == len(move.targets):
                    raise
        return tally

    def _place(self, move: Move, target: str, holders: list[str]) -> Tally:
        """Bring the blob to one target: mount where another place has it, else look, else send."""
        descriptor = move.descriptor
        if holders and self.sink.mount(descriptor, target, holders[0]):
            return Tally(mounted=descriptor.size)
        if self.sink.holds(descriptor, target):
            return Tally(skipped=descriptor.size)
        self._send(descriptor, move.origin, target)
        return Tally(moved=descriptor.size)

    def _send(self, descriptor: Descriptor, origin: str, target: str) -> None:
        key, gone = str(descriptor.digest), 0

        def passed(count: int) -> None:
            nonlocal gone
            self.crew.check()
            gone += count
            self.listener(Advanced(key, count))

        try:
            with self.source.read(descriptor, origin) as pieces:
                checked = verified(pieces, descriptor, origin or self.place, passed)
                self.sink.write(descriptor, target, checked)
        except BaseException:
            self.listener(Advanced(key, -gone))
            raise


def _word(tally: Tally) -> str:
    if tally.missed:
        return "failed"
    if tally.moved:
        return "moved"
    return "mounted" if tally.mounted else "present"
