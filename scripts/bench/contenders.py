"""Who runs: the command lines of the tool and of the floor; those of others are in `peers`.

A contender gives one command for each step, or None where it has nothing like it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Protocol

from scripts.bench.site import Site

__all__ = ["FLOOR", "TOOL", "Contender", "Floor", "Tool"]

TOOL, FLOOR = "tkg-mirror", "floor"


class Contender(Protocol):
    """One program. ``target`` is its own result of a create, a file or a directory."""

    name: str
    adds: bool
    """Whether a create adds to an earlier result, instead of writing another one."""
    kept: bool
    """Whether later steps read its result."""

    def create(self, site: Site, target: Path) -> list[str] | None:
        """Registry to result."""

    def verify(self, target: Path) -> list[str] | None:
        """Check all bytes of a result."""

    def show(self, target: Path) -> list[str] | None:
        """List what a result holds."""

    def push(self, site: Site, target: Path, destination: str) -> list[str] | None:
        """Result to ``destination``, a host with a path."""


# Options of downloads: with one of these the tool only creates.
_CREATING = frozenset({"--ranges", "--no-referrers"})


class Tool:
    """tkg-mirror, as it is in this checkout."""

    adds = False

    def __init__(self, *options: str) -> None:
        self._options = options
        self.name = " ".join((TOOL, *options))
        self.kept = _CREATING.isdisjoint(options)

    def create(self, site: Site, target: Path) -> list[str] | None:
        """`bundle create`; its result tells how many bytes it moved."""
        given = ["--images", str(site.listed()), "-o", str(target)]
        return self._bundle("create", *given, *self._manner(site))

    def verify(self, target: Path) -> list[str] | None:
        """`bundle verify`; its result tells the seconds that it took once it ran."""
        return self._bundle("verify", str(target))

    def show(self, target: Path) -> list[str] | None:
        """`bundle show`."""
        return self._bundle("show", str(target))

    def push(self, site: Site, target: Path, destination: str) -> list[str] | None:
        """`bundle push`; its result tells how many bytes it moved."""
        return self._bundle("push", str(target), destination, *self._manner(site))

    def _manner(self, site: Site) -> list[str]:
        """As people call it: how many transfers at a time are best is its own matter."""
        trust = ["--ca-file", str(site.ca)] if site.ca else ["--plain-http"]
        return [*trust, *self._options]

    def _bundle(self, verb: str, *arguments: str) -> list[str] | None:
        if verb != "create" and not self.kept:
            return None
        return [sys.executable, "-m", "mirror", "bundle", verb, *arguments, "--format", "json"]


class Floor:
    """Bare sockets. It reads the tool's bundles, for its own are not made to be kept."""

    name = FLOOR
    adds = kept = False

    def create(self, site: Site, target: Path) -> list[str] | None:
        """Registry to one tar."""
        return self._floor("create", str(site.listed()), str(target), *self._manner(site))

    def verify(self, target: Path) -> list[str] | None:
        """Hash all blobs on all cores."""
        return self._floor("verify", str(target))

    def show(self, target: Path) -> list[str] | None:
        """Print the bundle's own list."""
        return self._floor("show", str(target))

    def push(self, site: Site, target: Path, destination: str) -> list[str] | None:
        """Bundle to registry."""
        return self._floor("push", str(target), destination, *self._manner(site))

    def _manner(self, site: Site) -> list[str]:
        return ["-j", str(site.jobs), *(["--ca", str(site.ca)] if site.ca else [])]

    def _floor(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "scripts.bench.floor", *arguments]
