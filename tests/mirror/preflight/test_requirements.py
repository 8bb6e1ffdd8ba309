"""How a requirement stands: what is unknown, or was not asked about, is never met."""

from __future__ import annotations

import pytest

from mirror.preflight.interface import Finding, failed, passed, skipped, untold, warned
from mirror.preflight.requirements import REQUIREMENTS, Standing, State, standings
from tests.mirror.report.findings import finding

GOOD = finding("NET-3", passed("10.0.0.7"), requirement="R2")
BAD = finding("NET-5", failed("overlaps", fix="move it"), requirement="R2")
DOUBT = finding("NET-5", warned("may overlap", fix="look"), requirement="R2")
FORGIVEN = finding("NET-5", failed("overlaps", fix="move it"), requirement="R2", waived="why")
UNKNOWN = finding("NET-6", untold("no answer"), requirement="R2")
LEFT_OUT = finding("NET-7", skipped("not asked"), requirement="R2")
OTHER = finding("IMG-1", failed("missing", fix="push"), requirement="R5")
ADVICE = finding("CLK-1", failed("an hour behind", fix="set it"))


def second(*findings: Finding) -> Standing:
    return {each.requirement.id: each for each in standings(findings)}["R2"]


@pytest.mark.parametrize(
    ("findings", "state", "checks"),
    [
        ([GOOD], State.MET, ("NET-3",)),
        ([GOOD, LEFT_OUT], State.MET, ("NET-3",)),
        ([GOOD, DOUBT], State.MET, ("NET-3", "NET-5")),
        ([GOOD, BAD], State.NOT_MET, ("NET-5",)),
        ([UNKNOWN, BAD, FORGIVEN], State.NOT_MET, ("NET-5",)),
        ([GOOD, UNKNOWN], State.UNTOLD, ("NET-6",)),
        ([FORGIVEN, UNKNOWN], State.UNTOLD, ("NET-6",)),
        ([GOOD, FORGIVEN], State.WAIVED, ("NET-5",)),
        ([LEFT_OUT], State.UNTOLD, ("NET-7",)),
        ([], State.UNTOLD, ()),
        ([OTHER, ADVICE], State.UNTOLD, ()),
    ],
)
def test_the_gravest_finding_decides(
    findings: list[Finding], state: State, checks: tuple[str, ...]
) -> None:
    found = second(*findings)
    assert (found.state, found.checks) == (state, checks)


def test_a_warning_is_told_beside_a_requirement_that_is_met() -> None:
    assert second(GOOD, DOUBT).doubts == ("NET-5",)
    assert second(GOOD, FORGIVEN).doubts == ()


def test_all_five_are_told_whatever_was_looked_at() -> None:
    assert [each.requirement for each in standings([])] == list(REQUIREMENTS)
