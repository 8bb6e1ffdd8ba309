"""References to images: asks the source for every manifest before anything is moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, Protocol, TypeVar

from bom.images import WantedImage
from bom.reference import Reference
from mirror.errors import (
    Fault,
    Misbehaved,
    NoPlatform,
    NotFound,
    Refused,
    RegistryFault,
    Side,
    Unreachable,
    Unresolved,
)
from mirror.events import ItemEnded, Listener, PhaseStarted
from mirror.oci.digest import Digest
from mirror.oci.graph import Budget, ImageGraph, NoImage, walk
from mirror.oci.manifest import Manifest
from mirror.oci.platform import Platform
from mirror.oci.referrers import subject_of
from mirror.rewrite import Rewrites
from mirror.settings import MAX_SAME
from mirror.text import printable
from mirror.transfer.crew import Crew
from mirror.transfer.retry import Retry

Answer = TypeVar("Answer")


class ManifestSource(Protocol):
    """Gives manifests of any host's repositories."""

    def manifest(self, host: str, repository: str, name: str | Digest) -> Manifest:
        """The manifest that a tag or digest names there."""


class Resolved(NamedTuple):
    """An image with its digest and everything below it, and where to fetch that."""

    wanted: WantedImage
    origin: str
    """``host/repository`` at the source, after all rewrites."""
    graph: ImageGraph
    members: tuple[Digest, ...] | None = None
    """Of an imgpkg bundle: the images that its lock names, sorted. None for any other image."""

    @property
    def digest(self) -> Digest:
        """What the reference means now."""
        return self.graph.root.digest


def found_under(image: Resolved, rewrites: Rewrites) -> Reference:
    """The name under which an image was found: the one that the rewrites turn into its origin.

    Its tag and digest are those of that name, and say nothing where none of them was asked for:
    an image with the same digest was found at that origin before.
    """
    for name in (image.wanted.reference, *image.wanted.places):
        if rewrites.apply(name).name == image.origin:
            return name
    host, _, repository = image.origin.partition("/")
    return Reference(host, repository)


class Resolution(NamedTuple):
    """What became of a set of references."""

    images: tuple[Resolved, ...]
    failed: tuple[tuple[WantedImage, Fault], ...]
    absent: tuple[WantedImage, ...]
    """Images that may be missing, and are."""
    said: tuple[str, ...] = ()
    """Sentences for the operator from what was looked into."""
    foreign_asked: bool = False
    """The source was asked for foreign layers: those that are not carried it does not have."""

    @property
    def notices(self) -> tuple[str, ...]:
        """What the operator should know that stops nothing."""
        absent = (f"{wanted.reference} is not at the source; left out" for wanted in self.absent)
        return (*self.said, *absent, *self._foreign(), *self._sparse(), *self._suspicious())

    def _foreign(self) -> Iterator[str]:
        """Images that no node can start from what is carried."""
        why = "the source does not have them" if self.foreign_asked else _INCLUDE
        for image in self.images:
            if left := {layer.digest for layer in image.graph.foreign}:
                what = f"{image.wanted.reference}: foreign layers are left out ({len(left)})"
                yield f"{what}, and Windows nodes cannot start it without them; {why}"

    def _sparse(self) -> Iterator[str]:
        if sparse := {image.digest for image in self.images if image.graph.sparse}:
            yield f"sparse indexes: {len(sparse)}, with their digest and some images; {_SPARSE}"

    def _suspicious(self) -> Iterator[str]:
        """A registry that answers every name with one image is not caught by digests.

        A BOM names images by tag alone, so nothing else says that they are the wrong ones. The
        signature of an image that is in several repositories is in all of them.
        """
        names: dict[Digest, set[str]] = {}
        for image in self.images:
            reference, root = image.wanted.reference, image.graph.root
            if not reference.digest and not subject_of(reference.tag, root):
                names.setdefault(image.digest, set()).add(image.origin)
        for digest, origins in names.items():
            if len(origins) > MAX_SAME:
                found = ", ".join(sorted(origins)[:3])
                yield f"{len(origins)} repositories hold one and the same image, {digest}: {found}"

    def with_members(self, members: Mapping[Reference, tuple[Digest, ...]]) -> Resolution:
        """The same, its imgpkg bundles being those that ``members`` names."""
        images = (i._replace(members=members.get(i.wanted.reference)) for i in self.images)
        return self._replace(images=tuple(images))

    def raise_if_failed(self) -> None:
        """One fault that lists every reference which has no image."""
        if self.failed:
            causes = [(str(wanted.reference), fault) for wanted, fault in self.failed]
            raise Unresolved(causes)


