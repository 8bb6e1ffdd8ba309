"""What a bundle remembers of a BOM file."""

from __future__ import annotations

from typing import NamedTuple


class BomFact(NamedTuple):
    """Which BOM file was read: "tkg-bom" or "tkr-bom", its release, "sha256:<hex>" of it."""

    kind: str
    release: str
    sha256: str
