"""What a check is, and what it says.

A check looks at a ``Scene`` and gives one ``Verdict``. It never decides about other checks and
never prints: waivers, ``--strict`` and the order of things are the matter of ``run.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mirror.preflight.scene import Scene


class Status(StrEnum):
    """What came out. ``SKIP`` is a question without an answer, and never a good one."""

    PASS = "pass"  # noqa: S105 - a word of the contract
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


class Verdict(NamedTuple):
    """What one check says.

    ``summary`` is a line for people; ``detail`` the evidence, as many lines as it takes; ``fix``
    the command or setting that mends it. ``unknown`` marks what should have been an answer: the
    registry did not give one, or it cannot be seen from here. ``blocks`` is false
    where it is bad, and what needs this check can be told all the same.
    """

    status: Status
    summary: str
    detail: str = ""
    fix: str = ""
    unknown: bool = False
    blocks: bool = True


def passed(summary: str, detail: str = "") -> Verdict:
    """It is as it must be."""
    return Verdict(Status.PASS, summary, detail)


def warned(summary: str, detail: str = "", *, fix: str, unknown: bool = False) -> Verdict:
    """It works, and somebody should know; ``--strict`` makes a failure of it.

    With ``unknown`` only a person can say whether it works.
    """
    return Verdict(Status.WARN, summary, detail, fix, unknown)


def failed(summary: str, detail: str = "", *, fix: str, blocks: bool = True) -> Verdict:
    """An installation would break."""
    return Verdict(Status.FAIL, summary, detail, fix, blocks=blocks)


def skipped(summary: str, detail: str = "", *, fix: str = "") -> Verdict:
    """Nobody asked, or it does not concern this registry: no product of that kind, no input."""
    return Verdict(Status.SKIP, summary, detail, fix)


def untold(summary: str, detail: str = "", *, fix: str = "", blocks: bool = True) -> Verdict:
    """It does concern this registry, and could not be found out."""
    return Verdict(Status.SKIP, summary, detail, fix, unknown=True, blocks=blocks)


class Check(NamedTuple):
    """One question with a stable name.

    ``title`` says what must hold. ``requirement`` is the demand of the reference design that it
    belongs to: R1 outside TKG, R2 RFC 1918 and routable, R3 certificate of a trusted CA, R4 no
    login, R5 all images there (tko-on-aws-airgap.md, "Private Registry for TKG"); empty where it
    is advice. ``needs`` names checks without whose pass or warning this one has no answer.
    ``hasty`` is false for what may take as long as it takes.
    """

    id: str
    title: str
    look: Callable[[Scene], Verdict]
    requirement: str = ""
    needs: tuple[str, ...] = ()
    hasty: bool = True

    @property
    def family(self) -> str:
        """``NET``, ``TLS``, ``API``, ``REG``, ``IMG``, ``TKG``, ``AWS`` or ``CLK``."""
        return self.id.partition("-")[0]

    @property
    def waivable(self) -> bool:
        """The design's "must" is not negotiable; its "should" is."""
        return self.requirement not in ("R4", "R5")


class Finding(NamedTuple):
    """A check and its verdict; ``waived`` has the operator's reason where a failure was waived.

    A waived failure has the status of a warning, and ``verdict`` what was found.
    """

    check: Check
    verdict: Verdict
    status: Status
    waived: str = ""
