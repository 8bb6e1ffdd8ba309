"""CLK-1: the clock of a registry that says what a test wants."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.preflight.clock import Reading
from mirror.preflight.interface import Status, Verdict
from tests.fakes.behaviours import answer
from tests.fakes.simple import FakeRegistry
from tests.mirror.oci.documents import steady
from tests.mirror.preflight.safe import asking, said

NOW = datetime(2030, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC)


def at(fake: FakeRegistry, ahead: timedelta) -> Verdict:
    date = format_datetime(datetime.now(UTC) + ahead, usegmt=True)
    fake.on("GET", "/v2/", answer(200, Date=date))
    return said("CLK-1", asking(fake, plain_http=True))


def test_a_clock_that_agrees_passes(fake: FakeRegistry) -> None:
    assert said("CLK-1", asking(fake, plain_http=True)).status is Status.PASS


@pytest.mark.parametrize("way", [1, -1])
@pytest.mark.parametrize(
    ("seconds", "status"), [(40, Status.PASS), (120, Status.WARN), (400, Status.FAIL)]
)
def test_a_clock_that_differs_is_told_by_how_much(
    fake: FakeRegistry, seconds: int, way: int, status: Status
) -> None:
    verdict = at(fake, timedelta(seconds=way * seconds))
    assert verdict.status is status
    if status is not Status.PASS:
        assert ("ahead of" if way > 0 else "behind") in verdict.summary
        assert "NTP" in verdict.fix


@pytest.mark.parametrize("date", ["yesterday", "Fri, 99 Xyz 2030 00:00:00 GMT", "\x7f"])
def test_no_date_is_no_pass(fake: FakeRegistry, date: str) -> None:
    fake.on("GET", "/v2/", answer(200, Date=date))
    verdict = said("CLK-1", asking(fake, plain_http=True))
    assert verdict.unknown
    assert verdict.detail.isprintable()


@pytest.mark.parametrize(
    ("said", "ahead"),
    [
        # The header leaves the fraction out, and the answer took a second.
        ("Wed, 02 Jan 2030 03:04:05 GMT", 0.0),
        ("Wed, 02 Jan 2030 03:04:06 GMT", 0.0),
        ("Wed, 02 Jan 2030 03:04:16 GMT", 9.4),
        ("Wed, 02 Jan 2030 03:03:05 GMT", -59.6),
        ("Wed, 02 Jan 2030 03:04:05 -0000", 0.0),
        ("", None),
        ("Wed, 02 Jan 99999 03:04:05 GMT", None),
    ],
)
def test_a_date_is_compared_with_the_time_around_it(said: str, ahead: float | None) -> None:
    found = Reading(said, NOW, NOW + timedelta(seconds=1)).ahead
    assert found == pytest.approx(ahead)


@steady
@given(st.text(max_size=40))
def test_no_date_raises(said: str) -> None:
    Reading(said, NOW, NOW).ahead  # noqa: B018 - it is the reading that may raise
