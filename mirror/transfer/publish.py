"""Manifests and tags: what makes images visible, in an order that never shows half of one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from mirror.errors import Incomplete, IntegrityFault, Misbehaved, NotFound, TagTaken
from mirror.events import ItemEnded, ItemStarted, Listener
from mirror.oci.digest import Digest
from mirror.oci.graph import ImageGraph
from mirror.oci.manifest import Manifest
from mirror.ports import Library
from mirror.transfer.crew import Crew, Outcome
from mirror.transfer.listing import Listing
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
    host: str = ""
    """Of the registry, for faults."""
    overwrite: bool = False
    """Replace tags that name other images."""
    complete: Callable[[Publication], None] | None = None
    """Brings the blobs that a registry turns out to lack."""
    listing: Listing = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "listing", Listing(self.library, self.retry, self.host))

    def survey(self, images: Sequence[Publication]) -> list[Outcome[Publication, Digest | None]]:
        """What each image's tag points at now; one request an image.

        A referrer that is not listed as one counts as missing: nobody would find it.
        """
        return self.crew.run(images, self._current)

    def publish(self, images: Sequence[Publication]) -> list[Outcome[Publication, int]]:
        """Put the manifests of each image, children first and its tag last, then read it back.

        The results are bytes sent. All blobs must be there: a registry refuses a manifest
        whose children it lacks, and a tag must never name an image that is not whole. What
        refers to others comes last: a list of referrers that is carried itself, by its tag, is
        there before it would be made anew.
        """
        referring = [image for image in images if image.graph.root.subject]
        first = [image for image in images if not image.graph.root.subject]
        run = self.crew.run
        return [*run(first, self._publish), *run(referring, self._publish)]

    def _current(self, image: Publication) -> Digest | None:
        now = self.retry(partial(self.library.tagged, image.repository, str(image.name)))
        return now if now != image.digest or self._is_listed(image) else None

    def _is_listed(self, image: Publication) -> bool:
        """True for what refers to nothing too: it needs no list."""
        root = image.graph.root
        return not root.subject or self.listing.has(image.repository, root.subject.digest, root)

    def _publish(self, image: Publication) -> int:
        self.listener(ItemStarted(image.reference, image.reference))
        try:
            sent = self._put(image)
        except BaseException:
            self.listener(ItemEnded(image.reference, image.reference, "failed"))
            raise
        self.listener(ItemEnded(image.reference, image.reference, "done"))
        return sent

    def _put(self, image: Publication) -> int:
        *children, root = image.graph.manifests
        for child in children:
            self._store(image, child.digest, child)
            self._read_back(image.repository, child.digest, child.digest)
        # Asked again: an upload can take hours, in which somebody else may have pushed. By GET,
        # since a HEAD that wrongly says 404 would let an image be replaced.
        now = self.retry(partial(_held, self.library, image.repository, image.name))
        self.refuse_taken([(image, now)])
        noted: Digest | None = None
        if now != image.digest:
            noted = self._store(image, image.name, root)
        elif not self._is_listed(image):
            # A registry with a list of its own may have lost sight of it: it is told once more.
            noted = self._store(image, image.digest, root)
        self._read_back(image.repository, image.name, image.digest)
        if root.subject and noted != root.subject.digest:
            self.listing.add(image.repository, root.subject.digest, root)
        return sum(len(manifest.raw) for manifest in image.graph.manifests)

    def _store(self, image: Publication, name: str | Digest, manifest: Manifest) -> Digest | None:
        """Put a manifest; where the registry lacks what it names, bring that, once.

        Returns the subject that the registry took note of.
        """
        put = _Put(self.library, image.repository, name, manifest)
        try:
            return self.retry(put)
        except Incomplete:
            if self.complete is None:
                raise
            self.complete(image)
            return self.retry(put)

    def _read_back(self, repository: str, name: str | Digest, promised: Digest) -> None:
        """A registry's 201 is not yet proof: ask for the bytes under the name and hash them."""
        try:
            found = self.retry(partial(self.library.manifest, repository, name))
        except NotFound as fault:
            fact = f"{fault.fact}, and a moment ago it said that it has it"
            raise Misbehaved(fault.side, fault.host, fault.what, fact=fact) from fault
        if found.digest != promised:
            raise IntegrityFault(
                "the registry gives back another image than was pushed",
                member=f"{repository}:{name}",
                expected=str(promised),
                got=str(found.digest),
                hint="ask the registry's operator; do not use this image",
            )

    def refuse_taken(self, found: Iterable[tuple[Publication, Digest | None]]) -> None:
        """Raise TagTaken, naming every tag that points at another image than ours."""
        taken = [
            (f"{image.repository}:{image.name}", str(now), str(image.digest))
            for image, now in found
            if now and now != image.digest
        ]
        if taken and not self.overwrite:
            raise TagTaken(self.host, taken)


def _held(library: Library, repository: str, name: str | Digest) -> Digest | None:
    """What a name stands for, by the bytes under it; None where there is none."""
    try:
        return library.manifest(repository, name).digest
    except NotFound:
        return None


@dataclass(slots=True)
class _Put:
    """Puts one manifest. From the second attempt on it looks first whether it is there.

    The answer to the first one may have been lost, and an immutable tag refuses even the same
    manifest again (Harbor: 412).
    """

    library: Library
    repository: str
    name: str | Digest
    manifest: Manifest
    tried: bool = False

    def __call__(self) -> Digest | None:
        """The subject that the registry took note of; None where the answer was lost."""
        if self.tried and _held(self.library, self.repository, self.name) == self.manifest.digest:
            return None
        self.tried = True
        return self.library.put_manifest(self.repository, self.name, self.manifest)
