"""``tkg-mirror bundle push``: bundle to registry."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mirror.cli.options import KeepGoing, OutputOptions, RegistryOptions


def push(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The bundle.")],
    dest: Annotated[
        str, typer.Argument(metavar="DEST", help="Where to: host[:port]/project[/...].")
    ],
    registry: RegistryOptions,
    output: OutputOptions,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace tags that name other images.")
    ] = False,
    keep_going: KeepGoing = False,
) -> None:
    """Push every image that DEST lacks, and print the variables that TKG needs."""
    from bom.reference import parse_repository
    from mirror.bundle.reader import Bundle
    from mirror.cli.console import listening
    from mirror.cli.inputs import access
    from mirror.cli.results import failure_as_result, tell_run
    from mirror.errors import Side
    from mirror.push import Push
    from mirror.registry.client import Registry
    from mirror.tkg import REPOSITORY, variables

    with failure_as_result(output), listening(output) as listener:
        host, project = parse_repository(dest)
        reach = access(registry, Side.DESTINATION, {host}, listener=listener)
        block = variables(host, project, reach)
        with Bundle(file) as bundle, Registry(host, reach) as target:
            report = Push(
                bundle, target, project, reach.settings, listener, overwrite, keep_going
            ).run()
    tell_run(report, f"{block[REPOSITORY]} has every image", output, variables=block)
