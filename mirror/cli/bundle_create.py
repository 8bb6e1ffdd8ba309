"""``tkg-mirror bundle create``: registry to bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mirror.cli.options import (
    CarryOptions,
    Inputs,
    KeepGoing,
    OnlyFailed,
    OutputOptions,
    RegistryOptions,
)
from mirror.errors import Fault


def create(
    inputs: Inputs,
    to: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="The bundle to write.")
    ],
    carry: CarryOptions,
    registry: RegistryOptions,
    output: OutputOptions,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE if it exists.")] = False,
    keep_going: KeepGoing = False,
    only_failed: OnlyFailed = None,
) -> Fault | None:
    """Fetch every image into one bundle; a second run goes on where the first one stopped.

    With --only-failed the bundle holds only the images that are tried: give it another name.
    """
    from mirror.cli.access import access, read_earlier
    from mirror.cli.console import listening
    from mirror.cli.inputs import read_inputs
    from mirror.cli.results import nothing_failed, tell_run
    from mirror.create import create as make
    from mirror.create import refuse_output
    from mirror.errors import Side
    from mirror.registry.remote import Registries

    earlier = read_earlier(only_failed, stdin_taken=inputs.images == "-" or registry.password_stdin)
    wanted = read_inputs(inputs)
    carried = wanted.carry(carry.carry())
    if earlier:
        wanted = wanted.failed_in(earlier)
        if not earlier.failed:
            return tell_run(nothing_failed(earlier), f"{to} is not written", output)
    # Before a release is read as well, which asks its registry.
    refuse_output(to, force=force)
    with listening(output) as listener:
        taken = inputs.images == "-"
        reach = access(registry, Side.SOURCE, wanted.hosts, stdin_taken=taken, listener=listener)
        with Registries(reach, wanted.named) as source:
            creation = wanted.creation(
                source, carried, reach.settings, listener, keep_going=keep_going, earlier=earlier
            )
            report = make(creation, to, force=force)
    hint = "mend what is listed and run it again, with --force to replace the smaller bundle"
    done = "holds the images that had failed, and no others" if earlier else "is complete"
    return tell_run(report, f"{to} {done}", output, hint=hint, earlier=earlier)
