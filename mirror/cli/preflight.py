"""``tkg-mirror preflight``: is a registry fit for Tanzu Kubernetes Grid."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mirror.cli.options import OutputOptions, RegistryOptions
from mirror.errors import Fault


class Statement(StrEnum):
    """What an operator may vouch for."""

    OUTSIDE_TKG = "outside-tkg"


def preflight(
    dest: Annotated[
        str, typer.Argument(metavar="DEST", help="The registry: host[:port]/project[/...].")
    ],
    registry: RegistryOptions,
    output: OutputOptions,
    cluster_config: Annotated[
        Path | None,
        typer.Option("--cluster-config", metavar="FILE", help="A TKG cluster configuration."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Count every warning as a failure.")
    ] = False,
    fips: Annotated[
        bool, typer.Option("--fips", help="Check for a FIPS build of TKG as well.")
    ] = False,
    waive: Annotated[
        list[str] | None,
        typer.Option(
            "--waive",
            metavar="ID=REASON",
            help="Let a failure of this check, or of requirement R1, R2 or R3, be a warning;"
            " the reason is recorded. Repeatable.",
        ),
    ] = None,
    attest: Annotated[
        list[Statement] | None,
        typer.Option("--attest", help="Vouch for what cannot be seen from here; recorded."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FILE.html",
            help="Write all findings, with their evidence, as one page for people and archives.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the file of --report if it exists.")
    ] = False,
) -> Fault | None:
    """Check whether a registry is fit for Tanzu Kubernetes Grid, and say how to mend it."""
    from bom.errors import ReferenceFault
    from mirror.cli.console import listening
    from mirror.cli.examined import going_by, handed_in, tell_examination
    from mirror.cli.inputs import access
    from mirror.cli.values import waivers
    from mirror.errors import Side
    from mirror.files import refuse_taken
    from mirror.preflight.catalogue import CHECKS
    from mirror.preflight.cluster import read_cluster
    from mirror.preflight.run import Rules, examine, unaddressed
    from mirror.preflight.scene import Question, Scene, Target

    rules = Rules(waivers(waive or ()), strict)
    rules.check(CHECKS)
    cluster = read_cluster(cluster_config) if cluster_config else None
    by = going_by(dest, registry, handed_in(cluster_config), {"--strict": strict, "--fips": fips})
    if report:
        refuse_taken(report, force=force)
    with listening(output) as listener:
        try:
            target = Target.parse(dest, plain_http=registry.plain_http)
        except ReferenceFault as fault:
            found = unaddressed(dest, fault, CHECKS)
        else:
            reach = access(registry, Side.DESTINATION, {target.authority}, listener=listener)
            attested = frozenset(each.value for each in attest or ())
            question = Question(target, reach, cluster=cluster, attested=attested, fips=fips)
            with Scene(question, listener) as scene:
                found = examine(scene, CHECKS, rules)
    return tell_examination(found, by, output, report, force=force)
