"""The engine: every blob from a source to each place that must have it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from mirror.errors import Fault, Full, IntegrityFault, RegistryFault, Side
from mirror.events import Advanced, ItemEnded, ItemStarted, Listener, Waiting
from mirror.ports import Move, Piece, Sink, Source
from mirror.transfer.crew import Crew, Outcome, Stopped
from mirror.transfer.limit import Limit
from mirror.transfer.passage import Passage
from mirror.transfer.retry import Retry
from mirror.transfer.schedule import largest_first


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
    limit: Limit | None = None

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
        """Bring the blob to every target; a refusal by one of them need not be the others' end.

        A registry without room is: it has none for whatever comes next either.
        """
        tally, holders = Tally(), list(move.held_by)
        for target in move.targets:
            try:
                tally += self._bring(move, target, holders)
                holders.insert(0, target)
            except RegistryFault as fault:
                tally += Tally(missed=((target, fault),))
                alone = fault.side is Side.DESTINATION and not isinstance(fault, Full)
                if not (self.crew.keep_going and alone) or len(tally.missed) == len(move.targets):
                    raise
        return tally

    def _bring(self, move: Move, target: str, holders: list[str]) -> Tally:
        """Bring the blob to one target, in as many attempts as are allowed.

        Wrong bytes from a registry are asked for once more, from the first one: a cache on the
        way may have been ill. Those of a file do not get better.
        """
        progress = _Progress(self.crew, self.listener, str(move.descriptor.digest))
        passage = Passage(move, move.origin or self.place, partial(self._read, move), progress)
        attempt = partial(self._place, move, target, holders, passage)
        try:
            try:
                return self.retry(attempt, lambda: passage.furthest)
            except IntegrityFault as fault:
                if not move.origin:
                    raise
                self.listener(Waiting(str(fault), 0.0, 1))
                return self.retry(attempt)
        except Stopped:
            # What is at its place is kept for the next run, as far as the sink can.
            raise
        except BaseException:
            progress.undo()
            raise

    def _place(self, move: Move, target: str, holders: list[str], passage: Passage) -> Tally:
        """Bring the blob to one target: mount where another place has it, else look, else send."""
        descriptor = move.descriptor
        if holders and self.sink.mount(descriptor, target, holders[0]):
            return Tally(mounted=descriptor.size)
        if self.sink.holds(descriptor, target):
            return Tally(skipped=descriptor.size)
        self.sink.write(descriptor, target, passage)
        return Tally(moved=descriptor.size - passage.recalled, skipped=passage.recalled)

    @contextmanager
    def _read(self, move: Move, start: int) -> Iterator[Iterator[Piece]]:
        with self.source.read(move.descriptor, move.origin, start) as pieces:
            yield self.limit.through(pieces) if self.limit else pieces


@dataclass(slots=True)
class _Progress:
    """Tells the listener how far one blob is, and asks whether the run goes on."""

    crew: Crew
    listener: Listener
    key: str
    shown: int = 0

    def __call__(self, position: int) -> None:
        self.crew.check()
        self._show(position)

    def undo(self) -> None:
        """All that was shown was in vain."""
        self._show(0)

    def _show(self, position: int) -> None:
        if position != self.shown:
            self.crew.moved(position - self.shown)
            self.listener(Advanced(self.key, position - self.shown))
            self.shown = position


def _word(tally: Tally) -> str:
    if tally.missed:
        return "failed"
    if tally.moved:
        return "moved"
    return "mounted" if tally.mounted else "present"
