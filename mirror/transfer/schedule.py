"""In which order blobs move. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from mirror.ports import Move


def largest_first(moves: Iterable[Move]) -> list[Move]:
    """Large blobs first, so that no worker starts the largest one when all others are done.

    Equal sizes go by digest: the order is the same in every run.
    """
    return sorted(moves, key=lambda move: (-move.descriptor.size, move.descriptor.digest.hex))
