"""Many questions to one registry, as a stranger: some at a time, again where that may help."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TypeVar

from mirror.errors import IntegrityFault, RegistryFault
from mirror.events import ItemEnded, PhaseStarted
from mirror.oci.descriptor import Descriptor
from mirror.oci.graph import Budget
from mirror.oci.manifest import Manifest
from mirror.ports import Move, Piece
from mirror.preflight.endurance import Endurance
from mirror.preflight.scene import Scene
from mirror.preflight.sought import Blob, Gap, Kind, Name, gap_of
from mirror.registry.client import Registry
from mirror.registry.probe import strangers
from mirror.settings import IMAGES_AT_A_TIME
from mirror.transfer.crew import Crew
from mirror.transfer.engine import Engine
from mirror.transfer.limit import Limit
from mirror.transfer.retry import Retry
from mirror.verify import Nothing

Item = TypeVar("Item", Name, Blob)
Answer = TypeVar("Answer")


class Asker:
    """The registry of a scene as a source of manifests and blobs; a fault is an answer too."""

    def __init__(self, scene: Scene) -> None:
        given = scene.question.access.settings
        settings = given._replace(concurrency=min(given.concurrency, IMAGES_AT_A_TIME))
        access = replace(strangers(scene.question.access), settings=settings, reading=True)
        self.host = scene.target.authority
        self.listener = scene.listener
        self.crew = Crew(settings.concurrency, keep_going=True)
        self.retry = Retry.of(settings, self.crew, scene.listener)
        self._registry = scene.opened(Registry(self.host, access))
        self._endurance = Endurance.of(settings)
        self._limit = Limit(settings.limit_rate, self.crew.stop)
        self._budget = Budget()

    def manifests(self, phase: str, names: Collection[Name]) -> dict[Name, Manifest | Gap]:
        """What is under each name; what was asked for by digest has that digest."""
        return self._each(phase, names, self._manifest)

    def lengths(self, blobs: Collection[Blob]) -> dict[Blob, Gap | None]:
        """Which blobs are there with the length that they should have, by the registry's word."""
        return self._each("ask for blobs", blobs, self._length)

    def contents(self, blobs: Collection[Blob]) -> dict[Blob, Gap | None]:
        """The same by reading: every byte passes, is hashed and forgotten.

        What lies in several repositories is read once; of the others a GET is begun.
        """
        first = {blob.descriptor: blob for blob in reversed([*blobs])}
        moves = [
            Move(blob.descriptor, f"{self.host}/{blob.repository}", ("",))
            for blob in first.values()
        ]
        self.listener(PhaseStarted("read blobs", len(moves), sum(each.size for each in first)))
        crew, retry = self.crew, self.retry
        engine = Engine(self, Nothing(), self.host, crew, retry, self.listener, self._limit)
        read: dict[Blob, Gap | None] = {
            first[done.item.descriptor]: gap_of(done.fault) if done.fault else None
            for done in engine.run(moves)
        }
        others = [blob for blob in blobs if blob not in read]
        return read | (self._each("ask for the others", others, self._given) if others else {})

    @contextmanager
    def read(
        self, descriptor: Descriptor, origin: str, start: int = 0
    ) -> Iterator[Iterator[Piece]]:
        """A blob of ``origin``, which is ``host/repository``: what an engine asks for."""
        repository = origin.partition("/")[2]
        with (
            self._endurance.asking(),
            self._registry.blob(repository, descriptor, start) as pieces,
        ):
            yield self._counted(pieces)

    def _counted(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        for piece in pieces:
            self._endurance.got_on()
            yield piece

    def _manifest(self, name: Name) -> Manifest | Gap:
        found = self._asked(partial(self._registry.manifest, name.repository, name.name))
        try:
            return self._budget.take(found)
        except ValueError as cause:
            return Gap(Kind.BROKEN, str(cause))

    def _length(self, blob: Blob) -> Gap | None:
        asked = partial(self._registry.blob_length, blob.repository, blob.descriptor)
        length = self._asked(asked)
        if length is None:
            return Gap(Kind.MISSING, "not there")
        right = length in ("", str(blob.size))
        return None if right else Gap(Kind.WRONG, f"{length} bytes there, not {blob.size}")

    def _given(self, blob: Blob) -> Gap | None:
        """A registry knows for each repository what it has: a HEAD may be yes, and a GET no."""
        asked = partial(self._registry.gives_blob, blob.repository, blob.descriptor)
        return None if self._asked(asked) else Gap(Kind.MISSING, "not there for a GET")

    def _asked(self, ask: Callable[[], Answer]) -> Answer:
        def attempt() -> Answer:
            with self._endurance.asking():
                return ask()

        return self.retry(attempt)

    def _each(
        self, phase: str, items: Collection[Item], act: Callable[[Item], Answer | Gap]
    ) -> dict[Item, Answer | Gap]:
        """Ask for all of them; what a registry does wrong is an answer like any other."""

        def told(item: Item) -> Answer | Gap:
            try:
                answer = act(item)
            except (RegistryFault, IntegrityFault) as fault:
                answer = gap_of(fault)
            ended = "failed" if isinstance(answer, Gap) else "done"
            self.listener(ItemEnded(str(item), str(item), ended))
            return answer

        self.listener(PhaseStarted(phase, len(items)))
        outcomes = self.crew.run(items, told)
        return {outcome.item: outcome.result for outcome in outcomes}  # type: ignore[misc]
