"""A seeded world: where it is kept, and what there is to carry."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.bench.scenarios import Scenario
from scripts.bench.site import Wanted

__all__ = ["World", "Worlds", "earlier"]


@dataclass(frozen=True)
class World:
    """A registry's storage with images in it; blobs are configs and layers, each once."""

    storage: Path
    images: tuple[Wanted, ...]
    blobs: int
    bytes: int

    @property
    def megabytes(self) -> int:
        """Megabytes (10^6 bytes) of all blobs."""
        return round(self.bytes / 1e6)


class Worlds:
    """Seeds each world once, however many scenarios carry it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seeded: dict[str, World] = {}

    def get(self, scenario: Scenario) -> World:
        """Return the scenario's world."""
        name = f"{scenario.world}-{scenario.images}-{scenario.mb}"
        if name not in self._seeded:
            print(f"  seed {name}", flush=True)
            self._seeded[name] = _seed(scenario, self._folder / name)
        return self._seeded[name]


def earlier(images: Sequence[Wanted], new: float) -> list[Wanted]:
    """Leave out images that have the share `new` of all bytes, or as near below it as can be."""
    left = max(new * sum(image.bytes for image in images), min(i.bytes for i in images))
    kept = []
    for image in images:
        if image.bytes <= left:
            left -= image.bytes
        else:
            kept.append(image)
    return kept


def _seed(scenario: Scenario, storage: Path) -> World:
    # As a program of its own: the one that measures has to stay small.
    command = [sys.executable, "-m", "scripts.bench.worlds", scenario.world]
    command += ["--images", str(scenario.images), "--mb", str(scenario.mb)]
    command += ["--storage", str(storage)]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    seeded: dict[str, Any] = json.loads(told)
    images = (Wanted(i["repository"], i["tag"], i["digest"], i["bytes"]) for i in seeded["images"])
    return World(storage, tuple(images), seeded["blobs"], seeded["bytes"])