@dataclass(slots=True)
class Resolver:
    """Resolves references with a crew that never stops at the first failure."""

    source: ManifestSource
    rewrites: Rewrites
    pins: Mapping[Reference, Digest]
    """What a plan found some references to mean; such an image is asked for by digest."""
    crew: Crew
    retry: Retry
    listener: Listener
    budget: Budget = field(default_factory=Budget)
    silent: dict[str, Unreachable] = field(default_factory=dict)
    """Hosts that gave no answer, and what was said of them; they are not asked again."""
    platforms: Sequence[Platform] = ()
    """Those that an index keeps; empty for all."""
    known: dict[Digest, Resolved] = field(default_factory=dict)
    """What earlier runs found; an image with such a digest is not asked for again."""

    def run(self, images: Sequence[WantedImage], phase: str = "resolve") -> Resolution:
        """Every image, or why not."""
        self.listener(PhaseStarted(phase, len(images)))
        outcomes = self.crew.run(images, self._resolve)
        order = {wanted.reference: place for place, wanted in enumerate(images)}
        outcomes.sort(key=lambda outcome: order[outcome.item.reference])
        failed, absent = [], []
        for outcome in outcomes:
            wanted, fault = outcome.item, outcome.fault
            # Harbor and others say 401 for a repository that does not exist.
            if isinstance(fault, NotFound | Refused) and not wanted.required:
                absent.append(wanted)
            elif fault:
                failed.append((wanted, fault))
        resolved = tuple(outcome.result for outcome in outcomes if outcome.result)
        self.known.update((image.digest, image) for image in resolved)
        return Resolution(resolved, tuple(failed), tuple(absent))

    def _resolve(self, wanted: WantedImage) -> Resolved:
        label = str(wanted.reference)
        try:
            found = self._found(wanted)
        except Fault:
            self.listener(ItemEnded(label, label, "failed"))
            raise
        self.listener(ItemEnded(label, label, "done"))
        return found

    def _found(self, wanted: WantedImage) -> Resolved:
        """The image where it is named, or at the first of its other places that has it."""
        pin = self._pin(wanted.reference)
        if pin and (known := self.known.get(pin)):
            return Resolved(wanted, known.origin, known.graph)
        missed = list[RegistryFault]()
        for reference in (wanted.reference, *wanted.places):
            place = self.rewrites.apply(reference)
            try:
                return Resolved(wanted, place.name, self._asked(place, pin))
            except (NotFound, Refused) as fault:
                missed.append(fault)
            except Unreachable as fault:
                if not (missed and fault.moved):
                    raise _nowhere(wanted, [fault, *missed]) from None
                # A registry that is gone for good: those that answered are where to look further,
                # and the way to them, which its own advice would be, is known.
                missed.append(fault)
        raise _nowhere(wanted, missed)

    def _pin(self, reference: Reference) -> Digest | None:
        return Digest.parse(reference.digest) if reference.digest else self.pins.get(reference)

    def ask(self, host: str, act: Callable[[], Answer]) -> Answer:
        """What ``act`` gets from ``host``, with patience; nothing from one that is silent."""
        return self._unless_silent(host, partial(self.retry, act))

    def _asked(self, place: Reference, pin: Digest | None) -> ImageGraph:
        return self._unless_silent(place.host, partial(self._graph, place, pin or place.tag or ""))

    def _unless_silent(self, host: str, act: Callable[[], Answer]) -> Answer:
        if fault := self.silent.get(host):
            raise fault.unasked()
        try:
            return act()
        except Unreachable as fault:
            if not fault.answered:
                self.silent[host] = fault
            raise

    def _graph(self, place: Reference, name: str | Digest) -> ImageGraph:
        taken = list[Manifest]()

        def ask(name: str | Digest) -> Manifest:
            found = self.retry(partial(self.source.manifest, place.host, place.repository, name))
            taken.append(self.budget.take(found))
            return found

        try:
            return walk(ask(name), lambda child: ask(child.digest), self.platforms)
        except (ValueError, Fault) as cause:
            self.budget.give_back(taken)
            if isinstance(cause, Fault):
                raise
            kind = NoPlatform if isinstance(cause, NoImage) else Misbehaved
            fact = printable(str(cause))
            raise kind(Side.SOURCE, place.host, f"cannot use {place}", fact=fact) from None


def _nowhere(wanted: WantedImage, missed: Sequence[RegistryFault]) -> RegistryFault:
    """The first of these faults, which says what the others were where there are several."""
    first, *others = missed
    if not others:
        return first
    what, fact = f"cannot get {wanted.reference}", "; ".join(map(str, missed))
    return type(first)(first.side, first.host, what, fact=fact, hint=first.hint)


_INCLUDE = "--include-foreign-layers carries those that the source has"
_SPARSE = (
    "a registry that looks for the images of an index (Distribution, Harbor) refuses it: for one "
    "of these leave --platform out, or list the platform's own image as NAME:TAG@DIGEST"
)
