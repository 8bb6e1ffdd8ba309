"""``tkg-mirror bundle create``: registry to bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mirror.cli.options import Inputs, KeepGoing, OutputOptions, RegistryOptions


def create(
    inputs: Inputs,
    to: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="The bundle to write.")
    ],
    registry: RegistryOptions,
    output: OutputOptions,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
    keep_going: KeepGoing = False,
) -> None:
    """Fetch every image into one bundle; a second run goes on where the first one stopped."""
    from mirror.cli.console import listening
    from mirror.cli.inputs import access, read_inputs
    from mirror.cli.results import failure_as_result, tell_run
    from mirror.create import Creation
    from mirror.create import create as make
    from mirror.errors import Side
    from mirror.registry.remote import Registries

    with failure_as_result(output), listening(output) as listener:
        wanted = read_inputs(inputs)
        reach = access(
            registry,
            Side.SOURCE,
            wanted.hosts,
            stdin_taken=inputs.images == "-",
            listener=listener,
        )
        images, rewrites, pins = wanted.images, wanted.rewrites, wanted.pins
        with Registries(reach) as source:
            creation = Creation(
                images, source, reach.settings, listener, rewrites, pins, keep_going
            )
            report = make(creation, to, force=force)
    hint = "mend what is listed and run it again, with --force to replace the smaller bundle"
    tell_run(report, f"{to} is complete", output, hint=hint)
