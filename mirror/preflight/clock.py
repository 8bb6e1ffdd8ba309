"""CLK-1: do the registry's clock and this one agree?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from mirror.errors import RegistryFault
from mirror.preflight.interface import Check, Verdict, failed, passed, untold, warned
from mirror.preflight.scene import Scene
from mirror.settings import CLOCK_DOUBT, CLOCK_WRONG
from mirror.text import printable

_MEND = "let both take their time from the same NTP server: timedatectl, chronyc tracking"


class Reading(NamedTuple):
    """The Date header of one answer, between this machine's times before and after it."""

    said: str
    before: datetime
    after: datetime

    @property
    def ahead(self) -> float | None:
        """Seconds that the registry's clock is ahead, below 0 behind; None where it is not told.

        The header has whole seconds (RFC 9110, 5.6.7), and the answer took a while: what these
        two explain is no difference.
        """
        try:
            told = parsedate_to_datetime(self.said)
            told = told if told.tzinfo else told.replace(tzinfo=UTC)
            early = told + timedelta(seconds=1) - self.before
            late = told - self.after
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        return max(late.total_seconds(), 0.0) or min(early.total_seconds(), 0.0)


def reading(scene: Scene) -> Reading:
    """Ask anew: what was answered earlier says nothing of now."""
    before = datetime.now(UTC)
    answer = scene.stranger.ask("GET", "/v2/")
    return Reading(answer.header("date"), before, datetime.now(UTC))


def difference(scene: Scene) -> str:
    """In words, for the messages of others."""
    try:
        ahead = scene.once(reading).ahead
    except RegistryFault:
        ahead = None
    if ahead is None:
        return "the registry's clock does not show"
    return _said(ahead) if abs(ahead) > CLOCK_DOUBT else "the registry's clock agrees with this one"


def _said(ahead: float) -> str:
    way = "ahead of" if ahead > 0 else "behind"
    return f"the registry's clock is {timedelta(seconds=round(abs(ahead)))} {way} this machine's"


def agrees(scene: Scene) -> Verdict:
    """CLK-1. Tokens and certificates are valid for a time, and each side has its own clock.

    A token lives 60 s unless it says otherwise, and Distribution forgives 60 s: beyond that
    pulls begin to fail. At five minutes most short tokens are void before they arrive.
    """
    found = scene.once(reading)
    ahead = found.ahead
    here = f"Date: {printable(found.said) or 'none'}; here {found.after:%a, %d %b %Y %H:%M:%S} GMT"
    if ahead is None:
        summary = "its answers have no date, so its clock cannot be compared"
        return untold(summary, here, fix="compare by hand: date -u there and here")
    if abs(ahead) <= CLOCK_DOUBT:
        return passed("its clock and this one agree", here)
    if abs(ahead) <= CLOCK_WRONG:
        return warned(_said(ahead), here, fix=_MEND)
    return failed(_said(ahead), here, fix=_MEND)


CHECKS = (Check("CLK-1", "its clock is right", agrees, needs=("NET-6",)),)
