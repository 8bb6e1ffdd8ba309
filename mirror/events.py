"""What happens during a run, told to whoever listens. The core tells, the edge shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class PhaseStarted:
    """A new part of the run: ``items`` to do, ``size`` bytes to move (0: none that count)."""

    name: str
    items: int
    size: int = 0


@dataclass(frozen=True, slots=True)
class ItemStarted:
    """Work on one thing begins; ``key`` is unique among what is under way."""

    key: str
    label: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class Advanced:
    """``size`` more bytes of an item went through; negative where an attempt was in vain."""

    key: str
    size: int


@dataclass(frozen=True, slots=True)
class ItemEnded:
    """Work on one thing is over; ``status`` is one word: moved, mounted, present, failed, done."""

    key: str
    label: str
    status: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """An attempt failed and another follows after ``pause`` seconds."""

    reason: str
    pause: float
    attempt: int


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something the operator should know that stops nothing."""

    text: str


@dataclass(frozen=True, slots=True)
class ImageFailed:
    """An image will not be part of what the run makes, whatever else comes of it."""

    reference: str
    digest: str | None
    reason: str


Event = PhaseStarted | ItemStarted | Advanced | ItemEnded | Waiting | Noticed | ImageFailed


class Listener(Protocol):
    """Hears every event, from any thread."""

    def __call__(self, event: Event, /) -> None:
        """Must not raise and must return soon: transfers wait for it."""


def silent(_event: Event) -> None:
    """Nobody listens."""
