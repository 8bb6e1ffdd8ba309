"""Manifests and tags: what makes images visible, in an order that never shows half of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from mirror.errors import IntegrityFault, TagTaken
from mirror.events import ItemEnded, ItemStarted, Listener
from mirror.oci.digest import Digest
from mirror.oci.graph import ImageGraph
from mirror.ports import Library
from mirror.transfer.crew import Crew, Outcome
from mirror.transfer.retry import Retry


@dataclass(frozen=True, slots=True, eq=False)
class Publication:
    """One image and where it is to appear."""

    reference: str
    """Where it came from, for reports."""
    repository: str
    tag: str | None
    """None: it is there by digest only."""
    graph: ImageGraph

    @property
    def digest(self) -> Digest:
        """Of its manifest or index."""
        return self.graph.root.digest

    @property
    def name(self) -> str | Digest:
        """By what it is asked for."""
        return self.tag or self.digest


@dataclass(frozen=True, slots=True)
class Publisher:
    """Looks up and publishes images at one registry."""

    library: Library
    crew: Crew
    retry: Retry
    listener: Listener

    def survey(self, images: Sequence[Publication]) -> list[Outcome[Publication, Digest | None]]:
        """What each image's tag points at now; one request an image."""
        return self.crew.run(images, self._current)

    def publish(self, images: Sequence[Publication]) -> list[Outcome[Publication, int]]:
        """Put the manifests of each image, children first and its tag last, then read it back.

        The results are bytes sent. All blobs must be there: a registry refuses a manifest
        whose children it lacks, and a tag must never name an image that is not whole.
        """
        return self.crew.run(images, self._publish)

    def _current(self, image: Publication) -> Digest | None:
        return self.retry(partial(self.library.tagged, image.repository, str(image.name)))

    def _publish(self, image: Publication) -> int:
        self.listener(ItemStarted(image.reference, image.reference))
        try:
            sent = self._put(image)
            self._read_back(image)
        except BaseException:
            self.listener(ItemEnded(image.reference, image.reference, "failed"))
            raise
        self.listener(ItemEnded(image.reference, image.reference, "done"))
        return sent

    def _put(self, image: Publication) -> int:
        *children, root = image.graph.manifests
        for name, manifest in [*((child.digest, child) for child in children), (image.name, root)]:
            self.retry(partial(self.library.put_manifest, image.repository, name, manifest))
        return sum(len(manifest.raw) for manifest in image.graph.manifests)

    def _read_back(self, image: Publication) -> None:
        """A registry's 201 is not yet proof: ask for the bytes under the tag and hash them."""
        found = self.retry(partial(self.library.manifest, image.repository, image.name))
        if found.digest != image.digest:
            raise IntegrityFault(
                "the registry gives back another image than was pushed",
                member=f"{image.repository}:{image.name}",
                expected=str(image.digest),
                got=str(found.digest),
            )


def refuse_taken(host: str, found: Iterable[Outcome[Publication, Digest | None]]) -> None:
    """Raise TagTaken, naming every tag that points at another image than ours."""
    taken = [
        (f"{each.item.repository}:{each.item.name}", str(each.result), str(each.item.digest))
        for each in found
        if each.result and each.result != each.item.digest
    ]
    if taken:
        raise TagTaken(host, taken)
