"""Fixtures: the account of credentials, for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.ledger import LEDGER, Ledger


@pytest.fixture(autouse=True)
def ledger() -> Iterator[Ledger]:
    """Fail a test in whose course a credential reached an origin that may not have it."""
    LEDGER.arrivals.clear()
    yield LEDGER
    LEDGER.settle()
