"""The files inside one layer, in memory and within limits. Pure: bytes in, files or ValueError out.

Layers are opaque while they are carried. Only a few small ones are looked into, a BOM's and a
package bundle's, and whoever made those may have made them to hurt. So nothing is extracted, and
of ``tarfile`` only the decoding of one header is used: its own loop ends silently at a damaged
header, waits for ever on a size of 2^62 and goes back on a negative one (CVE-2025-8194).
"""

from __future__ import annotations

import re
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from mirror.settings import (
    KIB,
    MAX_GZIP_MEMBERS,
    MAX_TAR_ENTRIES,
    MAX_TAR_EXTENSION,
    MAX_UNPACKED,
    MAX_UNPACKED_RATIO,
    RATIO_FROM,
)
from mirror.text import printable

_BLOCK = 512
_PIECE = 64 * KIB
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"

_PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
# Headers whose size means nothing: no data follows, whatever it says (as Go's reader has it).
_WITHOUT_DATA = (
    tarfile.LNKTYPE,
    tarfile.SYMTYPE,
    tarfile.CHRTYPE,
    tarfile.BLKTYPE,
    tarfile.DIRTYPE,
    tarfile.FIFOTYPE,
)
_EXTENSIONS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)
# One record of a pax header (POSIX.1-2017, pax, "pax Extended Header"): its length, key, value.
_RECORD = re.compile(rb"([1-9][0-9]{0,8}) ([^=\n]+)=")


def files_in(
    pieces: Iterable[bytes], *, wanted: Callable[[str], bool], limit: int
) -> Iterator[tuple[str, bytes]]:
    """The regular files of a layer whose names are ``wanted``, each with its whole content.

    ``pieces`` are the blob's bytes, a tar as it is or in gzip (its first bytes say which; the
    media type of TKG's own layers is docker's ``tar.gzip``). Names come without ``./`` and other
    empty parts: ``.imgpkg/images.yml``. ``limit`` is the most bytes one wanted file may have.

    Raises ValueError with the reason where the layer is damaged or too large, a wanted name stands
    twice, or is a link or device; what ``pieces`` raises passes through. The whole layer is read
    before the iterator ends, so a fault may come after the last file: use none before.
    """
    archive, seen = _Archive(_unpacked(pieces)), set[str]()
    for member in _members(archive):
        if member.kind == tarfile.DIRTYPE or not wanted(member.name):
            archive.skip(member.size)
            archive.skip(-member.size % _BLOCK)
            continue
        _check(member, seen, limit)
        seen.add(member.name)
        content = archive.take(member.size)
        archive.skip(-member.size % _BLOCK)
        yield member.name, content


class _Member(NamedTuple):
    """One entry: its name without empty parts, tar's type flag, bytes of data that follow."""

    name: str
    kind: bytes
    size: int


def _check(member: _Member, seen: set[str], limit: int) -> None:
    shown = printable(member.name, 100)
    if member.kind not in _PLAIN:
        raise ValueError(f"{shown} is a link, a device or the like, not a file")
    if member.name in seen:
        raise ValueError(f"{shown} stands in the layer twice")
    if member.size > limit:
        raise ValueError(f"{shown} has {member.size} bytes, more than {limit}")


# --- tar --------------------------------------------------------------------------------------


class _Archive:
    """Bytes in order, of which never more than MAX_UNPACKED are given."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._held = memoryview(b"")
        self.left = MAX_UNPACKED

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes; ValueError where there are fewer."""
        return b"".join(self._next(size))

    def skip(self, size: int) -> None:
        """Pass over ``size`` bytes; ValueError where there are fewer."""
        for _part in self._next(size):
            pass

    def only_zeros(self) -> bool:
        """Read on to the end; False at the first byte that is none."""
        held, self._held = bytes(self._held), memoryview(b"")
        return not held.strip(b"\0") and not any(part.strip(b"\0") for part in self._pieces)

    def _next(self, size: int) -> Iterator[memoryview]:
        # Looked at before anything is passed over: skipping 2^62 bytes would take for ever.
        if not 0 <= size <= self.left:
            raise ValueError(f"a size of {size} bytes, where {self.left} can follow at most")
        self.left -= size
        while size:
            if not self._held:
                self._held = memoryview(next(self._pieces, b""))
                if not self._held:
                    raise ValueError("the archive ends in the middle")
            part, self._held = self._held[:size], self._held[size:]
            size -= len(part)
            yield part


def _members(archive: _Archive) -> Iterator[_Member]:
    """The entries in their order; who asks has passed over the data of the one before."""
    name: str | None = None
    size: int | None = None
    for _ in range(MAX_TAR_ENTRIES):
        block = archive.take(_BLOCK)
        if not any(block):
            if not archive.only_zeros():
                raise ValueError("something follows the end of the archive")
            return
        header = _header(block)
        if header.type in _EXTENSIONS:
            long_name, long_size = _extension(archive, header)
            name, size = long_name or name, size if long_size is None else long_size
            continue
        data = header.size if size is None else size
        data = 0 if header.type in _WITHOUT_DATA else data
        yield _Member(_normal(header.name if name is None else name), header.type, data)
        name = size = None
    raise ValueError(f"more than {MAX_TAR_ENTRIES} entries in the archive")


