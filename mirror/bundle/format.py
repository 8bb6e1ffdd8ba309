"""The tar side of a bundle: one plain ustar header a member, and nothing else. Pure.

A bundle's header follows from the member's name, its size and one time for all members, so a
reader does not interpret headers: it makes the header that must stand there and compares 512
bytes. Python's tarfile silently drops members after one flipped bit, and every leniency of a
tar reader is a place where two readers see two files.
"""

from __future__ import annotations

import re

from mirror.oci.digest import Digest

BLOCK = 512
# A tar ends with two empty blocks; nothing comes after them.
TRAILER = bytes(2 * BLOCK)

INVENTORY = "bundle.json"
LAYOUT = "oci-layout"
INDEX = "index.json"
DOCKER_LIST = "manifest.json"
BLOBS = "blobs/sha256/"
DOCUMENTS = (LAYOUT, INDEX, DOCKER_LIST)

# The first number that eleven octal digits do not hold: a size from here on is in base 256, and
# no time is.
OCTAL_LIMIT = 8**11
_NUMBER = re.compile(rb"[0-7]{11}\0")


def header(name: str, size: int, mtime: int) -> bytes:
    """The 512 bytes before a member of ``size`` bytes (POSIX.1-1988, ustar)."""
    fields = (
        name.encode("ascii").ljust(100, b"\0"),
        b"0000644\0",
        b"0000000\0",
        b"0000000\0",
        _size_field(size),
        b"%011o\0" % mtime,
        b" " * 8,
        b"0",
        bytes(100),
        b"ustar\x0000",
        bytes(247),
    )
    block = b"".join(fields)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def first_header(block: bytes) -> tuple[int, int] | None:
    """Size and time in the header of the first member, or None where it is no such header.

    These two are all that a header can say by itself; the caller compares the rest.
    """
    size, mtime = block[124:136], block[136:148]
    if not (_NUMBER.fullmatch(size) and _NUMBER.fullmatch(mtime)):
        return None
    found = int(size[:11], 8), int(mtime[:11], 8)
    return found if block == header(INVENTORY, *found) else None


def padding(size: int) -> int:
    """Zero bytes after a member of ``size`` bytes, up to the next block."""
    return -size % BLOCK


def blob_name(digest: Digest) -> str:
    """The member that holds a blob (image-layout.md, "Blobs")."""
    return BLOBS + digest.hex


def _size_field(size: int) -> bytes:
    if size < OCTAL_LIMIT:
        return b"%011o\0" % size
    return b"\x80" + size.to_bytes(11, "big")
