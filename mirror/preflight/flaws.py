"""Findings about a cluster configuration: which variable, where, and the line to write.

A check of this kind looks at one file and gives every flaw it finds; the gravest decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import NamedTuple

from mirror.preflight.cluster import ClusterConfig
from mirror.preflight.interface import Verdict, failed, passed, skipped, warned
from mirror.preflight.scene import Scene

Look = Callable[[Scene], Verdict]
OfFile = Callable[[ClusterConfig], Verdict]

# Lines that a fix names one by one; the detail has all flaws.
_NAMED = 6


class Flaw(NamedTuple):
    """One variable that is not as it should be.

    ``write`` is the line that mends it, or what to do where no line does; ``grave`` where TKG
    would refuse the file or the installation would break, and not where the design only advises.
    ``found`` tells the value where it is not simply what stands in the file.
    """

    name: str
    expected: str
    write: str
    found: str = ""
    grave: bool = False


def judged(config: ClusterConfig, flaws: Iterable[Flaw], good: str, note: str = "") -> Verdict:
    """The verdict on all flaws of one check; ``good`` is what holds where there are none."""
    ranked = sorted(flaws, key=lambda flaw: not flaw.grave)
    if not ranked:
        return passed(good, note)
    lines = [_told(config, flaw) for flaw in ranked]
    more = f"; and {len(lines) - 1} more" if len(lines) > 1 else ""
    fixes = list(dict.fromkeys(flaw.write for flaw in ranked))
    rest = "; ..." if fixes[_NAMED:] else ""
    fix = f"in {config.file} write: {'; '.join(fixes[:_NAMED])}{rest}"
    detail = "\n".join([*lines, *([note] if note else [])])
    verdict = failed if ranked[0].grave else warned
    return verdict(lines[0] + more, detail, fix=fix)


def _told(config: ClusterConfig, flaw: Flaw) -> str:
    found = flaw.found or config.found(flaw.name)
    return f"{config.place(flaw.name)}: {flaw.name}: expected {flaw.expected}, found {found}"


NOT_GIVEN = skipped("no cluster configuration was given", fix="--cluster-config FILE")


def of_file(look: OfFile) -> Look:
    """A check that reads the cluster configuration alone: skipped where none was given."""

    @wraps(look)
    def looked(scene: Scene) -> Verdict:
        config = scene.question.cluster
        return look(config) if config else NOT_GIVEN

    return looked


def of_aws_file(look: OfFile) -> Look:
    """The same, for variables that TKG reads for AWS alone."""

    @of_file
    @wraps(look)
    def looked(config: ClusterConfig) -> Verdict:
        if not config.infrastructure:
            what = f"{config.file} does not say on what infrastructure"
            return skipped(what, fix=f"in {config.file} write: INFRASTRUCTURE_PROVIDER: aws")
        if config.infrastructure != "aws":
            return skipped(f"{config.file} is for {config.infrastructure}, not for AWS")
        return look(config)

    return looked
