"""Platforms: for which system and processor an image of an index is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from mirror.settings import MAX_PLATFORM_PART, MAX_PLATFORMS

_PART = re.compile(rf"[a-z0-9][a-z0-9._-]{{0,{MAX_PLATFORM_PART - 1}}}")


class Platform(NamedTuple):
    """Go's names of a system and a processor (image-spec, image-index.md, "platform")."""

    os: str
    architecture: str
    variant: str = ""
    """Of the processor, ``v7`` for example; empty where none is named."""

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))

    @classmethod
    def parse(cls, text: object) -> Platform:
        """Read ``os/arch`` or ``os/arch/variant``, in lower case; ValueError for all else."""
        parts = text.split("/") if isinstance(text, str) else []
        if len(parts) not in (2, 3) or not _are_parts(parts):
            raise ValueError(f"not a platform: {str(text)[:100]!r}")
        return cls(*parts)

    @classmethod
    def from_json(cls, value: Any) -> Platform | None:
        """A descriptor's ``platform``; None where it names none, or none that could be chosen.

        Nothing is refused here: an image whose platform nobody can name is carried anyway.
        """
        if not isinstance(value, dict):
            return None
        parts: list[Any] = [value.get("os"), value.get("architecture")]
        if variant := value.get("variant"):
            parts.append(variant)
        return cls(*parts) if _are_parts(parts) else None

    def wants(self, other: Platform) -> bool:
        """True where ``other`` is this platform; any variant of it where this names none."""
        same = (self.os, self.architecture) == (other.os, other.architecture)
        return same and self.variant in ("", other.variant)


def _are_parts(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) and _PART.fullmatch(value) for value in values)


# What BuildKit writes for an attestation, which is for no system at all.
UNKNOWN = Platform("unknown", "unknown")


def as_listed(platforms: Iterable[Platform]) -> tuple[str, ...]:
    """The order in which a plan and a bundle list platforms: sorted, each once."""
    return tuple(str(platform) for platform in sorted(set(platforms)))


def from_list(values: Sequence[Any]) -> tuple[Platform, ...]:
    """Those that a plan or a bundle lists; ValueError for none, too many or another order."""
    if not 0 < len(values) <= MAX_PLATFORMS:
        raise ValueError(f"{len(values)} platforms, not 1 to {MAX_PLATFORMS}")
    found = tuple(Platform.parse(value) for value in values)
    if as_listed(found) != tuple(values):
        raise ValueError("its platforms are not sorted, or one stands there twice")
    return found
