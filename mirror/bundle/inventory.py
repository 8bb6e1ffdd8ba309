"""bundle.json as it is read: what a bundle claims about itself, in types that cannot be wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bom.errors import ReferenceFault
from bom.images import BomFact
from bom.reference import Reference, check_path, check_tag
from mirror.bundle import format as tar
from mirror.bundle.contents import SCHEMA
from mirror.oci.descriptor import Descriptor, check_size
from mirror.oci.digest import Digest
from mirror.oci.mediatypes import MANIFESTS
from mirror.oci.platform import Platform, from_list
from mirror.oci.strictjson import canonical, list_at, parse_object, text_at
from mirror.settings import MAX_INVENTORY_PARTS

_KINDS = frozenset({"image", "index", "imgpkg-bundle", "bom"})
_LONGEST_SHOWN = 4096
_KEYS = frozenset({"schema", "source", "boms", "images", "blobs", "members", "part", "base"})
# There only where indexes are carried with some of their platforms.
_PLATFORMS = "platforms"


@dataclass(frozen=True, slots=True)
class Listed:
    """One image as bundle.json lists it."""

    reference: str
    path: str
    tag: str | None
    kind: str
    descriptor: Descriptor
    members: tuple[Digest, ...] = ()
    """Of an imgpkg bundle: digests of images that are listed with the same path."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """A bundle.json whose parts are well-formed and agree with each other."""

    source: str
    boms: tuple[BomFact, ...]
    images: tuple[Listed, ...]
    blobs: dict[Digest, int]
    """Size in bytes of every blob that the images need."""
    members: tuple[tuple[str, int, Digest], ...]
    """Name, size and digest of every member after bundle.json, in order."""
    platforms: tuple[Platform, ...] = ()
    """Those that indexes keep; empty for all."""

    @classmethod
    def parse(cls, raw: bytes) -> Inventory:
        """Read bundle.json; ValueError or ReferenceFault says what is wrong with it."""
        document = parse_object(raw, MAX_INVENTORY_PARTS)
        if document.get("schema") != SCHEMA:
            found = str(document.get("schema"))[:60]
            raise ValueError(f"its schema is {found}, and this version reads {SCHEMA}")
        if document.keys() - {_PLATFORMS} != _KEYS or canonical(document) != raw:
            raise ValueError("it is not in its canonical form")
        if document["part"] != {"number": 1, "of": 1} or document["base"] is not None:
            raise ValueError("it is one of several parts, which this version does not read")
        blobs = {Digest.parse(d): check_size(s, d) for d, s in _object(document, "blobs").items()}
        members = tuple(_member(value) for value in list_at(document, "members"))
        _check_members(members, blobs)
        images = tuple(_image(value) for value in list_at(document, "images"))
        _check_bundles(images)
        return cls(
            _shown(document, "source"),
            tuple(_bom(value) for value in list_at(document, "boms")),
            images,
            blobs,
            members,
            from_list(list_at(document, _PLATFORMS)) if _PLATFORMS in document else (),
        )


def _check_members(members: tuple[tuple[str, int, Digest], ...], blobs: dict[Digest, int]) -> None:
    """First the three documents, then each blob once under its own name with its size."""
    names = [name for name, _size, _digest in members]
    count = len(tar.DOCUMENTS)
    if tuple(names[:count]) != tar.DOCUMENTS or len(set(names)) != len(names):
        raise ValueError("its members are not those of a bundle")
    for name, size, digest in members[count:]:
        if name != tar.blob_name(digest) or blobs.get(digest) != size:
            raise ValueError(f"its member {name[:100]} is not the blob that it lists")
    if len(members) - count != len(blobs):
        raise ValueError("it lists blobs that are no members")


def _check_bundles(images: tuple[Listed, ...]) -> None:
    """An imgpkg bundle without one of its members would be pushed and could not be unpacked."""
    there = {(image.path, image.descriptor.digest) for image in images}
    for image in images:
        if any((image.path, digest) not in there for digest in image.members):
            raise ValueError(f"{image.reference[:100]} lacks one of its members")


def _member(value: Any) -> tuple[str, int, Digest]:
    if not isinstance(value, dict) or value.keys() != {"name", "size", "sha256"}:
        raise ValueError("a member is not described by name, size and sha256")
    name = text_at(value, "name")
    return name, check_size(value["size"], name), Digest.parse(f"sha256:{value['sha256']}")


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


def _object(value: dict[str, Any], key: str) -> dict[str, Any]:
    found = value[key]
    if not isinstance(found, dict):
        raise ValueError(f"{key} is not an object")
    return found