def _header(block: bytes) -> tarfile.TarInfo:
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "replace")
    except tarfile.TarError as cause:
        raise ValueError(f"not a tar header: {cause}") from None
    if header.type == tarfile.GNUTYPE_SPARSE:
        raise ValueError("a sparse file in the archive")
    return header


def _extension(archive: _Archive, header: tarfile.TarInfo) -> tuple[str | None, int | None]:
    """Name and size that an extension header gives the entry after it, if it does."""
    if not 0 <= header.size <= MAX_TAR_EXTENSION:
        raise ValueError(f"an extension header of {header.size} bytes")
    data = archive.take(header.size)
    archive.skip(-header.size % _BLOCK)
    if header.type == tarfile.GNUTYPE_LONGNAME:
        return data.partition(b"\0")[0].decode("utf-8", "replace"), None
    if header.type == tarfile.GNUTYPE_LONGLINK:
        return None, None
    path: bytes | None = None
    size: bytes | None = None
    # Not all kept: a header of 1 MiB can have 100,000 of them, 20 times its size in memory.
    for key, value in _records(data):
        if key.startswith(b"GNU.sparse."):
            raise ValueError("a sparse file in the archive")
        path = value if key == b"path" else path
        size = value if key == b"size" else size
    if header.type == tarfile.XGLTYPE and (path is not None or size is not None):
        # It would rename or resize every entry after it; readers do not agree on which.
        raise ValueError("a global header that gives a name or a size")
    return None if path is None else path.decode("utf-8", "replace"), _number(size)


def _records(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 0
    while place < len(data):
        found = _RECORD.match(data, place)
        end = place + int(found[1]) if found else 0
        if not found or end > len(data) or found.end() >= end or data[end - 1 : end] != b"\n":
            raise ValueError("a damaged extension header")
        yield found[2], data[found.end() : end - 1]
        place = end


def _number(text: bytes | None) -> int | None:
    if text is None:
        return None
    if not text.isdigit() or len(text) > len(str(MAX_UNPACKED)):
        raise ValueError(f"a size of {printable(text.decode('latin-1'), 40)!r}")
    return int(text)


def _normal(name: str) -> str:
    """One spelling for one file: ``./a``, ``/a`` and ``.//a`` are all unpacked as ``a``."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ValueError(f"a name with '..' in it: {printable(name, 100)!r}")
    return "/".join(parts)


# --- gzip -------------------------------------------------------------------------------------


def _unpacked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The tar itself, as it comes or out of gzip."""
    source = _slices(pieces)
    first = b""
    while len(first) < len(_ZSTD) and (piece := next(source, b"")):
        first += piece
    if first.startswith(_ZSTD):
        raise ValueError("it is packed with zstd, which this tool cannot open")
    if first.startswith(_GZIP):
        return _gunzipped(first, source)
    return _chained(first, source)


def _slices(pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        for start in range(0, len(piece), _PIECE):
            yield bytes(piece[start : start + _PIECE])


def _chained(first: bytes, source: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from source


def _gunzipped(first: bytes, source: Iterator[bytes]) -> Iterator[bytes]:
    """Out of gzip, a piece at a time: 64 KiB of it can hold 64 MiB.

    A file may consist of several gzip members one after the other (RFC 1952, 2.2), and images for
    lazy pulling have one for each entry.
    """
    unpacking, members, given, made = zlib.decompressobj(31), 1, 0, 0
    for piece in _chained(first, source):
        given += len(piece)
        while piece:
            if unpacking.eof:
                unpacking, members = zlib.decompressobj(31), members + 1
                if members > MAX_GZIP_MEMBERS:
                    raise ValueError(f"more than {MAX_GZIP_MEMBERS} gzip members in one layer")
            part, piece = _step(unpacking, piece)
            made += len(part)
            _check_amount(made, given)
            if part:
                yield part
    while part := _step(unpacking, b"")[0]:
        made += len(part)
        _check_amount(made, given)
        yield part
    if not unpacking.eof:
        raise ValueError("its gzip ends in the middle")


def _step(unpacking: zlib._Decompress, piece: bytes) -> tuple[bytes, bytes]:
    """Some bytes out of gzip, and what is left to put in."""
    try:
        part = unpacking.decompress(piece, _PIECE)
    except zlib.error as cause:
        raise ValueError(f"its gzip is damaged: {cause}") from None
    return part, unpacking.unused_data if unpacking.eof else unpacking.unconsumed_tail


def _check_amount(made: int, given: int) -> None:
    if made > MAX_UNPACKED:
        raise ValueError(f"more than {MAX_UNPACKED} bytes when unpacked")
    if made > RATIO_FROM and made > MAX_UNPACKED_RATIO * given:
        raise ValueError(f"more than {MAX_UNPACKED_RATIO} times its size when unpacked")
