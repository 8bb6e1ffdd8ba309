"""Digests: ``sha256:`` and 64 lower-case hexadecimal digits, and nothing else."""

from __future__ import annotations

import hashlib
import re
import sys
from dataclasses import dataclass

_HEX = re.compile(r"[0-9a-f]{64}")
_SCHEME = "sha256:"


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """The name of some bytes (image-spec, descriptor.md, "Digests").

    Only sha256: the bundle's member names carry nothing else. A path or URL is always built
    from ``hex``, never from the text that was given.
    """

    hex: str
    """64 lower-case hexadecimal digits."""

    @classmethod
    def parse(cls, text: object) -> Digest:
        """Read ``sha256:<hex>``; ValueError for every other algorithm, case or length."""
        if isinstance(text, str) and text.startswith(_SCHEME) and _HEX.fullmatch(text[7:]):
            # A bundle's list and its manifests name each of 100,000 blobs once more.
            return cls(sys.intern(text[7:]))
        raise ValueError(f"not a sha256 digest: {str(text)[:100]!r}")

    @classmethod
    def of(cls, content: bytes) -> Digest:
        """The digest of ``content``."""
        return cls(hashlib.sha256(content).hexdigest())

    def __str__(self) -> str:
        return _SCHEME + self.hex
