"""A preflight's findings, as text and JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mirror.preflight.interface import Finding
from mirror.preflight.run import Examination
from mirror.text import printable


def document(found: Examination) -> dict[str, Any]:
    """``tkg-mirror/preflight/v1``."""
    return {
        "schema": "tkg-mirror/preflight/v1",
        "registry": found.registry,
        "result": found.result,
        "checks": [_check(finding) for finding in found.findings],
        "attested": sorted(found.attested),
        "notices": list(found.notices),
        "seconds": round(found.seconds, 3),
        "requests": found.requests,
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
        "requirement": finding.check.requirement,
        "unknown": verdict.unknown,
    }
    if finding.waived:
        shown["waived"] = {"reason": finding.waived, "status": "fail"}
    return shown


def text(found: Examination) -> str:
    """For people: what came out in one line, then a line for each check."""
    lines = [f"{found.result}: {found.registry}"]
    for finding in found.findings:
        lines += _lines(finding)
    return "\n".join(lines)


def _lines(finding: Finding) -> Iterator[str]:
    verdict = finding.verdict
    yield f"  {finding.status.value.upper():4}  {finding.check.id:6}  {printable(verdict.summary)}"
    if verdict.fix:
        yield f"                fix: {printable(verdict.fix)}"
