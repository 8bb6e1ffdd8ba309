"""Everything below one image: its manifests and the blobs they promise."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Container, Iterable, Iterator
from typing import NamedTuple

from mirror.oci import mediatypes
from mirror.oci.descriptor import Descriptor
from mirror.oci.digest import Digest
from mirror.oci.manifest import Manifest
from mirror.oci.platform import UNKNOWN, Platform, as_listed
from mirror.settings import MAX_INDEX_DEPTH, MAX_INDEX_MANIFESTS, MAX_MANIFESTS
from mirror.text import human_size


class ImageGraph(NamedTuple):
    """One image whole: an index with all its platforms, or with those that are wanted."""

    manifests: tuple[Manifest, ...]
    """Children before their parents, each once; the last one is the image itself."""
    carried: frozenset[Digest] = frozenset()
    """Foreign layers that are carried like any other."""

    @property
    def root(self) -> Manifest:
        """The manifest or index that the tag names."""
        return self.manifests[-1]

    @property
    def blobs(self) -> Iterator[Descriptor]:
        """Configurations and layers to carry; one that two manifests share comes twice."""
        for manifest in self.manifests:
            yield from manifest.blobs_with(self.carried)

    @property
    def foreign(self) -> tuple[Descriptor, ...]:
        """Layers left out because their licence forbids to redistribute them."""
        return tuple(
            layer
            for manifest in self.manifests
            for layer in manifest.foreign
            if layer.digest not in self.carried
        )

    def carrying(self, held: Container[Digest]) -> ImageGraph:
        """The same with every foreign layer that is among ``held``."""
        foreign = (layer.digest for manifest in self.manifests for layer in manifest.foreign)
        return self._replace(carried=frozenset(digest for digest in foreign if digest in held))

    def missing(self, index: Manifest) -> tuple[Descriptor, ...]:
        """Children of one of the indexes that are not carried: it is sparse if there are any."""
        held = {manifest.digest for manifest in self.manifests} if index.children else ()
        return tuple(child for child in index.children if child.digest not in held)

    @property
    def sparse(self) -> bool:
        """True where an index is carried without all its children."""
        return any(self.missing(manifest) for manifest in self.manifests)


class NoImage(ValueError):
    """An index has images, and none of them is for a platform that is wanted."""


class Budget:
    """Bytes of manifests that may be held at a time. Thread-safe."""

    def __init__(self, size: int = MAX_MANIFESTS) -> None:
        self._size = self._left = size
        self._lock = threading.Lock()

    def take(self, manifest: Manifest) -> Manifest:
        """The same manifest, if there is room for it; ValueError if there is not."""
        with self._lock:
            self._left -= len(manifest.raw)
            if self._left < 0:
                self._left += len(manifest.raw)
                raise ValueError(f"more than {human_size(self._size)} of manifests in all")
        return manifest

    def give_back(self, manifests: Iterable[Manifest]) -> None:
        """What was taken for an image that came to nothing."""
        with self._lock:
            self._left += sum(len(manifest.raw) for manifest in manifests)


def walk(
    root: Manifest,
    fetch: Callable[[Descriptor], Manifest],
    platforms: Collection[Platform] = (),
) -> ImageGraph:
    """Collect the manifests below ``root``; ``fetch`` gives a child and has checked its digest.

    ``platforms`` are those that an index keeps; none for all. Raises ValueError where the tree
    is deeper or larger than any honest image, or a child is not what its parent says; NoImage
    where nothing is left of an index. A cycle would need a broken SHA-256, the bounds stop one
    anyway.
    """
    found: dict[Digest, Manifest] = {}

    def visit(manifest: Manifest, depth: int) -> None:
        if depth > MAX_INDEX_DEPTH:
            raise ValueError(f"indexes nested more than {MAX_INDEX_DEPTH} deep")
        for promised in chosen(manifest, platforms):
            if promised.digest in found:
                _same(promised, found[promised.digest])
            else:
                visit(_checked(fetch, promised), depth + 1)
        found[manifest.digest] = manifest
        if len(found) > MAX_INDEX_MANIFESTS:
            raise ValueError(f"more than {MAX_INDEX_MANIFESTS} manifests in one image")

    visit(root, 0)
    graph = ImageGraph(tuple(found.values()))
    _refuse_empty(graph, platforms)
    return graph


def chosen(index: Manifest, platforms: Collection[Platform]) -> tuple[Descriptor, ...]:
    """The children of an index that are carried; all of them where no platform is wanted.

    Those of a wanted platform, those that name no platform, and indexes, which may hold both
    kinds. An attestation goes with the image that it is about, and without one it is left out.
    """
    if not platforms:
        return index.children
    kept = {child.digest for child in index.children if _is_wanted(child, platforms)}
    return tuple(
        child
        for child in index.children
        if child.digest in kept or (child.platform == UNKNOWN and child.about in kept)
    )


def _is_wanted(child: Descriptor, platforms: Collection[Platform]) -> bool:
    if child.platform is None or child.media_type in mediatypes.INDEXES:
        return True
    return any(platform.wants(child.platform) for platform in platforms)


def _refuse_empty(graph: ImageGraph, platforms: Iterable[Platform]) -> None:
    if all(manifest.is_index for manifest in graph.manifests) and graph.sparse:
        missing = (child for manifest in graph.manifests for child in graph.missing(manifest))
        there = as_listed(c.platform for c in missing if c.platform and c.platform != UNKNOWN)
        wanted = ", ".join(as_listed(platforms))
        raise NoImage(f"it has no image for {wanted}; it has {', '.join(there) or 'none at all'}")


def _checked(fetch: Callable[[Descriptor], Manifest], promised: Descriptor) -> Manifest:
    if promised.media_type not in mediatypes.MANIFESTS:
        raise ValueError(
            f"an index lists {promised.digest} as {promised.media_type[:100]}, no manifest"
        )
    child = fetch(promised)
    _same(promised, child)
    return child


def _same(promised: Descriptor, child: Manifest) -> None:
    if child.descriptor != promised:
        raise ValueError(f"an index promises {promised}, and its child is {child.descriptor}")
