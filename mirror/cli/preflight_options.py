"""The options of ``preflight``, in the groups in which they are read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Statement(StrEnum):
    """What an operator may vouch for."""

    OUTSIDE_TKG = "outside-tkg"


@dataclass(frozen=True, slots=True)
class ExpectedOptions:
    """What must be there, and what will be installed from it."""

    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", metavar="FILE", help="Look for every image of this bundle."),
    ] = None
    bom: Annotated[
        list[str] | None,
        typer.Option(
            "--bom",
            metavar="FILE",
            help="Look for every image of this TKG BOM or TKr BOM, by tag alone. Repeatable.",
        ),
    ] = None
    plan: Annotated[
        str | None,
        typer.Option(
            "--plan",
            metavar="FILE",
            help="Look for every image of this plan; - is standard input.",
        ),
    ] = None
    deep: Annotated[
        bool,
        typer.Option("--deep", help="Read every byte of the images that are looked for."),
    ] = False
    cluster_config: Annotated[
        Path | None,
        typer.Option("--cluster-config", metavar="FILE", help="A TKG cluster configuration."),
    ] = None
    aws_endpoints: Annotated[
        str | None,
        typer.Option(
            "--aws-endpoints",
            metavar="REGION",
            help="Test from here the AWS endpoints that an offline VPC in this region must have.",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class JudgingOptions:
    """How findings count."""

    strict: Annotated[bool, typer.Option("--strict", help="Count every warning as a failure.")] = (
        False
    )
    fips: Annotated[bool, typer.Option("--fips", help="Check for a FIPS build of TKG as well.")] = (
        False
    )
    waive: Annotated[
        list[str] | None,
        typer.Option(
            "--waive",
            metavar="ID=REASON",
            help="Let a failure of this check, or of requirement R1, R2 or R3, be a warning;"
            " the reason is recorded. Repeatable.",
        ),
    ] = None
    attest: Annotated[
        list[Statement] | None,
        typer.Option("--attest", help="Vouch for what cannot be seen from here; recorded."),
    ] = None


@dataclass(frozen=True, slots=True)
class ActionOptions:
    """What is done besides asking."""

    create_project: Annotated[
        bool,
        typer.Option(
            "--create-project",
            help="At a Harbor, make DEST's project, public, if there is none; needs credentials.",
        ),
    ] = False
    emit_node_test: Annotated[
        bool,
        typer.Option(
            "--emit-node-test",
            help="Ask nothing; print a line of shell that tests the registry on a TKG node.",
        ),
    ] = False
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="FILE.html",
            help="Write all findings, with their evidence, as one page for people and archives.",
        ),
    ] = None
    force: Annotated[
        bool, typer.Option("--force", help="Replace the file of --report if it exists.")
    ] = False
