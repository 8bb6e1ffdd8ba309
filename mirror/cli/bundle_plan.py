"""``tkg-mirror bundle plan``: what a create would move."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mirror.cli.options import CarryOptions, Format, Inputs, OutputOptions, RegistryOptions
from mirror.cli.streams import print_result


def plan(
    inputs: Inputs,
    carry: CarryOptions,
    registry: RegistryOptions,
    output: OutputOptions,
    to: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write the plan, for create --plan."),
    ] = None,
) -> None:
    """Resolve every image to a digest and tell how much there is to move."""
    from mirror import planfile
    from mirror.cli.access import access
    from mirror.cli.console import listening
    from mirror.cli.inputs import read_inputs
    from mirror.create import resolve
    from mirror.errors import Side
    from mirror.files import refuse_other, write_plan
    from mirror.plan import contents_of
    from mirror.registry.remote import Registries
    from mirror.report import json, text

    if to:
        refuse_other(to, planfile.SCHEMA)
    wanted = read_inputs(inputs)
    carried = wanted.carry(carry.carry())
    with listening(output) as listener:
        stdin_taken = inputs.images == "-"
        reach = access(
            registry, Side.SOURCE, wanted.hosts, stdin_taken=stdin_taken, listener=listener
        )
        with Registries(reach, wanted.named) as source:
            creation = wanted.creation(source, carried, reach.settings, listener)
            resolution = resolve(creation)
    contents = contents_of(creation.images, resolution.images, carried.platforms)
    document = planfile.to_json(creation.images, resolution, contents)
    if to:
        write_plan(to, json.dump(document) + "\n", planfile.SCHEMA)
    print_result(json.dump(document) if output.format is Format.JSON else text.plan(document))
