"""Where each member of a bundle lies: names and sizes give every offset. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mirror.bundle.format import BLOCK, TRAILER, padding


@dataclass(frozen=True, slots=True)
class Slot:
    """One member's place: its header begins at ``start``, its content one block later."""

    name: str
    size: int
    start: int

    @property
    def content(self) -> int:
        """Offset of the first byte of content."""
        return self.start + BLOCK

    @property
    def end(self) -> int:
        """Offset of the next member's header, padding included."""
        return self.content + self.size + padding(self.size)


def lay_out(members: Iterable[tuple[str, int]]) -> tuple[list[Slot], int]:
    """The slots of ``(name, size)`` in their order, and the size of the whole file in bytes."""
    slots, position = list[Slot](), 0
    for name, size in members:
        slots.append(Slot(name, size, position))
        position = slots[-1].end
    return slots, position + len(TRAILER)
