"""A real registry with made-up TKG releases, seeded once for all tests of a process.

    def test_it(tkg_source: TkgSource) -> None:
        tkg_source.world.expected("v1.6.0")     # what a mirror must hold
        tkg_source.world.rewrite                # the dead host of its BOMs, and where it is now
        tkg_source.registry.requests()

Read it, do not write to it; seed a world of one's own to leave something out. Seeding takes some
seconds, so tests that need it stay in one process: `pytestmark = pytest.mark.xdist_group("tkg")`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from scripts.world.registry import PROGRAM, Registry
from scripts.world.tkg import TkgWorld, seed_release
from tests.fakes.registries import absent


@dataclass(frozen=True)
class TkgSource:
    """A registry that takes foreign layers, and the world in it."""

    registry: Registry
    world: TkgWorld


@pytest.fixture(scope="session")
def tkg_source() -> Iterator[TkgSource]:
    """A real registry with all made-up releases under `tkg`."""
    if shutil.which(PROGRAM) is None:
        absent(f"{PROGRAM} is not installed; scripts/setup.sh installs it")
    with Registry(foreign=True) as running:
        yield TkgSource(running, seed_release(running.url))
