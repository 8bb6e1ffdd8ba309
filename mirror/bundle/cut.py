"""bundle.json cut into two long lists, which have one form, and the rest, which is read as JSON.

100,000 blobs are 30 MB of it: 150 MB and a second as JSON's own objects. Both lists are checked to
be in their canonical form byte for byte. So is the rest, which stands before the members and after
them: each side is an object for itself, and so no cut was made inside of something else. Pure.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from mirror.bundle import format as tar
from mirror.bundle.documents import BEGIN, MEMBERS, SCHEMA, Member, listed_blobs, member_json
from mirror.oci.descriptor import check_size
from mirror.oci.digest import Digest
from mirror.oci.strictjson import canonical, parse_object
from mirror.settings import MAX_INVENTORY_PARTS

# There only where indexes are carried with some of their platforms.
PLATFORMS = "platforms"
# What bundle.json may say before its members, and after them.
_BEFORE = ({"base", "blobs", "boms", "images"},)
_AFTER = ({"part", "schema", "source"}, {"part", PLATFORMS, "schema", "source"})

_SCHEMA = re.compile(rb'"schema":"([^"\\]{0,60})')
# A size of at most 2**53 has 16 digits.
_SIZE = rb"(0|[1-9][0-9]{0,15})"
# An entry of the two lists, with the comma that stands before another one.
_NAME = rb"[0-9a-f]{64}"
_MEMBER = rb'{"name":"%b","sha256":"%b","size":%b}(?:,(?={)|\Z)'
_BLOB = rb'"sha256:%b":%b(?:,(?=")|\Z)'
_DOCUMENT = re.compile(_MEMBER % (rb"([a-z.-]{1,13})", b"(%b)" % _NAME, _SIZE))
_WHOLE_MEMBER = re.compile(_MEMBER % (b"blobs/sha256/(%b)" % _NAME, rb"\1", _SIZE))
# The same where only sizes are of interest, and how many bytes an entry has whose size is one
# digit.
_MEMBER_SIZE = re.compile(_MEMBER % (b"blobs/sha256/" + _NAME, _NAME, _SIZE))
_BLOB_SIZE = re.compile(_BLOB % (_NAME, _SIZE))
_ZERO = Member.of("", [])
_MEMBER_REST = len(member_json(Member(_ZERO.digest, 0, _ZERO.digest)))
_BLOB_REST = len(b"".join(listed_blobs([(_ZERO.digest, 0)])))


@dataclass(frozen=True, slots=True)
class Cut:
    """A bundle.json; ``list_at`` takes the rest apart."""

    before: dict[str, Any]
    """What it says before its members, the blobs left out."""
    after: dict[str, Any]
    documents: tuple[Member, ...]
    """The members before the blobs."""
    _raw: bytes
    _blobs: tuple[int, int]
    """Where the list of blobs begins and ends."""
    _members: tuple[int, int]
    """Where that of the members begins and ends, the documents left out."""

    @classmethod
    def of(cls, raw: bytes) -> Cut:
        """Cut it; ValueError says what is wrong with it."""
        said = _SCHEMA.search(raw, max(0, raw.rfind(b'"schema":')))
        if not said or said[1] != SCHEMA.encode():
            found = said[1].decode("utf-8", "replace") if said else "none"
            raise ValueError(f"its schema is {found}, and this version reads {SCHEMA}")
        blobs = raw.find(b"}", len(BEGIN))
        start = raw.find(MEMBERS + b'{"name":', blobs)
        end = raw.find(b"],", start)
        if not raw.startswith(BEGIN) or min(blobs, start, end) < 0:
            raise ValueError("it is not in its canonical form")
        before = _object(BEGIN + raw[blobs:start] + b"}", _BEFORE)
        after = _object(b"{" + raw[end + 2 :], _AFTER)
        documents, first = _documents(raw, start + len(MEMBERS), end)
        return cls(before, after, documents, raw, (len(BEGIN), blobs), (first, end))

    def sizes(self) -> list[int]:
        """The sizes of all blobs in the order of the file, in bytes, without their names.

        ValueError where one of the lists is not in its form, or they differ in sizes.
        """
        sizes = _sizes(_MEMBER_SIZE, _MEMBER_REST, self._raw, self._members)
        if sorted(sizes) != sorted(_sizes(_BLOB_SIZE, _BLOB_REST, self._raw, self._blobs)):
            raise ValueError("the blobs that it lists are not those among its members")
        return sizes

    def blobs(self) -> dict[Digest, int]:
        """Every blob in the order of the file, with its size in bytes.

        ValueError where one of the lists is not in its form, or they are not the same.
        """
        found = dict[Digest, int]()
        start, end = self._members
        count = 0
        for each in _WHOLE_MEMBER.finditer(self._raw, start, end):
            if each.start() != start:
                break
            start, count = each.end(), count + 1
            name = sys.intern(each[1].decode())
            found[Digest(name)] = check_size(int(each[2]), name)
        if start != end or count != len(found):
            raise ValueError("a member is no blob, or stands there twice")
        if not self._are_listed(found):
            raise ValueError("the blobs that it lists are not those among its members")
        return found

    def _are_listed(self, blobs: dict[Digest, int]) -> bool:
        position, end = self._blobs
        for piece in listed_blobs(blobs.items()):
            if not self._raw.startswith(piece, position):
                return False
            position += len(piece)
        return position == end


def _object(raw: bytes, keys: Collection[set[str]]) -> dict[str, Any]:
    document = parse_object(raw, MAX_INVENTORY_PARTS)
    if document.keys() not in keys or canonical(document) != raw:
        raise ValueError("it is not in its canonical form")
    return document


def _documents(raw: bytes, start: int, end: int) -> tuple[tuple[Member, ...], int]:
    """The first members, which must be the three documents, and where the blobs begin."""
    found = list[Member]()
    for name in tar.DOCUMENTS:
        each = _DOCUMENT.match(raw, start, end)
        if not each or each[1] != name.encode():
            raise ValueError("its members are not those of a bundle")
        found.append(Member(name, check_size(int(each[3]), name), Digest(each[2].decode())))
        start = each.end()
    return tuple(found), start


def _sizes(entry: re.Pattern[bytes], rest: int, raw: bytes, place: tuple[int, int]) -> list[int]:
    """The sizes in a list that consists of such entries and nothing else."""
    start, end = place
    found = entry.findall(raw, start, end)
    # There is a comma between any two.
    covered = sum(map(len, found)) + len(found) * rest - 1 if found else 0
    if covered != end - start:
        raise ValueError("a member is no blob")
    sizes = [*map(int, found)]
    check_size(max(sizes, default=0), "a blob")
    return sizes
