"""Images from any source to one project of a registry: look, move, publish, read back."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bom.reference import Reference
from mirror.bundle.contents import Carried
from mirror.errors import Fault
from mirror.events import ImageFailed, Listener, PhaseStarted
from mirror.oci.digest import Digest
from mirror.oci.graph import ImageGraph
from mirror.plan import check_destinations, deliveries
from mirror.ports import Move, Source
from mirror.registry.client import Registry
from mirror.registry.remote import Project
from mirror.report.run import ImageResult, RunReport, ordered, reason_of
from mirror.settings import ASK_FROM, Settings
from mirror.transfer.crew import Crew, Outcome
from mirror.transfer.engine import Engine, Tally
from mirror.transfer.limit import Limit
from mirror.transfer.publish import Place, Publication, Publisher
from mirror.transfer.retry import Retry


@dataclass(frozen=True, slots=True)
class Delivery:
    """Everything that bringing images to a registry needs to know."""

    source: Source
    place: str
    """What faults call the source where an image has no origin."""
    registry: Registry
    project: str
    """The destination's path below its host; empty for the host itself."""
    settings: Settings
    listener: Listener
    overwrite: bool = False
    keep_going: bool = False
    wait: float = 0.0
    """Seconds that the quickest answer of the source took, where that is a registry."""

    def run(self, carried: Iterable[tuple[Carried, str]]) -> RunReport:
        """Bring what the destination lacks; the report tells every image.

        Each image comes with its origin: ``host/repository`` at the source, or nothing where
        that is a bundle. Nothing is visible at the destination before all its bytes are, and
        nothing moves while two images want one place or a tag there names something else.
        """
        began = time.monotonic()
        images = [self._publication(image, origin) for image, origin in carried]
        check_destinations(
            (f"{i.repository}:{i.tag}", i.reference, i.digest) for i in images if i.tag
        )
        surveyed = self._survey(images)
        present = [o.item for o in surveyed if o.result == o.item.digest]
        missing = [o.item for o in surveyed if not o.fault and o.result != o.item.digest]
        moved = self._move(missing, present)
        whole, broken = _sort_out(missing, moved)
        self._tell(broken)
        unknown = [*_unknown(surveyed)]
        published = self._publish(whole, _lost(images, [*unknown, *broken]))
        results = [*unknown, *_present(present), *broken, *_published(published)]
        return self._report(results, present, moved, published, time.monotonic() - began)

    def _tell(self, failed: Iterable[ImageResult]) -> None:
        """Say at once what failed: a later fault may end the run before its result."""
        for image in failed:
            self.listener(ImageFailed(image.reference, image.digest, image.reason))

    def _publication(self, image: Carried, origin: str) -> Publication:
        repository = f"{self.project}/{image.path}" if self.project else image.path
        # The whole name must fit too: 255 characters with the host (distribution-spec).
        Reference.parse(f"{self.registry.host}/{repository}")
        return Publication(
            image.reference, repository, image.tag, image.graph, origin, image.members
        )

    def _survey(self, images: Sequence[Publication]) -> list[Outcome[Publication, Digest | None]]:
        self.listener(PhaseStarted("look up", len(images)))
        publisher = self._publisher()
        found = publisher.survey(images)
        self._tell(_unknown(found))
        publisher.refuse_taken((outcome.item, outcome.result) for outcome in found)
        return found

    def _move(
        self, missing: Sequence[Publication], present: Sequence[Publication]
    ) -> list[Outcome[Move, Tally]]:
        complete = [*_places(present), *self._neighbours(missing)]
        moves = deliveries(_places(missing), complete, _origins(missing))
        total = sum(move.descriptor.size for move in moves)
        self.listener(PhaseStarted("push", len(moves), total))
        ask = len(moves) >= ASK_FROM
        vouched = ask and self.registry.looks_for_blobs(moves[0].targets[0])
        return self._engine(self._crew(), vouched=vouched).run(moves)

    def _neighbours(self, images: Iterable[Publication]) -> Iterable[tuple[str, ImageGraph]]:
        """Where this very registry has images already: their blobs are mounted from there."""
        for image in images:
            host, _, repository = image.origin.partition("/")
            if host == self.registry.host:
                yield repository, image.graph

    def _engine(self, crew: Crew, *, vouched: bool = False) -> Engine:
        limit = Limit(self.settings.limit_rate, crew.stop)
        project, retry = Project(self.registry, vouched=vouched), self._retry(crew)
        return Engine(self.source, project, self.place, crew, retry, self.listener, limit)

    def _publish(
        self, images: Sequence[Publication], lost: Mapping[Place, Fault]
    ) -> list[Outcome[Publication, int]]:
        self.listener(PhaseStarted("publish", len(images)))
        return self._publisher().publish(images, lost)

    def _publisher(self) -> Publisher:
        crew = Crew(self.settings.concurrency, self.keep_going)
        host, overwrite = self.registry.host, self.overwrite
        return Publisher(
            self.registry, crew, self._retry(crew), self.listener, host, overwrite, self._complete
        )

    def _complete(self, image: Publication) -> None:
        """Move once more what the registry lacks of an image, though it said it had it all."""
        crew = Crew(1)
        moves = deliveries([(image.repository, image.graph)], [], _origins([image]))
        self._engine(crew).run(moves)

    def _retry(self, crew: Crew) -> Retry:
        return Retry.of(self.settings, crew, self.listener)

    def _crew(self) -> Crew:
        wait = max(self.wait, self.registry.quickest)
        return Crew.of(self.settings, keep_going=self.keep_going, wait=wait)

    def _report(
        self,
        results: Iterable[ImageResult],
        present: Iterable[Publication],
        moved: Iterable[Outcome[Move, Tally]],
        published: Iterable[Outcome[Publication, int]],
        seconds: float,
    ) -> RunReport:
        tally = sum((o.result for o in moved if o.result), Tally())
        heads = sum(o.result or 0 for o in published)
        there = {blob.digest: blob.size for image in present for blob in image.graph.blobs}
        skipped = tally.skipped + sum(there.values())
        requests = self.registry.requests
        return RunReport(
            ordered(results), tally.moved + heads, skipped, tally.mounted, seconds, requests
        )


