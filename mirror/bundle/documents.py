"""The documents at the head of a bundle, which say what it holds. Pure.

Together they have 45 MB where there are 100,000 blobs, so none is ever held whole: each is made
a piece at a time, as often as it is needed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from mirror.bundle import format as tar
from mirror.bundle.contents import Carried, Contents
from mirror.bundle.slots import Key, member_name
from mirror.oci.digest import Digest
from mirror.oci.mediatypes import OCI_INDEX, is_runnable
from mirror.oci.strictjson import canonical
from mirror.settings import LISTED_AT_A_TIME

SCHEMA = "tkg-mirror/bundle/v1"
# In index.json: the digest of everything that bundle.json says except its list of members.
# That list is proved by the members themselves; this proves the rest, and so every byte of
# bundle.json, which cannot hold a digest of itself.
INVENTORY_DIGEST = "tkg-mirror.bundle.inventory"
REF_NAME = "org.opencontainers.image.ref.name"
IMAGE_NAME = "io.containerd.image.name"

# How bundle.json begins, up to its blobs; and its members.
BEGIN = b'{"base":null,"blobs":{'
MEMBERS = b',"members":['


class Member(NamedTuple):
    """One file of the bundle, its size in bytes."""

    key: Key
    size: int
    digest: Digest

    @property
    def name(self) -> str:
        """As the tar has it."""
        return member_name(self.key)

    @classmethod
    def of(cls, name: str, pieces: Iterable[bytes | memoryview]) -> Member:
        """A document that consists of these."""
        size, digest = 0, hashlib.sha256()
        for piece in pieces:
            size += len(piece)
            digest.update(piece)
        return cls(name, size, Digest(digest.hexdigest()))


class Documents:
    """The documents of a bundle that holds ``contents``."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._pieces: Mapping[str, Callable[[], Iterator[bytes]]] = {
            tar.LAYOUT: self._layout,
            tar.INDEX: self._index,
            tar.DOCKER_LIST: self._docker_list,
            tar.INVENTORY: self._inventory,
        }
        self.listed = tuple(Member.of(name, self.pieces(name)) for name in tar.DOCUMENTS)
        """Those that bundle.json lists, in order."""
        self.inventory = Member.of(tar.INVENTORY, self.pieces(tar.INVENTORY))
        """bundle.json."""

    @property
    def members(self) -> Iterator[Member]:
        """Every member but bundle.json itself, in order."""
        yield from self.listed
        for blob in self._contents.blobs:
            yield Member(blob.digest, blob.size, blob.digest)

    def pieces(self, name: str) -> Iterator[bytes]:
        """The bytes of the document that has this name."""
        return self._pieces[name]()

    def _layout(self) -> Iterator[bytes]:
        yield canonical({"imageLayoutVersion": "1.0.0"})

    def _index(self) -> Iterator[bytes]:
        """index.json (image-layout.md): one descriptor an image, its full reference beside it."""
        proof = {INVENTORY_DIGEST: str(Member.of(tar.INVENTORY, self._statement(b"")).digest)}
        yield b'{"annotations":' + canonical(proof) + b',"manifests":['
        yield from _joined(canonical(_index_entry(image)) for image in self._contents.images)
        yield b'],"mediaType":"' + OCI_INDEX.encode() + b'","schemaVersion":2}'

    def _docker_list(self) -> Iterator[bytes]:
        entries = (entry for image in self._contents.images for entry in _docker_entry(image))
        yield b"["
        yield from _joined(map(canonical, entries))
        yield b"]"

    def _inventory(self) -> Iterator[bytes]:
        return self._statement(MEMBERS)

    def _statement(self, members: bytes) -> Iterator[bytes]:
        """bundle.json in its canonical form, its ``members`` only where those are to be there."""
        held = self._contents
        boms = [{"kind": b.kind, "release": b.release, "sha256": b.sha256} for b in held.boms]
        rest: dict[str, Any] = {"part": {"number": 1, "of": 1}}
        if held.platforms:
            rest["platforms"] = list(held.platforms)
        rest |= {"schema": SCHEMA, "source": held.source}
        yield BEGIN
        yield from listed_blobs((blob.digest, blob.size) for blob in held.blobs)
        yield b'},"boms":' + canonical(boms) + b',"images":['
        yield from _joined(canonical(_image_json(image)) for image in held.images)
        yield b"]"
        if members:
            yield members
            yield from _joined(map(member_json, self.members))
            yield b"]"
        yield b"," + canonical(rest)[1:]


def listed_blobs(blobs: Iterable[tuple[Digest, int]]) -> Iterator[bytes]:
    """The inside of bundle.json's ``blobs``: digests, sorted, and sizes."""
    found = sorted((digest.hex, size) for digest, size in blobs)
    return _joined(b'"sha256:%b":%d' % (name.encode(), size) for name, size in found)


def _joined(parts: Iterable[bytes]) -> Iterator[bytes]:
    """These with a comma between any two."""
    left, comma = iter(parts), b""
    while some := list(islice(left, LISTED_AT_A_TIME)):
        yield comma + b",".join(some)
        comma = b","


def member_json(member: Member) -> bytes:
    """A member as bundle.json lists it."""
    named = (member.name.encode(), member.digest.hex.encode(), member.size)
    return b'{"name":"%b","sha256":"%b","size":%d}' % named


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
