"""A file's bytes to a BOM, a compatibility file or an ImagesLock: size, kind, wrapping, dialect."""

from __future__ import annotations

import hashlib
import os

from bom.cursor import Cursor
from bom.dialects.compatibility import read_tkg_compatibility, read_tkr_compatibility
from bom.dialects.components import read_release
from bom.dialects.imageslock import read_images_lock
from bom.dialects.tkg import read_tkg
from bom.dialects.tkr import read_tkr
from bom.errors import BomFault
from bom.kinds import (
    DocumentKind,
    document_kind,
    is_bom,
    is_configmap,
    kind_of,
    name_of,
    no_bom,
)
from bom.limits import MAX_FILE_BYTES
from bom.model import Bom, BomKind, Document, ImagesLock, TkgCompatibility, TkrCompatibility
from bom.wrapping import unwrap
from bom.yamltree import Origin, compose, decode

_ANY = "a BOM, a tkg- or tkr-compatibility file or an ImagesLock"


def read_bom(path: str | os.PathLike[str], *, expect: BomKind | None = None) -> Bom:
    """Read and parse a file, at most 8 MiB of it; raises BomFault, also where it cannot be read."""
    return parse_bom(_read(path), os.fspath(path), expect=expect)


def read_document(path: str | os.PathLike[str]) -> Document:
    """Read and parse a file of any of the kinds, as ``parse_document`` does; raises BomFault."""
    return parse_document(_read(path), os.fspath(path))


def parse_bom(data: bytes, file: str, *, expect: BomKind | None = None) -> Bom:
    """Parse a TKG or TKr BOM; ``file`` is its name in faults and in the result.

    Raises BomFault with line and key for what is no YAML, no BOM, not the BOM that ``expect``
    names, or not in shape. Only the first fault is told.
    """
    return _bom(_documents(data, file, DocumentKind.BOM), _sha256(data), expect)


def parse_tkg_compatibility(data: bytes, file: str) -> TkgCompatibility:
    """Parse a tkg-compatibility file; raises BomFault, as ``parse_bom`` does."""
    kind = DocumentKind.TKG_COMPATIBILITY
    return read_tkg_compatibility(_only(_documents(data, file, kind), kind), _sha256(data))


def parse_tkr_compatibility(data: bytes, file: str) -> TkrCompatibility:
    """Parse a tkr-compatibility file; raises BomFault, as ``parse_bom`` does."""
    kind = DocumentKind.TKR_COMPATIBILITY
    return read_tkr_compatibility(_only(_documents(data, file, kind), kind), _sha256(data))


def parse_images_lock(data: bytes, file: str) -> ImagesLock:
    """Parse an imgpkg bundle's ImagesLock; raises BomFault, as ``parse_bom`` does."""
    kind = DocumentKind.IMAGES_LOCK
    return read_images_lock(_only(_documents(data, file, kind), kind), _sha256(data))


def parse_document(data: bytes, file: str) -> Document:
    """Parse a document whose kind it tells by itself; raises BomFault, as ``parse_bom`` does."""
    documents = _documents(data, file, _ANY)
    if any(is_bom(document) or is_configmap(document) for document in documents):
        return _bom(documents, _sha256(data), None)
    match document_kind(documents[0]):
        case DocumentKind.TKG_COMPATIBILITY as kind:
            return read_tkg_compatibility(_only(documents, kind), _sha256(data))
        case DocumentKind.TKR_COMPATIBILITY as kind:
            return read_tkr_compatibility(_only(documents, kind), _sha256(data))
        case DocumentKind.IMAGES_LOCK as kind:
            return read_images_lock(_only(documents, kind), _sha256(data))
        case _:
            raise documents[0].fault(_ANY, name_of(documents[0]))


def _read(path: str | os.PathLike[str]) -> bytes:
    """A file's bytes, one more than may be parsed at most."""
    file = os.fspath(path)
    try:
        with open(file, "rb") as stream:
            return stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        found = (error.strerror or type(error).__name__).lower()
        raise BomFault(file, 0, "", expected="a readable file", found=found) from error
    except ValueError as error:
        raise BomFault(file, 0, "", expected="a file name", found=str(error)) from error


def _sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _documents(data: bytes, file: str, expected: str) -> list[Cursor]:
    """The YAML documents that are not empty, at least one."""
    if len(data) > MAX_FILE_BYTES:
        limit = f"at most {MAX_FILE_BYTES} bytes"
        raise BomFault(file, 0, "", expected=limit, found="a larger file")
    origin = Origin(file)
    nodes = compose(decode(data, origin), origin)
    roots = [Cursor.at_root(node, origin) for node in nodes]
    full = [root for root in roots if not root.null]
    if not full:
        raise BomFault(file, 0, "", expected=expected, found="an empty file")
    return full


def _only(documents: list[Cursor], kind: DocumentKind) -> Cursor:
    """The one document of a file, which must be of this kind."""
    first, *others = documents
    if document_kind(first) is not kind:
        raise first.fault(kind.value, name_of(first))
    if others:
        raise others[0].fault("one YAML document in a file", "a second one")
    return first


def _bom(documents: list[Cursor], sha256: str, expect: BomKind | None) -> Bom:
    root, notices = _choose(documents, expect)
    kind = kind_of(root, read_release(root), expect)
    read = read_tkg if kind is BomKind.TKG else read_tkr
    return read(root, sha256, notices)


def _choose(documents: list[Cursor], expect: BomKind | None) -> tuple[Cursor, tuple[str, ...]]:
    """The one document that is a BOM or wraps one, and what to tell of the others."""
    boms = [document for document in documents if is_bom(document)]
    chosen = boms or [document for document in documents if is_configmap(document)]
    if not chosen:
        raise no_bom(documents[0], expect)
    if len(chosen) > 1:
        raise chosen[1].fault("one BOM in a file", "a second one")
    others = tuple(
        f"left aside the YAML document on line {document.line}: {name_of(document)}"
        for document in documents
        if document is not chosen[0]
    )
    if boms:
        return boms[0], others
    root, notice = unwrap(chosen[0])
    if not is_bom(root):
        raise no_bom(root, expect)
    return root, (notice, *others)
