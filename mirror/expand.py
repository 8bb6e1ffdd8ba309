"""What comes along with images: each round looks into what the round before it found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bom.images import WantedImage
from bom.reference import Reference
from mirror.errors import Fault, Misbehaved, Side
from mirror.oci.digest import Digest
from mirror.resolve import Resolution, Resolved, Resolver
from mirror.settings import MAX_COMPANION_ROUNDS


@dataclass(frozen=True, slots=True)
class Found:
    """What some images bring along."""

    wanted: tuple[WantedImage, ...] = ()
    """Images to carry besides."""
    members: Mapping[Reference, tuple[Digest, ...]] = field(default_factory=dict)
    """The imgpkg bundles among the images, and the digests that their locks name."""
    failed: tuple[tuple[WantedImage, Fault], ...] = ()
    """Images that could not be looked into."""
    notices: tuple[str, ...] = ()
    """Sentences for the operator."""


class Finder(Protocol):
    """Finds what comes along with images: the members of bundles, or what refers to them."""

    def __call__(self, images: Sequence[Resolved]) -> Found:
        """Look into images that no round looked into before."""


def expand(resolver: Resolver, first: Resolution, finders: Sequence[Finder]) -> Resolution:
    """``first`` and all that comes along with it, and with that.

    Nothing is asked for twice, and digests cannot form a cycle; the bound is for a registry
    that makes up something new for whatever it is asked.
    """
    gathered = _Gathered(first)
    new: Sequence[Resolved] = first.images
    for _ in range(MAX_COMPANION_ROUNDS):
        wanted = gathered.take(finder(new) for finder in finders)
        if not wanted:
            return gathered.resolution()
        more = resolver.run(wanted, "follow")
        gathered.add(more)
        new = more.images
    gathered.refuse(new)
    return gathered.resolution()


class _Gathered:
    """All rounds together, each reference once."""

    def __init__(self, first: Resolution) -> None:
        self._images = {image.wanted.reference: image for image in first.images}
        self._failed = dict(_by_reference(first.failed))
        self._absent = {wanted.reference: wanted for wanted in first.absent}
        self._said = dict.fromkeys(first.said)

    def take(self, finds: Iterable[Found]) -> list[WantedImage]:
        """Note what was found; returns the images to ask for now."""
        wanted: dict[Reference, WantedImage] = {}
        for found in finds:
            for reference, members in found.members.items():
                self._images[reference] = self._images[reference]._replace(members=members)
            self._failed.update(_by_reference(found.failed))
            self._said.update(dict.fromkeys(found.notices))
            for image in found.wanted:
                if not self._asked(image.reference):
                    wanted.setdefault(image.reference, image)
        return list(wanted.values())

    def add(self, more: Resolution) -> None:
        """What became of them."""
        self._images.update((image.wanted.reference, image) for image in more.images)
        self._failed.update(_by_reference(more.failed))
        self._absent.update((wanted.reference, wanted) for wanted in more.absent)

    def refuse(self, images: Iterable[Resolved]) -> None:
        """These would lead on and on."""
        for image in images:
            reference, host = image.wanted.reference, image.origin.partition("/")[0]
            fact = f"nested more than {MAX_COMPANION_ROUNDS} deep"
            fault = Misbehaved(Side.SOURCE, host, f"cannot follow {reference}", fact=fact)
            self._failed[reference] = (image.wanted, fault)

    def resolution(self) -> Resolution:
        """Images that could not be looked into are failed ones, and nothing else."""
        images = (image for name, image in self._images.items() if name not in self._failed)
        return Resolution(
            tuple(images),
            tuple(self._failed.values()),
            tuple(self._absent.values()),
            tuple(self._said),
        )

    def _asked(self, reference: Reference) -> bool:
        return reference in self._images or reference in self._failed or reference in self._absent


def _by_reference(
    failed: Iterable[tuple[WantedImage, Fault]],
) -> Iterable[tuple[Reference, tuple[WantedImage, Fault]]]:
    return ((wanted.reference, (wanted, fault)) for wanted, fault in failed)
