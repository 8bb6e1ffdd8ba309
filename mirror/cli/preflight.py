"""``tkg-mirror preflight``: is a registry fit for Tanzu Kubernetes Grid."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mirror.cli.options import Format, OutputOptions, RegistryOptions
from mirror.cli.streams import print_result
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
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", metavar="FILE", help="Look for every image of this bundle."),
    ] = None,
    bom: Annotated[
        list[str] | None,
        typer.Option(
            "--bom",
            metavar="FILE",
            help="Look for every image of this TKG BOM or TKr BOM, by tag alone. Repeatable.",
        ),
    ] = None,
    plan: Annotated[
        str | None,
        typer.Option(
            "--plan",
            metavar="FILE",
            help="Look for every image of this plan; - is standard input.",
        ),
    ] = None,
    deep: Annotated[
        bool,
        typer.Option("--deep", help="Read every byte of the images that are looked for."),
    ] = False,
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
) -> Fault | None:
    """Check whether a registry is fit for Tanzu Kubernetes Grid, and say how to mend it."""
    from bom.errors import ReferenceFault
    from mirror.cli.console import listening
    from mirror.cli.expectation import read_expected
    from mirror.cli.inputs import access
    from mirror.cli.results import unfit
    from mirror.cli.values import waivers
    from mirror.errors import Side
    from mirror.preflight.catalogue import CHECKS
    from mirror.preflight.cluster import read_cluster
    from mirror.preflight.run import Rules, examine, unaddressed
    from mirror.preflight.scene import Question, Scene, Target
    from mirror.report import json
    from mirror.report import preflight as report

    rules = Rules(waivers(waive or ()), strict)
    rules.check(CHECKS)
    cluster = read_cluster(cluster_config) if cluster_config else None
    expected = read_expected(bundle, bom, plan, deep=deep)
    with listening(output) as listener:
        try:
            target = Target.parse(dest, plain_http=registry.plain_http)
        except ReferenceFault as fault:
            found = unaddressed(dest, fault, CHECKS)
        else:
            reach = access(
                registry,
                Side.DESTINATION,
                {target.authority},
                stdin_taken=plan == "-",
                listener=listener,
            )
            attested = frozenset(each.value for each in attest or ())
            question = Question(
                target, reach, expected, cluster=cluster, attested=attested, fips=fips, deep=deep
            )
            with Scene(question, listener) as scene:
                found = examine(scene, CHECKS, rules)
    if output.format is Format.JSON:
        print_result(json.dump(report.document(found)))
    else:
        print_result(report.text(found))
    return unfit(found)
