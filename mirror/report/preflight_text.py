"""A preflight's findings for people: a table in a terminal, a pipe or an e-mail.

The gravest come first, and what it all comes to stands at the end, where the eye is when the
command has ended. Nothing depends on colour.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from mirror.preflight.interface import Finding, Status
from mirror.preflight.requirements import Standing, State, standings
from mirror.preflight.run import Examination
from mirror.report.layout import WIDTH
from mirror.report.preflight import Group, evidence, groups, tally, verdict, word
from mirror.settings import PREFLIGHT_FIX, PREFLIGHT_LINE, PREFLIGHT_LINES, PREFLIGHT_TEXT
from mirror.text import printable

# Where a row's name and its text begin: "  FAIL    NET-3   ".
_NAME = 10
_TEXT = 18
# Lines of a finding that asks nothing of anybody.
_QUIET_LINES = 2
_LOUD_LINES = 8

# Select Graphic Rendition parameters (ECMA-48, 8.3.117).
_PAINT = {
    "FAIL": "1;31",
    "WARN": "33",
    "waived": "33",
    "untold": "35",
    "pass": "32",
    "skip": "2",
    "quiet": "2",
    "loud": "1",
    "not met": "1;31",
    "met": "32",
    "fail": "1;31",
    "warn": "1;33",
    "ok": "1;32",
}


class Look(NamedTuple):
    """How wide lines may be, and whether whoever reads them sees colours."""

    width: int = WIDTH
    colour: bool = False

    def paint(self, kind: str, text: str) -> str:
        """The same in its colour."""
        code = _PAINT.get(kind) if self.colour else None
        return f"\033[{code}m{text}\033[0m" if code and text else text


def text(found: Examination, look: Look | None = None) -> str:
    """All of it, without a line end at the end."""
    look = look or Look()
    told: list[str] = [f"{printable(found.registry)}, for Tanzu Kubernetes Grid", ""]
    for group in groups(found):
        told += [*_group(group, look), ""]
    told += ["Requirements of the reference design"]
    told += [line for each in standings(found.findings) for line in _standing(each, look)]
    told += ["", *_end(found, look)]
    return "\n".join(told)


def _group(group: Group, look: Look) -> Iterator[str]:
    yield f"{look.paint('loud', group.title)}: {tally(group.findings)}"
    for _same, alike in groupby(group.findings, key=_said):
        yield from _rows(list(alike), look)


def _said(finding: Finding) -> tuple[object, ...]:
    return word(finding), finding.verdict, finding.waived


def _rows(alike: Sequence[Finding], look: Look) -> Iterator[str]:
    """One finding; further ones that say the same, for the same reason, only by their names."""
    first, *others = alike
    told, verdict = word(first), first.verdict
    quiet = first.status in (Status.PASS, Status.SKIP) and not verdict.unknown
    most = _QUIET_LINES if quiet else _LOUD_LINES
    head, *more = _wrapped(verdict.summary, look, _TEXT, most)
    yield f"  {look.paint(told, told.ljust(6))}  {first.check.id:6}  {head}"
    yield from (" " * _TEXT + line for line in more)
    if others:
        names = ", ".join(each.check.id for each in others)
        yield from (" " * _TEXT + line for line in _wrapped(f"the same: {names}", look, _TEXT))
    yield from _below(first, look, quiet=quiet)


def _below(finding: Finding, look: Look, *, quiet: bool) -> Iterator[str]:
    """What a finding says besides its summary. Evidence quotes others, so it is marked as such."""
    if finding.waived:
        yield from _labelled("waived: ", finding.waived, look)
    elif finding.status is Status.FAIL and finding.verdict.status is Status.WARN:
        yield from _labelled("strict: ", "a warning, which --strict counts as a failure", look)
    for fix in finding.verdict.fix.splitlines():
        yield from _labelled("fix: ", fix, look)
    if quiet:
        return
    for line in evidence(finding, PREFLIGHT_LINES, PREFLIGHT_LINE):
        for part in _wrapped(line, look, _NAME + 2):
            yield " " * _NAME + look.paint("quiet", f"| {part}")


def _labelled(label: str, said: str, look: Look) -> Iterator[str]:
    head, *more = _wrapped(said, look, _TEXT + len(label), longest=PREFLIGHT_FIX)
    yield " " * _TEXT + look.paint("loud", label) + head
    yield from (" " * (_TEXT + len(label)) + line for line in more)


def _standing(standing: Standing, look: Look) -> Iterator[str]:
    """One requirement, and the checks that make it so unless they are simply good."""
    spoken, names = standing.state.spoken, standing.checks
    if standing.state is State.MET:
        names, why = standing.doubts, "warned"
    else:
        why = "by" if standing.state is State.WAIVED else "see"
    said = printable(standing.requirement.title)
    told = f"{said} ({why} {', '.join(names)})" if names else said
    head, *more = _wrapped(told, look, _TEXT - 3)
    yield f"  {standing.requirement.id}  {look.paint(spoken, spoken.ljust(7))}  {head}"
    yield from (" " * (_TEXT - 3) + line for line in more)


def _end(found: Examination, look: Look) -> Iterator[str]:
    for notice in found.notices:
        yield from _wrapped(f"notice: {notice}", look, 0)
    if found.attested:
        yield from _wrapped(f"attested: {', '.join(sorted(found.attested))}", look, 0)
    if found.unanswered:
        yield from _wrapped("untold: it could not be found out, and so is no pass", look, 0)
    yield f"time: {found.seconds:.1f} s, {found.requests} requests"
    yield from _wrapped(f"checks: {tally(found.findings)}", look, 0)
    kind = "ok" if found.result == "pass" else found.result
    yield look.paint(kind, f"{found.result}: {verdict(found)}")


def _wrapped(
    said: str, look: Look, left: int, most: int | None = None, longest: int = PREFLIGHT_TEXT
) -> list[str]:
    """Lines of at most ``look.width - left`` characters, none of them cut through a word.

    A command or reference that was cut could not be copied: a longer one makes a longer line.
    """
    width = max(look.width - left, 20)
    return textwrap.wrap(
        printable(said, longest),
        width,
        break_long_words=False,
        break_on_hyphens=False,
        max_lines=most,
        placeholder=" …",
    ) or [""]
