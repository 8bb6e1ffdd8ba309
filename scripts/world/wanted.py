"""What a world must hold: BOM files and image lists -> places, read without the tool's own reader.

These few lines judge the tool, so they share nothing with it: a second opinion on the same files.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

__all__ = ["Place", "places_of_bom", "places_of_list", "wanted"]


@dataclass(frozen=True, order=True)
class Place:
    """Where an image lies in a registry; `bom` is the file it carries, for a BOM's own image."""

    repository: str
    tag: str
    bom: Path | None = None

    def __str__(self) -> str:
        return f"{self.repository}:{self.tag}"


def wanted(boms: Iterable[Path], lists: Iterable[Path], prefix: str) -> list[Place]:
    """Return every place once, sorted; a BOM's own image wins over an entry of the same name."""
    found: dict[str, Place] = {}
    for path in lists:
        found |= {str(place): place for place in places_of_list(path.read_text())}
    own = []
    for path in boms:
        places = places_of_bom(path, prefix)
        found |= {str(place): place for place in places}
        own.append(places[0])
    found |= {str(place): place for place in own}
    return [found[name] for name in sorted(found)]


def places_of_bom(path: Path, prefix: str) -> list[Place]:
    """Return the BOM's own place first, then one for each image of its components."""
    # BaseLoader makes every scalar a string: a tag 3.10 stays 3.10.
    bom: dict[str, Any] = yaml.load(path.read_text(), Loader=yaml.BaseLoader)  # noqa: S506
    release = bom["release"]["version"].replace("+", "_")
    kind = "tkg-bom" if "default" in bom else "tkr-bom"
    places = [Place(f"{prefix}/{kind}", release, path)]
    for versions in (bom.get("components") or {}).values():
        for version in versions or []:
            for image in (version.get("images") or {}).values():
                places.append(_place(image, prefix))
    return places


def places_of_list(text: str) -> list[Place]:
    """Return a place for each `host/repository:tag` line; the host is left out."""
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    split = (_without_host(line).rsplit(":", 1) for line in lines if line)
    return [Place(repository, tag) for repository, tag in split]


def _place(image: dict[str, str], prefix: str) -> Place:
    # An override (TCE spells it `repository`) lies beside the prefix, under its own path.
    override = image.get("imageRepository") or image.get("repository")
    base = _without_host(override) if override else prefix
    return Place("/".join(part for part in (base, image["imagePath"]) if part), image["tag"])


def _without_host(reference: str) -> str:
    _, _, rest = reference.strip("/").partition("/")
    return rest
