"""A BOM file's bytes to a Bom: the size, what it is, the ConfigMap around it, its dialect."""

from __future__ import annotations

import hashlib
import os

from bom.cursor import Cursor
from bom.dialects.components import read_release
from bom.dialects.tkg import read_tkg
from bom.dialects.tkr import read_tkr
from bom.errors import BomFault
from bom.kinds import is_bom, is_configmap, kind_of, name_of, no_bom
from bom.limits import MAX_FILE_BYTES
from bom.model import Bom, BomKind
from bom.wrapping import unwrap
from bom.yamltree import Origin, compose, decode


def read_bom(path: str | os.PathLike[str], *, expect: BomKind | None = None) -> Bom:
    """Read and parse a file, at most 8 MiB of it; raises BomFault, also where it cannot be read."""
    file = os.fspath(path)
    try:
        with open(file, "rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        found = (error.strerror or type(error).__name__).lower()
        raise BomFault(file, 0, "", expected="a readable file", found=found) from error
    except ValueError as error:
        raise BomFault(file, 0, "", expected="a file name", found=str(error)) from error
    return parse_bom(data, file, expect=expect)


def parse_bom(data: bytes, file: str, *, expect: BomKind | None = None) -> Bom:
    """Parse a TKG or TKr BOM; ``file`` is its name in faults and in the result.

    Raises BomFault with line and key for what is no YAML, no BOM, not the BOM that ``expect``
    names, or not in shape. Only the first fault is told.
    """
    if len(data) > MAX_FILE_BYTES:
        expected = f"at most {MAX_FILE_BYTES} bytes"
        raise BomFault(file, 0, "", expected=expected, found="a larger file")
    origin = Origin(file)
    nodes = compose(decode(data, origin), origin)
    root, notices = _choose([Cursor.at_root(node, origin) for node in nodes], file, expect)
    kind = kind_of(root, read_release(root), expect)
    sha256 = f"sha256:{hashlib.sha256(data).hexdigest()}"
    read = read_tkg if kind is BomKind.TKG else read_tkr
    return read(root, sha256, notices)


def _choose(
    documents: list[Cursor], file: str, expect: BomKind | None
) -> tuple[Cursor, tuple[str, ...]]:
    """The one document that is a BOM or wraps one, and what to tell of the others."""
    full = [document for document in documents if not document.null]
    if not full:
        raise BomFault(file, 0, "", expected="a BOM", found="an empty file")
    boms = [document for document in full if is_bom(document)]
    chosen = boms or [document for document in full if is_configmap(document)]
    if not chosen:
        raise no_bom(full[0], expect)
    if len(chosen) > 1:
        raise chosen[1].fault("one BOM in a file", "a second one")
    others = tuple(
        f"left aside the YAML document on line {document.line}: {name_of(document)}"
        for document in full
        if document is not chosen[0]
    )
    if boms:
        return boms[0], others
    root, notice = unwrap(chosen[0])
    if not is_bom(root):
        raise no_bom(root, expect)
    return root, (notice, *others)
