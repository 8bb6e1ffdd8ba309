"""Manifests and tags: what makes images visible, in an order that never shows half of one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from mirror.errors import (
    Fault,
    Incomplete,
    IntegrityFault,
    Misbehaved,
    NotFound,
    RegistryFault,
    TagTaken,
)
from mirror.events import ItemEnded, ItemStarted, Listener
from mirror.oci.digest import Digest
from mirror.oci.graph import ImageGraph
from mirror.oci.manifest import Manifest
from mirror.ports import Library
from mirror.settings import MAX_COMPANION_ROUNDS
from mirror.transfer.crew import Crew, Outcome
from mirror.transfer.listing import Listing
from mirror.transfer.retry import Retry

# A repository and the digest of an image in it.
Place = tuple[str, Digest]


@dataclass(frozen=True, slots=True, eq=False)
class Publication:
    """One image and where it is to appear."""

    reference: str
    """Where it came from, for reports."""
    repository: str
    tag: str | None
    """None: it is there by digest only."""
    graph: ImageGraph
    origin: str = ""
    """``host/repository`` where it is read; empty where that is a bundle."""
    members: tuple[Digest, ...] = ()
    """Of an imgpkg bundle: what must be in its repository before it is seen there."""

    @property
    def digest(self) -> Digest:
        """Of its manifest or index."""
        return self.graph.root.digest

    @property
    def place(self) -> Place:
        """What a bundle in the same repository may wait for."""
        return self.repository, self.digest

    @property
    def needs(self) -> Iterator[Place]:
        """What must be there before."""
        return ((self.repository, digest) for digest in self.members)

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
        """What each image's tag points at now, None where it has to be brought.

        One request an image, and one for each foreign layer that is carried.
        A referrer that is not listed as one counts as missing: nobody would find it.
        """
        return self.crew.run(images, self._look_up)

    def publish(
        self, images: Sequence[Publication], lost: Mapping[Place, Fault] | None = None
    ) -> list[Outcome[Publication, int]]:
        """Put the manifests of each image, children first and its tag last, then read it back.

        The results are bytes sent. All blobs must be there: a registry refuses a manifest
        whose children it lacks, and a tag must never name an image that is not whole. Bundles
        come after all their members, and not at all where one fails or is ``lost`` already; what
        refers to others comes last, with the bundles that need it: a list of referrers that is
        carried itself, by its tag, is there before it would be made anew.
        """
        late = _late(images)
        first, last = [i for i in images if i not in late], [i for i in images if i in late]
        faults, outcomes = dict(lost or {}), list[Outcome[Publication, int]]()
        for wave in (*waves(first), *waves(last)):
            whole = [image for image in wave if not _lacking(image, faults)]
            done = self.crew.run(whole, self._publish)
            for image in wave:
                if fault := _lacking(image, faults):
                    self.listener(ItemEnded(image.reference, image.reference, "failed"))
                    done.append(Outcome(image, fault=fault))
            faults.update((outcome.item.place, outcome.fault) for outcome in done if outcome.fault)
            outcomes += done
        return outcomes

    def _look_up(self, image: Publication) -> Digest | None:
        try:
            now = self._current(image)
        except Fault:
            self.listener(ItemEnded(image.reference, image.reference, "failed"))
            raise
        self.listener(ItemEnded(image.reference, image.reference, "done"))
        return now

    def _current(self, image: Publication) -> Digest | None:
        now = self.retry(partial(self.library.tagged, image.repository, str(image.name)))
        if now != image.digest:
            return now
        whole = not self._lacks_foreign(image) and not self._lacks_below(image)
        return now if whole and self._is_listed(image) else None

    def _lacks_below(self, image: Publication) -> bool:
        """True where something below a tag is missing; looked for where tags may be replaced.

        An index may have been pushed sparse before, and a registry may have lost a layer or
        cleaned it up. One request for each of them would be ten times as many as a push that
        finds everything there needs.
        """
        if not self.overwrite:
            return False
        *children, _root = image.graph.manifests
        there = partial(self.library.tagged, image.repository)
        if any(self.retry(partial(there, str(child.digest))) is None for child in children):
            return True
        has, blobs = partial(self.library.has_blob, image.repository), set(image.graph.blobs)
        return not all(self.retry(partial(has, blob)) for blob in blobs)

    def _lacks_foreign(self, image: Publication) -> bool:
        """True where the image is there without a foreign layer that is carried now.

        Registries take it so: the run before may have left them out. Of whatever else an image
        has, none can be missing where its tag is visible.
        """
        graph, there = image.graph, partial(self.library.has_blob, image.repository)
        layers = {blob.digest: blob for blob in graph.blobs if blob.digest in graph.carried}
        return not all(self.retry(partial(there, layer)) for layer in layers.values())

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
            try:
                return self.retry(put)
            except Incomplete:
                if self.complete is None or image.graph.missing(manifest):
                    raise
                self.complete(image)
                return self.retry(put)
        except (Misbehaved, NotFound) as fault:
            _explain(fault, image.graph, manifest)
            raise

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


def waves(images: Iterable[Publication]) -> Iterator[list[Publication]]:
    """All of them, in such an order that members come in earlier waves than their bundles.

    Only what is forged can be nested deeper than what is followed, or name itself by way of
    others; a last wave has all that is left then. Waves may be empty.
    """
    left = list(images)
    for _ in range(MAX_COMPANION_ROUNDS):
        waiting = {image.place for image in left}
        yield [image for image in left if waiting.isdisjoint(image.needs)]
        left = [image for image in left if not waiting.isdisjoint(image.needs)]
    yield left


def _late(images: Collection[Publication]) -> set[Publication]:
    """What refers to others, the bundles that have such a member, and those that hold these."""
    found = {image for image in images if image.graph.root.subject}
    for _ in range(MAX_COMPANION_ROUNDS):
        places = {image.place for image in found}
        found.update(image for image in images if not places.isdisjoint(image.needs))
    return found


def _lacking(image: Publication, faults: Mapping[Place, Fault]) -> Fault | None:
    """Why a member of this bundle is not there."""
    return next((faults[place] for place in image.needs if place in faults), None)


def _explain(fault: RegistryFault, graph: ImageGraph, manifest: Manifest) -> None:
    """Say why a manifest was refused, where that is what was left out of its image.

    Registries have several answers to it: 400 (Distribution, for a child that is not there), 404
    (ggcr's), 500 (Distribution 2.8, for a foreign layer).
    """
    if missing := graph.missing(manifest):
        lists = f"the index lists {len(manifest.children)} images, not carried: {len(missing)}"
        fault.fact, fault.hint = f"{fault.fact}; {lists} (it is sparse for --platform)", _SPARSE
    elif manifest.foreign and isinstance(fault, Misbehaved):
        left = [layer for layer in graph.foreign if layer in manifest.foreign]
        lists = f"foreign layers in the image: {len(manifest.foreign)}, not carried: {len(left)}"
        fault.fact, fault.hint = f"{fault.fact}; {lists}", _FOREIGN + (_CARRY if left else "")


_SPARSE = (
    "carry the images without --platform; or list the platform's own image as NAME:TAG@DIGEST; "
    "or let the registry take sparse indexes (Distribution 3: validation.manifests.indexes)"
)
_FOREIGN = (
    "let the registry take layers that lie elsewhere: Harbor does, Distribution where "
    "validation.manifests.urls.allow has their URLs"
)
_CARRY = "; or carry them, with --include-foreign-layers"


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
