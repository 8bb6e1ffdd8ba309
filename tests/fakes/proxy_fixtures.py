"""Fixtures: the account of credentials, for every test, and a fault proxy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scripts.world.registry import Registry
from tests.fakes.ledger import LEDGER, Ledger
from tests.fakes.proxy import FaultProxy


@pytest.fixture(autouse=True)
def ledger() -> Iterator[Ledger]:
    """Fail a test in whose course a credential reached an origin that may not have it."""
    LEDGER.arrivals.clear()
    yield LEDGER
    LEDGER.settle()


@pytest.fixture
def proxy(registry: Registry) -> Iterator[FaultProxy]:
    """A fault proxy without rules in front of ``registry``, the test's own real one."""
    with FaultProxy(registry.url) as running:
        yield running
