"""A preflight's findings as JSON, and what its text and its page have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from mirror.preflight.interface import Finding, Status
from mirror.preflight.requirements import Standing, State, standings
from mirror.preflight.run import Examination
from mirror.report.circumstances import Circumstances
from mirror.text import printable

SCHEMA = "tkg-mirror/preflight/v1"

FAMILIES = {
    "NET": "Addresses and network",
    "TLS": "Certificate and TLS",
    "CLK": "Clock",
    "API": "Registry API",
    "REG": "Login, rights and project",
    "IMG": "Images",
    "TKG": "TKG and its cluster configuration",
    "AWS": "AWS",
}
"""What people care about, by the first part of a check's name."""

# How a finding is told, the gravest first, and how many of them are.
_WORDS = {
    "FAIL": "failed",
    "WARN": "warned",
    "waived": "waived",
    "untold": "untold",
    "pass": "passed",
    "skip": "skipped",
}


def word(finding: Finding) -> str:
    """How a finding is told; what needs a person is in capitals, so that it needs no colour."""
    if finding.waived:
        return "waived"
    if finding.verdict.unknown and finding.status is not Status.FAIL:
        return "untold"
    loud = finding.status in (Status.FAIL, Status.WARN)
    return finding.status.value.upper() if loud else finding.status.value


def gravity(finding: Finding) -> int:
    """0 for a failure, more for whatever may wait."""
    return list(_WORDS).index(word(finding))


def tally(findings: Iterable[Finding]) -> str:
    """``1 failed, 2 warned, 30 passed``; what there is none of is left out."""
    words = [word(each) for each in findings]
    counted = ((words.count(word), spoken) for word, spoken in _WORDS.items())
    return ", ".join(f"{count} {spoken}" for count, spoken in counted if count)


class Group(NamedTuple):
    """The findings of one family, the gravest first."""

    title: str
    findings: tuple[Finding, ...]


def groups(found: Examination) -> tuple[Group, ...]:
    """Families in words; those with the gravest findings first, else in the catalogue's order."""
    families: dict[str, list[Finding]] = {}
    for finding in found.findings:
        families.setdefault(finding.check.family, []).append(finding)
    ordered = [
        Group(FAMILIES.get(family, family), tuple(sorted(those, key=gravity)))
        for family, those in families.items()
    ]
    return tuple(sorted(ordered, key=lambda group: gravity(group.findings[0])))


def verdict(found: Examination) -> str:
    """The result as a sentence. Fit is only what was judged by all requirements."""
    if found.silent:
        return "it could not be asked"
    if found.result == "fail":
        return "it is not fit for Tanzu Kubernetes Grid"
    if found.unanswered:
        return "nothing failed, but not everything could be told"
    open_ones = [s.requirement.id for s in standings(found.findings) if s.state is State.UNTOLD]
    fit = "it is fit for Tanzu Kubernetes Grid"
    if open_ones:
        fit = f"nothing speaks against it, but {', '.join(open_ones)} could not be judged"
    return f"{fit}; there are warnings" if found.result == "warn" else fit


def evidence(finding: Finding, limit: int, width: int) -> list[str]:
    """A finding's evidence; none where that is the very fact of its summary."""
    told = lines(finding.verdict.detail, limit, width)
    return told if told != lines(finding.verdict.summary, limit, width) else []


def lines(text: str, limit: int, width: int) -> list[str]:
    """At most ``limit`` printable lines; where more were said, the last says so."""
    safe = [line for line in (printable(line, width) for line in text.splitlines()) if line]
    if len(safe) <= limit:
        return safe
    left = len(safe) - limit + 1
    return [*safe[: limit - 1], f"and {left} more lines; --format json has them"]


def document(found: Examination, by: Circumstances) -> dict[str, Any]:
    """``tkg-mirror/preflight/v1``: the contract's keys first, then what there is besides."""
    return {
        "schema": SCHEMA,
        "registry": found.registry,
        "result": found.result,
        "checks": [_check(finding) for finding in found.findings],
        "requirements": [_requirement(each) for each in standings(found.findings)],
        "waivers": dict(found.waivers),
        "attested": sorted(found.attested),
        "notices": list(found.notices),
        "inputs": [
            {"kind": each.kind, "file": each.name, "sha256": each.sha256 or None}
            for each in by.files
        ],
        "options": list(by.options),
        "time": by.stamp,
        "seconds": round(found.seconds, 3),
        "requests": found.requests,
        "version": by.version,
    }


def _check(finding: Finding) -> dict[str, Any]:
    verdict = finding.verdict
    shown: dict[str, Any] = {
        "id": finding.check.id,
        "status": finding.status.value,
        "summary": verdict.summary,
        "detail": verdict.detail,
        "fix": verdict.fix,
        "title": finding.check.title,
        "family": finding.check.family,
        "requirement": finding.check.requirement,
        "unknown": verdict.unknown,
    }
    if finding.waived:
        shown["waived"] = {"reason": finding.waived, "status": "fail"}
    return shown


def _requirement(standing: Standing) -> dict[str, Any]:
    return {
        "id": standing.requirement.id,
        "title": standing.requirement.title,
        "state": standing.state.value,
        "checks": list(standing.checks),
    }
