"""Checking bytes while they pass."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

from mirror.errors import IntegrityFault
from mirror.oci.descriptor import Descriptor
from mirror.ports import Piece


def verified(
    pieces: Iterator[Piece],
    descriptor: Descriptor,
    place: str,
    passed: Callable[[int], None],
) -> Iterator[Piece]:
    """Pass ``pieces`` on if they are what ``descriptor`` promises; IntegrityFault otherwise.

    The last piece is passed on only after the digest of the whole was compared, so a
    receiver that counts bytes never gets a complete blob that is wrong. ``passed`` hears the
    size of each piece before it goes on, and may raise to end the transfer.
    """
    digest, left = hashlib.sha256(), descriptor.size
    for piece in pieces:
        left -= len(piece)
        if left < 0:
            raise _wrong(descriptor, place, f"{descriptor.size} bytes", "more")
        digest.update(piece)
        if not left and digest.hexdigest() != descriptor.digest.hex:
            break
        # Before the piece goes on: what raises here keeps it from being written.
        passed(len(piece))
        yield piece
    if left:
        raise _wrong(descriptor, place, f"{descriptor.size} bytes", f"{descriptor.size - left}")
    if digest.hexdigest() != descriptor.digest.hex:
        got = f"sha256:{digest.hexdigest()}"
        raise _wrong(descriptor, place, str(descriptor.digest), got)


def _wrong(descriptor: Descriptor, place: str, expected: str, got: str) -> IntegrityFault:
    return IntegrityFault(
        "a blob is not what its manifest promises",
        member=f"blob {descriptor.digest}",
        expected=expected,
        got=got,
        place=place,
    )
