"""``tkg-mirror bundle push``: bundle to registry."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mirror.cli.options import (
    Dest,
    KeepGoing,
    OnlyFailed,
    OutputOptions,
    Overwrite,
    RegistryOptions,
)
from mirror.errors import Fault


def push(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The bundle.")],
    dest: Dest,
    registry: RegistryOptions,
    output: OutputOptions,
    overwrite: Overwrite = False,
    keep_going: KeepGoing = False,
    only_failed: OnlyFailed = None,
) -> Fault | None:
    """Push every image that DEST lacks, and print the variables that TKG needs."""
    from bom.reference import parse_repository
    from mirror.bundle.reader import Bundle
    from mirror.cli.access import access, read_earlier
    from mirror.cli.console import listening
    from mirror.cli.results import nothing_failed, tell_run
    from mirror.errors import Side
    from mirror.push import Push
    from mirror.registry.client import Registry
    from mirror.tkg import REPOSITORY, variables

    earlier = read_earlier(only_failed, stdin_taken=registry.password_stdin)
    host, project = parse_repository(dest)
    with listening(output) as listener:
        reach = access(registry, Side.DESTINATION, {host}, listener=listener)
        block = variables(host, project, reach)
        if earlier:
            earlier.check_destination(block[REPOSITORY])
        with Bundle(file) as bundle, Registry(host, reach) as target:
            if earlier:
                earlier.check({image.reference for image in bundle.inventory.images}, str(file))
            if earlier and not earlier.failed:
                return tell_run(nothing_failed(earlier), "nothing is pushed", output)
            only = earlier.failed if earlier else None
            report = Push(
                bundle, target, project, reach.settings, listener, overwrite, keep_going, only
            ).run()
    done = f"{block[REPOSITORY]} has {'the images that had failed' if earlier else 'every image'}"
    return tell_run(report, done, output, variables=block, earlier=earlier)
