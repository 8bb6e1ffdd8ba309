"""What a bundle holds, and the documents at its head that say so. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bom.images import BomFact
from mirror.bundle import format as tar
from mirror.oci.descriptor import Descriptor
from mirror.oci.digest import Digest
from mirror.oci.graph import ImageGraph
from mirror.oci.manifest import Manifest
from mirror.oci.mediatypes import OCI_INDEX, is_runnable
from mirror.oci.strictjson import canonical

SCHEMA = "tkg-mirror/bundle/v1"
# In index.json: the digest of everything that bundle.json says except its list of members.
# That list is proved by the members themselves; this proves the rest, and so every byte of
# bundle.json, which cannot hold a digest of itself.
INVENTORY_DIGEST = "tkg-mirror.bundle.inventory"
REF_NAME = "org.opencontainers.image.ref.name"
IMAGE_NAME = "io.containerd.image.name"


@dataclass(frozen=True, slots=True)
class Carried:
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


@dataclass(frozen=True, slots=True)
class Member:
    """One file of the bundle: its bytes where they are known from the start, else None."""

    name: str
    size: int
    digest: Digest
    raw: bytes | None = None


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
        held = {blob.digest for m in manifests for blob in (m.descriptor, *m.blobs)}
        held.update(*(image.graph.carried for image in self.images))
        return frozenset(layer.digest for m in manifests for layer in m.foreign) & held

    @cached_property
    def blobs(self) -> list[Descriptor]:
        """Every blob in its order in the file: manifests, configurations, layers, by digest."""
        found: dict[Digest, Descriptor] = {}
        manifests = self.manifests.values()
        configs = (m.config for m in manifests if m.config)
        layers = (blob for m in manifests for blob in m.blobs_with(self.foreign))
        for group in ((m.descriptor for m in manifests), configs, layers):
            for descriptor in sorted(group, key=lambda each: each.digest):
                found.setdefault(descriptor.digest, descriptor)
        return list(found.values())

    @cached_property
    def members(self) -> list[Member]:
        """Every member but bundle.json itself, in order."""
        documents = (
            (tar.LAYOUT, canonical({"imageLayoutVersion": "1.0.0"})),
            (tar.INDEX, canonical(self._index())),
            (tar.DOCKER_LIST, canonical(self._docker_list())),
        )
        heads = [Member(name, len(raw), Digest.of(raw), raw) for name, raw in documents]
        return heads + [self._blob_member(blob) for blob in self.blobs]

    @cached_property
    def inventory(self) -> bytes:
        """bundle.json."""
        members = [{"name": m.name, "sha256": m.digest.hex, "size": m.size} for m in self.members]
        return canonical({**self._statement(), "members": members})

    def _blob_member(self, blob: Descriptor) -> Member:
        manifest = self.manifests.get(blob.digest)
        raw = manifest.raw if manifest else None
        return Member(tar.blob_name(blob.digest), blob.size, blob.digest, raw)

    def _statement(self) -> dict[str, Any]:
        statement: dict[str, Any] = {
            "schema": SCHEMA,
            "source": self.source,
            "boms": [{"kind": b.kind, "release": b.release, "sha256": b.sha256} for b in self.boms],
            "images": [_image_json(image) for image in self.images],
            "blobs": {str(blob.digest): blob.size for blob in self.blobs},
            "part": {"number": 1, "of": 1},
            "base": None,
        }
        if self.platforms:
            statement["platforms"] = list(self.platforms)
        return statement

    def _index(self) -> dict[str, Any]:
        """index.json (image-layout.md): one descriptor an image, its full reference beside it."""
        return {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [_index_entry(image) for image in self.images],
            "annotations": {INVENTORY_DIGEST: inventory_digest(self._statement())},
        }

    def _docker_list(self) -> list[dict[str, Any]]:
        return [entry for image in self.images for entry in _docker_entry(image)]


def inventory_digest(statement: dict[str, Any]) -> str:
    """The digest of bundle.json's document without its ``members``."""
    rest = {key: value for key, value in statement.items() if key != "members"}
    return f"sha256:{hashlib.sha256(canonical(rest)).hexdigest()}"


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


def _image_json(image: Carried) -> dict[str, Any]:
    root = image.graph.root
    return {
        "reference": image.reference,
        "path": image.path,
        "tag": image.tag,
        "digest": str(root.digest),
        "mediaType": root.media_type,
        "size": len(root.raw),
        "kind": image.kind,
        "members": [str(digest) for digest in image.members],
    }


def _index_entry(image: Carried) -> dict[str, Any]:
    root = image.graph.root
    return {
        "mediaType": root.media_type,
        "digest": str(root.digest),
        "size": len(root.raw),
        "annotations": {REF_NAME: image.reference, IMAGE_NAME: image.reference},
    }


def _docker_entry(image: Carried) -> list[dict[str, Any]]:
    """An entry for ``docker load``, which knows single-platform images with all layers only.

    It unpacks every layer of every entry: one signature among them, and it loads nothing.
    """
    root = image.graph.root
    kinds = [layer.media_type for layer in root.layers]
    if root.config is None or not is_runnable(root.config.media_type, kinds):
        return []
    return [
        {
            "Config": tar.blob_name(root.config.digest),
            "RepoTags": [image.reference] if image.tag and "@" not in image.reference else [],
            "Layers": [tar.blob_name(layer.digest) for layer in root.layers],
        }
    ]