def _places(images: Iterable[Publication]) -> Iterable[tuple[str, ImageGraph]]:
    return ((image.repository, image.graph) for image in images)


def _origins(images: Iterable[Publication]) -> dict[Digest, str]:
    """Where to read each blob: at the origin of the first image that has it and has one."""
    found = dict[Digest, str]()
    for image in images:
        if image.origin:
            for blob in image.graph.blobs:
                found.setdefault(blob.digest, image.origin)
    return found


def _sort_out(
    images: Iterable[Publication], moved: Iterable[Outcome[Move, Tally]]
) -> tuple[list[Publication], list[ImageResult]]:
    """Images all of whose blobs are there, and results for the others."""
    failed = {(digest, target): fault for digest, target, fault in _missed(moved)}
    whole, broken = list[Publication](), list[ImageResult]()
    for image in images:
        needed = ((blob.digest, image.repository) for blob in image.graph.blobs)
        fault = next((failed[each] for each in needed if each in failed), None)
        if fault:
            broken.append(_failed(image, fault))
        else:
            whole.append(image)
    return whole, broken


def _lost(images: Iterable[Publication], results: Iterable[ImageResult]) -> dict[Place, Fault]:
    """What will not be at its place, which bundles may need there."""
    faults = {result.reference: result.fault for result in results if result.fault}
    return {i.place: faults[i.reference] for i in images if i.reference in faults}


def _missed(moved: Iterable[Outcome[Move, Tally]]) -> Iterable[tuple[Digest, str, Fault]]:
    """Which blob did not reach which repository, and why."""
    for outcome in moved:
        digest = outcome.item.descriptor.digest
        if outcome.fault:
            yield from ((digest, target, outcome.fault) for target in outcome.item.targets)
        elif outcome.result:
            yield from ((digest, target, fault) for target, fault in outcome.result.missed)


def _unknown(surveyed: Iterable[Outcome[Publication, Digest | None]]) -> Iterable[ImageResult]:
    return (_failed(o.item, o.fault) for o in surveyed if o.fault)


def _present(images: Iterable[Publication]) -> Iterable[ImageResult]:
    return (ImageResult(i.reference, str(i.digest), "present") for i in images)


def _published(outcomes: Iterable[Outcome[Publication, int]]) -> Iterable[ImageResult]:
    for outcome in outcomes:
        if outcome.fault:
            yield _failed(outcome.item, outcome.fault)
        else:
            yield ImageResult(outcome.item.reference, str(outcome.item.digest), "copied")


def _failed(image: Publication, fault: Fault) -> ImageResult:
    return ImageResult(image.reference, str(image.digest), "failed", reason_of(fault), fault)
