"""Everything below one image: its manifests and the blobs they promise."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from mirror.oci import mediatypes
from mirror.oci.descriptor import Descriptor
from mirror.oci.digest import Digest
from mirror.oci.manifest import Manifest
from mirror.settings import MAX_INDEX_DEPTH, MAX_INDEX_MANIFESTS, MAX_MANIFESTS
from mirror.text import human_size


@dataclass(frozen=True, slots=True)
class ImageGraph:
    """One image whole: all platforms of an index, nested indexes included."""

    manifests: tuple[Manifest, ...]
    """Children before their parents, each once; the last one is the image itself."""

    @property
    def root(self) -> Manifest:
        """The manifest or index that the tag names."""
        return self.manifests[-1]

    @property
    def blobs(self) -> Iterator[Descriptor]:
        """Configurations and layers to carry; one that two manifests share comes twice."""
        for manifest in self.manifests:
            yield from manifest.blobs

    @property
    def foreign(self) -> tuple[Descriptor, ...]:
        """Layers left out because their licence forbids to redistribute them."""
        return tuple(layer for manifest in self.manifests for layer in manifest.foreign)


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


def walk(root: Manifest, fetch: Callable[[Descriptor], Manifest]) -> ImageGraph:
    """Collect the manifests below ``root``; ``fetch`` gives a child and has checked its digest.

    Raises ValueError where the tree is deeper or larger than any honest image, or a child is
    not what its parent says. A cycle would need a broken SHA-256, the bounds stop one anyway.
    """
    found: dict[Digest, Manifest] = {}

    def visit(manifest: Manifest, depth: int) -> None:
        if depth > MAX_INDEX_DEPTH:
            raise ValueError(f"indexes nested more than {MAX_INDEX_DEPTH} deep")
        for promised in manifest.children:
            if promised.digest in found:
                _same(promised, found[promised.digest])
            else:
                visit(_checked(fetch, promised), depth + 1)
        found[manifest.digest] = manifest
        if len(found) > MAX_INDEX_MANIFESTS:
            raise ValueError(f"more than {MAX_INDEX_MANIFESTS} manifests in one image")

    visit(root, 0)
    return ImageGraph(tuple(found.values()))


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
