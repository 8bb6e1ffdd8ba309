"""Every image asked for as a stranger would: each manifest once, then each blob once.

The checks of images share what comes of it. There may be a thousand images and ten thousand
blobs, so this is the one part of a preflight that retries, heeds 429 and tells how far it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from mirror.events import PhaseStarted
from mirror.oci.digest import Digest
from mirror.oci.manifest import Manifest
from mirror.preflight.asker import Asker
from mirror.preflight.locks import Locks
from mirror.preflight.scene import Expected, Scene
from mirror.preflight.sought import Blob, Gap, Kind, Name, Sought, members_at
from mirror.settings import MAX_COMPANION_ROUNDS, MAX_INDEX_DEPTH

# Bundles in bundles, and then indexes in the last of them.
_ROUNDS = MAX_COMPANION_ROUNDS + MAX_INDEX_DEPTH


class Survey(NamedTuple):
    """What a registry has of what it must have."""

    sought: Sought
    manifests: Mapping[Name, Manifest | Gap]
    blobs: Mapping[Blob, Gap | None]
    """None where it is there with its length or, in a deep look, with its bytes."""
    members: Mapping[Name, tuple[Digest, ...]]
    """Each imgpkg bundle and its members."""
    unread: Mapping[Name, Gap]
    """Images that could not be looked into, so nobody knows whether they are bundles."""
    parents: Mapping[Name, Name]
    """In which index an image is, or of which bundle it is a member."""

    def meant(self, name: Name) -> Manifest | None:
        """The manifest of this name, if it is there and the one that is expected."""
        return _meant(self.sought, self.manifests, name)

    def image(self, name: Name) -> Name:
        """The image to which a manifest belongs, by the name that people know.

        Bounded: members that name each other are forged, and would lead in a circle.
        """
        for _ in range(_ROUNDS):
            name = self.parents.get(name, name)
        return name


def survey(scene: Scene, expected: Expected) -> Survey:
    """Ask for everything; raises a Fault where this machine cannot ask at all."""
    surveying = _Surveying(scene, expected)
    try:
        return surveying.run(deep=scene.question.deep)
    finally:
        # The phase is over: what comes after it counts checks, not images.
        scene.listener(PhaseStarted("", 0))


class _Surveying:
    """A survey on its way."""

    def __init__(self, scene: Scene, expected: Expected) -> None:
        self._sought = Sought(scene.target, expected)
        self._asker = Asker(scene)
        self._locks = None if expected.lists_members else Locks(self._asker)
        self._manifests: dict[Name, Manifest | Gap] = {}
        self._members: dict[Name, tuple[Digest, ...]] = {}
        self._unread: dict[Name, Gap] = {}
        self._parents: dict[Name, Name] = {}
        self._roots = {self._sought.root(image) for image in self._sought.images}
        self._children: set[Name] = set()

    def run(self, *, deep: bool) -> Survey:
        """All manifests, then all blobs, then their bytes where that is asked for."""
        self._ask_for_manifests()
        blobs = self._asker.lengths([*self._blobs()])
        if deep:
            blobs |= self._asker.contents([blob for blob, gap in blobs.items() if gap is None])
        return Survey(
            self._sought, self._manifests, blobs, self._members, self._unread, self._parents
        )

    def _ask_for_manifests(self) -> None:
        phase, new = "ask for images", [*dict.fromkeys(self._first())]
        for _ in range(_ROUNDS):
            if not new:
                return
            self._manifests |= self._asker.manifests(phase, new)
            followed = dict.fromkeys(self._following(new))
            phase, new = "follow", [name for name in followed if name not in self._manifests]
        reason = f"nested more than {_ROUNDS} deep"
        self._manifests |= dict.fromkeys(new, Gap(Kind.BROKEN, reason))

    def _first(self) -> Iterator[Name]:
        """What is known to be there by the word of what was given."""
        yield from self._roots
        for image in self._sought.expected.images:
            yield from self._along(self._sought.root(image), image.members)

    def _along(self, bundle: Name, members: Sequence[Digest]) -> Iterator[Name]:
        """The names of a bundle's members."""
        if members:
            self._members[bundle] = tuple(members)
        for digest in members:
            for name in members_at(bundle.repository, digest):
                self._belongs(name, bundle)
                yield name

    def _following(self, names: Iterable[Name]) -> Iterator[Name]:
        """What the manifests of these names lead to."""
        images = dict[Name, Manifest]()
        for name in names:
            manifest = _meant(self._sought, self._manifests, name)
            if manifest is None:
                continue
            for child in self._sought.children(manifest):
                below = Name(name.repository, child.digest)
                self._children.add(below)
                self._belongs(below, name)
                yield below
            if not manifest.is_index and self._may_be_bundle(name):
                images[name] = manifest
        if self._locks and images:
            looked = self._locks(images)
            self._unread |= looked.unread
            for bundle, members in looked.members.items():
                yield from self._along(bundle, members)

    def _may_be_bundle(self, name: Name) -> bool:
        """True for what a lock or BOM names; a member is looked at once, by its digest."""
        return name in self._roots or (isinstance(name.name, Digest) and name not in self._children)

    def _belongs(self, name: Name, parent: Name) -> None:
        if name not in self._roots:
            self._parents.setdefault(name, parent)

    def _blobs(self) -> Iterator[Blob]:
        """Every configuration and layer of the images that are there, in each repository once."""
        found = dict[Blob, None]()
        for name in self._manifests:
            if manifest := _meant(self._sought, self._manifests, name):
                for each in self._sought.blobs(manifest):
                    found[Blob(name.repository, each.digest, each.size)] = None
        return iter(found)


def _meant(sought: Sought, manifests: Mapping[Name, Manifest | Gap], name: Name) -> Manifest | None:
    found = manifests.get(name)
    return found if isinstance(found, Manifest) and sought.is_meant(name, found) else None
