"""From checks to findings: order, what depends on what, waivers, and the result of all."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from bom.errors import ReferenceFault, starred
from mirror.errors import Fault, RegistryFault, Unreachable, UsageFault
from mirror.events import ItemEnded, ItemStarted, PhaseStarted
from mirror.preflight.interface import (
    Check,
    Finding,
    Status,
    Verdict,
    failed,
    skipped,
    untold,
)
from mirror.preflight.scene import Scene
from mirror.preflight.wording import advice
from mirror.text import printable

# Requirements that a person may waive, with a reason (the design's "should").
WAIVABLE = ("R1", "R2", "R3")
# Whoever answers one of these was asked, over TLS or HTTP. A DEST that fails the first check is no
# address, so that there was nobody to ask: a failure like others, and no silence.
_ANSWERS = ("TLS-1", "API-1")
_ADDRESS = "NET-1"


@dataclass(frozen=True, slots=True)
class Examination:
    """All findings in the catalogue's order, and what they come to."""

    registry: str
    findings: tuple[Finding, ...]
    seconds: float
    requests: int
    waivers: Mapping[str, str] = field(default_factory=dict)
    attested: frozenset[str] = frozenset()
    notices: tuple[str, ...] = ()

    @property
    def result(self) -> str:
        """``fail``, ``warn`` or ``pass``; what could not be told is no pass, and silence fails."""
        if self.silent or any(each.status is Status.FAIL for each in self.findings):
            return "fail"
        doubt = any(each.status is Status.WARN or each.verdict.unknown for each in self.findings)
        return "warn" if doubt else "pass"

    @property
    def silent(self) -> bool:
        """True where it could not be asked anything: no name, no connection, or no HTTP."""
        if any(f.check.id == _ADDRESS and f.verdict.status is Status.FAIL for f in self.findings):
            return False
        told = (Status.PASS, Status.WARN, Status.FAIL)
        asked = [each for each in self.findings if each.check.id in _ANSWERS]
        return bool(asked) and not any(each.verdict.status in told for each in asked)

    @property
    def unanswered(self) -> tuple[Finding, ...]:
        """What should have had an answer and has none."""
        skipped = (each for each in self.findings if each.verdict.status is Status.SKIP)
        return tuple(each for each in skipped if each.verdict.unknown)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator made of verdicts: ``waivers`` by check or requirement, ``strict``."""

    waivers: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False

    def check(self, checks: Iterable[Check]) -> None:
        """UsageFault for a waiver of what does not exist or is not negotiable."""
        known = {each.id: each for each in checks}
        for name in self.waivers:
            if name in WAIVABLE or (name in known and known[name].waivable):
                continue
            if name in known or name in ("R4", "R5"):
                fact = f"{name}: the reference design says must"
                raise UsageFault("this cannot be waived", fact=fact, hint="mend it")
            fact = f"{name!r} is no check; there are {', '.join([*known, *WAIVABLE])}"
            raise UsageFault("no such check to waive", fact=fact)

    def finding(self, check: Check, verdict: Verdict) -> Finding:
        """What a verdict counts as."""
        strict = self.strict and verdict.status is Status.WARN
        status = Status.FAIL if strict else verdict.status
        reason = self.waivers.get(check.id) or self.waivers.get(check.requirement, "")
        if status is Status.FAIL and reason and check.waivable:
            return Finding(check, verdict, Status.WARN, reason)
        return Finding(check, verdict, status)


def examine(scene: Scene, checks: Iterable[Check], rules: Rules) -> Examination:
    """Look at everything, one after the other; raises UsageFault for a wrong waiver.

    A check never ends the others: what it could not find out is its finding.
    """
    began, checks = time.monotonic(), tuple(checks)
    rules.check(checks)
    findings = list(_looked(scene, checks, rules))
    unneeded = [name for name in rules.waivers if not _used(name, findings)]
    notices = tuple(f"nothing had to be waived for {name}" for name in unneeded)
    notices += scene.afterwards()
    return Examination(
        str(scene.target),
        tuple(findings),
        time.monotonic() - began,
        scene.requests,
        dict(rules.waivers),
        scene.question.attested,
        notices,
    )


def unaddressed(dest: str, fault: ReferenceFault, checks: Iterable[Check]) -> Examination:
    """The examination of a DEST that is no address: its first check fails, the others cannot be."""
    first, *others = checks
    fix = "give host[:port]/project: no scheme, no tag, no slash at the end, 10.0.0.1 and not 10.1"
    verdict = failed(f"this is no address of a registry: {fault.reason}", fault.fact, fix=fix)
    findings = [Finding(first, verdict, verdict.status)]
    lost = untold(f"cannot be told before {first.id} is mended")
    findings += [Finding(check, lost, lost.status) for check in others]
    # A password that somebody put before the host has been seen by enough people.
    return Examination(printable(starred(dest)), tuple(findings), 0.0, 0)


def _used(name: str, findings: Iterable[Finding]) -> bool:
    return any(f.waived and name in (f.check.id, f.check.requirement) for f in findings)


def _looked(scene: Scene, checks: tuple[Check, ...], rules: Rules) -> Iterator[Finding]:
    scene.listener(PhaseStarted("check", len(checks)))
    known: dict[str, Verdict] = {}
    for check in checks:
        scene.listener(ItemStarted(check.id, f"{check.id} {check.title}"))
        known[check.id] = verdict = _verdict(scene, check, known)
        scene.listener(ItemEnded(check.id, check.id, verdict.status.value))
        yield rules.finding(check, verdict)


def _verdict(scene: Scene, check: Check, known: Mapping[str, Verdict]) -> Verdict:
    # What was not asked about stands in nobody's way.
    for name, before in ((name, known[name]) for name in check.needs if name in known):
        bad = before.status is Status.FAIL or (before.status is Status.SKIP and before.unknown)
        if bad and before.blocks:
            return untold(f"cannot be told before {name} is mended")
        if before.status is Status.SKIP and not bad:
            return skipped(f"as {name}: {before.summary}")
    if check.hasty and scene.remaining <= 0:
        return untold("no time was left", fix="find out why the registry answers that slowly")
    if not check.hasty:
        scene.unhurried()
    try:
        return check.look(scene)
    except RegistryFault as fault:
        return untold(_said(fault), fix=advice(fault))
    except Fault as fault:
        return untold(str(fault), fault.fact, fix=advice(fault))


def _said(fault: RegistryFault) -> str:
    said = "gave no answer" if isinstance(fault, Unreachable) and not fault.answered else "failed"
    return f"the registry {said}: {fault.fact or fault.what}"
