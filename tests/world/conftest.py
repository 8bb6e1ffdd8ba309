"""A client that reaches a real registry by way of a fault proxy."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from scripts.world.registry import Registry
from scripts.world.seed import Seeder
from tests.fakes.proxy import FaultProxy
from tests.world.through import IMAGE


@pytest.fixture
def client(proxy: FaultProxy, registry: Registry) -> Iterator[httpx.Client]:
    """A client of the proxy; the registry has one image, put there past the proxy."""
    with httpx.Client(trust_env=False) as direct:
        Seeder(registry.url, direct).put("tkg/pause", "3.9", IMAGE)
    with httpx.Client(base_url=proxy.url, trust_env=False, timeout=10) as client:
        yield client
