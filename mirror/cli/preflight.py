"""``tkg-mirror preflight``: is a registry fit for Tanzu Kubernetes Grid."""

from __future__ import annotations

from dataclasses import replace
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
    aws_endpoints: Annotated[
        str | None,
        typer.Option(
            "--aws-endpoints",
            metavar="REGION",
            help="Test from here the AWS endpoints that an offline VPC in this region must have.",
        ),
    ] = None,
    emit_node_test: Annotated[
        bool,
        typer.Option(
            "--emit-node-test",
            help="Ask nothing; print a line of shell that tests the registry on a TKG node.",
        ),
    ] = False,
    create_project: Annotated[
        bool,
        typer.Option(
            "--create-project",
            help="At a Harbor, make DEST's project, public, if there is none; needs credentials.",
        ),
    ] = False,
) -> Fault | None:
    """Check whether a registry is fit for Tanzu Kubernetes Grid, and say how to mend it."""
    from bom.errors import ReferenceFault
    from mirror.cli.console import listening
    from mirror.cli.inputs import access
    from mirror.cli.results import unfit
    from mirror.cli.values import region, waivers
    from mirror.errors import Side
    from mirror.preflight import nodetest
    from mirror.preflight.authority import authorities
    from mirror.preflight.catalogue import CHECKS
    from mirror.preflight.cluster import read_cluster
    from mirror.preflight.project import prepare
    from mirror.preflight.run import Rules, examine, unaddressed
    from mirror.preflight.scene import Question, Scene, Target
    from mirror.registry.tls import context
    from mirror.report import json
    from mirror.report import preflight as report

    rules = Rules(waivers(waive or ()), strict)
    rules.check(CHECKS)
    cluster = read_cluster(cluster_config) if cluster_config else None
    aws_region = region(aws_endpoints) if aws_endpoints is not None else ""
    if emit_node_test:
        target = Target.parse(dest, plain_http=registry.plain_http)
        reach = access(registry, Side.DESTINATION, {target.authority})
        line = nodetest.command(Question(target, reach, cluster=cluster))
        told = json.dump({"schema": "tkg-mirror/node-test/v1", "command": line})
        print_result(told if output.format is Format.JSON else line)
        return None
    with listening(output) as listener:
        try:
            target = Target.parse(dest, plain_http=registry.plain_http)
        except ReferenceFault as fault:
            found = unaddressed(dest, fault, CHECKS)
        else:
            reach = access(registry, Side.DESTINATION, {target.authority}, listener=listener)
            reach = replace(reach, tls=replace(reach.tls, authorities=authorities(cluster)))
            # A file of no use is told before anything is asked, and not as a finding.
            context(reach.tls)
            attested = frozenset(each.value for each in attest or ())
            question = Question(
                target,
                reach,
                cluster=cluster,
                attested=attested,
                fips=fips,
                aws_region=aws_region,
                create_project=create_project,
            )
            with Scene(question, listener) as scene:
                prepare(scene)
                found = examine(scene, CHECKS, rules)
    if output.format is Format.JSON:
        print_result(json.dump(report.document(found)))
    else:
        print_result(report.text(found))
    return unfit(found)
