"""The five demands of the reference design, and what the findings say about each.

From tko-on-aws-airgap.md, "Private Registry for TKG". Three of them say "should", and a person
may waive them with a reason; two say "must".
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from mirror.preflight.interface import Finding, Status


class Requirement(NamedTuple):
    """``title`` as a sentence about the registry; ``verb`` as the design puts it."""

    id: str
    title: str
    verb: str


REQUIREMENTS = (
    Requirement("R1", "it runs outside TKG, apart from any shared-services registry", "should"),
    Requirement("R2", "its addresses are RFC 1918, and clusters have a route to them", "should"),
    Requirement("R3", "a CA that clusters trust signed its certificate", "should"),
    Requirement("R4", "it is pulled from without a login", "must"),
    Requirement("R5", "every image is there before the installation", "must"),
)


class State(StrEnum):
    """How a requirement stands. ``UNTOLD`` is no good one: nobody knows, or nobody asked."""

    MET = "met"
    NOT_MET = "not-met"
    WAIVED = "waived"
    UNTOLD = "untold"

    @property
    def spoken(self) -> str:
        """For people."""
        return self.value.replace("-", " ")


class Standing(NamedTuple):
    """A requirement, how it stands, and the findings that make it so."""

    requirement: Requirement
    state: State
    findings: tuple[Finding, ...] = ()

    @property
    def checks(self) -> tuple[str, ...]:
        """The checks that make it so."""
        return tuple(each.check.id for each in self.findings)

    @property
    def doubts(self) -> tuple[str, ...]:
        """Those of them that warn, where it is met all the same."""
        met = self.state is State.MET
        return tuple(f.check.id for f in self.findings if met and f.status is Status.WARN)


def standings(findings: Iterable[Finding]) -> tuple[Standing, ...]:
    """How each requirement stands, the gravest of its findings first.

    A failure outweighs what could not be told, that a waiver, and a waiver whatever is good: a
    requirement of which one part is unknown is not met. Nor is one that was not asked about.
    """
    found = tuple(findings)
    return tuple(
        _standing(each, [f for f in found if f.check.requirement == each.id])
        for each in REQUIREMENTS
    )


def _standing(requirement: Requirement, findings: list[Finding]) -> Standing:
    told = [f for f in findings if f.status is not Status.SKIP and not f.waived]
    graver = (
        (State.NOT_MET, [f for f in told if f.status is Status.FAIL]),
        (State.UNTOLD, [f for f in findings if f.verdict.unknown]),
        (State.WAIVED, [f for f in findings if f.waived]),
        (State.MET, told),
    )
    for state, those in graver:
        if those:
            return Standing(requirement, state, tuple(those))
    return Standing(requirement, State.UNTOLD, tuple(findings))
