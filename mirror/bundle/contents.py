"""What a bundle holds. Pure; ``documents`` writes it down."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from bom.fact import BomFact
from mirror.oci.descriptor import Descriptor
from mirror.oci.digest import Digest
from mirror.oci.graph import ImageGraph
from mirror.oci.manifest import Manifest


class Carried(NamedTuple):
    """One image in a bundle. ``reference`` is where it came from, ``path`` where it will land."""

    reference: str
    path: str
    tag: str | None
    kind: str
    """``image``, ``index``, ``imgpkg-bundle`` or ``bom``."""
    graph: ImageGraph
    members: tuple[Digest, ...] = ()
    """Of an imgpkg bundle: the images that its lock names, sorted; each is an image with the
    same path here."""

    @property
    def digest(self) -> Digest:
        """Of the manifest or index that the tag names."""
        return self.graph.root.digest


@dataclass(frozen=True)
class Contents:
    """Everything about a bundle that is known before its first blob is fetched."""

    source: str
    """Base repositories the images were named under, sorted, with a comma between."""
    boms: tuple[BomFact, ...]
    images: tuple[Carried, ...]
    platforms: tuple[str, ...] = ()
    """Those that indexes keep, as ``platform.as_listed`` has them; empty for all."""

    @cached_property
    def manifests(self) -> dict[Digest, Manifest]:
        """Every manifest and index, once."""
        return {m.digest: m for image in self.images for m in image.graph.manifests}

    @cached_property
    def foreign(self) -> frozenset[Digest]:
        """Foreign layers that the bundle holds.

        One rule for writer and reader: whatever of them is among the blobs, since one image
        brings it or has it as an ordinary layer, is carried by every image that names it.
        """
        manifests = self.manifests.values()
        named = frozenset(layer.digest for m in manifests for layer in m.foreign)
        if not named:
            return named
        held = {blob.digest for m in manifests for blob in (m.descriptor, *m.blobs)}
        held.update(*(image.graph.carried for image in self.images))
        return named & held

    @cached_property
    def blobs(self) -> list[Descriptor]:
        """Every blob in its order in the file: manifests, configurations, layers, by digest."""
        found: dict[Digest, Descriptor] = {}
        manifests = self.manifests.values()
        configs = (m.config for m in manifests if m.config)
        layers = (blob for m in manifests for blob in m.blobs_with(self.foreign))
        for group in ((m.descriptor for m in manifests), configs, layers):
            for descriptor in sorted(group, key=lambda each: each.digest.hex):
                found.setdefault(descriptor.digest, descriptor)
        return list(found.values())


def contradictions(
    manifests: Iterable[Manifest], foreign: Collection[Digest]
) -> Iterator[tuple[Digest, int, int]]:
    """Blobs that have one size in one manifest and another in the next: an image is not whole.

    ``foreign`` has the foreign layers that are carried.
    """
    sizes: dict[Digest, int] = {}
    for manifest in manifests:
        for blob in (manifest.descriptor, *manifest.blobs_with(foreign)):
            size = sizes.setdefault(blob.digest, blob.size)
            if size != blob.size:
                yield blob.digest, size, blob.size


def sorted_images(images: Iterable[Carried]) -> tuple[Carried, ...]:
    """The order in which a bundle lists its images, whatever order they were found in."""
    return tuple(sorted(images, key=lambda i: (i.path, i.tag or "", i.reference, i.digest)))
