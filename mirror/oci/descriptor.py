"""Descriptors: what a manifest promises about each piece of content."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

from mirror.oci.digest import Digest
from mirror.oci.platform import Platform
from mirror.settings import MAX_MEDIA_TYPE

# The largest integer that every JSON reader keeps exact (RFC 8259, section 6).
_LARGEST = 2**53
# The image that an attestation in the same index is about (BuildKit, attestation-storage.md).
_ABOUT = "vnd.docker.reference.digest"


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Media type, digest and size in bytes (image-spec, descriptor.md).

    The other two members say what an index has a child for, and not which content it is, so
    they do not count where two descriptors are compared.
    """

    media_type: str
    digest: Digest
    size: int
    platform: Platform | None = field(default=None, compare=False)
    about: Digest | None = field(default=None, compare=False)
    """Of an attestation: the image in the same index that it is about."""

    def __str__(self) -> str:
        return f"{self.digest} of {self.size} bytes as {self.media_type[:100]}"

    @classmethod
    def from_json(cls, value: Any) -> Descriptor:
        """Check the three required members; ValueError names the first that is wrong."""
        if not isinstance(value, dict):
            raise ValueError("a descriptor is not an object")
        media_type = value.get("mediaType")
        if not isinstance(media_type, str) or not media_type:
            raise ValueError("a descriptor has no mediaType")
        if len(media_type) > MAX_MEDIA_TYPE:
            raise ValueError(f"a media type of more than {MAX_MEDIA_TYPE} characters")
        # A hundred thousand descriptors have five media types between them.
        media_type = sys.intern(media_type)
        digest = Digest.parse(value.get("digest"))
        size = check_size(value.get("size"), digest)
        platform = Platform.from_json(value.get("platform"))
        return cls(media_type, digest, size, platform, _about(value.get("annotations")))


def _about(annotations: Any) -> Digest | None:
    try:
        return Digest.parse(annotations[_ABOUT]) if annotations else None
    except (KeyError, TypeError, ValueError):
        return None


def check_size(value: Any, of: object) -> int:
    """A size in bytes: an integer from 0 to 2**53, or ValueError naming what it is the size of."""
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise ValueError(f"the size of {of} is {str(value)[:40]}, not a number of bytes")
    return value
