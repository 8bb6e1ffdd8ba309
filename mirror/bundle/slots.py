"""Where each member of a bundle lies: names and sizes give every offset. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mirror.bundle.format import BLOCK, TRAILER, blob_name, padding
from mirror.oci.digest import Digest

# What a member is known by: a document by its name, a blob by its digest. A name for each of
# 100,000 blobs would be 13 MB.
Key = str | Digest


def member_name(key: Key) -> str:
    """What the tar calls the member that is known by this."""
    return key if isinstance(key, str) else blob_name(key)


@dataclass(frozen=True, slots=True)
class Slot:
    """One member's place: its header begins at ``start``, its content one block later."""

    key: Key
    size: int
    start: int

    @property
    def name(self) -> str:
        """As the tar has it."""
        return member_name(self.key)

    @property
    def content(self) -> int:
        """Offset of the first byte of content."""
        return self.start + BLOCK

    @property
    def end(self) -> int:
        """Offset of the next member's header, padding included."""
        return self.content + self.size + padding(self.size)


def length(sizes: Iterable[int]) -> int:
    """The size of a whole file whose members have these sizes, in bytes."""
    return sum(BLOCK + size + padding(size) for size in sizes) + len(TRAILER)


def lay_out(members: Iterable[tuple[Key, int]]) -> tuple[list[Slot], int]:
    """The slots of ``(key, size)`` in their order, and the size of the whole file in bytes."""
    slots, position = list[Slot](), 0
    for key, size in members:
        slots.append(Slot(key, size, position))
        position = slots[-1].end
    return slots, position + len(TRAILER)
