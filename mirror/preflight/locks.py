"""Which images at a registry are imgpkg bundles, where only BOM files are given.

A BOM does not tell, and a bundle that lacks a member is the gap that shows last: its tag is there,
and what it holds cannot be installed. So what the registry has is looked into, as a create does:
the configuration of each image with one layer, and the lock of those that are bundles.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from bom.images import WantedImage
from bom.reference import Reference
from mirror.errors import Fault, RegistryFault
from mirror.events import Noticed
from mirror.imgpkg import Bundles
from mirror.oci.digest import Digest
from mirror.oci.graph import ImageGraph
from mirror.oci.manifest import Manifest
from mirror.preflight.asker import Asker
from mirror.preflight.sought import Gap, Kind, Name, gap_of
from mirror.resolve import Resolved
from mirror.rewrite import Rewrites


class Looked(NamedTuple):
    """What some images turned out to be."""

    members: Mapping[Name, tuple[Digest, ...]]
    """The bundles among them, and what their locks name."""
    unread: Mapping[Name, Gap]
    """Those that could not be looked into."""


class Locks:
    """Looks into images of one registry. One for a survey: no blob is asked for twice."""

    def __init__(self, asker: Asker) -> None:
        self._host = asker.host
        self._listener = asker.listener
        self._bundles = Bundles(asker, Rewrites(), asker.crew, asker.retry, asker.listener)

    def __call__(self, images: Mapping[Name, Manifest]) -> Looked:
        """The bundles among these images, none of which is an index."""
        names = {self._reference(name): name for name in images}
        resolved = [_resolved(place, images[name]) for place, name in names.items()]
        found = self._bundles(resolved)
        for notice in found.notices:
            self._listener(Noticed(notice))
        return Looked(
            {names[place]: members for place, members in found.members.items()},
            {names[wanted.reference]: _unread(fault) for wanted, fault in found.failed},
        )

    def _reference(self, name: Name) -> Reference:
        if isinstance(name.name, Digest):
            return Reference(self._host, name.repository, digest=str(name.name))
        return Reference(self._host, name.repository, name.name)


def _resolved(place: Reference, manifest: Manifest) -> Resolved:
    wanted = WantedImage(place, place.host, place.repository)
    return Resolved(wanted, place.name, ImageGraph((manifest,)))


def _unread(fault: Fault) -> Gap:
    """A blob that cannot be had is told where blobs are; here it only leaves a question open."""
    gap = gap_of(fault)
    return gap._replace(kind=Kind.UNKNOWN) if isinstance(fault, RegistryFault) else gap
