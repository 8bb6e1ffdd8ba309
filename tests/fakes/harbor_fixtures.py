"""Fixtures: a Harbor with nothing in it, in front of a real registry of the test's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scripts.world.registry import Registry
from tests.fakes.harbor import Harbor


@pytest.fixture
def harbor(registry: Registry) -> Iterator[Harbor]:
    """An empty Harbor; a PUT without Content-Length fails the test at its end."""
    with Harbor(registry) as running:
        yield running
