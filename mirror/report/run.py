"""A run's facts, as the engine's outcomes give them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from mirror.errors import Fault


@dataclass(frozen=True, slots=True)
class ImageResult:
    """What became of one image; ``status`` is ``copied``, ``present``, ``absent`` or ``failed``."""

    reference: str
    digest: str | None
    status: str
    reason: str = ""
    fault: Fault | None = field(default=None, compare=False, repr=False)
    """Why, for whoever decides how a run ends in which nothing went well."""


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a create, push or copy did. Sizes in bytes."""

    images: tuple[ImageResult, ...]
    moved: int
    skipped: int
    mounted: int
    seconds: float
    requests: int
    notices: tuple[str, ...] = ()
    extra: dict[str, object] = field(default_factory=dict)

    @property
    def result(self) -> str:
        """``ok``; ``partial`` where some images failed; ``failed`` where all did."""
        failed = sum(image.status == "failed" for image in self.images)
        if not failed:
            return "ok"
        return "failed" if failed == len(self.images) else "partial"

    @property
    def failed(self) -> tuple[ImageResult, ...]:
        """The images that did not make it."""
        return tuple(image for image in self.images if image.status == "failed")


def reason_of(fault: Fault | None) -> str:
    """One line for a result."""
    return str(fault) if fault else ""


def ordered(results: Iterable[ImageResult]) -> tuple[ImageResult, ...]:
    """By reference, whatever order they came in."""
    return tuple(sorted(results, key=lambda image: image.reference))
