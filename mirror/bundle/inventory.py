"""bundle.json as it is read: what a bundle claims about itself, in types that cannot be wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

from bom.errors import ReferenceFault
from bom.fact import BomFact
from bom.reference import Reference, check_path, check_tag
from mirror.bundle.cut import PLATFORMS, Cut
from mirror.bundle.documents import Member
from mirror.bundle.slots import length
from mirror.oci.descriptor import Descriptor
from mirror.oci.digest import Digest
from mirror.oci.mediatypes import MANIFESTS
from mirror.oci.platform import Platform, from_list
from mirror.oci.strictjson import list_at, text_at

_KINDS = frozenset({"image", "index", "imgpkg-bundle", "bom"})
_LONGEST_SHOWN = 4096


class Listed(NamedTuple):
    """One image as bundle.json lists it."""

    reference: str
    path: str
    tag: str | None
    kind: str
    descriptor: Descriptor
    members: tuple[Digest, ...] = ()
    """Of an imgpkg bundle: digests of images that are listed with the same path."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a bundle.json says of its images, however much of the rest was read."""

    source: str
    boms: tuple[BomFact, ...]
    images: tuple[Listed, ...]
    platforms: tuple[Platform, ...]
    """Those that indexes keep; empty for all."""


@dataclass(frozen=True, slots=True)
class Head(Claims):
    """What a bundle.json says to people: its images, and how much there is."""

    blobs: int
    """How many there are."""
    size: int
    """Of all blobs, in bytes."""
    length: int
    """Of the whole file, in bytes."""

    @classmethod
    def parse(cls, raw: bytes) -> Head:
        """Read bundle.json but for the names of blobs; ValueError says what is wrong with it.

        Whether blobs are named alike wherever they are named, ``Inventory.parse`` finds out: it
        takes half a second for 100,000 of them.
        """
        cut = Cut.of(raw)
        sizes = cut.sizes()
        whole = length(chain([len(raw)], (each.size for each in cut.documents), sizes))
        return cls(*_said(cut), len(sizes), sum(sizes), whole)


@dataclass(frozen=True, slots=True)
class Inventory(Claims):
    """A bundle.json whose parts are well-formed and agree with each other."""

    documents: tuple[Member, ...]
    """Those that are listed before the blobs, in order."""
    blobs: dict[Digest, int]
    """Size in bytes of every blob that the images need, in the order of the file."""

    @property
    def members(self) -> Iterator[Member]:
        """Every member after bundle.json, in order."""
        yield from self.documents
        for digest, size in self.blobs.items():
            yield Member(digest, size, digest)

    @classmethod
    def parse(cls, raw: bytes) -> Inventory:
        """Read bundle.json; ValueError says what is wrong with it."""
        cut = Cut.of(raw)
        return cls(*_said(cut), cut.documents, cut.blobs())


def _said(
    cut: Cut,
) -> tuple[str, tuple[BomFact, ...], tuple[Listed, ...], tuple[Platform, ...]]:
    """Source, BOMs, images and platforms."""
    before, after = cut.before, cut.after
    if after["part"] != {"number": 1, "of": 1}:
        raise ValueError("it is one of several parts, which this version does not read")
    images = tuple(_image(value) for value in list_at(before, "images"))
    _check_bundles(images)
    boms = tuple(_bom(value) for value in list_at(before, "boms"))
    platforms = from_list(list_at(after, PLATFORMS)) if PLATFORMS in after else ()
    return _shown(after, "source"), boms, images, platforms


def _check_bundles(images: tuple[Listed, ...]) -> None:
    """An imgpkg bundle without one of its members would be pushed and could not be unpacked."""
    bundles = [image for image in images if image.members]
    there = {(i.path, i.descriptor.digest) for i in images} if bundles else set()
    for image in bundles:
        if any((image.path, digest) not in there for digest in image.members):
            raise ValueError(f"{image.reference[:100]} lacks one of its members")


def _bom(value: Any) -> BomFact:
    if not isinstance(value, dict):
        raise ValueError("a BOM is not described by an object")
    digest = Digest.parse(value.get("sha256"))
    return BomFact(_shown(value, "kind"), _shown(value, "release"), str(digest))


def _image(value: Any) -> Listed:
    """Path and tag become part of URLs, so they pass the same grammar as a BOM's own."""
    if not isinstance(value, dict):
        raise ValueError("an image is not described as this version knows it")
    descriptor = Descriptor.from_json(value)
    reference, kind, tag = text_at(value, "reference"), text_at(value, "kind"), value.get("tag")
    if kind not in _KINDS or descriptor.media_type not in MANIFESTS:
        raise ValueError(f"{reference[:100]} is of no known kind")
    try:
        path = check_path(text_at(value, "path"))
        reference = str(Reference.parse(reference))
        tag = None if tag is None else check_tag(text_at(value, "tag"))
    except ReferenceFault as fault:
        raise ValueError(str(fault)) from None
    return Listed(reference, path, tag, kind, descriptor, members_at(value, kind))


def members_at(value: dict[str, Any], kind: str) -> tuple[Digest, ...]:
    """The digests under ``members``: sorted, each once, and none but an imgpkg bundle's."""
    found = tuple(Digest.parse(digest) for digest in list_at(value, "members"))
    if list(found) != sorted(set(found)) or (found and kind != "imgpkg-bundle"):
        raise ValueError("the members of an image are not those of an imgpkg bundle")
    return found


def _shown(value: dict[str, Any], key: str) -> str:
    """A text that people will be shown: printable, and no longer than any honest one."""
    found = text_at(value, key)
    if not found.isprintable() or len(found) > _LONGEST_SHOWN:
        raise ValueError(f"{key} is not a plain text")
    return found
