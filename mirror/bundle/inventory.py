"""bundle.json as it is read: what a bundle claims about itself, in types that cannot be wrong."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from bom.errors import ReferenceFault
from bom.fact import BomFact
from bom.reference import Reference, check_path, check_tag
from mirror.bundle import format as tar
from mirror.bundle.documents import BEGIN, MEMBERS, SCHEMA, Member, listed_blobs
from mirror.oci.descriptor import Descriptor, check_size
from mirror.oci.digest import Digest
from mirror.oci.mediatypes import MANIFESTS
from mirror.oci.platform import Platform, from_list
from mirror.oci.strictjson import canonical, list_at, parse_object, text_at
from mirror.settings import MAX_INVENTORY_PARTS

_KINDS = frozenset({"image", "index", "imgpkg-bundle", "bom"})
_LONGEST_SHOWN = 4096
# There only where indexes are carried with some of their platforms.
_PLATFORMS = "platforms"
# What bundle.json may say before its members, and after them.
_BEFORE = ({"base", "blobs", "boms", "images"},)
_AFTER = ({"part", "schema", "source"}, {"part", _PLATFORMS, "schema", "source"})

# One member in its canonical form, a document or a blob, up to the next one or the end. A size of
# at most 2**53 has 16 digits.
_MEMBER = re.compile(
    rb'{"name":"([a-z.-]{1,13}|blobs/sha256/[0-9a-f]{64})","sha256":"([0-9a-f]{64})",'
    rb'"size":(0|[1-9][0-9]{0,15})}(?:,(?={)|\Z)'
)
_SCHEMA = re.compile(rb'"schema":"([^"\\]{0,60})')


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
    documents: tuple[Member, ...]
    """Those that are listed before the blobs, in order."""
    blobs: dict[Digest, int]
    """Size in bytes of every blob that the images need, in the order of the file."""
    platforms: tuple[Platform, ...] = ()
    """Those that indexes keep; empty for all."""

    @property
    def members(self) -> Iterator[Member]:
        """Every member after bundle.json, in order."""
        yield from self.documents
        for digest, size in self.blobs.items():
            yield Member(digest, size, digest)

    @classmethod
    def parse(cls, raw: bytes) -> Inventory:
        """Read bundle.json; ValueError or ReferenceFault says what is wrong with it."""
        before, members, after = _parts(raw)
        if after["part"] != {"number": 1, "of": 1}:
            raise ValueError("it is one of several parts, which this version does not read")
        documents, blobs = _sorted_out(members)
        end = raw.index(b"}", len(BEGIN))
        if _end(raw, len(BEGIN), listed_blobs(blobs.items())) != end:
            raise ValueError("the blobs that it lists are not those among its members")
        images = tuple(_image(value) for value in list_at(before, "images"))
        _check_bundles(images)
        return cls(
            _shown(after, "source"),
            tuple(_bom(value) for value in list_at(before, "boms")),
            images,
            documents,
            blobs,
            from_list(list_at(after, _PLATFORMS)) if _PLATFORMS in after else (),
        )


def _parts(raw: bytes) -> tuple[dict[str, Any], Iterator[Member], dict[str, Any]]:
    """What bundle.json says before its members, but for its blobs; these; and what follows.

    100,000 members and blobs have 30 MB, and would take 150 as JSON's own objects. So they are cut
    out and read by the one form that they may have, and both sides are read like any document.
    Each is an object for itself, so the cut is not inside of something else.
    """
    said = _SCHEMA.search(raw, raw.rfind(b'"schema":'))
    if not said or said[1] != SCHEMA.encode():
        found = said[1].decode("utf-8", "replace") if said else "none"
        raise ValueError(f"its schema is {found}, and this version reads {SCHEMA}")
    blobs = raw.find(b"}", len(BEGIN))
    start = raw.find(MEMBERS + b'{"name":', blobs)
    end = raw.find(b"],", start)
    if not raw.startswith(BEGIN) or min(blobs, start, end) < 0:
        raise ValueError("it is not in its canonical form")
    before = _canonical(BEGIN + raw[blobs:start] + b"}", _BEFORE)
    after = _canonical(b"{" + raw[end + 2 :], _AFTER)
    return before, _members(raw, start + len(MEMBERS), end), after


def _canonical(raw: bytes, keys: Collection[set[str]]) -> dict[str, Any]:
    document = parse_object(raw, MAX_INVENTORY_PARTS)
    if document.keys() not in keys or canonical(document) != raw:
        raise ValueError("it is not in its canonical form")
    return document


def _members(raw: bytes, start: int, end: int) -> Iterator[Member]:
    for found in _MEMBER.finditer(raw, start, end):
        if found.start() != start:
            break
        start = found.end()
        name, digest = found[1].decode(), Digest(found[2].decode())
        size = check_size(int(found[3]), name)
        key = digest if name == tar.blob_name(digest) else name
        yield Member(key, size, digest)
    if start != end:
        raise ValueError("a member is not described by name, size and sha256")


def _sorted_out(members: Iterable[Member]) -> tuple[tuple[Member, ...], dict[Digest, int]]:
    """First the three documents, then each blob once under its own name."""
    left = iter(members)
    documents = tuple(islice(left, len(tar.DOCUMENTS)))
    if tuple(member.key for member in documents) != tar.DOCUMENTS:
        raise ValueError("its members are not those of a bundle")
    blobs = dict[Digest, int]()
    for member in left:
        if member.key != member.digest or member.digest in blobs:
            raise ValueError(f"its member {member.name} is no blob, or stands there twice")
        blobs[member.digest] = member.size
    return documents, blobs


def _end(raw: bytes, position: int, pieces: Iterable[bytes]) -> int:
    """Where these end if they stand at ``position``, one after the other; -1 if they do not."""
    for piece in pieces:
        if not raw.startswith(piece, position):
            return -1
        position += len(piece)
    return position


def _check_bundles(images: tuple[Listed, ...]) -> None:
    """An imgpkg bundle without one of its members would be pushed and could not be unpacked."""
    there = {(image.path, image.descriptor.digest) for image in images}
    for image in images:
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
