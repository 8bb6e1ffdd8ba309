"""A preflight as one page for auditors: no script, and nothing that is fetched from elsewhere.

Whatever a registry, resolver or file said is escaped by the template engine, after characters
were taken out that escaping leaves in: controls, terminal escapes, changes of direction. A policy
in the page's head forbids a browser every request and script all the same.
"""

from __future__ import annotations

from mirror.preflight.interface import Finding, Status
from mirror.preflight.requirements import State, standings
from mirror.preflight.run import Examination
from mirror.report.circumstances import Circumstances
from mirror.report.preflight import evidence, gravity, groups, lines, tally, verdict, word
from mirror.settings import PREFLIGHT_PAGE_LINE, PREFLIGHT_PAGE_LINES
from mirror.text import printable

# A sign beside each word: in black and white, and for who sees no red, it says the same.
_SIGNS = {
    "FAIL": "✕",
    "WARN": "!",
    "waived": "~",
    "untold": "?",
    "pass": "✓",
    "skip": "-",
    State.MET: "✓",
    State.NOT_MET: "✕",
    State.WAIVED: "~",
    State.UNTOLD: "?",
}
# What a reader must do something about, or know about: these are listed before all others.
_GRAVEST = ("FAIL", "WARN", "waived", "untold")


def render(found: Examination, by: Circumstances) -> str:
    """The whole page as text."""
    # Imported here: 80 ms that only a page costs.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("mirror.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    told = sorted(found.findings, key=gravity)
    return environment.get_template("preflight.html").render(
        found=found,
        by=by,
        verdict=verdict(found),
        tally=tally(found.findings),
        groups=groups(found),
        standings=standings(found.findings),
        grave=[each for each in told if word(each) in _GRAVEST],
        waived=[each for each in told if each.waived],
        signs=_SIGNS,
        word=word,
        strict=_by_strict,
        evidence=_evidence,
        each_line=_each_line,
        count=tally,
    )


def _shown(value: object) -> object:
    """A text of the page without what a browser would obey; markup of the engine as it is."""
    if type(value) is str:
        return printable(value, PREFLIGHT_PAGE_LINE)
    return value


def _by_strict(finding: Finding) -> bool:
    return finding.status is Status.FAIL and finding.verdict.status is Status.WARN


def _evidence(finding: Finding) -> list[str]:
    return evidence(finding, PREFLIGHT_PAGE_LINES, PREFLIGHT_PAGE_LINE)


def _each_line(text: str) -> list[str]:
    return lines(text, PREFLIGHT_PAGE_LINES, PREFLIGHT_PAGE_LINE)
