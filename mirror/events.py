"""What happens during a run, told to whoever listens. The core tells, the edge shows."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class PhaseStarted(NamedTuple):
    """A new part of the run: ``items`` to do, ``size`` bytes to move (0: none that count)."""

    name: str
    items: int
    size: int = 0


class ItemStarted(NamedTuple):
    """Work on one thing begins; ``key`` is unique among what is under way."""

    key: str
    label: str
    size: int = 0


class Advanced(NamedTuple):
    """``size`` more bytes of an item went through; negative where an attempt was in vain."""

    key: str
    size: int


class ItemEnded(NamedTuple):
    """Work on one thing is over; ``status`` is one word: moved, mounted, present, failed, done."""

    key: str
    label: str
    status: str
    size: int = 0


class Waiting(NamedTuple):
    """An attempt failed and another follows after ``pause`` seconds."""

    reason: str
    pause: float
    attempt: int


class Noticed(NamedTuple):
    """Something the operator should know that stops nothing."""

    text: str


class ImageFailed(NamedTuple):
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
