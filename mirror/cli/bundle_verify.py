"""``tkg-mirror bundle verify``: is every byte of a bundle what it should be."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from mirror.cli.options import Format, OutputOptions
from mirror.cli.streams import print_result
from mirror.errors import Fault
from mirror.settings import Settings

_CORES = os.cpu_count() or 1


def verify(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Bundles.")],
    output: OutputOptions,
    concurrency: Annotated[
        int,
        typer.Option(
            "-j",
            "--concurrency",
            metavar="N",
            min=1,
            max=64,
            help="Blobs to hash at a time, 1 to 64; as many as there are cores if not given.",
            envvar="TKG_MIRROR_CONCURRENCY",
            show_default=False,
        ),
    ] = min(_CORES, 64),
) -> Fault | None:
    """Check every blob against its digest, and that nothing is missing, foreign or out of place."""
    from mirror.cli.console import listening
    from mirror.cli.results import gravest
    from mirror.report import json, text
    from mirror.verify import verify_all

    with listening(output) as listener:
        result = verify_all(files, Settings(concurrency), listener)
    if output.format is Format.JSON:
        print_result(json.dump(json.verify(result.damages, result.size, result.seconds)))
    else:
        print_result(text.verify(result.damages, result.size, result.seconds))
    return gravest(result)
